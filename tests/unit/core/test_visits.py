"""What a visit takes: known examples of each sentence of the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.core.booking import Claims, claim_for
from app.core.hours import ALWAYS_OPEN, Hours, WeeklyRange
from app.core.ids import ProviderId, ResourceId
from app.core.limits import BookingLimit, LimitPeriod
from app.core.needs import Assignment, Needs, ResourceGroup
from app.core.rules import Rules
from app.core.slots import Claim, ClaimKind, UnbookableReason
from app.core.visits import Candidate, ResourceCandidate, Start, Visit
from tests.unit.core.service_worlds import a_calendar, a_resource

R = UnbookableReason
ADA, BOB, CAI = (ProviderId(UUID(int=number)) for number in (1, 2, 3))
RED, BLUE, LASER = (ResourceId(UUID(int=number)) for number in (11, 12, 13))
NOW: Final = datetime(2026, 6, 1, 6, tzinfo=UTC)
NINE: Final = datetime(2026, 6, 1, 9, tzinfo=UTC)
TEN: Final = NINE + timedelta(hours=1)
HALF_PAST: Final = NINE + timedelta(minutes=30)
AN_HOUR: Final = Rules(duration_minutes=60)


def a_candidate(
    who: ProviderId,
    *claims: Claim,
    rules: Rules = AN_HOUR,
    limits: Sequence[BookingLimit] = (),
    limits_of_service: Sequence[BookingLimit] = (),
    led: Sequence[Claim] = (),
    leads_own: bool = False,
    busy: int = 0,
    idle_since: datetime | None = None,
    opens_at: int = 9,
) -> Candidate:
    weekly = tuple(WeeklyRange(day, opens_at * 60, 17 * 60) for day in range(7))
    hours = Hours(time_zone="UTC", weekly=weekly, exceptions={})
    return Candidate(
        calendar=a_calendar(
            who, hours, rules, limits=tuple(limits), limits_of_service=tuple(limits_of_service)
        ),
        claims=claims,
        led=led,
        leads_own=leads_own,
        booked_minutes=busy,
        last_assigned_at=idle_since,
    )


def people(*candidates: Candidate) -> dict[ProviderId, Candidate]:
    return {each.calendar.provider.id: each for each in candidates}


def rooms(**claims: Sequence[Claim]) -> dict[ResourceId, ResourceCandidate]:
    """Always open: a red room with two units, a blue room, a laser."""
    hours = Hours(time_zone="UTC", weekly=ALWAYS_OPEN, exceptions={})
    return {
        each: ResourceCandidate(
            calendar=a_resource(each, hours, units), claims=tuple(claims.get(name, ()))
        )
        for name, each, units in (("red", RED, 2), ("blue", BLUE, 1), ("laser", LASER, 1))
    }


def taken(
    starts_at: datetime, rules: Rules = AN_HOUR, *, unit: int = 1, held_for: timedelta | None = None
) -> Claim:
    claim = claim_for(rules, starts_at)._replace(unit=unit)
    if held_for is None:
        return claim
    return claim._replace(kind=ClaimKind.HOLD, expires_at=NOW + held_for)


def anybody(*order: ProviderId, **needs: object) -> Needs:
    return replace(Needs(provider_ids=order), **needs)  # type: ignore[arg-type]


def room(count: int, *members: ResourceId) -> ResourceGroup:
    return ResourceGroup(name="room", count=count, resource_ids=members)


def chosen(
    needs: Needs,
    candidates: Mapping[ProviderId, Candidate],
    starts_at: datetime = NINE,
    *,
    named: Sequence[ProviderId] = (),
    resources: Mapping[ResourceId, ResourceCandidate] | None = None,
    now: datetime = NOW,
    own: Claims | None = None,
) -> Visit:
    visit = Start(needs, named, candidates, resources or {}, starts_at, now, own=own).decide()
    assert isinstance(visit, Visit)
    return visit


# ---------------------------------------------------------------- any free provider


def test_two_bookings_of_any_provider_get_two_providers_and_a_third_is_refused() -> None:
    needs = anybody(ADA, BOB)
    first = chosen(needs, people(a_candidate(ADA), a_candidate(BOB)))
    assert (first.lead, first.named) == (ADA, 0)
    after = people(a_candidate(ADA, *first.claims[ADA]), a_candidate(BOB))
    second = chosen(needs, after)
    assert second.lead == BOB
    full = people(a_candidate(ADA, *first.claims[ADA]), a_candidate(BOB, *second.claims[BOB]))
    assert Start(needs, (), full, {}, NINE, NOW).decide() == (R.NOBODY_FREE,)


def test_a_hold_is_in_the_way_until_it_expires() -> None:
    needs = anybody(ADA)
    held = people(a_candidate(ADA, taken(NINE, held_for=timedelta(minutes=10))))
    assert Start(needs, (), held, {}, NINE, NOW).decide() == (R.NOBODY_FREE,)
    assert chosen(needs, held, now=NOW + timedelta(minutes=10)).lead == ADA


def test_the_service_orders_its_providers_by_priority() -> None:
    everybody = people(a_candidate(ADA, busy=90), a_candidate(BOB), a_candidate(CAI))
    assert chosen(anybody(CAI, ADA, BOB), everybody).lead == CAI


def test_the_least_busy_comes_first_and_ties_go_to_the_services_order() -> None:
    everybody = people(
        a_candidate(ADA, busy=60), a_candidate(BOB, busy=30), a_candidate(CAI, busy=30)
    )
    needs = anybody(ADA, CAI, BOB, assignment=Assignment.LEAST_BUSY, providers_needed=3)
    assert chosen(needs, everybody).providers == (CAI, BOB, ADA)


def test_the_longest_idle_comes_first_and_before_them_who_was_never_assigned() -> None:
    everybody = people(
        a_candidate(ADA, idle_since=NOW - timedelta(days=1)),
        a_candidate(BOB, idle_since=NOW - timedelta(days=9)),
        a_candidate(CAI),
    )
    needs = anybody(ADA, BOB, CAI, assignment=Assignment.LONGEST_IDLE, providers_needed=3)
    assert chosen(needs, everybody).providers == (CAI, BOB, ADA)


# ---------------------------------------------------------------- teams


def test_the_lead_keeps_to_their_grid_and_the_others_need_not() -> None:
    """Ada's grid has 09:00, 10:00 …; Bob, who opens at 08:00 with a step of 45 minutes, has 08:45
    and 09:30.
    """
    bob = a_candidate(BOB, rules=replace(AN_HOUR, slot_interval_minutes=45), opens_at=8)
    both = people(a_candidate(ADA), bob)
    needs = anybody(BOB, ADA, providers_needed=2)
    assert chosen(needs, both, NINE).providers == (ADA, BOB)
    assert chosen(needs, both, HALF_PAST).providers == (BOB, ADA)
    assert Start(needs, (), both, {}, NINE, NOW).possible_leads() == (ADA,)
    assert Start(needs, (), both, {}, NINE + timedelta(minutes=1), NOW).decide() == (R.NOBODY_FREE,)


def test_who_is_named_first_leads_and_who_is_missing_is_assigned() -> None:
    everybody = people(a_candidate(ADA), a_candidate(BOB), a_candidate(CAI))
    needs = anybody(ADA, BOB, CAI, providers_needed=3)
    visit = chosen(needs, everybody, named=(CAI, BOB))
    assert (visit.lead, visit.providers, visit.named) == (CAI, (CAI, BOB, ADA), 2)


def test_all_of_its_providers_are_needed_where_the_service_says_no_number() -> None:
    needs = anybody(ADA, BOB, providers_needed=None)
    assert chosen(needs, people(a_candidate(ADA), a_candidate(BOB))).providers == (ADA, BOB)
    one_away = people(a_candidate(ADA), a_candidate(BOB, taken(NINE)))
    assert Start(needs, (), one_away, {}, NINE, NOW).decide() == (R.NOBODY_FREE,)


def test_each_provider_is_claimed_with_their_own_buffers_and_resources_with_the_leads() -> None:
    tidy = replace(AN_HOUR, buffer_after_minutes=30, slot_interval_minutes=60)
    both = people(a_candidate(ADA, rules=tidy), a_candidate(BOB))
    needs = anybody(ADA, BOB, providers_needed=2, groups=(room(1, RED),))
    visit = chosen(needs, both, resources=rooms())
    assert visit.claims == {
        ADA: (claim_for(tidy, NINE),),
        BOB: (claim_for(AN_HOUR, NINE),),
        RED: (claim_for(tidy, NINE),),
    }
    # Who follows in the room needs Ada's half hour there, or a lead without buffers.
    busy = rooms(red=[taken(TEN), taken(TEN, unit=2)])
    assert chosen(needs, both, resources=busy).lead == BOB
    assert Start(needs, (ADA,), both, busy, NINE, NOW).decide() == (R.RESOURCE_TAKEN,)


# ---------------------------------------------------------------- resources


def test_resources_are_taken_in_the_groups_order_lowest_unit_first() -> None:
    ada = people(a_candidate(ADA))
    needs = anybody(ADA, groups=(room(2, BLUE, RED), room(1, LASER)))
    assert chosen(needs, ada, resources=rooms()).units == ((BLUE, 1), (RED, 1), (LASER, 1))
    busy = rooms(blue=[taken(NINE)])
    visit = chosen(needs, ada, resources=busy)
    assert visit.units == ((RED, 1), (RED, 2), (LASER, 1))
    assert [claim.unit for claim in visit.claims[RED]] == [1, 2]


def test_a_group_that_cant_be_filled_is_the_reason() -> None:
    ada = people(a_candidate(ADA))
    needs = anybody(ADA, groups=(room(2, BLUE, RED), room(1, LASER)))
    for busy in (rooms(laser=[taken(NINE)]), rooms(blue=[taken(NINE)], red=[taken(HALF_PAST)])):
        assert Start(needs, (), ada, busy, NINE, NOW).decide() == (R.RESOURCE_TAKEN,)
        assert Start(needs, (ADA,), ada, busy, NINE, NOW).decide() == (R.RESOURCE_TAKEN,)


def test_a_room_is_the_reason_also_where_somebody_who_is_busy_could_have_had_it() -> None:
    """Ada is free and needs half an hour more in the room than there is; Bob would not."""
    tidy = replace(AN_HOUR, buffer_after_minutes=30, slot_interval_minutes=60)
    both = people(a_candidate(ADA, rules=tidy), a_candidate(BOB, taken(NINE)))
    needs = anybody(ADA, BOB, groups=(room(1, BLUE),))
    busy = rooms(blue=[taken(TEN)])
    assert Start(needs, (), both, busy, NINE, NOW).decide() == (R.RESOURCE_TAKEN,)


def test_a_closed_or_archived_room_takes_nobody_in() -> None:
    ada = people(a_candidate(ADA))
    needs = anybody(ADA, groups=(room(1, RED),))
    red = rooms()[RED].calendar
    shut = replace(red, hours=Hours(time_zone="UTC", weekly=(), exceptions={}))
    archived = replace(red, resource=replace(red.resource, is_archived=True))
    for calendar in (shut, archived):
        found = {RED: ResourceCandidate(calendar=calendar)}
        assert Start(needs, (), ada, found, NINE, NOW).decide() == (R.RESOURCE_TAKEN,)


def test_notice_and_horizon_play_no_part_for_a_room_in_another_zone() -> None:
    """On the other side of the date line it is tomorrow already."""
    today = people(a_candidate(ADA, rules=replace(AN_HOUR, max_advance_booking_days=0)))
    hours = Hours(time_zone="Pacific/Kiritimati", weekly=ALWAYS_OPEN, exceptions={})
    found = {RED: ResourceCandidate(calendar=a_resource(RED, hours))}
    needs = anybody(ADA, groups=(room(1, RED),))
    assert chosen(needs, today, TEN, resources=found).units == ((RED, 1),)


# ---------------------------------------------------------------- reasons


def test_one_named_provider_gives_their_own_reasons() -> None:
    both = people(a_candidate(ADA, taken(HALF_PAST)), a_candidate(BOB, taken(NINE)))
    needs = anybody(ADA, BOB)
    start = NINE + timedelta(minutes=15)
    assert Start(needs, (ADA,), both, {}, start, NOW).decide() == (R.NOT_ON_GRID, R.ALREADY_TAKEN)
    assert Start(needs, (), both, {}, start, NOW).decide() == (R.NOBODY_FREE,)
    team = anybody(ADA, BOB, providers_needed=2)
    assert Start(team, (ADA,), both, {}, TEN, NOW).decide() == (R.ALREADY_TAKEN,)
    assert Start(team, (ADA,), both, {}, NINE, NOW).decide() == (R.ALREADY_TAKEN, R.NOBODY_FREE)
    assert Start(team, (ADA, BOB), both, {}, NINE, NOW).decide() == (R.NOBODY_FREE,)


def test_members_have_their_own_reasons() -> None:
    both = people(a_candidate(ADA, taken(NINE)), a_candidate(BOB))
    needs = anybody(BOB, ADA, groups=(room(1, RED, BLUE),))
    found = Start(
        needs, (), both, rooms(red=[taken(NINE)], blue=[taken(NINE)]), NINE, NOW
    ).members()
    assert found == (
        (BOB, ()),
        (ADA, (R.ALREADY_TAKEN,)),
        (RED, ()),  # Its second unit is free.
        (BLUE, (R.ALREADY_TAKEN,)),
    )


# ---------------------------------------------------------------- moving


def test_a_patient_is_handed_over_at_the_same_start() -> None:
    """Neither grid nor notice is asked about; who is new must be open and free."""
    strict = replace(AN_HOUR, slot_interval_minutes=60, min_notice_minutes=10_000)
    start = NINE + timedelta(minutes=10)
    own: Claims = {ADA: (taken(start),), RED: (taken(start),)}
    needs = anybody(ADA, BOB, groups=(room(1, RED),))
    both = people(a_candidate(ADA, rules=strict), a_candidate(BOB, rules=strict))
    visit = chosen(needs, both, start, named=(BOB,), resources=rooms(), own=own)
    assert (visit.lead, visit.units) == (BOB, ((RED, 1),))
    assert Start(needs, (BOB,), both, rooms(), start, NOW).decide() == (
        R.TOO_SHORT_NOTICE,
        R.NOT_ON_GRID,
    )
    busy = people(both[ADA], a_candidate(BOB, taken(TEN), rules=strict))
    assert Start(needs, (BOB,), busy, rooms(), start, NOW, own=own).decide() == (R.ALREADY_TAKEN,)


def test_a_claim_that_stays_as_it_is_is_not_checked_again() -> None:
    """Ada's hours, the number of red rooms and what else is booked there may have changed since."""
    own: Claims = {ADA: (taken(NINE),), RED: (taken(NINE, unit=3),)}
    needs = anybody(ADA, BOB, groups=(room(1, RED),))
    later = people(a_candidate(ADA, opens_at=12), a_candidate(BOB))
    busy = rooms(red=[taken(NINE), taken(NINE, unit=2)])
    visit = chosen(needs, later, named=(ADA,), resources=busy, own=own)
    assert (visit.lead, visit.units) == (ADA, ((RED, 3),))
    # Half an hour later it is another claim.
    assert Start(needs, (ADA,), later, busy, HALF_PAST, NOW, own=own).decide() == (
        R.OUTSIDE_HOURS,
        R.RESOURCE_TAKEN,
    )
    # So is one with other buffers.
    tidy = replace(AN_HOUR, buffer_after_minutes=5)
    changed = people(a_candidate(ADA, opens_at=12, rules=tidy))
    assert Start(needs, (ADA,), changed, rooms(), NINE, NOW, own=own).decide() == (R.OUTSIDE_HOURS,)


def test_a_provider_who_left_the_service_still_takes_part_in_a_move() -> None:
    """After everybody who offers the service, where they were assigned."""
    own: Claims = {CAI: (taken(NINE),)}
    needs = anybody(ADA, BOB)
    everybody = people(a_candidate(CAI), a_candidate(BOB), a_candidate(ADA, taken(TEN)))
    assert chosen(needs, everybody, TEN, own=own).lead == BOB
    assert chosen(needs, everybody, TEN, named=(CAI,), own=own).lead == CAI
    busy = people(a_candidate(ADA, taken(TEN)), a_candidate(BOB, taken(TEN)), a_candidate(CAI))
    assert chosen(needs, busy, TEN, own=own).lead == CAI


def test_all_who_were_named_stay_even_if_the_service_needs_fewer_by_now() -> None:
    both = people(a_candidate(ADA), a_candidate(BOB))
    own: Claims = {ADA: (taken(NINE),), BOB: (taken(NINE),)}
    visit = chosen(anybody(ADA, BOB), both, TEN, named=(BOB, ADA), own=own)
    assert (visit.providers, visit.named) == ((BOB, ADA), 2)


def test_all_providers_are_those_of_the_service_and_named_ones_who_left_it() -> None:
    own: Claims = {CAI: (taken(NINE),), ADA: (taken(NINE),)}
    everybody = people(a_candidate(ADA), a_candidate(BOB), a_candidate(CAI))
    needs = anybody(ADA, BOB, providers_needed=None)
    assert chosen(needs, everybody, TEN, named=(CAI,), own=own).providers == (CAI, ADA, BOB)
    assert chosen(needs, everybody, TEN, named=(ADA,), own=own).providers == (ADA, BOB)


# ---------------------------------------------------------------- limits

ONE_A_DAY: Final = (BookingLimit(period=LimitPeriod.DAY, max_visits=1),)


def test_who_has_reached_a_limit_is_not_taken_and_the_next_one_is() -> None:
    full = a_candidate(ADA, taken(TEN), limits=ONE_A_DAY)
    assert Start(anybody(ADA), (ADA,), people(full), {}, NINE, NOW).decide() == (R.LIMIT_REACHED,)
    assert chosen(anybody(ADA, BOB), people(full, a_candidate(BOB))).lead == BOB
    team = anybody(ADA, BOB, providers_needed=2)
    refused = Start(team, (), people(full, a_candidate(BOB)), {}, NINE, NOW).decide()
    assert refused == (R.NOBODY_FREE, R.LIMIT_REACHED)
    tomorrow = NINE + timedelta(days=1)
    assert chosen(team, people(full, a_candidate(BOB)), tomorrow).lead == ADA


def test_a_services_limit_keeps_nobody_from_taking_part() -> None:
    """It counts the service's visits by their leads."""
    ada = a_candidate(ADA, taken(TEN), limits_of_service=ONE_A_DAY, led=(taken(TEN),))
    bob = a_candidate(BOB, taken(TEN), limits_of_service=ONE_A_DAY)
    needs = anybody(ADA, BOB, providers_needed=2)
    assert chosen(needs, people(ada, bob)).providers == (BOB, ADA)
    assert Start(needs, (ADA,), people(ada, bob), {}, NINE, NOW).decide() == (R.LIMIT_REACHED,)


def test_a_move_inside_a_period_is_not_one_more() -> None:
    """Not even where the limit was lowered since; into another period it is one."""
    tomorrow = NINE + timedelta(days=1)
    own: Claims = {ADA: (taken(NINE),)}
    ada = a_candidate(
        ADA,
        taken(TEN + timedelta(hours=1)),
        taken(tomorrow),
        limits=ONE_A_DAY,
        limits_of_service=ONE_A_DAY,
        led=(taken(tomorrow),),
        leads_own=True,
    )
    needs = anybody(ADA)
    assert chosen(needs, people(ada), TEN, named=(ADA,), own=own).lead == ADA
    for own_claims in (own, None):
        refused = Start(
            needs, (ADA,), people(ada), {}, tomorrow + timedelta(hours=1), NOW, own=own_claims
        ).decide()
        assert refused == (R.LIMIT_REACHED,)
    assert Start(needs, (ADA,), people(ada), {}, TEN, NOW).decide() == (R.LIMIT_REACHED,)
