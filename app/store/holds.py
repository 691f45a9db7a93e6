"""Holds, as stored. The time they take is a claim, in `app.store.calendars`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.hold import Hold
from app.core.ids import HoldId, OrganizationId, ProviderId, ServiceId
from app.store.appointments import taken_from, taken_values
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import SessionId
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_ID = query("hold_by_id")
_BY_IDS = query("holds_by_ids")
_FOR_UPDATE = query("hold_for_update")
_COUNT_OPEN = query("count_open_holds")
_INSERT = query("insert_hold")
_END = query("end_hold")
_EXPIRED = query("expired_holds")
_OF_SESSION = query("holds_of_session_for_update")
_END_SEVERAL = query("end_holds")
_MOVE = query("move_hold")


def _hold(row: Record | None) -> Hold | None:
    if row is None:
        return None
    return Hold(
        id=HoldId(row["id"]),
        provider_id=ProviderId(row["provider_id"]),
        service_id=None if row["service_id"] is None else ServiceId(row["service_id"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        **taken_from(row),
    )


async def hold_by_id(on: Executor, organization_id: OrganizationId, hold_id: HoldId) -> Hold | None:
    """The hold, whether it is still in force or not."""
    return _hold(await _BY_ID.maybe(on, organization_id, hold_id))


async def holds_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[HoldId]
) -> dict[HoldId, Hold]:
    """The existing ones of these holds, by id, whether they are still in force or not."""
    found = [_hold(row) for row in await _BY_IDS.many(on, organization_id, ids)]
    return {hold.id: hold for hold in found if hold is not None}


async def hold_for_update(
    tx: Transaction, organization_id: OrganizationId, hold_id: HoldId
) -> Hold | None:
    """The hold, locked until the transaction ends: it is used or released once."""
    return _hold(await _FOR_UPDATE.maybe(tx, organization_id, hold_id))


async def count_open_holds(
    tx: Transaction, organization_id: OrganizationId, caller: str, now: datetime
) -> int:
    """How many holds this caller has open; ask under `lock_caller`."""
    row = await _COUNT_OPEN.one(tx, organization_id, caller, now)
    count: int = row["open"]
    return count


def insert_hold(
    tx: Transaction, lock: CalendarLock, hold: Hold, *, caller: str, created_at: datetime
) -> None:
    """Store a hold, at the transaction's next statement; its time is taken with it, by
    `take_time`.
    """
    _INSERT.later(
        tx,
        lock.organization_id,
        hold.id,
        hold.provider_id,
        hold.service_id,
        caller,
        hold.starts_at,
        hold.ends_at,
        created_at,
        hold.expires_at,
        *taken_values(hold),
    )


async def end_hold(
    tx: Transaction, organization_id: OrganizationId, hold_id: HoldId, ended_at: datetime
) -> bool:
    """Record that the hold was released, used, or has expired; False if that was done before."""
    return await _END.exec(tx, organization_id, hold_id, ended_at) == 1


async def holds_of_session_for_update(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> list[Hold]:
    """The holds in the session whose end is not recorded yet, locked until the transaction ends;
    some may have expired.
    """
    found = [_hold(row) for row in await _OF_SESSION.many(tx, organization_id, session_id)]
    return [hold for hold in found if hold is not None]


def move_hold(tx: Transaction, lock: CalendarLock, after: Hold) -> None:
    """Store, at the transaction's next statement, where a hold is whose session moved."""
    _MOVE.later(
        tx,
        lock.organization_id,
        after.id,
        after.starts_at,
        after.ends_at,
        after.provider_id,
        *taken_values(after),
    )


def end_holds(
    tx: Transaction, organization_id: OrganizationId, ids: Sequence[HoldId], ended_at: datetime
) -> None:
    """Record, at the transaction's next statement, that these holds, which are locked, ended."""
    _END_SEVERAL.later(tx, organization_id, ids, ended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredHold:
    """A hold that expired unused."""

    organization_id: OrganizationId
    id: HoldId
    provider_id: ProviderId
    expires_at: datetime


async def expired_holds(
    on: Executor, *, expired_by: datetime, batch_size: int
) -> list[ExpiredHold]:
    """A batch of holds that expired and whose end is not recorded yet. Nothing is locked."""
    return [
        ExpiredHold(
            organization_id=OrganizationId(row["organization_id"]),
            id=HoldId(row["id"]),
            provider_id=ProviderId(row["provider_id"]),
            expires_at=row["expires_at"],
        )
        for row in await _EXPIRED.many(on, expired_by, batch_size)
    ]
