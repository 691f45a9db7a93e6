"""Weekly hours, weekly breaks and exceptions, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.core.hours import WeeklyRange
from app.core.ids import AvailabilityExceptionId, SubjectId, WeeklyBreakId, WeeklyHoursId
from app.core.provider import AvailabilityException, WeeklyBreak, WeeklyHours
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from uuid import UUID

    from app.core.hours import ClockRange, DayException
    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Query, Record

Subject = TypeVar("Subject", bound=SubjectId)

_HOURS = query("weekly_hours_of_subjects")
_BREAKS = query("weekly_breaks_of_subjects")
_EXCEPTIONS = query("exceptions_of_subjects")
_DELETE_HOURS = query("delete_weekly_hours")
_DELETE_BREAKS = query("delete_weekly_breaks")
_INSERT_HOURS = query("insert_weekly_hours")
_INSERT_BREAKS = query("insert_weekly_breaks")
_DELETE_EXCEPTION = query("delete_exception")
_INSERT_EXCEPTION = query("insert_exception")


def _range(row: Record) -> WeeklyRange:
    return WeeklyRange(
        weekday=row["weekday"],
        start_minute=row["start_minute"],
        end_minute=row["end_minute"],
        effective_from=row["effective_from"],
        effective_until=row["effective_until"],
    )


async def weekly_hours_of_subjects(
    on: Executor, organization_id: OrganizationId, subject_ids: Sequence[Subject]
) -> dict[Subject, list[WeeklyHours]]:
    """The weekly hours of each subject that has any, in the order of the week."""
    found: dict[Subject, list[WeeklyHours]] = {}
    for row in await _HOURS.many(on, organization_id, subject_ids):
        subject_id: Subject = row["subject_id"]
        hours = WeeklyHours(id=WeeklyHoursId(row["id"]), subject_id=subject_id, range=_range(row))
        found.setdefault(subject_id, []).append(hours)
    return found


async def weekly_breaks_of_subjects(
    on: Executor, organization_id: OrganizationId, subject_ids: Sequence[Subject]
) -> dict[Subject, list[WeeklyBreak]]:
    """The weekly breaks of each subject that has any, in the order of the week."""
    found: dict[Subject, list[WeeklyBreak]] = {}
    for row in await _BREAKS.many(on, organization_id, subject_ids):
        subject_id: Subject = row["subject_id"]
        pause = WeeklyBreak(id=WeeklyBreakId(row["id"]), subject_id=subject_id, range=_range(row))
        found.setdefault(subject_id, []).append(pause)
    return found


async def exceptions_of_subjects(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Sequence[Subject],
    first: date,
    last: date,
) -> dict[Subject, list[AvailabilityException]]:
    """The exceptions of each subject on the dates from first to last, inclusive, in order."""
    found: dict[Subject, list[AvailabilityException]] = {}
    for row in await _EXCEPTIONS.many(on, organization_id, subject_ids, first, last):
        subject_id: Subject = row["subject_id"]
        exception = AvailabilityException(
            id=AvailabilityExceptionId(row["id"]),
            subject_id=subject_id,
            date=row["date"],
            is_blocked=row["is_blocked"],
            start_minute=row["custom_start_minute"],
            end_minute=row["custom_end_minute"],
            reason=row["reason"],
        )
        found.setdefault(subject_id, []).append(exception)
    return found


async def replace_weekly_hours(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    *,
    hours: Sequence[WeeklyRange],
    breaks: Sequence[WeeklyRange],
    new_id: Callable[[], UUID],
) -> None:
    """Replace all weekly hours and breaks of the subject."""
    await _DELETE_HOURS.exec(tx, organization_id, subject_id)
    await _DELETE_BREAKS.exec(tx, organization_id, subject_id)
    await _insert_ranges(_INSERT_HOURS, tx, organization_id, subject_id, hours, new_id)
    await _insert_ranges(_INSERT_BREAKS, tx, organization_id, subject_id, breaks, new_id)


async def _insert_ranges(
    insert: Query,
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    ranges: Sequence[WeeklyRange],
    new_id: Callable[[], UUID],
) -> None:
    if ranges:
        await insert.exec(
            tx,
            organization_id,
            subject_id,
            [new_id() for _ in ranges],
            [weekly.weekday for weekly in ranges],
            [weekly.start_minute for weekly in ranges],
            [weekly.end_minute for weekly in ranges],
            [weekly.effective_from for weekly in ranges],
            [weekly.effective_until for weekly in ranges],
        )


async def remove_exception(
    tx: Transaction, organization_id: OrganizationId, subject_id: SubjectId, day: date
) -> None:
    """Remove the date's exception."""
    await _DELETE_EXCEPTION.exec(tx, organization_id, subject_id, day)


async def replace_exception(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    exception: DayException,
    *,
    reason: str | None,
    new_id: Callable[[], UUID],
) -> None:
    """Sets the date's exception; it replaces an earlier one."""
    await remove_exception(tx, organization_id, subject_id, exception.date)
    ranges: Sequence[ClockRange | None] = exception.ranges or (None,)
    await _INSERT_EXCEPTION.exec(
        tx,
        organization_id,
        subject_id,
        exception.date,
        exception.is_blocked,
        reason,
        [new_id() for _ in ranges],
        [clock and clock.start_minute for clock in ranges],
        [clock and clock.end_minute for clock in ranges],
    )
