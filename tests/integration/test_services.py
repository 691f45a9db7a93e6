"""Services: what a visit of them takes, as it is set, refused and shown; and their list."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.core.ids import ProviderId, ResourceId, ServiceId
from app.free_times.keys import stamp_key
from app.store.locks import share_rules
from app.store.pool import transaction
from tests.builders import (
    REFUSALS,
    Api,
    Json,
    a_provider,
    a_resource,
    a_service,
    blocked_by,
    key_in,
    made,
    unknown,
    weekly,
)

NEEDS = """
    fragment Needs on Service {
        id name providersNeeded assignment seats providers { id } needs { name count resources { id } }
    }
"""
CREATE = f"""
    mutation ($input: CreateServiceInput!) {{
        answer: createService(input: $input) {{ __typename ...Needs {REFUSALS} }}
    }} {NEEDS}
"""
UPDATE = f"""
    mutation ($input: UpdateServiceInput!) {{
        answer: updateService(input: $input) {{ __typename ...Needs {REFUSALS} }}
    }} {NEEDS}
"""
READ = f"query ($id: ID!) {{ service(id: $id) {{ ...Needs }} }} {NEEDS}"
LIST = """
    query ($first: Int, $after: String, $last: Int, $before: String, $search: String, $ids: [ID!]) {
        services(first: $first, after: $after, last: $last, before: $before, search: $search, ids: $ids) {
            edges { cursor node { name } } nodes { id name } totalCount
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""
UPDATE_RESOURCE = """
    mutation ($input: UpdateResourceInput!) { answer: updateResource(input: $input) { __typename } }
"""


async def change(api: Api, document: str, **values: object) -> Json:
    """The answer to an administrator."""
    answer: Json = (await api.ask(document, caller=api.admin, input=values))["answer"]
    return answer


def ids(*things: Json) -> list[Json]:
    return [{"id": each["id"]} for each in things]


def group(name: str, *resources: Json, **given: object) -> Json:
    """A group of resources, as an input says it."""
    return {"name": name, "resourceIds": [each["id"] for each in resources], **given}


async def test_a_service_takes_one_of_its_providers_where_nothing_else_is_said(api: Api) -> None:
    ada = await a_provider(api)
    plain = await a_service(api, ada, name="Plain")
    assert (await api.ask(READ, id=plain["id"]))["service"] == {
        "id": plain["id"],
        "name": "Plain",
        "providersNeeded": 1,
        "assignment": "PRIORITY",
        "seats": 1,
        "providers": ids(ada),
        "needs": [],
    }


async def test_providers_and_resources_keep_the_order_in_which_they_were_named(api: Api) -> None:
    """Whatever their names and ages, and for every reader; named twice is named once."""
    ada, ben, cleo = [await a_provider(api, name=name) for name in ("Z", "A", "M")]
    one, two, chairs = [await a_resource(api, name=name) for name in ("Z", "A", "M")]
    await change(api, UPDATE_RESOURCE, id=chairs["id"], units=4)
    made_ = made(
        await change(
            api, CREATE, name="Team", durationMinutes=30,
            providerIds=[cleo["id"], ada["id"], ben["id"], ada["id"]],
            providersNeeded=2, assignment="LONGEST_IDLE", seats=12,
            needs=[group("Room", two, one, two), group(" Chair ", chairs, count=4)],
        ),
        "Service",
    )  # fmt: skip
    shown = {
        "id": made_["id"],
        "name": "Team",
        "providersNeeded": 2,
        "assignment": "LONGEST_IDLE",
        "seats": 12,
        "providers": ids(cleo, ada, ben),
        "needs": [
            {"name": "Room", "count": 1, "resources": ids(two, one)},
            {"name": "Chair", "count": 4, "resources": ids(chairs)},
        ],
    }
    assert made_ == shown | {"__typename": "Service"}
    for caller in (api.anonymous, api.customer(), api.acting_for(ada), api.admin):
        assert (await api.ask(READ, caller=caller, id=made_["id"]))["service"] == shown


async def test_a_services_needs_show_a_resources_name_and_no_more(
    api: Api,
) -> None:
    ada = await a_provider(api)
    room = await a_resource(api, name="Room 1", timeZone="Asia/Tokyo", externalId="r", units=2)
    service = await a_service(api, ada, needs=[group("Room", room)])
    document = """
        query ($id: ID!) { service(id: $id) { needs { resources {
            id name kind timeZone units alwaysOpen isArchived externalId weeklyHours { id } breaks { id }
            exceptions(from: "2026-01-01", to: "2026-01-02") { id }
        } } } }
    """
    for caller, staff in (
        (api.anonymous, False),
        (api.customer(), False),
        (api.acting_for(ada), True),
        (api.admin, True),
    ):
        found = (await api.ask(document, caller=caller, id=service["id"]))["service"]
        ((shown,),) = [need["resources"] for need in found["needs"]]
        assert shown == {
            "id": room["id"],
            "name": "Room 1",
            "kind": "room",
            "timeZone": "Asia/Tokyo",
            "units": 2 if staff else None,
            "alwaysOpen": True if staff else None,
            "isArchived": False if staff else None,
            "externalId": "r" if staff else None,
            "weeklyHours": [] if staff else None,
            "breaks": [] if staff else None,
            "exceptions": [] if staff else None,
        }


@pytest.mark.parametrize("document", [CREATE, UPDATE], ids=["new", "changed"])
async def test_needs_that_cannot_be_are_refused_with_their_field(api: Api, document: str) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    rooms = [await a_resource(api, units=2) for _ in range(2)]
    service = await a_service(api, ada, ben, needs=[group("Room", rooms[0])])
    values: Json = {"name": "New", "durationMinutes": 30, "providerIds": [ada["id"], ben["id"]]}
    if document is UPDATE:
        values = {"id": service["id"]}
    before = (await api.ask(READ, id=service["id"]))["service"]
    other = await a_resource(api, of=await api.another_organization())
    wrong: tuple[tuple[Json, str], ...] = (
        ({"providersNeeded": 0}, "providersNeeded"),
        ({"providersNeeded": 3}, "providersNeeded"),
        ({"providersNeeded": 2, "providerIds": [ada["id"], ada["id"]]}, "providersNeeded"),
        ({"assignment": None}, "assignment"),
        ({"seats": 0}, "seats"),
        ({"seats": 1_001}, "seats"),
        ({"seats": None}, "seats"),
        ({"needs": [group(" ", rooms[0])]}, "needs.0.name"),
        ({"needs": [group("x" * 201, rooms[0])]}, "needs.0.name"),
        ({"needs": [group("Room", rooms[0]), group("Other")]}, "needs.1.resourceIds"),
        ({"needs": [group("Room", rooms[0], count=0)]}, "needs.0.count"),
        ({"needs": [group("Room", rooms[0], count=None)]}, "needs.0.count"),
        ({"needs": [group("Room", rooms[0], count=3)]}, "needs.0.count"),
        ({"needs": [group("Room", *rooms, count=5)]}, "needs.0.count"),
        ({"needs": [group("A", *rooms), group("B", rooms[1])]}, "needs.1.resourceIds"),
        ({"needs": [group("A", rooms[0])] * 21}, "needs"),
        ({"needs": [{"name": "A", "resourceIds": [rooms[0]["id"]] * 400}] * 3}, "needs"),
    )
    for given, field in wrong:
        answer = await change(api, document, **values | given)
        assert (answer["__typename"], answer.get("field")) == ("InvalidInputError", field), given
    for strange in (unknown("Resource"), ada["id"], other["id"]):
        answer = await change(
            api, document, **values, needs=[{"name": "Room", "resourceIds": [strange]}]
        )
        assert answer["__typename"] == "NotFoundError"
    assert (await api.ask(LIST))["services"]["totalCount"] == 1
    assert (await api.ask(READ, id=service["id"]))["service"] == before
    made(await change(api, document, **values, needs=[group("A", *rooms, count=4)]), "Service")


async def test_absent_leaves_needs_as_they_are_and_null_takes_all_providers(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    room, hall = await a_resource(api), await a_resource(api)
    service = await a_service(
        api, ada, ben, assignment="LEAST_BUSY", providersNeeded=2, needs=[group("Room", room)]
    )
    shown = (await api.ask(READ, id=service["id"]))["service"] | {"__typename": "Service"}
    for given, then in (
        ({"durationMinutes": 45}, {}),
        ({"providersNeeded": None}, {"providersNeeded": None}),
        ({"assignment": "PRIORITY"}, {"assignment": "PRIORITY"}),
        ({"seats": 12}, {"seats": 12}),
        ({"providerIds": [ben["id"]]}, {"providers": ids(ben)}),
        (
            {"needs": [group("Hall", hall)]},
            {"needs": [{"name": "Hall", "count": 1, "resources": ids(hall)}]},
        ),
        ({"needs": []}, {"needs": []}),
    ):
        shown = shown | then
        assert await change(api, UPDATE, id=service["id"], **given) == shown
    for field in ("needs", "providerIds", "assignment", "seats"):
        answer = await change(api, UPDATE, id=service["id"], **{field: None})
        assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    # A team needs its members.
    made(
        await change(api, UPDATE, id=service["id"], providerIds=[ada["id"], ben["id"]], providersNeeded=2),
        "Service",
    )  # fmt: skip
    answer = await change(api, UPDATE, id=service["id"], providerIds=[ada["id"]])
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "providersNeeded")


async def test_a_service_whose_resources_lost_units_can_still_be_changed(api: Api) -> None:
    """It has no free time then; only new needs have to be possible."""
    chairs = await a_resource(api, units=3)
    service = await a_service(api, needs=[group("Chair", chairs, count=3)])
    made(await change(api, UPDATE_RESOURCE, id=chairs["id"], units=2), "Resource")
    made(await change(api, UPDATE, id=service["id"], name="Renamed"), "Service")
    answer = await change(api, UPDATE, id=service["id"], needs=[group("All", chairs, count=3)])
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "needs.0.count")


async def test_a_change_of_needs_holds_back_bookings_and_invalidates_what_is_cached(
    api: Api,
) -> None:
    """Of those that the service needed before, of those that it needs from now on, and of the
    service itself: whoever shares their rules finishes first.
    """
    ada, ben = await a_provider(api), await a_provider(api)
    room, hall, other = [await a_resource(api) for _ in range(3)]
    service = await a_service(api, ada, needs=[group("Room", room)])
    keys: dict[str, Any] = {
        service["id"]: ServiceId(key_in(service["id"])),
        **{each["id"]: ProviderId(key_in(each["id"])) for each in (ada, ben)},
        **{each["id"]: ResourceId(key_in(each["id"])) for each in (room, hall, other)},
    }
    stamps = {name: stamp_key(api.organization.id, key) for name, key in keys.items()}
    for stamp in stamps.values():
        await api.resources.redis.set(stamp, b"a stamp")
    async with transaction(api.resources.pool) as tx:
        await share_rules(tx, api.organization.id, [keys[room["id"]]])
        asking = asyncio.create_task(
            change(
                api, UPDATE, id=service["id"], providerIds=[ben["id"]], needs=[group("Hall", hall)]
            )
        )
        await blocked_by(api, tx)
        assert not asking.done()
    made(await asking, "Service")
    left = {name for name, stamp in stamps.items() if await api.resources.redis.exists(stamp)}
    assert left == {other["id"]}


async def test_a_new_service_invalidates_what_is_cached_of_what_it_needs(api: Api) -> None:
    ada, room = await a_provider(api), await a_resource(api)
    stamps = [
        stamp_key(api.organization.id, ProviderId(key_in(ada["id"]))),
        stamp_key(api.organization.id, ResourceId(key_in(room["id"]))),
    ]
    for stamp in stamps:
        await api.resources.redis.set(stamp, b"a stamp")
    await a_service(api, ada, needs=[group("Room", room)])
    assert await api.resources.redis.exists(*stamps) == 0


async def test_services_are_listed_by_name_in_pages_for_everybody(api: Api) -> None:
    in_order = ["Ärger", "back", "zebra", "Zoo"]
    made_ = [await a_service(api, name=name) for name in ("zebra", "Ärger", "back", "Zoo")]

    async def names(**page: object) -> tuple[list[str], Json]:
        found = (await api.ask(LIST, caller=api.anonymous, **page))["services"]
        shown = [node["name"] for node in found["nodes"]]
        assert [edge["node"]["name"] for edge in found["edges"]] == shown
        return shown, found

    whole, found = await names()
    assert (whole, found["totalCount"]) == (in_order, 4)
    head, found = await names(first=3)
    tail, found = await names(first=3, after=found["pageInfo"]["endCursor"])
    assert (head + tail, found["pageInfo"]["hasNextPage"]) == (in_order, False)
    end, found = await names(last=1)
    begin, _ = await names(last=3, before=found["pageInfo"]["startCursor"])
    assert begin + end == in_order
    some, found = await names(search="A")
    assert (some, found["totalCount"]) == (["back", "zebra"], 2)
    some, found = await names(ids=[made_[3]["id"], unknown("Service")])
    assert (some, found["totalCount"]) == (["Zoo"], 1)
    other = await api.another_organization()
    assert (await api.ask(LIST, caller=other.anonymous))["services"]["totalCount"] == 0
    theirs = await api.ask(READ, caller=other.anonymous, id=made_[0]["id"])
    assert theirs["service"] is None
    assert (await api.ask(READ, id=unknown("Service")))["service"] is None


async def test_two_services_may_need_one_resource(api: Api) -> None:
    room = await a_resource(api)
    for _ in range(2):
        await a_service(api, needs=[group("Room", room)])
    assert (await api.ask(LIST))["services"]["totalCount"] == 2


TIMES = """
    query ($id: ID!) { service(id: $id) { availability(from: "2026-01-19", to: "2026-01-19", timeZone: "UTC") {
        ... on ServiceAvailability { slots { startsAt } }
    } } }
"""
SET_HOURS = """
    mutation ($input: SetWeeklyHoursInput!) { answer: setWeeklyHours(input: $input) { __typename } }
"""
SET_EXCEPTION = """
    mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }
"""
REMOVE_EXCEPTION = """
    mutation ($input: RemoveExceptionInput!) { answer: removeException(input: $input) { __typename } }
"""


async def test_a_listing_follows_every_change_of_a_resource_and_of_needs_at_once(api: Api) -> None:
    """Hours of a Monday on which everybody works from nine to five, an hour a visit."""
    ada, ben = await a_provider(api), await a_provider(api)
    chairs = await a_resource(api, units=2)
    service = await a_service(
        api, ada, ben, durationMinutes=60, needs=[group("Chair", chairs, count=2)]
    )
    whole = list(range(9, 17))
    monday: Json = {"resourceId": chairs["id"], "date": "2026-01-19"}
    closed = {"isBlocked": True, "ranges": [{"start": "09:00", "end": "12:00"}]}
    ten = weekly("10:00", "12:00", ["MONDAY"])
    steps: tuple[tuple[str, Json, list[int]], ...] = (
        (UPDATE_RESOURCE, {"id": chairs["id"], "units": 1}, []),
        (UPDATE, {"id": service["id"], "needs": [group("Chair", chairs)]}, whole),
        (SET_HOURS, {"resourceId": chairs["id"], "hours": ten}, whole),
        (UPDATE_RESOURCE, {"id": chairs["id"], "alwaysOpen": False}, [10, 11]),
        (UPDATE_RESOURCE, {"id": chairs["id"], "timeZone": "Europe/Berlin"}, [9, 10]),
        (SET_EXCEPTION, monday | closed, []),
        (REMOVE_EXCEPTION, monday, [9, 10]),
        (UPDATE_RESOURCE, {"id": chairs["id"], "alwaysOpen": True}, whole),
        (UPDATE, {"id": service["id"], "providersNeeded": 2, "needs": []}, whole),
        (UPDATE, {"id": service["id"], "providerIds": [], "providersNeeded": 1}, []),
    )

    async def shown() -> list[int]:
        found = (await api.ask(TIMES, id=service["id"]))["service"]["availability"]["slots"]
        return [int(slot["startsAt"][11:13]) for slot in found]

    assert await shown() == whole
    for document, values, expected in steps:
        answer = await change(api, document, **values)
        assert answer["__typename"] in {"Resource", "Service"}
        assert await shown() == expected, values
