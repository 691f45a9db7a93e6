"""Record changes, publish them after the commit, and let subscribers watch them."""
