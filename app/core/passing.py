"""Passing time: when the clock alone will change what can be booked."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.core.free_days import free_starts_at, releases_after
from app.core.zones import (
    date_interval,
    instant_of,
    local_date,
    minute_at_or_after,
    minute_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from app.core.free_days import FreeDay
    from app.core.hours import Hours
    from app.core.limits import Counted
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.core.zones import Minute

_MICROSECOND: Final = timedelta(microseconds=1)


def next_change(
    hours: Hours,
    rules: Rules,
    days: Mapping[date, FreeDay],
    now: datetime,
    counted: Iterable[Counted] = (),
) -> datetime | None:
    """The first instant after now at which what can be booked on these days may differ; None where
    none is in sight.

    A start leaves right after the instant at which its notice was kept for the last time; a held
    one comes at the instant at which its hold expires. When a hold that limits count expires, dates
    may come whose limit was reached. A date comes within the horizon when the provider's own date
    changes.
    """
    instants = [at for each in counted for at in each.expiries_after(now)]
    earliest = minute_at_or_after(now) + rules.min_notice_minutes
    for day in days.values():
        starts = free_starts_at(day, rules.step_minutes, now)
        first = bisect_left(starts, earliest)
        if first < len(starts):
            instants.append(instant_of(starts[first] - rules.min_notice_minutes) + _MICROSECOND)
        instants += releases_after(day, now)
    instants += _horizon_moves(hours, rules, days, now)
    return min(instants, default=None)


def next_service_change(
    providers: Iterable[tuple[Hours, Rules, Mapping[date, FreeDay]]],
    resources: Iterable[Mapping[date, FreeDay]],
    starts: Sequence[Minute],
    now: datetime,
    counted: Iterable[Counted] = (),
    sessions: Sequence[ActiveSession] = (),
) -> datetime | None:
    """As `next_change`, for a service on these days of all that a visit could take, and for its
    sessions there. Of the starts that are listed, one may leave when anybody's notice is kept for
    the last time. Seats come at the instant at which their hold expires.
    """
    instants = [at for each in counted for at in each.expiries_after(now)]
    instants += [at for each in sessions for at in each.expiries_after(now)]
    starting = [each.start for each in sessions]
    soonest = minute_at_or_after(now)
    for hours, rules, days in providers:
        first = bisect_left(starts, soonest + rules.min_notice_minutes)
        if first < len(starts):
            instants.append(instant_of(starts[first] - rules.min_notice_minutes) + _MICROSECOND)
        instants += _horizon_moves(hours, rules, days, now, starting)
        for day in days.values():
            instants += releases_after(day, now)
    for days in resources:
        for day in days.values():
            instants += releases_after(day, now)
    return min(instants, default=None)


def _horizon_moves(
    hours: Hours,
    rules: Rules,
    days: Mapping[date, FreeDay],
    now: datetime,
    starting: Sequence[Minute] = (),
) -> list[datetime]:
    """The next midnight, where some of the days, or sessions starting then, are beyond the
    horizon.
    """
    minute = minute_of(now)
    today = local_date(hours.time_zone, minute)
    last = today.toordinal() + rules.max_advance_booking_days
    dates = [day for day, free in days.items() if free.stretches]
    dates += [local_date(hours.time_zone, start) for start in starting]
    if not any(day.toordinal() > last for day in dates):
        return []
    pieces = date_interval(hours.time_zone, today)
    return [instant_of(end) for start, end in pieces if start <= minute < end]
