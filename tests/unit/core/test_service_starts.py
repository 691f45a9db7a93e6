"""The listing of a service: known examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from app.core.free_days import FreeDay, compute_free_days, compute_resource_days
from app.core.hours import ALWAYS_OPEN, Hours, WeeklyRange
from app.core.ids import ProviderId, ResourceId
from app.core.limits import FullDates
from app.core.needs import Needs, ResourceGroup
from app.core.provider import Calendar
from app.core.rules import Rules
from app.core.service_starts import service_starts
from app.core.slots import Claim, ClaimKind
from app.core.zones import instant_of, minute_of
from tests.unit.core.service_worlds import a_calendar

ADA, BOB, CAI = (ProviderId(UUID(int=number)) for number in (1, 2, 3))
ROOM: Final = ResourceId(UUID(int=11))
MONDAY: Final = date(2026, 6, 1)
NOW: Final = datetime(2026, 5, 29, 6, tzinfo=UTC)
AN_HOUR: Final = Rules(duration_minutes=60)

Days = tuple[Calendar, Mapping[date, FreeDay]]


def minute(clock: str) -> int:
    return minute_of(datetime.fromisoformat(f"{MONDAY}T{clock}+00:00"))


def taken(clock: str, minutes: int = 60, *, unit: int = 1) -> Claim:
    start = minute(clock)
    return Claim(start, start + minutes, start, start + minutes, unit=unit)


def open_from(
    who: ProviderId, start: int, end: int, *claims: Claim, rules: Rules = AN_HOUR
) -> tuple[ProviderId, Days]:
    """Open on Monday between these full hours."""
    hours = Hours(time_zone="UTC", weekly=(WeeklyRange(0, start * 60, end * 60),), exceptions={})
    days = compute_free_days(hours, rules, claims, MONDAY, MONDAY)
    return who, (a_calendar(who, hours, rules), days)


def room_days(
    units: int, *claims: Claim, shape: Rules = AN_HOUR.shape
) -> dict[tuple[ResourceId, Rules], Mapping[date, FreeDay]]:
    hours = Hours(time_zone="UTC", weekly=ALWAYS_OPEN, exceptions={})
    return {(ROOM, shape): compute_resource_days(hours, shape, units, claims, MONDAY, MONDAY)}


def shown(
    needs: Needs,
    *providers: tuple[ProviderId, Days],
    named: Sequence[ProviderId] = (),
    resources: Mapping[tuple[ResourceId, Rules], Mapping[date, FreeDay]] | None = None,
    now: datetime = NOW,
) -> dict[str, tuple[ProviderId, ...]]:
    found = service_starts(needs, named, dict(providers), resources or {}, now)
    return {f"{instant_of(start):%H:%M}": leads for start, leads in found.items()}


def test_any_provider_means_every_start_with_those_who_can_lead_it() -> None:
    needs = Needs(provider_ids=(BOB, ADA))
    found = shown(needs, open_from(ADA, 9, 12), open_from(BOB, 10, 13, taken("11:00")))
    assert found == {"09:00": (ADA,), "10:00": (BOB, ADA), "11:00": (ADA,), "12:00": (BOB,)}


def test_a_lead_keeps_to_their_own_grid_and_the_others_only_have_to_be_free() -> None:
    quarter_hours = replace(AN_HOUR, slot_interval_minutes=45)
    needs = Needs(provider_ids=(ADA, BOB), providers_needed=2)
    found = shown(needs, open_from(ADA, 9, 12), open_from(BOB, 9, 12, rules=quarter_hours))
    assert found == {
        "09:00": (ADA, BOB),
        "09:45": (BOB,),
        "10:00": (ADA,),
        "10:30": (BOB,),
        "11:00": (ADA,),
    }


def test_three_can_spare_nobody_where_three_are_needed() -> None:
    everybody = (
        open_from(ADA, 9, 13),
        open_from(BOB, 9, 13, taken("10:00")),
        open_from(CAI, 9, 13, taken("11:30")),
    )
    needs = Needs(provider_ids=(ADA, BOB, CAI), providers_needed=3)
    assert list(shown(needs, *everybody)) == ["09:00"]
    two = replace(needs, providers_needed=2)
    assert shown(two, *everybody)["10:00"] == (ADA, CAI)
    assert list(shown(two, *everybody, named=(BOB,))) == ["09:00", "11:00", "12:00"]
    assert list(shown(two, *everybody, named=(BOB, CAI))) == ["09:00"]


def test_a_named_wish_lists_the_first_named_as_lead_alone() -> None:
    both = (open_from(ADA, 9, 11), open_from(BOB, 9, 11))
    needs = Needs(provider_ids=(ADA, BOB))
    assert shown(needs, *both, named=(BOB,)) == {"09:00": (BOB,), "10:00": (BOB,)}
    assert shown(needs, *both, named=(CAI,)) == {}


def test_units_of_a_group_are_counted() -> None:
    ada = open_from(ADA, 9, 13)
    busy = room_days(3, taken("10:00"), taken("11:00", unit=2), taken("11:00", unit=3))
    for count, starts in (
        (1, ["09:00", "10:00", "11:00", "12:00"]),
        (2, ["09:00", "10:00", "12:00"]),
        (3, ["09:00", "12:00"]),
        (4, []),
    ):
        group = ResourceGroup(name="room", count=count, resource_ids=(ROOM,))
        needs = Needs(provider_ids=(ADA,), groups=(group,))
        assert list(shown(needs, ada, resources=busy)) == starts


def test_a_room_is_asked_for_with_the_buffers_of_each_lead() -> None:
    tidy = replace(AN_HOUR, buffer_after_minutes=30, slot_interval_minutes=60)
    group = ResourceGroup(name="room", count=1, resource_ids=(ROOM,))
    needs = Needs(provider_ids=(ADA, BOB), groups=(group,))
    rooms = room_days(1, taken("11:00")) | room_days(1, taken("11:00"), shape=tidy.shape)
    found = shown(needs, open_from(ADA, 9, 13, rules=tidy), open_from(BOB, 9, 13), resources=rooms)
    assert found == {"09:00": (ADA, BOB), "10:00": (BOB,), "12:00": (ADA, BOB)}


@pytest.mark.parametrize("who", ["provider", "room"])
def test_a_hold_is_listed_again_from_the_instant_on_at_which_it_expires(who: str) -> None:
    held = taken("09:00")._replace(kind=ClaimKind.HOLD, expires_at=NOW + timedelta(minutes=10))
    ada = open_from(ADA, 9, 10, *([held] if who == "provider" else []))
    rooms = room_days(1, *([held] if who == "room" else []))
    group = ResourceGroup(name="room", count=1, resource_ids=(ROOM,))
    needs = Needs(provider_ids=(ADA,), groups=(group,))
    just_before = NOW + timedelta(minutes=10, microseconds=-1)
    assert shown(needs, ada, resources=rooms, now=just_before) == {}
    assert list(shown(needs, ada, resources=rooms, now=NOW + timedelta(minutes=10))) == ["09:00"]


def test_limits_keep_providers_out_or_only_from_leading() -> None:
    both = (open_from(ADA, 9, 11), open_from(BOB, 9, 11))
    needs = Needs(provider_ids=(ADA, BOB), providers_needed=2)
    monday = frozenset({MONDAY})
    for full, leads in (
        (FullDates(taking=monday), None),
        (FullDates(leading=monday), (BOB,)),
        (FullDates(taking=frozenset({date(2026, 6, 2)})), (ADA, BOB)),
    ):
        found = service_starts(needs, (), dict(both), {}, NOW, {ADA: full})
        assert set(found.values()) == ({leads} if leads else set())


def test_the_horizon_counts_for_everybody_who_takes_part() -> None:
    """On Friday, Monday is three dates ahead."""
    for days, starts in ((2, []), (3, ["09:00", "10:00"])):
        near = replace(AN_HOUR, max_advance_booking_days=days)
        needs = Needs(provider_ids=(ADA, BOB), providers_needed=2)
        both = (open_from(ADA, 9, 11), open_from(BOB, 9, 11, rules=near))
        assert list(shown(needs, *both)) == starts


def test_notice_counts_for_everybody_who_takes_part() -> None:
    patient = replace(AN_HOUR, min_notice_minutes=600)
    needs = Needs(provider_ids=(ADA, BOB), providers_needed=2)
    both = (open_from(ADA, 9, 12), open_from(BOB, 9, 12, rules=patient))
    now = datetime(2026, 6, 1, 0, 0, 1, tzinfo=UTC)
    assert shown(needs, *both, now=now) == {"11:00": (ADA, BOB)}
