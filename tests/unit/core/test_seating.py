"""Seats: known examples of each sentence of the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from app.core.hours import DayException, Hours
from app.core.ids import ProviderId, ResourceId, SessionId, SubjectId
from app.core.limits import BookingLimit, LimitPeriod
from app.core.needs import Needs
from app.core.rules import Rules
from app.core.seating import ActiveSession, Join, OwnSeats, SeatsAt, SeatsTaken
from app.core.service_starts import SeatedStarts, seated_starts
from app.core.slots import Claim
from app.core.visits import Candidate, ResourceCandidate, Start, Visit
from app.core.zones import minute_of
from tests.unit.core.service_worlds import expiry_of
from tests.unit.core.test_visits import (
    ADA,
    AN_HOUR,
    BLUE,
    BOB,
    CAI,
    HALF_PAST,
    NINE,
    NOW,
    RED,
    TEN,
    R,
    a_candidate,
    people,
    room,
    rooms,
    taken,
)

YOGA: Final = Needs(provider_ids=(ADA, BOB), seats=4)
MINUTE: Final = timedelta(minutes=1)
ONE: Final = SeatsTaken(1)


def held(seats: int, remaining: timedelta = 10 * MINUTE) -> SeatsTaken:
    return SeatsTaken(seats, NOW + remaining)


def a_session(
    *parties: SeatsTaken,
    starts_at: datetime = NINE,
    rules: Rules = AN_HOUR,
    providers: tuple[ProviderId, ...] = (ADA,),
    units: Sequence[tuple[ResourceId, int]] = (),
    number: int = 1,
) -> ActiveSession:
    expires_at = expiry_of(parties)
    remaining = None if expires_at is None else expires_at - NOW
    claim = taken(starts_at, rules, held_for=remaining)
    claims: dict[SubjectId, tuple[Claim, ...]] = dict.fromkeys(providers, (claim,))
    for resource_id, unit in units:
        claims[resource_id] = (*claims.get(resource_id, ()), claim._replace(unit=unit))
    return ActiveSession(
        id=SessionId(UUID(int=number)), providers=providers, claims=claims, parties=parties
    )


def with_all(
    candidates: Mapping[ProviderId, Candidate], *sessions: ActiveSession
) -> dict[ProviderId, Candidate]:
    """The candidates with the time that the sessions take."""
    return {
        each: replace(
            candidate,
            claims=(
                *candidate.claims,
                *(claim for session in sessions for claim in session.claims.get(each, ())),
            ),
        )
        for each, candidate in candidates.items()
    }


def booked(
    seats: int,
    *sessions: ActiveSession,
    needs: Needs = YOGA,
    named: Sequence[ProviderId] = (),
    candidates: Mapping[ProviderId, Candidate] | None = None,
    resources: Mapping[ResourceId, ResourceCandidate] | None = None,
    starts_at: datetime = NINE,
    now: datetime = NOW,
    own: OwnSeats | None = None,
) -> Join | Visit | tuple[R, ...]:
    """What a party gets; Ada alone offers the service unless others are given."""
    everybody = with_all(candidates or people(a_candidate(ADA)), *sessions)
    return Start(
        needs,
        named,
        everybody,
        resources or {},
        starts_at,
        now,
        own=own,
        seats=seats,
        sessions=sessions,
    ).decide()


def joined(answer: Join | Visit | tuple[R, ...]) -> ActiveSession:
    assert isinstance(answer, Join)
    return answer.session


BOTH: Final = people(a_candidate(ADA), a_candidate(BOB))


# ---------------------------------------------------------------- joining


def test_the_first_party_makes_a_session_and_the_next_one_joins_it() -> None:
    first = booked(2)
    assert isinstance(first, Visit)
    session = replace(a_session(SeatsTaken(2)), claims=first.claims)
    second = booked(2, session)
    assert joined(second) == session
    assert isinstance(second, Join)
    assert (second.lead, second.providers, second.named) == (ADA, (ADA,), 0)
    assert second.claims == first.claims


def test_a_party_sits_in_one_session_so_five_free_seats_in_two_are_none_for_four() -> None:
    full = a_session(SeatsTaken(2)), a_session(SeatsTaken(1), providers=(BOB,), number=2)
    assert joined(booked(3, *full, candidates=BOTH)) == full[1]
    assert booked(4, *full, candidates=BOTH) == (R.NO_SEATS_LEFT,)


def test_a_party_larger_than_the_service_is_refused_wherever_it_asks() -> None:
    assert booked(5) == (R.NO_SEATS_LEFT,)
    assert booked(5, starts_at=NINE - timedelta(hours=5)) == (R.NO_SEATS_LEFT,)
    assert booked(2, needs=replace(YOGA, seats=1)) == (R.NO_SEATS_LEFT,)


def test_the_fullest_session_with_room_is_joined_and_ties_go_to_the_services_order() -> None:
    three = people(a_candidate(ADA), a_candidate(BOB), a_candidate(CAI))
    needs = replace(YOGA, provider_ids=(CAI, BOB, ADA))
    of_ada = a_session(SeatsTaken(1), held(1), number=1)
    of_bob = a_session(SeatsTaken(2), providers=(BOB,), number=2)
    of_cai = a_session(SeatsTaken(1), providers=(CAI,), number=3)

    def who(seats: int) -> ActiveSession:
        return joined(booked(seats, of_ada, of_bob, of_cai, needs=needs, candidates=three))

    assert who(1) == who(2) == of_bob
    assert who(3) == of_cai


def test_a_new_session_is_made_where_no_existing_one_takes_the_party() -> None:
    answer = booked(3, a_session(SeatsTaken(2)), candidates=BOTH)
    assert isinstance(answer, Visit)
    assert answer.lead == BOB


def test_a_named_wish_joins_only_sessions_with_these_providers_and_this_lead() -> None:
    pair = a_session(ONE, providers=(ADA, BOB))
    needs = replace(YOGA, providers_needed=2, provider_ids=(ADA, BOB, CAI))
    three = people(a_candidate(ADA), a_candidate(BOB), a_candidate(CAI))

    def ask(*named: ProviderId) -> Join | Visit | tuple[R, ...]:
        return booked(1, pair, needs=needs, named=named, candidates=three)

    assert joined(ask()) == joined(ask(ADA)) == joined(ask(ADA, BOB)) == pair
    assert ask(BOB) == (R.ALREADY_TAKEN,)
    assert ask(BOB, ADA) == (R.NOBODY_FREE,)
    assert ask(CAI) == (R.NOBODY_FREE,)


def test_who_was_named_comes_first_in_a_session_whatever_its_order() -> None:
    trio = a_session(ONE, providers=(ADA, BOB, CAI))
    needs = replace(YOGA, providers_needed=3, provider_ids=(ADA, BOB, CAI))
    three = people(a_candidate(ADA), a_candidate(BOB), a_candidate(CAI))
    answer = booked(1, trio, needs=needs, named=(ADA, CAI), candidates=three)
    assert isinstance(answer, Join)
    assert (answer.providers, answer.named) == ((ADA, CAI, BOB), 2)


# ---------------------------------------------------------------- what may speak against it


def test_a_session_keeps_its_own_start_and_end_when_the_rules_change() -> None:
    """It is off the grid of now, and is longer than visits are now; its buffers and its end
    don't change."""
    longer = Rules(duration_minutes=90, buffer_after_minutes=15)
    session = a_session(ONE, starts_at=HALF_PAST, rules=longer)
    assert joined(booked(1, session, starts_at=HALF_PAST)) == session
    room_left = Start(
        YOGA,
        (),
        with_all(people(a_candidate(ADA)), session),
        {},
        HALF_PAST,
        NOW,
        sessions=[session],
    ).seats_left()
    assert room_left == SeatsAt(3, minute_of(HALF_PAST) + 90)


def closed(candidate: Candidate) -> Candidate:
    """Closed on the day of the examples."""
    day = date(2026, 6, 1)
    exceptions = {day: DayException(date=day, is_blocked=True)}
    hours = replace(candidate.calendar.hours, exceptions=exceptions)
    return replace(candidate, calendar=replace(candidate.calendar, hours=hours))


def test_a_sick_teachers_class_stops_filling() -> None:
    session = a_session(ONE)
    sick = people(closed(a_candidate(ADA)))
    assert booked(1, session, named=(ADA,), candidates=sick) == (R.EXCEPTION, R.ALREADY_TAKEN)
    assert booked(1, session, candidates=sick) == (R.NOBODY_FREE,)
    other = people(closed(a_candidate(ADA)), a_candidate(BOB))
    answer = booked(1, session, candidates=other)
    assert isinstance(answer, Visit)
    assert answer.lead == BOB


def test_a_session_that_now_runs_past_the_hours_is_not_joined() -> None:
    longer = a_session(ONE, starts_at=NINE + timedelta(hours=7), rules=Rules(duration_minutes=90))
    refused = booked(1, longer, named=(ADA,), starts_at=NINE + timedelta(hours=7))
    assert refused == (R.DOES_NOT_FIT, R.ALREADY_TAKEN)


def test_everybody_in_the_session_counts_and_somebody_elses_absence_is_nobody_free() -> None:
    pair = a_session(ONE, providers=(ADA, BOB))
    needs = replace(YOGA, providers_needed=2)
    sick = people(a_candidate(ADA), closed(a_candidate(BOB)))
    answer = booked(1, pair, needs=needs, named=(ADA,), candidates=sick)
    assert answer == (R.ALREADY_TAKEN, R.NOBODY_FREE)


def test_who_left_the_service_takes_no_more_seats() -> None:
    answer = booked(1, a_session(ONE, providers=(BOB,)))
    assert isinstance(answer, Visit)
    assert answer.lead == ADA


@pytest.mark.parametrize(("unit", "is_joined"), [(1, True), (2, True), (3, False)])
def test_a_session_needs_the_units_that_it_has(unit: int, *, is_joined: bool) -> None:
    needs = replace(YOGA, groups=(room(1, RED),))
    session = a_session(ONE, units=[(RED, unit)])
    answer = booked(1, session, needs=needs, named=(ADA,), resources=rooms())
    if is_joined:
        assert joined(answer) == session
    else:
        assert answer == (R.ALREADY_TAKEN, R.RESOURCE_TAKEN)


def test_a_room_that_left_the_group_still_holds_its_session_and_an_archived_one_does_not() -> None:
    needs = replace(YOGA, groups=(room(1, RED),))
    session = a_session(ONE, units=[(BLUE, 1)])
    assert joined(booked(1, session, needs=needs, resources=rooms())) == session
    resources = rooms()
    blue = resources[BLUE]
    calendar = replace(blue.calendar, resource=replace(blue.calendar.resource, is_archived=True))
    archived = {**resources, BLUE: replace(blue, calendar=calendar)}
    assert booked(1, session, needs=needs, resources=archived) == (R.NOBODY_FREE,)


def test_notice_and_horizon_apply_to_a_party_that_joins() -> None:
    session = a_session(ONE)
    near = people(a_candidate(ADA, rules=replace(AN_HOUR, min_notice_minutes=181)))
    answer = booked(1, session, named=(ADA,), candidates=near)
    assert answer == (R.TOO_SHORT_NOTICE, R.ALREADY_TAKEN)
    tomorrow = NINE + timedelta(days=1)
    far = people(a_candidate(ADA, rules=replace(AN_HOUR, max_advance_booking_days=0)))
    later = a_session(ONE, starts_at=tomorrow)
    answer = booked(1, later, named=(ADA,), candidates=far, starts_at=tomorrow)
    assert answer == (R.BEYOND_HORIZON, R.ALREADY_TAKEN)
    after = NINE + MINUTE
    assert booked(1, session, named=(ADA,), now=after) == (R.IN_THE_PAST, R.ALREADY_TAKEN)


def test_joining_is_not_one_more_visit_for_a_limit() -> None:
    once = [BookingLimit(period=LimitPeriod.DAY, max_visits=1)]
    session = a_session(ONE)
    limited = people(a_candidate(ADA, limits=once, limits_of_service=once, led=session.claims[ADA]))
    assert joined(booked(1, session, candidates=limited)) == session
    assert booked(1, session, candidates=limited, named=(ADA,), starts_at=TEN) == (R.LIMIT_REACHED,)


# ---------------------------------------------------------------- holds, fewer seats


def test_held_seats_are_free_from_the_instant_on_at_which_the_hold_expires() -> None:
    session = a_session(SeatsTaken(2), held(2))
    assert booked(1, session) == (R.NO_SEATS_LEFT,)
    just_before = NOW + timedelta(minutes=10, microseconds=-1)
    assert booked(1, session, now=just_before) == (R.NO_SEATS_LEFT,)
    assert joined(booked(2, session, now=NOW + 10 * MINUTE)) == session


def test_a_session_ends_with_its_last_hold_and_its_time_is_free_at_once() -> None:
    session = a_session(held(1), held(2, 5 * MINUTE))
    assert joined(booked(1, session)) == session
    assert joined(booked(3, session, now=NOW + 5 * MINUTE)) == session
    answer = booked(1, session, now=NOW + 10 * MINUTE)
    assert isinstance(answer, Visit)


def test_fewer_seats_than_taken_take_nobodys_away_and_leave_none() -> None:
    session = a_session(SeatsTaken(3))
    fewer = replace(YOGA, seats=2)
    assert session.seats_left(fewer, NOW) == 0
    assert booked(1, session, needs=fewer) == (R.NO_SEATS_LEFT,)


# ---------------------------------------------------------------- moving


def test_a_party_gets_larger_only_where_there_is_room_and_always_smaller() -> None:
    session = a_session(SeatsTaken(2))
    own = OwnSeats(session=session, seats=1)
    for seats in (1, 2):
        assert joined(booked(seats, session, own=own)) == session
    assert booked(3, session, own=own) == (R.NO_SEATS_LEFT,)
    fewer = replace(YOGA, seats=1)
    large = OwnSeats(session=session, seats=2)
    for seats in (1, 2):
        assert joined(booked(seats, session, needs=fewer, own=large)) == session
    assert booked(3, session, needs=fewer, own=large) == (R.NO_SEATS_LEFT,)


def test_a_party_that_keeps_its_start_keeps_its_session_whatever_the_rules_are_by_now() -> None:
    """Neither hours nor notice are asked about again, and a fuller session does not draw it."""
    session = a_session(ONE)
    fuller = a_session(SeatsTaken(2), providers=(BOB,), number=2)
    now = people(
        closed(a_candidate(ADA, rules=replace(AN_HOUR, min_notice_minutes=1000))),
        a_candidate(BOB, rules=replace(AN_HOUR, min_notice_minutes=1000)),
    )
    own = OwnSeats(session=session, seats=1)
    assert joined(booked(2, session, fuller, candidates=now, own=own)) == session
    assert joined(booked(2, session, fuller, candidates=now, own=own, named=(BOB,))) == fuller


def test_alone_in_its_session_a_party_gives_back_all_of_its_time() -> None:
    session = a_session(rules=AN_HOUR)
    half_hours = people(a_candidate(ADA, rules=replace(AN_HOUR, slot_interval_minutes=30)))
    own = OwnSeats(session=session, seats=2)
    answer = booked(2, session, candidates=half_hours, starts_at=HALF_PAST, own=own)
    assert isinstance(answer, Visit)
    assert joined(booked(2, session, candidates=half_hours, own=own)) == session


def test_where_others_stay_a_session_is_in_the_way_of_the_party_that_leaves() -> None:
    half_hours = people(a_candidate(ADA, rules=replace(AN_HOUR, slot_interval_minutes=30)))
    for others in (ONE, held(1)):
        session = a_session(others)
        own = OwnSeats(session=session, seats=2)
        answer = booked(
            2, session, candidates=half_hours, starts_at=HALF_PAST, own=own, named=(ADA,)
        )
        reason = R.ALREADY_TAKEN if others.expires_at is None else R.HELD
        assert answer == (reason,)
    expired = a_session(held(1, -MINUTE))
    own = OwnSeats(session=expired, seats=2)
    answer = booked(2, candidates=half_hours, starts_at=HALF_PAST, own=own)
    assert isinstance(answer, Visit)


def test_a_party_that_leaves_others_behind_is_one_more_visit_for_a_limit() -> None:
    once = [BookingLimit(period=LimitPeriod.DAY, max_visits=1)]
    limited = people(a_candidate(ADA, limits=once, leads_own=True))
    alone = OwnSeats(session=a_session(), seats=1)
    assert isinstance(booked(1, candidates=limited, starts_at=TEN, own=alone), Visit)
    shared = OwnSeats(session=a_session(ONE), seats=1)
    answer = booked(1, candidates=limited, starts_at=TEN, own=shared, named=(ADA,))
    assert answer == (R.LIMIT_REACHED,)


# ---------------------------------------------------------------- what is shown


def test_members_of_a_session_say_what_the_session_lacks() -> None:
    needs = replace(YOGA, groups=(room(1, BLUE),))
    session = a_session(SeatsTaken(2), units=[(BLUE, 1)])
    resources = rooms(blue=session.claims[BLUE])
    everybody = with_all(people(a_candidate(ADA), closed(a_candidate(BOB))), session)

    def members(seats: int) -> dict[SubjectId, tuple[R, ...]]:
        found = Start(
            needs, (), everybody, resources, NINE, NOW, seats=seats, sessions=[session]
        ).members()
        return dict(found)

    assert members(2) == {ADA: (), BOB: (R.EXCEPTION,), BLUE: ()}
    assert members(3) == {ADA: (R.NO_SEATS_LEFT,), BOB: (R.EXCEPTION,), BLUE: (R.ALREADY_TAKEN,)}


def listed(
    seats: int, *sessions: ActiveSession, new: Mapping[datetime, tuple[ProviderId, ...]]
) -> SeatedStarts:
    return seated_starts(
        {minute_of(at): leads for at, leads in new.items()},
        YOGA,
        (),
        {each: candidate.calendar for each, candidate in BOTH.items()},
        {},
        NOW,
        seats=seats,
        sessions=sessions,
    )


def test_a_start_is_listed_with_the_largest_party_and_the_end_of_the_session() -> None:
    """At half past nine Ada has a session that is longer than visits are now; at ten she has one,
    and Bob could make another."""
    longer = a_session(SeatsTaken(1), starts_at=HALF_PAST, rules=Rules(duration_minutes=75))
    at_ten = a_session(SeatsTaken(3), starts_at=TEN, number=2)
    new = {NINE: (BOB,), TEN: (BOB,)}
    nine, half, ten = map(minute_of, (NINE, HALF_PAST, TEN))
    assert listed(1, longer, at_ten, new=new) == SeatedStarts(
        leads={nine: (BOB,), half: (ADA,), ten: (ADA, BOB)},
        joinable={half: SeatsAt(3, half + 75), ten: SeatsAt(4, ten + 60)},
    )
    assert listed(4, longer, at_ten, new=new) == SeatedStarts(
        leads={nine: (BOB,), ten: (BOB,)}, joinable={ten: SeatsAt(4, ten + 60)}
    )
    assert listed(5, longer, at_ten, new=new) == SeatedStarts(leads={}, joinable={})


def test_a_class_on_the_night_the_clock_is_turned_back_is_joined_at_its_own_instant() -> None:
    """01:30 is read twice in New York; each is a start of its own."""
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    again = first + timedelta(hours=1)
    candidate = a_candidate(ADA, opens_at=0)
    hours = Hours(
        time_zone="America/New_York", weekly=candidate.calendar.hours.weekly, exceptions={}
    )
    rules = replace(AN_HOUR, slot_interval_minutes=30, max_advance_booking_days=365)
    night = people(
        replace(candidate, calendar=replace(candidate.calendar, hours=hours, rules=rules))
    )
    session = a_session(ONE, starts_at=again)
    assert joined(booked(1, session, candidates=night, starts_at=again)) == session
    assert isinstance(booked(1, candidates=night, starts_at=first), Visit)
    answer = booked(1, session, candidates=night, starts_at=first)
    assert isinstance(answer, Visit)
    assert answer.claims[ADA][0].visit_until == session.start
