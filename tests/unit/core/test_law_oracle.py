"""The engine against the oracle: the same windows, the same starts, the same reasons, in every zone
and on every night.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from app.core.hours import windows_of
from app.core.slots import (
    Claim,
    active,
    bookable,
    bookable_alike_until,
    bookable_starts,
    bookable_stretches,
    explain,
    free_starts,
    free_stretches,
    starts_on_grid,
)
from app.core.zones import instant_of, known_zones, local_date, minute_at_or_after, minute_of
from app.usecases.listing.dates import Minutes
from tests.unit.core.oracle import Walk
from tests.unit.core.worlds import (
    changes,
    claims_around,
    dates_in,
    hours_around,
    some_rules,
    zones,
    zones_by_rule,
)

SHARDS = 32
"""Pieces of the long run, for as many processes as there are."""

PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def the_engine_is_the_oracle(data: st.DataObject, zone: str, day: date) -> None:
    hours = data.draw(hours_around(zone, day))
    rules = data.draw(some_rules())
    last = day + timedelta(days=data.draw(st.integers(0, 2)))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = midnight + timedelta(
        microseconds=data.draw(st.integers(-3 * 86_400_000_000, 2 * 86_400_000_000))
    )
    claims = data.draw(claims_around(day, now))
    walk = Walk(hours, rules, day, last)

    for ahead in range(-1, (last - day).days + 2):
        shown = day + timedelta(days=ahead)
        assert windows_of(hours, shown) == walk.windows(shown)

    assert free_starts(hours, rules, claims, day, last) == walk.free(claims)
    # The stretches hold every possible start, whichever grid is applied to them; 1: all of them.
    stretches = free_stretches(hours, rules, claims, day, last)
    step = data.draw(st.sampled_from([1, 1, 7, 60]) | st.integers(1, 1440))
    other = replace(rules, slot_interval_minutes=step)
    assert {each: starts_on_grid(found, step) for each, found in stretches.items()} == Walk(
        hours, other, day, last
    ).free(claims)

    listed = bookable_starts(hours, rules, claims, day, last, now)
    flat = [minute for starts in listed.values() for minute in starts]
    every = [minute for starts in walk.free(active(claims, now)).values() for minute in starts]
    assert bookable(hours, rules, sorted(every), now) == tuple(sorted(flat))
    possible = free_stretches(hours, rules, active(claims, now), day, last)
    allowed = bookable_stretches(hours, rules, possible, now)
    assert starts_on_grid(allowed, rules.step_minutes) == tuple(sorted(flat))
    the_list_stays_while_it_is_said_to(
        data, walk, [each for each in claims if not each.expires_at], now
    )
    start = minute_of(midnight)
    asked = data.draw(st.lists(st.integers(start - 600, start + 2040), min_size=1, max_size=10))
    asked += data.draw(st.lists(st.sampled_from(every), max_size=10)) if every else []
    edges = [edge for window in walk.windows(day) for edge in window]
    asked += data.draw(st.lists(st.sampled_from(edges), max_size=4)) if edges else []
    for minute in asked:
        starts_at = instant_of(minute)
        reasons = explain(hours, rules, claims, starts_at, now)
        assert set(reasons) == walk.reasons(claims, starts_at, now)
    for minute in every:
        if minute in flat:
            assert walk.reasons(claims, instant_of(minute), now) == set()
        else:
            assert walk.reasons(claims, instant_of(minute), now) != set()


def the_list_stays_while_it_is_said_to(
    data: st.DataObject, walk: Walk, claims: list[Claim], now: datetime
) -> None:
    hours, rules, first, last = walk.hours, walk.rules, walk.first, walk.last
    listed = bookable_starts(hours, rules, claims, first, last, now)
    first_start = min((starts[0] for starts in listed.values() if starts), default=None)
    until = bookable_alike_until(hours, rules, first_start, last, now)
    minutes = Minutes(minute_at_or_after(now), until)
    # Only in the last minute of a day is the list of no use in the very minute of now.
    assert (
        minutes.include(now)
        or len({local_date(hours.time_zone, minute_of(now) + each) for each in (0, 1)}) == 2
    )
    away = data.draw(st.integers(-3, 3) | st.integers(-2 * 1440, 4 * 1440))
    near = until if until < minute_of(now) + 10_000 and data.draw(st.booleans()) else minute_of(now)
    later = instant_of(near + away) + timedelta(microseconds=data.draw(st.integers(0, 59_999_999)))
    if minutes.include(later):
        assert bookable_starts(hours, rules, claims, first, last, later) == listed


@settings(max_examples=40, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_the_engine_answers_what_a_walk_over_every_minute_finds(data: st.DataObject) -> None:
    """Windows, free starts, bookable starts and reasons are those of the oracle."""
    zone = data.draw(zones)
    the_engine_is_the_oracle(data, zone, data.draw(dates_in(zone)))


def nights_of(zone: str, count: int) -> list[date]:
    """Some nights on which this zone's clocks change; a date of no importance where
    they never do.
    """
    nights = changes(zone)
    return (
        random.Random(zone).sample(nights, min(count, len(nights)))
        if nights
        else [date(2026, 6, 15)]
    )


@pytest.mark.parametrize("zone", random.Random(20261122).sample(sorted(known_zones()), 10))
def test_a_sample_of_all_zones_follows_the_law_on_the_nights_that_clocks_change(zone: str) -> None:
    for night in nights_of(zone, 2):
        nightly(zone, night, examples=2)


@pytest.mark.full
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_zone_follows_the_law_on_every_night_that_clocks_change(shard: int) -> None:
    """Zones that read alike from 2020 to 2037 are walked once."""
    for zone in zones_by_rule()[shard::SHARDS]:
        for night in nights_of(zone, 1000):
            nightly(zone, night, examples=4)


def nightly(zone: str, night: date, examples: int) -> None:
    @seed(f"{zone} {night}")
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def walk(data: st.DataObject) -> None:
        the_engine_is_the_oracle(data, zone, night + timedelta(days=data.draw(st.integers(-1, 1))))

    walk()
