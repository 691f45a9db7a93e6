"""Busy times: how they are cut, replaced and compared; and what they keep out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.core.booking import Claims, booked_minutes
from app.core.busy import (
    MOST_CHANGES,
    MOST_TIMES,
    BusyPiece,
    BusyTimes,
    change_of_pieces,
    changes_to_publish,
    merge_readings,
)
from app.core.changes import RulesChanged, TimeChanged
from app.core.free_days import compute_resource_days, compute_visit_days, load_of, units_free_at
from app.core.hours import ALWAYS_OPEN, Hours
from app.core.ids import OrganizationId
from app.core.limits import BookingLimit, LimitPeriod, is_full, loads
from app.core.overrides import Override, RuleSetAside
from app.core.refusals import InvalidInput
from app.core.rules import Rules
from app.core.slots import (
    EVERY_UNIT,
    LONGEST_CLAIM_MINUTES,
    Claim,
    ClaimKind,
    UnbookableReason,
    reasons_for_others,
)
from app.core.validation import BusyForm, ValidBusy, valid_busy
from app.core.visits import Start, Visit
from app.core.zones import DAY_MINUTES, Interval, instants_reading, minute_of
from tests.unit.core.test_visits import (
    ADA,
    AN_HOUR,
    BLUE,
    BOB,
    NINE,
    NOW,
    RED,
    TEN,
    a_candidate,
    anybody,
    people,
    room,
    rooms,
    taken,
)

R = UnbookableReason
SPAN: Final = 3 * LONGEST_CLAIM_MINUTES
minutes = st.integers(0, SPAN)
intervals = st.tuples(minutes, minutes).map(lambda pair: (min(pair), max(pair) + 1))
several = st.lists(intervals, max_size=6)


def busy(first: datetime, until: datetime) -> Claim:
    """A busy time, as the store gives it."""
    begin, end = minute_of(first), minute_of(until)
    return Claim(begin, end, begin, end, ClaimKind.BUSY, unit=EVERY_UNIT)


def covered(times: Iterable[Sequence[int]]) -> set[int]:
    return {minute for first, until, *_ in times for minute in range(first, until)}


def said(window: Interval, *times: Interval) -> BusyTimes:
    return BusyTimes(window=window, times=times)


def pieces_of(times: Sequence[Interval]) -> tuple[BusyPiece, ...]:
    whole = said((0, SPAN + 1), *times)
    return change_of_pieces((), whole, "UTC", kept_from=0).added


def applied(before: Iterable[BusyPiece], now: BusyTimes, kept_from: int = 0) -> set[BusyPiece]:
    """The pieces afterwards, where only those that overlap or touch the window were looked at."""
    stored = set(before)
    first, until = now.window
    seen = [each for each in stored if each.busy_from <= until and first <= each.busy_until]
    change = change_of_pieces(seen, now, "UTC", kept_from=kept_from)
    assert set(change.removed) <= stored
    assert not set(change.added) & stored
    return (stored - set(change.removed)) | set(change.added)


# ---------------------------------------------------------------- pieces


@given(several, intervals, several)
def test_a_push_says_all_about_its_window_and_nothing_about_the_rest(
    before: list[Interval], window: Interval, times: list[Interval]
) -> None:
    stored = pieces_of(before)
    after = applied(stored, said(window, *times))
    inside = set(range(*window))
    assert covered(after) == (covered(before) - inside) | (covered(times) & inside)


@given(several, intervals, several)
def test_pieces_are_what_any_way_to_the_same_times_gives(
    before: list[Interval], window: Interval, times: list[Interval]
) -> None:
    """So two versions differ only where the times do, and none is longer than a claim may be."""
    after = applied(pieces_of(before), said(window, *times))
    minutes_after = sorted(covered(after))
    assert after == set(pieces_of([(each, each + 1) for each in minutes_after]))
    assert all(0 < until - first <= LONGEST_CLAIM_MINUTES for first, until, _ in after)
    assert sum(until - first for first, until, _ in after) == len(minutes_after)


@given(several, intervals, several)
def test_what_changed_is_the_time_that_became_busy_or_free(
    before: list[Interval], window: Interval, times: list[Interval]
) -> None:
    stored = pieces_of(before)
    change = change_of_pieces(stored, said(window, *times), "UTC", kept_from=0)
    after = (set(stored) - set(change.removed)) | set(change.added)
    assert covered(change.changed) == covered(stored) ^ covered(after)


@given(several, intervals, several, minutes)
def test_the_same_push_once_more_changes_nothing(
    before: list[Interval], window: Interval, times: list[Interval], kept_from: int
) -> None:
    now = said(window, *times)
    after = applied(pieces_of(before), now, kept_from)
    again = change_of_pieces(after, now, "UTC", kept_from=kept_from)
    assert again == ((), (), ())
    # Not even when some of it has been purged since.
    later = kept_from + 500
    left = [each for each in after if each.busy_until > later]
    assert change_of_pieces(left, now, "UTC", kept_from=later) == ((), (), ())


def test_a_busy_time_of_a_year_is_found_by_looks_that_begin_three_days_earlier() -> None:
    pieces = change_of_pieces((), said((100, 525_700), (100, 525_700)), "UTC", kept_from=0).added
    assert covered(pieces) == set(range(100, 525_700))
    assert max(until - first for first, until, _ in pieces) == LONGEST_CLAIM_MINUTES
    assert len(pieces) == 122


@given(several, st.lists(intervals, max_size=4), st.sampled_from(["UTC", "America/New_York"]))
def test_readings_follow_the_zone_and_leave_other_times_alone(
    fixed: list[Interval], readings: list[Interval], zone: str
) -> None:
    stored = pieces_of(fixed)
    asked = BusyTimes(window=(0, 0), times=(), readings=readings)
    first = change_of_pieces(stored, asked, "Asia/Kolkata", kept_from=-DAY_MINUTES)
    assert not first.removed
    assert all(each.is_floating for each in first.added)
    moved = change_of_pieces((*stored, *first.added), asked, zone, kept_from=-DAY_MINUTES)
    floating = (set(first.added) - set(moved.removed)) | set(moved.added)
    expected = [each for reading in readings for each in instants_reading(zone, *reading)]
    assert covered(floating) == covered(expected)
    assert not set(moved.removed) & set(stored)


@given(several, minutes)
def test_readings_are_merged_and_old_ones_left_out(
    readings: list[Interval], kept_from: int
) -> None:
    merged = merge_readings(readings, kept_from=kept_from)
    assert covered(readings) - covered(merged) <= set(range(kept_from - DAY_MINUTES))
    assert merge_readings(merged, kept_from=kept_from) == merged


def test_few_changes_name_their_time_and_many_the_subject() -> None:
    organization, ada = OrganizationId(UUID(int=9)), ADA
    few = [(60 * hour, 60 * hour + 30) for hour in range(MOST_CHANGES)]
    published = changes_to_publish(organization, ada, "UTC", few)
    assert [
        (each.claimed_from, each.claimed_until)
        for each in published
        if isinstance(each, TimeChanged)
    ] == few
    (whole,) = changes_to_publish(organization, ada, "UTC", [*few, (99_000, 99_001)])
    assert whole == RulesChanged(organization_id=organization, ids=(ada,))
    assert changes_to_publish(organization, ada, "UTC", ()) == ()


def test_a_push_has_so_many_times_and_no_more() -> None:
    many = [(NINE, TEN)] * MOST_TIMES
    form = BusyForm(source="Phone", first=NINE, until=TEN, busy=many)
    valid = valid_busy(form)
    assert isinstance(valid, ValidBusy)
    assert len(valid.said.times) == MOST_TIMES
    refused = valid_busy(replace(form, busy=[*many, (NINE, TEN)]))
    assert isinstance(refused, InvalidInput)
    assert refused.field == "busy"


# ---------------------------------------------------------------- the law


def test_no_new_visit_with_its_buffers_overlaps_a_busy_time() -> None:
    buffered = Rules(duration_minutes=60, buffer_before_minutes=15, buffer_after_minutes=15)
    for begin, end, reasons in (
        (10, 11, (R.BUSY_ELSEWHERE,)),  # only the buffer reaches into it
        (8, 9, (R.BUSY_ELSEWHERE,)),
        (11, 12, ()),
    ):
        there = busy(NINE.replace(hour=begin), NINE.replace(hour=end))
        who = people(a_candidate(ADA, there, rules=buffered))
        decided = Start(anybody(ADA), (ADA,), who, {}, NINE, NOW).decide()
        assert isinstance(decided, Visit) == (not reasons)
        if reasons:
            assert decided == reasons


def test_busy_elsewhere_reads_as_taken_to_others() -> None:
    assert reasons_for_others((R.ALREADY_TAKEN, R.BUSY_ELSEWHERE)) == (R.ALREADY_TAKEN,)
    assert reasons_for_others((R.BUSY_ELSEWHERE,)) == (R.ALREADY_TAKEN,)


def test_a_busy_time_moves_no_grid() -> None:
    there = busy(NINE.replace(minute=20), NINE.replace(minute=40))
    who = people(a_candidate(ADA, there))
    assert isinstance(Start(anybody(ADA), (ADA,), who, {}, TEN, NOW).decide(), Visit)
    off = Start(anybody(ADA), (ADA,), who, {}, NINE.replace(minute=40), NOW).decide()
    assert off == (R.NOT_ON_GRID,)


def test_busy_times_count_for_no_limit_and_no_load() -> None:
    there = busy(NINE.replace(hour=12), NINE.replace(hour=16))
    limit = BookingLimit(period=LimitPeriod.DAY, max_visits=1, max_minutes=60)
    day = NINE.date()
    assert not is_full((limit,), "UTC", (there,), minute_of(NINE), 60, NOW)
    assert loads("UTC", (there,), day, day)[day] == (0, 0, ())
    assert load_of(compute_visit_days("UTC", (there,), day, day)[day]).visits == 0
    assert booked_minutes("UTC", (there, taken(NINE)), NINE, NOW) == 60


def test_a_busy_resource_has_no_free_unit() -> None:
    """All of its units are taken, those that others have too."""
    there = busy(NINE, TEN)
    needs = replace(anybody(ADA), groups=(room(1, RED),))
    with_room = rooms(red=[there, taken(NINE, unit=2)])
    decided = Start(needs, (ADA,), people(a_candidate(ADA)), with_room, NINE, NOW).decide()
    assert decided == (R.RESOURCE_TAKEN,)
    _, red = Start(needs, (ADA,), people(a_candidate(ADA)), with_room, NINE, NOW).members()
    assert red == (RED, (R.ALREADY_TAKEN, R.BUSY_ELSEWHERE))
    after = Start(needs, (ADA,), people(a_candidate(ADA)), with_room, TEN, NOW).decide()
    assert isinstance(after, Visit)
    hours = Hours(time_zone="UTC", weekly=ALWAYS_OPEN, exceptions={})
    day = NINE.date()
    free = compute_resource_days(hours, AN_HOUR, 2, (there,), day, day)[day]
    nine = minute_of(NINE)
    assert units_free_at(free, NOW) == [
        (nine - 540, nine - 59, 2),
        (nine + 60, nine + 900, 2),
    ]


def test_others_of_the_service_are_taken_where_one_is_busy() -> None:
    there = busy(NINE, TEN)
    needs = replace(anybody(ADA, BOB), groups=(room(1, BLUE, RED),))
    decided = Start(
        needs,
        (),
        people(a_candidate(ADA, there), a_candidate(BOB)),
        rooms(blue=[there]),
        NINE,
        NOW,
    ).decide()
    assert isinstance(decided, Visit)
    assert (decided.lead, decided.units) == (BOB, ((RED, 1),))


def test_a_claim_that_stays_is_not_checked_against_busy_times() -> None:
    """Neither the provider's nor the room's; moved by a minute, both are."""
    needs = replace(anybody(ADA), groups=(room(1, BLUE),))
    own: Claims = {ADA: (taken(NINE),), BLUE: (taken(NINE),)}
    there = busy(NINE, TEN)
    asked = (needs, (ADA,), people(a_candidate(ADA, there)), rooms(blue=[there]))
    stays = Start(*asked, NINE, NOW, own=own).decide()
    assert isinstance(stays, Visit)
    moved = Start(*asked, NINE.replace(minute=1), NOW, own=own).decide()
    assert moved == (R.NOT_ON_GRID, R.BUSY_ELSEWHERE, R.RESOURCE_TAKEN)


def test_staff_set_busy_times_aside_and_nothing_that_is_booked() -> None:
    needs = replace(anybody(ADA), groups=(room(1, BLUE),))
    there = busy(NINE, TEN)
    override = Override(frozenset({RuleSetAside.BUSY_ELSEWHERE}))
    asked = (needs, (ADA,), people(a_candidate(ADA, there)), rooms(blue=[there]), NINE, NOW)
    assert isinstance(Start(*asked, override=override).decide(), Visit)
    # A provider sets their own aside, not the room's.
    assert Start(*asked, override=override._replace(only_of=ADA)).decide() == (R.RESOURCE_TAKEN,)
    booked = people(a_candidate(ADA, there, taken(NINE)))
    taken_too = Start(anybody(ADA), (ADA,), booked, {}, NINE, NOW, override=override).decide()
    assert isinstance(taken_too, tuple)
    assert R.ALREADY_TAKEN in taken_too
