"""Which times can be booked, and why the others can't. Listing, holding, booking and moving all use
this module, so they agree.

A start is possible if the visit fits into open time, and if visit and buffers are free of other
claims. Possible starts come in stretches (`free_stretches`), which depend on neither the clock nor
the grid's step, so they may be cached. A start is listed if it is possible, on the grid of its
window (`starts_on_grid`), and within notice and horizon (`bookable`). `explain` gives no reason
against exactly the starts that `bookable_starts` lists.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from app.core.hours import Hours, Shut, why_shut, windows_over
from app.core.rules import Rules
from app.core.zones import (
    DAY_MINUTES,
    EPOCH,
    FIRST_DATE,
    LAST_DATE,
    Interval,
    LocalDay,
    Minute,
    date_interval,
    date_of_number,
    dates_touched,
    day_number,
    instants_reading,
    local_date,
    local_days,
    minute_at_or_after,
    minute_of,
    wall_at,
)

_MINUTE: Final = timedelta(minutes=1)
_FIRST_NUMBER: Final = day_number(FIRST_DATE)
_LAST_NUMBER: Final = day_number(LAST_DATE)
_LONG: Final = 10_000 * 366 * DAY_MINUTES
"""Minutes in more years than dates have."""

Stretch: TypeAlias = tuple[Minute, Minute, Minute]
"""Possible starts, as (first, until, anchor): every minute of `[first, until)`, of which those on
the grid are listed. The grid counts from the anchor, the beginning of the window, which may be
earlier than the first.
"""

Stretches: TypeAlias = tuple[Minute, ...]
"""Those of a date, ascending, one after the other: first, until, anchor, first, until, anchor …
Flat, since listings keep tens of thousands of them: a tuple each would take twice the memory, and
the garbage collector would walk them all. `stretches_in` reads them.
"""

ALTERNATIVES: Final = 5
"""How many other times a refusal offers: enough to choose from, few enough to read."""


class ClaimKind(StrEnum):
    """Whose time a claim takes."""

    APPOINTMENT = "APPOINTMENT"
    HOLD = "HOLD"
    BUSY = "BUSY"
    """A busy time of the subject (`app.core.busy`): it keeps new visits out, counts for nothing
    else, and may overlap other claims.
    """


EVERY_UNIT: Final = 0
"""The unit of a busy time: it is on all units of its subject."""

LONGEST_BUFFER_MINUTES: Final = DAY_MINUTES
"""The validation of services and providers refuses longer ones, and the database too."""

LONGEST_CLAIM_MINUTES: Final = 3 * DAY_MINUTES
"""A visit and both of its buffers last a day at most, each; the database refuses longer claims
(`claim_length`), and busy times are stored in pieces that are no longer. A query for claims in a
range, by their beginnings, has to start that much earlier.
"""


class Claim(NamedTuple):
    """Time taken on a unit of a subject, as it was stored when it was made: a visit, and around it
    the visit with its buffers.
    """

    claimed_from: Minute
    claimed_until: Minute
    visit_from: Minute
    visit_until: Minute
    kind: ClaimKind = ClaimKind.APPOINTMENT
    expires_at: datetime | None = None
    """A hold's end, in UTC: it does not count from this instant on."""
    unit: int = 1
    """The number of the subject's unit, from 1; `EVERY_UNIT` for a busy time. A provider has one
    unit.
    """

    @property
    def is_visit(self) -> bool:
        """Whether it is for a visit, and counts where visits are counted."""
        return self.kind is not ClaimKind.BUSY


class UnbookableReason(StrEnum):
    """Why an instant can't be booked. All that apply are given, in this order."""

    IN_THE_PAST = "IN_THE_PAST"
    TOO_SHORT_NOTICE = "TOO_SHORT_NOTICE"
    BEYOND_HORIZON = "BEYOND_HORIZON"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    BREAK = "BREAK"
    EXCEPTION = "EXCEPTION"
    TIME_OFF = "TIME_OFF"
    """For staff; others read EXCEPTION (`reasons_for_others`)."""
    NOT_ON_GRID = "NOT_ON_GRID"
    DOES_NOT_FIT = "DOES_NOT_FIT"
    ALREADY_TAKEN = "ALREADY_TAKEN"
    BUFFER = "BUFFER"
    HELD = "HELD"
    BUSY_ELSEWHERE = "BUSY_ELSEWHERE"
    """For staff; others read ALREADY_TAKEN (`reasons_for_others`)."""
    NOBODY_FREE = "NOBODY_FREE"
    """Of a service whose providers are chosen for the customer: nobody can lead, or too few can
    take part."""
    RESOURCE_TAKEN = "RESOURCE_TAKEN"
    """A group of resources can't be filled."""
    LIMIT_REACHED = "LIMIT_REACHED"
    """A period of a provider's calendar has as many visits as a limit allows (`app.core.limits`),
    or the customer as many open bookings as the service allows (`app.core.customer_limits`).
    """
    NO_SEATS_LEFT = "NO_SEATS_LEFT"
    """Too few seats are left for the party, and nothing else is in the way."""
    CUSTOMER_BUSY = "CUSTOMER_BUSY"
    """The customer has another visit at that time (`app.core.customer_limits`)."""


class ViewerDates(NamedTuple):
    """Dates of a viewer's zone, translated: the instants that they cover, and the dates of the
    provider's zone that hold these instants.
    """

    intervals: tuple[Interval, ...]
    """Usually one; none if the viewer's zone skipped all of the dates."""
    first: date
    last: date


def active(claims: Iterable[Claim], now: datetime) -> tuple[Claim, ...]:
    """The claims that still count: all but expired holds."""
    return tuple(claim for claim in claims if claim.expires_at is None or claim.expires_at > now)


# ---------------------------------------------------------------- listing


def free_stretches(
    hours: Hours, rules: Rules, claims: Iterable[Claim], first: date, last: date
) -> dict[date, Stretches]:
    """The possible starts by provider-local date, ascending, with an entry for every date. Within a
    date, stretches ascend; they overlap where a window reaches into that of the next date.

    Only the duration and the buffers of the rules matter; step, notice, horizon and the current
    time do not. `claims` may have any order, and must include all that overlap `claims_span`; all
    of them count (see `active`). `hours` must include the exceptions and the time off of
    `exceptions_span`. The cost is proportional to the number of dates, windows and claims.
    """
    low, high = day_number(first), day_number(last)
    start, stop = max(low, _FIRST_NUMBER), min(high, _LAST_NUMBER)
    if start > stop:
        return {date_of_number(number): () for number in range(low, high + 1)}
    days, windows = _windows_for(hours, rules, start, stop)
    begin, end = _reach(days[0], days[-1])
    stretches = _sweep(rules, windows, claims, begin, end)
    free = _by_date(stretches, hours.time_zone, days)
    if (low, high) == (start, stop):
        return free
    everything = {date_of_number(number): () for number in range(low, high + 1)}
    return {**everything, **free}


def stretches_in(flat: Iterable[Minute]) -> Iterable[Stretch]:
    """The stretches of a date, one by one."""
    minutes = iter(flat)
    return zip(minutes, minutes, minutes, strict=True)


def starts_on_grid(stretches: Iterable[Minute], step_minutes: int) -> tuple[Minute, ...]:
    """The possible starts of a date that are on the grids of their windows, ascending, without
    duplicates.
    """
    starts: list[Minute] = []
    reached = None
    has_overlap = False
    for first, until, anchor in stretches_in(stretches):
        if reached is not None and first < reached:
            has_overlap = True
        reached = until
        starts += range(first + (anchor - first) % step_minutes, until, step_minutes)
    return tuple(sorted(set(starts)) if has_overlap else starts)


def taken_starts(rules: Rules, claim: Claim) -> Interval:
    """The starts that a claim makes impossible: a visit there, with its buffers, would overlap it.

    Claims include their own buffers; the new visit's are added here.
    """
    return (
        claim.claimed_from - rules.duration_minutes - rules.buffer_after_minutes + 1,
        claim.claimed_until + rules.buffer_before_minutes,
    )


def free_starts(
    hours: Hours, rules: Rules, claims: Iterable[Claim], first: date, last: date
) -> dict[date, tuple[Minute, ...]]:
    """The starts of `free_stretches` that are on the grid, by provider-local date."""
    step = rules.step_minutes
    return {
        day: starts_on_grid(stretches, step)
        for day, stretches in free_stretches(hours, rules, claims, first, last).items()
    }


def bookable(
    hours: Hours, rules: Rules, starts: Sequence[Minute], now: datetime
) -> tuple[Minute, ...]:
    """The free starts, ascending, that notice and horizon allow at this instant."""
    low = bisect_left(starts, _earliest(rules, now))
    horizon = _horizon(hours, rules, now)
    # A wall clock is less than a day away from UTC, so only starts around the limit need their own
    # date looked up.
    sure = bisect_left(starts, horizon - DAY_MINUTES, low)
    beyond = bisect_left(starts, horizon + DAY_MINUTES, sure)
    near = [minute for minute in starts[sure:beyond] if wall_at(hours.time_zone, minute) < horizon]
    return (*starts[low:sure], *near)


def bookable_by_date(
    hours: Hours, rules: Rules, free: Mapping[date, Sequence[Minute]], now: datetime
) -> dict[date, tuple[Minute, ...]]:
    """`bookable` for starts by provider-local date, as `free_starts` returns them."""
    earliest = _earliest(rules, now)
    horizon = _horizon(hours, rules, now)
    # A date's starts are less than a day away from the same date in UTC, so most lists lie wholly
    # between the two limits.
    if (
        free
        and (day_number(min(free)) - 1) * DAY_MINUTES >= earliest
        and day_number(max(free)) * DAY_MINUTES < horizon
    ):
        return {day: tuple(starts) for day, starts in free.items()}
    return {
        day: tuple(starts[bisect_left(starts, earliest) :])
        if starts and day_number(day) * DAY_MINUTES < horizon
        else ()
        for day, starts in free.items()
    }


def bookable_alike_until(
    hours: Hours, rules: Rules, first_start: Minute | None, last: date, now: datetime
) -> Minute:
    """The last minute, counted as `minute_at_or_after` does, until which `bookable_by_date` gives
    the same for the same free starts: while notice allows the first of those that it gave, and,
    where the horizon is near the last date, while today lasts.
    """
    until = _LONG if first_start is None else first_start - rules.min_notice_minutes
    # A clock that is turned back past midnight reads the date before once more.
    if (day_number(last) + 1) * DAY_MINUTES < _horizon(hours, rules, now):
        return until
    this, zone = minute_of(now), hours.time_zone
    today = date_interval(zone, local_date(zone, this))
    return min(until, next(end for begin, end in today if begin <= this < end) - 1)


def bookable_stretches(
    hours: Hours, rules: Rules, free: Mapping[date, Stretches], now: datetime
) -> Stretches:
    """The possible starts that notice and horizon allow at this instant, of all these
    provider-local dates.

    Ascending but for what `free_stretches` says of windows, and for a clock that is turned back
    past midnight.
    """
    earliest = _earliest(rules, now)
    horizon = _horizon(hours, rules, now)
    left: list[Minute] = []
    for day, stretches in free.items():
        midnight = day_number(day) * DAY_MINUTES
        if not stretches or midnight >= horizon:
            continue
        # A date's starts are less than a day away from its UTC namesake.
        if midnight - DAY_MINUTES >= earliest:
            left += stretches
            continue
        for first, until, anchor in stretches_in(stretches):
            if until > earliest:
                left += (max(first, earliest), until, anchor)
    return tuple(left)


def bookable_starts(
    hours: Hours, rules: Rules, claims: Iterable[Claim], first: date, last: date, now: datetime
) -> dict[date, tuple[Minute, ...]]:
    """The starts that can be booked now, by provider-local date, with an entry for every date.
    Expired holds don't count.
    """
    return bookable_by_date(
        hours, rules, free_starts(hours, rules, active(claims, now), first, last), now
    )


def claims_span(zone: str, rules: Rules, first: date, last: date) -> Interval:
    """The range of instants in which a claim can affect the free starts of these dates: the claims
    to read from the store.

    Claims include their own buffers; the new visit's are added here. The range is a little wider
    than necessary near a clock change.
    """
    low = max(day_number(first), _FIRST_NUMBER)
    high = max(min(day_number(last), _LAST_NUMBER), low)
    days = local_days(zone, low, high)
    begin, end = _reach(days[0], days[-1])
    return (
        begin - rules.buffer_before_minutes,
        end + rules.duration_minutes + rules.buffer_after_minutes,
    )


def exceptions_span(rules: Rules, first: date, last: date) -> tuple[date, date]:
    """The dates, inclusive, whose exceptions and time off can affect the free starts of these
    dates: those to read from the store.

    Hours of the evening before may reach into the first date, and a break of the evening before
    that may shorten them. Visits may reach beyond the last date, even across a date that the zone
    skips.
    """
    low = day_number(first) - 2
    high = day_number(last) + 3 + rules.duration_minutes // DAY_MINUTES
    return date_of_number(low), date_of_number(high)


def dates_changed(
    zone: str, claimed: Interval, *, before_minutes: int, duration_minutes: int, after_minutes: int
) -> tuple[date, ...]:
    """The provider-local dates whose free starts a claim on this time can change: its own dates,
    and the neighbours that it reaches into.

    The minutes are the largest among all rules in force for the provider.
    """
    return dates_touched(
        zone, claimed[0] - duration_minutes - after_minutes + 1, claimed[1] + before_minutes
    )


# ---------------------------------------------------------------- one instant


def explain(
    hours: Hours,
    rules: Rules,
    claims: Iterable[Claim],
    starts_at: datetime,
    now: datetime,
    *,
    set_aside: frozenset[UnbookableReason] = frozenset(),
) -> tuple[UnbookableReason, ...]:
    """Every reason why this instant can't be booked now, in the order of `UnbookableReason`; none
    if, and only if, the instant is listed. Reasons that are `set_aside` don't count.

    `claims` are those in `claims_span` of its date. A start between two minutes is never on a grid,
    whatever is set aside.
    """
    minute = minute_of(starts_at)
    counted = active(claims, now)
    day = local_date(hours.time_zone, minute)
    if _is_whole(starts_at) and _is_listed(hours, rules, counted, day, minute, now):
        return ()
    found = (
        why_not_now(hours, rules, starts_at, now)
        | _reasons_of_the_hours(hours, rules, starts_at)
        | _reasons_of_claims(rules, counted, starts_at)
    )
    if set_aside:
        found -= set_aside
        if not _is_whole(starts_at):
            found |= {UnbookableReason.NOT_ON_GRID}
    return in_order(found)


def why_not_open(hours: Hours, rules: Rules, starts_at: datetime) -> frozenset[UnbookableReason]:
    """Why a visit that starts here does not lie in open time, for any grid; empty if, and only if,
    it does.
    """
    return frozenset(
        _reasons_of_the_hours(hours, rules, starts_at) - {UnbookableReason.NOT_ON_GRID}
    )


def why_not_free(
    rules: Rules, claims: Iterable[Claim], starts_at: datetime, now: datetime
) -> frozenset[UnbookableReason]:
    """Why a visit that starts here, with its buffers, overlaps these claims of one unit; empty if,
    and only if, it does not.
    """
    return frozenset(_reasons_of_claims(rules, active(claims, now), starts_at))


def in_order(reasons: Collection[UnbookableReason]) -> tuple[UnbookableReason, ...]:
    """The reasons in the order of `UnbookableReason`."""
    return tuple(reason for reason in UnbookableReason if reason in reasons)


def reasons_for_others(reasons: Iterable[UnbookableReason]) -> tuple[UnbookableReason, ...]:
    """The reasons as they are shown to others than staff: that somebody is away, or busy with
    something else, is staff's.
    """
    return in_order({_FOR_OTHERS.get(reason, reason) for reason in reasons})


def _is_listed(
    hours: Hours, rules: Rules, claims: Iterable[Claim], day: date, minute: Minute, now: datetime
) -> bool:
    """Whether `bookable_starts` has this minute on its date, without making the other starts. All
    claims count.
    """
    number = day_number(day)
    if (
        not _FIRST_NUMBER <= number <= _LAST_NUMBER
        or minute < _earliest(rules, now)
        or number * DAY_MINUTES >= _horizon(hours, rules, now)
    ):
        return False
    days, windows = _windows_for(hours, rules, number, number)
    # Next to a clock change these reach beyond the date; the minute does not.
    stretches = _sweep(rules, windows, claims, *_reach(days[0], days[-1]))
    return any(
        first <= minute < until and (minute - anchor) % rules.step_minutes == 0
        for first, until, anchor in stretches
    )


def _is_whole(starts_at: datetime) -> bool:
    """Whether a minute begins at this instant."""
    return (starts_at - EPOCH) % _MINUTE == timedelta(0)


def why_not_now(
    hours: Hours, rules: Rules, starts_at: datetime, now: datetime
) -> frozenset[UnbookableReason]:
    """Why nobody books this instant now, whatever is open and free then: it is past, or notice or
    horizon are in the way.
    """
    # Measured from the epoch: aware date-times of one zone would be compared by their wall clocks.
    ahead = (starts_at - EPOCH) - (now - EPOCH)
    found: set[UnbookableReason] = set()
    if ahead < timedelta(0):
        found.add(UnbookableReason.IN_THE_PAST)
    if rules.min_notice_minutes > 0 and ahead < timedelta(minutes=rules.min_notice_minutes):
        found.add(UnbookableReason.TOO_SHORT_NOTICE)
    if wall_at(hours.time_zone, minute_of(starts_at)) >= _horizon(hours, rules, now):
        found.add(UnbookableReason.BEYOND_HORIZON)
    return frozenset(found)


def _reasons_of_the_hours(hours: Hours, rules: Rules, starts_at: datetime) -> set[UnbookableReason]:
    minute = minute_of(starts_at)
    is_whole = _is_whole(starts_at)
    shut = why_shut(hours, minute)
    if shut:
        return {_OF_SHUT[kind] for kind in shut}
    number = wall_at(hours.time_zone, minute) // DAY_MINUTES
    _, windows = _windows_for(hours, rules, number, number)
    found: set[UnbookableReason] = set()
    holding = [start for start, end in windows if start <= minute < end]
    if not is_whole or all((minute - start) % rules.step_minutes for start in holding):
        found.add(UnbookableReason.NOT_ON_GRID)
    open_until = minute
    for start, end in windows:
        if start <= open_until < end:
            open_until = end
    if minute + rules.duration_minutes + (not is_whole) > open_until:
        found.add(UnbookableReason.DOES_NOT_FIT)
    return found


def _reasons_of_claims(
    rules: Rules, claims: Iterable[Claim], starts_at: datetime
) -> set[UnbookableReason]:
    # Claims begin and end on whole minutes.
    minute = minute_of(starts_at)
    visit_until = minute_at_or_after(starts_at) + rules.duration_minutes
    found: set[UnbookableReason] = set()
    for claim in claims:
        if (
            claim.claimed_from >= visit_until + rules.buffer_after_minutes
            or minute - rules.buffer_before_minutes >= claim.claimed_until
        ):
            continue
        if claim.kind is ClaimKind.HOLD:
            found.add(UnbookableReason.HELD)
        elif claim.kind is ClaimKind.BUSY:
            found.add(UnbookableReason.BUSY_ELSEWHERE)
        elif claim.visit_from < visit_until and minute < claim.visit_until:
            found.add(UnbookableReason.ALREADY_TAKEN)
        else:
            found.add(UnbookableReason.BUFFER)
    return found


_OF_SHUT: Final[Mapping[Shut, UnbookableReason]] = {
    Shut.OUTSIDE_HOURS: UnbookableReason.OUTSIDE_HOURS,
    Shut.BREAK: UnbookableReason.BREAK,
    Shut.EXCEPTION: UnbookableReason.EXCEPTION,
    Shut.TIME_OFF: UnbookableReason.TIME_OFF,
}

_FOR_OTHERS: Final[Mapping[UnbookableReason, UnbookableReason]] = {
    UnbookableReason.TIME_OFF: UnbookableReason.EXCEPTION,
    UnbookableReason.BUSY_ELSEWHERE: UnbookableReason.ALREADY_TAKEN,
}


# ---------------------------------------------------------------- choosing and showing


def nearest(
    starts: Iterable[Minute], wanted: datetime, count: int = ALTERNATIVES
) -> tuple[Minute, ...]:
    """The `count` starts nearest to the wanted instant, ascending. Of two that are equally near,
    the earlier is preferred.
    """
    # In microseconds: the wanted instant may lie between two minutes, and rounding it would make
    # unequal distances equal.
    aim = (wanted - EPOCH) // timedelta(microseconds=1)
    by_distance = sorted(set(starts), key=lambda minute: (abs(minute * 60_000_000 - aim), minute))
    return tuple(sorted(by_distance[:count]))


def dates_of_viewer(provider_zone: str, viewer_zone: str, first: date, last: date) -> ViewerDates:
    """Where to find the starts whose date in the viewer's zone is from `first` to `last`,
    inclusive.
    """
    intervals = instants_reading(
        viewer_zone, day_number(first) * DAY_MINUTES, (day_number(last) + 1) * DAY_MINUTES
    )
    if provider_zone == viewer_zone or not intervals:
        return ViewerDates(intervals, first, last)
    touched = [day for start, end in intervals for day in dates_touched(provider_zone, start, end)]
    return ViewerDates(intervals, min(touched), max(touched))


def by_viewer_date(
    starts: Iterable[Minute], zone: str, first: date, last: date
) -> dict[date, tuple[Minute, ...]]:
    """The starts whose date in this zone is from `first` to `last`, by that date, ascending.

    There is an entry for every date, also for empty ones and for those that the zone skipped.
    """
    # Not ascending yet: a clock that is turned back past midnight visits a date twice.
    in_order = sorted(starts)
    grouped: dict[date, tuple[Minute, ...]] = {}
    for number in range(day_number(first), day_number(last) + 1):
        day = date_of_number(number)
        grouped[day] = tuple(
            minute
            for start, end in date_interval(zone, day)
            for minute in in_order[bisect_left(in_order, start) : bisect_left(in_order, end)]
        )
    return grouped


# ---------------------------------------------------------------- the sweep


def _windows_for(
    hours: Hours, rules: Rules, first: int, last: int
) -> tuple[Sequence[LocalDay], list[Interval]]:
    """The dates numbered `first` to `last`, and the windows that can hold visits starting on them,
    ascending by start.

    These include windows of the date before, which may reach into the first date, and of later
    dates as long as open time continues without a gap.
    """
    # A visit can end as many dates later as it is long, and one more if the zone skips a date.
    frame = local_days(hours.time_zone, first - 1, last + 2 + rules.duration_minutes // DAY_MINUTES)
    asked = last - first + 2
    windows = windows_over(hours, frame[:asked])
    for day in frame[asked:]:
        # Only windows of the date before can reach this midnight, and they come last. Next to a
        # clock change, there is no such shortcut.
        if day.midnight is not None and (not windows or windows[-1][1] < day.midnight):
            break
        windows += windows_over(hours, (day,))
    windows.sort()
    return frame[1:asked], windows


def _reach(first: LocalDay, last: LocalDay) -> Interval:
    """A range of instants that includes both dates and all between; next to a clock change, it may
    be a day too long at either end.
    """
    begin = (first.number - 1) * DAY_MINUTES if first.midnight is None else first.midnight
    end = (last.number + 2) * DAY_MINUTES if last.midnight is None else last.midnight + DAY_MINUTES
    return begin, end


def _sweep(  # noqa: C901 - one loop, which every listing runs: calls in it would slow it down
    rules: Rules, windows: Sequence[Interval], claims: Iterable[Claim], begin: Minute, end: Minute
) -> list[Stretch]:
    """The starts in `[begin, end)` that fit and are free, ascending by the stretches' beginnings.

    `windows` ascend by start. The loop goes through windows and claims in parallel. Computing free
    times spends most of its time here; calls of `min` and `max` would make it half as slow again.
    """
    if not windows:
        return []
    duration = rules.duration_minutes
    # Each claim makes the starts in `[taken_from, taken_until)` impossible. Beginnings and ends are
    # sorted separately. Where claims overlap, this changes the pairs, but not what they cover
    # together, and both lists ascend.
    ahead = duration + rules.buffer_after_minutes - 1
    behind = rules.buffer_before_minutes
    claims = tuple(claims)
    beginnings = [claim[0] - ahead for claim in claims]
    beginnings.sort()
    ends = [claim[1] + behind for claim in claims]
    ends.sort()
    # A sentinel beyond everything: the loop need not check whether there is a next claim.
    beginnings.append(end + _LONG)
    ends.append(end + _LONG)
    taken = zip(beginnings, ends, strict=True)
    taken_from, taken_until = next(taken)

    stretches: list[Stretch] = []
    count = len(windows)
    following = 0
    open_until = windows[0][0] - 1
    latest_end = open_until
    has_overlap = False
    for window_start, window_end in windows:
        if window_start > open_until:
            # A new stretch of open time: join the windows that touch.
            while following < count and (
                windows[following][0] <= open_until or open_until < window_start
            ):
                window_until = windows[following][1]
                open_until = window_until if window_until > open_until else open_until  # noqa: FURB136
                following += 1
        if window_start < latest_end:
            # The window of the evening before reaches into this one, and its claims, which are
            # behind us, matter here as well.
            has_overlap = True
            passed = bisect_right(ends, window_start)
            taken = zip(beginnings[passed:], ends[passed:], strict=True)
            taken_from, taken_until = next(taken)
        latest_end = window_end if window_end > latest_end else latest_end  # noqa: FURB136
        stop = open_until - duration + 1
        stop = window_end if window_end < stop else stop  # noqa: FURB136
        stop = end if end < stop else stop  # noqa: FURB136
        start = window_start if window_start >= begin else begin  # noqa: FURB136
        while taken_from < stop:
            if taken_until > start:
                if taken_from > start:
                    stretches.append((start, taken_from, window_start))
                start = taken_until
                if taken_until >= stop:
                    break  # This claim may reach into the next window.
            taken_from, taken_until = next(taken)
        if start < stop:
            stretches.append((start, stop, window_start))
    if has_overlap:
        stretches.sort()
    return stretches


def _pieces(zone: str, days: Sequence[LocalDay]) -> list[tuple[Minute, Minute, date]]:
    """The range of instants of each date, ascending."""
    pieces: list[tuple[Minute, Minute, date]] = []
    is_plain = True
    for _, day, _, midnight in days:
        if midnight is not None:
            pieces.append((midnight, midnight + DAY_MINUTES, day))
        else:
            # Near a clock change, perhaps across midnight, a date may have two ranges, or none.
            is_plain = False
            pieces += [(begin, end, day) for begin, end in date_interval(zone, day)]
    return pieces if is_plain else sorted(pieces)


def _by_date(
    stretches: Sequence[Stretch], zone: str, days: Sequence[LocalDay]
) -> dict[date, Stretches]:
    """The stretches of each date; one that crosses into the next date is cut there."""
    free: dict[date, Stretches] = {day: () for _, day, _, _ in days}
    at, count = 0, len(stretches)
    for begin, end, day in _pieces(zone, days):
        here: list[Minute] = []
        place = at
        while place < count:
            stretch = stretches[place]
            first, until, anchor = stretch
            if first >= end:
                break
            if until > end:
                here += (first if first >= begin else begin, end, anchor)  # noqa: FURB136
            else:
                if place == at:
                    at += 1
                if first >= begin:
                    here += stretch
                elif until > begin:
                    here += (begin, until, anchor)
            place += 1
        if here:
            free[day] += tuple(here)
    return free


def _earliest(rules: Rules, now: datetime) -> Minute:
    """The first minute that notice allows: `now`, rounded up to a whole minute, plus the notice."""
    return rules.min_notice_minutes + minute_at_or_after(now)


def _horizon(hours: Hours, rules: Rules, now: datetime) -> int:
    """The first wall minute beyond the horizon; it is a midnight."""
    today = wall_at(hours.time_zone, minute_of(now)) // DAY_MINUTES
    return (today + rules.max_advance_booking_days + 1) * DAY_MINUTES
