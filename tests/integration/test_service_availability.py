"""Listing a service: by any free provider, with everything that it needs; and the reasons where
there is none.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.builders import (
    TODAY,
    Api,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    key_in,
    listed,
    made,
    unknown,
    utc,
    weekly,
)
from tests.integration.test_batching import Statements
from tests.lives import cancel, hold
from tests.visits import a_visit, ids_of, taken, try_hold, try_move, try_visit

LISTING = """
    query ($id: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone!, $providerIds: [ID!]) {
        node(id: $id) { ... on Service {
            availability(from: $from, to: $to, timeZone: $timeZone, providerIds: $providerIds) {
                __typename
                ... on ServiceAvailability {
                    timeZone durationMinutes service { id }
                    days {
                        date slotCount startTimes slots { startsAt endsAt localStart localEnd providerIds }
                    }
                    slots { startsAt providerIds }
                }
                ... on UserError { code message }
                ... on InvalidInputError { field }
            }
        } }
    }
"""

NEXT = """
    query ($id: ID!, $after: DateTime, $providerIds: [ID!]) {
        node(id: $id) { ... on Service {
            nextAvailableSlot(after: $after, timeZone: "Europe/Berlin", providerIds: $providerIds) {
                startsAt endsAt localStart localEnd providerIds
            }
        } }
    }
"""

EXPLAIN = """
    query ($serviceId: ID, $providerId: ID, $startsAt: DateTime!) {
        explainTime(serviceId: $serviceId, providerId: $providerId, startsAt: $startsAt) {
            bookable reasons members { provider { id } resource { id } reasons }
        }
    }
"""

ALL = """
    query ($ids: [ID!]!, $from: Date!, $to: Date!) {
        nodes(ids: $ids) { ... on Service {
            availability(from: $from, to: $to, timeZone: "America/New_York") {
                ... on ServiceAvailability { slots { startsAt providerIds } }
            }
        } }
    }
"""

NINE, TEN, ELEVEN = utc(str(TODAY), "09:00", "10:00", "11:00")


async def answer(
    api: Api,
    service: Json,
    first: date | str = TODAY,
    last: date | str | None = None,
    zone: str = "UTC",
    **asked: object,
) -> Json:
    """What the service answers for these dates."""
    days: Json = {"from": str(first), "to": str(last or first), "timeZone": zone}
    data = await api.ask(LISTING, id=service["id"], **(days | asked))
    found: Json = data["node"]["availability"]
    return found


async def offered(
    api: Api,
    service: Json,
    first: date | str = TODAY,
    last: date | str | None = None,
    zone: str = "UTC",
    **asked: object,
) -> dict[str, list[str]]:
    """Who can lead at each start that is listed on these dates, in order."""
    found = made(await answer(api, service, first, last, zone, **asked), "ServiceAvailability")
    return {slot["startsAt"]: slot["providerIds"] for slot in found["slots"]}


def needing(*rooms: Json, count: int = 1) -> list[Json]:
    """The need of so many of these rooms."""
    return [{"name": "room", "count": count, "resourceIds": ids_of(rooms)}]


async def explained(api: Api, starts_at: str, *, staff: bool = True, **asked: str) -> Json:
    """What `explainTime` says."""
    caller = api.admin if staff else None
    data = await api.ask(EXPLAIN, caller=caller, startsAt=starts_at, **asked)
    found: Json = data["explainTime"]
    return found


# ---------------------------------------------------------------- what is listed


async def test_a_service_is_listed_with_any_free_provider(api: Api) -> None:
    early = await a_provider(api, weeklyHours=weekly("09:00", "11:00"))
    late = await a_provider(api, weeklyHours=weekly("10:00", "12:00"))
    service = await a_service(api, late, early, durationMinutes=60)
    both = [late["id"], early["id"]]
    assert await offered(api, service) == {NINE: [early["id"]], TEN: both, ELEVEN: [late["id"]]}
    await an_appointment(api, late, TEN, serviceId=service["id"])
    for _ in range(3):  # computed, from the days that are kept, given again
        assert await offered(api, service) == {
            NINE: [early["id"]],
            TEN: [early["id"]],
            ELEVEN: [late["id"]],
        }
        assert await offered(api, service, providerIds=[late["id"]]) == {ELEVEN: [late["id"]]}


async def test_a_team_is_listed_where_enough_of_it_are_possible_and_one_can_lead(api: Api) -> None:
    """Those who only take part need not have the start on their grid."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    bea = await a_provider(api, weeklyHours=weekly("09:30", "12:30"))
    service = await a_service(api, ada, bea, providersNeeded=2, durationMinutes=60)
    half_past = utc(str(TODAY), "09:30", "10:30")
    assert await offered(api, service) == {
        half_past[0]: [bea["id"]],
        TEN: [ada["id"]],
        half_past[1]: [bea["id"]],
        ELEVEN: [ada["id"]],
    }
    await an_appointment(api, ada, ELEVEN)
    assert await offered(api, service) == {half_past[0]: [bea["id"]], TEN: [ada["id"]]}
    assert await offered(api, service, providerIds=ids_of([bea, ada])) == {
        half_past[0]: [bea["id"]]
    }


async def test_a_room_that_another_service_has_is_not_listed(api: Api) -> None:
    """With its buffers, and with any provider of both services who is free."""
    ada, bea = [await a_provider(api, weeklyHours=weekly("09:00", "12:00")) for _ in range(2)]
    room = await a_resource(api)
    massage = await a_service(api, ada, needs=needing(room), durationMinutes=60)
    sauna = await a_service(
        api, bea, needs=needing(room), durationMinutes=60, bufferAfterMinutes=30
    )
    assert list(await offered(api, sauna)) == [NINE, utc(str(TODAY), "10:30")[0]]
    await a_visit(api, massage, TEN)
    assert list(await offered(api, sauna)) == []
    assert list(await offered(api, massage)) == [NINE, ELEVEN]
    assert await listed(api, bea, serviceId=sauna["id"]) == []
    assert len(await listed(api, bea)) == 3, "without the service there is no need of a room"


async def test_units_are_counted(api: Api) -> None:
    providers = [await a_provider(api, weeklyHours=weekly("09:00", "11:00")) for _ in range(4)]
    chairs = await a_resource(api, units=3)
    service = await a_service(api, *providers, needs=needing(chairs, count=2), durationMinutes=60)
    assert list(await offered(api, service)) == [NINE, TEN]
    await a_visit(api, service, TEN, providers[0])
    assert await offered(api, service) == {NINE: ids_of(providers)}, "one chair is left at ten"


async def test_dates_are_read_in_the_zone_asked_for_whatever_the_zones_of_those_taken(
    api: Api,
) -> None:
    tokyo = await a_provider(api, timeZone="Asia/Tokyo", weeklyHours=weekly("08:00", "10:00"))
    apia = await a_provider(api, timeZone="Pacific/Apia", weeklyHours=weekly("12:00", "14:00"))
    service = await a_service(api, tokyo, apia, providersNeeded=2, durationMinutes=60)
    # 08:00 in Tokyo is 12:00 in Apia, and 23:00 of the day before in UTC.
    starts = utc("2026-01-13", "23:00") + utc("2026-01-14", "00:00")
    for zone, days in (
        ("Asia/Tokyo", ["2026-01-14"]),
        ("America/New_York", ["2026-01-13"]),
        ("UTC", ["2026-01-13", "2026-01-14"]),
    ):
        one_by_one = [
            start for day in days for start in await offered(api, service, day, zone=zone)
        ]
        together = list(await offered(api, service, days[0], days[-1], zone))
        part = [start for start in together if start in starts]
        assert part == starts
        assert one_by_one == together
    found = await answer(api, service, "2026-01-13", zone="America/New_York")
    assert found["timeZone"] == "America/New_York"
    assert found["service"] == {"id": service["id"]}
    [day] = found["days"]
    assert (day["date"], day["slotCount"]) == ("2026-01-13", 2)
    assert day["slots"][0] == {
        "startsAt": starts[0],
        "endsAt": starts[1],
        "localStart": "2026-01-13T18:00:00-05:00",
        "localEnd": "2026-01-13T19:00:00-05:00",
        "providerIds": ids_of([tokyo, apia]),
    }
    assert day["startTimes"] == starts


async def test_what_is_held_is_listed_from_the_instant_on_at_which_the_hold_expires(
    api: Api,
) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "10:00"))
    bea = await a_provider(api, weeklyHours=weekly("09:00", "10:00"))
    service = await a_service(api, ada, bea, providersNeeded=2, durationMinutes=60)
    held = await hold(api, bea, NINE)
    assert await offered(api, service) == {}
    api.clock.set(held["expiresAt"])
    assert await offered(api, service) == {NINE: ids_of([ada, bea])}


async def test_what_can_not_be_listed_is_refused_by_name(api: Api) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    service = await a_service(api, ada)
    for asked, type_name in (
        ({"last": TODAY - timedelta(days=1)}, "InvalidDateRangeError"),
        ({"last": TODAY + timedelta(days=62)}, "InvalidDateRangeError"),
        ({"zone": "Mars/Olympus"}, "InvalidInputError"),
        ({"providerIds": ids_of([bea])}, "NotFoundError"),
        ({"providerIds": [unknown("Provider")]}, "NotFoundError"),
        ({"providerIds": ids_of([ada, ada])}, "InvalidInputError"),
    ):
        found = await answer(api, service, **asked)
        assert found["__typename"] == type_name, asked
    team = await a_service(api, ada, bea, providersNeeded=1)
    found = await answer(api, team, providerIds=ids_of([ada, bea]))
    assert (found["__typename"], found["field"]) == ("InvalidInputError", "providerIds")
    nobody = await a_service(api)
    assert await offered(api, nobody) == {}


# ---------------------------------------------------------------- the next ones


async def test_the_next_slot_is_the_first_that_is_listed(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00", ["MONDAY"]))
    bea = await a_provider(api, weeklyHours=weekly("09:00", "12:00", ["TUESDAY"]))
    service = await a_service(api, ada, bea, durationMinutes=60)

    async def first(**asked: Any) -> Json | None:  # noqa: ANN401  variables
        data = await api.ask(NEXT, id=service["id"], **asked)
        found: Json | None = data["node"]["nextAvailableSlot"]
        return found

    assert await first() == {
        "startsAt": NINE,
        "endsAt": TEN,
        "localStart": "2026-01-12T10:00:00+01:00",
        "localEnd": "2026-01-12T11:00:00+01:00",
        "providerIds": [ada["id"]],
    }
    later = await first(after=f"{TODAY}T11:00:01Z")
    assert later is not None
    assert later["startsAt"] == "2026-01-13T09:00:00Z"
    named = await first(providerIds=[bea["id"]], after="2026-02-03T10:00:00Z")
    assert named is not None
    assert named["startsAt"] == "2026-02-03T10:00:00Z"
    assert await first(after="2027-01-01T00:00:00Z") is None, "beyond everybody's horizon"


async def test_providers_of_a_team_are_listed_as_leads(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    bea = await a_provider(api, weeklyHours=weekly("10:00", "13:00"))
    service = await a_service(api, ada, bea, providersNeeded=2, durationMinutes=60)
    both = [TEN, ELEVEN]
    for provider in (ada, bea):
        assert await listed(api, provider, serviceId=service["id"]) == both
        data = await api.ask(
            "query ($id: ID!, $serviceId: ID) { provider(id: $id) {"
            " nextAvailableSlot(serviceId: $serviceId) { startsAt providerId } } }",
            id=provider["id"],
            serviceId=service["id"],
        )
        assert data["provider"]["nextAvailableSlot"] == {
            "startsAt": TEN,
            "providerId": provider["id"],
        }
    data = await api.ask(
        "query ($serviceId: ID) { nextAvailableSlots(serviceId: $serviceId, first: 5) {"
        " startsAt providerId } }",
        serviceId=service["id"],
    )
    found = data["nextAvailableSlots"]
    assert [slot["startsAt"] for slot in found[:4]] == [TEN, TEN, ELEVEN, ELEVEN]
    assert {slot["providerId"] for slot in found} == set(ids_of([ada, bea]))
    assert found[4]["startsAt"] == "2026-01-13T10:00:00Z"


# ---------------------------------------------------------------- why not


async def test_every_member_has_reasons_of_their_own_and_only_staff_see_them(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    bea = await a_provider(api, weeklyHours=weekly("10:00", "12:00"))
    room = await a_resource(api)
    service = await a_service(api, ada, bea, needs=needing(room), durationMinutes=60)
    await a_visit(api, service, TEN, ada)
    at_nine = await explained(api, NINE, serviceId=service["id"])
    assert (at_nine["bookable"], at_nine["reasons"]) == (True, [])
    assert [
        (each["provider"], each["resource"], each["reasons"]) for each in at_nine["members"]
    ] == [
        ({"id": ada["id"]}, None, []),
        ({"id": bea["id"]}, None, ["OUTSIDE_HOURS"]),
        (None, {"id": room["id"]}, []),
    ]
    at_ten = await explained(api, TEN, serviceId=service["id"])
    assert at_ten["reasons"] == ["RESOURCE_TAKEN"]
    assert [each["reasons"] for each in at_ten["members"]] == [
        ["ALREADY_TAKEN"],
        [],
        ["ALREADY_TAKEN"],
    ]
    named = await explained(api, TEN, serviceId=service["id"], providerId=ada["id"])
    assert named["reasons"] == ["ALREADY_TAKEN", "RESOURCE_TAKEN"]
    assert (await explained(api, TEN, staff=False, serviceId=service["id"]))["members"] is None
    alone = await explained(api, TEN, providerId=ada["id"])
    assert [each["reasons"] for each in alone["members"]] == [["ALREADY_TAKEN"]]
    refused = await api.send(EXPLAIN, startsAt=TEN)
    assert refused.codes == ["BAD_USER_INPUT"]
    assert await explained(api, TEN, serviceId=unknown("Service")) is None


# ---------------------------------------------------------------- what it costs


@pytest.mark.parametrize("is_alone", [False, True])
async def test_a_listing_costs_the_same_for_two_providers_and_rooms_as_for_twenty(
    api: Api, monkeypatch: pytest.MonkeyPatch, *, is_alone: bool
) -> None:
    """However many services are listed side by side; computed it costs the same with and without
    the caches, and from what is kept nothing.
    """
    statements = Statements(monkeypatch)
    sent: list[list[str]] = []
    for count in (2, 20):
        providers = [
            await a_provider(api, bufferMinutes=5 * (number % 3)) for number in range(count)
        ]
        rooms = [await a_resource(api, units=1 + number % 2) for number in range(count)]
        services = [
            await a_service(
                api, *providers, providersNeeded=2, needs=needing(*rooms), durationMinutes=60
            )
            for _ in range(1 if is_alone else count // 2)
        ]
        days: Json = {"from": str(TODAY), "to": str(TODAY + timedelta(days=6))}
        sent.append(await statements.of(api, ALL, ids=[each["id"] for each in services], **days))
        again = await statements.of(api, ALL, ids=[each["id"] for each in services], **days)
        assert set(again) <= {"service_by_ids"}, "the node itself"
    assert sent[0] == sent[1]
    for name, most in (
        ("calendars", 1),
        ("resource_calendars", 1),
        ("needs_of_services", 1),
        ("claims_of_subjects", 2),
    ):
        assert sent[0].count(name) <= most, name


# ---------------------------------------------------------------- where it can be moved to

MOVES = """
    query ($id: ID!, $token: String, $from: Date!, $to: Date!, $providerIds: [ID!]) {
        appointment(id: $id, manageToken: $token) {
            rescheduleAvailability(from: $from, to: $to, timeZone: "UTC", providerIds: $providerIds) {
                __typename
                ... on ServiceAvailability { durationMinutes service { id } slots { startsAt providerIds } }
                ... on UserError { message }
                ... on InvalidInputError { field }
            }
        }
    }
"""


async def moves(api: Api, booked: Json, *, staff: bool = True, **asked: object) -> Json | None:
    """Where the appointment can be moved to today, as an administrator or its manage token sees
    it.
    """
    variables: Json = {
        "id": booked["appointment"]["id"],
        "from": str(TODAY),
        "to": str(TODAY),
        "token": None if staff else booked["manageToken"],
    }
    caller = api.admin if staff else None
    data = await api.ask(MOVES, caller=caller, **(variables | asked))
    found: Json | None = data["appointment"]["rescheduleAvailability"]
    return found


def leading(found: Json | None) -> dict[str, list[str]]:
    """Who can lead at each start."""
    assert found is not None
    return {
        slot["startsAt"]: slot["providerIds"]
        for slot in made(found, "ServiceAvailability")["slots"]
    }


async def test_an_appointments_own_time_and_rooms_count_as_free_where_it_moves(api: Api) -> None:
    ada, bea = [await a_provider(api, weeklyHours=weekly("09:00", "12:00")) for _ in range(2)]
    room = await a_resource(api)
    service = await a_service(
        api, ada, bea, needs=needing(room), durationMinutes=60, slotIntervalMinutes=30
    )
    booked = await a_visit(api, service, TEN, ada)
    half = utc(str(TODAY), "09:30", "10:30")
    assert await offered(api, service) == {
        NINE: [ada["id"], bea["id"]],
        ELEVEN: [ada["id"], bea["id"]],
    }
    by_half_hours = {key: [ada["id"]] for key in [NINE, half[0], TEN, half[1], ELEVEN]}
    assert leading(await moves(api, booked)) == by_half_hours, "who was named stays"
    assert leading(await moves(api, booked, staff=False)) == by_half_hours
    instead = leading(await moves(api, booked, providerIds=[bea["id"]]))
    assert instead == {key: [bea["id"]] for key in by_half_hours}
    assigned = await a_visit(api, service, NINE)
    either = leading(await moves(api, assigned))
    assert either == {NINE: [ada["id"], bea["id"]], ELEVEN: [ada["id"], bea["id"]]}, (
        "any provider is free, but the room is taken at ten"
    )


async def test_an_appointment_without_a_service_can_be_moved_by_its_providers_own_rules(
    api: Api,
) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    booked = await an_appointment(api, ada, TEN)
    found = await moves(api, booked, staff=False)
    assert leading(found) == {key: [ada["id"]] for key in [NINE, TEN, ELEVEN]}
    assert found is not None
    assert (found["service"], found["durationMinutes"]) == (None, 60)


async def test_where_an_appointment_can_not_be_moved_nothing_is_listed_and_others_name_nobody(
    api: Api,
) -> None:
    ada, bea = [await a_provider(api, weeklyHours=weekly("09:00", "12:00")) for _ in range(2)]
    service = await a_service(api, ada, bea, durationMinutes=60)
    booked = await a_visit(api, service, TEN, ada)
    named = await moves(api, booked, staff=False, providerIds=[bea["id"]])
    assert named is not None
    assert (named["__typename"], named["field"]) == ("InvalidInputError", "providerIds")
    stranger = await a_provider(api)
    refused = await moves(api, booked, providerIds=[stranger["id"]])
    assert refused is not None
    assert refused["__typename"] == "NotFoundError"
    await cancel(api, booked)
    assert await moves(api, booked) is None


ALL_MOVES = """
    query ($from: Date!, $to: Date!) { appointments(first: 100) { nodes {
        rescheduleAvailability(from: $from, to: $to) { ... on ServiceAvailability { slots { startsAt } } }
    } } }
"""


async def test_where_appointments_can_be_moved_to_costs_the_same_for_two_and_for_ten(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a service and without one, of one provider and of a team with a room."""
    statements = Statements(monkeypatch)
    days: Json = {"from": str(TODAY), "to": str(TODAY + timedelta(days=6))}
    sent: list[list[str]] = []
    for count in (1, 4):
        for _ in range(count):
            ada, bea = [await a_provider(api) for _ in range(2)]
            room = await a_resource(api)
            team = await a_service(api, ada, bea, providersNeeded=2, needs=needing(room))
            await a_visit(api, team, NINE)
            await an_appointment(api, ada, TEN)
        sent.append(await statements.of(api, ALL_MOVES, caller=api.admin, **days))
    assert sent[0] == sent[1]


# ---------------------------------------------------------------- archived resources


async def archive(api: Api, *rooms: Json) -> None:
    """From now on, no new visit takes these."""
    ids = [key_in(room["id"]) for room in rooms]
    await api.resources.pool.execute(
        "UPDATE resource SET is_archived = true WHERE organization_id = $1 AND id = ANY($2)",
        [api.organization.id, ids],
    )


def refused(found: Json) -> list[str]:
    """The reasons."""
    reasons: list[str] = made(found, "SlotUnavailableError")["reasons"]
    return reasons


async def test_an_archived_room_is_neither_listed_found_nor_booked(api: Api) -> None:
    """With the other one, a visit is what it was; without it, there is none, and the reason is that
    the room is missing.
    """
    ada, bea = await a_provider(api), await a_provider(api)
    gone, other = await a_resource(api), await a_resource(api)
    service = await a_service(api, ada, bea, needs=needing(gone, other), durationMinutes=60)
    await archive(api, gone)
    booked = await a_visit(api, service, TEN)
    assert set(await taken(api, booked)) == {key_in(ada["id"]), key_in(other["id"])}
    assert TEN not in await offered(api, service)
    assert ELEVEN in await offered(api, service)
    assert refused(await try_visit(api, service, TEN)) == ["RESOURCE_TAKEN"]

    alone = await a_service(api, ada, bea, needs=needing(gone), durationMinutes=60)
    last = TODAY + timedelta(days=6)
    assert await offered(api, alone, TODAY, last) == {}
    assert await listed(api, bea, TODAY, last, serviceId=alone["id"]) == []
    for named in ((), (bea,)):
        assert "RESOURCE_TAKEN" in refused(await try_visit(api, alone, ELEVEN, *named))
        refusal = await try_hold(api, alone, ELEVEN, *named)
        assert "RESOURCE_TAKEN" in refused(refusal)
        assert refusal["alternatives"] == []
    said = await explained(api, ELEVEN, serviceId=alone["id"])
    assert "RESOURCE_TAKEN" in said["reasons"]
    assert ELEVEN in await listed(api, bea)


async def test_a_visit_keeps_its_archived_room_where_it_is_and_leaves_it_where_it_moves(
    api: Api,
) -> None:
    """Archiving changes nothing that is booked: staff hand it over in the same room. At another
    time it takes one that is left, and only those times are listed.
    """
    ada, bea = await a_provider(api), await a_provider(api)
    gone, other = await a_resource(api), await a_resource(api)
    service = await a_service(api, ada, bea, needs=needing(gone, other), durationMinutes=60)
    [twelve] = utc(str(TODAY), "12:00")
    first = await a_visit(api, service, TEN)
    assert key_in(gone["id"]) in await taken(api, first)
    await archive(api, gone)
    made(await try_move(api, first, TEN, bea, caller=api.admin), "BookingConfirmation")
    assert set(await taken(api, first)) == {key_in(bea["id"]), key_in(gone["id"])}
    await a_visit(api, service, twelve)
    starts = leading(await moves(api, first))
    assert twelve not in starts
    assert ELEVEN in starts
    assert refused(await try_move(api, first, twelve)) == ["RESOURCE_TAKEN"]
    made(await try_move(api, first, ELEVEN), "BookingConfirmation")
    assert key_in(other["id"]) in await taken(api, first)
    assert key_in(gone["id"]) not in await taken(api, first)
