"""arq jobs: five lines each, calling one use case. They run at least once, so are idempotent."""
