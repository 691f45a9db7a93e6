"""Limits: at most so many visits, or minutes of visits, in a day, week or month of a provider's
calendar.

A visit counts on the provider-local date of its start, as long as its claim is active. A provider's
limit counts all of the provider's visits. A service's limit counts, for each lead, the service's
visits that the provider leads. A period is *full* for a visit that would exceed a limit there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from app.core.zones import DAY_MINUTES, date_of_number, day_number, instants_reading, local_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.core.provider import Calendar
    from app.core.slots import Claim
    from app.core.zones import Interval, Minute

MOST_VISITS: Final = 10_000
MOST_MINUTES: Final = 31 * DAY_MINUTES
"""As long as the longest period: more would limit nothing."""


class LimitPeriod(StrEnum):
    """A stretch of dates of a provider's calendar that a limit holds for."""

    DAY = "DAY"
    WEEK = "WEEK"
    """From Monday to Sunday, as ISO 8601 has it."""
    MONTH = "MONTH"

    def around(self, day: date) -> tuple[date, date]:
        """The first and the last date of the period that holds this one."""
        match self:
            case LimitPeriod.DAY:
                return day, day
            case LimitPeriod.WEEK:
                monday = day - timedelta(days=day.weekday())
                return monday, monday + timedelta(days=6)
            case LimitPeriod.MONTH:
                following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
                return day.replace(day=1), following - timedelta(days=1)
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingLimit:
    """At most so many visits in each period, at most so many minutes of visits, or both. None is no
    limit; at least one is not None, and both are at least 1.
    """

    period: LimitPeriod
    max_visits: int | None = None
    max_minutes: int | None = None


class Load(NamedTuple):
    """The visits that start on a provider-local date. Whether a hold has expired is asked on
    reading, so this can be cached.
    """

    visits: int = 0
    minutes: int = 0
    held: tuple[tuple[int, datetime], ...] = ()
    """The minutes of each hold, and when it expires."""


NOTHING: Final = Load()


class Counted(NamedTuple):
    """What a calendar's limits count, on all dates of the periods in question: `taken` are all
    visits of the provider, `led` those of the service that the provider leads. Empty where no limit
    counts them.
    """

    taken: Mapping[date, Load] = MappingProxyType({})
    led: Mapping[date, Load] = MappingProxyType({})

    def expiries_after(self, now: datetime) -> list[datetime]:
        """The instants after now at which a hold among them expires: a period may then open."""
        return [
            expires_at
            for several in self
            for load in several.values()
            for _, expires_at in load.held
            if expires_at > now
        ]

    @property
    def has_holds(self) -> bool:
        """Whether a hold is among them, expired or not."""
        return any(load.held for several in self for load in several.values())


UNCOUNTED: Final = Counted()


class FullDates(NamedTuple):
    """On which dates limits keep a provider out of visits, or only from leading them."""

    taking: frozenset[date] = frozenset()
    leading: frozenset[date] = frozenset()


UNLIMITED: Final = FullDates()


def dates_that_count(limits: Iterable[BookingLimit], first: date, last: date) -> tuple[date, date]:
    """The dates whose visits can make one of these dates full, inclusive; at least these dates."""
    periods = {limit.period for limit in limits} | {LimitPeriod.DAY}
    return (
        min(period.around(first)[0] for period in periods),
        max(period.around(last)[1] for period in periods),
    )


def instants_that_count(zone: str, first: date, last: date) -> tuple[Interval, ...]:
    """The instants at which clocks in the zone read these dates: visits that start then count.
    Usually one interval.
    """
    return instants_reading(
        zone, day_number(first) * DAY_MINUTES, (day_number(last) + 1) * DAY_MINUTES
    )


def instants_counted(
    limits: Iterable[BookingLimit], zone: str, start: Minute
) -> tuple[Interval, ...]:
    """The instants at which visits start that count for a visit starting here; none without
    limits.
    """
    limits = tuple(limits)
    if not limits:
        return ()
    day = local_date(zone, start)
    return instants_that_count(zone, *dates_that_count(limits, day, day))


def loads(zone: str, claims: Iterable[Claim], first: date, last: date) -> dict[date, Load]:
    """What starts on each of these dates; every date. `claims` may hold more, expired holds too.
    Busy times count for nothing.
    """
    found: dict[date, Load] = {
        date_of_number(number): NOTHING for number in range(day_number(first), day_number(last) + 1)
    }
    for claim in claims:
        day = local_date(zone, claim.visit_from)
        load = found.get(day)
        if load is None or not claim.is_visit:
            continue
        minutes = claim.visit_until - claim.visit_from
        if claim.expires_at is None:
            found[day] = load._replace(visits=load.visits + 1, minutes=load.minutes + minutes)
        else:
            found[day] = load._replace(held=(*load.held, (minutes, claim.expires_at)))
    return found


def full_dates(
    limits: Sequence[BookingLimit],
    loads_by_date: Mapping[date, Load],
    duration_minutes: int,
    dates: Iterable[date],
    now: datetime,
    *,
    moving: tuple[date, int] | None = None,
) -> frozenset[date]:
    """Those of the dates on which no visit of this duration may start any more.

    Every date of `dates_that_count` is needed. `moving` is the date and the minutes of the visit
    that is to be moved, if these limits count it: the loads are without it, and a period that it
    does not make fuller is not full for it.
    """
    if not limits:
        return frozenset()
    known: dict[tuple[BookingLimit, date], bool] = {}
    full: set[date] = set()
    for day in dates:
        for limit in limits:
            first, last = limit.period.around(day)
            is_full = known.get((limit, first))
            if is_full is None:
                in_period = [
                    load
                    for number in range(day_number(first), day_number(last) + 1)
                    if (load := loads_by_date.get(date_of_number(number))) is not None
                ]
                minutes = moving[1] if moving and first <= moving[0] <= last else None
                is_full = known[limit, first] = _is_full(
                    limit, in_period, duration_minutes, now, moving_minutes=minutes
                )
            if is_full:
                full.add(day)
                break
    return frozenset(full)


def _is_full(
    limit: BookingLimit,
    in_period: Iterable[Load],
    duration_minutes: int,
    now: datetime,
    *,
    moving_minutes: int | None,
) -> bool:
    """Whether one more visit exceeds the limit; with `moving_minutes`, whether the visit of that
    length, which moves within the period, exceeds it by more than before.
    """
    visits = minutes = 0
    for load in in_period:
        unexpired = [length for length, expires_at in load.held if expires_at > now]
        visits += load.visits + len(unexpired)
        minutes += load.minutes + sum(unexpired)
    is_one_more = moving_minutes is None
    is_longer = moving_minutes is None or duration_minutes > moving_minutes
    return (limit.max_visits is not None and visits + 1 > limit.max_visits and is_one_more) or (
        limit.max_minutes is not None
        and minutes + duration_minutes > limit.max_minutes
        and is_longer
    )


def full_for(
    calendar: Calendar,
    counted: Counted,
    dates: Iterable[date],
    now: datetime,
    *,
    taken_before: tuple[date, int] | None = None,
    led_before: tuple[date, int] | None = None,
) -> FullDates:
    """On which of these dates the provider can't be taken, or can't lead, since a limit is reached.
    Where a visit moves that takes the provider, or that they lead, these are its date and minutes,
    as in `full_dates`.
    """
    if not calendar.limits:
        return UNLIMITED
    dates = tuple(dates)
    minutes = calendar.rules.duration_minutes
    provider, service = calendar.provider.limits, calendar.service_limits
    return FullDates(
        taking=full_dates(provider, counted.taken, minutes, dates, now, moving=taken_before),
        leading=full_dates(service, counted.led, minutes, dates, now, moving=led_before),
    )


def is_full(
    limits: Sequence[BookingLimit],
    zone: str,
    claims: Iterable[Claim],
    start: Minute,
    duration_minutes: int,
    now: datetime,
    *,
    moving: Claim | None = None,
) -> bool:
    """Whether a visit of this duration may not start here, because a limit is reached. `claims` are
    all whose visits count in the periods of the start, but for the one that is to be moved, if
    these limits count it.
    """
    if not limits:
        return False
    day = local_date(zone, start)
    dates = dates_that_count(limits, day, day)
    before = None
    if moving is not None:
        before = local_date(zone, moving.visit_from), moving.visit_until - moving.visit_from
    by_date = loads(zone, claims, *dates)
    return day in full_dates(limits, by_date, duration_minutes, (day,), now, moving=before)


def periods_to_lock(
    limits: Iterable[BookingLimit], zone: str, claims: Iterable[Claim]
) -> frozenset[tuple[LimitPeriod, date]]:
    """The periods, each by its first date, in which these visits count: what to lock so that no two
    of them are counted at once.
    """
    return frozenset(
        (limit.period, limit.period.around(local_date(zone, claim.visit_from))[0])
        for limit in limits
        for claim in claims
    )
