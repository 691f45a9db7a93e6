"""Which session a party joins, and which it may still join when the service has changed since."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.ids import ServiceId
from app.core.needs import Assignment, ResourceGroup
from app.usecases.booking import choose_visit
from tests.builders import Api, Json, a_provider, key_in, made, weekly
from tests.integration.test_listed_seats import EXPLAIN, LISTING
from tests.integration.test_seats import (
    NINE,
    TEN,
    booked_seats,
    cancel,
    refused,
    session_of,
    sittings,
)
from tests.lives import broken_laws
from tests.visits import (
    a_class,
    a_room,
    a_visit,
    change_service,
    ids_of,
    needs_now,
    of_rooms,
    try_move,
    try_visit,
)


@pytest.fixture(autouse=True)
async def _laws_are_kept(api: Api) -> AsyncIterator[None]:
    yield
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


DAY, LISTED_NINE = "2026-01-13", "2026-01-13T09:00:00Z"


def unknown_to_have_seats(api: Api, service: Json) -> None:
    """As in a process that has not booked this service yet."""
    api.resources.accelerator.taking_more.add(
        api.organization.id, ServiceId(key_in(service["id"])), has_seats=False
    )


MOVES = """
    query ($id: ID!, $from: Date!, $to: Date!, $seats: Int) {
        appointment(id: $id) {
            rescheduleAvailability(from: $from, to: $to, timeZone: "UTC", seats: $seats) {
                __typename ... on ServiceAvailability { slots { startsAt endsAt seatsLeft } }
            }
        }
    }
"""


async def moves(
    api: Api, booked: Json, first: str, last: str, seats: int | None = None
) -> dict[str, tuple[str, int]]:
    """Where a party of so many can move to: the end there, and how many seats are left."""
    key = booked["appointment"]["id"]
    asked: Json = {"id": key, "from": first, "to": last, "seats": seats}
    data = await api.ask(MOVES, caller=api.admin, **asked)
    found = made(data["appointment"]["rescheduleAvailability"], "ServiceAvailability")
    return {each["startsAt"]: (each["endsAt"], each["seatsLeft"]) for each in found["slots"]}


async def listed(api: Api, service: Json, day: str, seats: int = 1) -> dict[str, int]:
    asked: Json = {"id": service["id"], "from": day, "to": day, "seats": seats}
    data = await api.ask(LISTING, **asked)
    found = made(data["node"]["availability"], "ServiceAvailability")
    return {each["startsAt"]: each["seatsLeft"] for each in found["slots"]}


async def test_of_equally_full_sessions_that_of_the_first_in_the_services_order_is_joined(
    api: Api,
) -> None:
    """Whichever began first, and also where the service is known to have seats."""
    ada, bea = await a_provider(api), await a_provider(api)
    for order in ((ada, bea), (bea, ada)):
        yoga = await a_class(api, *order, seats=4)
        for _ in range(2):
            start = NINE if order[0] is ada else TEN
            for lead in (order[1], order[0]):
                await booked_seats(api, yoga, start, 1, lead)
            third = await booked_seats(api, yoga, start)
            assert ids_of(third["appointment"]["providers"]) == [order[0]["id"]]
            await cancel(api, third)
            for session in await sittings(api, yoga):
                assert len(session) in {1, 2}


async def test_a_session_keeps_a_room_that_the_service_needs_no_more_and_is_joined(
    api: Api,
) -> None:
    """By a booking that knows of the session and one that looks for it, and by a move; and so it is
    listed.
    """
    ada = await a_provider(api)
    red, blue = await a_room(api), await a_room(api)
    yoga = await a_class(api, ada, seats=4, needs=of_rooms([red]))
    first = await booked_seats(api, yoga, NINE)
    other = await booked_seats(api, yoga, TEN)
    await needs_now(api, yoga, groups=(ResourceGroup(name="room", count=1, resource_ids=(blue,)),))
    assert (await listed(api, yoga, DAY))[LISTED_NINE] == 3
    assert LISTED_NINE in await listed(api, yoga, DAY, 3)
    assert (await moves(api, other, DAY, DAY))[LISTED_NINE][1] == 3
    asked: Json = {"serviceId": yoga["id"], "startsAt": LISTED_NINE, "providerId": ada["id"]}
    for seats, reasons in ((3, []), (4, ["NO_SEATS_LEFT"])):
        data = await api.ask(EXPLAIN, caller=api.admin, seats=seats, **asked)
        assert data["explainTime"]["reasons"] == reasons
    known = await booked_seats(api, yoga, NINE)
    unknown_to_have_seats(api, yoga)
    looked_for = await booked_seats(api, yoga, NINE, 1, ada)
    moved = made(await try_move(api, other, NINE), "BookingConfirmation")
    sessions = {await session_of(api, each) for each in (first, known, looked_for, moved)}
    assert len(sessions) == 1
    assert await sittings(api, yoga) == [[1, 1, 1, 1]]


async def test_a_party_keeps_its_seats_or_some_of_them_where_there_are_fewer_now(api: Api) -> None:
    """More it does not get. It stays as it is in a move that changes nothing."""
    yoga = await a_class(api, await a_provider(api), seats=5)
    party, other = await booked_seats(api, yoga, NINE, 3), await booked_seats(api, yoga, NINE, 2)
    await needs_now(api, yoga, seats=2)
    kept = made(await try_move(api, party, NINE), "BookingConfirmation")
    assert kept["appointment"]["seats"] == 3
    assert await sittings(api, yoga) == [[2, 3]]
    answer = await try_move(api, party, NINE, seats=4)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["NO_SEATS_LEFT"]
    fewer = made(await try_move(api, party, NINE, seats=2), "BookingConfirmation")
    assert await session_of(api, fewer) == await session_of(api, other)
    made(await try_move(api, party, NINE, seats=1), "BookingConfirmation")
    assert await sittings(api, yoga) == [[1, 2]]
    assert await refused(api, yoga, NINE) == ["NO_SEATS_LEFT"]


async def test_the_history_names_an_order_only_where_somebody_was_assigned_by_it(api: Api) -> None:
    """A session is joined since it is the fullest, not since its teacher's turn has come."""
    ada, bea = await a_provider(api), await a_provider(api)
    yoga = await a_class(api, ada, bea, seats=4, assignment=Assignment.LEAST_BUSY)
    found = []
    for _ in range(3):
        booked = await a_visit(api, yoga, NINE, caller=api.admin)
        found.append(booked["appointment"]["history"][0]["assignment"])
    unknown_to_have_seats(api, yoga)
    booked = await a_visit(api, yoga, NINE, caller=api.admin)
    found.append(booked["appointment"]["history"][0]["assignment"])
    assert found == ["LEAST_BUSY", None, None, None]


async def test_a_move_within_a_months_limit_is_listed_on_whatever_dates_are_asked_for(
    api: Api,
) -> None:
    """Alone in its session a party takes the month's only visit along; with others there, it would
    be one more.
    """
    limits = [{"period": "MONTH", "maxVisits": 1}]
    yoga = await a_class(api, await a_provider(api, limits=limits), seats=4)
    party = await booked_seats(api, yoga, NINE, 2)
    later, start = "2026-01-27", "2026-01-27T09:00:00Z"
    assert (await moves(api, party, later, later))[start] == ("2026-01-27T10:00:00Z", 4)
    other = await booked_seats(api, yoga, NINE)
    assert await moves(api, party, later, later) == {}
    answer = await try_move(api, party, start)
    assert "LIMIT_REACHED" in made(answer, "SlotUnavailableError")["reasons"]
    await cancel(api, other)
    made(await try_move(api, party, start), "BookingConfirmation")


async def test_where_a_service_has_fewer_seats_a_party_is_listed_with_those_that_it_has(
    api: Api,
) -> None:
    """Until the end of its own session, whatever the duration is by now."""
    yoga = await a_class(api, await a_provider(api), seats=5)
    party = await booked_seats(api, yoga, NINE, 3)
    await booked_seats(api, yoga, NINE, 2)
    for seats in (2, 1):
        await change_service(api, yoga, seats=seats, durationMinutes=30)
        found = await moves(api, party, DAY, DAY)
        assert found == {LISTED_NINE: ("2026-01-13T10:00:00Z", 3)}
        made(await try_move(api, party, NINE), "BookingConfirmation")


async def test_a_refusal_offers_seats_also_where_no_new_session_can_begin(api: Api) -> None:
    ada = await a_provider(
        api, weeklyHours=weekly("09:00", "11:00"), maxAdvanceBookingDays=1, slotIntervalMinutes=60
    )
    yoga = await a_class(api, ada, seats=4)
    starts = [f"2026-01-{day}T{hour}:00:00Z" for day in (12, 13) for hour in ("09", "10")]
    for start in starts:
        await booked_seats(api, yoga, start)
    for named in ((), (ada,)):
        answer = await try_visit(api, yoga, "2026-01-13T12:00Z", *named)
        found = made(answer, "SlotUnavailableError")["alternatives"]
        assert [each["startsAt"] for each in found] == starts


async def test_a_session_that_begins_while_a_party_looks_is_joined(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The party sees the teacher's time taken, and not yet by whom."""
    yoga = await a_class(api, await a_provider(api), seats=4)
    unknown_to_have_seats(api, yoga)
    look_at = choose_visit.look_at
    began: list[Json] = []

    async def look_at_after_others(*given: Any, **options: Any) -> Any:  # noqa: ANN401  as it is called
        monkeypatch.setattr(choose_visit, "look_at", look_at)
        began.append(await booked_seats(api, yoga, NINE))
        unknown_to_have_seats(api, yoga)
        return await look_at(*given, **options)

    monkeypatch.setattr(choose_visit, "look_at", look_at_after_others)
    joined = made(await try_visit(api, yoga, NINE, seats=2), "BookingConfirmation")
    assert await session_of(api, joined) == await session_of(api, began[0])
    assert await sittings(api, yoga) == [[1, 2]]
