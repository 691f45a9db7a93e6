"""Connections to the Redis that keeps free times: each says, before it is used, which run of the
server it reached.

A Redis that was restarted from its disk, or a replica that took over, may have lost its last
invalidations and still hold what they removed. Every stamp names the run that it was made under; a
new run makes all older ones void.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app.free_times.keys import run_key

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

RUN_BYTES: Final = 8


def open_redis(url: str, *, timeout_seconds: float) -> Redis:
    """A client that connects when it is first used. A command on a connection that died is tried
    once more.
    """
    redis: Redis = Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[RedisConnectionError],
        health_check_interval=15,
        redis_connect_func=_say_which_run,
    )
    return redis


async def _say_which_run(connection: AbstractConnection) -> None:
    await connection.on_connect()
    await connection.send_command("INFO", "server", check_health=False)
    information: bytes = await connection.read_response()
    run = next((line for line in information.splitlines() if line.startswith(b"run_id:")), None)
    if run is None:
        raise RedisError("INFO server names no run_id")
    # Always the same value for one run, so it does not matter which connection writes it, or how
    # often.
    value = hashlib.blake2b(run, digest_size=RUN_BYTES).digest()
    await connection.send_command("SET", run_key(), value, check_health=False)
    await connection.read_response()
