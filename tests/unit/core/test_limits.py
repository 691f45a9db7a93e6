"""Limits by known examples: what counts, when a period is full, and for which visits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.limits import (
    BookingLimit,
    LimitPeriod,
    Load,
    dates_that_count,
    full_dates,
    instants_that_count,
    is_full,
    loads,
    periods_to_lock,
)
from app.core.slots import Claim, ClaimKind
from app.core.zones import LAST_DATE, local_date, minute_of
from tests.unit.core.worlds import zones

MONDAY: Final = date(2026, 6, 1)
NOW: Final = datetime(2026, 5, 29, 6, tzinfo=UTC)
DAY, WEEK, MONTH = LimitPeriod


def at(text: str) -> int:
    return minute_of(datetime.fromisoformat(text))


def a_visit(text: str, minutes: int = 60, *, held_for: timedelta | None = None) -> Claim:
    start = at(text)
    claim = Claim(start - 15, start + minutes + 15, start, start + minutes)
    if held_for is None:
        return claim
    return claim._replace(kind=ClaimKind.HOLD, expires_at=NOW + held_for)


@pytest.mark.parametrize(
    ("period", "day", "first", "last"),
    [
        (DAY, "2026-06-03", "2026-06-03", "2026-06-03"),
        (WEEK, "2026-06-01", "2026-06-01", "2026-06-07"),
        (WEEK, "2026-06-07", "2026-06-01", "2026-06-07"),
        (WEEK, "2027-01-01", "2026-12-28", "2027-01-03"),
        (MONTH, "2028-02-29", "2028-02-01", "2028-02-29"),
        (MONTH, "2026-12-31", "2026-12-01", "2026-12-31"),
    ],
)
def test_a_week_begins_on_monday_and_a_month_on_its_first(
    period: LimitPeriod, day: str, first: str, last: str
) -> None:
    assert period.around(date.fromisoformat(day)) == (
        date.fromisoformat(first),
        date.fromisoformat(last),
    )


@given(st.sampled_from(LimitPeriod), st.dates(date(1973, 1, 1), LAST_DATE))
def test_periods_part_the_calendar(period: LimitPeriod, day: date) -> None:
    """Each date is in one period, and the next period begins the day after."""
    first, last = period.around(day)
    assert first <= day <= last
    assert {period.around(edge) for edge in (first, last)} == {(first, last)}
    following = last + timedelta(days=1)
    assert period.around(following)[0] == following


def test_a_visit_counts_on_the_providers_date_of_its_start_with_its_minutes_without_buffers() -> (
    None
):
    """At 22:30 in UTC it is tomorrow in Berlin; where the visit ends plays no part."""
    visits = (
        a_visit("2026-06-01T21:30+00:00", 90),
        a_visit("2026-06-01T22:30+00:00", 30),
        a_visit("2026-06-09T09:00+00:00"),
    )
    assert loads("Europe/Berlin", visits, MONDAY, date(2026, 6, 3)) == {
        MONDAY: Load(visits=1, minutes=90),
        date(2026, 6, 2): Load(visits=1, minutes=30),
        date(2026, 6, 3): Load(),
    }


def test_a_day_with_as_many_visits_as_allowed_is_full() -> None:
    limits = [BookingLimit(period=DAY, max_visits=2)]
    found = {MONDAY: Load(visits=2), date(2026, 6, 2): Load(visits=1)}
    assert full_dates(limits, found, 60, found, NOW) == {MONDAY}


def test_minutes_are_full_where_this_visit_would_not_fit_in_any_more() -> None:
    limits = [BookingLimit(period=DAY, max_minutes=120)]
    found = {MONDAY: Load(visits=1, minutes=75)}
    assert full_dates(limits, found, 45, found, NOW) == frozenset()
    assert full_dates(limits, found, 46, found, NOW) == {MONDAY}


def test_a_visit_on_monday_may_close_friday() -> None:
    limits = [BookingLimit(period=WEEK, max_visits=1)]
    dates = [MONDAY + timedelta(days=ahead) for ahead in range(-1, 8)]
    first, last = dates_that_count(limits, dates[0], dates[-1])
    assert (first, last) == (date(2026, 5, 25), date(2026, 6, 14))
    found = loads("UTC", [a_visit("2026-06-01T09:00+00:00")], first, last)
    assert full_dates(limits, found, 60, dates, NOW) == set(dates[1:8])


def test_every_limit_counts() -> None:
    limits = [
        BookingLimit(period=MONTH, max_visits=5),
        BookingLimit(period=DAY, max_visits=9, max_minutes=60),
    ]
    dates = [date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 2)]
    found = {date(2026, 6, 1): Load(visits=5), date(2026, 7, 1): Load(visits=1, minutes=30)}
    assert full_dates(limits, found, 60, dates, NOW) == {dates[0], dates[1]}


def test_a_hold_counts_until_it_expires() -> None:
    limits = [BookingLimit(period=DAY, max_visits=1)]
    held = a_visit("2026-06-01T09:00+00:00", held_for=timedelta(minutes=10))
    found = loads("UTC", [held], MONDAY, MONDAY)
    expiry = NOW + timedelta(minutes=10)
    just_before = expiry - timedelta(microseconds=1)
    assert full_dates(limits, found, 60, found, just_before) == {MONDAY}
    assert full_dates(limits, found, 60, found, expiry) == frozenset()


def test_a_move_may_keep_a_period_as_full_as_it_is_but_not_make_it_fuller() -> None:
    visits = [BookingLimit(period=DAY, max_visits=1)]
    minutes = [BookingLimit(period=DAY, max_minutes=60)]
    found = {MONDAY: Load(visits=3, minutes=180)}  # Both limits were lowered since.
    for limits, duration, before, is_kept_out in (
        (visits, 60, (MONDAY, 60), False),
        (visits, 60, (MONDAY - timedelta(days=1), 60), True),
        (minutes, 60, (MONDAY, 60), False),
        (minutes, 61, (MONDAY, 60), True),
    ):
        full = full_dates(limits, found, duration, found, NOW, moving=before)
        assert bool(full) == is_kept_out


def test_without_limits_nothing_is_full() -> None:
    crowd = [a_visit("2026-06-01T09:00+00:00")] * 50
    assert not is_full((), "UTC", crowd, at("2026-06-01T10:00+00:00"), 60, NOW)


@given(zones, st.integers(at("2020-01-01T00:00+00:00"), at("2037-01-01T00:00+00:00")))
def test_the_instants_that_count_are_those_that_read_the_dates(zone: str, minute: int) -> None:
    """Also where a date is read twice, or not at all."""
    day = local_date(zone, minute)
    for first, last, is_in in (
        (day, day, True),
        (day - timedelta(days=2), day - timedelta(days=1), False),
    ):
        spans = instants_that_count(zone, first, last)
        assert any(begin <= minute < end for begin, end in spans) == is_in


@given(
    zone=zones,
    starts=st.tuples(
        *[st.integers(at("2026-03-20T00:00+00:00"), at("2026-04-20T00:00+00:00"))] * 2
    ),
    period=st.sampled_from(LimitPeriod),
)
def test_two_visits_that_one_limit_counts_together_have_a_lock_in_common(
    zone: str, starts: tuple[int, int], period: LimitPeriod
) -> None:
    limits = [BookingLimit(period=period, max_visits=1)]
    one, other = (Claim(start, start + 60, start, start + 60) for start in starts)
    together = is_full(limits, zone, [one], other.visit_from, 60, NOW)
    locks = [periods_to_lock(limits, zone, [each]) for each in (one, other)]
    assert together == bool(locks[0] & locks[1])
