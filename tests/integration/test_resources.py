"""Resources: created, changed and read; their hours, and who may see and change what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.core.ids import ResourceId
from app.free_times.keys import stamp_key
from app.store.locks import share_rules
from app.store.pool import transaction
from tests.builders import (
    CREATE_RESOURCE,
    REFUSALS,
    RESOURCE_FIELDS,
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    blocked_by,
    key_in,
    made,
    subset,
    unknown,
    weekly,
)

UPDATE = f"""
    mutation ($input: UpdateResourceInput!) {{
        answer: updateResource(input: $input) {{ __typename ...ResourceFields {REFUSALS} }}
    }} {RESOURCE_FIELDS}
"""
SET_HOURS = f"""
    mutation ($input: SetWeeklyHoursInput!) {{
        answer: setWeeklyHours(input: $input) {{ __typename ...ResourceFields {REFUSALS} }}
    }} {RESOURCE_FIELDS}
"""
SET_EXCEPTION = f"""
    mutation ($input: SetExceptionInput!) {{
        answer: setException(input: $input) {{ __typename ...ResourceFields {REFUSALS} }}
    }} {RESOURCE_FIELDS}
"""
REMOVE_EXCEPTION = f"""
    mutation ($input: RemoveExceptionInput!) {{
        answer: removeException(input: $input) {{ __typename ...ResourceFields {REFUSALS} }}
    }} {RESOURCE_FIELDS}
"""
READ = f"query ($id: ID!) {{ resource(id: $id) {{ ...ResourceFields }} }} {RESOURCE_FIELDS}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ id ...ResourceFields }} }} {RESOURCE_FIELDS}"
LIST = """
    query ($first: Int, $after: String, $last: Int, $before: String, $search: String, $ids: [ID!]) {
        resources(first: $first, after: $after, last: $last, before: $before, search: $search, ids: $ids) {
            edges { cursor node { name } } nodes { id name } totalCount
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""


async def change(api: Api, document: str, caller: Caller | None = None, **values: object) -> Json:
    """The answer to an administrator, or to another caller."""
    answer: Json = (await api.ask(document, caller=caller or api.admin, input=values))["answer"]
    return answer


async def read(api: Api, room: Json) -> Json:
    found: Json = (await api.ask(READ, caller=api.admin, id=room["id"]))["resource"]
    return found


async def test_a_resource_is_what_was_said_and_the_rest_has_its_default(api: Api) -> None:
    room = await a_resource(api, name="  Room 1 ", kind="room", timeZone="Europe/Berlin")
    assert room == {
        "__typename": "Resource",
        "id": room["id"],
        "name": "Room 1",
        "kind": "room",
        "timeZone": "Europe/Berlin",
        "units": 1,
        "alwaysOpen": True,
        "isArchived": False,
        "externalId": None,
        "weeklyHours": [],
        "breaks": [],
        "exceptions": [],
    }
    chairs = await a_resource(
        api,
        kind="chair",
        units=1000,
        alwaysOpen=False,
        externalId=" chairs ",
        weeklyHours=[*weekly("09:00", "12:00", ["MONDAY"]), *weekly("12:00", "17:00", ["MONDAY"])],
        breaks=weekly("13:00", "13:30", ["MONDAY"], effectiveFrom="2026-02-01"),
    )
    assert subset(chairs, ["units", "alwaysOpen", "externalId"]) == {
        "units": 1000,
        "alwaysOpen": False,
        "externalId": "chairs",
    }
    (open_,), (pause,) = chairs["weeklyHours"], chairs["breaks"]
    assert (open_["start"], open_["end"]) == ("09:00", "17:00"), "merged where they touch"
    assert (pause["start"], pause["effectiveFrom"]) == ("13:00", "2026-02-01")
    for each in (room, chairs):
        del each["__typename"]
        assert await read(api, each) == each
        assert (await api.ask(NODE, caller=api.admin, id=each["id"]))["node"] == each


@pytest.mark.parametrize("document", [CREATE_RESOURCE, UPDATE], ids=["new", "changed"])
async def test_a_resource_that_cannot_be_is_refused_with_its_field(api: Api, document: str) -> None:
    room = await a_resource(api)
    values: Json = {"name": "Room", "kind": "room", "timeZone": "UTC"}
    if document is UPDATE:
        values = {"id": room["id"]}
    wrong: tuple[tuple[str, Any], ...] = (
        ("name", " "),
        ("name", "x" * 201),
        ("kind", ""),
        ("kind", "x" * 101),
        ("kind", "a\x00b"),
        ("timeZone", "Mars/Olympus"),
        ("units", 0),
        ("units", 1001),
        ("units", None),
        ("alwaysOpen", None),
        ("externalId", " "),
        ("externalId", "x" * 256),
    )
    for field, value in wrong:
        answer = await change(api, document, **values | {field: value})
        assert (answer["__typename"], answer.get("field")) == ("InvalidInputError", field), value
    assert await read(api, room) == {k: v for k, v in room.items() if k != "__typename"}


async def test_absent_means_unchanged_and_null_clears_the_external_id(api: Api) -> None:
    room = await a_resource(api, units=3, externalId="a", weeklyHours=weekly("09:00", "17:00"))
    changed = await change(api, UPDATE, id=room["id"], units=2)
    assert changed == room | {"units": 2}
    changed = await change(
        api, UPDATE, id=room["id"], externalId=None, alwaysOpen=False, timeZone="Asia/Tokyo",
        name="New", kind="hall",
    )  # fmt: skip
    assert changed == room | {
        "units": 2, "externalId": None, "alwaysOpen": False, "timeZone": "Asia/Tokyo",
        "name": "New", "kind": "hall",
    }  # fmt: skip
    gone = await change(api, UPDATE, id=unknown("Resource"), units=2)
    assert gone["__typename"] == "NotFoundError"


async def test_an_external_id_is_of_one_resource_also_among_those_that_ask_at_once(
    api: Api,
) -> None:
    """Organizations don't share them."""
    other = await api.another_organization()
    room, twin = await a_resource(api), await a_resource(api)
    await a_resource(api, of=other, externalId="one")
    answers = await asyncio.gather(
        *(
            change(api, CREATE_RESOURCE, name="R", kind="room", timeZone="UTC", externalId="one")
            for _ in range(4)
        ),
        *(change(api, UPDATE, id=each["id"], externalId="one") for each in (room, twin)),
    )
    (owner,) = [answer for answer in answers if answer["__typename"] == "Resource"]
    for answer in answers:
        if answer is not owner:
            assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "externalId")
    again = await change(api, UPDATE, id=owner["id"], externalId="one")
    assert again == owner, "it is its own already"
    total = (await api.ask(LIST, caller=api.admin))["resources"]["totalCount"]
    assert total == (3 if owner["id"] not in {room["id"], twin["id"]} else 2)


async def test_hours_and_exceptions_of_a_resource_are_set_and_removed_as_a_providers(
    api: Api,
) -> None:
    room, other = await a_resource(api), await a_resource(api)
    hours = weekly("09:00", "17:00", ["MONDAY"])
    answer = await change(
        api, SET_HOURS, resourceId=room["id"], hours=hours,
        breaks=weekly("12:00", "13:00", ["MONDAY"]),
    )  # fmt: skip
    assert [each["start"] for each in answer["weeklyHours"]] == ["09:00"]
    assert [each["start"] for each in answer["breaks"]] == ["12:00"]
    answer = await change(
        api, SET_EXCEPTION, resourceId=room["id"], date="2026-03-02", isBlocked=True,
        reason="Painting",
    )  # fmt: skip
    assert answer["exceptions"] == [
        {
            "date": "2026-03-02",
            "isBlocked": True,
            "start": None,
            "end": None,
            "reason": "Painting",
        }
    ]
    assert (await read(api, other))["exceptions"] == (await read(api, other))["weeklyHours"] == []
    answer = await change(api, REMOVE_EXCEPTION, resourceId=room["id"], date="2026-03-02")
    assert answer["exceptions"] == []
    answer = await change(api, SET_HOURS, resourceId=room["id"], hours=[])
    assert answer["weeklyHours"] == answer["breaks"] == []


async def test_hours_are_of_exactly_one_provider_or_resource(api: Api) -> None:
    ada, room = await a_provider(api), await a_resource(api)
    day: Json = {"date": "2026-03-02"}
    for document, values in (
        (SET_HOURS, {"hours": []}),
        (SET_EXCEPTION, day | {"isBlocked": True}),
        (REMOVE_EXCEPTION, day),
    ):
        for whose in ({}, {"providerId": ada["id"], "resourceId": room["id"]}):
            answer = await change(api, document, **values, **whose)
            assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "resourceId")
        for whose in (
            {"providerId": room["id"]},
            {"resourceId": ada["id"]},
            {"resourceId": unknown("Resource")},
        ):
            answer = await change(api, document, **values, **whose)
            assert answer["__typename"] == "NotFoundError", "an id of another type names nothing"
    assert len(ada["weeklyHours"]) == 7
    (kept,) = await api.rows(
        "SELECT count(*) AS total FROM weekly_hours WHERE organization_id = $1",
        api.organization.id,
    )
    assert kept["total"] == 7


async def test_resources_are_listed_by_name_in_pages(api: Api) -> None:
    made_ = [await a_resource(api, name=name) for name in ("zebra", "Ärger", "back", "Zoo")]
    in_order = ["Ärger", "back", "zebra", "Zoo"]

    async def names(**page: object) -> tuple[list[str], Json]:
        found = (await api.ask(LIST, caller=api.admin, **page))["resources"]
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
    some, found = await names(ids=[made_[3]["id"], unknown("Resource")])
    assert (some, found["totalCount"]) == (["Zoo"], 1)
    # A cursor of another list is refused.
    providers = await api.ask("{ providers { pageInfo { startCursor } } }", caller=api.admin)
    assert providers["providers"]["pageInfo"]["startCursor"] is None
    await a_provider(api)
    providers = await api.ask("{ providers { pageInfo { startCursor } } }", caller=api.admin)
    cursor = providers["providers"]["pageInfo"]["startCursor"]
    assert (await api.send(LIST, caller=api.admin, after=cursor)).codes == ["BAD_USER_INPUT"]


async def test_a_change_holds_back_bookings_and_invalidates_what_is_cached(api: Api) -> None:
    """Whoever shares the rules of the resource finishes first, and what was cached of it is gone
    with the answer.
    """
    room, other = await a_resource(api), await a_resource(api)
    keys = {each["id"]: ResourceId(key_in(each["id"])) for each in (room, other)}
    redis = api.resources.redis
    for document, values in (
        (UPDATE, {"id": room["id"], "units": 2}),
        (SET_HOURS, {"resourceId": room["id"], "hours": []}),
        (SET_EXCEPTION, {"resourceId": room["id"], "date": "2026-03-02", "isBlocked": True}),
        (REMOVE_EXCEPTION, {"resourceId": room["id"], "date": "2026-03-02"}),
    ):
        stamps = {name: stamp_key(api.organization.id, key) for name, key in keys.items()}
        for stamp in stamps.values():
            await redis.set(stamp, b"a stamp")
        async with transaction(api.resources.pool) as tx:
            await share_rules(tx, api.organization.id, [keys[room["id"]]])
            asking = asyncio.create_task(change(api, document, **values))
            await blocked_by(api, tx)
            assert not asking.done()
        made(await asking, "Resource")
        left = {name for name, stamp in stamps.items() if await redis.exists(stamp)}
        assert left == {other["id"]}


async def test_a_change_of_a_resource_is_an_event(api: Api) -> None:
    room = await a_resource(api)
    await change(api, UPDATE, id=room["id"], units=2)
    await change(api, UPDATE, id=room["id"], units=0)
    await change(api, SET_HOURS, resourceId=room["id"], hours=[])
    rows = await api.rows(
        "SELECT type, subject_id, provider_id FROM event WHERE organization_id = $1",
        api.organization.id,
    )
    event = {"type": "RESOURCE_CHANGED", "subject_id": key_in(room["id"]), "provider_id": None}
    assert rows == [event] * 3


async def test_fewer_units_leave_what_is_booked_on_the_highest_numbers(api: Api) -> None:
    """The unit's claim stays active, and is there again when the units are."""
    room = await a_resource(api, units=2)
    key = key_in(room["id"])
    hold = await api.rows(
        """
        WITH held AS (
            INSERT INTO hold (organization_id, id, provider_id, caller, starts_at, ends_at, created_at, expires_at)
            SELECT $1, gen_random_uuid(), $2, 'c', $3, $3::timestamptz + interval '1 hour', $3, $3::timestamptz + interval '1 hour'
            RETURNING id
        )
        INSERT INTO claim (organization_id, id, subject_id, unit, hold_id, during, visit, expires_at, active)
        SELECT $1, gen_random_uuid(), $4, 2, held.id, tstzrange($3, $3::timestamptz + interval '1 hour'),
            tstzrange($3, $3::timestamptz + interval '1 hour'), $3::timestamptz + interval '1 hour', true
        FROM held
        RETURNING id
        """,
        api.organization.id, key_in((await a_provider(api))["id"]), api.clock(), key,
    )  # fmt: skip
    assert hold
    made(await change(api, UPDATE, id=room["id"], units=1), "Resource")
    claims = await api.rows(
        "SELECT unit, active FROM claim WHERE organization_id = $1 AND subject_id = $2",
        api.organization.id,
        key,
    )
    assert claims == [{"unit": 2, "active": True}]
