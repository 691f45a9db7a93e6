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
    from collections.abc import Mapping
    from datetime import date

    from app.core.free_days import FreeDay
    from app.core.hours import Hours
    from app.core.rules import Rules

_MICROSECOND: Final = timedelta(microseconds=1)


def next_change(
    hours: Hours, rules: Rules, days: Mapping[date, FreeDay], now: datetime
) -> datetime | None:
    """The first instant after now at which what can be booked on these days may differ; None where
    none is in sight.

    A start leaves right after the instant at which its notice was kept for the last time; a held
    one comes at the instant at which its hold expires; a date comes within the horizon when the
    provider's own date changes.
    """
    instants: list[datetime] = []
    earliest = minute_at_or_after(now) + rules.min_notice_minutes
    for day in days.values():
        starts = free_starts_at(day, rules.step_minutes, now)
        first = bisect_left(starts, earliest)
        if first < len(starts):
            instants.append(instant_of(starts[first] - rules.min_notice_minutes) + _MICROSECOND)
        instants += releases_after(day, now)
    minute = minute_of(now)
    today = local_date(hours.time_zone, minute)
    last = today.toordinal() + rules.max_advance_booking_days
    if any(day.toordinal() > last for day, free in days.items() if free.stretches):
        pieces = date_interval(hours.time_zone, today)
        instants += [instant_of(end) for start, end in pieces if start <= minute < end]
    return min(instants, default=None)
