"""Connections to the Redis that keeps free times: each says, before it is used, which run of the
server it reached.

A Redis that was restarted from its disk, or a replica that took over, may have lost its last
invalidations and still hold what they removed. Every stamp names the run that it was made under; a
new run makes all older ones void.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from redis.exceptions import ConnectionError as RedisConnectionError

from app import redis_client
from app.free_times.keys import run_key

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from app.redis_client import RedisClient

RUN_BYTES: Final = 8


def open_redis(url: str, *, timeout_seconds: float) -> RedisClient:
    """A client of the Redis that keeps free times."""
    return redis_client.open_redis(url, timeout_seconds=timeout_seconds, on_connect=_say_which_run)


async def _say_which_run(connection: AbstractConnection) -> None:
    await connection.on_connect()
    await connection.send_command("INFO", "server", check_health=False)
    information: bytes = await connection.read_response()
    run = next((line for line in information.splitlines() if line.startswith(b"run_id:")), None)
    if run is None:
        raise RedisConnectionError("INFO server names no run_id")
    # Always the same value for one run, so it does not matter which connection writes it, or how
    # often.
    value = hashlib.blake2b(run, digest_size=RUN_BYTES).digest()
    await connection.send_command("SET", run_key(), value, check_health=False)
    await connection.read_response()
