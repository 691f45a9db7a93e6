"""Deletes old data, batch by batch, the oldest first. Each function returns how many rows it
deleted.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import UUID

from app.core.ids import CustomerId, OrganizationId
from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.zones import Minute
    from app.store.sql import Executor

_HOLDS = query("holds_to_purge")
_PURGE_HOLDS = query("purge_holds")
_PURGE_CLAIMS = query("purge_claims")
_PURGE_SEATS = query("purge_seats")
_PURGE_SESSIONS = query("purge_sessions")
_PURGE_MESSAGES = query("purge_messages")
_PURGE_BUSY = query("purge_busy_times")
_PURGE_READINGS = query("purge_busy_readings")
_PURGE_EVENTS = query("purge_events")
_ERASED = query("erased_customers_with_history")
_PURGE_HISTORY = query("purge_history_of_customer")
_PURGE_REVOKED = query("purge_revoked_tokens")


async def purge_holds(on: Executor, *, expired_before: datetime, batch_size: int) -> int:
    """Holds that expired before this instant, with their claims, seats and keys: one organization
    at a time.
    """
    batch: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in await _HOLDS.many(on, expired_before, batch_size):
        batch[row["organization_id"]].append(row["id"])
    return sum(
        [
            await _PURGE_HOLDS.exec(on, organization_id, ids)
            for organization_id, ids in batch.items()
        ]
    )


async def purge_claims(on: Executor, *, ended_before: Minute, batch_size: int) -> int:
    """Times that were given back, and lie before this minute."""
    row = await _PURGE_CLAIMS.one(on, ended_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_seats(on: Executor, *, ended_before: datetime, batch_size: int) -> int:
    """Seats that were given back, of sessions whose time ended before this instant."""
    row = await _PURGE_SEATS.one(on, ended_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_sessions(on: Executor, *, ended_before: datetime, batch_size: int) -> int:
    """Sessions that have ended, whose time was before this instant, and that nothing refers to."""
    row = await _PURGE_SESSIONS.one(on, ended_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_messages(on: Executor, *, made_before: datetime, batch_size: int) -> int:
    """Rows of the log of messages that were made before this instant and do not wait."""
    row = await _PURGE_MESSAGES.one(on, made_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_busy_times(on: Executor, *, ended_before: Minute, batch_size: int) -> int:
    """Busy times that ended before this minute."""
    row = await _PURGE_BUSY.one(on, ended_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_busy_readings(on: Executor, *, ended_before: Minute, batch_size: int) -> int:
    """Readings that were over on every clock before this minute."""
    row = await _PURGE_READINGS.one(on, ended_before, batch_size)
    purged: int = row["purged"]
    return purged


async def erased_customers_with_history(
    on: Executor, *, erased_before: datetime, batch_size: int
) -> list[tuple[OrganizationId, CustomerId]]:
    """Customers who were erased before this instant and still have data to purge."""
    return [
        (OrganizationId(row["organization_id"]), CustomerId(row["id"]))
        for row in await _ERASED.many(on, erased_before, batch_size)
    ]


async def purge_history_of_customer(
    on: Executor, organization_id: OrganizationId, customer_id: CustomerId
) -> int:
    """The history of all of an erased customer's appointments."""
    return await _PURGE_HISTORY.exec(on, organization_id, customer_id)


async def purge_revoked_tokens(on: Executor, *, expired_before: datetime, batch_size: int) -> int:
    """Revocations of tokens that ended by themselves before this instant."""
    row = await _PURGE_REVOKED.one(on, expired_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_events(on: Executor, *, happened_before: datetime, batch_size: int) -> int:
    """Events that happened before this instant, read or not."""
    row = await _PURGE_EVENTS.one(on, happened_before, batch_size)
    purged: int = row["purged"]
    return purged
