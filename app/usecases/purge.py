"""Purge what has served its time, in small batches that hold no lock for long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.store.idempotency import purge_keys

if TYPE_CHECKING:
    from app.usecases.resources import Resources

KEYS_LIVE: Final = timedelta(hours=48)
"""Twice the day that clients are promised, so that no retry meets an edge."""
BATCH_SIZE: Final = 1_000


async def purge_idempotency_keys(resources: Resources) -> int:
    """Forget the idempotency keys that are older than two days; how many there were."""
    made_before = resources.clock() - KEYS_LIVE
    purged = 0
    while batch := await purge_keys(resources.pool, made_before=made_before, batch_size=BATCH_SIZE):
        purged += batch
    return purged
