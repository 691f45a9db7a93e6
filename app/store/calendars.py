"""Calendars: what decides over providers' time, and the claims on it, for any number of providers
in one statement each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from app.core.hours import ClockRange, DayException, Hours, WeeklyRange
from app.core.ids import ProviderId, ServiceId
from app.core.provider import Calendar
from app.core.rules import rules_in_force
from app.core.slots import Claim, ClaimKind
from app.core.zones import instant_of
from app.store.providers import provider_from
from app.store.services import service_from
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from app.core.ids import AppointmentId, ClaimId, HoldId, OrganizationId
    from app.core.zones import Minute
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.store.sql import Executor

_CALENDARS = query("calendars")
_CLAIMS = query("claims_of_providers")
_INSERT_CLAIM = query("insert_claim")
_FREE_APPOINTMENT_TIME = query("free_appointment_time")
_FREE_HOLD_TIME = query("free_hold_time")
_FREE_EXPIRED_TIME = query("free_expired_time")
_CLAIM_OF_APPOINTMENT = query("claim_of_appointment")
_CLAIM_OF_HOLD = query("claim_of_hold")

Wanted: TypeAlias = tuple[ProviderId, ServiceId | None]
"""Whose calendar, for which service."""


def _weekly(rows: list[tuple[int, int, int, date | None, date | None]]) -> tuple[WeeklyRange, ...]:
    return tuple(
        WeeklyRange(
            weekday=weekday,
            start_minute=start_minute,
            end_minute=end_minute,
            effective_from=effective_from,
            effective_until=effective_until,
        )
        for weekday, start_minute, end_minute, effective_from, effective_until in rows
    )


def _exceptions(rows: list[tuple[date, bool, int | None, int | None]]) -> dict[date, DayException]:
    ranges: dict[date, list[ClockRange]] = {}
    blocked: dict[date, bool] = {}
    for day, is_blocked, start_minute, end_minute in rows:
        blocked[day] = is_blocked
        clocks = ranges.setdefault(day, [])
        if start_minute is not None and end_minute is not None:
            clocks.append(ClockRange(start_minute=start_minute, end_minute=end_minute))
    return {
        day: DayException(date=day, is_blocked=blocked[day], ranges=tuple(clocks))
        for day, clocks in ranges.items()
    }


async def load_calendars(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Sequence[Wanted],
    first: date,
    last: date,
    *,
    with_withdrawn: bool = False,
) -> dict[Wanted, Calendar]:
    """The calendars of those wanted that exist, with the exceptions on the dates from first to
    last.

    A provider that does not exist is absent, and so is a service that the provider does not offer.
    `with_withdrawn` includes those services: offers limit new bookings, not existing appointments.
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
    calendars: dict[Wanted, Calendar] = {}
    for row in rows:
        provider = provider_from(row, ProviderId(row["wanted_provider_id"]))
        service = None if row["offered_id"] is None else service_from(row, "offered_")
        if row["wanted_service_id"] is None or service is not None:
            calendars[provider.id, service.id if service else None] = Calendar(
                provider=provider,
                service=service,
                hours=Hours(
                    time_zone=provider.time_zone,
                    weekly=_weekly(row["weekly_hours"]),
                    breaks=_weekly(row["weekly_breaks"]),
                    exceptions=_exceptions(row["exceptions"]),
                ),
                rules=rules_in_force(provider.rules, service.rules if service else None),
            )
    return calendars


async def load_claims(
    on: Executor,
    organization_id: OrganizationId,
    provider_ids: Sequence[ProviderId],
    first: Minute,
    until: Minute,
    *,
    without: AppointmentId | None = None,
) -> dict[ProviderId, list[Claim]]:
    """The active claims of each provider that overlap `[first, until)`, but for those of one
    appointment.

    Expired holds are among them.
    """
    found: dict[ProviderId, list[Claim]] = {provider_id: [] for provider_id in provider_ids}
    for row in await _CLAIMS.many(on, organization_id, provider_ids, first, until):
        (
            provider_id,
            claimed_from,
            claimed_until,
            visit_from,
            visit_until,
            appointment_id,
            expires_at,
        ) = row
        if without is None or appointment_id != without:
            found[provider_id].append(
                Claim(
                    claimed_from=claimed_from,
                    claimed_until=claimed_until,
                    visit_from=visit_from,
                    visit_until=visit_until,
                    kind=ClaimKind.HOLD if appointment_id is None else ClaimKind.APPOINTMENT,
                    expires_at=expires_at,
                )
            )
    return found


async def take_time(
    tx: Transaction,
    lock: CalendarLock,
    claim_id: ClaimId,
    claim: Claim,
    owner: AppointmentId | HoldId,
    *,
    standing: Sequence[Claim],
    now: datetime,
) -> bool:
    """Take time for an appointment or a hold, as the claim's kind says; False where somebody else
    has some of it.

    The caller shows that it holds the calendar's lock, and what it saw standing there: expired
    holds give way first. Whatever waits to be written is written with it. On False the transaction
    must roll back.
    """
    if any(other.expires_at is not None and other.expires_at <= now for other in standing):
        span = (claim.claimed_from, claim.claimed_until)
        await _FREE_EXPIRED_TIME.exec(tx, lock.organization_id, lock.provider_id, *span, now)
    is_hold = claim.kind is ClaimKind.HOLD
    _INSERT_CLAIM.later(
        tx,
        lock.organization_id,
        claim_id,
        lock.provider_id,
        None if is_hold else owner,
        owner if is_hold else None,
        instant_of(claim.claimed_from),
        instant_of(claim.claimed_until),
        instant_of(claim.visit_from),
        instant_of(claim.visit_until),
        claim.expires_at,
    )
    return await tx.write() == 1


async def free_appointment_time(
    tx: Transaction, lock: CalendarLock, appointment_id: AppointmentId
) -> None:
    """The appointment gives its time back."""
    await _FREE_APPOINTMENT_TIME.one(tx, lock.organization_id, appointment_id)


async def free_hold_time(
    on: Executor, organization_id: OrganizationId, hold_id: HoldId
) -> tuple[Minute, Minute] | None:
    """The hold gives its time back, which is the answer; None where it had already."""
    row = await _FREE_HOLD_TIME.maybe(on, organization_id, hold_id)
    return None if row is None else (row["claimed_from"], row["claimed_until"])


async def claim_of_appointment(
    on: Executor, organization_id: OrganizationId, appointment_id: AppointmentId
) -> Claim:
    """The time that an appointment has; every one that is not cancelled has one."""
    return Claim(*await _CLAIM_OF_APPOINTMENT.one(on, organization_id, appointment_id))


async def claim_of_hold(
    on: Executor, organization_id: OrganizationId, hold_id: HoldId
) -> Claim | None:
    """The time that a hold has, expired or not; None where it has none any more."""
    row = await _CLAIM_OF_HOLD.maybe(on, organization_id, hold_id)
    if row is None:
        return None
    claimed_from, claimed_until, visit_from, visit_until, expires_at = row
    return Claim(
        claimed_from,
        claimed_until,
        visit_from,
        visit_until,
        kind=ClaimKind.HOLD,
        expires_at=expires_at,
    )
