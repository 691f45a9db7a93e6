"""Calendars: what decides over subjects' time, and the claims on it, for any number of subjects in
one statement each.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from app.core.hours import ClockRange, DayException, Hours, WeeklyRange, merge_intervals
from app.core.ids import (
    AppointmentId,
    HoldId,
    ProviderId,
    ResourceId,
    ServiceId,
    SessionId,
    SubjectId,
)
from app.core.party import Party
from app.core.provider import Calendar
from app.core.resource import ResourceCalendar, hours_in_force
from app.core.rules import rules_in_force
from app.core.slots import EVERY_UNIT, LONGEST_CLAIM_MINUTES, Claim, ClaimKind
from app.core.zones import date_of_number, instant_of
from app.store.locks import CalendarLock, UnlockedCalendarError
from app.store.providers import provider_from
from app.store.resources import resource_from
from app.store.services import service_from
from app.store.sql import query
from app.telemetry.metrics import LOCK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from app.core.booking import Claims
    from app.core.hours import Span
    from app.core.ids import OrganizationId
    from app.core.limits import LimitPeriod
    from app.core.resource import Resource
    from app.core.zones import Minute
    from app.store.bookings import ChangeLook
    from app.store.idempotency import KeyScope
    from app.store.locks import LockKeys
    from app.store.pool import Transaction, Writes
    from app.store.sql import Executor, Record

_CALENDARS = query("calendars")
_RESOURCE_CALENDARS = query("resource_calendars")
_TIME_ZONES = query("time_zones_of_subjects")
_CLAIMS = query("claims_of_subjects")
_CLAIMS_UNDER_LOCK = query("claims_under_lock")
_LED_CLAIMS = query("led_claims")
_INSERT_CLAIMS = query("insert_claims")
_CHANGE_AS_SEEN = query("change_as_seen")
_MOVE_AS_SEEN = query("move_as_seen")
_FREE_APPOINTMENT_TIME = query("free_appointment_time")
_FREE_HOLD_TIME = query("free_hold_time")
_FREE_EXPIRED_TIME = query("free_expired_time")
_CLAIMS_OF_APPOINTMENT = query("claims_of_appointment")
_CLAIMS_OF_APPOINTMENTS = query("claims_of_appointments")
_CLAIMS_OF_HOLD = query("claims_of_hold")
_CLAIMS_OF_SESSION = query("claims_of_session")

Subject = TypeVar("Subject", bound=SubjectId)


def _weekly(rows: list[tuple[int, int, int, int | None, int | None]]) -> tuple[WeeklyRange, ...]:
    return tuple(
        WeeklyRange(
            weekday=weekday,
            start_minute=start_minute,
            end_minute=end_minute,
            effective_from=None if effective_from is None else date_of_number(effective_from),
            effective_until=None if effective_until is None else date_of_number(effective_until),
        )
        for weekday, start_minute, end_minute, effective_from, effective_until in rows
    )


def _exceptions(rows: list[tuple[int, int, int | None, int | None]]) -> dict[date, DayException]:
    ranges: dict[date, list[ClockRange]] = {}
    blocked: dict[date, bool] = {}
    for number, is_blocked, start_minute, end_minute in rows:
        day = date_of_number(number)
        blocked[day] = bool(is_blocked)
        clocks = ranges.setdefault(day, [])
        if start_minute is not None and end_minute is not None:
            clocks.append(ClockRange(start_minute=start_minute, end_minute=end_minute))
    return {
        day: DayException(date=day, is_blocked=blocked[day], ranges=tuple(clocks))
        for day, clocks in ranges.items()
    }


def _time_off(rows: list[tuple[int, int]]) -> tuple[Span, ...]:
    return tuple(merge_intervals((start, end) for start, end in rows))


async def load_calendars(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Sequence[Party],
    first: date,
    last: date,
    *,
    with_withdrawn: bool = False,
) -> dict[Party, Calendar]:
    """The calendars of those wanted that exist, with the exceptions and time off on the dates from
    first to last.

    A provider that does not exist is absent, and so is a service that the provider does not offer,
    and who and what is archived. `with_withdrawn` includes all but the first: offers limit new
    bookings, not existing appointments.
    """
    rows = await _CALENDARS.many(
        on,
        organization_id,
        [provider_id for provider_id, _ in wanted],
        [service_id for _, service_id in wanted],
        first,
        last,
        with_withdrawn,
    )
    calendars: dict[Party, Calendar] = {}
    for row in rows:
        provider = provider_from(row, ProviderId(row["wanted_provider_id"]))
        service = None if row["offered_id"] is None else service_from(row, "offered_")
        if row["wanted_service_id"] is None or service is not None:
            party = Party(provider.id, service.id if service else None)
            calendars[party] = Calendar(
                provider=provider,
                service=service,
                hours=Hours(
                    time_zone=provider.time_zone,
                    weekly=_weekly(row["weekly_hours"]),
                    breaks=_weekly(row["weekly_breaks"]),
                    exceptions=_exceptions(row["exceptions"]),
                    time_off=_time_off(row["time_off"]),
                ),
                rules=rules_in_force(provider.rules, service.rules if service else None),
                is_plain=row["offered_is_plain"],
                seats=row["offered_seats"],
                rules_version=row["rules_version"],
            )
    return calendars


async def load_resource_calendars(
    on: Executor,
    organization_id: OrganizationId,
    resource_ids: Sequence[ResourceId],
    first: date,
    last: date,
) -> dict[ResourceId, ResourceCalendar]:
    """Those of these resources that exist, each with the hours in force: with the exceptions and
    time off on the dates from first to last.
    """
    kept = await load_kept_hours(on, organization_id, resource_ids, first, last)
    return {
        resource.id: ResourceCalendar(
            resource=resource,
            hours=hours_in_force(hours, is_always_open=resource.is_always_open),
        )
        for resource, hours in kept.values()
    }


async def load_kept_hours(
    on: Executor,
    organization_id: OrganizationId,
    resource_ids: Sequence[ResourceId],
    first: date,
    last: date,
) -> dict[ResourceId, tuple[Resource, Hours]]:
    """Those of these resources that exist, each with its hours as stored, which have no effect
    where it is always open: with the exceptions and time off on the dates from first to last.
    """
    found: dict[ResourceId, tuple[Resource, Hours]] = {}
    for row in await _RESOURCE_CALENDARS.many(on, organization_id, resource_ids, first, last):
        resource = resource_from(row)
        found[resource.id] = (
            resource,
            Hours(
                time_zone=resource.time_zone,
                weekly=_weekly(row["weekly_hours"]),
                breaks=_weekly(row["weekly_breaks"]),
                exceptions=_exceptions(row["exceptions"]),
                time_off=_time_off(row["time_off"]),
            ),
        )
    return found


async def time_zones(
    on: Executor, organization_id: OrganizationId, subject_ids: Iterable[SubjectId]
) -> dict[SubjectId, str]:
    """The zones in which the dates of these subjects are read."""
    rows = await _TIME_ZONES.many(on, organization_id, list(subject_ids))
    return {row["subject_id"]: row["time_zone"] for row in rows}


# Looked up once: a class of enumerated values takes longer than the rest of a row.
_APPOINTMENT: Final = ClaimKind.APPOINTMENT
_HOLD: Final = ClaimKind.HOLD
_BUSY: Final = ClaimKind.BUSY

_MAKE_CLAIM: Final[Callable[[tuple[Any, ...]], Claim]] = partial(tuple.__new__, Claim)
"""As `Claim._make`, without a Python call: it takes half as long."""


def _claim(row: Iterable[Any]) -> tuple[SubjectId, AppointmentId | None, Claim]:
    """Whose time, and for which appointment (None: for a hold or a session, or a busy time)."""
    (
        subject_id,
        claimed_from,
        claimed_until,
        visit_from,
        visit_until,
        appointment_id,
        expires_at,
        unit,
    ) = row
    kind = _APPOINTMENT if expires_at is None else _HOLD
    if unit == EVERY_UNIT:
        kind = _BUSY
    claim = Claim(claimed_from, claimed_until, visit_from, visit_until, kind, expires_at, unit)
    return subject_id, appointment_id, claim


def _claims(row: Record) -> list[Claim]:
    """The claims of one subject, from parallel columns."""
    expiries, units = row["expiries"], row["units"]
    kinds = [
        _BUSY if unit == EVERY_UNIT else _APPOINTMENT if expires_at is None else _HOLD
        for expires_at, unit in zip(expiries, units, strict=True)
    ]
    columns = zip(
        row["claimed_froms"],
        row["claimed_untils"],
        row["visit_froms"],
        row["visit_untils"],
        kinds,
        expiries,
        units,
        strict=True,
    )
    return list(map(_MAKE_CLAIM, columns))


async def load_claims(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Sequence[Subject],
    first: Minute,
    until: Minute,
    *,
    without: AppointmentId | None = None,
) -> dict[Subject, list[Claim]]:
    """The active claims of each subject that overlap `[first, until)`, but for those of one
    appointment; and its busy times there.

    Expired holds are among them.
    """
    found: dict[Subject, list[Claim]] = {subject_id: [] for subject_id in subject_ids}
    for row in await _CLAIMS.many(
        on, organization_id, subject_ids, first, until, LONGEST_CLAIM_MINUTES, without
    ):
        found[row["subject_id"]] = _claims(row)
    return found


async def lock_and_load_claims(
    tx: Transaction,
    organization_id: OrganizationId,
    dates: Mapping[SubjectId, Iterable[date]],
    periods: Mapping[SubjectId, Iterable[tuple[LimitPeriod, date]]],
    subject_ids: Sequence[Subject],
    first: Minute,
    until: Minute,
    *,
    without: AppointmentId | None = None,
) -> tuple[CalendarLock, dict[Subject, list[Claim]]]:
    """`lock_calendars`, then `load_claims`, in one round trip."""
    lock = CalendarLock.of(organization_id, dates)
    with LOCK_SECONDS.time():
        rows = await _CLAIMS_UNDER_LOCK.many(
            tx,
            organization_id,
            lock.keys(periods),
            subject_ids,
            first,
            until,
            LONGEST_CLAIM_MINUTES,
        )
    return lock, _by_each(subject_ids, rows, without)


def _by_each(
    subject_ids: Sequence[Subject], rows: Iterable[Record], without: AppointmentId | None
) -> dict[Subject, list[Claim]]:
    found: dict[Subject, list[Claim]] = {subject_id: [] for subject_id in subject_ids}
    for row in rows:
        subject_id, appointment_id, claim = _claim(row)
        if without is None or appointment_id != without:
            found[subject_id].append(claim)  # type: ignore[index]  # one of those asked for
    return found


async def load_led_claims(
    on: Executor,
    organization_id: OrganizationId,
    parties: Sequence[Party],
    first: Minute,
    until: Minute,
    *,
    without: AppointmentId | None = None,
) -> dict[Party, list[Claim]]:
    """As `load_claims`, only those with which each provider leads a visit of the service; each of
    the parties names one.
    """
    found: dict[Party, list[Claim]] = {party: [] for party in parties}
    for row in await _LED_CLAIMS.many(
        on,
        organization_id,
        list(dict.fromkeys(provider_id for provider_id, _ in found)),
        list(dict.fromkeys(service_id for _, service_id in found)),
        first,
        until,
        LONGEST_CLAIM_MINUTES,
    ):
        subject_id, appointment_id, claim = _claim(tuple(row)[:-1])
        of_party = found.get(Party(ProviderId(subject_id), ServiceId(row["service_id"])))
        if of_party is not None and (without is None or appointment_id != without):
            of_party.append(claim)
    return found


class Owner(NamedTuple):
    """Who takes time: one of an appointment, a hold, and a session; and when the time expires."""

    appointment_id: AppointmentId | None = None
    hold_id: HoldId | None = None
    session_id: SessionId | None = None
    expires_at: datetime | None = None


async def take_time(
    tx: Transaction,
    lock: CalendarLock,
    claims: Claims,
    owner: Owner,
    *,
    existing: Mapping[SubjectId, Sequence[Claim]],
    now: datetime,
    new_id: Callable[[], UUID],
) -> bool:
    """Take all this time for its owner; False where somebody else has some of it. On False the
    transaction must roll back.

    The caller shows that it holds the calendars' locks, and the claims that it saw under them:
    expired holds among those give way first. Writes that wait are written together with the claims.
    """
    values = _values(lock, claims, owner, new_id)
    expired = [
        subject_id
        for subject_id in sorted(claims)
        if any(
            other.expires_at is not None and other.expires_at <= now
            for other in existing.get(subject_id, ())
        )
    ]
    if expired:
        flat = [each for of_subject in claims.values() for each in of_subject]
        first = min(each.claimed_from for each in flat)
        until = max(each.claimed_until for each in flat)
        await _FREE_EXPIRED_TIME.exec(
            tx, lock.organization_id, expired, first, until, LONGEST_CLAIM_MINUTES, now
        )
    _INSERT_CLAIMS.later(tx, *values)
    return await tx.write() == sum(map(len, claims.values()))


def free_as_seen(writes: Writes, lock: CalendarLock, *, first: LockKeys, look: ChangeLook) -> None:
    """Let the writes end with freeing all of the appointment's time, under these locks, where it is
    still as it was looked at: see `Commits.commit`. Nothing may wait after it.
    """
    own = (lock.organization_id, look.appointment.id)
    _FREE_APPOINTMENT_TIME.later(writes, *own)
    seen = (*own, *_looked_at(lock, first, look))
    if writes.is_distributed:
        writes.first(_CHANGE_AS_SEEN.sql, seen)
    else:
        _CHANGE_AS_SEEN.later(writes, *seen)


def move_as_seen(
    writes: Writes,
    lock: CalendarLock,
    claims: Claims,
    *,
    first: LockKeys,
    scope: KeyScope,
    look: ChangeLook,
    new_id: Callable[[], UUID],
) -> None:
    """Let the writes end with freeing all of the appointment's time and taking this time instead,
    under these locks, where it is still as it was looked at: see `Commits.commit`. Nothing may wait
    after it.
    """
    own = (lock.organization_id, look.appointment.id)
    values = _values(lock, claims, Owner(appointment_id=look.appointment.id), new_id)
    seen = _looked_at(lock, first, look, scope=scope, claims=claims)
    if writes.is_distributed:
        writes.first(_CHANGE_AS_SEEN.sql, (*own, *seen))
        writes.first(_FREE_APPOINTMENT_TIME.sql, own)
        writes.needed(_INSERT_CLAIMS.sql, values, rows=sum(map(len, claims.values())))
    else:
        writes.later(_MOVE_AS_SEEN.sql, (*values, *seen))


def _looked_at(
    lock: CalendarLock,
    first: LockKeys,
    look: ChangeLook,
    *,
    scope: KeyScope | None = None,
    claims: Claims | None = None,
) -> tuple[object, ...]:
    """What `lock_change_as_seen` locks and compares. Only a move has a key, rests on the settings
    of the organization, and needs its new time to be free.
    """
    new = claims or {}
    taken = [(subject_id, each) for subject_id in sorted(new) for each in new[subject_id]]
    return (
        [*first.alone, *lock.keys({})],
        first.shared,
        look.appointment.version,
        look.rules_version,
        *((None, None, None) if scope is None else (scope.mutation, scope.caller, scope.key)),
        [subject_id for subject_id, _ in taken] or sorted(look.own),
        [each.claimed_from for _, each in taken],
        [each.claimed_until for _, each in taken],
        LONGEST_CLAIM_MINUTES,
        None if scope is None else look.organization_version,
    )


def _values(
    lock: CalendarLock, claims: Claims, owner: Owner, new_id: Callable[[], UUID]
) -> tuple[object, ...]:
    """What is written of claims."""
    if not claims.keys() <= lock.dates.keys():
        raise UnlockedCalendarError
    flat = [(subject_id, each) for subject_id in sorted(claims) for each in claims[subject_id]]
    _, some = flat[0]
    return (
        lock.organization_id,
        owner.appointment_id,
        owner.hold_id,
        owner.session_id,
        owner.expires_at,
        instant_of(some.visit_from),
        instant_of(some.visit_until),
        [new_id() for _ in flat],
        [subject_id for subject_id, _ in flat],
        [each.unit for _, each in flat],
        [instant_of(each.claimed_from) for _, each in flat],
        [instant_of(each.claimed_until) for _, each in flat],
    )


async def free_appointment_time(
    tx: Transaction, lock: CalendarLock, appointment_id: AppointmentId
) -> None:
    """Frees all of the appointment's time."""
    await _FREE_APPOINTMENT_TIME.exec(tx, lock.organization_id, appointment_id)


async def free_hold_time(tx: Transaction, organization_id: OrganizationId, hold_id: HoldId) -> None:
    """Frees all of the time that the hold still has."""
    await _FREE_HOLD_TIME.exec(tx, organization_id, hold_id)


async def claims_of_appointment(
    on: Executor, organization_id: OrganizationId, appointment_id: AppointmentId
) -> Claims:
    """The time of its own that an appointment has: empty if, and only if, it is cancelled or has
    seats in a session.
    """
    return _by_subject(await _CLAIMS_OF_APPOINTMENT.many(on, organization_id, appointment_id))


async def claims_of_appointments(
    on: Executor, organization_id: OrganizationId, ids: Sequence[AppointmentId]
) -> dict[AppointmentId, Claims]:
    """The time of its own that each of these appointments has: empty if, and only if, it is
    cancelled or has seats in a session.
    """
    found: dict[AppointmentId, list[Record]] = {each: [] for each in ids}
    for row in await _CLAIMS_OF_APPOINTMENTS.many(on, organization_id, ids):
        found[row["appointment_id"]].append(row)
    return {each: _by_subject(rows) for each, rows in found.items()}


async def claims_of_hold(on: Executor, organization_id: OrganizationId, hold_id: HoldId) -> Claims:
    """The time of its own that a hold has, expired or not; empty if it was freed, or if the hold
    has seats in a session.
    """
    return _by_subject(await _CLAIMS_OF_HOLD.many(on, organization_id, hold_id))


async def claims_of_session(
    on: Executor, organization_id: OrganizationId, session_id: SessionId
) -> Claims:
    """The time that a session has, expired or not; empty where it has ended."""
    return _by_subject(await _CLAIMS_OF_SESSION.many(on, organization_id, session_id))


def _by_subject(rows: Iterable[Record]) -> Claims:
    found: dict[SubjectId, tuple[Claim, ...]] = {}
    for row in rows:
        subject_id, _, claim = _claim(row)
        found[subject_id] = (*found.get(subject_id, ()), claim)
    return found
