"""Time off, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.core.ids import SubjectId, TimeOffId
from app.core.provider import TimeOff
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

Subject = TypeVar("Subject", bound=SubjectId)

_OF_SUBJECTS = query("time_off_of_subjects")
_BY_IDS = query("time_off_by_ids")
_INSERT = query("insert_time_off")
_UPDATE = query("update_time_off")
_DELETE = query("delete_time_off")


def _time_off(row: Record) -> TimeOff:
    return TimeOff(
        id=TimeOffId(row["id"]),
        subject_id=row["subject_id"],
        from_wall=row["from_wall"],
        until_wall=row["until_wall"],
        reason=row["reason"],
    )


async def time_off_of_subjects(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Sequence[Subject],
    first: date,
    last: date,
) -> dict[Subject, list[TimeOff]]:
    """The time off of each subject that has a reading on one of the dates from first to last,
    inclusive, in order.
    """
    found: dict[Subject, list[TimeOff]] = {}
    for row in await _OF_SUBJECTS.many(on, organization_id, subject_ids, first, last):
        subject_id: Subject = row["subject_id"]
        found.setdefault(subject_id, []).append(_time_off(row))
    return found


async def time_off_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[TimeOffId]
) -> dict[TimeOffId, TimeOff]:
    """Those that exist."""
    rows = await _BY_IDS.many(on, organization_id, ids)
    return {TimeOffId(row["id"]): _time_off(row) for row in rows}


async def insert_time_off(
    tx: Transaction, organization_id: OrganizationId, time_off: TimeOff, now: datetime
) -> None:
    """Add it. Under the lock of the subject's rules."""
    await _INSERT.exec(
        tx,
        organization_id,
        time_off.id,
        time_off.subject_id,
        time_off.from_wall,
        time_off.until_wall,
        time_off.reason,
        now,
    )


async def update_time_off(
    tx: Transaction, organization_id: OrganizationId, time_off: TimeOff
) -> None:
    """Replace its readings and its reason. Under the lock of the subject's rules."""
    await _UPDATE.exec(
        tx,
        organization_id,
        time_off.id,
        time_off.from_wall,
        time_off.until_wall,
        time_off.reason,
    )


async def delete_time_off(
    tx: Transaction, organization_id: OrganizationId, time_off_id: TimeOffId
) -> None:
    """Delete it. Under the lock of the subject's rules."""
    await _DELETE.exec(tx, organization_id, time_off_id)
