"""Archived providers, services and resources: nobody finds, holds or books them any more, what is
booked stays, and they can be brought back.
"""

from __future__ import annotations

from typing import Any

import pytest

from app.core.slots import UnbookableReason
from tests.builders import (
    REFUSALS,
    TODAY,
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    key_in,
    listed,
    made,
    utc,
)
from tests.lives import booked, cancel, held, hold, move, seen, try_booking
from tests.visits import a_visit, ids_of, taken, try_move, try_visit

MONDAY, TUESDAY = "2026-01-12", "2026-01-13"
TEN, ELEVEN = f"{MONDAY}T10:00Z", f"{MONDAY}T11:00Z"

UPDATE = f"""
    mutation ($provider: UpdateProviderInput!, $service: UpdateServiceInput!, $resource: UpdateResourceInput!,
        $isProvider: Boolean!, $isService: Boolean!, $isResource: Boolean!) {{
        provider: updateProvider(input: $provider) @include(if: $isProvider) {{
            __typename ... on Provider {{ isArchived }} ...Preview {REFUSALS}
        }}
        service: updateService(input: $service) @include(if: $isService) {{
            __typename ... on Service {{ isArchived }} ...Preview {REFUSALS}
        }}
        resource: updateResource(input: $resource) @include(if: $isResource) {{
            __typename ... on Resource {{ isArchived }} ...Preview {REFUSALS}
        }}
    }}
    fragment Preview on ChangePreview {{
        openMinutesGained openMinutesLost strandedCount stranded {{ id }}
    }}
"""
LISTS = """
    query ($include: Boolean) {
        providers(includeArchived: $include) { totalCount nodes { id isArchived } }
        services(includeArchived: $include) { totalCount nodes { id isArchived } }
        resources(includeArchived: $include) { totalCount nodes { id isArchived } }
    }
"""
BY_ID = """
    query ($provider: ID!, $service: ID!) {
        provider(id: $provider) { id isArchived services { id } }
        service(id: $service) { id isArchived providers { id } needs { resources { id } } }
        nodes(ids: [$provider, $service]) { id }
    }
"""
OF_SERVICE = """
    query ($id: ID!, $from: Date!, $to: Date!) {
        service(id: $id) {
            availability(from: $from, to: $to, timeZone: "UTC") {
                __typename
                ... on ServiceAvailability { slots { startsAt providerIds } }
                ... on UserError { code }
            }
        }
    }
"""
NEXT = "query ($service: ID) { nextAvailableSlots(serviceId: $service) { providerId } }"
STRANDED = "{ strandedAppointments { nodes { id } } }"


async def update(api: Api, thing: Json, caller: Caller | None = None, **changes: Any) -> Json:  # noqa: ANN401  fields of the input
    """The answer to a change of a provider, a service or a resource."""
    data = await api.send(
        "query ($id: ID!) { node(id: $id) { __typename } }", caller=api.admin, id=thing["id"]
    )
    kind = data.data["node"]["__typename"].lower()
    nothing = {"id": thing["id"]}
    inputs: Json = dict.fromkeys(("provider", "service", "resource"), nothing)
    chosen: Json = {f"is{each.title()}": each == kind for each in inputs}
    inputs[kind] = {**nothing, **changes}
    answer = await api.ask(UPDATE, caller=caller or api.admin, **inputs, **chosen)
    found: Json = answer[kind]
    return found


async def archive(api: Api, *things: Json, back: bool = False) -> None:
    for thing in things:
        assert (await update(api, thing, isArchived=not back))["isArchived"] is not back


async def of_service(api: Api, service: Json, day: str = MONDAY) -> dict[str, list[str]] | str:
    """Who can lead the service at each start of a date; or why there is no answer."""
    data = await api.ask(OF_SERVICE, caller=api.admin, id=service["id"], **{"from": day, "to": day})
    found = data["service"]["availability"]
    if found["__typename"] != "ServiceAvailability":
        return str(found["code"])
    return {slot["startsAt"]: slot["providerIds"] for slot in found["slots"]}


async def leads(api: Api, service: Json) -> set[str]:
    """With whom it can be booked on Monday."""
    found = await of_service(api, service)
    return {each for slot in found.values() for each in slot} if isinstance(found, dict) else set()


# ---------------------------------------------------------------- what nobody finds


async def test_what_is_archived_is_in_no_list_but_for_staff_who_ask(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    room, chair = await a_resource(api), await a_resource(api)
    cut, dye = await a_service(api, ada), await a_service(api, ada)
    await archive(api, ada, room, cut)
    kept = {"providers": ben, "services": dye, "resources": chair}
    for caller in (api.admin, api.reception, api.acting_for(ben), api.anonymous):
        is_staff = caller is not api.anonymous
        found = await api.ask(LISTS, caller=caller)
        for name, thing in kept.items():
            if name == "resources" and not is_staff:
                continue
            assert found[name]["nodes"] == [{"id": thing["id"], "isArchived": False}]
            assert found[name]["totalCount"] == 1
        found = await api.ask(LISTS, caller=caller, include=True)
        assert found["providers"]["totalCount"] == (2 if is_staff else 1)
        assert len(found["services"]["nodes"]) == (2 if is_staff else 1)
    found = await api.ask(LISTS, caller=api.admin, include=True)
    archived = {each["id"] for name in kept for each in found[name]["nodes"] if each["isArchived"]}
    assert archived == {ada["id"], room["id"], cut["id"]}


async def test_staff_find_by_id_what_is_archived_and_guests_do_not(api: Api) -> None:
    ada, ben, room = await a_provider(api), await a_provider(api), await a_resource(api)
    needs = [{"name": "room", "resourceIds": [room["id"]]}]
    cut, dye = await a_service(api, ada, ben, needs=needs), await a_service(api, ada)
    await archive(api, ada, dye, room)
    ids = {"provider": ada["id"], "service": cut["id"]}
    staff = await api.ask(BY_ID, caller=api.reception, **ids)
    assert staff["provider"]["isArchived"]
    assert {each["id"] for each in staff["provider"]["services"]} == {cut["id"], dye["id"]}
    assert [each["id"] for each in staff["service"]["providers"]] == [ada["id"], ben["id"]]
    assert staff["service"]["needs"] == [{"resources": [{"id": room["id"]}]}]
    guest = await api.ask(BY_ID, **ids)
    assert guest["provider"] is None
    assert guest["nodes"] == [None, {"id": cut["id"]}]
    assert guest["service"]["providers"] == [{"id": ben["id"]}]
    assert guest["service"]["needs"] == [{"resources": []}]
    guest = await api.ask(BY_ID, provider=ben["id"], service=dye["id"])
    assert guest["service"] is None
    assert guest["provider"]["services"] == [{"id": cut["id"]}]


async def test_an_archived_provider_is_not_held_or_booked(api: Api) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, ada)
    assert await listed(api, ada, MONDAY) != []
    await archive(api, ada)
    asked = {"id": ada["id"], "from": MONDAY, "to": MONDAY}
    staff = """query ($id: ID!, $from: Date!, $to: Date!) {
        provider(id: $id) {
            nextAvailableSlot { startsAt }
            availability(from: $from, to: $to) { __typename ... on UserError { code } }
        }
    }"""
    found = (await api.ask(staff, caller=api.admin, **asked))["provider"]
    assert found["availability"]["code"] == "NOT_FOUND"
    assert found["nextAvailableSlot"] is None
    for caller in (api.anonymous, api.admin):
        assert (await try_booking(api, ada, TEN, caller=caller))["code"] == "NOT_FOUND"
        refused = await try_booking(api, ada, TEN, caller=caller, serviceId=cut["id"])
        assert refused["code"] == "NOT_FOUND"
        assert (await hold(api, ada, TEN, caller=caller))["code"] == "NOT_FOUND"
    explain = 'query ($id: ID!) { explainTime(providerId: $id, startsAt: "%s") { reasons } }'
    answer = await api.ask(explain % "2026-01-12T10:00:00Z", caller=api.admin, id=ada["id"])
    assert answer["explainTime"] is None
    assert (await api.ask(NEXT, service=cut["id"]))["nextAvailableSlots"] == []


async def test_an_archived_service_is_not_held_or_booked(api: Api) -> None:
    ada = await a_provider(api)
    for seats in (1, 3):
        cut = await a_service(api, ada, seats=seats)
        assert await leads(api, cut) == {ada["id"]}
        await archive(api, cut)
        assert await of_service(api, cut) == "NOT_FOUND"
        for named in ((), (ada,)):
            assert (await try_visit(api, cut, TEN, *named))["code"] == "NOT_FOUND"
        assert (await hold(api, ada, TEN, serviceId=cut["id"]))["code"] == "NOT_FOUND"
        assert (await api.ask(NEXT, service=cut["id"]))["nextAvailableSlots"] == []
        await archive(api, cut, back=True)
        assert await leads(api, cut) == {ada["id"]}
        await a_visit(api, cut, TEN if seats == 1 else ELEVEN)


async def test_a_service_goes_on_without_its_archived_provider(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    cut, pair = await a_service(api, ada, ben), await a_service(api, ada, ben, providersNeeded=2)
    everybody = await a_service(api, ada, ben, providersNeeded=None)
    await archive(api, ada)
    assert await leads(api, cut) == {ben["id"]}
    assert await leads(api, pair) == set()
    visit = await a_visit(api, cut, TEN)
    assert [each["id"] for each in visit["appointment"]["providers"]] == [ben["id"]]
    assert (await try_visit(api, cut, ELEVEN, ada))["code"] == "NOT_FOUND"
    # All of its providers are all that are not archived.
    visit = await a_visit(api, everybody, ELEVEN)
    assert [each["id"] for each in visit["appointment"]["providers"]] == [ben["id"]]
    await archive(api, ada, back=True)
    assert await leads(api, cut) == await leads(api, pair) == {ada["id"], ben["id"]}


async def test_an_archived_room_is_taken_by_no_new_visit(api: Api) -> None:
    ada, room, other = await a_provider(api), await a_resource(api), await a_resource(api)
    needs = [{"name": "room", "resourceIds": [room["id"], other["id"]]}]
    cut = await a_service(api, ada, needs=needs)
    await archive(api, room)
    visit = await a_visit(api, cut, TEN)
    assert key_in(room["id"]) not in await taken(api, visit)
    await archive(api, other)
    assert await leads(api, cut) == set()
    refused = await try_visit(api, cut, ELEVEN)
    assert refused["reasons"] == [UnbookableReason.RESOURCE_TAKEN]
    await archive(api, room, back=True)
    visit = await a_visit(api, cut, ELEVEN)
    assert key_in(room["id"]) in await taken(api, visit)


async def test_what_a_service_was_set_to_take_outlives_archiving(api: Api) -> None:
    """Changing something else about it keeps the archived provider in their place."""
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, ben)
    await archive(api, ada)
    await update(api, cut, name="Haircut")
    await archive(api, ada, back=True)
    found = await api.ask(BY_ID, provider=ada["id"], service=cut["id"])
    assert [each["id"] for each in found["service"]["providers"]] == [ada["id"], ben["id"]]
    assert await leads(api, cut) == {ada["id"], ben["id"]}


# ---------------------------------------------------------------- what stays


async def test_archiving_keeps_what_is_booked_and_held(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, ben, durationMinutes=60)
    visit = await a_visit(api, cut, TEN, ada)
    other = await booked(api, ada, f"{MONDAY}T14:00Z")
    kept = await held(api, ada, ELEVEN)
    await archive(api, ada)
    stays = await seen(api, visit)
    assert stays is not None
    assert (stays["status"], stays["provider"]["id"]) == ("CONFIRMED", ada["id"])
    # The hold's promise is kept.
    await booked(api, ada, ELEVEN, holdToken=kept["holdToken"])
    # Nothing new with them: neither at another time, nor theirs to choose.
    refused = await move(api, visit, f"{TUESDAY}T10:00Z")
    assert refused["reasons"] == ["OUTSIDE_HOURS"]
    # Handed over at the same time, and at another one.
    handed = await try_move(api, visit, TEN, ben, caller=api.reception)
    made(handed, "BookingConfirmation")
    moved = await try_move(api, visit, f"{TUESDAY}T10:00Z", caller=api.reception)
    assert ids_of(moved["appointment"]["providers"]) == [ben["id"]]
    made(await cancel(api, other), "Appointment")


async def test_an_assigned_provider_may_change_when_the_visit_is_moved(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, ben, durationMinutes=60)
    visit = await a_visit(api, cut, TEN)
    assert ids_of(visit["appointment"]["providers"]) == [ada["id"]]
    await archive(api, ada)
    moved = made(await try_move(api, visit, ELEVEN), "BookingConfirmation")
    assert ids_of(moved["appointment"]["providers"]) == [ben["id"]]


async def test_a_visit_of_an_archived_service_can_be_moved_and_cancelled(api: Api) -> None:
    ada = await a_provider(api)
    for seats in (1, 3):
        cut = await a_service(api, ada, durationMinutes=60, seats=seats)
        visit = await a_visit(api, cut, TEN)
        await archive(api, cut)
        made(await try_move(api, visit, ELEVEN), "BookingConfirmation")
        made(await cancel(api, visit), "Appointment")


async def test_the_times_to_move_to_are_those_that_a_move_takes(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, ben, durationMinutes=60)
    named, assigned = await a_visit(api, cut, TEN, ada), await a_visit(api, cut, ELEVEN)
    await archive(api, ada, cut)
    document = """query ($id: ID!, $token: String!) {
        appointment(id: $id, manageToken: $token) {
            rescheduleAvailability(from: "2026-01-13", to: "2026-01-13") {
                ... on ServiceAvailability { slots { startsAt providerIds } }
            }
        }
    }"""
    slots = []
    for visit in (named, assigned):
        asked = {"id": visit["appointment"]["id"], "token": visit["manageToken"]}
        found = (await api.ask(document, **asked))["appointment"]["rescheduleAvailability"]
        slots.append([each["providerIds"] for each in found["slots"]])
    assert slots == [[], [[ben["id"]]] * 8]


async def test_what_an_archived_provider_or_room_takes_is_stranded(api: Api) -> None:
    ada, ben, room = await a_provider(api), await a_provider(api), await a_resource(api)
    cut = await a_service(api, ben, needs=[{"name": "room", "resourceIds": [room["id"]]}])
    with_ada = (await booked(api, ada, TEN))["appointment"]["id"]
    in_room = (await a_visit(api, cut, TEN))["appointment"]["id"]

    async def stranded() -> list[str]:
        found = await api.ask(STRANDED, caller=api.admin)
        return [each["id"] for each in found["strandedAppointments"]["nodes"]]

    for thing, expected in ((ada, with_ada), (room, in_room)):
        preview = await update(api, thing, isArchived=True, dryRun=True)
        assert preview["__typename"] == "ChangePreview"
        assert [each["id"] for each in preview["stranded"]] == [expected]
        assert preview["openMinutesLost"] > 0
        assert await stranded() == []
        await archive(api, thing)
        assert await stranded() == [expected]
        again = await update(api, thing, isArchived=False, dryRun=True)
        assert (again["strandedCount"], again["openMinutesLost"]) == (0, 0)
        assert again["openMinutesGained"] == preview["openMinutesLost"]
        await archive(api, thing, back=True)
        assert await stranded() == []
    preview = await update(api, cut, isArchived=True, dryRun=True)
    assert preview["strandedCount"] == 0, "what is booked of an archived service stays"
    assert preview["openMinutesLost"] > 0
    await archive(api, cut)
    assert await stranded() == []


# ---------------------------------------------------------------- who may


async def test_administrators_alone_archive(api: Api) -> None:
    ada, room = await a_provider(api), await a_resource(api)
    cut = await a_service(api, ada)
    for caller in (api.reception, api.acting_for(ada), api.customer("robin"), api.anonymous):
        for thing in (ada, room, cut):
            refused = await update(api, thing, caller, isArchived=True)
            assert refused["code"] == "NOT_ALLOWED"
    await archive(api, ada, room, cut)
    await archive(api, ada, room, cut, back=True)


@pytest.mark.parametrize("kind", ["provider", "service", "resource"])
async def test_archived_is_yes_or_no(api: Api, kind: str) -> None:
    ada = await a_provider(api)
    things = {
        "provider": ada,
        "service": await a_service(api, ada),
        "resource": await a_resource(api),
    }
    refused = await update(api, things[kind], isArchived=None)
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "isArchived")


async def test_a_change_of_something_else_keeps_what_is_archived_archived(api: Api) -> None:
    ada, room = await a_provider(api), await a_resource(api)
    cut = await a_service(api, ada)
    await archive(api, ada, room, cut)
    for thing in (ada, room, cut):
        assert (await update(api, thing, name="Other"))["isArchived"]


async def test_no_list_shows_what_was_there_before_it_was_archived(api: Api) -> None:
    """Lists are cached; a change reaches all that it changes."""
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, ben, durationMinutes=60)
    for _ in range(2):
        assert await leads(api, cut) == {ada["id"], ben["id"]}
        assert await listed(api, ada, TODAY, serviceId=cut["id"]) != []
        assert await listed(api, ben, MONDAY) == utc(
            MONDAY, *(f"{hour:02}:00" for hour in range(9, 17))
        )
        await archive(api, ada)
        assert await leads(api, cut) == {ben["id"]}
        await archive(api, ben)
        assert await of_service(api, cut) == {}
        await archive(api, ada, ben, back=True)
