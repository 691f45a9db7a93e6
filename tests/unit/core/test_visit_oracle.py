"""The law of visits against its oracle: the same starts, the same leads, the same choice, the same
reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from app.core.booking import Claims, claim_for
from app.core.ids import ProviderId, SubjectId
from app.core.needs import Needs
from app.core.overrides import NO_OVERRIDE
from app.core.seating import ActiveSession, Join, OwnSeats, SeatsAt
from app.core.slots import Claim, UnbookableReason, explain
from app.core.visits import Candidate, Start, Visit
from app.core.zones import instant_of
from tests.unit.core.service_worlds import (
    World,
    listed,
    overrides,
    seated,
    seated_worlds,
    some_hours,
    unit_claims,
    worlds,
)
from tests.unit.core.visit_oracle import VisitOracle
from tests.unit.core.worlds import claims_around

SHARDS = 16
"""Pieces of the long run, for as many processes as there are."""

PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def the_oracle(world: World, own: Claims | OwnSeats | None = None) -> VisitOracle:
    return VisitOracle(
        world.needs,
        world.named,
        world.candidates,
        world.resources,
        world.day,
        world.now,
        own,
        seats=world.seats,
        sessions=world.sessions,
        ignored=world.override.rules,
        ignored_for=world.override.only_of,
    )


def starts_to_ask(data: st.DataObject, world: World, oracle: VisitOracle) -> list[int]:
    """Minutes on somebody's grid, edges of claims, and any others."""
    asked = data.draw(st.lists(st.integers(world.begin, world.end - 1), max_size=3))
    on_grid = sorted(
        minute
        for each in world.candidates
        for minute in oracle.walks[each].on_grid
        if world.begin <= minute < world.end
    )
    if on_grid:
        asked += data.draw(st.lists(st.sampled_from(on_grid), min_size=5, max_size=12))
    return asked


def assert_chosen(
    world: World, oracle: VisitOracle, minute: int, own: Claims | OwnSeats | None = None
) -> None:
    starts_at = instant_of(minute)
    everything = (world.needs, world.named, world.candidates, world.resources, starts_at, world.now)
    found = Start(
        *everything,
        own=own,
        seats=world.seats,
        sessions=world.sessions,
        override=world.override,
    ).decide()
    if world.override == NO_OVERRIDE:
        leads = Start(
            *everything, own=own, seats=world.seats, sessions=world.sessions
        ).possible_leads()
        room = Start(*everything, own=own, seats=world.seats, sessions=world.sessions).seats_left()
        assert leads == oracle.leads(minute)
        assert bool(leads) == (room is not None) == (not isinstance(found, tuple))
        if room is not None:
            assert room == SeatsAt(oracle.seats_left(minute), oracle.end(minute))
    joined = oracle.joined(minute)
    if joined is not None:
        assert isinstance(found, Join)
        assert found.session == joined
        assert found.providers[: found.named] == world.named
        assert sorted(found.providers) == sorted(joined.providers)
        assert found.lead == joined.providers[0]
        return
    chosen = oracle.chosen(minute)
    if chosen is None:
        assert isinstance(found, tuple)
        assert set(found) == oracle.refusal(minute)
        assert found == tuple(reason for reason in UnbookableReason if reason in found)
        assert found
        return
    assert isinstance(found, Visit)
    assert (found.providers, found.units) == chosen
    assert found.lead == found.providers[0]
    assert found.named == len(world.named)
    assert found.providers[: found.named] == world.named
    claims: dict[SubjectId, list[Claim]] = {
        each: [claim_for(world.candidates[each].calendar.rules, starts_at)]
        for each in found.providers
    }
    lead = world.candidates[found.lead].calendar.rules
    for resource_id, unit in found.units:
        claim = claim_for(lead, starts_at)._replace(unit=unit)
        claims.setdefault(resource_id, []).append(claim)
    assert {each: list(of) for each, of in found.claims.items()} == claims


def assert_explained(world: World, oracle: VisitOracle, minute: int) -> None:
    """A provider's reasons are those of the provider alone; a resource has some if no unit is
    possible.
    """
    members = dict(
        Start(
            world.needs,
            world.named,
            world.candidates,
            world.resources,
            instant_of(minute),
            world.now,
        ).members()
    )
    order = oracle.in_the_services_order()
    assert list(members) == [*order, *world.needs.resource_ids]
    for each in order:
        assert set(members[each]) == oracle.reasons_to_lead(each, minute)
    asked = world.named[:1] or [
        *(
            each
            for each in oracle.in_order_of_assignment()
            if not oracle.reasons_to_lead(each, minute)
        ),
        *order,
    ]
    rules = world.candidates[asked[0]].calendar.rules
    for resource_id in world.needs.resource_ids:
        possible = list(oracle.possible_units(resource_id, rules, minute))
        assert bool(members[resource_id]) == (not possible)


def seats_are_listed_and_taken(data: st.DataObject) -> None:
    world = data.draw(seated_worlds())
    oracle = the_oracle(world)
    found = seated(world)
    within = [at for at in found.leads if world.begin <= at < world.end]
    asked = [session.start for session in world.sessions]
    asked = sorted({*asked, *starts_to_ask(data, world, oracle)})
    assert {at: found.leads[at] for at in within} == oracle.starts_between(world.begin, world.end)
    duration = next(iter(world.candidates.values())).calendar.rules.duration_minutes
    for minute in asked:
        assert_chosen(world, oracle, minute)
        if minute in found.leads:
            alone = SeatsAt(world.needs.seats, minute + duration)
            room = found.joinable.get(minute, alone)
            assert room == SeatsAt(oracle.seats_left(minute), oracle.end(minute))


def seats_move_where_there_is_room(data: st.DataObject) -> None:
    """A party of a session, which may get larger or smaller, and keep its start."""
    world = data.draw(seated_worlds())
    if not world.sessions:
        return
    session = data.draw(st.sampled_from(world.sessions))
    own = OwnSeats(session=session, seats=data.draw(st.integers(1, 3)))
    named = session.providers[: data.draw(st.integers(0, 1))]
    if named and data.draw(st.integers(0, 3)) == 0:
        named = (data.draw(st.sampled_from(sorted(world.candidates))),)
    lead = session.providers[0]
    notice = data.draw(st.sampled_from([0, 0, 20_000]))
    candidates = {}
    for each, candidate in world.candidates.items():
        calendar = candidate.calendar
        rules = replace(
            calendar.rules, min_notice_minutes=max(calendar.rules.min_notice_minutes, notice)
        )
        candidates[each] = replace(
            candidate, calendar=replace(calendar, rules=rules), leads_own=each == lead
        )
    others = [each for each in world.sessions if each.id != session.id]
    is_seen = data.draw(st.booleans())
    after = replace(
        world,
        named=named,
        candidates=candidates if is_seen else without(candidates, session),
        sessions=tuple(world.sessions if is_seen else others),
        override=data.draw(overrides(list(candidates))),
    )
    oracle = the_oracle(after, own)
    starts = {each.start for each in world.sessions}
    for minute in sorted({*starts, *starts_to_ask(data, after, oracle)}):
        assert_chosen(after, oracle, minute, own)


def without(
    candidates: dict[ProviderId, Candidate], session: ActiveSession
) -> dict[ProviderId, Candidate]:
    """The candidates without the session's claims."""

    def left(each: ProviderId, claims: Sequence[Claim]) -> list[Claim]:
        return [claim for claim in claims if claim not in session.claims.get(each, ())]

    return {
        each: replace(candidate, claims=left(each, candidate.claims), led=left(each, candidate.led))
        for each, candidate in candidates.items()
    }


def an_override_sets_aside_what_it_names(data: st.DataObject) -> None:
    """At any minute, on a grid or not, joined sessions included."""
    world = data.draw(st.one_of(worlds(), seated_worlds()))
    world = replace(world, override=data.draw(overrides(list(world.candidates))))
    oracle = the_oracle(world)
    minutes = data.draw(st.lists(st.integers(world.begin, world.end - 1), min_size=3, max_size=9))
    starts = {each.start for each in world.sessions}
    for minute in sorted({*starts, *minutes, *starts_to_ask(data, world, oracle)}):
        assert_chosen(world, oracle, minute)


def listed_is_bookable(data: st.DataObject) -> None:
    world = data.draw(worlds())
    oracle = the_oracle(world)
    assert listed(world) == oracle.starts_between(world.begin, world.end)
    for minute in starts_to_ask(data, world, oracle):
        assert_chosen(world, oracle, minute)
        assert_explained(world, oracle, minute)


def movable_is_what_can_be_had(data: st.DataObject) -> None:
    world = data.draw(worlds())
    oracle = the_oracle(world)
    asked = starts_to_ask(data, world, oracle)
    booked = next((minute for minute in asked if oracle.chosen(minute)), None)
    if booked is None:
        return
    visit = Start(
        world.needs,
        world.named,
        world.candidates,
        world.resources,
        instant_of(booked),
        world.now,
    ).decide()
    assert isinstance(visit, Visit)
    candidates = dict(world.candidates)
    for each in data.draw(st.sets(st.sampled_from(sorted(candidates)), max_size=2)):
        calendar = replace(candidates[each].calendar, hours=data.draw(some_hours(world.day)))
        claims = data.draw(claims_around(world.day, world.now))
        candidates[each] = replace(
            candidates[each],
            calendar=calendar,
            claims=claims,
            led=[claim for claim in claims[1:] if claim.is_visit],
        )
    candidates[visit.lead] = replace(candidates[visit.lead], leads_own=True)
    resources = {
        each: replace(
            candidate,
            calendar=replace(
                candidate.calendar,
                resource=replace(
                    candidate.calendar.resource,
                    units=data.draw(st.integers(1, candidate.calendar.resource.units)),
                    is_archived=data.draw(st.integers(0, 4)) == 0,
                ),
            ),
            claims=data.draw(unit_claims(world.day, world.now, candidate.calendar.resource.units)),
        )
        for each, candidate in world.resources.items()
    }
    withdrawn = data.draw(st.sets(st.sampled_from(visit.providers), max_size=1))
    after = replace(
        world,
        needs=replace(
            world.needs,
            provider_ids=tuple(each for each in world.needs.provider_ids if each not in withdrawn),
        ),
        named=visit.providers[: visit.named],
        candidates=candidates,
        resources=resources,
        now=instant_of(booked) - timedelta(minutes=data.draw(st.sampled_from([1, 60, 4000]))),
        override=data.draw(overrides(list(candidates))),
    )
    oracle = the_oracle(after, visit.claims)
    for minute in (booked, *asked):
        assert_chosen(after, oracle, minute, visit.claims)


@settings(max_examples=10, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_listed_is_bookable_is_what_trying_every_assignment_finds(data: st.DataObject) -> None:
    """The starts that are listed with their leads; and of one start, whether it can be had, whom
    and what it takes, and why not.
    """
    listed_is_bookable(data)


@settings(max_examples=16, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_a_move_takes_what_trying_every_assignment_finds(data: st.DataObject) -> None:
    """Hours, claims and offers may have changed since the appointment was booked; whoever was named
    stays.
    """
    movable_is_what_can_be_had(data)


@settings(max_examples=10, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_seats_are_listed_and_taken_as_trying_every_party_finds(data: st.DataObject) -> None:
    """Where a party finds room, in which session, how many seats are left, and why there are none."""
    seats_are_listed_and_taken(data)


@settings(max_examples=10, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_a_party_moves_where_trying_every_session_finds_room(data: st.DataObject) -> None:
    seats_move_where_there_is_room(data)


@settings(max_examples=10, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_an_override_finds_what_trying_every_assignment_without_those_rules_finds(
    data: st.DataObject,
) -> None:
    an_override_sets_aside_what_it_names(data)


@pytest.mark.full
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize(
    "law",
    [
        listed_is_bookable,
        movable_is_what_can_be_had,
        seats_are_listed_and_taken,
        seats_move_where_there_is_room,
        an_override_sets_aside_what_it_names,
    ],
)
def test_the_law_of_visits_holds_in_many_more_worlds(
    law: Callable[[st.DataObject], None], shard: int
) -> None:
    @seed(f"{law.__name__} {shard}")
    @settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def try_worlds(data: st.DataObject) -> None:
        law(data)

    try_worlds()


@settings(max_examples=10, deadline=None, suppress_health_check=PATIENT)
@given(st.data())
def test_one_provider_and_no_group_is_the_law_of_one_provider(data: st.DataObject) -> None:
    """Where a service needs one provider and nothing else, a named wish gets the very reasons of
    that provider, and nobody named means that somebody is free.
    """
    world = data.draw(worlds())
    needs = Needs(provider_ids=world.needs.provider_ids, assignment=world.needs.assignment)
    assert needs.is_plain
    oracle = the_oracle(replace(world, needs=needs, named=()))
    for minute in starts_to_ask(data, world, oracle):
        starts_at = instant_of(minute)
        free = set()
        for each, candidate in world.candidates.items():
            calendar = candidate.calendar
            reasons = explain(
                calendar.hours, calendar.rules, candidate.claims, starts_at, world.now
            )
            if oracle.reasons_to_lead(each, minute) == {*reasons, "LIMIT_REACHED"}:
                reasons = (*reasons, UnbookableReason.LIMIT_REACHED)
            answer = Start(needs, (each,), world.candidates, {}, starts_at, world.now).decide()
            if reasons:
                assert answer == reasons
            else:
                free.add(each)
                claims: Claims = {each: (claim_for(calendar.rules, starts_at),)}
                assert answer == Visit(
                    lead=each, providers=(each,), named=1, units=(), claims=claims
                )
        answer = Start(needs, (), world.candidates, {}, starts_at, world.now).decide()
        if free:
            assert isinstance(answer, Visit)
            assert answer.lead in free
            assert answer.named == 0
        else:
            assert isinstance(answer, tuple)
            assert answer[0] is UnbookableReason.NOBODY_FREE
