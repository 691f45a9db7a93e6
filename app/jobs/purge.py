"""Jobs that delete rows whose retention is over."""

from __future__ import annotations

from typing import Any

from app.jobs.context import resources_of
from app.usecases.upkeep import purge


async def purge_idempotency_keys(ctx: dict[Any, Any]) -> int:
    return await purge.purge_idempotency_keys(resources_of(ctx))


async def purge_holds(ctx: dict[Any, Any]) -> int:
    return await purge.purge_holds(resources_of(ctx))


async def purge_claims(ctx: dict[Any, Any]) -> int:
    return await purge.purge_claims(resources_of(ctx))


async def purge_seats(ctx: dict[Any, Any]) -> int:
    return await purge.purge_seats(resources_of(ctx))


async def purge_tallies(ctx: dict[Any, Any]) -> int:
    return await purge.purge_tallies(resources_of(ctx))


async def purge_messages(ctx: dict[Any, Any]) -> int:
    return await purge.purge_messages(resources_of(ctx))


async def purge_events(ctx: dict[Any, Any]) -> int:
    return await purge.purge_events(resources_of(ctx))


async def purge_busy_times(ctx: dict[Any, Any]) -> int:
    return await purge.purge_busy_times(resources_of(ctx))


async def purge_erased_history(ctx: dict[Any, Any]) -> int:
    return await purge.purge_erased_history(resources_of(ctx))


async def purge_revoked_tokens(ctx: dict[Any, Any]) -> int:
    return await purge.purge_revoked_tokens(resources_of(ctx))
