"""When a provider is open: at an instant if, and only if, the wall clock in their zone reads a time
inside their hours.

Hours are ranges of wall-clock readings; each range belongs to the date that it starts on. The
readings that the ranges of a date leave open, turned into instants and merged where they touch, are
the *windows* of that date.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from app.core.zones import (
    DAY_MINUTES,
    FIRST_DATE,
    LAST_DATE,
    Interval,
    LocalDay,
    Minute,
    date_of_number,
    day_number,
    instants_reading,
    is_supported_date,
    local_days,
    wall_at,
)
from app.weighted_cache import remembered

Span: TypeAlias = tuple[int, int]
"""A half-open range of readings, in minutes from the midnight of the date that it belongs to (2880
ends the next date).
"""

_FIRST_NUMBER: Final = day_number(FIRST_DATE)
_LAST_NUMBER: Final = day_number(LAST_DATE)


class ClockRange(NamedTuple):
    """Readings of a date's clock, from `start_minute` up to `end_minute`, counted from its
    midnight.

    The start is 0 to 1439, the end 1 to 1440 (24:00). An end at or before the start is on the next
    date; an equal one makes 24 hours.
    """

    start_minute: int
    end_minute: int

    @property
    def span(self) -> Span:
        return _span(self.start_minute, self.end_minute)


class WeeklyRange(NamedTuple):
    """A `ClockRange` of every such weekday (0 is Monday) from `effective_from` to
    `effective_until`.

    Both dates are inclusive, None is open-ended, and they speak of the date on which the range
    starts.
    """

    weekday: int
    start_minute: int
    end_minute: int
    effective_from: date | None = None
    effective_until: date | None = None

    @property
    def span(self) -> Span:
        return _span(self.start_minute, self.end_minute)

    def is_in_force(self, day: date) -> bool:
        """Whether it holds on this date, which must be of its weekday."""
        return (self.effective_from is None or self.effective_from <= day) and (
            self.effective_until is None or day <= self.effective_until
        )


ALWAYS_OPEN: Final = tuple(
    WeeklyRange(weekday=weekday, start_minute=0, end_minute=DAY_MINUTES) for weekday in range(7)
)
"""Weekly hours without a closed reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayException:
    """What is different on one date: *closed* (blocked, no range), a *block* (blocked ranges), or
    *custom hours* (ranges).
    """

    date: date
    is_blocked: bool
    ranges: tuple[ClockRange, ...] = ()

    @property
    def is_custom(self) -> bool:
        """Its ranges replace the weekly hours and breaks that start on the date."""
        return not self.is_blocked

    @property
    def is_closed(self) -> bool:
        """Nothing starts on the date, and no reading of it is open."""
        return self.is_blocked and not self.ranges

    def closed_spans(self) -> tuple[Span, ...]:
        """The readings of the date that it shuts, whichever date's range they come from. A block
        never leaves its date.
        """
        if not self.is_blocked:
            return ()
        if not self.ranges:
            return ((0, DAY_MINUTES),)
        return tuple(
            (start, min(end, DAY_MINUTES)) for start, end in (clock.span for clock in self.ranges)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hours a provider keeps. `exceptions` and `time_off` need to hold those of the dates
    computed and of their two neighbours.

    `time_off` is in wall minutes (see `app.core.zones`), ascending, with a gap between any two: no
    reading in it is open.
    """

    time_zone: str
    weekly: tuple[WeeklyRange, ...] = ()
    breaks: tuple[WeeklyRange, ...] = ()
    exceptions: Mapping[date, DayException]
    time_off: tuple[Span, ...] = ()


class Shut(StrEnum):
    """What keeps an instant from being open."""

    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    """No hours of any kind are there."""
    BREAK = "BREAK"
    """Weekly hours are there, and a break cuts it out of them."""
    EXCEPTION = "EXCEPTION"
    """Hours are there, and an exception closes it or puts others in their place."""
    TIME_OFF = "TIME_OFF"
    """Hours are there, and time off covers it."""


# ---------------------------------------------------------------- intervals


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Their union: ascending, with a gap between any two."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        elif start < end:
            merged.append((start, end))
    return merged


def cut_intervals(intervals: Iterable[Interval], holes: Iterable[Interval]) -> list[Interval]:
    """What the holes leave of the intervals' union: ascending, with a gap between any two."""
    left: list[Interval] = []
    cuts = merge_intervals(holes)
    passed, count = 0, len(cuts)
    for begin, end in merge_intervals(intervals):
        start = begin
        while passed < count and cuts[passed][1] <= start:
            passed += 1
        at = passed
        while at < count and cuts[at][0] < end:
            hole_start, hole_end = cuts[at]
            if start < hole_start:
                left.append((start, hole_start))
            start = hole_end
            at += 1
        if start < end:
            left.append((start, end))
    return left


def merge_clock_ranges(ranges: Iterable[ClockRange]) -> tuple[ClockRange, ...]:
    """The same readings in as few ranges as may be, in order: ranges of one date that overlap or
    touch become one.

    Two stay apart where together they would be longer than the 24 hours that a range can say.
    """
    merged: list[Span] = []
    for start, end in sorted({clock.span for clock in ranges}):
        if merged and start <= merged[-1][1]:
            first, last = merged[-1]
            if max(last, end) - first <= DAY_MINUTES:
                merged[-1] = (first, max(last, end))
                continue
        merged.append((start, end))
    return tuple(
        ClockRange(start, end if end <= DAY_MINUTES else end - DAY_MINUTES) for start, end in merged
    )


def _span(start_minute: int, end_minute: int) -> Span:
    return (start_minute, end_minute if end_minute > start_minute else end_minute + DAY_MINUTES)


# ---------------------------------------------------------------- readings


_WEEK_BYTES: Final = 800
_RANGE_BYTES: Final = 300


class _Week(NamedTuple):
    """Weekly hours and breaks sorted by weekday, and what they leave open where no exception or
    effective date interferes.
    """

    weekly: tuple[tuple[WeeklyRange, ...], ...]
    breaks: tuple[tuple[WeeklyRange, ...], ...]
    plain: tuple[tuple[Span, ...] | None, ...]
    """By weekday: the open spans, alike on every date; None where it depends on the date."""


def _weigh_week(
    arguments: tuple[tuple[WeeklyRange, ...], tuple[WeeklyRange, ...]], _week: _Week
) -> int:
    return _WEEK_BYTES + _RANGE_BYTES * (len(arguments[0]) + len(arguments[1]))


@remembered("weeks", most_bytes=16 * 1024 * 1024, weigh=_weigh_week)
def _week(weekly: tuple[WeeklyRange, ...], breaks: tuple[WeeklyRange, ...]) -> _Week:
    weekly_of: list[list[WeeklyRange]] = [[] for _ in range(7)]
    breaks_of: list[list[WeeklyRange]] = [[] for _ in range(7)]
    for item in weekly:
        weekly_of[item.weekday].append(item)
    for item in breaks:
        breaks_of[item.weekday].append(item)
    plain: list[tuple[Span, ...] | None] = []
    cut: dict[tuple[tuple[Span, ...], tuple[Span, ...]], tuple[Span, ...]] = {}
    for weekday, ranges in enumerate(weekly_of):
        before, today, after = (
            breaks_of[weekday - 1],
            breaks_of[weekday],
            breaks_of[(weekday + 1) % 7],
        )
        if not ranges:
            plain.append(())
        elif any(
            item[3] is not None or item[4] is not None
            for item in (*ranges, *before, *today, *after)
        ):
            plain.append(None)
        else:
            spans = tuple(item.span for item in ranges)
            # Of the neighbours' breaks only those that can reach these ranges, so that like
            # weekdays look alike.
            latest = max(end for _, end in spans)
            holes = [item.span for item in today]
            holes += [_shifted(item.span, -1) for item in before if item.span[1] > DAY_MINUTES]
            holes += [
                _shifted(item.span, 1) for item in after if item.start_minute + DAY_MINUTES < latest
            ]
            key = (spans, tuple(holes))
            if key not in cut:
                cut[key] = tuple(cut_intervals(spans, holes))
            plain.append(cut[key])
    return _Week(tuple(map(tuple, weekly_of)), tuple(map(tuple, breaks_of)), tuple(plain))


def _shifted(span: Span, days: int) -> Span:
    return (span[0] + days * DAY_MINUTES, span[1] + days * DAY_MINUTES)


def _breaks_in_force(hours: Hours, week: _Week, number: int) -> list[Span]:
    """The breaks around a date, in minutes from its midnight.

    A break belongs to the date it starts on, may run past midnight, and cuts whatever weekly hours
    it covers, whichever date those belong to; so the neighbours' breaks count. Custom hours replace
    the breaks that start on their date.
    """
    found: list[Span] = []
    for ahead in (-1, 0, 1):
        day = date_of_number(number + ahead)
        exception = hours.exceptions.get(day)
        if exception is not None and exception.is_custom:
            continue
        found.extend(
            _shifted(item.span, ahead)
            for item in week.breaks[day.weekday()]
            if item.is_in_force(day)
        )
    return found


def _time_off(hours: Hours, number: int) -> list[Span]:
    """The time off on a date and on the next one, the dates that its ranges reach, in minutes from
    its midnight.
    """
    if not hours.time_off:
        return []
    midnight = number * DAY_MINUTES
    found: list[Span] = []
    for start, end in hours.time_off[bisect_right(hours.time_off, midnight, key=_end) :]:
        if start >= midnight + 2 * DAY_MINUTES:
            break
        found.append((start - midnight, end - midnight))
    return found


def _end(span: Span) -> int:
    return span[1]


def _open_spans(hours: Hours, week: _Week, number: int) -> list[Span]:
    """The open readings of the ranges that start on a date, every rule applied, in minutes from its
    midnight.
    """
    day = date_of_number(number)
    exception = hours.exceptions.get(day)
    if exception is not None and exception.is_closed:
        return []
    if exception is not None and exception.is_custom:
        spans: list[Span] = [clock.span for clock in exception.ranges]
        holes: list[Span] = []
    else:
        spans = [item.span for item in week.weekly[day.weekday()] if item.is_in_force(day)]
        holes = _breaks_in_force(hours, week, number)
    for ahead in (0, 1):
        closing = hours.exceptions.get(date_of_number(number + ahead))
        if closing is not None:
            holes.extend(_shifted(span, ahead) for span in closing.closed_spans())
    holes.extend(_time_off(hours, number))
    return cut_intervals(spans, holes)


# ---------------------------------------------------------------- windows


def windows_over(hours: Hours, days: Sequence[LocalDay]) -> list[Interval]:
    """The windows of these dates, date by date; ascending, and apart, within each date."""
    week = _week(hours.weekly, hours.breaks)
    plain = week.plain
    exceptions = hours.exceptions
    windows: list[Interval] = []
    for number, day, weekday, midnight in days:
        spans: Sequence[Span] | None = plain[weekday]
        if (
            spans is None
            or not _FIRST_NUMBER <= number <= _LAST_NUMBER
            or (
                exceptions
                and (
                    day in exceptions
                    or date_of_number(number - 1) in exceptions
                    or date_of_number(number + 1) in exceptions
                )
            )
            or (hours.time_off and _time_off(hours, number))
        ):
            spans = _open_spans(hours, week, number) if is_supported_date(day) else ()
        if midnight is not None:
            for start, end in spans:
                windows.append((midnight + start, midnight + end))
        elif spans:
            base = number * DAY_MINUTES
            windows += merge_intervals(
                stretch
                for start, end in spans
                for stretch in instants_reading(hours.time_zone, base + start, base + end)
            )
    return windows


def windows_of(hours: Hours, day: date) -> tuple[Interval, ...]:
    """The windows of a date: ascending, merged where they touch. They may run into the
    next date.
    """
    number = day_number(day)
    return tuple(windows_over(hours, local_days(hours.time_zone, number, number)))


def why_shut(hours: Hours, minute: Minute) -> frozenset[Shut]:
    """Everything that keeps this instant from being open; empty if, and only if, it lies in a
    window.
    """
    wall = wall_at(hours.time_zone, minute)
    found = _why_shut_but_for_time_off(hours, wall)
    if Shut.OUTSIDE_HOURS in found or not _covers(hours.time_off, wall):
        return found
    return found | {Shut.TIME_OFF}


def _why_shut_but_for_time_off(hours: Hours, wall: int) -> frozenset[Shut]:
    """Why a reading is not open.

    Each range that covers it may have obstacles of its own; only where none covers it is it
    outside hours.
    """
    week = _week(hours.weekly, hours.breaks)
    number, reading = divmod(wall, DAY_MINUTES)
    today = date_of_number(number)
    if not is_supported_date(today):
        return frozenset({Shut.OUTSIDE_HOURS})
    closing = hours.exceptions.get(today)
    is_closed = closing is not None and _covers(closing.closed_spans(), reading)
    is_break = _covers(_breaks_in_force(hours, week, number), reading)
    found: set[Shut] = set()
    is_covered = False
    for behind in (0, 1):
        start_day = date_of_number(number - behind)
        if not is_supported_date(start_day):
            continue
        into = reading + behind * DAY_MINUTES
        exception = hours.exceptions.get(start_day)
        weekly = [
            item.span for item in week.weekly[start_day.weekday()] if item.is_in_force(start_day)
        ]
        if (
            exception is not None
            and exception.is_custom
            and _covers([clock.span for clock in exception.ranges], into)
        ):
            is_covered = True
            if not is_closed:
                return frozenset()
            found.add(Shut.EXCEPTION)
        if _covers(weekly, into):
            is_covered = True
            is_gone = exception is not None and (exception.is_custom or exception.is_closed)
            if is_gone or is_closed:
                found.add(Shut.EXCEPTION)
            if is_break and not (exception is not None and exception.is_custom):
                found.add(Shut.BREAK)
            if not (is_gone or is_closed or is_break):
                return frozenset()
    return frozenset(found) if is_covered else frozenset({Shut.OUTSIDE_HOURS})


def _covers(spans: Iterable[Span], reading: int) -> bool:
    return any(start <= reading < end for start, end in spans)
