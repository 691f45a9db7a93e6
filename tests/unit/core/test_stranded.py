"""Stranded appointments and previews: compared with walking every minute, and examples."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.hours import ALWAYS_OPEN, DayException, Hours, WeeklyRange, windows_of
from app.core.ids import AppointmentId, ProviderId, ResourceId, ServiceId, SubjectId
from app.core.needs import Needs, ResourceGroup
from app.core.resource import Resource
from app.core.stranded import (
    BookedVisit,
    Change,
    Practice,
    ServiceChange,
    SubjectState,
    change_of_hours,
    change_of_resource,
    dates_around,
    minutes_changed,
    open_minutes,
    preview_span,
    stranded_among,
)
from app.core.zones import Interval, date_of_number, day_number, instant_of
from tests.unit.core.worlds import dates_in, hours_around, zones

ADA, BEN = ProviderId(UUID(int=1)), ProviderId(UUID(int=2))
ROOM, OTHER_ROOM = ResourceId(UUID(int=3)), ResourceId(UUID(int=4))
CUT = ServiceId(UUID(int=5))
MONDAY = date(2026, 1, 12)
MIDNIGHT = day_number(MONDAY) * 1440
OPEN = SubjectState(kept=Hours(time_zone="UTC", weekly=ALWAYS_OPEN, exceptions={}))
SHUT = SubjectState(kept=Hours(time_zone="UTC", exceptions={}))


def a_visit(
    *units: tuple[SubjectId, int],
    at: Interval = (MIDNIGHT + 600, MIDNIGHT + 660),
    service_id: ServiceId | None = CUT,
    ignores_hours: bool = False,
) -> BookedVisit:
    return BookedVisit(
        appointment_id=AppointmentId(UUID(int=9)),
        starts_at=instant_of(at[0]),
        service_id=service_id,
        visit=at,
        units=units or ((ADA, 1),),
        ignores_hours=ignores_hours,
    )


def a_practice(*members: SubjectId, **states: SubjectState) -> Practice:
    """Everybody is open, but for those named; the members are those of the one service."""
    known: dict[str, SubjectId] = {"ada": ADA, "ben": BEN, "room": ROOM, "other_room": OTHER_ROOM}
    return Practice(
        subjects={each: states.get(name, OPEN) for name, each in known.items()},
        members={CUT: frozenset(members or known.values())},
    )


def is_stranded(visit: BookedVisit, practice: Practice) -> bool:
    return bool(stranded_among([visit], practice))


def open_instants(state: SubjectState, span: Interval) -> set[int]:
    """Every open minute of the span, by the windows of each date."""
    first, last = dates_around(*span)
    return {
        minute
        for number in range(first, last + 1)
        for start, end in windows_of(state.hours, date_of_number(number))
        for minute in range(max(start, span[0]), min(end, span[1]))
    }


@st.composite
def two_states(draw: st.DrawFn) -> tuple[SubjectState, SubjectState, date]:
    """A subject before and after a change of anything, around a date."""
    zone = draw(zones)
    day = draw(dates_in(zone))

    def state(zone: str) -> SubjectState:
        return SubjectState(
            kept=draw(hours_around(zone, day)),
            is_always_open=draw(st.sampled_from([False, False, False, True])),
            units=draw(st.integers(0, 3)),
        )

    return state(zone), state(draw(st.sampled_from([zone, draw(zones)]))), day


@settings(max_examples=60)
@given(two_states(), st.integers(-1440, 2880), st.integers(1, 1500))
def test_a_visit_is_stranded_if_one_of_its_minutes_is_not_open(
    states: tuple[SubjectState, SubjectState, date], start: int, length: int
) -> None:
    state = replace(states[0], units=1)
    begin = day_number(states[2]) * 1440 + start
    visit = a_visit(at=(begin, begin + length))
    practice = a_practice(ada=state)
    is_open = set(range(begin, begin + length)) <= open_instants(state, visit.visit)
    assert is_stranded(visit, practice) == (not is_open)


@settings(max_examples=60)
@given(two_states())
def test_minutes_gained_and_lost_are_those_open_after_and_not_before_and_the_reverse(
    states: tuple[SubjectState, SubjectState, date],
) -> None:
    before, after, day = states
    start = day_number(day) * 1440 - 700
    span = (start, start + 4 * 1440 + 13)
    was = {(unit, minute) for unit in range(before.units) for minute in open_instants(before, span)}
    will = {(unit, minute) for unit in range(after.units) for minute in open_instants(after, span)}
    assert minutes_changed(before, after, span) == (len(will - was), len(was - will))
    assert open_minutes(after, span) == len(will)


@pytest.mark.parametrize("who", ["ada", "ben", "room"])
def test_any_subject_of_a_visit_strands_it(who: str) -> None:
    visit = a_visit((ADA, 1), (BEN, 1), (ROOM, 1))
    assert not is_stranded(visit, a_practice())
    assert is_stranded(visit, a_practice(**{who: SHUT}))
    assert is_stranded(visit, a_practice(**{who: replace(OPEN, units=0)})), "archived"


def test_a_removed_unit_strands_its_visits_and_no_others() -> None:
    practice = a_practice(room=replace(OPEN, units=2))
    assert not is_stranded(a_visit((ADA, 1), (ROOM, 2)), practice)
    assert is_stranded(a_visit((ADA, 1), (ROOM, 3)), practice)


def test_a_provider_who_left_the_service_strands_its_visits_and_those_without_a_service_stay() -> (
    None
):
    practice = a_practice(BEN, ROOM)
    assert is_stranded(a_visit((ADA, 1)), practice)
    assert is_stranded(a_visit((BEN, 1), (OTHER_ROOM, 1)), practice)
    assert not is_stranded(a_visit((BEN, 1), (ROOM, 1)), practice)
    assert not is_stranded(a_visit((ADA, 1), service_id=None), practice)


def test_hours_that_were_set_aside_strand_nothing_and_everything_else_does() -> None:
    visit = a_visit((ADA, 1), (ROOM, 2), ignores_hours=True)
    two = replace(OPEN, units=2)
    assert not is_stranded(visit, a_practice(ada=SHUT, room=replace(SHUT, units=2)))
    assert is_stranded(visit, a_practice(ada=SHUT))
    assert is_stranded(visit, a_practice(ada=replace(OPEN, units=0), room=two))
    assert is_stranded(visit, a_practice(BEN, ROOM, room=two))


def test_a_visit_may_run_on_from_one_range_into_the_next() -> None:
    ranges = tuple(WeeklyRange(0, start * 60, (start + 1) * 60) for start in (9, 10))
    state = SubjectState(kept=Hours(time_zone="UTC", weekly=ranges, exceptions={}))
    visit = a_visit(at=(MIDNIGHT + 9 * 60 + 30, MIDNIGHT + 10 * 60 + 30))
    assert not is_stranded(visit, a_practice(ada=state))


def test_a_change_is_of_its_subjects_and_its_service_alone() -> None:
    closed = {MONDAY: DayException(date=MONDAY, is_blocked=True)}
    change = change_of_hours(ADA, lambda kept: replace(kept, exceptions=closed))
    assert change.strands == {ADA}
    after = change.applied(a_practice())
    assert after.subjects[ADA].kept.exceptions == closed
    assert after.subjects[BEN] == OPEN
    assert Change().applied(a_practice()) == a_practice()

    def needs(provider: ProviderId, room: ResourceId) -> Needs:
        group = ResourceGroup(name="room", count=1, resource_ids=(room,))
        return Needs(provider_ids=(provider,), groups=(group,))

    left = ServiceChange(CUT, needs(ADA, ROOM), needs(BEN, OTHER_ROOM))
    assert left.leaving == {ADA}
    assert left.joining == {BEN}
    assert Change(service=left).strands == {ADA, ROOM}
    assert Change(service=left).applied(a_practice()).members == {CUT: {BEN, OTHER_ROOM}}


def test_what_does_not_decide_when_a_resource_is_open_changes_nothing() -> None:
    room = Resource(id=ROOM, name="Room", kind="room", time_zone="UTC", is_always_open=False)
    named = replace(room, name="Hall", kind="hall", external_id="1")
    assert change_of_resource(room, named) == Change()
    for changed in (
        replace(room, time_zone="Asia/Tokyo"),
        replace(room, is_always_open=True),
        replace(room, units=2),
        replace(room, is_archived=True),
    ):
        after = change_of_resource(room, changed).subjects[ROOM](SHUT)
        assert after.kept.time_zone == changed.time_zone
        assert after.is_always_open == changed.is_always_open
        assert after.units == changed.bookable_units


def test_a_preview_looks_92_days_ahead_from_the_next_whole_minute() -> None:
    now = datetime(2026, 1, 12, 8, 0, 1, tzinfo=UTC)
    first, until = preview_span(now)
    assert instant_of(first) == datetime(2026, 1, 12, 8, 1, tzinfo=UTC)
    assert instant_of(until) - instant_of(first) == timedelta(days=92)
