"""Slots: edges of a query never matter, listing and explaining agree, and the same answer
everywhere.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.hours import ClockRange, DayException, Hours, WeeklyRange
from app.core.rules import Rules
from app.core.slots import (
    Claim,
    ClaimKind,
    UnbookableReason,
    active,
    bookable,
    bookable_starts,
    by_viewer_date,
    claims_span,
    dates_changed,
    dates_of_viewer,
    exceptions_span,
    explain,
    free_starts,
    nearest,
)
from app.core.zones import day_number, instant_of, minute_of
from tests.benchmarks import engine, straightforward
from tests.unit.core.worlds import claims_around, dates_in, hours_around, some_rules, zones

ROOT = Path(__file__).parents[3]
MONDAY = date(2026, 6, 1)
NINE_TO_FIVE = Hours(
    time_zone="UTC", weekly=tuple(WeeklyRange(day, 540, 1020) for day in range(7)), exceptions={}
)
AN_HOUR = Rules(duration_minutes=60)
R = UnbookableReason


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


EARLY = at("2026-05-31T00:00:00+00:00")
TEN = minute_of(at("2026-06-01T10:00:00+00:00"))


# ---------------------------------------------------------------- laws


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_edges_of_a_query_never_matter(data: st.DataObject) -> None:
    """slots(a, c) = slots(a, b) and slots(b, c) together, and a date's slots are those of a query
    for it alone.
    """
    zone = data.draw(zones)
    first = data.draw(dates_in(zone))
    hours, rules = data.draw(hours_around(zone, first)), data.draw(some_rules())
    claims = data.draw(claims_around(first, EARLY))
    last = first + timedelta(days=data.draw(st.integers(0, 9)))
    cut = first + timedelta(days=data.draw(st.integers(0, (last - first).days)))
    whole = free_starts(hours, rules, claims, first, last)
    assert whole == {
        **free_starts(hours, rules, claims, first, cut),
        **free_starts(hours, rules, claims, cut, last),
    }
    assert list(whole) == [
        first + timedelta(days=ahead) for ahead in range((last - first).days + 1)
    ]
    for day, starts in whole.items():
        assert free_starts(hours, rules, claims, day, day) == {day: starts}
        assert starts == tuple(sorted(set(starts)))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_order_of_claims_and_those_beyond_their_span_change_nothing(
    data: st.DataObject,
) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    hours, rules = data.draw(hours_around(zone, day)), data.draw(some_rules())
    claims = data.draw(claims_around(day, EARLY))
    start, end = claims_span(zone, rules, day, day)
    needed = [claim for claim in claims if claim.claimed_from < end and claim.claimed_until > start]
    found = free_starts(hours, rules, claims, day, day)
    assert free_starts(hours, rules, data.draw(st.permutations(claims)), day, day) == found
    assert free_starts(hours, rules, needed, day, day) == found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_exceptions_and_time_off_beyond_their_span_change_nothing(data: st.DataObject) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    hours, rules = data.draw(hours_around(zone, day)), data.draw(some_rules())
    first, last = exceptions_span(rules, day, day)
    needed = {date: item for date, item in hours.exceptions.items() if first <= date <= last}
    begin, end = day_number(first) * 1440, (day_number(last) + 1) * 1440
    inside = tuple(each for each in hours.time_off if begin < each[1] and each[0] < end)
    clipped = tuple((max(start, begin), min(until, end)) for start, until in inside)
    expected = free_starts(hours, rules, (), day, day)
    for time_off in (inside, clipped):
        seen = replace(hours, exceptions=needed, time_off=time_off)
        assert free_starts(seen, rules, (), day, day) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_claim_changes_no_other_dates_than_said(data: st.DataObject) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    hours, rules = data.draw(hours_around(zone, day)), data.draw(some_rules())
    start = minute_of(datetime(day.year, day.month, day.day, tzinfo=UTC)) + data.draw(
        st.integers(-1440, 2880)
    )
    claimed = (start, start + data.draw(st.integers(1, 2000)))
    first, last = day - timedelta(days=5), day + timedelta(days=6)
    without = free_starts(hours, rules, (), first, last)
    having = free_starts(hours, rules, (Claim(*claimed, *claimed),), first, last)
    changed = dates_changed(
        zone,
        claimed,
        before_minutes=rules.buffer_before_minutes,
        duration_minutes=rules.duration_minutes,
        after_minutes=rules.buffer_after_minutes,
    )
    assert {date for date in without if without[date] != having[date]} <= set(changed)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_viewer_sees_the_same_instants(data: st.DataObject) -> None:
    """By dates of another zone: every date asked for, and on each the free starts that read it
    there.
    """
    zone, viewer = data.draw(zones), data.draw(zones)
    first = data.draw(dates_in(viewer))
    last = first + timedelta(days=data.draw(st.integers(0, 4)))
    hours, rules = data.draw(hours_around(zone, first)), data.draw(some_rules())
    asked = dates_of_viewer(zone, viewer, first, last)
    computed = sorted(
        minute
        for starts in free_starts(hours, rules, (), asked.first, asked.last).values()
        for minute in starts
    )
    seen = by_viewer_date(computed, viewer, first, last)
    assert list(seen) == [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    around = free_starts(hours, rules, (), first - timedelta(days=4), last + timedelta(days=4))
    everything = sorted(minute for starts in around.values() for minute in starts)
    table = ZoneInfo(viewer)
    for day, starts in seen.items():
        assert starts == tuple(
            m for m in everything if instant_of(m).astimezone(table).date() == day
        )
    inside = [m for m in computed if any(start <= m < end for start, end in asked.intervals)]
    assert inside == sorted(minute for starts in seen.values() for minute in starts)


def test_a_date_that_the_viewers_zone_left_out_is_there_and_empty() -> None:
    day = date(2011, 12, 30)
    asked = dates_of_viewer("UTC", "Pacific/Apia", day, day)
    assert asked.intervals == ()
    computed = free_starts(NINE_TO_FIVE, AN_HOUR, (), asked.first, asked.last)
    assert by_viewer_date(computed[day], "Pacific/Apia", day, day) == {day: ()}
    apia = Hours(time_zone="Pacific/Apia", weekly=NINE_TO_FIVE.weekly, exceptions={})
    assert free_starts(apia, AN_HOUR, (), day, day) == {day: ()}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_straightforward_version_finds_the_same(data: st.DataObject) -> None:
    zone = data.draw(zones)
    first = data.draw(dates_in(zone))
    hours, rules = data.draw(hours_around(zone, first)), data.draw(some_rules())
    claims = data.draw(claims_around(first, EARLY))
    last = first + timedelta(days=data.draw(st.integers(0, 3)))
    plain = straightforward.free_starts(hours, rules, claims, first, last)
    found = free_starts(hours, rules, claims, first, last)
    assert {
        day: [instant_of(minute) for minute in starts] for day, starts in found.items()
    } == plain


def test_the_benchmarks_week_is_answered_alike() -> None:
    for case in engine.providers(40, engine.FIRST, engine.LAST):
        plain = straightforward.free_starts(
            case.hours, case.rules, case.claims, engine.FIRST, engine.LAST
        )
        found = free_starts(case.hours, case.rules, case.claims, engine.FIRST, engine.LAST)
        assert {
            day: [instant_of(minute) for minute in starts] for day, starts in found.items()
        } == plain


# ---------------------------------------------------------------- now, notice, horizon


def test_now_is_exact_to_the_microsecond() -> None:
    start = at("2026-06-01T09:00:00+00:00")
    tick = timedelta(microseconds=1)
    minute = (minute_of(start),)
    assert bookable(NINE_TO_FIVE, AN_HOUR, minute, start) == minute
    assert bookable(NINE_TO_FIVE, AN_HOUR, minute, start + tick) == ()
    assert explain(NINE_TO_FIVE, AN_HOUR, (), start, start) == ()
    assert explain(NINE_TO_FIVE, AN_HOUR, (), start, start + tick) == (R.IN_THE_PAST,)


def test_the_horizon_is_a_date_of_the_providers_zone() -> None:
    auckland = Hours(time_zone="Pacific/Auckland", weekly=NINE_TO_FIVE.weekly, exceptions={})
    rules = Rules(duration_minutes=60, max_advance_booking_days=1)
    now = at("2026-05-31T12:30:00+00:00")  # there, it is Monday
    listed = bookable_starts(auckland, rules, (), MONDAY, MONDAY + timedelta(days=2), now)
    assert [len(starts) for starts in listed.values()] == [8, 8, 0]
    assert explain(auckland, rules, (), at("2026-06-03T09:00:00+12:00"), now) == (R.BEYOND_HORIZON,)


def test_reasons_come_all_and_in_the_contracts_order() -> None:
    hours = Hours(
        time_zone="UTC",
        weekly=NINE_TO_FIVE.weekly,
        exceptions={
            MONDAY: DayException(date=MONDAY, is_blocked=True, ranges=(ClockRange(600, 660),))
        },
    )
    rules = Rules(duration_minutes=60, min_notice_minutes=60, max_advance_booking_days=0)
    claims = (
        Claim(TEN - 30, TEN + 90, TEN, TEN + 60),
        Claim(TEN - 90, TEN + 10, TEN - 90, TEN - 30),
        Claim(TEN, TEN + 60, TEN, TEN + 60, ClaimKind.HOLD, at("2026-06-02T00:00:00+00:00")),
    )
    found = explain(
        hours, rules, claims, at("2026-06-01T10:00:00+00:00"), at("2026-06-01T11:00:00+00:00")
    )
    assert found == (
        R.IN_THE_PAST,
        R.TOO_SHORT_NOTICE,
        R.EXCEPTION,
        R.ALREADY_TAKEN,
        R.BUFFER,
        R.HELD,
    )
    assert [reason.value for reason in UnbookableReason] == [
        "IN_THE_PAST",
        "TOO_SHORT_NOTICE",
        "BEYOND_HORIZON",
        "OUTSIDE_HOURS",
        "BREAK",
        "EXCEPTION",
        "TIME_OFF",
        "NOT_ON_GRID",
        "DOES_NOT_FIT",
        "ALREADY_TAKEN",
        "BUFFER",
        "HELD",
        "BUSY_ELSEWHERE",
        "NOBODY_FREE",
        "RESOURCE_TAKEN",
        "LIMIT_REACHED",
        "NO_SEATS_LEFT",
        "CUSTOMER_BUSY",
    ]


@pytest.mark.parametrize("time", ["09:00:30", "09:00:00.000001", "16:00:00.5"])
def test_a_start_between_two_minutes_is_on_no_grid(time: str) -> None:
    found = explain(NINE_TO_FIVE, AN_HOUR, (), at(f"2026-06-01T{time}+00:00"), EARLY)
    assert found == ((R.NOT_ON_GRID, R.DOES_NOT_FIT) if time[:2] == "16" else (R.NOT_ON_GRID,))


def test_overlaps_of_a_start_between_two_minutes_are_exact() -> None:
    claim = (Claim(TEN, TEN + 60, TEN, TEN + 60),)
    tick = timedelta(microseconds=1)
    before, after = instant_of(TEN - 60), instant_of(TEN + 60)
    assert explain(NINE_TO_FIVE, AN_HOUR, claim, before, EARLY) == ()
    assert explain(NINE_TO_FIVE, AN_HOUR, claim, before + tick, EARLY) == (
        R.NOT_ON_GRID,
        R.ALREADY_TAKEN,
    )
    assert explain(NINE_TO_FIVE, AN_HOUR, claim, after, EARLY) == ()
    assert explain(NINE_TO_FIVE, AN_HOUR, claim, after - tick, EARLY) == (
        R.NOT_ON_GRID,
        R.ALREADY_TAKEN,
    )


def test_any_offset_names_the_same_instant() -> None:
    start = at("2026-06-01T10:00:00+00:00")
    for shown in (
        start.astimezone(timezone(timedelta(hours=-7))),
        start.astimezone(ZoneInfo("Asia/Kathmandu")),
    ):
        assert (
            explain(NINE_TO_FIVE, AN_HOUR, (), shown, EARLY.astimezone(ZoneInfo("Asia/Kathmandu")))
            == ()
        )


def test_the_first_and_the_second_of_a_fold_are_told_apart() -> None:
    """Aware date-times of one zone compare by wall clock; the law must not."""
    chicago = ZoneInfo("America/Chicago")
    now = datetime(2026, 11, 1, 1, 0, tzinfo=chicago, fold=1)
    first = datetime(2026, 11, 1, 1, 0, tzinfo=chicago, fold=0)
    hours = Hours(time_zone="America/Chicago", weekly=(WeeklyRange(6, 0, 360),), exceptions={})
    assert explain(hours, AN_HOUR, (), first, now) == (R.IN_THE_PAST,)
    assert explain(hours, AN_HOUR, (), now, now) == ()


# ---------------------------------------------------------------- holds


def test_a_hold_counts_until_the_instant_it_expires() -> None:
    expires_at = at("2026-05-31T00:10:00+00:00")
    hold = Claim(TEN, TEN + 60, TEN, TEN + 60, ClaimKind.HOLD, expires_at)
    tick = timedelta(microseconds=1)
    assert active((hold,), expires_at - tick) == (hold,)
    assert active((hold,), expires_at) == ()
    start = instant_of(TEN)
    assert explain(NINE_TO_FIVE, AN_HOUR, (hold,), start, expires_at - tick) == (R.HELD,)
    assert explain(NINE_TO_FIVE, AN_HOUR, (hold,), start, expires_at) == ()
    assert (
        TEN
        not in bookable_starts(NINE_TO_FIVE, AN_HOUR, (hold,), MONDAY, MONDAY, expires_at - tick)[
            MONDAY
        ]
    )
    assert (
        TEN in bookable_starts(NINE_TO_FIVE, AN_HOUR, (hold,), MONDAY, MONDAY, expires_at)[MONDAY]
    )


def test_a_holds_buffer_is_held_too() -> None:
    hold = Claim(TEN, TEN + 75, TEN, TEN + 60, ClaimKind.HOLD, at("2026-06-01T00:00:00+00:00"))
    assert explain(NINE_TO_FIVE, AN_HOUR, (hold,), instant_of(TEN + 60), EARLY) == (R.HELD,)


# ---------------------------------------------------------------- alternatives


@given(st.lists(st.integers(0, 500)), st.integers(0, 500), st.integers(0, 8))
def test_alternatives_are_the_nearest_in_order_of_time(
    starts: list[int], wanted: int, count: int
) -> None:
    found = nearest(starts, instant_of(wanted), count)
    assert found == tuple(sorted(found))
    assert len(found) == min(count, len(set(starts)))
    left = set(starts) - set(found)
    assert all(
        (abs(one - wanted), one) < (abs(other - wanted), other) for one in found for other in left
    )


def test_of_two_equally_near_times_the_earlier_is_offered() -> None:
    assert nearest([0, 60, 120], instant_of(60), 2) == (0, 60)
    assert nearest([0, 120], instant_of(60), 1) == (0,)
    assert nearest([0, 120], instant_of(60) + timedelta(microseconds=1), 1) == (120,)


# ---------------------------------------------------------------- far away


BEGINNING_AND_END_OF_TIME = (
    EARLY,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Monrovia"])
def test_the_ends_of_the_calendar_are_answered_not_raised(zone: str) -> None:
    hours = Hours(
        time_zone=zone, weekly=tuple(WeeklyRange(day, 0, 1440) for day in range(7)), exceptions={}
    )
    rules = Rules(duration_minutes=1440, min_notice_minutes=500_000, max_advance_booking_days=1100)
    for day in (date.min, date(1972, 12, 31), date(3000, 1, 1), date.max):
        assert free_starts(hours, rules, (), day, day) == {day: ()}
        assert by_viewer_date((), zone, day, day) == {day: ()}
        asked = dates_of_viewer(zone, "America/New_York", day, day)
        claims_span(zone, rules, asked.first, asked.last)
        for now in BEGINNING_AND_END_OF_TIME:
            for offset in (-23, 0, 23):
                for time in (datetime.min.time(), datetime.max.time()):
                    instant = datetime.combine(day, time, tzinfo=timezone(timedelta(hours=offset)))
                    reasons = explain(hours, rules, (), instant, now)
                    assert reasons
                    assert R.OUTSIDE_HOURS in reasons or day.year in {1972, 3000}
    edge = free_starts(hours, AN_HOUR, (), date(1972, 12, 30), date(1973, 1, 2))
    assert [len(starts) for starts in edge.values()] == [0, 0, 24, 24]
    edge = free_starts(hours, AN_HOUR, (), date(2999, 12, 30), date(3000, 1, 2))
    assert [len(starts) for starts in edge.values()] == [24, 24, 0, 0]
    assert free_starts(hours, AN_HOUR, (), MONDAY, MONDAY - timedelta(days=1)) == {}


# ---------------------------------------------------------------- everywhere


DIGEST = """
from tests.unit.core.test_slots import digest
print(digest())
"""


def digest() -> str:
    """The free starts of some providers around the nights that clocks change, as text."""
    found = []
    chance = random.Random(7)
    for case in engine.providers(20, date(2026, 3, 26), date(2026, 4, 6)):
        found.append(
            free_starts(case.hours, case.rules, case.claims, date(2026, 3, 26), date(2026, 4, 6))
        )
        now = datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=chance.randrange(5000))
        found.append(
            bookable_starts(
                case.hours, case.rules, case.claims, date(2026, 3, 26), date(2026, 4, 6), now
            )
        )
    return repr(found)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia"])
def test_the_machines_own_zone_plays_no_part(zone: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIGEST],
        cwd=ROOT,
        env={**os.environ, "TZ": zone, "PYTHONTZPATH": "/usr/share/zoneinfo"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == digest()
