"""PostgreSQL: the only room that imports asyncpg. One typed function a query; nothing
here decides.
"""
