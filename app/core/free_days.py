"""Free days: what is free on a date, independent of the current time and of the grid's step, so
that it can be cached.

*Now*, notice, horizon, the grid and the end of holds are applied on reading. Appointments are cut
out of the stretches; holds are kept separately, each with its expiry.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.limits import Load
from app.core.slots import EVERY_UNIT, free_stretches, starts_on_grid, stretches_in, taken_starts
from app.core.zones import EPOCH, dates_between, local_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from app.core.hours import Hours
    from app.core.rules import Rules
    from app.core.slots import Claim, Stretches
    from app.core.zones import Interval, Minute

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
    stretches = possible_at(day, now) if day.held else day.stretches
    return starts_on_grid(stretches, step_minutes)


def compute_resource_days(
    hours: Hours, shape: Rules, units: int, claims: Iterable[Claim], first: date, last: date
) -> dict[date, FreeDay]:
    """As `compute_free_days`, for a resource with so many units: when some of them are possible.

    Nothing of a resource is on a grid. In place of the anchor a stretch has its first start plus
    the number of units that are possible in it, so days of both kinds are kept alike;
    `units_free_at` reads it. A hold here takes one unit which nothing else takes then. Busy times
    take all units. Claims on units beyond the last one don't count.
    """
    firm: list[Interval] = []
    held: list[Held] = []
    by_unit: dict[int, list[Claim]] = {}
    for claim in claims:
        if claim.unit <= units:
            by_unit.setdefault(claim.unit, []).append(claim)
    for unit, of_unit in by_unit.items():
        if unit == EVERY_UNIT:
            continue
        taken = _merged(taken_starts(shape, each) for each in of_unit if each.expires_at is None)
        firm += taken
        holds = [
            (_microseconds(each.expires_at), taken_starts(shape, each))
            for each in of_unit
            if each.expires_at is not None
        ]
        # Where two holds overlap, the unit is free when the later one expires.
        for expires_at, interval in sorted(holds, reverse=True):
            held += [Held(*part, expires_at) for part in _outside(interval, taken)]
            taken = _merged((*taken, interval))
    held.sort()
    changes: Counter[Minute] = Counter()
    for begin, end in firm:
        changes[begin] -= 1
        changes[end] += 1
    at = sorted(changes)
    left = list(accumulate((changes[minute] for minute in at), initial=units))
    return {
        day: _units_of(
            _merged((begin, end) for begin, end, _ in stretches_in(each)), at, left, held
        )
        for day, each in free_stretches(
            hours, shape, by_unit.get(EVERY_UNIT, ()), first, last
        ).items()
    }


def compute_visit_days(
    zone: str, claims: Iterable[Claim], first: date, last: date
) -> dict[date, FreeDay]:
    """The visits that start on each date, for limits; every date. In place of stretches of starts a
    day has the visits themselves, from start to end, so days of all kinds are kept alike;
    `load_of` reads it. `claims` may hold more, and busy times, which are no visits.
    """
    visits: dict[date, list[Minute]] = {day: [] for day in dates_between(first, last)}
    held: dict[date, list[Held]] = {}
    for claim in claims:
        day = local_date(zone, claim.visit_from)
        if day not in visits or not claim.is_visit:
            continue
        if claim.expires_at is None:
            visits[day] += (claim.visit_from, claim.visit_until, claim.visit_from)
        else:
            expires_at = _microseconds(claim.expires_at)
            held.setdefault(day, []).append(Held(claim.visit_from, claim.visit_until, expires_at))
    return {day: FreeDay(tuple(of_day), tuple(held.get(day, ()))) for day, of_day in visits.items()}


def load_of(day: FreeDay) -> Load:
    """What a date of `compute_visit_days` counts for limits."""
    visits = stretches_in(day.stretches)
    lengths = [until - first for first, until, _ in visits]
    return Load(
        visits=len(lengths),
        minutes=sum(lengths),
        held=tuple(
            (hold.until - hold.first, EPOCH + hold.expires_at * _MICROSECOND) for hold in day.held
        ),
    )


def units_free_at(day: FreeDay, now: datetime) -> list[tuple[Minute, Minute, int]]:
    """How many units of a resource are possible at this instant, for starts in `[first, until)`,
    as (first, until, count). Overlapping stretches are added up: a count of -1 is a hold's.
    """
    free = [(first, until, mark - first) for first, until, mark in stretches_in(day.stretches)]
    if day.held:
        instant = _microseconds(now)
        free += [(hold.first, hold.until, -1) for hold in day.held if hold.expires_at > instant]
    return free


def possible_at(day: FreeDay, now: datetime) -> Stretches:
    """The possible starts of a provider's date at this instant, on the grid or not."""
    stretches = day.stretches
    if day.held:
        instant = _microseconds(now)
        for hold in day.held:
            if hold.expires_at > instant:
                stretches = _without(stretches, hold)
    return stretches


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


def _units_of(
    opened: Iterable[Interval], at: Sequence[Minute], left: Sequence[int], held: Sequence[Held]
) -> FreeDay:
    """A resource's date that is open in these intervals; `left[n]` units are left by appointments
    before `at[n]`, and from `at[n - 1]` on.
    """
    stretches: list[Minute] = []
    holds: list[Held] = []
    for begin, end in opened:
        first = begin
        place = bisect_right(at, begin)
        while first < end:
            until = min(at[place], end) if place < len(at) else end
            if left[place] > 0 and first < until:
                stretches += (first, until, first + left[place])
            first, place = until, place + 1
        holds += (
            Held(max(each.first, begin), min(each.until, end), each.expires_at)
            for each in held
            if each.first < end and begin < each.until
        )
    return FreeDay(tuple(stretches), tuple(holds))


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same minutes, ascending and apart."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _outside(interval: Interval, taken: Iterable[Interval]) -> list[Interval]:
    """What these intervals, ascending and apart, leave of one."""
    begin, end = interval
    left: list[Interval] = []
    for taken_from, taken_until in taken:
        if begin < min(taken_from, end):
            left.append((begin, min(taken_from, end)))
        begin = max(begin, taken_until)
    if begin < end:
        left.append((begin, end))
    return left


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
