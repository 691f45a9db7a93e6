"""Free days as they are kept: reading them at any instant gives what the law gives,
packed or not.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.core.free_days import FreeDay, HeldStart, free_days, starts_at
from app.core.hours import Hours, WeeklyRange
from app.core.ids import OrganizationId, ProviderId
from app.core.rules import Rules
from app.core.slots import Claim, ClaimKind, active, bookable_by_date, bookable_starts, free_starts
from app.core.zones import EPOCH, instant_of, minute_of
from app.free_times.keys import (
    day_key,
    rule_set,
    stamp_key,
)
from app.free_times.packing import (
    GENERATION_BYTES,
    pack_day,
    unpack_day,
)
from tests.unit.core.worlds import claims_around, dates_in, hours_around, some_rules, zones

DAY = date(2026, 1, 12)
SMALLEST = timedelta(microseconds=1)


@given(st.data())
def test_free_days_read_at_an_instant_are_what_the_law_says_of_that_instant(
    data: st.DataObject,
) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    hours, rules = data.draw(hours_around(zone, day)), data.draw(some_rules())
    claims = data.draw(claims_around(day, now))
    last = day + timedelta(days=data.draw(st.integers(0, 3)))
    kept = {
        each: unpack_day(
            pack_day(free, step=rules.step_minutes, generation=bytes(8), kept_since=0),
            rules.step_minutes,
        ).day
        for each, free in free_days(hours, rules, claims, day, last).items()
    }
    for read_at in (now, now - timedelta(minutes=2), now + SMALLEST, now + timedelta(minutes=1)):
        free = {each: starts_at(found, read_at) for each, found in kept.items()}
        assert free == free_starts(hours, rules, active(claims, read_at), day, last)
        assert bookable_by_date(hours, rules, free, read_at) == bookable_starts(
            hours, rules, claims, day, last, read_at
        )


def test_a_held_start_is_free_from_the_instant_on_at_which_the_last_hold_expires() -> None:
    hours = Hours(time_zone="UTC", weekly=(WeeklyRange(DAY.weekday(), 540, 660),), exceptions={})
    rules = Rules(duration_minutes=60)
    nine = minute_of(datetime(2026, 1, 12, 9, tzinfo=UTC))
    first_end, last_end = instant_of(nine - 30), instant_of(nine - 20)
    holds = [
        Claim(nine, nine + 30, nine, nine + 30, ClaimKind.HOLD, last_end),
        Claim(nine + 30, nine + 60, nine + 30, nine + 60, ClaimKind.HOLD, first_end),
    ]
    day = free_days(hours, rules, holds, DAY, DAY)[DAY]
    assert day == FreeDay((nine + 60,), (HeldStart(nine, (last_end - EPOCH) // SMALLEST),))
    assert starts_at(day, last_end - SMALLEST) == (nine + 60,)
    assert starts_at(day, last_end) == (nine, nine + 60)


def test_a_start_that_an_appointment_takes_stays_taken_when_the_hold_beside_it_expires() -> None:
    hours = Hours(time_zone="UTC", weekly=(WeeklyRange(DAY.weekday(), 540, 660),), exceptions={})
    nine = minute_of(datetime(2026, 1, 12, 9, tzinfo=UTC))
    claims = [
        Claim(nine, nine + 30, nine, nine + 30),
        Claim(nine + 30, nine + 60, nine + 30, nine + 60, ClaimKind.HOLD, instant_of(nine - 60)),
    ]
    assert free_days(hours, Rules(duration_minutes=60), claims, DAY, DAY)[DAY] == FreeDay(
        (nine + 60,)
    )


@st.composite
def some_days(draw: st.DrawFn) -> tuple[FreeDay, int]:
    step = draw(st.integers(1, 3 * 1440))
    base = draw(st.integers(1_500_000, 540_000_000))
    offsets = draw(st.lists(st.integers(0, 2 * 1440), unique=True, max_size=300))
    on_grid = draw(st.lists(st.integers(0, 2 * 1440 // step), unique=True))
    starts = sorted({base + each for each in offsets} | {base + each * step for each in on_grid})
    held = draw(
        st.lists(
            st.builds(HeldStart, st.integers(base, base + 2 * 1440), st.integers(0, 2**62)),
            max_size=9,
        )
    )
    return FreeDay(tuple(starts), tuple(held)), step


@given(
    some_days(),
    st.binary(min_size=GENERATION_BYTES, max_size=GENERATION_BYTES),
    st.integers(0, 2**32 - 1),
)
def test_packed_days_come_back_as_they_were(
    drawn: tuple[FreeDay, int], generation: bytes, since: int
) -> None:
    day, step = drawn
    packed = pack_day(day, step=step, generation=generation, kept_since=since)
    assert unpack_day(packed, step) == (generation, since, day)


def test_a_day_takes_some_tens_of_bytes() -> None:
    free = tuple(range(29_470_000, 29_470_480, 30))
    booked = (*free[:3], *free[5:9], *free[12:])
    assert len(pack_day(FreeDay(free), step=30, generation=bytes(8), kept_since=0)) == 24
    assert len(pack_day(FreeDay(booked), step=30, generation=bytes(8), kept_since=0)) == 32
    assert len(pack_day(FreeDay(()), step=30, generation=bytes(8), kept_since=0)) == 20


@given(st.lists(some_rules(), min_size=2, max_size=5))
def test_a_rule_set_is_what_decides_over_free_starts_and_nothing_else(found: list[Rules]) -> None:
    def deciding(rules: Rules) -> tuple[int, ...]:
        before, after = rules.buffer_before_minutes, rules.buffer_after_minutes
        return (rules.duration_minutes, before, after, rules.step_minutes)

    for one, other in pairwise(found):
        assert (rule_set(one) == rule_set(other)) == (deciding(one) == deciding(other))
    assert (
        len(
            rule_set(
                Rules(duration_minutes=1440, buffer_before_minutes=1440, buffer_after_minutes=1440)
            )
        )
        == 16
    )


def test_keys_name_organization_provider_rules_and_date() -> None:
    stamp = stamp_key(OrganizationId(UUID(int=1)), ProviderId(UUID(int=2)))
    assert (
        stamp
        == "slotwright:free:4:00000000000000000000000000000001:00000000000000000000000000000002"
    )
    rules = Rules(duration_minutes=30, slot_interval_minutes=15)
    assert day_key(stamp, rule_set(rules), 20_465) == f"{stamp}:001e00000000000f:20465"
