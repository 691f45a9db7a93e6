"""When time alone changes what can be booked: never before, and never a microsecond after,
`next_change` says so.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.core.free_days import (
    FreeDay,
    Held,
    compute_free_days,
    compute_resource_days,
    free_starts_at,
)
from app.core.hours import Hours
from app.core.passing import next_change, next_service_change
from app.core.rules import Rules
from app.core.service_starts import seated_starts, service_starts
from app.core.slots import bookable_by_date, by_viewer_date, dates_of_viewer
from app.core.zones import EPOCH, minute_of
from tests.unit.core import service_worlds, worlds

NOW = datetime(2026, 1, 12, 8, tzinfo=UTC)
TODAY = NOW.date()
HOURS = Hours(time_zone="UTC", exceptions={})
RULES = Rules(duration_minutes=60)
MICROSECOND = timedelta(microseconds=1)


def minute(text: str) -> int:
    return minute_of(datetime.fromisoformat(f"2026-01-12T{text}Z"))


def free(*starts: int) -> FreeDay:
    """These starts, and no others."""
    return FreeDay(tuple(at for each in starts for at in (each, each + 1, each)))


def test_a_start_leaves_right_after_its_own_instant() -> None:
    days = {TODAY: free(minute("09:00"), minute("10:00"))}
    assert next_change(HOURS, RULES, days, NOW) == NOW + timedelta(hours=1) + MICROSECOND
    assert (
        next_change(HOURS, RULES, days, NOW + timedelta(hours=1))
        == NOW + timedelta(hours=1) + MICROSECOND
    )
    assert next_change(HOURS, RULES, days, NOW + timedelta(hours=1) + MICROSECOND) == (
        NOW + timedelta(hours=2) + MICROSECOND
    )


def test_notice_is_part_of_it() -> None:
    rules = Rules(duration_minutes=60, min_notice_minutes=30)
    days = {TODAY: free(minute("09:00"))}
    assert next_change(HOURS, rules, days, NOW) == NOW + timedelta(minutes=30) + MICROSECOND


def test_a_held_start_comes_at_the_instant_its_hold_expires() -> None:
    expires_at = NOW + timedelta(minutes=9, microseconds=7)
    nine = minute("09:00")
    held = Held(nine, nine + 1, (expires_at - EPOCH) // MICROSECOND)
    day = FreeDay(free(nine).stretches, (held,))
    assert next_change(HOURS, RULES, {TODAY: day}, NOW) == expires_at


def test_a_date_comes_within_the_horizon_at_the_providers_midnight() -> None:
    rules = Rules(duration_minutes=60, max_advance_booking_days=0)
    hours = Hours(time_zone="America/New_York", exceptions={})
    tomorrow = {TODAY + timedelta(days=1): free(minute("15:00") + 1440)}
    assert next_change(hours, rules, tomorrow, NOW) == datetime(2026, 1, 13, 5, tzinfo=UTC)


def test_nothing_free_is_nothing_to_wait_for() -> None:
    assert next_change(HOURS, RULES, {TODAY: FreeDay(())}, NOW) is None


@given(data=st.data())
def test_nothing_changes_before_it(data: st.DataObject) -> None:
    """Between now and the instant that it gives, what can be booked stays the same, at
    any instant.
    """
    zone = data.draw(worlds.zones)
    day = data.draw(worlds.dates_in(zone))
    hours, rules = data.draw(worlds.hours_around(zone, day)), data.draw(worlds.some_rules())
    now = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
        seconds=data.draw(st.integers(-3 * 86_400, 86_400)),
        microseconds=data.draw(st.sampled_from([0, 0, 1, 999_999])),
    )
    claims = data.draw(worlds.claims_around(day, now))
    days = compute_free_days(hours, rules, claims, day, day + timedelta(days=1))

    def bookable(instant: datetime) -> dict[date, tuple[int, ...]]:
        step = rules.step_minutes
        starts = {each: free_starts_at(free, step, instant) for each, free in days.items()}
        return bookable_by_date(hours, rules, starts, instant)

    instant = next_change(hours, rules, days, now)
    assert instant is None or instant > now
    until = now + timedelta(days=400) if instant is None else instant
    seconds = int((until - now).total_seconds())
    between = data.draw(st.lists(st.integers(0, max(0, seconds)), max_size=5))
    for moment in (*(now + timedelta(seconds=each) for each in between), until - MICROSECOND):
        if now <= moment < until:
            assert bookable(moment) == bookable(now)


@given(st.one_of(service_worlds.worlds(), service_worlds.seated_worlds()), st.data())
def test_nothing_of_a_service_changes_before_it(
    world: service_worlds.World, data: st.DataObject
) -> None:
    """Whoever's notice, horizon or hold it is that time moves, of time or of seats."""

    def dates(hours: Hours) -> tuple[date, date]:
        asked = dates_of_viewer(hours.time_zone, "UTC", world.day, world.day)
        return asked.first, asked.last

    providers = {
        each: (
            candidate.calendar,
            compute_free_days(
                candidate.calendar.hours,
                candidate.calendar.rules,
                candidate.claims,
                *dates(candidate.calendar.hours),
            ),
        )
        for each, candidate in world.candidates.items()
    }
    resources = {
        (each, shape): compute_resource_days(
            candidate.calendar.hours,
            shape,
            candidate.calendar.resource.units,
            candidate.claims,
            *dates(candidate.calendar.hours),
        )
        for each, candidate in world.resources.items()
        for shape in {calendar.rules.shape for calendar, _ in providers.values()}
    }

    def listed(instant: datetime) -> dict[int, tuple[object, ...]]:
        found = seated_starts(
            service_starts(world.needs, world.named, providers, resources, instant),
            world.needs,
            world.named,
            {each: calendar for each, (calendar, _) in providers.items()},
            {each: candidate.calendar for each, candidate in world.resources.items()},
            instant,
            seats=world.seats,
            sessions=world.sessions,
        )
        starts = by_viewer_date(found.leads, "UTC", world.day, world.day)[world.day]
        return {start: (found.leads[start], found.joinable.get(start)) for start in starts}

    now = world.now
    instant = next_service_change(
        [(calendar.hours, calendar.rules, days) for calendar, days in providers.values()],
        resources.values(),
        tuple(listed(now)),
        now,
        sessions=world.sessions,
    )
    assert instant is None or instant > now
    until = now + timedelta(days=400) if instant is None else instant
    seconds = int((until - now).total_seconds())
    between = data.draw(st.lists(st.integers(0, max(0, seconds)), max_size=3))
    for moment in (*(now + timedelta(seconds=each) for each in between), until - MICROSECOND):
        if now <= moment < until:
            assert listed(moment) == listed(now)
