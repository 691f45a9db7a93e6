"""Free days as they are kept: reading them at any instant gives what the law gives,
packed or not.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from app.core.free_days import (
    FreeDay,
    Held,
    compute_free_days,
    compute_resource_days,
    compute_visit_days,
    free_starts_at,
    load_of,
    units_free_at,
)
from app.core.hours import Hours, WeeklyRange
from app.core.ids import OrganizationId, ProviderId
from app.core.limits import loads
from app.core.rules import Rules
from app.core.slots import (
    Claim,
    ClaimKind,
    active,
    bookable_by_date,
    bookable_starts,
    free_starts,
    free_stretches,
    stretches_in,
)
from app.core.zones import EPOCH, instant_of, minute_of
from app.free_times.keys import (
    day_key,
    shape,
    stamp_key,
)
from app.free_times.packing import (
    STAMP_BYTES,
    pack_day,
    unpack_day,
)
from tests.unit.core.worlds import claims_around, dates_in, hours_around, some_rules, zones

DAY = date(2026, 1, 12)
SMALLEST = timedelta(microseconds=1)


@given(st.data())
def test_visits_are_kept_as_free_days_are_and_count_as_their_claims_do(
    data: st.DataObject,
) -> None:
    """Also on dates with nothing but holds."""
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    claims = data.draw(claims_around(day, now))
    if data.draw(st.booleans()):
        claims = tuple(claim for claim in claims if claim.expires_at is not None)
    last = day + timedelta(days=data.draw(st.integers(0, 3)))
    kept = {
        each: unpack_day(pack_day(visits, stamp=bytes(24), kept_since=0)).day
        for each, visits in compute_visit_days(zone, claims, day, last).items()
    }
    assert {each: load_of(visits) for each, visits in kept.items()} == loads(
        zone, claims, day, last
    )


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
        each: unpack_day(pack_day(free, stamp=bytes(24), kept_since=0)).day
        for each, free in compute_free_days(hours, rules, claims, day, last).items()
    }
    for read_at in (now, now - timedelta(minutes=2), now + SMALLEST, now + timedelta(minutes=1)):
        free = {
            each: free_starts_at(found, rules.step_minutes, read_at) for each, found in kept.items()
        }
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
    day = compute_free_days(hours, rules, holds, DAY, DAY)[DAY]
    assert free_starts_at(day, 60, first_end - SMALLEST) == (nine + 60,)
    assert free_starts_at(day, 60, last_end - SMALLEST) == (nine + 60,)
    assert free_starts_at(day, 60, last_end) == (nine, nine + 60)


def test_days_that_differ_in_the_grids_step_only_are_kept_once() -> None:
    """The grid is applied on reading: it counts from the window's beginning, no matter what is taken."""
    hours = Hours(time_zone="UTC", weekly=(WeeklyRange(DAY.weekday(), 540, 660),), exceptions={})
    nine = minute_of(datetime(2026, 1, 12, 9, tzinfo=UTC))
    taken = [Claim(nine + 5, nine + 10, nine + 5, nine + 10)]
    found = [
        compute_free_days(
            hours, Rules(duration_minutes=30, slot_interval_minutes=step), taken, DAY, DAY
        )[DAY]
        for step in (5, 45, None)
    ]
    assert found == [FreeDay((nine + 10, nine + 91, nine))] * 3
    now = instant_of(nine)
    assert free_starts_at(found[0], 45, now) == (nine + 45, nine + 90)
    assert free_starts_at(found[0], 30, now) == (nine + 30, nine + 60, nine + 90)


def test_a_start_that_an_appointment_takes_stays_taken_when_the_adjacent_hold_expires() -> None:
    hours = Hours(time_zone="UTC", weekly=(WeeklyRange(DAY.weekday(), 540, 660),), exceptions={})
    nine = minute_of(datetime(2026, 1, 12, 9, tzinfo=UTC))
    claims = [
        Claim(nine, nine + 30, nine, nine + 30),
        Claim(nine + 30, nine + 60, nine + 30, nine + 60, ClaimKind.HOLD, instant_of(nine - 60)),
    ]
    day = compute_free_days(hours, Rules(duration_minutes=60), claims, DAY, DAY)[DAY]
    assert day == FreeDay(
        (nine + 30, nine + 61, nine),
        (Held(nine - 29, nine + 60, (instant_of(nine - 60) - EPOCH) // SMALLEST),),
    )
    assert free_starts_at(day, 60, instant_of(nine - 60)) == (nine + 60,)


@st.composite
def some_days(draw: st.DrawFn) -> FreeDay:
    base = draw(st.integers(1_500_000, 540_000_000))
    first = st.integers(base, base + 2 * 1440)
    stretches = sorted(
        draw(
            st.lists(
                st.tuples(first, first, st.integers(base - 3 * 1440, base + 2 * 1440)),
                max_size=100,
            )
        )
    )
    around = st.integers(base - 3 * 1440, base + 4 * 1440)
    held = draw(st.lists(st.builds(Held, around, around, st.integers(0, 2**62)), max_size=9))
    return FreeDay(tuple(chain.from_iterable(stretches)), tuple(held) if stretches else ())


@given(
    some_days(),
    st.binary(min_size=STAMP_BYTES, max_size=STAMP_BYTES),
    st.integers(0, 2**32 - 1),
)
def test_packed_days_come_back_as_they_were(day: FreeDay, stamp: bytes, since: int) -> None:
    packed = pack_day(day, stamp=stamp, kept_since=since)
    assert unpack_day(packed) == (stamp, since, day)


def test_a_day_takes_some_tens_of_bytes() -> None:
    nine = 29_470_000
    free = (nine, nine + 480, nine)
    booked = tuple(
        minute for at in range(0, 480, 48) for minute in (nine + at, nine + at + 20, nine)
    )
    assert len(pack_day(FreeDay(free), stamp=bytes(24), kept_since=0)) == 42
    assert len(pack_day(FreeDay(booked), stamp=bytes(24), kept_since=0)) == 96
    assert len(pack_day(FreeDay(()), stamp=bytes(24), kept_since=0)) == 36


@given(st.lists(some_rules(), min_size=2, max_size=5))
def test_a_shape_is_what_decides_over_free_days_and_nothing_else(found: list[Rules]) -> None:
    def deciding(rules: Rules) -> tuple[int, ...]:
        before, after = rules.buffer_before_minutes, rules.buffer_after_minutes
        return (rules.duration_minutes, before, after)

    for one, other in pairwise(found):
        assert (shape(one) == shape(other)) == (deciding(one) == deciding(other))
    assert (
        len(
            shape(
                Rules(duration_minutes=1440, buffer_before_minutes=1440, buffer_after_minutes=1440)
            )
        )
        == 12
    )


def test_keys_name_organization_provider_shape_and_date() -> None:
    organization, provider = OrganizationId(UUID(int=1)), ProviderId(UUID(int=2))
    stamp = stamp_key(organization, provider)
    assert stamp == f"slotwright:free:6:{{{organization.hex}}}:{provider.hex}"
    rules = Rules(duration_minutes=30, slot_interval_minutes=15)
    assert day_key(stamp, shape(rules), 20_465) == f"{stamp}:001e00000000:20465"


def test_all_keys_of_an_organization_are_on_one_node_of_a_redis_cluster() -> None:
    stamps = [stamp_key(OrganizationId(UUID(int=1)), ProviderId(UUID(int=n))) for n in range(50)]
    keys = [*stamps, *(day_key(stamp, shape(Rules(duration_minutes=30)), 1) for stamp in stamps)]
    assert len({key_slot(key.encode()) for key in keys}) == 1
    others = [stamp_key(OrganizationId(UUID(int=n)), ProviderId(UUID(int=1))) for n in range(50)]
    assert len({key_slot(key.encode()) for key in others}) > 25


@given(st.data())
def test_as_many_units_of_a_resource_are_possible_as_are_possible_one_by_one(
    data: st.DataObject,
) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    hours, shape = data.draw(hours_around(zone, day)), data.draw(some_rules()).shape
    units = data.draw(st.integers(1, 4))
    claims = [
        claim._replace(unit=data.draw(st.integers(1, 5)))
        for claim in data.draw(claims_around(day, now))
    ]
    last = day + timedelta(days=data.draw(st.integers(0, 2)))
    kept = {
        each: unpack_day(pack_day(free, stamp=bytes(24), kept_since=0)).day
        for each, free in compute_resource_days(hours, shape, units, claims, day, last).items()
    }
    for read_at in (now - timedelta(minutes=2), now, now + timedelta(minutes=1)):
        one_by_one = Counter[int]()
        for unit in range(1, units + 1):
            of_unit = [claim for claim in active(claims, read_at) if claim.unit == unit]
            for found in free_stretches(hours, shape, of_unit, day, last).values():
                one_by_one.update(
                    {
                        minute
                        for first, until, _ in stretches_in(found)
                        for minute in range(first, until)
                    }
                )
        counted = Counter[int]()
        for free in kept.values():
            for first, until, count in units_free_at(free, read_at):
                for minute in range(first, until):
                    counted[minute] += count
        assert +counted == one_by_one
        assert min(counted.values(), default=0) >= 0
