"""Sessions as staff see them: by id, in the list, and from an appointment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.core.ids import AppointmentId
from app.notify.ics import uid
from tests.builders import (
    NOW,
    TODAY,
    Api,
    Caller,
    Json,
    a_provider,
    an_appointment,
    key_in,
    made,
    weekly,
)
from tests.integration.test_batching import Statements
from tests.visits import a_class, a_visit, ids_of, needs_now, try_hold

SESSIONS = """
    query (
        $from: DateTime!, $to: DateTime!, $serviceIds: [ID!], $providerIds: [ID!], $first: Int, $last: Int, $after: String
    ) {
        sessions(
            from: $from, to: $to, serviceIds: $serviceIds, providerIds: $providerIds, first: $first, last: $last,
            after: $after
        ) {
            totalCount pageInfo { hasNextPage endCursor }
            nodes {
                id startsAt endsAt seats seatsTaken isCancelled calendarUid
                service { id } providers { id } resources { id }
                appointments { totalCount nodes { id seats session { id } contact { name } } }
            }
        }
    }
"""
SESSION = """
    query ($id: ID!) { node(id: $id) { ... on Session { id appointments { nodes { id } } } } }
"""
OF_APPOINTMENT = """
    query ($id: ID!, $manageToken: String) {
        appointment(id: $id, manageToken: $manageToken) { seats session { id } }
    }
"""
CANCEL = """
    mutation ($input: CancelAppointmentInput!) { cancelAppointment(input: $input) { __typename } }
"""
CANCEL_SESSION = """
    mutation ($input: CancelSessionInput!) {
        answer: cancelSession(input: $input) { __typename ... on UserError { message } }
    }
"""
MONDAY: Json = {"from": f"{TODAY}T00:00:00Z", "to": f"{TODAY + timedelta(days=1)}T00:00:00Z"}


async def sessions(api: Api, caller: Caller | None = None, **asked: object) -> list[Json]:
    """Those of today that the caller gets."""
    page = (await api.ask(SESSIONS, caller=caller or api.admin, **(MONDAY | asked)))["sessions"]
    found: list[Json] = page["nodes"]
    assert page["totalCount"] >= len(found)
    return found


async def a_session(api: Api, provider: Json, service: Json, starts_at: str) -> str:
    return await session_of(api, await a_visit(api, service, starts_at, provider))


async def session_of(api: Api, booked: Json) -> str:
    key = booked["appointment"]["id"]
    found: str = (await api.ask(OF_APPOINTMENT, caller=api.admin, id=key))["appointment"][
        "session"
    ]["id"]
    return found


async def test_a_session_shows_what_it_takes_and_who_takes_it(api: Api) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    team = await a_class(api, ada, bea, seats=10, providersNeeded=2)
    first, second = [await a_visit(api, team, "2026-01-12T10:00Z", bea, seats=3) for _ in range(2)]
    key = await session_of(api, first)
    assert await session_of(api, second) == key
    await needs_now(api, team, seats=8)
    [found] = await sessions(api)
    names = [each.pop("contact") for each in found["appointments"]["nodes"]]
    assert len({each["name"] for each in names}) == 2
    assert found == {
        "id": key,
        "startsAt": "2026-01-12T10:00:00Z",
        "endsAt": "2026-01-12T11:00:00Z",
        "seats": 8,
        "seatsTaken": 6,
        "isCancelled": False,
        "calendarUid": uid(AppointmentId(key_in(key))),
        "service": {"id": team["id"]},
        "providers": [{"id": bea["id"]}, {"id": ada["id"]}],
        "resources": [],
        "appointments": {
            "totalCount": 2,
            "nodes": [
                {"id": each["appointment"]["id"], "seats": 3, "session": {"id": key}}
                for each in sorted(
                    (first, second), key=lambda one: key_in(one["appointment"]["id"])
                )
            ],
        },
    }


async def test_sessions_are_listed_by_start_as_far_as_they_are_asked_for(api: Api) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    yoga, dance = await a_class(api, ada, bea, seats=10), await a_class(api, bea, seats=10)
    noon = await a_session(api, ada, yoga, "2026-01-12T12:00Z")
    eleven = await a_session(api, bea, dance, "2026-01-12T11:00Z")
    nine = await a_session(api, bea, yoga, "2026-01-12T09:00Z")
    await a_session(api, ada, yoga, "2026-01-13T09:00Z")
    await an_appointment(api, ada, "2026-01-12T14:00Z")

    async def ids(**asked: Any) -> list[str]:  # noqa: ANN401  variables
        return [each["id"] for each in await sessions(api, **asked)]

    assert await ids() == [nine, eleven, noon]
    assert await ids(serviceIds=[yoga["id"]]) == [nine, noon]
    assert await ids(providerIds=ids_of([bea])) == [nine, eleven]
    assert await ids(serviceIds=[yoga["id"]], providerIds=ids_of([ada])) == [noon]
    assert await ids(serviceIds=[]) == []
    assert await ids(**{"from": "2026-01-12T09:00:01Z", "to": "2026-01-12T12:00:00Z"}) == [eleven]
    assert await ids(last=2) == [eleven, noon]
    page = (await api.ask(SESSIONS, caller=api.admin, first=2, **MONDAY))["sessions"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
    assert await ids(after=page["pageInfo"]["endCursor"]) == [noon]


async def test_a_provider_sees_the_sessions_that_they_take_part_in_and_others_see_none(
    api: Api,
) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    team, yoga = (
        await a_class(api, ada, bea, seats=10, providersNeeded=2),
        await a_class(api, ada, seats=10),
    )
    booked = await a_visit(api, team, "2026-01-12T10:00Z", ada)
    both = (await sessions(api))[0]["id"]
    alone = await a_session(api, ada, yoga, "2026-01-12T12:00Z")
    other = await api.another_organization()
    for caller, seen in (
        (api.admin, [both, alone]),
        (api.acting_for(ada), [both, alone]),
        (api.acting_for(bea), [both]),
        (api.acting_for(await a_provider(api)), []),
        (other.admin, []),
    ):
        assert [each["id"] for each in await sessions(api, caller)] == seen
        for key in (both, alone):
            node = (await api.ask(SESSION, caller=caller, id=key))["node"]
            assert (node is not None) == (key in seen)
    for nobody in (api.anonymous, api.customer(), Caller(token=booked["manageToken"])):
        assert (await api.ask(SESSIONS, caller=nobody, **MONDAY))["sessions"] is None
        assert (await api.ask(SESSION, caller=nobody, id=both))["node"] is None
    asked: Json = {"id": booked["appointment"]["id"]}
    as_customer = {**asked, "manageToken": booked["manageToken"]}
    data = await api.ask(OF_APPOINTMENT, **as_customer)
    assert data["appointment"] == {"seats": 1, "session": None}
    data = await api.ask(OF_APPOINTMENT, caller=api.acting_for(bea), **asked)
    assert data["appointment"]["session"] == {"id": both}
    plain = await an_appointment(api, ada, "2026-01-12T15:00Z")
    data = await api.ask(OF_APPOINTMENT, caller=api.admin, id=plain["appointment"]["id"])
    assert data["appointment"] == {"seats": 1, "session": None}


async def test_seats_of_a_hold_are_taken_until_it_expires(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    yoga = await a_class(api, ada, seats=10)
    key = await a_session(api, ada, yoga, "2026-01-12T10:00Z")
    hold = made(await try_hold(api, yoga, "2026-01-12T10:00Z", seats=2), "Hold")
    expires_at = datetime.fromisoformat(hold["expiresAt"])
    for now, taken in ((NOW, 3), (expires_at - timedelta(microseconds=1), 3), (expires_at, 1)):
        api.clock.set(now)
        assert [each["seatsTaken"] for each in await sessions(api)] == [taken]
    # Everybody left: it is not in the list, but can be found by its id.
    [booked] = (await sessions(api))[0]["appointments"]["nodes"]
    values: Json = {"appointmentId": booked["id"]}
    await api.ask(CANCEL, caller=api.admin, input=values)
    assert await sessions(api) == []
    assert (await api.ask(SESSION, caller=api.admin, id=key))["node"]["id"] == key
    other = await a_session(api, ada, yoga, "2026-01-12T12:00Z")
    data = await api.ask(CANCEL_SESSION, caller=api.admin, input={"sessionId": other})
    made(data["answer"], "Session")
    [cancelled] = await sessions(api)
    assert (cancelled["id"], cancelled["isCancelled"], cancelled["seatsTaken"]) == (other, True, 0)


async def test_a_list_of_sessions_costs_the_same_for_two_and_for_ten(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(monkeypatch)
    sent: list[list[str]] = []
    made = 0
    for count in (2, 8):
        for _ in range(count):
            provider = await a_provider(api)
            yoga = await a_class(api, provider, seats=10)
            await a_session(api, provider, yoga, "2026-01-12T10:00Z")
        made += count
        sent.append(await statements.of(api, SESSIONS, caller=api.admin, first=100, **MONDAY))
    assert len(await sessions(api, first=100)) == made
    assert sent[0] == sent[1]
