"""What REDIS_URL may name: a plain Redis, which the queue of jobs and live updates need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.errors import OperatorError
from app.redis_client import open_redis
from app.redis_cluster import is_cluster

if TYPE_CHECKING:
    from app.settings import Settings

TIMEOUT_SECONDS: Final = 0.5


class RedisError(OperatorError):
    """REDIS_URL can't be used."""


async def require_plain_redis(settings: Settings) -> None:
    """Raises RedisError where REDIS_URL leads to a cluster. A Redis that is away is waited for
    later.
    """
    redis = open_redis(settings.redis_url, timeout_seconds=TIMEOUT_SECONDS)
    try:
        if await is_cluster(redis):
            raise RedisError(
                "REDIS_URL names a Redis Cluster, but the queue of jobs and live updates need a"
                " plain Redis: name one there, and the cluster in SLOTWRIGHT_CACHE_URL."
            )
    finally:
        await redis.aclose()
