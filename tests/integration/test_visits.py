"""Visits that take more than one named provider: any provider, teams, rooms. Booked over HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.ids import ProviderId, ResourceId, SubjectId
from app.core.needs import Assignment, ResourceGroup
from app.core.viewer import Role, Viewer
from app.store.locks import lock_calendars
from app.store.pool import transaction
from app.store.sql import catalogue
from app.usecases.events.watch_appointments import may_concern, read_history
from tests.builders import (
    NOW,
    Api,
    Json,
    a_provider,
    an_appointment,
    blocked_by,
    key_in,
    made,
    unknown,
    utc,
    weekly,
)
from tests.integration.test_batching import Statements
from tests.lives import broken_laws
from tests.visits import (
    BOOK_VISIT,
    a_room,
    a_treatment,
    a_visit,
    a_wish,
    ids_of,
    needs_now,
    node,
    taken,
    try_hold,
    try_move,
    try_visit,
)

NINE, TEN, ELEVEN = (f"2026-01-13T{hour:02}:00Z" for hour in (9, 10, 11))


async def a_team(api: Api, count: int, **changes: Any) -> list[Json]:  # noqa: ANN401  fields of the input
    """So many providers."""
    return [await a_provider(api, **changes) for _ in range(count)]


# ---------------------------------------------------------------- any provider


async def test_a_wish_that_names_nobody_takes_the_first_in_the_services_order_who_is_free(
    api: Api,
) -> None:
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ben, ada, cyd)
    await an_appointment(api, ben, NINE)
    booked = await a_visit(api, service, NINE)
    assert ids_of(booked["appointment"]["providers"]) == [ada["id"]]
    assert booked["appointment"]["provider"]["id"] == ada["id"]
    # Listed for nobody else, and gone from her calendar.
    assert (await try_visit(api, service, NINE, ada))["reasons"] == ["ALREADY_TAKEN"]
    assert ids_of((await a_visit(api, service, NINE))["appointment"]["providers"]) == [cyd["id"]]
    refused = await try_visit(api, service, NINE)
    assert (refused["__typename"], refused["reasons"]) == ("SlotUnavailableError", ["NOBODY_FREE"])
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_the_history_says_who_was_taken_and_by_which_order(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    service = await a_treatment(api, ada, ben)
    assigned = await a_visit(api, service, NINE, caller=api.admin)
    [entry] = assigned["appointment"]["history"]
    assert (entry["assignment"], entry["fromProviders"]) == ("PRIORITY", [])
    assert ids_of(entry["toProviders"]) == [ada["id"]]
    named = await a_visit(api, service, NINE, ben, caller=api.admin)
    [entry] = named["appointment"]["history"]
    assert (entry["assignment"], ids_of(entry["toProviders"])) == (None, [ben["id"]])


async def test_the_least_busy_one_of_the_week_is_assigned(api: Api) -> None:
    """By the minutes of visits, in the ISO week of the start, in the provider's zone."""
    ada, ben = await a_team(api, 2, weeklyHours=weekly("00:00", "24:00"))
    service = await a_treatment(api, ada, ben, assignment=Assignment.LEAST_BUSY)
    await an_appointment(api, ben, "2026-01-18T23:00Z")  # Sunday, 60 minutes
    await an_appointment(api, ada, "2026-01-13T12:00Z", serviceId=service["id"])  # 30
    await an_appointment(api, ada, "2026-01-19T12:00Z")  # next week
    await an_appointment(api, ada, "2026-01-19T13:00Z")
    assert ids_of((await a_visit(api, service, TEN))["appointment"]["providers"]) == [ada["id"]]
    assert ids_of((await a_visit(api, service, ELEVEN))["appointment"]["providers"]) == [ada["id"]]
    # 90 against 60.
    after = await a_visit(api, service, "2026-01-14T12:00Z")
    assert ids_of(after["appointment"]["providers"]) == [ben["id"]]


async def test_the_one_whom_the_service_assigned_longest_ago_is_assigned(api: Api) -> None:
    """Round robin: never assigned first; named visits don't count, cancelled ones do."""
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben, cyd, assignment=Assignment.LONGEST_IDLE)
    order = []
    for minute, start in enumerate((NINE, TEN, ELEVEN, "2026-01-13T12:00Z")):
        api.clock.set(NOW + timedelta(minutes=minute))
        booked = await a_visit(api, service, start)
        order += ids_of(booked["appointment"]["providers"])
        if minute == 0:
            await cancel(api, booked)
    assert order == [ada["id"], ben["id"], cyd["id"], ada["id"]]


async def cancel(api: Api, booked: Json) -> None:
    document = "mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) { __typename } }"
    given = {
        "appointmentId": booked["appointment"]["id"],
        "manageToken": booked["manageToken"],
    }
    made((await api.ask(document, input=given))["answer"], "Appointment")


async def test_a_wish_names_providers_in_one_way_or_a_service(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    service = await a_treatment(api, ada, ben, needed=2)
    other = await a_provider(api)
    cases = [
        (a_wish(service, NINE, ada, providerId=ada["id"]), "providerIds"),
        (a_wish(service, NINE, ada, ada), "providerIds"),
        (a_wish(service, NINE, ada, ben, serviceId=None), "providerIds"),
        (a_wish(service, NINE, serviceId=None), "providerId"),
    ]
    for values, field in cases:
        answer = made((await api.ask(BOOK_VISIT, input=values))["answer"], "InvalidInputError")
        assert answer["field"] == field, values
    single = await a_treatment(api, ada, ben)
    assert (await try_visit(api, single, NINE, ada, ben))["field"] == "providerIds"
    for values in (
        a_wish(service, NINE, other),
        a_wish(service, NINE, ada, other),
        a_wish({"id": unknown("Service")}, NINE),
        a_wish({"id": unknown("Service")}, NINE, ada, ben),
    ):
        made((await api.ask(BOOK_VISIT, input=values))["answer"], "NotFoundError")
    # An empty list names nobody.
    await a_visit(api, single, NINE, providerIds=[])


async def test_a_page_that_shows_an_old_duration_books_no_visit(api: Api) -> None:
    service = await a_treatment(api, *await a_team(api, 2), needed=2)
    refused = await try_visit(api, service, NINE, durationMinutes=45)
    assert refused["field"] == "durationMinutes"
    await a_visit(api, service, NINE, durationMinutes=30)


# ---------------------------------------------------------------- teams and rooms


async def test_a_team_is_taken_together_each_with_their_own_buffers(api: Api) -> None:
    ada = await a_provider(api, bufferMinutes=30)
    ben = await a_provider(api)
    service = await a_treatment(api, ada, ben, needed=None, slotIntervalMinutes=30)
    booked = await a_visit(api, service, NINE)
    assert ids_of(booked["appointment"]["providers"]) == [ada["id"], ben["id"]]
    assert await taken(api, booked) == {key_in(ada["id"]): [1], key_in(ben["id"]): [1]}
    half_past = "2026-01-13T09:30Z"
    assert (await try_visit(api, service, half_past))["reasons"] == ["NOBODY_FREE"]
    await an_appointment(api, ben, half_past, serviceId=(await a_treatment(api, ben))["id"])
    await cancel(api, booked)
    assert await taken(api, booked) == {}
    await a_visit(api, service, NINE)


async def test_named_and_assigned_members_come_together(api: Api) -> None:
    """The first one named leads; the rest of the team are the first ones possible."""
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben, cyd, needed=2)
    booked = await a_visit(api, service, NINE, cyd)
    assert ids_of(booked["appointment"]["providers"]) == [cyd["id"], ada["id"]]
    both = await a_visit(api, service, TEN, ben, ada)
    assert ids_of(both["appointment"]["providers"]) == [ben["id"], ada["id"]]
    # Only Ben is left.
    assert (await try_visit(api, service, NINE, ben))["reasons"] == ["NOBODY_FREE"]


async def test_a_room_is_taken_with_the_visit_and_only_once(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    room = await a_room(api)
    service = await a_treatment(api, ada, ben, rooms=[room])
    booked = await a_visit(api, service, NINE, ben)
    assert await taken(api, booked) == {key_in(ben["id"]): [1], room: [1]}
    # By whatever service.
    other = await a_treatment(api, cyd, rooms=[room])
    for refused in (
        await try_visit(api, service, NINE),
        await try_visit(api, service, NINE, ada),
        await try_visit(api, other, NINE, cyd),
    ):
        assert refused["reasons"] == ["RESOURCE_TAKEN"], refused
    await cancel(api, booked)
    await a_visit(api, other, NINE)


async def test_units_are_taken_lowest_first_and_one_after_the_other(api: Api) -> None:
    team = await a_team(api, 4)
    two, one = await a_room(api, units=2), await a_room(api)
    service = await a_treatment(api, *team, rooms=[two, one])
    units = [await taken(api, await a_visit(api, service, NINE)) for _ in range(3)]
    rooms = [{each: held[each] for each in held if each in {one, two}} for held in units]
    assert rooms == [{two: [1]}, {two: [2]}, {one: [1]}]
    assert (await try_visit(api, service, NINE))["reasons"] == ["RESOURCE_TAKEN"]
    several = await a_treatment(api, team[3], rooms=[two, one], of_rooms=3)
    assert (await try_visit(api, several, NINE))["reasons"] == ["RESOURCE_TAKEN"]
    held = await taken(api, await a_visit(api, several, TEN))
    assert {each: held[each] for each in (two, one)} == {two: [1, 2], one: [1]}


async def test_a_service_that_got_needs_is_booked_with_them_for_named_providers_too(
    api: Api,
) -> None:
    """The plain way finds out, and gives way to the other."""
    ada = await a_provider(api)
    room = await a_room(api)
    service = await a_treatment(api, ada)
    plain = await a_visit(api, service, NINE, ada)
    assert await taken(api, plain) == {key_in(ada["id"]): [1]}
    await needs_now(api, service, groups=(ResourceGroup(name="r", count=1, resource_ids=(room,)),))
    booked = await a_visit(api, service, TEN, ada)
    assert await taken(api, booked) == {key_in(ada["id"]): [1], room: [1]}


async def test_what_an_appointment_takes_is_stored_with_its_claims(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    room = await a_room(api, units=2)
    service = await a_treatment(api, ada, ben, needed=2, rooms=[room], of_rooms=2)
    booked = await a_visit(api, service, NINE, ben)
    await cancel(api, booked)
    rows = await api.rows(
        "SELECT subject_id, unit, is_named FROM appointment_subject WHERE appointment_id = $1"
        " ORDER BY position",
        key_in(booked["appointment"]["id"]),
    )
    assert [(row["subject_id"], row["unit"], row["is_named"]) for row in rows] == [
        (key_in(ben["id"]), 1, True),
        (key_in(ada["id"]), 1, False),
        (room, 1, False),
        (room, 2, False),
    ]
    plain = await an_appointment(api, ada, TEN)
    assert not await api.rows(
        "SELECT 1 AS one FROM appointment_subject WHERE appointment_id = $1",
        key_in(plain["appointment"]["id"]),
    )


# ---------------------------------------------------------------- who may see it


async def test_every_provider_taken_has_the_same_rights(api: Api) -> None:
    """They see it, its history, and it in their list; they cancel it at the provider's side."""
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben, needed=2)
    booked = await a_visit(api, service, NINE)
    appointment_id = booked["appointment"]["id"]
    document = """
        query ($id: ID!) {
            appointment(id: $id) { id history { version } cancellationQuote { fee { amountMinor } } }
            appointments(first: 5) { totalCount nodes { id } }
        }
    """
    for provider in (ada, ben):
        seen = await api.ask(document, caller=api.acting_for(provider), id=appointment_id)
        assert seen["appointment"]["history"] == [{"version": 1}]
        assert seen["appointments"] == {"totalCount": 1, "nodes": [{"id": appointment_id}]}
    seen = await api.ask(document, caller=api.acting_for(cyd), id=appointment_id)
    assert (seen["appointment"], seen["appointments"]["nodes"]) == (None, [])


async def test_a_providers_list_has_what_they_lead_and_what_they_take_part_in(api: Api) -> None:
    """In the order of starts, page by page, from both ends, in any state."""
    ada, ben = await a_team(api, 2)
    service = await a_treatment(api, ada, ben, needed=2)
    booked = [
        await an_appointment(api, ben, NINE),
        await a_visit(api, service, TEN),
        await a_visit(api, service, ELEVEN, ben, ada),
        await a_visit(api, service, "2026-01-13T12:00Z"),
    ]
    await cancel(api, booked[1])
    wanted = ids_of([each["appointment"] for each in booked])
    document = """
        query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $status: [AppointmentStatus!]) {
            provider(id: $id) {
                appointments(first: $first, after: $after, last: $last, before: $before, status: $status) {
                    totalCount nodes { id } pageInfo { endCursor startCursor }
                }
            }
        }
    """

    async def page(**asked: object) -> Json:
        answer = await api.ask(document, caller=api.admin, id=ben["id"], **asked)
        found: Json = answer["provider"]["appointments"]
        return found

    assert ids_of((await page(first=10))["nodes"]) == wanted
    assert ids_of((await page(last=10))["nodes"]) == wanted
    first = await page(first=2)
    assert (ids_of(first["nodes"]), first["totalCount"]) == (wanted[:2], 4)
    rest = await page(first=2, after=first["pageInfo"]["endCursor"])
    assert ids_of(rest["nodes"]) == wanted[2:]
    last = await page(last=2)
    assert ids_of(last["nodes"]) == wanted[2:]
    before = await page(last=2, before=last["pageInfo"]["startCursor"])
    assert ids_of(before["nodes"]) == wanted[:2]
    cancelled = await page(first=5, status=["CANCELLED"])
    assert (ids_of(cancelled["nodes"]), cancelled["totalCount"]) == ([wanted[1]], 1)


async def test_a_provider_books_teams_that_they_are_named_in(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben, cyd, needed=2)
    me = api.acting_for(ada)
    await a_visit(api, service, NINE, ada, ben, caller=me)
    await a_visit(api, service, TEN, ben, ada, caller=me)
    for named in ((), (ben, cyd)):
        refused = await try_visit(api, service, ELEVEN, *named, caller=me)
        assert refused["__typename"] == "NotAllowedError"


# ---------------------------------------------------------------- holds


async def test_a_hold_keeps_whom_and_what_it_found_and_its_booking_takes_them(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    room = await a_room(api)
    service = await a_treatment(api, ada, ben, cyd, needed=2, rooms=[room])
    held = made(await try_hold(api, service, NINE), "Hold")
    assert ids_of(held["providers"]) == [ada["id"], ben["id"]]
    assert (await try_visit(api, service, NINE))["reasons"] == ["NOBODY_FREE", "RESOURCE_TAKEN"]
    assert (await try_visit(api, await a_treatment(api, cyd, rooms=[room]), NINE))["reasons"] == [
        "RESOURCE_TAKEN"
    ]
    # Everything may be left out but the token and the start.
    booked = await a_visit(api, service, NINE, holdToken=held["holdToken"], serviceId=None)
    assert ids_of(booked["appointment"]["providers"]) == [ada["id"], ben["id"]]
    assert await taken(api, booked) == {key_in(ada["id"]): [1], key_in(ben["id"]): [1], room: [1]}
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_what_is_given_with_a_hold_must_be_what_is_held(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    service, other = await a_treatment(api, ada, ben, cyd, needed=2), await a_treatment(api, ada)
    held = made(await try_hold(api, service, NINE, ben), "Hold")
    assert ids_of(held["providers"]) == [ben["id"], ada["id"]]
    token = held["holdToken"]
    for refused in (
        await try_visit(api, service, NINE, ada, holdToken=token),
        await try_visit(api, service, NINE, ben, cyd, holdToken=token),
        await try_visit(api, other, NINE, holdToken=token),
        await try_visit(api, service, TEN, holdToken=token),
    ):
        assert refused["field"] == "holdToken", refused
    wish = a_wish(service, NINE, ben, ada, holdToken=token)
    booked = made((await api.ask(BOOK_VISIT, input=wish))["answer"], "BookingConfirmation")
    again = made((await api.ask(BOOK_VISIT, input=wish))["answer"], "BookingConfirmation")
    assert again["appointment"]["id"] == booked["appointment"]["id"]
    # It was held for Ben and any other provider: only Ben was named.
    rows = await api.rows(
        "SELECT named FROM appointment WHERE id = $1", key_in(booked["appointment"]["id"])
    )
    assert rows == [{"named": 1}]


async def test_a_visit_is_held_where_its_services_rules_changed_since(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    service = await a_treatment(api, ada, ben, needed=2)
    held = made(await try_hold(api, service, NINE), "Hold")
    await needs_now(api, service, provider_ids=(ProviderId(key_in(ada["id"])),), providers_needed=1)
    booked = await a_visit(api, service, NINE, holdToken=held["holdToken"])
    assert ids_of(booked["appointment"]["providers"]) == [ada["id"], ben["id"]]


async def test_an_expired_hold_is_a_new_wish_for_the_same(api: Api) -> None:
    """Also where providers are left out; the choice is made again."""
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben, cyd)
    held = made(await try_hold(api, service, NINE), "Hold")
    assert ids_of(held["providers"]) == [ada["id"]]
    api.clock.set(NOW + timedelta(minutes=11))
    await an_appointment(api, ada, NINE)
    booked = await a_visit(api, service, NINE, holdToken=held["holdToken"], serviceId=None)
    assert ids_of(booked["appointment"]["providers"]) == [ben["id"]]
    named = made(await try_hold(api, service, NINE, cyd), "Hold")
    api.clock.set(NOW + timedelta(minutes=22))
    await an_appointment(api, cyd, NINE)
    wish = a_wish(service, NINE, holdToken=named["holdToken"], serviceId=None)
    refused = made((await api.ask(BOOK_VISIT, input=wish))["answer"], "HoldExpiredError")
    assert {each["providerId"] for each in refused["alternatives"]} == {cyd["id"]}


async def test_a_hold_that_is_released_gives_everybody_and_everything_back(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    room = await a_room(api)
    service = await a_treatment(api, ada, ben, needed=2, rooms=[room])
    held = made(await try_hold(api, service, NINE), "Hold")
    document = (
        "mutation ($token: String!) { releaseHold(input: {holdToken: $token}) { __typename } }"
    )
    await api.ask(document, token=held["holdToken"])
    await a_visit(api, service, NINE)


# ---------------------------------------------------------------- moves


async def test_the_named_stay_and_the_assigned_may_change(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben, cyd, needed=2)
    booked = await a_visit(api, service, NINE, ben)
    assert ids_of(booked["appointment"]["providers"]) == [ben["id"], ada["id"]]
    await an_appointment(api, ada, TEN)
    moved = made(await try_move(api, booked, TEN, caller=api.admin), "BookingConfirmation")
    assert ids_of(moved["appointment"]["providers"]) == [ben["id"], cyd["id"]]
    entry = moved["appointment"]["history"][-1]
    assert (entry["kind"], entry["assignment"]) == ("RESCHEDULED", "PRIORITY")
    assert ids_of(entry["fromProviders"]) == [ben["id"], ada["id"]]
    assert ids_of(entry["toProviders"]) == [ben["id"], cyd["id"]]
    assert ids_of(moved["appointment"]["history"][0]["toProviders"]) == [ben["id"], ada["id"]]
    # Where Ben has no time, nothing changes.
    await an_appointment(api, ben, ELEVEN)
    refused = await try_move(api, moved, ELEVEN, caller=api.admin)
    assert refused["__typename"] == "SlotUnavailableError"
    assert await taken(api, booked) == {key_in(ben["id"]): [1], key_in(cyd["id"]): [1]}
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_staff_hand_a_visit_over_at_its_own_start(api: Api) -> None:
    """Grid, notice and horizon play no part, and what stays as it is is not checked again: the
    room is closed to others, and the patient keeps it.
    """
    ada, ben, cyd = await a_team(api, 3)
    rooms = [await a_room(api), await a_room(api)]
    service = await a_treatment(api, ada, ben, cyd, rooms=rooms, slotIntervalMinutes=60)
    first = await a_visit(api, service, NINE, cyd)
    booked = await a_visit(api, service, NINE, ada)
    await cancel(api, first)
    assert await taken(api, booked) == {key_in(ada["id"]): [1], rooms[1]: [1]}
    api.clock.set("2026-01-13T08:59Z")
    for caller, named in ((None, (ben,)), (api.customer(), (ben,))):
        refused = await try_move(api, booked, NINE, *named, caller=caller)
        assert refused["__typename"] in {"NotAllowedError", "NotFoundError"}
    moved = made(
        await try_move(api, booked, NINE, ben, caller=api.acting_for(ada)), "BookingConfirmation"
    )
    assert moved["appointment"]["provider"]["id"] == ben["id"]
    assert moved["appointment"]["history"] == []  # she has nothing to do with it any more
    assert await taken(api, booked) == {key_in(ben["id"]): [1], rooms[1]: [1]}
    rows = await api.rows(
        "SELECT version, time_version FROM appointment WHERE id = $1",
        key_in(booked["appointment"]["id"]),
    )
    assert rows == [{"version": 2, "time_version": 2}]
    await an_appointment(api, ada, NINE, serviceId=(await a_treatment(api, ada))["id"])


async def test_a_plain_appointment_is_handed_over_too(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    booked = await an_appointment(api, ada, NINE)
    moved = made(await try_move(api, booked, NINE, ben, caller=api.admin), "BookingConfirmation")
    assert ids_of(moved["appointment"]["providers"]) == [ben["id"]]
    assert await taken(api, booked) == {key_in(ben["id"]): [1]}
    assert (await try_move(api, booked, NINE, ada, ben, caller=api.admin))["field"] == "providerIds"
    assert (await try_move(api, booked, NINE, ada, ada, caller=api.admin))["field"] == "providerIds"
    await an_appointment(api, ada, NINE)
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_a_move_takes_what_the_service_needs_now(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    room = await a_room(api)
    service = await a_treatment(api, ada, ben)
    booked = await a_visit(api, service, NINE, ada)
    group = ResourceGroup(name="room", count=1, resource_ids=(room,))
    await needs_now(api, service, groups=(group,), providers_needed=2)
    moved = made(await try_move(api, booked, TEN), "BookingConfirmation")
    assert ids_of(moved["appointment"]["providers"]) == [ada["id"], ben["id"]]
    assert await taken(api, booked) == {key_in(ada["id"]): [1], key_in(ben["id"]): [1], room: [1]}
    await needs_now(api, service, groups=(), providers_needed=1)
    back = made(await try_move(api, moved, NINE), "BookingConfirmation")
    assert ids_of(back["appointment"]["providers"]) == [ada["id"]]
    assert await taken(api, booked) == {key_in(ada["id"]): [1]}
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_who_stopped_offering_the_service_can_keep_the_visit(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    service = await a_treatment(api, ada, ben)
    booked = await a_visit(api, service, NINE, ada)
    assigned = await a_visit(api, service, NINE)
    assert ids_of(assigned["appointment"]["providers"]) == [ben["id"]]
    await needs_now(api, service, provider_ids=(ProviderId(key_in(cyd["id"])),))
    moved = made(await try_move(api, booked, TEN), "BookingConfirmation")
    assert ids_of(moved["appointment"]["providers"]) == [ada["id"]]
    # The service's own come first; those whom it has are the last resort.
    await an_appointment(api, cyd, ELEVEN)
    for start, expected in ((ELEVEN, ben), (TEN, cyd)):
        moved = made(await try_move(api, assigned, start), "BookingConfirmation")
        assert ids_of(moved["appointment"]["providers"]) == [expected["id"]]


async def test_at_its_own_start_an_assigned_visit_keeps_whom_it_has(api: Api) -> None:
    ada, ben = await a_team(api, 2)
    service = await a_treatment(api, ada, ben)
    blocking = await an_appointment(api, ada, NINE)
    booked = await a_visit(api, service, NINE)
    assert ids_of(booked["appointment"]["providers"]) == [ben["id"]]
    await cancel(api, blocking)
    moved = made(await try_move(api, booked, NINE), "BookingConfirmation")
    assert ids_of(moved["appointment"]["providers"]) == [ben["id"]]
    rows = await api.rows(
        "SELECT time_version FROM appointment WHERE id = $1", key_in(booked["appointment"]["id"])
    )
    assert rows == [{"time_version": 1}]


async def test_a_visit_moves_by_less_than_its_length_with_all_that_it_has(api: Api) -> None:
    """Its own claims count as free."""
    ada, ben = await a_team(api, 2)
    room = await a_room(api)
    service = await a_treatment(api, ada, ben, needed=2, rooms=[room], slotIntervalMinutes=15)
    booked = await a_visit(api, service, NINE)
    moved = made(await try_move(api, booked, "2026-01-13T09:15Z"), "BookingConfirmation")
    assert await taken(api, moved) == {key_in(ada["id"]): [1], key_in(ben["id"]): [1], room: [1]}
    assert (await try_visit(api, service, NINE))["reasons"] == ["NOBODY_FREE", "RESOURCE_TAKEN"]


async def test_every_provider_taken_is_notified_of_changes(api: Api) -> None:
    ada, ben, cyd = await a_team(api, 3)
    booked = await a_visit(api, await a_treatment(api, ada, ben, needed=2), NINE)
    keys = {name: ProviderId(key_in(each["id"])) for name, each in (("a", ada), ("b", ben))}
    since = await read_history(api.resources.pool, api.organization.id, NOW - timedelta(days=1))
    [change] = [
        each for each in since if each.appointment_id == key_in(booked["appointment"]["id"])
    ]
    assert change.provider_ids == (keys["a"], keys["b"])
    for provider, concerned in ((ada, True), (ben, True), (cyd, False)):
        viewer = Viewer(
            organization_id=api.organization.id,
            role=Role.PROVIDER,
            provider_id=ProviderId(key_in(provider["id"])),
        )
        assert may_concern(viewer, change) is concerned


# ---------------------------------------------------------------- at once


@pytest.mark.parametrize("free", [1, 3])
async def test_of_many_requests_for_any_provider_as_many_succeed_as_are_free(
    api: Api, free: int
) -> None:
    team = await a_team(api, free + 1)
    await an_appointment(api, team[0], NINE)
    service = await a_treatment(api, *team)
    wishes = [a_wish(service, NINE) for _ in range(20)]
    answers = await asyncio.gather(*(api.ask(BOOK_VISIT, input=wish) for wish in wishes))
    types = Counter(answer["answer"]["__typename"] for answer in answers)
    assert types == {"BookingConfirmation": free, "SlotUnavailableError": 20 - free}
    chosen = {
        answer["answer"]["appointment"]["provider"]["id"]
        for answer in answers
        if "appointment" in answer["answer"]
    }
    assert chosen == {*ids_of(team[1:])}


async def test_a_choice_that_is_overtaken_is_made_again(api: Api) -> None:
    """Ada is free when she is chosen, and taken before her calendar is locked: the visit is with
    Ben.
    """
    ada, ben = await a_team(api, 2)
    service = await a_treatment(api, ada, ben)
    resources, organization_id = api.resources, api.organization.id
    async with transaction(resources.pool) as holder:
        day: dict[SubjectId, list[date]] = {
            ProviderId(key_in(ada["id"])): [NOW.date() + timedelta(days=1)]
        }
        await lock_calendars(holder, organization_id, day)
        waiting = asyncio.create_task(a_visit(api, service, NINE))
        await blocked_by(api, holder)
        await holder.execute(
            "INSERT INTO hold (organization_id, id, provider_id, caller, starts_at, ends_at,"
            " created_at, expires_at)"
            " VALUES ($1, $2, $3, 'x', $4, $5, $6, $5)",
            [
                organization_id,
                held := resources.new_id(),
                key_in(ada["id"]),
                NOW + timedelta(hours=25),
                NOW + timedelta(hours=26),
                NOW,
            ],
        )
        await holder.execute(
            "INSERT INTO claim (organization_id, id, subject_id, provider_id, hold_id, during,"
            " visit, expires_at, active)"
            " VALUES ($1, $2, $3, $3, $4, tstzrange($5, $6), tstzrange($5, $6), $6, true)",
            [
                organization_id,
                resources.new_id(),
                key_in(ada["id"]),
                held,
                NOW + timedelta(hours=25),
                NOW + timedelta(hours=26),
            ],
        )
    booked = await waiting
    assert ids_of(booked["appointment"]["providers"]) == [ben["id"]]


async def test_the_same_key_gives_the_same_visit_also_where_nobody_is_left(api: Api) -> None:
    service = await a_treatment(api, *await a_team(api, 2))
    wish = a_wish(service, NINE)
    answers = await asyncio.gather(*(api.ask(BOOK_VISIT, input=wish) for _ in range(10)))
    booked = [made(answer["answer"], "BookingConfirmation") for answer in answers]
    assert len({each["appointment"]["id"] for each in booked}) == 1
    await a_visit(api, service, NINE)
    assert (await try_visit(api, service, NINE))["reasons"] == ["NOBODY_FREE"]
    again = made((await api.ask(BOOK_VISIT, input=wish))["answer"], "BookingConfirmation")
    assert again["appointment"]["id"] == booked[0]["appointment"]["id"]
    other = wish | {
        "providerIds": [node("Provider", key_in(booked[0]["appointment"]["provider"]["id"]))]
    }
    made((await api.ask(BOOK_VISIT, input=other))["answer"], "IdempotencyKeyReusedError")


# ---------------------------------------------------------------- what else there is


async def test_a_refused_wish_is_offered_the_nearest_starts_that_can_be_booked(api: Api) -> None:
    """With any provider who can lead them; so is a refused hold, and a refused move."""
    ada, ben = await a_team(api, 2, weeklyHours=weekly("09:00", "11:00"))
    room = await a_room(api)
    service = await a_treatment(api, ada, ben, rooms=[room], slotIntervalMinutes=30)
    booked = await a_visit(api, service, NINE)
    await an_appointment(api, ada, TEN)
    for refused in (await try_visit(api, service, NINE), await try_hold(api, service, NINE)):
        offered = [(each["providerId"], each["startsAt"]) for each in refused["alternatives"]]
        assert offered == [
            (ada["id"], "2026-01-12T10:00:00Z"),
            (ada["id"], "2026-01-12T10:30:00Z"),
            (ada["id"], "2026-01-13T09:30:00Z"),
            (ben["id"], "2026-01-13T10:00:00Z"),
            (ben["id"], "2026-01-13T10:30:00Z"),
        ]
    for each in refused["alternatives"][:2]:
        await a_visit(api, service, each["startsAt"])
    with_ada = await try_visit(api, service, NINE, ada)
    assert {each["providerId"] for each in with_ada["alternatives"]} == {ada["id"]}
    refused = await try_move(api, booked, "2026-01-13T10:45Z")
    moved = await try_move(api, booked, refused["alternatives"][0]["startsAt"])
    made(moved, "BookingConfirmation")


async def test_an_appointment_shows_its_rooms_also_when_it_is_cancelled(api: Api) -> None:
    ada = await a_provider(api)
    room = await a_room(api, units=2)
    booked = await a_visit(api, await a_treatment(api, ada, rooms=[room], of_rooms=2), NINE)
    document = """
        query ($id: ID!, $manageToken: String) {
            appointment(id: $id, manageToken: $manageToken) { resources { id kind units } }
        }
    """
    asked = {"id": booked["appointment"]["id"], "manageToken": booked["manageToken"]}
    for _ in range(2):
        seen = (await api.ask(document, **asked))["appointment"]
        # How many there are is staff's.
        assert seen["resources"] == [{"id": node("Resource", room), "kind": "room", "units": None}]
        await cancel(api, booked)


async def test_a_wish_for_a_service_that_is_known_to_take_more_is_tried_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one finds out in a transaction that is rolled back."""
    ada = await a_provider(api)
    room = await a_room(api)
    service = await a_treatment(api, ada, rooms=[room])
    statements = Statements(monkeypatch)

    async def tries(start: str) -> int:
        wish = a_wish(service, start, ada)
        await api.ask(BOOK_VISIT, input=wish)
        before = max(catalogue()["before_booking"].sql.splitlines(), key=len)
        count = sum(before in sql for sql in statements.sent)
        statements.sent.clear()
        return count

    assert [await tries(start) for start in (NINE, TEN, ELEVEN)] == [2, 1, 1]


# ---------------------------------------------------------------- without a choice


def a_room_of(*rooms: ResourceId, count: int = 1) -> tuple[ResourceGroup, ...]:
    return (ResourceGroup(name="room", count=count, resource_ids=rooms),)


@pytest.mark.usefixtures("one_postgres")
async def test_where_nothing_is_left_to_choose_a_visit_is_not_guessed_first(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is known that the service leaves no choice, everything is locked with the key."""
    statements = Statements(monkeypatch)
    ada, ben = await a_provider(api), await a_provider(api)
    room, other = await a_room(api), await a_room(api)
    alone = await a_treatment(api, ada, ben, rooms=[room])
    either = await a_treatment(api, ada, ben, rooms=[room, other])

    async def sent(service: Json, starts_at: str, *named: Json) -> Counter[str]:
        wish = a_wish(service, starts_at, *named)
        names = await statements.of(api, BOOK_VISIT, input=wish)
        found = Counter(name for name in names if not name.endswith("_by_ids"))
        found["executed"] = len(statements.executed)
        return found

    plain = Counter(["before_booking", "calendars", "claims_of_subjects", *["executed"] * 2])
    took = Counter(["needs_of_services", "resource_calendars"])
    guess = Counter(["needs_of_services", "calendars", "resource_calendars", "claims_of_subjects"])
    await a_visit(api, alone, NINE, ada)
    for starts_at, named in ((TEN, ada), (ELEVEN, ben)):
        assert await sent(alone, starts_at, named) == plain + took
    await a_visit(api, either, "2026-01-14T09:00:00Z", ada)
    assert await sent(either, "2026-01-14T10:00:00Z", ada) == plain + took + guess
    refused = made(await try_visit(api, alone, TEN, ben), "SlotUnavailableError")
    assert refused["reasons"] == ["RESOURCE_TAKEN"]
    assert refused["alternatives"]


async def test_what_is_known_of_a_service_is_looked_at_again_under_the_locks(api: Api) -> None:
    """It takes another room, both, no more than one, none, and another provider: each time the
    process knows what the booking before took.
    """
    ada, ben = await a_provider(api), await a_provider(api)
    room, other = await a_room(api), await a_room(api)
    service = await a_treatment(api, ada, ben, rooms=[room])
    occupied = await a_treatment(api, ben, rooms=[room])
    hours = iter(utc("2026-01-14", *(f"{hour:02}:00" for hour in range(9, 17))))
    alone, both = {key_in(ada["id"])}, {key_in(ada["id"]), key_in(ben["id"])}

    async def takes() -> set[UUID]:
        return {*await taken(api, await a_visit(api, service, next(hours), ada))}

    for _ in range(2):
        assert await takes() == {*alone, room}
    await needs_now(api, service, groups=a_room_of(room, other))
    await a_visit(api, occupied, "2026-01-14T11:00:00Z", ben)
    assert await takes() == {*alone, other}
    for groups, rooms in (
        (a_room_of(room, other, count=2), {room, other}),
        (a_room_of(other), {other}),
        ((), set[UUID]()),
    ):
        await needs_now(api, service, groups=groups)
        assert await takes() == alone | rooms
    await needs_now(api, service, providers_needed=2, groups=a_room_of(room))
    assert await takes() == {*both, room}
