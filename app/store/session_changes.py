"""Sessions that staff cancel or move, with everybody in them, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.core.ids import AppointmentId, CustomerId, HoldId
from app.store.locks import name_of_customer
from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import OrganizationId, SessionId
    from app.core.session import Session
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction

_LOCK = query("lock_any_session")
_PARTIES = query("parties_of_session")
_LIMITED = query("limited_customers_of_session")
_CANCEL = query("cancel_session")
_FREE_TIME = query("free_session_time")
_MOVE = query("move_session")


class Parties(NamedTuple):
    """Who has seats in a session."""

    appointment_ids: frozenset[AppointmentId]
    hold_ids: frozenset[HoldId]


async def lock_any_session(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> None:
    """Lock the session, whether it has ended or not, until the transaction ends: nobody takes or
    gives back seats of it.
    """
    await _LOCK.exec(tx, organization_id, session_id)


async def parties_of_session(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId, now: datetime
) -> Parties:
    """The appointments, and the holds that have not expired, with seats in the session."""
    row = await _PARTIES.one(tx, organization_id, session_id, now)
    return Parties(
        frozenset(map(AppointmentId, row["appointment_ids"])),
        frozenset(map(HoldId, row["hold_ids"])),
    )


async def limited_customers_of_session(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> dict[CustomerId, str]:
    """The customers in the session who may not be in two places at once, with the names under which
    they are locked.
    """
    rows = await _LIMITED.many(tx, organization_id, session_id)
    ids = {CustomerId(row["id"]): row["subject"] for row in rows}
    return {each: name_of_customer(each, subject) for each, subject in ids.items()}


async def end_session(
    tx: Transaction, lock: CalendarLock, session_id: SessionId, now: datetime
) -> None:
    """Cancel the session, which is locked: all its seats and its time are free."""
    await _CANCEL.exec(tx, lock.organization_id, session_id, now)


async def free_session_time(tx: Transaction, lock: CalendarLock, session_id: SessionId) -> None:
    """Free the time of the session, which is locked, before it takes other time."""
    await _FREE_TIME.exec(tx, lock.organization_id, session_id)


def move_session(tx: Transaction, lock: CalendarLock, after: Session) -> None:
    """Write, at the transaction's next statement, where the session is from now on."""
    is_alone = len(after.providers) == 1 and not after.resources
    _MOVE.later(
        tx,
        lock.organization_id,
        after.id,
        after.providers[0],
        None if is_alone else after.providers,
        None if is_alone else after.resources,
        after.starts_at,
        after.ends_at,
        after.time_version,
    )
