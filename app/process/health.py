"""Whether this host's worker is healthy. Container platforms ask every few seconds, so asking
imports next to nothing.
"""

from __future__ import annotations

import socket
from typing import Final

from app.redis_client import BROKEN_REDIS, open_redis

REDIS_TIMEOUT_SECONDS: Final = 5.0
"""A worker whose record can't be read for so long is not healthy."""


def health_key() -> str:
    """Owned by the worker of this host, which writes it again before it expires."""
    return f"slotwright:worker:{socket.gethostname()}"


async def is_well(redis_url: str) -> bool:
    """Whether this host's worker is healthy: whether its record is recent."""
    redis = open_redis(redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
    try:
        return bool(await redis.exists(health_key()))
    except BROKEN_REDIS:
        return False
    finally:
        await redis.aclose()
