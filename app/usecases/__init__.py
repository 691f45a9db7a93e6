"""The use cases: one file a verb. The only place where a transaction begins."""
