"""Needs of a service, and the hours of resources."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given

from app.core.hours import (
    ALWAYS_OPEN,
    ClockRange,
    DayException,
    Hours,
    WeeklyRange,
    merge_intervals,
    windows_of,
)
from app.core.ids import ProviderId, ResourceId
from app.core.needs import Needs, ResourceGroup
from app.core.resource import hours_in_force
from app.core.zones import day_number
from tests.unit.core.worlds import dates_in, zones

A, B = ProviderId(UUID(int=1)), ProviderId(UUID(int=2))
ROOM = ResourceId(UUID(int=3))
GROUP = ResourceGroup(name="room", count=1, resource_ids=(ROOM,))


@pytest.mark.parametrize(
    ("needs", "how_many", "is_plain"),
    [
        (Needs(provider_ids=(A,)), 1, True),
        (Needs(provider_ids=(A, B)), 1, True),
        (Needs(provider_ids=()), 1, True),
        (Needs(provider_ids=(A,), providers_needed=None), 1, True),
        (Needs(provider_ids=(A, B), providers_needed=None), 2, False),
        (Needs(provider_ids=(A, B), providers_needed=2), 2, False),
        (Needs(provider_ids=(A,), groups=(GROUP,)), 1, False),
        (Needs(provider_ids=(A,), seats=2), 1, False),
    ],
)
def test_plain_is_one_provider_alone_for_one_customer(
    *, needs: Needs, how_many: int, is_plain: bool
) -> None:
    assert (needs.how_many, needs.is_plain) == (how_many, is_plain)


@given(zones.flatmap(lambda zone: dates_in(zone).map(lambda day: (zone, day))))
def test_always_open_leaves_no_instant_out(where: tuple[str, date]) -> None:
    """The windows of neighbouring dates touch, on nights without a midnight too."""
    zone, day = where
    hours = Hours(time_zone=zone, weekly=ALWAYS_OPEN, exceptions={})
    days = [day + timedelta(days=ahead) for ahead in range(-1, 3)]
    assert len(merge_intervals(window for each in days for window in windows_of(hours, each))) == 1


def test_kept_hours_of_a_resource_that_is_always_open_have_no_effect() -> None:
    day = date(2026, 6, 1)
    custom = {day: DayException(date=day, is_blocked=False, ranges=(ClockRange(60, 120),))}
    kept = Hours(
        time_zone="UTC",
        weekly=(WeeklyRange(0, 9 * 60, 17 * 60),),
        breaks=(WeeklyRange(0, 12 * 60, 13 * 60),),
        exceptions={},
    )
    midnight = day_number(day) * 1440
    for each in (kept, replace(kept, exceptions=custom)):
        assert windows_of(hours_in_force(each, is_always_open=True), day) == (
            (midnight, midnight + 1440),
        )
        assert hours_in_force(each, is_always_open=False) == each
        # Time off cuts the hours of either.
        away = replace(each, time_off=((midnight - 60, midnight + 90),))
        assert windows_of(hours_in_force(away, is_always_open=True), day) == (
            (midnight + 90, midnight + 1440),
        )
