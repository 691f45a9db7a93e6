"""Hours: what is merged, what an exception does, and why an instant is shut."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.hours import (
    ClockRange,
    DayException,
    Hours,
    Shut,
    WeeklyRange,
    cut_intervals,
    merge_clock_ranges,
    merge_intervals,
    why_shut,
    windows_of,
)
from app.core.zones import day_number
from tests.unit.core.worlds import clock_ranges, dates_in, hours_around, zones

NINE, NOON, FIVE = 9 * 60, 12 * 60, 17 * 60
MONDAY = date(2026, 6, 1)
MIDNIGHT = day_number(MONDAY) * 1440

intervals = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))
)


def minutes(spans: list[tuple[int, int]]) -> set[int]:
    return {minute for start, end in spans for minute in range(start, end)}


@given(intervals, intervals)
def test_merging_and_cutting_are_union_and_difference(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    for found, expected in (
        (merge_intervals(left), minutes(left)),
        (cut_intervals(left, right), minutes(left) - minutes(right)),
    ):
        assert minutes(found) == expected
        assert all(end < start for (_, end), (start, _) in pairwise(found))
        assert all(start < end for start, end in found)


@given(st.lists(clock_ranges, max_size=6))
def test_merged_clock_ranges_read_the_same(ranges: list[ClockRange]) -> None:
    """What they cover is unchanged, each can be said as a range, and merging again
    changes nothing.
    """
    merged = merge_clock_ranges(ranges)
    assert minutes([item.span for item in merged]) == minutes([item.span for item in ranges])
    assert all(0 <= item.start_minute < 1440 and 1 <= item.end_minute <= 1440 for item in merged)
    assert merge_clock_ranges(merged) == merged


@pytest.mark.parametrize(
    ("ranges", "merged"),
    [
        ([(NINE, NOON), (600, FIVE)], [(NINE, FIVE)]),
        ([(NOON, FIVE), (NINE, NOON)], [(NINE, FIVE)]),
        ([(NINE, NOON), (721, FIVE)], [(NINE, NOON), (721, FIVE)]),
        ([(NINE, NINE), (600, 660)], [(NINE, NINE)]),
        ([(1200, 1440), (1380, 120)], [(1200, 120)]),
        # 25 hours together: no range says so
        ([(480, 420), (360, NINE)], [(360, NINE), (480, 420)]),
        ([(0, 1440), (0, 1440)], [(0, 1440)]),
    ],
)
def test_overlapping_hours_are_merged(
    ranges: list[tuple[int, int]], merged: list[tuple[int, int]]
) -> None:
    assert merge_clock_ranges(ClockRange(*item) for item in ranges) == tuple(
        ClockRange(*item) for item in merged
    )


def test_effective_dates_are_inclusive_and_speak_of_the_date_a_range_starts_on() -> None:
    hours = Hours(
        time_zone="UTC", weekly=(WeeklyRange(0, 1320, 120, MONDAY, MONDAY),), exceptions={}
    )
    assert windows_of(hours, MONDAY) == ((MIDNIGHT + 1320, MIDNIGHT + 1560),)
    assert (
        windows_of(hours, MONDAY - timedelta(days=7))
        == windows_of(hours, MONDAY + timedelta(days=7))
        == ()
    )


def test_an_equal_end_is_24_hours_and_24_00_is_an_end() -> None:
    hours = Hours(
        time_zone="UTC", weekly=(WeeklyRange(0, NINE, NINE), WeeklyRange(1, 0, 1440)), exceptions={}
    )
    assert windows_of(hours, MONDAY) == ((MIDNIGHT + NINE, MIDNIGHT + NINE + 1440),)
    assert windows_of(hours, MONDAY + timedelta(days=1)) == ((MIDNIGHT + 1440, MIDNIGHT + 2880),)


def test_a_fold_may_double_a_window_and_a_gap_join_two() -> None:
    chicago = Hours(
        time_zone="America/Chicago",
        weekly=(WeeklyRange(6, 75, 105), WeeklyRange(6, 180, 240)),
        exceptions={},
    )
    assert [end - start for start, end in windows_of(chicago, date(2026, 11, 1))] == [30, 30, 60]
    joined = Hours(
        time_zone="America/Chicago",
        weekly=(WeeklyRange(6, 60, 120), WeeklyRange(6, 180, 240)),
        exceptions={},
    )
    assert [end - start for start, end in windows_of(joined, date(2026, 3, 8))] == [120]


def week(**exceptions: DayException) -> Hours:
    return Hours(
        time_zone="UTC",
        weekly=tuple(WeeklyRange(day, NINE, FIVE) for day in range(7)),
        breaks=tuple(WeeklyRange(day, NOON, NOON + 60) for day in range(7)),
        exceptions={item.date: item for item in exceptions.values()},
    )


CLOSED = DayException(date=MONDAY, is_blocked=True)
BLOCK = DayException(date=MONDAY, is_blocked=True, ranges=(ClockRange(NINE, 600),))
CUSTOM = DayException(date=MONDAY, is_blocked=False, ranges=(ClockRange(600, 660),))


@pytest.mark.parametrize(
    ("hours", "minute", "expected"),
    [
        (week(), NINE, set()),
        (week(), NINE - 1, {Shut.OUTSIDE_HOURS}),
        (week(), FIVE, {Shut.OUTSIDE_HOURS}),
        (week(), NOON, {Shut.BREAK}),
        (week(closed=CLOSED), NINE, {Shut.EXCEPTION}),
        (week(closed=CLOSED), NOON, {Shut.EXCEPTION, Shut.BREAK}),  # each alone would do
        (week(closed=CLOSED), NINE - 1, {Shut.OUTSIDE_HOURS}),
        (week(block=BLOCK), NINE, {Shut.EXCEPTION}),
        (week(block=BLOCK), 600, set()),
        (week(block=BLOCK), NOON, {Shut.BREAK}),
        (week(custom=CUSTOM), NINE, {Shut.EXCEPTION}),
        (week(custom=CUSTOM), 600, set()),
        # the break is replaced with the hours that it was in
        (week(custom=CUSTOM), NOON, {Shut.EXCEPTION}),
        (week(custom=CUSTOM), FIVE, {Shut.OUTSIDE_HOURS}),
    ],
)
def test_what_shuts_an_instant_is_named(hours: Hours, minute: int, expected: set[Shut]) -> None:
    assert why_shut(hours, MIDNIGHT + minute) == expected


def off(hours: Hours, *spans: tuple[int, int]) -> Hours:
    """With time off, in minutes from Monday's midnight."""
    return replace(
        hours, time_off=tuple((MIDNIGHT + start, MIDNIGHT + end) for start, end in spans)
    )


@pytest.mark.parametrize(
    ("hours", "minute", "expected"),
    [
        (off(week(), (NINE, 600)), NINE, {Shut.TIME_OFF}),
        (off(week(), (NINE, 600)), 600, set()),
        (off(week(), (-1440, 1440)), FIVE, {Shut.OUTSIDE_HOURS}),
        (off(week(), (-1440, 1440)), NOON, {Shut.TIME_OFF, Shut.BREAK}),
        (off(week(closed=CLOSED), (0, 1440)), NINE, {Shut.TIME_OFF, Shut.EXCEPTION}),
        (off(week(block=BLOCK), (570, 660)), 540, {Shut.EXCEPTION}),
        (off(week(block=BLOCK), (570, 660)), 570, {Shut.TIME_OFF, Shut.EXCEPTION}),
        (off(week(block=BLOCK), (570, 660)), 600, {Shut.TIME_OFF}),
        (off(week(custom=CUSTOM), (620, 640)), 620, {Shut.TIME_OFF}),
        (off(week(custom=CUSTOM), (620, 640)), 640, set()),
        # Hours that custom hours have replaced are shut by both.
        (off(week(custom=CUSTOM), (NINE, 620)), NINE, {Shut.TIME_OFF, Shut.EXCEPTION}),
    ],
)
def test_time_off_is_named_with_all_other_reasons_for_an_instant(
    hours: Hours, minute: int, expected: set[Shut]
) -> None:
    assert why_shut(hours, MIDNIGHT + minute) == expected


def test_time_off_cuts_windows_whichever_date_they_started_on() -> None:
    """It closes readings: the late evening's part past its end stays open."""
    nights = Hours(time_zone="UTC", weekly=(WeeklyRange(0, 1320, 120),), exceptions={})
    assert windows_of(off(nights, (0, 1380)), MONDAY) == ((MIDNIGHT + 1380, MIDNIGHT + 1560),)
    assert windows_of(off(nights, (0, 1440)), MONDAY) == ((MIDNIGHT + 1440, MIDNIGHT + 1560),)
    assert windows_of(off(nights, (1440, 1500)), MONDAY) == (
        (MIDNIGHT + 1320, MIDNIGHT + 1440),
        (MIDNIGHT + 1500, MIDNIGHT + 1560),
    )
    assert windows_of(off(nights, (0, 2880)), MONDAY) == ()


def test_many_days_of_time_off_leave_only_the_dates_around_them() -> None:
    """And several are several: each cuts its own."""
    hours = off(week(), (NINE + 60, 7 * 1440 + NINE), (8 * 1440, 8 * 1440 + NOON))
    open_minutes = {
        ahead: sum(end - start for start, end in windows_of(hours, MONDAY + timedelta(days=ahead)))
        for ahead in range(-1, 11)
    }
    whole = 7 * 60
    expected = {-1: whole, 0: 60} | dict.fromkeys(range(1, 7), 0)
    assert open_minutes == {**expected, 7: whole, 8: 4 * 60, 9: whole, 10: whole}


CHICAGO_NIGHTS = Hours(
    time_zone="America/Chicago",
    weekly=tuple(WeeklyRange(day, 0, 360) for day in range(7)),
    exceptions={},
)


@pytest.mark.parametrize(
    ("night", "time_off", "windows"),
    [
        # 02:00 to 03:00 is left out: time off from or until a reading in it ends at the jump.
        ("2026-03-08", (0, 150), [("08:00", "11:00")]),
        ("2026-03-08", (150, 360), [("06:00", "08:00")]),
        ("2026-03-08", (120, 180), [("06:00", "11:00")]),
        ("2026-03-08", (90, 150), [("06:00", "07:30"), ("08:00", "11:00")]),
        # 01:00 to 02:00 is read twice: time off covers either reading of it.
        ("2026-11-01", (0, 90), [("06:30", "07:00"), ("07:30", "12:00")]),
        ("2026-11-01", (90, 360), [("05:00", "06:30"), ("07:00", "07:30")]),
        ("2026-11-01", (60, 120), [("05:00", "06:00"), ("08:00", "12:00")]),
    ],
)
def test_time_off_closes_readings_where_the_clock_changes(
    night: str, time_off: tuple[int, int], windows: list[tuple[str, str]]
) -> None:
    """None of its readings is open, however often the clock shows it."""
    day = date.fromisoformat(night)
    midnight = day_number(day) * 1440
    hours = replace(CHICAGO_NIGHTS, time_off=((midnight + time_off[0], midnight + time_off[1]),))
    assert [
        tuple(f"{edge % 1440 // 60:02}:{edge % 60:02}" for edge in window)
        for window in windows_of(hours, day)
    ] == windows


def test_the_same_readings_are_off_in_another_zone() -> None:
    """Time off speaks of readings, as hours do: a change of zone moves both."""
    day = date(2026, 6, 1)
    midnight = day_number(day) * 1440
    here = Hours(
        time_zone="Europe/Berlin",
        weekly=(WeeklyRange(0, NINE, FIVE),),
        exceptions={},
        time_off=((midnight + NINE, midnight + NOON),),
    )
    there = replace(here, time_zone="America/New_York")
    assert windows_of(here, day) == ((midnight + NOON - 120, midnight + FIVE - 120),)
    assert windows_of(there, day) == ((midnight + NOON + 240, midnight + FIVE + 240),)


def test_time_off_reaches_the_first_and_the_last_supported_date() -> None:
    first, last = date(1973, 1, 1), date(2999, 12, 31)
    off_ever = (day_number(first) * 1440, (day_number(last) + 1) * 1440)
    hours = replace(week(), time_off=(off_ever,))
    for day in (first, MONDAY, last):
        assert windows_of(hours, day) == ()
        assert why_shut(hours, day_number(day) * 1440 + NINE) == {Shut.TIME_OFF}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_instant_is_shut_for_a_reason_or_lies_in_a_window(data: st.DataObject) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    hours = data.draw(hours_around(zone, day))
    open_minutes = minutes(
        [
            item
            for ahead in (-2, -1, 0, 1, 2)
            for item in windows_of(hours, day + timedelta(days=ahead))
        ]
    )
    start = day_number(day) * 1440
    for minute in range(start, start + 1440, 7):
        assert bool(why_shut(hours, minute)) == (minute not in open_minutes)


def test_dates_out_of_range_are_never_open() -> None:
    hours = week()
    for day in (date.min, date(1972, 12, 31), date(3000, 1, 1), date.max):
        assert windows_of(hours, day) == ()
        assert why_shut(hours, day_number(day) * 1440 + NINE) == {Shut.OUTSIDE_HOURS}
    for day in (date(1973, 1, 1), date(2999, 12, 31)):
        assert len(windows_of(hours, day)) == 2
