"""Free days: what is free on a date whatever the time is now, so that it can be kept for a while.

*Now*, notice, horizon and the end of holds are left to the reading: a start that nothing but holds
stands in the way of is kept too, with the instant from which on it is free.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.slots import free_starts
from app.core.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from app.core.hours import Hours
    from app.core.rules import Rules
    from app.core.slots import Claim
    from app.core.zones import Minute

_MICROSECOND: Final = timedelta(microseconds=1)


class HeldStart(NamedTuple):
    """A start that only holds stand in the way of."""

    start: Minute
    free_from: int
    """Microseconds since 1970 in UTC: when the last of those holds expires; at that instant it is
    free.
    """


class FreeDay(NamedTuple):
    """The free starts of a provider-local date, ascending, and those that are held."""

    starts: tuple[Minute, ...]
    held: tuple[HeldStart, ...] = ()


def free_days(
    hours: Hours, rules: Rules, claims: Iterable[Claim], first: date, last: date
) -> dict[date, FreeDay]:
    """Every date asked for, ascending. All claims count, expired holds too: whether one has expired
    is asked later.
    """
    claims = tuple(claims)
    holds = [claim for claim in claims if claim.expires_at is not None]
    free = free_starts(hours, rules, claims, first, last)
    if not holds:
        return {day: FreeDay(starts) for day, starts in free.items()}
    firm = [claim for claim in claims if claim.expires_at is None]
    without_holds = free_starts(hours, rules, firm, first, last)
    return {
        day: FreeDay(
            starts,
            tuple(
                HeldStart(start, _free_from(rules, holds, start))
                for start in sorted(frozenset(without_holds[day]).difference(starts))
            ),
        )
        for day, starts in free.items()
    }


def starts_at(day: FreeDay, now: datetime) -> tuple[Minute, ...]:
    """The starts that are free at this instant, ascending."""
    if not day.held:
        return day.starts
    instant = (now - EPOCH) // _MICROSECOND
    released = [held.start for held in day.held if held.free_from <= instant]
    return tuple(sorted((*day.starts, *released))) if released else day.starts


def _free_from(rules: Rules, holds: Iterable[Claim], start: Minute) -> int:
    begin = start - rules.buffer_before_minutes
    end = start + rules.duration_minutes + rules.buffer_after_minutes
    return max(
        (hold.expires_at - EPOCH) // _MICROSECOND
        for hold in holds
        if hold.expires_at is not None and hold.claimed_from < end and begin < hold.claimed_until
    )
