"""Free days: what is free on a date, independent of the current time and of the grid's step, so
that it can be cached.

*Now*, notice, horizon, the grid and the end of holds are applied on reading. Appointments are cut
out of the stretches; holds are kept separately, each with its expiry.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.slots import free_stretches, starts_on_grid, stretches_in, taken_starts
from app.core.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from app.core.hours import Hours
    from app.core.rules import Rules
    from app.core.slots import Claim, Stretches
    from app.core.zones import Minute

_MICROSECOND: Final = timedelta(microseconds=1)


class Held(NamedTuple):
    """The starts in `[first, until)` are taken by a hold, until it expires."""

    first: Minute
    until: Minute
    expires_at: int
    """Microseconds since 1970 in UTC. At that very instant the starts are free."""


class FreeDay(NamedTuple):
    """The possible starts of a provider-local date as if there were no holds, ascending, and the
    holds that take some of them.
    """

    stretches: Stretches
    held: tuple[Held, ...] = ()


def compute_free_days(
    hours: Hours, rules: Rules, claims: Iterable[Claim], first: date, last: date
) -> dict[date, FreeDay]:
    """Every date asked for, ascending. Expired holds are kept too: whether one has expired is asked
    on reading. Of the rules, only duration and buffers count.
    """
    claims = tuple(claims)
    holds = [
        Held(*taken_starts(rules, claim), _microseconds(claim.expires_at))
        for claim in claims
        if claim.expires_at is not None
    ]
    if not holds:
        free = free_stretches(hours, rules, claims, first, last)
        return {day: FreeDay(stretches) for day, stretches in free.items()}
    firm = [claim for claim in claims if claim.expires_at is None]
    holds.sort()
    return {
        day: FreeDay(stretches, tuple(hold for hold in holds if _takes(hold, stretches)))
        for day, stretches in free_stretches(hours, rules, firm, first, last).items()
    }


def free_starts_at(day: FreeDay, step_minutes: int, now: datetime) -> tuple[Minute, ...]:
    """The starts on the grid that are free at this instant, ascending."""
    stretches = day.stretches
    if day.held:
        instant = _microseconds(now)
        for hold in day.held:
            if hold.expires_at > instant:
                stretches = _without(stretches, hold)
    return starts_on_grid(stretches, step_minutes)


def releases_after(day: FreeDay, now: datetime) -> list[datetime]:
    """The instants after now at which a hold of this date expires."""
    instant = _microseconds(now)
    return [
        EPOCH + hold.expires_at * _MICROSECOND for hold in day.held if hold.expires_at > instant
    ]


def _takes(hold: Held, stretches: Stretches) -> bool:
    return any(
        first < hold.until and hold.first < until for first, until, _ in stretches_in(stretches)
    )


def _without(stretches: Stretches, hold: Held) -> Stretches:
    """What a hold leaves of them."""
    left: list[Minute] = []
    for first, until, anchor in stretches_in(stretches):
        if first >= hold.until or hold.first >= until:
            left += (first, until, anchor)
            continue
        if first < hold.first:
            left += (first, hold.first, anchor)
        if hold.until < until:
            left += (hold.until, until, anchor)
    return tuple(left)


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
