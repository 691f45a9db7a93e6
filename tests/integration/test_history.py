"""The history of an appointment: one entry for every version, written with it, and visible to
staff.
"""

from __future__ import annotations

import pytest

from app.usecases.booking.close_appointment import complete_what_ended
from tests.builders import Api, Caller, a_provider, made
from tests.lives import booked, broken_laws, cancel, complete, history, move, new_key, no_show, seen

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"
AT_TEN = "2026-01-12T10:00:00Z"
AT_ELEVEN = "2026-01-12T11:00:00Z"


async def test_the_history_says_who_did_what_when_and_from_which_state_to_which(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    api.clock.set("2026-01-12T08:10:00Z")
    made(await move(api, visit, ELEVEN), "BookingConfirmation")
    api.clock.set("2026-01-12T08:20:00Z")
    made(await cancel(api, visit, caller=api.admin, reason="ill"), "Appointment")
    assert await history(api, visit) == [
        {
            "version": 1,
            "kind": "BOOKED",
            "occurredAt": "2026-01-12T08:00:00Z",
            "actor": "GUEST",
            "actorSubject": None,
            "fromStatus": None,
            "toStatus": "CONFIRMED",
            "fromStartsAt": None,
            "toStartsAt": AT_TEN,
            "reason": None,
        },
        {
            "version": 2,
            "kind": "RESCHEDULED",
            "occurredAt": "2026-01-12T08:10:00Z",
            "actor": "MANAGE_TOKEN",
            "actorSubject": None,
            "fromStatus": "CONFIRMED",
            "toStatus": "CONFIRMED",
            "fromStartsAt": AT_TEN,
            "toStartsAt": AT_ELEVEN,
            "reason": None,
        },
        {
            "version": 3,
            "kind": "CANCELLED",
            "occurredAt": "2026-01-12T08:20:00Z",
            "actor": "ADMIN",
            "actorSubject": "an-admin",
            "fromStatus": "CONFIRMED",
            "toStatus": "CANCELLED",
            "fromStartsAt": AT_ELEVEN,
            "toStartsAt": AT_ELEVEN,
            "reason": "ill",
        },
    ]


async def test_each_actor_is_told_apart(own_api: Api) -> None:
    api = own_api
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await booked(api, ada, TEN, caller=robin, customer=None)
    made(await move(api, visit, ELEVEN, caller=robin), "BookingConfirmation")
    made(await move(api, visit, TEN, caller=api.acting_for(ada)), "BookingConfirmation")
    api.clock.set(ELEVEN)
    assert await complete_what_ended(api.resources) == 1
    made(await no_show(api, visit, caller=api.acting_for(ada)), "Appointment")
    made(await complete(api, visit), "Appointment")
    told = [
        (entry["kind"], entry["actor"], entry["actorSubject"])
        for entry in await history(api, visit)
    ]
    assert told == [
        ("BOOKED", "CUSTOMER", "robin"),
        ("RESCHEDULED", "CUSTOMER", "robin"),
        ("RESCHEDULED", "PROVIDER", ada["subject"]),
        ("COMPLETED", "SYSTEM", None),
        ("NO_SHOW", "PROVIDER", ada["subject"]),
        ("COMPLETED", "ADMIN", "an-admin"),
    ]
    states = [(entry["fromStatus"], entry["toStatus"]) for entry in await history(api, visit)]
    assert states[3:] == [
        ("CONFIRMED", "COMPLETED"),
        ("COMPLETED", "NO_SHOW"),
        ("NO_SHOW", "COMPLETED"),
    ]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_a_booking_by_staff_for_a_guest_is_theirs(api: Api) -> None:
    ada = await a_provider(api)
    by_ada = await booked(api, ada, TEN, caller=api.acting_for(ada))
    by_admin = await booked(api, ada, ELEVEN, caller=api.admin)
    assert [entry["actor"] for entry in await history(api, by_ada)] == ["PROVIDER"]
    assert [entry["actor"] for entry in await history(api, by_admin)] == ["ADMIN"]


async def test_its_provider_and_administrators_see_it_and_nobody_else(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await booked(api, ada, TEN, caller=robin, customer=None)
    for caller in (api.admin, api.acting_for(ada)):
        assert len(await history(api, visit, caller=caller)) == 1
    for caller in (robin, Caller(token=visit["manageToken"])):
        assert await history(api, visit, caller=caller) == []
    # Another provider holds the customer's link: they see the visit as the customer does.
    document = """
        query ($id: ID!, $token: String) { appointment(id: $id, manageToken: $token) { id customer { id } history { kind } } }
    """
    shown = await api.ask(
        document,
        caller=api.acting_for(ben),
        id=visit["appointment"]["id"],
        token=visit["manageToken"],
    )
    assert shown["appointment"] == {
        "id": visit["appointment"]["id"],
        "customer": None,
        "history": [],
    }


async def test_what_changes_nothing_leaves_no_entry(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    await booked(api, ada, ELEVEN)
    key = new_key()
    made(await move(api, visit, "2026-01-12T12:00Z", idempotencyKey=key), "BookingConfirmation")
    made(await move(api, visit, "2026-01-12T12:00Z", idempotencyKey=key), "BookingConfirmation")
    made(await move(api, visit, ELEVEN), "SlotUnavailableError")
    made(await cancel(api, visit, expectedVersion=1), "VersionConflictError")
    made(await complete(api, visit), "InvalidTransitionError")
    assert [entry["version"] for entry in await history(api, visit)] == [1, 2]
    made(await cancel(api, visit), "Appointment")
    made(await cancel(api, visit), "Appointment")
    assert [entry["version"] for entry in await history(api, visit)] == [1, 2, 3]


@pytest.mark.parametrize("kind", ["BOOKED", "RESCHEDULED", "CANCELLED", "COMPLETED"])
async def test_a_change_that_could_not_be_recorded_did_not_happen(own_api: Api, kind: str) -> None:
    api = own_api
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    await api.resources.pool.execute(
        f"ALTER TABLE appointment_history ADD CONSTRAINT broken CHECK (kind <> '{kind}') NOT VALID",
        [],
    )
    before = (
        await api.rows("SELECT * FROM claim ORDER BY id"),
        await api.rows("SELECT * FROM appointment ORDER BY id"),
    )
    # Every failure is an error in the answer; nothing of the change is kept.
    with pytest.raises(AssertionError, match="INTERNAL_SERVER_ERROR"):
        match kind:
            case "BOOKED":
                await booked(api, ada, ELEVEN)
            case "RESCHEDULED":
                await move(api, visit, ELEVEN)
            case "CANCELLED":
                await cancel(api, visit)
            case _:
                api.clock.set(TEN)
                await complete(api, visit)
    after = (
        await api.rows("SELECT * FROM claim ORDER BY id"),
        await api.rows("SELECT * FROM appointment ORDER BY id"),
    )
    assert after == before
    found = await seen(api, visit)
    assert found is not None
    assert (found["status"], found["version"], found["startsAt"]) == ("CONFIRMED", 1, AT_TEN)


async def test_many_histories_are_read_in_one_page(api: Api) -> None:
    ada = await a_provider(api)
    visits = [await booked(api, ada, f"2026-01-12T{hour:02}:00Z") for hour in range(9, 15)]
    for visit in visits[::2]:
        made(await cancel(api, visit), "Appointment")
    answer = await api.ask(
        "{ appointments { nodes { id history { version } } } }", caller=api.admin
    )
    found = {
        node["id"]: [entry["version"] for entry in node["history"]]
        for node in answer["appointments"]["nodes"]
    }
    assert found == {
        visit["appointment"]["id"]: ([1, 2] if at % 2 == 0 else [1])
        for at, visit in enumerate(visits)
    }
