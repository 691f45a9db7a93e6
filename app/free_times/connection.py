"""Connections to the Redis that keeps free times: each knows which run of the server it reached.

A Redis that was restarted from its disk, or a replica that took over, may have lost its last
invalidations and still hold what they removed. Every stamp names the run that it was made under,
and counts only where it is read over a connection to that run. A connection does not outlive the
server that it was opened to, so the run is asked for once, when it is opened.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from redis.exceptions import ConnectionError as RedisConnectionError

from app import redis_client
from app.redis_cluster import ClusterClient, is_cluster

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from app.redis_client import RedisClient

RUN_BYTES: Final = 8

_runs: Final[WeakKeyDictionary[AbstractConnection, bytes]] = WeakKeyDictionary()


def open_redis(url: str, *, timeout_seconds: float) -> RedisClient:
    """A client of the Redis that keeps free times."""
    return redis_client.open_redis(url, timeout_seconds=timeout_seconds, on_connect=_ask_which_run)


async def open_cache(url: str, *, timeout_seconds: float) -> RedisClient | ClusterClient:
    """The same for a plain Redis; for a cluster, which any of its nodes leads to, a client of all.

    Where nobody answers now, a client that finds out once somebody does: a little slower for a
    plain Redis, until the process starts again.
    """
    plain = open_redis(url, timeout_seconds=timeout_seconds)
    if await is_cluster(plain) is False:
        return plain
    await plain.aclose()
    return ClusterClient(url, timeout_seconds=timeout_seconds, on_connect=_ask_which_run)


async def _ask_which_run(connection: AbstractConnection) -> None:
    await connection.on_connect()
    await connection.send_command("INFO", "server", check_health=False)
    information: bytes = await connection.read_response()
    run = next((line for line in information.splitlines() if line.startswith(b"run_id:")), None)
    if run is None:
        raise RedisConnectionError("INFO server names no run_id")
    _runs[connection] = hashlib.blake2b(run, digest_size=RUN_BYTES).digest()


async def run_of(connection: AbstractConnection) -> bytes:
    """The run of the server that the connection leads to; it is opened where it is closed."""
    if not connection.is_connected:
        await connection.connect()  # type: ignore[no-untyped-call]  # its stub has none
    return _runs[connection]
