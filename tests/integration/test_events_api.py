"""`events`: the log as administrators read it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import pytest

from app.core.events import PROGRAM, EventType, Happening
from app.core.ids import EventId
from app.store.events import START_OF_EVENTS, events_of_types_after
from app.store.ids import new_id
from app.store.pool import transaction
from app.store.record import insert_events
from app.usecases.events import list_events
from tests.builders import NOW, Api, Json, a_provider, a_service, an_appointment, key_in, made
from tests.integration.security_world import a_world
from tests.integration.test_events import an_organization, happened, settled
from tests.lives import booked, held, release

TEN = "2026-01-12T10:00Z"

EVENTS: Final = """
    query ($after: String, $first: Int, $types: [EventType!]) {
        events(after: $after, first: $first, types: $types) {
            edges { cursor node { id } }
            nodes { id cursor type version occurredAt actor actorSubject subject { __typename id } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""
ERASE: Final = """
    mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }
"""


async def page(api: Api, **asked: object) -> Json:
    found: Json = (await api.ask(EVENTS, caller=api.admin, **asked))["events"]
    return found


async def everything(api: Api, **asked: object) -> list[Json]:
    """All events, as a reader gets them that keeps its last cursor."""
    await settled(api.resources.pool)
    found: list[Json] = []
    cursor = None
    while True:
        read = await page(api, after=cursor, **asked)
        found += read["nodes"]
        cursor = read["pageInfo"]["endCursor"] or cursor
        if not read["pageInfo"]["hasNextPage"]:
            return found


async def test_events_are_paged_in_order_and_each_says_what_it_is_about(api: Api) -> None:
    ada = await a_provider(api)
    service = await a_service(api, ada)
    hold = await held(api, ada, TEN)
    made(await release(api, hold["holdToken"]), "Hold")
    visit = await booked(api, ada, TEN, serviceId=service["id"], caller=api.admin)
    for size in (1, 2, 100):
        found = await everything(api, first=size)
        assert [(each["type"], each["subject"]["id"]) for each in found] == [
            ("PROVIDER_CHANGED", ada["id"]),
            ("SERVICE_CHANGED", service["id"]),
            ("HOLD_CREATED", hold["id"]),
            ("HOLD_ENDED", hold["id"]),
            ("CUSTOMER_CHANGED", visit["appointment"]["customer"]["id"]),
            ("APPOINTMENT_BOOKED", visit["appointment"]["id"]),
        ]
        assert len({each["id"] for each in found}) == 6
    last = (await everything(api))[-1]
    assert (last["version"], last["actor"], last["actorSubject"], last["occurredAt"]) == (
        1,
        "ADMIN",
        "an-admin",
        "2026-01-12T08:00:00Z",
    )


async def test_a_page_says_where_it_begins_and_ends_and_whether_there_is_more(api: Api) -> None:
    ada = await a_provider(api)
    await a_service(api, ada)
    await settled(api.resources.pool)
    first = await page(api, first=1)
    assert first["edges"] == [
        {"cursor": first["nodes"][0]["cursor"], "node": {"id": first["nodes"][0]["id"]}}
    ]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["nodes"][0]["cursor"],
        "endCursor": first["nodes"][0]["cursor"],
    }
    second = await page(api, first=1, after=first["pageInfo"]["endCursor"])
    assert [each["type"] for each in second["nodes"]] == ["SERVICE_CHANGED"]
    assert second["pageInfo"]["hasNextPage"] is False
    assert second["pageInfo"]["hasPreviousPage"] is True
    after = second["pageInfo"]["endCursor"]
    nothing = await page(api, first=1, after=after)
    assert nothing["nodes"] == []
    assert nothing["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": None,
        "endCursor": None,
    }
    await a_service(api, ada)
    await settled(api.resources.pool)
    assert len((await page(api, after=after))["nodes"]) == 1


async def test_only_administrators_read_the_log_and_only_their_own(api: Api) -> None:
    ada = await a_provider(api)
    other = await api.another_organization()
    await settled(api.resources.pool)
    own = (await page(api))["nodes"]
    for caller in (api.anonymous, api.customer(), api.acting_for(ada), api.reception):
        assert (await api.ask(EVENTS, caller=caller))["events"] is None
    theirs = (await api.ask(EVENTS, caller=other.admin, after=own[0]["cursor"]))["events"]
    assert [theirs["nodes"], len(own)] == [[], 1]


async def test_a_cursor_of_another_list_and_a_size_out_of_range_are_refused(api: Api) -> None:
    for asked in ({"after": "bm8"}, {"first": -1}, {"first": 101}):
        answer = await api.send(EVENTS, caller=api.admin, **asked)
        assert answer.codes == ["BAD_USER_INPUT"]


async def test_the_log_is_filtered_by_type(api: Api) -> None:
    ada = await a_provider(api)
    for hour in (10, 11, 12):
        await an_appointment(api, ada, f"2026-01-12T{hour}:00Z")
    await a_service(api, ada)
    for size in (1, 2, 100):
        found = await everything(api, first=size, types=["APPOINTMENT_BOOKED", "SERVICE_CHANGED"])
        assert [each["type"] for each in found] == [*["APPOINTMENT_BOOKED"] * 3, "SERVICE_CHANGED"]
    assert await everything(api, types=["APPOINTMENT_NO_SHOW"]) == []
    assert await everything(api, types=[]) == []


async def test_a_page_of_a_rare_type_ends_early_and_says_where_to_continue(api: Api) -> None:
    pool, types = api.resources.pool, [EventType.PROVIDER_CHANGED]
    organization_id = await an_organization(pool)

    async def others(count: int) -> None:
        rows = [
            (EventId(new_id()), Happening(type=EventType.SERVICE_CHANGED, subject_id=UUID(int=2)))
            for _ in range(count)
        ]
        async with transaction(pool) as tx:
            insert_events(tx, organization_id, rows, author=PROGRAM, occurred_at=NOW)

    await others(6)
    await happened(pool, organization_id, 1)
    await happened(pool, organization_id, 2)
    await others(5)
    await settled(pool)
    for look_at in (1, 2, 3, 7, 12, 13, 14, 100):
        found, place, pages = [], START_OF_EVENTS, 0
        while True:
            events, reached = await events_of_types_after(
                pool, organization_id, place, types, page_size=10, look_at=look_at
            )
            found += [each.happening.version for each in events]
            pages += 1
            if reached is None:
                break
            place = reached
        assert found == [1, 2], look_at
        assert pages == 13 // look_at + 1


async def test_a_filtered_page_that_is_empty_goes_on_where_the_search_ended(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the API: `hasNextPage`, and an `endCursor` though there is no row."""
    ada = await a_provider(api)
    for _ in range(3):
        await a_service(api, ada)
    await an_appointment(api, ada, TEN)
    monkeypatch.setattr(list_events, "MOST_LOOKED_AT", 2)
    await settled(api.resources.pool)
    first = await page(api, types=["APPOINTMENT_BOOKED"])
    assert (first["nodes"], first["pageInfo"]["hasNextPage"]) == ([], True)
    assert first["pageInfo"]["endCursor"] == (await page(api, first=2))["nodes"][1]["cursor"]
    found = await everything(api, types=["APPOINTMENT_BOOKED"])
    assert [each["type"] for each in found] == ["APPOINTMENT_BOOKED"]


async def test_what_was_erased_is_null_and_its_event_stays(api: Api) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await an_appointment(api, ada, TEN, caller=robin)
    customer_id = visit["appointment"]["customer"]["id"]
    types = ["CUSTOMER_CHANGED", "CUSTOMER_ERASED"]
    [before] = await everything(api, types=types)
    assert before["subject"] == {"__typename": "Customer", "id": customer_id}
    made((await api.ask(ERASE, caller=api.admin, input={"id": customer_id}))["answer"], "Customer")
    after = await everything(api, types=types)
    assert [(each["type"], each["subject"]) for each in after] == [
        ("CUSTOMER_CHANGED", None),
        ("CUSTOMER_ERASED", None),
    ]


async def test_the_subject_of_every_type_of_event_is_found(api: Api) -> None:
    """Whatever its type is about: the object that `node` gives."""
    world = await a_world(api)
    [message, *_] = await api.rows(
        "SELECT id FROM reminder_log WHERE organization_id = $1", api.organization.id
    )
    happenings = []
    for type_ in EventType:
        about = subject_type(type_)
        key = message["id"] if about == "Reminder" else key_in(world.things[about][0])
        happenings.append((EventId(new_id()), Happening(type=type_, subject_id=key)))
    await settled(api.resources.pool)
    start = (await everything(api))[-1]["cursor"]
    async with transaction(api.resources.pool) as tx:
        insert_events(tx, api.organization.id, happenings, author=PROGRAM, occurred_at=NOW)
    await settled(api.resources.pool)
    read = (await page(api, first=100, after=start))["nodes"]
    assert [each["type"] for each in read] == list(EventType)
    for each in read:
        about = subject_type(EventType(each["type"]))
        assert each["subject"]["__typename"] == about
        assert each["subject"]["id"] in world.things[about]


def subject_type(type_: EventType) -> str:
    """By the name of the event."""
    about = type_.partition("_")[0].capitalize()
    return "Reminder" if about == "Message" else about
