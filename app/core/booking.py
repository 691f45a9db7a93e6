"""The decision over a booking: the wish is compared with the calendar, as of this instant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from app.core.limits import LimitPeriod, instants_that_count, periods_to_lock
from app.core.money import CancellationPolicy
from app.core.overrides import NO_OVERRIDE
from app.core.party import Party
from app.core.refusals import InvalidInput
from app.core.sentences import Duration, say
from app.core.slots import Claim, ClaimKind, active
from app.core.zones import (
    dates_touched,
    instant_of,
    local_date,
    minute_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.appointment import Contact, Customer
    from app.core.ids import HoldId, ProviderId, ServiceId, SubjectId
    from app.core.money import Money
    from app.core.overrides import Override
    from app.core.provider import Calendar
    from app.core.rules import Rules
    from app.core.zones import Interval


Claims: TypeAlias = "Mapping[SubjectId, Sequence[Claim]]"
"""The time of one visit, by subject: the claims have the visit, kind and expiry in common, and
those of one subject are on different units.
"""


class Wanted(NamedTuple):
    """With whom a visit is wished, and for what.

    The first of those `named` is to lead, and all of them are to be taken. Nobody is named where
    any of the service's providers will do, or where a hold says who they are. The party takes so
    many `seats`. Staff may set rules aside by an `override`.
    """

    named: tuple[ProviderId, ...]
    service_id: ServiceId | None
    seats: int = 1
    override: Override = NO_OVERRIDE

    @property
    def party(self) -> Party | None:
        """The only provider who is named; None where several are, or nobody."""
        return Party(self.named[0], self.service_id) if len(self.named) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingWish:
    """What a caller asks for, checked for form.

    `seats` is None where they are left out: one, or as many as are held.
    `duration_minutes`, where given, guards against a page that shows old rules. `customer` is the
    one whom staff name. `contact` is None only for them and for a signed-in customer: then their
    record takes its place.
    """

    wanted: Wanted
    starts_at: datetime
    duration_minutes: int | None
    contact: Contact | None
    customer_time_zone: str
    notes: str | None
    hold_id: HoldId | None = None
    seats: int | None = None
    customer: Customer | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A booking that the rules allow: its time, and the price and policy that it keeps."""

    claims: Claims
    price: Money | None
    cancellation_policy: CancellationPolicy

    @property
    def starts_at(self) -> datetime:
        """The start of the visit."""
        return instant_of(visit_of(self.claims)[0])

    @property
    def ends_at(self) -> datetime:
        """The end of the visit."""
        return instant_of(visit_of(self.claims)[1])


def claim_for(rules: Rules, starts_at: datetime) -> Claim:
    """The time that a visit starting here takes: the visit, and its buffers around it."""
    start = minute_of(starts_at)
    end = start + rules.duration_minutes
    return Claim(
        claimed_from=start - rules.buffer_before_minutes,
        claimed_until=end + rules.buffer_after_minutes,
        visit_from=start,
        visit_until=end,
        kind=ClaimKind.APPOINTMENT,
        expires_at=None,
    )


def visit_of(claims: Claims) -> Interval:
    """The visit that these claims are for: they have it in common."""
    some = next(each for of_subject in claims.values() for each in of_subject)
    return some.visit_from, some.visit_until


def dates_to_lock(
    zones: Mapping[SubjectId, str], *several: Claims
) -> dict[SubjectId, frozenset[date]]:
    """The dates that any of these claims touch, of each subject in its own zone."""
    dates: dict[SubjectId, frozenset[date]] = {}
    for claims in several:
        for subject_id, of_subject in claims.items():
            touched = (
                day
                for each in of_subject
                for day in dates_touched(zones[subject_id], each.claimed_from, each.claimed_until)
            )
            dates[subject_id] = dates.get(subject_id, frozenset()).union(touched)
    return dates


def limits_to_lock(
    calendars: Iterable[Calendar], claims: Claims
) -> dict[SubjectId, frozenset[tuple[LimitPeriod, date]]]:
    """The periods of limits in which these claims count, of each provider who has limits, their own
    or the service's.
    """
    return {
        each.provider.id: periods_to_lock(
            each.limits, each.hours.time_zone, claims.get(each.provider.id, ())
        )
        for each in calendars
        if each.limits
    }


def week_around(zone: str, starts_at: datetime) -> tuple[Interval, ...]:
    """The instants of the ISO week, from Monday on, in which a clock of this zone reads a start.
    Usually one interval.
    """
    first, last = LimitPeriod.WEEK.around(local_date(zone, minute_of(starts_at)))
    return instants_that_count(zone, first, last)


def booked_minutes(zone: str, claims: Iterable[Claim], starts_at: datetime, now: datetime) -> int:
    """How long the visits last that start in the same week (`week_around`); holds in force count,
    buffers and busy times do not.
    """
    week = week_around(zone, starts_at)
    return sum(
        claim.visit_until - claim.visit_from
        for claim in active(claims, now)
        if claim.is_visit and any(first <= claim.visit_from < until for first, until in week)
    )


def refuse_duration(rules: Rules, expected_minutes: int | None) -> InvalidInput | None:
    """The refusal where a caller expects visits of another length than they have now."""
    if expected_minutes in {None, rules.duration_minutes}:
        return None
    return InvalidInput(
        field="duration_minutes",
        message=say(
            "A visit takes {length} now. Load the rules again.",
            length=Duration(rules.duration_minutes, "minute"),
        ),
    )


def price_of_seats(price: Money | None, seats: int, *, paid_for: int = 1) -> Money | None:
    """What so many seats cost where `paid_for` seats cost this much; their price is a multiple of
    one seat's.
    """
    if price is None:
        return None
    return replace(price, amount_minor=price.amount_minor // paid_for * seats)


def accept(lead: Calendar, claims: Claims, seats: int = 1) -> Acceptance:
    """The booking of this time, with the price and the policy that are in force for the lead. The
    price is per seat.
    """
    service = lead.service
    policy = service.cancellation_policy if service else None
    return Acceptance(
        claims=claims,
        price=price_of_seats(service.price if service else None, seats),
        cancellation_policy=policy or lead.provider.cancellation_policy,
    )
