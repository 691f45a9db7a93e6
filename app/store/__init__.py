"""PostgreSQL: the only package that imports asyncpg. One typed function per query; no decisions."""
