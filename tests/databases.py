"""Databases of the tests: on one PostgreSQL, or on every node of a Citus cluster, where DATABASE_URL
names a database of its coordinator that knows the nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from app.standins.embedded import Servers
from app.store.migrations import distribute, migrate

SHARDS: Final = 2
"""One for each of two nodes: each is some forty tables."""

TRIES: Final = 60
PAUSE_SECONDS: Final = 0.5
"""Citus itself is connected to a database that is to be copied or dropped, and comes back after some
seconds.
"""


def on_database(database_url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))


async def nodes_of(database_url: str) -> list[str]:
    """The addresses of all nodes, the coordinator's first; of one PostgreSQL, its own."""
    async with _connected(database_url) as connection:
        if not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
        ):
            return [database_url]
        rows = await connection.fetch(
            "SELECT nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid"
        )
    return [_at(database_url, row["nodename"], row["nodeport"]) for row in rows]


@asynccontextmanager
async def an_empty_database(servers: Servers, name: str) -> AsyncIterator[str]:
    """The address of a database with nothing in it but, on a cluster, Citus."""
    nodes = await nodes_of(servers.database_url)
    await _drop(nodes, name)
    await _on_each(nodes, f'CREATE DATABASE "{name}"')
    try:
        if len(nodes) > 1:
            # Each writes the roles of all nodes, so test processes take turns.
            async with _connected(nodes[0]) as turn:
                await turn.execute("SELECT pg_advisory_lock(hashtext('join'))")
                await _join([on_database(node, name) for node in nodes])
        yield on_database(servers.database_url, name)
    finally:
        await _drop(nodes, name)


@asynccontextmanager
async def a_migrated_database(servers: Servers, name: str) -> AsyncIterator[str]:
    """The address of an empty database that `serve` accepts."""
    async with an_empty_database(servers, name) as address:
        await migrate(address)
        if len(await nodes_of(address)) > 1:
            await distribute(address)
        yield address


@asynccontextmanager
async def a_copy(servers: Servers, template: str, name: str) -> AsyncIterator[str]:
    """The address of a copy of another database."""
    nodes = await nodes_of(servers.database_url)
    # Copying files is faster where the checkpoints that it asks for cost nothing.
    strategy = "FILE_COPY" if servers.owns_postgres else "WAL_LOG"
    create = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY {strategy}'
    if len(nodes) == 1:
        await _on_each(nodes, create)
    else:
        await asyncio.gather(*(_copy(node, create, template) for node in nodes))
    try:
        yield on_database(servers.database_url, name)
    finally:
        await _drop(nodes, name)


async def _copy(node: str, create: str, template: str) -> None:
    async with _connected(node) as connection:
        for _ in range(TRIES):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                template,
            )
            try:
                await connection.execute(create)
            except asyncpg.ObjectInUseError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
    raise TimeoutError(create)


async def _drop(nodes: list[str], name: str) -> None:
    for node in nodes:
        async with _connected(node) as connection:
            for _ in range(TRIES):
                try:
                    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                except asyncpg.ObjectInUseError:
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    break


async def _join(nodes: list[str]) -> None:
    """Make one cluster of these databases, the first one its coordinator."""
    for node in nodes:
        async with _connected(node) as connection:
            await connection.execute("CREATE EXTENSION citus")
    places = [urlsplit(node) for node in nodes]
    async with _connected(nodes[0]) as connection:
        name = places[0].path.strip("/")
        await connection.execute(f'ALTER DATABASE "{name}" SET citus.shard_count = {SHARDS}')
        await connection.execute(
            "SELECT citus_set_coordinator_host($1, $2)", places[0].hostname, places[0].port
        )
        for place in places[1:]:
            await connection.execute("SELECT citus_add_node($1, $2)", place.hostname, place.port)


def _at(database_url: str, host: str, port: int) -> str:
    parts = urlsplit(database_url)
    caller, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{caller}{'@' if caller else ''}{host}:{port}"))


async def _on_each(nodes: list[str], statement: str) -> None:
    for node in nodes:
        async with _connected(node) as connection:
            await connection.execute(statement)


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()
