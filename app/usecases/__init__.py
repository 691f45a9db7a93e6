"""One file a verb. The only floor where a transaction begins: lock, look, decide, write, tell."""
