"""Housekeeping: what has served its time goes."""

from __future__ import annotations

from typing import Any

from app.jobs.context import resources_of
from app.usecases import purge


async def purge_idempotency_keys(ctx: dict[Any, Any]) -> int:
    return await purge.purge_idempotency_keys(resources_of(ctx))
