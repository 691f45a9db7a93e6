"""Services with seats as they are listed: how many seats are left, and until when a party stays."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.builders import (
    TODAY,
    Api,
    Json,
    a_provider,
    a_resource,
    a_service,
    made,
    utc,
    weekly,
)
from tests.integration.test_batching import Statements
from tests.lives import cancel
from tests.visits import a_class, a_visit, change_service, ids_of, try_hold, try_move, try_visit

LISTING = """
    query ($id: ID!, $from: Date!, $to: Date!, $providerIds: [ID!], $seats: Int) {
        node(id: $id) { ... on Service {
            availability(from: $from, to: $to, timeZone: "UTC", providerIds: $providerIds, seats: $seats) {
                __typename
                ... on ServiceAvailability {
                    days { slots { startsAt endsAt localEnd seatsLeft } }
                    slots { startsAt endsAt seatsLeft providerIds }
                }
                ... on UserError { message }
                ... on InvalidInputError { field }
            }
        } }
    }
"""
OF_PROVIDER = """
    query ($id: ID!, $serviceId: ID!) {
        provider(id: $id) {
            availability(from: "2026-01-12", to: "2026-01-12", serviceId: $serviceId) {
                ... on Availability { slots { startsAt endsAt seatsLeft } }
            }
            nextAvailableSlot(serviceId: $serviceId) { startsAt endsAt seatsLeft }
        }
    }
"""
NEXT = """
    query ($id: ID!, $seats: Int, $providerIds: [ID!]) {
        node(id: $id) { ... on Service {
            nextAvailableSlot(timeZone: "UTC", seats: $seats, providerIds: $providerIds) {
                startsAt endsAt seatsLeft providerIds
            }
        } }
    }
"""
EARLIEST = """
    query ($serviceId: ID!, $first: Int) {
        nextAvailableSlots(serviceId: $serviceId, first: $first) { startsAt endsAt seatsLeft providerId }
    }
"""
EXPLAIN = """
    query ($serviceId: ID!, $startsAt: DateTime!, $seats: Int, $providerId: ID) {
        explainTime(serviceId: $serviceId, startsAt: $startsAt, seats: $seats, providerId: $providerId) {
            bookable reasons members { provider { id } reasons }
        }
    }
"""
MOVES = """
    query ($id: ID!, $seats: Int) {
        appointment(id: $id) {
            rescheduleAvailability(from: "2026-01-12", to: "2026-01-12", timeZone: "UTC", seats: $seats) {
                __typename
                ... on ServiceAvailability { slots { startsAt endsAt seatsLeft } }
                ... on InvalidInputError { field }
            }
        }
    }
"""
OFFERED = """
    mutation ($input: BookAppointmentInput!) {
        answer: bookAppointment(input: $input) {
            ... on SlotUnavailableError { reasons alternatives { startsAt endsAt seatsLeft providerId } }
        }
    }
"""

SET_HOURS = (
    "mutation ($input: SetWeeklyHoursInput!) { setWeeklyHours(input: $input) { __typename } }"
)

NINE, TEN, ELEVEN, NOON = utc(str(TODAY), "09:00", "10:00", "11:00", "12:00")
TODAYS: Json = {"from": str(TODAY), "to": str(TODAY)}


async def slots(api: Api, service: Json, seats: int = 1, *named: Json) -> list[Json]:
    """Those of today for so many seats."""
    asked: Json = {"providerIds": ids_of(named)} if named else {}
    data = await api.ask(LISTING, id=service["id"], seats=seats, **TODAYS, **asked)
    found = made(data["node"]["availability"], "ServiceAvailability")
    [day] = found["days"]
    assert [{**slot, "localEnd": None} for slot in day["slots"]] == [
        {key: slot[key] for key in ("startsAt", "endsAt", "seatsLeft")} | {"localEnd": None}
        for slot in found["slots"]
    ]
    listed: list[Json] = found["slots"]
    return listed


async def left(api: Api, service: Json, seats: int = 1, *named: Json) -> dict[str, int]:
    """How many seats are left today where so many can be had."""
    return {
        each["startsAt"]: each["seatsLeft"] for each in await slots(api, service, seats, *named)
    }


async def test_a_start_is_listed_with_the_seats_that_are_left_to_parties_that_find_room(
    api: Api,
) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    yoga = await a_class(api, ada, seats=4)
    booked = await a_visit(api, yoga, TEN, seats=3)
    full = {NINE: 4, ELEVEN: 4}
    assert await left(api, yoga) == {NINE: 4, TEN: 1, ELEVEN: 4}
    assert await left(api, yoga, 2) == full
    assert await left(api, yoga, 4) == full
    assert await left(api, yoga, 5) == {}
    await a_visit(api, yoga, TEN)
    assert await left(api, yoga) == full
    await cancel(api, booked)
    assert await left(api, yoga, 2) == {NINE: 4, TEN: 3, ELEVEN: 4}
    for seats in (0, 1_001):
        data = await api.ask(LISTING, id=yoga["id"], seats=seats, **TODAYS)
        refused = data["node"]["availability"]
        assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "seats")
    alone = await a_service(api, ada, durationMinutes=60)
    assert await left(api, alone) == {NINE: 1, ELEVEN: 1}, "for others, time is taken"
    assert await left(api, alone, 2) == {}


async def test_a_party_that_joins_stays_until_the_end_of_the_session(api: Api) -> None:
    """Whatever the service's duration and grid are by now, and whatever is taken around it."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    yoga = await a_class(api, ada, seats=2, slotIntervalMinutes=30)
    await a_visit(api, yoga, f"{TODAY}T09:30:00Z")
    half_past = utc(str(TODAY), "09:30", "10:30")
    await change_service(api, yoga, durationMinutes=45, slotIntervalMinutes=60)
    assert [(each["startsAt"], each["endsAt"]) for each in await slots(api, yoga)] == [
        (half_past[0], half_past[1]),
        (ELEVEN, utc(str(TODAY), "11:45")[0]),
    ]
    joined = await a_visit(api, yoga, half_past[0])
    assert joined["appointment"]["endsAt"] == half_past[1]
    # Fewer seats take nobody's away.
    await change_service(api, yoga, seats=1)
    assert await left(api, yoga) == {ELEVEN: 1}
    await change_service(api, yoga, seats=3)
    assert await left(api, yoga) == {half_past[0]: 1, ELEVEN: 3}


async def test_a_session_keeps_a_room_that_its_service_needs_no_more(api: Api) -> None:
    """It is joined as long as the room is open, whatever was kept of the list before."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "10:00"))
    room = await a_resource(api, alwaysOpen=False, weeklyHours=weekly("09:00", "10:00"))
    yoga = await a_class(api, ada, seats=4, needs=[{"name": "room", "resourceIds": [room["id"]]}])
    booked = await a_visit(api, yoga, NINE)
    await change_service(api, yoga, needs=[])
    asked: Json = {"serviceId": yoga["id"], "startsAt": NINE, "seats": 3}
    for is_open in (True, False):
        for _ in range(3):
            assert await left(api, yoga, 3) == ({NINE: 3} if is_open else {})
            said = (await api.ask(EXPLAIN, **asked))["explainTime"]
            assert said["bookable"] == is_open
        answer = await try_visit(api, yoga, NINE, seats=3)
        if is_open:
            await cancel(api, made(answer, "BookingConfirmation"))
        else:
            made(answer, "SlotUnavailableError")
        hours = {"resourceId": room["id"], "hours": weekly("09:00", "09:30")}
        await api.ask(SET_HOURS, caller=api.admin, input=hours)
    data = await api.ask(MOVES, caller=api.admin, id=booked["appointment"]["id"])
    found = data["appointment"]["rescheduleAvailability"]["slots"]
    assert [(each["startsAt"], each["seatsLeft"]) for each in found] == [(NINE, 4)]


async def test_seats_are_left_in_one_session_or_in_a_new_one(api: Api) -> None:
    """A party sits together: what is left of two sessions does not add up."""
    ada, bea = [await a_provider(api, weeklyHours=weekly("10:00", "11:00")) for _ in range(2)]
    yoga = await a_class(api, ada, bea, seats=4)
    await a_visit(api, yoga, TEN, seats=3)
    [both] = await slots(api, yoga)
    assert (both["seatsLeft"], both["providerIds"]) == (4, ids_of([ada, bea]))
    [for_two] = await slots(api, yoga, 2)
    assert for_two["providerIds"] == [bea["id"]]
    assert await left(api, yoga, 1, ada) == {TEN: 1}
    assert await left(api, yoga, 1, bea) == {TEN: 4}
    await a_visit(api, yoga, TEN, seats=2)
    assert await left(api, yoga) == {TEN: 2}
    for provider, seats in ((ada, 1), (bea, 2)):
        data = await api.ask(OF_PROVIDER, id=provider["id"], serviceId=yoga["id"])
        of_provider = {"startsAt": TEN, "endsAt": ELEVEN, "seatsLeft": seats}
        assert data["provider"]["availability"]["slots"] == [of_provider]
        assert data["provider"]["nextAvailableSlot"] == of_provider
    data = await api.ask(EARLIEST, serviceId=yoga["id"], first=3)
    assert [
        (each["startsAt"], each["seatsLeft"])
        for each in sorted(data["nextAvailableSlots"][:2], key=lambda one: one["seatsLeft"])
    ] == [(TEN, 1), (TEN, 2)]
    assert data["nextAvailableSlots"][2]["seatsLeft"] == 4
    for seats, start in ((2, TEN), (3, f"{TODAY + timedelta(days=1)}T10:00:00Z")):
        data = await api.ask(NEXT, id=yoga["id"], seats=seats)
        assert data["node"]["nextAvailableSlot"]["startsAt"] == start
    refused = await api.send(NEXT, id=yoga["id"], seats=0)
    assert refused.codes == ["BAD_USER_INPUT"]


async def test_a_refusal_offers_starts_with_room_for_the_whole_party(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    yoga = await a_class(api, ada, seats=4)
    await a_visit(api, yoga, NINE, seats=1)
    await a_visit(api, yoga, TEN, seats=2)
    answer = await try_visit(api, yoga, TEN, seats=3)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["NO_SEATS_LEFT"]
    values = {
        "serviceId": yoga["id"],
        "startsAt": TEN,
        "seats": 3,
        "customer": {"name": "A", "email": "a@example.com"},
        "customerTimeZone": "UTC",
        "idempotencyKey": "offered",
    }
    offered = (await api.ask(OFFERED, input=values))["answer"]
    assert offered["alternatives"][:2] == [
        {"startsAt": NINE, "endsAt": TEN, "seatsLeft": 3, "providerId": ada["id"]},
        {"startsAt": ELEVEN, "endsAt": NOON, "seatsLeft": 4, "providerId": ada["id"]},
    ]


async def test_the_reasons_against_a_party_are_given(api: Api) -> None:
    ada, bea = [await a_provider(api, weeklyHours=weekly("10:00", "11:00")) for _ in range(2)]
    yoga = await a_class(api, ada, bea, seats=2)
    await a_visit(api, yoga, TEN, ada, seats=1)
    await a_visit(api, yoga, TEN, bea, seats=1)

    async def said(seats: int, **asked: object) -> Json:
        asked = {"serviceId": yoga["id"], "startsAt": TEN, "seats": seats, **asked}
        found: Json = (await api.ask(EXPLAIN, caller=api.admin, **asked))["explainTime"]
        return found

    assert (await said(1))["bookable"]
    for_two = await said(2)
    assert (for_two["bookable"], for_two["reasons"]) == (False, ["NO_SEATS_LEFT"])
    assert [each["reasons"] for each in for_two["members"]] == [["NO_SEATS_LEFT"]] * 2
    assert (await said(3))["reasons"] == ["NO_SEATS_LEFT"]
    assert (await said(2, providerId=ada["id"]))["reasons"] == ["NO_SEATS_LEFT"]


async def test_a_party_moves_to_where_it_finds_room_and_its_own_seats_count_as_free(
    api: Api,
) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "13:00"))
    yoga = await a_class(api, ada, seats=4)
    three = await a_visit(api, yoga, NINE, seats=3)
    two = await a_visit(api, yoga, TEN, seats=2)
    await a_visit(api, yoga, TEN)

    async def moves(booked: Json, seats: int | None = None) -> dict[str, int]:
        key = booked["appointment"]["id"]
        data = await api.ask(MOVES, caller=api.admin, id=key, seats=seats)
        found = made(data["appointment"]["rescheduleAvailability"], "ServiceAvailability")
        return {each["startsAt"]: each["seatsLeft"] for each in found["slots"]}

    assert await moves(three) == {NINE: 4, ELEVEN: 4, NOON: 4}
    assert await moves(three, 1) == {NINE: 4, TEN: 1, ELEVEN: 4, NOON: 4}
    assert await moves(two) == {TEN: 3, ELEVEN: 4, NOON: 4}
    assert await moves(two, 1) == {NINE: 1, TEN: 3, ELEVEN: 4, NOON: 4}
    assert await moves(two, 3) == {TEN: 3, ELEVEN: 4, NOON: 4}
    assert await moves(two, 4) == {ELEVEN: 4, NOON: 4}
    assert await moves(two, 5) == {}
    made(await try_move(api, two, TEN, caller=api.admin, seats=3), "BookingConfirmation")
    assert await left(api, yoga) == {NINE: 1, ELEVEN: 4, NOON: 4}
    data = await api.ask(MOVES, caller=api.admin, id=two["appointment"]["id"], seats=0)
    assert data["appointment"]["rescheduleAvailability"]["field"] == "seats"


async def test_a_held_seat_is_listed_from_the_instant_on_at_which_the_hold_expires(
    api: Api,
) -> None:
    """Also where an appointment keeps the session, and whatever was kept of the list before."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "11:00"))
    yoga = await a_class(api, ada, seats=4)
    await a_visit(api, yoga, NINE)
    first = made(await try_hold(api, yoga, NINE, seats=2), "Hold")
    api.clock.set("2026-01-12T08:00:30Z")
    second = made(await try_hold(api, yoga, TEN, seats=4), "Hold")
    for _ in range(3):
        assert await left(api, yoga) == {NINE: 1}
    expires_at = datetime.fromisoformat(first["expiresAt"])
    api.clock.set(expires_at - timedelta(microseconds=1))
    for _ in range(3):
        assert await left(api, yoga) == {NINE: 1}
    api.clock.set(expires_at)
    for _ in range(3):
        assert await left(api, yoga) == {NINE: 3}
    api.clock.set(second["expiresAt"])
    assert await left(api, yoga) == {NINE: 3, TEN: 4}


async def test_a_list_that_is_kept_is_given_up_as_seats_are_taken_and_given_back(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bea = [await a_provider(api, weeklyHours=weekly("09:00", "11:00")) for _ in range(2)]
    room = await a_resource(api)
    needs = [{"name": "room", "resourceIds": [room["id"]]}]
    yoga = await a_class(api, ada, bea, seats=4, providersNeeded=2, needs=needs)
    statements = Statements(monkeypatch)
    asked: Json = {"id": yoga["id"], "seats": 1, **TODAYS}

    async def is_kept() -> bool:
        for _ in range(3):
            await api.ask(LISTING, **asked)
        return await statements.of(api, LISTING, **asked) == ["service_by_ids"]

    assert await is_kept()
    booked = await a_visit(api, yoga, NINE, seats=2)
    assert await left(api, yoga) == {NINE: 2, TEN: 4}
    assert await is_kept()
    await a_visit(api, yoga, NINE)
    assert await left(api, yoga) == {NINE: 1, TEN: 4}
    held = made(await try_hold(api, yoga, NINE), "Hold")
    assert await left(api, yoga) == {TEN: 4}
    assert await is_kept(), "until the hold expires"
    api.clock.set(held["expiresAt"])
    assert await left(api, yoga) == {NINE: 1, TEN: 4}
    await cancel(api, booked)
    assert await left(api, yoga) == {NINE: 3, TEN: 4}


SIDE_BY_SIDE = """
    query ($ids: [ID!]!) {
        nodes(ids: $ids) { ... on Service {
            availability(from: "2026-01-12", to: "2026-01-18", timeZone: "America/New_York", seats: 2) {
                ... on ServiceAvailability { slots { startsAt seatsLeft } }
            }
        } }
    }
"""
ALL_MOVES = """
    query ($from: Date!, $to: Date!) { appointments(first: 100) { nodes {
        rescheduleAvailability(from: $from, to: $to) {
            ... on ServiceAvailability { slots { startsAt seatsLeft } }
        }
    } } }
"""


async def test_lists_of_seats_cost_the_same_for_two_services_and_for_ten(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(monkeypatch)
    listed: list[list[str]] = []
    moved: list[list[str]] = []
    services: list[Json] = []
    for count in (2, 8):
        for _ in range(count):
            provider = await a_provider(api)
            services.append(await a_class(api, provider, seats=4))
            await a_visit(api, services[-1], NINE)
            await a_visit(api, services[-1], TEN, seats=2)
        ids = [each["id"] for each in services]
        listed.append(await statements.of(api, SIDE_BY_SIDE, ids=ids))
        moved.append(await statements.of(api, ALL_MOVES, caller=api.admin, **TODAYS))
    assert listed[0] == listed[1]
    assert moved[0] == moved[1]
    assert listed[0].count("active_sessions") == moved[0].count("active_sessions") == 1
    plain = await a_service(api, await a_provider(api))
    for _ in range(2):
        sent = await statements.of(api, SIDE_BY_SIDE, ids=[plain["id"]])
        assert "active_sessions" not in sent
