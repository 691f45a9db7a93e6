"""Seats: parties share the starts of a service that has some. Booked, held, moved and given back over
HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from app.core.ids import ServiceId
from app.store.sessions import active_sessions
from app.usecases.booking import book_appointment
from app.usecases.booking.hold_slot import sweep_expired_holds
from tests.builders import (
    NOW,
    Api,
    Json,
    a_provider,
    a_service,
    an_appointment,
    key_in,
    made,
    weekly,
)
from tests.integration.test_batching import Statements
from tests.integration.test_book_at_once import no_short_way
from tests.lives import broken_laws, release
from tests.visits import (
    BOOK_VISIT,
    a_class,
    a_room,
    a_treatment,
    a_visit,
    a_wish,
    change_service,
    needs_now,
    node,
    of_rooms,
    try_hold,
    try_move,
    try_visit,
)

NINE, TEN, ELEVEN = (f"2026-01-13T{hour:02}:00Z" for hour in (9, 10, 11))
CANCEL = """
    mutation ($input: CancelAppointmentInput!) {
        answer: cancelAppointment(input: $input) { __typename ... on Appointment { status } }
    }
"""


@pytest.fixture(autouse=True)
async def _laws_are_kept(api: Api) -> AsyncIterator[None]:
    yield
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def booked_seats(
    api: Api, service: Json, starts_at: str, seats: int = 1, *named: Json
) -> Json:
    return await a_visit(api, service, starts_at, *named, seats=seats)


async def refused(
    api: Api, service: Json, starts_at: str, seats: int = 1, *named: Json
) -> list[str]:
    """Why so many seats can't be had."""
    answer = await try_visit(api, service, starts_at, *named, seats=seats)
    reasons: list[str] = made(answer, "SlotUnavailableError")["reasons"]
    return reasons


async def cancel(api: Api, booked: Json) -> None:
    answer = await api.ask(
        CANCEL,
        input={"appointmentId": booked["appointment"]["id"], "manageToken": booked["manageToken"]},
    )
    assert made(answer["answer"], "Appointment")["status"] == "CANCELLED"


async def session_of(api: Api, booked: Json) -> UUID:
    (row,) = await api.rows(
        "SELECT session_id FROM appointment WHERE id = $1", key_in(booked["appointment"]["id"])
    )
    found: UUID = row["session_id"]
    return found


async def sittings(api: Api, service: Json) -> list[list[int]]:
    """The parties of each session that has not ended, by start."""
    found = await active_sessions(
        api.resources.pool,
        api.organization.id,
        [ServiceId(key_in(service["id"]))],
        NOW,
        NOW + timedelta(days=30),
    )
    return [
        sorted(party.seats for party in session.parties)
        for session in found[ServiceId(key_in(service["id"]))]
    ]


# ---------------------------------------------------------------- booking


async def test_parties_share_a_start_until_its_seats_are_taken(api: Api) -> None:
    """They take one time of the provider. A party that does not fit is refused; one that does, fits
    still.
    """
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=4, price={"amountMinor": 1500, "currency": "EUR"})
    first, second = await booked_seats(api, yoga, NINE, 2), await booked_seats(api, yoga, NINE)
    assert await session_of(api, first) == await session_of(api, second)
    assert [each["appointment"]["seats"] for each in (first, second)] == [2, 1]
    assert [each["appointment"]["price"]["amountMinor"] for each in (first, second)] == [3000, 1500]
    assert await refused(api, yoga, NINE, 2) == ["NO_SEATS_LEFT"]
    assert await refused(api, yoga, TEN, 5) == ["NO_SEATS_LEFT"]
    await booked_seats(api, yoga, NINE)
    assert await refused(api, yoga, NINE) == ["NO_SEATS_LEFT"]
    assert await sittings(api, yoga) == [[1, 1, 2]]
    rows = await api.rows(
        "SELECT id FROM claim WHERE subject_id = $1 AND active", key_in(ada["id"])
    )
    assert len(rows) == 1
    # Others see taken time.
    plain = await a_service(api, ada, durationMinutes=60)
    assert await refused(api, plain, NINE) == ["NOBODY_FREE"]


@pytest.mark.parametrize("seats", [0, 1001])
async def test_a_party_has_1_to_1000_seats(api: Api, seats: int) -> None:
    yoga = await a_class(api, await a_provider(api), seats=4)
    booked = await booked_seats(api, yoga, NINE)
    for answer in (
        await try_visit(api, yoga, TEN, seats=seats),
        await try_hold(api, yoga, TEN, seats=seats),
        await try_move(api, booked, TEN, seats=seats),
    ):
        assert made(answer, "InvalidInputError")["field"] == "seats"


async def test_a_visit_without_seats_is_for_a_party_of_one(api: Api) -> None:
    ada = await a_provider(api)
    plain = await a_service(api, ada, durationMinutes=60)
    booked = await a_visit(api, plain, NINE, ada)
    assert await refused(api, plain, TEN, 2, ada) == ["NO_SEATS_LEFT"]
    answer = await try_move(api, booked, TEN, seats=2)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["NO_SEATS_LEFT"]
    answer = await try_visit(api, plain, TEN, ada, serviceId=None, seats=2)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["NO_SEATS_LEFT"]


async def test_a_session_takes_all_that_the_service_needs_and_only_once(api: Api) -> None:
    team = [await a_provider(api) for _ in range(2)]
    room = await a_room(api)
    course = await a_class(api, *team, seats=4, providersNeeded=2, needs=of_rooms([room]))
    first, second = [await booked_seats(api, course, NINE) for _ in range(2)]
    session = await session_of(api, first)
    rows = await api.rows(
        "SELECT subject_id, session_id FROM claim WHERE organization_id = $1 AND active",
        api.organization.id,
    )
    assert Counter(row["session_id"] for row in rows) == {session: 3}
    taken = [each["id"] for each in second["appointment"]["providers"]]
    assert taken == [each["id"] for each in team]


async def test_a_party_sits_in_one_session_the_fullest_that_has_room(api: Api) -> None:
    """A new one is made only for a party that fits nowhere."""
    ada, bea = await a_provider(api), await a_provider(api)
    yoga = await a_class(api, ada, bea, seats=4)
    await booked_seats(api, yoga, NINE, 3, ada)
    await booked_seats(api, yoga, NINE, 2)
    assert await sittings(api, yoga) == [[3], [2]]
    await booked_seats(api, yoga, NINE)
    assert sorted(await sittings(api, yoga)) == [[1, 3], [2]]
    await booked_seats(api, yoga, NINE)
    assert sorted(await sittings(api, yoga)) == [[1, 2], [1, 3]]
    assert await refused(api, yoga, NINE, 2) == ["NO_SEATS_LEFT"]


async def test_a_named_wish_joins_only_sessions_with_those_named(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    yoga = await a_class(api, ada, bea, seats=4)
    await booked_seats(api, yoga, NINE, 3, ada)
    booked = await booked_seats(api, yoga, NINE, 1, bea)
    assert [each["id"] for each in booked["appointment"]["providers"]] == [bea["id"]]
    assert sorted(await sittings(api, yoga)) == [[1], [3]]
    assert await refused(api, yoga, NINE, 2, ada) == ["NO_SEATS_LEFT"]


async def test_a_session_keeps_its_length_whatever_the_rules_are_now(api: Api) -> None:
    """A page that shows the session's length books it, and one that shows another does not."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    yoga = await a_class(api, ada, seats=4)
    await booked_seats(api, yoga, NINE)
    await change_service(api, yoga, durationMinutes=45, slotIntervalMinutes=25)
    answer = await try_visit(api, yoga, NINE, durationMinutes=45)
    assert made(answer, "InvalidInputError")["field"] == "durationMinutes"
    booked = made(await try_visit(api, yoga, NINE, durationMinutes=60), "BookingConfirmation")
    assert booked["appointment"]["endsAt"] == "2026-01-13T10:00:00Z"
    answer = await try_visit(api, yoga, ELEVEN, durationMinutes=60)
    assert made(answer, "InvalidInputError")["field"] == "durationMinutes"


async def test_fewer_seats_than_taken_take_nobodys_away(api: Api) -> None:
    yoga = await a_class(api, await a_provider(api), seats=4)
    booked = [await booked_seats(api, yoga, NINE) for _ in range(3)]
    await needs_now(api, yoga, seats=2)
    assert await refused(api, yoga, NINE) == ["NO_SEATS_LEFT"]
    await cancel(api, booked[0])
    assert await refused(api, yoga, NINE) == ["NO_SEATS_LEFT"]
    await cancel(api, booked[1])
    await booked_seats(api, yoga, NINE)
    await needs_now(api, yoga, seats=1)
    assert await refused(api, yoga, NINE) == ["NOBODY_FREE"]


async def test_the_same_key_gives_the_same_seats_and_one_seat_is_as_none_given(api: Api) -> None:
    yoga = await a_class(api, await a_provider(api), seats=3)
    wish = a_wish(yoga, NINE)
    answers = await asyncio.gather(*(api.ask(BOOK_VISIT, input=wish) for _ in range(6)))
    booked = {made(each["answer"], "BookingConfirmation")["appointment"]["id"] for each in answers}
    assert len(booked) == 1
    again = (await api.ask(BOOK_VISIT, input=wish | {"seats": 1}))["answer"]
    assert {made(again, "BookingConfirmation")["appointment"]["id"]} == booked
    made(
        (await api.ask(BOOK_VISIT, input=wish | {"seats": 2}))["answer"],
        "IdempotencyKeyReusedError",
    )
    assert await sittings(api, yoga) == [[1]]


@pytest.mark.usefixtures("one_postgres")
async def test_joining_a_session_costs_two_round_trips_more_than_a_plain_booking(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain one that goes the same way locks its provider's dates and looks at them in one."""
    monkeypatch.setattr(book_appointment, "book_at_once", no_short_way)
    ada = await a_provider(api)
    yoga, plain = await a_class(api, ada, seats=4), await a_service(api, ada, durationMinutes=60)
    await booked_seats(api, yoga, NINE)
    await a_visit(api, plain, TEN, ada)
    statements = Statements(monkeypatch)
    sent = []
    for service, starts_at in ((plain, ELEVEN), (yoga, NINE)):
        before = len(statements.sent) + len(statements.executed)
        await a_visit(api, service, starts_at, ada)
        sent.append(len(statements.sent) + len(statements.executed) - before)
    of_plain, of_seat = sent
    assert of_seat <= of_plain + 2


async def test_nobody_joins_a_session_whose_room_is_archived(api: Api) -> None:
    """Who is there, stays."""
    room = await a_room(api)
    yoga = await a_class(api, await a_provider(api), seats=4, needs=of_rooms([room]))
    booked = await booked_seats(api, yoga, NINE)
    await api.rows("UPDATE resource SET is_archived = true WHERE id = $1 RETURNING id", room)
    assert "RESOURCE_TAKEN" in await refused(api, yoga, NINE)
    made(await try_move(api, booked, NINE, seats=2), "BookingConfirmation")


# ---------------------------------------------------------------- giving back


async def test_the_last_who_cancels_ends_the_session_and_its_time_is_free_at_once(api: Api) -> None:
    ada = await a_provider(api)
    yoga, plain = await a_class(api, ada, seats=4), await a_service(api, ada, durationMinutes=60)
    first, second = await booked_seats(api, yoga, NINE, 3), await booked_seats(api, yoga, NINE)
    await cancel(api, first)
    await booked_seats(api, yoga, NINE, 2)
    await cancel(api, second)
    assert await sittings(api, yoga) == [[2]]
    (third,) = await api.rows(
        "SELECT id FROM appointment WHERE status = 'CONFIRMED' AND service_id = $1",
        key_in(yoga["id"]),
    )
    answer = await api.ask(
        CANCEL, caller=api.admin, input={"appointmentId": node("Appointment", third["id"])}
    )
    made(answer["answer"], "Appointment")
    assert await sittings(api, yoga) == []
    await a_visit(api, plain, NINE, ada)


# ---------------------------------------------------------------- holds


async def test_seats_are_held_and_their_booking_takes_them(api: Api) -> None:
    """Seats may be left out then; those that are given must be those that are held."""
    yoga = await a_class(api, await a_provider(api), seats=4)
    held = made(await try_hold(api, yoga, NINE, seats=3), "Hold")
    assert held["seats"] == 3
    assert await refused(api, yoga, NINE, 2) == ["NO_SEATS_LEFT"]
    token = held["holdToken"]
    for given in (1, 2, 4):
        answer = await try_visit(api, yoga, NINE, holdToken=token, seats=given)
        assert made(answer, "InvalidInputError")["field"] == "seats"
    booked = await a_visit(api, yoga, NINE, holdToken=token)
    assert booked["appointment"]["seats"] == 3
    await booked_seats(api, yoga, NINE)
    assert await sittings(api, yoga) == [[1, 3]]
    with_all = made(await try_hold(api, yoga, TEN, seats=2), "Hold")
    booked = await a_visit(api, yoga, TEN, holdToken=with_all["holdToken"], seats=2)
    assert booked["appointment"]["seats"] == 2


async def test_a_session_with_holds_only_lasts_until_the_last_expires(api: Api) -> None:
    ada = await a_provider(api)
    yoga, plain = await a_class(api, ada, seats=4), await a_service(api, ada, durationMinutes=60)
    made(await try_hold(api, yoga, NINE, seats=2), "Hold")
    api.clock.now = NOW + timedelta(minutes=5)
    second = made(await try_hold(api, yoga, NINE), "Hold")
    api.clock.now = NOW + timedelta(minutes=10)
    # The first has expired: its seats are free, the time is not.
    assert await refused(api, plain, NINE, 1, ada) == ["HELD"]
    third = made(await try_hold(api, yoga, NINE, seats=3), "Hold")
    assert await refused(api, yoga, NINE) == ["NO_SEATS_LEFT"]
    made(await release(api, second["holdToken"]), "Hold")
    made(await release(api, third["holdToken"]), "Hold")
    await a_visit(api, plain, NINE, ada)


@pytest.mark.parametrize("sweeps", [1, 0])
async def test_an_expired_hold_of_seats_is_as_if_it_were_not_there(api: Api, sweeps: int) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    team = await a_class(api, ada, bea, seats=4, providersNeeded=2)
    plain = await a_service(api, ada, durationMinutes=60)
    held = made(await try_hold(api, team, NINE, seats=4), "Hold")
    late = made(await try_hold(api, team, TEN, seats=4), "Hold")
    api.clock.now = NOW + timedelta(minutes=10)
    if sweeps:
        assert await sweep_expired_holds(api.resources) >= 2
    await booked_seats(api, team, TEN, 4)
    answer = await try_visit(api, team, TEN, holdToken=late["holdToken"])
    made(answer, "HoldExpiredError")
    await a_visit(api, plain, NINE, ada)
    # Its session has lost Ada's time: nobody joins it, also not before it is swept.
    assert await refused(api, team, NINE) == ["NOBODY_FREE"]
    made(await try_visit(api, team, NINE, holdToken=held["holdToken"]), "HoldExpiredError")
    await sweep_expired_holds(api.resources)
    assert await sittings(api, team) == [[4]]


async def test_at_the_instant_at_which_holds_expire_one_gets_the_time_and_all_of_it(
    api: Api,
) -> None:
    """A party joins, somebody else books one of the two teachers, the holder books, and the sweep
    passes: all at once.
    """
    ada, bea = await a_provider(api), await a_provider(api)
    team = await a_class(api, ada, bea, seats=4, providersNeeded=2)
    plain = await a_service(api, bea, durationMinutes=60)
    starts = [f"2026-01-1{day}T{hour:02}:00Z" for day in (3, 4) for hour in range(9, 17)]
    held = [made(await try_hold(api, team, start, seats=3), "Hold") for start in starts]
    api.clock.now = NOW + timedelta(minutes=10)
    seen: Counter[str] = Counter()

    async def rush(start: str, hold: Json) -> None:
        answers = await asyncio.gather(
            try_visit(api, team, start, seats=2),
            try_visit(api, plain, start, bea),
            try_visit(api, team, start, holdToken=hold["holdToken"]),
        )
        joined, alone, used = [each["__typename"] == "BookingConfirmation" for each in answers]
        assert [joined or used, alone].count(True) == 1
        # Five seats are more than there are.
        assert not (joined and used)
        seen["alone" if alone else "together"] += 1

    await asyncio.gather(
        *map(rush, starts, held), *(sweep_expired_holds(api.resources) for _ in range(3))
    )
    assert seen.total() == len(starts)
    await sweep_expired_holds(api.resources)


async def test_holds_that_outlive_the_appointments_keep_the_session(api: Api) -> None:
    yoga = await a_class(api, await a_provider(api), seats=4)
    booked = await booked_seats(api, yoga, NINE)
    held = made(await try_hold(api, yoga, NINE, seats=2), "Hold")
    await cancel(api, booked)
    assert await sittings(api, yoga) == [[2]]
    kept = await a_visit(api, yoga, NINE, holdToken=held["holdToken"])
    await cancel(api, kept)
    assert await sittings(api, yoga) == []


# ---------------------------------------------------------------- moving


async def test_a_party_moves_to_another_session_and_changes_its_size(api: Api) -> None:
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=4, price={"amountMinor": 1500, "currency": "EUR"})
    party, other = await booked_seats(api, yoga, NINE, 2), await booked_seats(api, yoga, TEN, 2)
    moved = made(await try_move(api, party, TEN), "BookingConfirmation")
    assert await sittings(api, yoga) == [[2, 2]]
    answer = await try_move(api, moved, TEN, seats=3)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["NO_SEATS_LEFT"]
    smaller = made(await try_move(api, moved, TEN, seats=1), "BookingConfirmation")
    assert smaller["appointment"]["price"]["amountMinor"] == 1500
    larger = made(await try_move(api, other, TEN, seats=3), "BookingConfirmation")
    assert larger["appointment"]["price"]["amountMinor"] == 4500
    assert await sittings(api, yoga) == [[1, 3]]
    assert await session_of(api, smaller) == await session_of(api, larger)


async def test_a_party_grows_only_as_far_as_an_appointment_can_be_dear(api: Api) -> None:
    """The price per seat stays, also where the service has become cheaper and larger."""
    dear = {"amountMinor": 2**31 // 3, "currency": "EUR"}
    yoga = await a_class(api, await a_provider(api), seats=2, price=dear)
    party = await booked_seats(api, yoga, NINE, 2)
    await change_service(api, yoga, seats=5, price={"amountMinor": 1500, "currency": "EUR"})
    assert made(await try_move(api, party, NINE, seats=4), "InvalidInputError")["field"] == "seats"
    larger = made(await try_move(api, party, NINE, seats=3), "BookingConfirmation")
    assert larger["appointment"]["price"]["amountMinor"] == 2**31 // 3 * 3


async def test_the_only_party_moves_by_less_than_the_visits_length(api: Api) -> None:
    """Its session's time counts as free; while others sit there, it does not."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=4, slotIntervalMinutes=30)
    party, other = [await booked_seats(api, yoga, NINE, 1, ada) for _ in range(2)]
    half_past = "2026-01-13T09:30Z"
    answer = await try_move(api, party, half_past)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["ALREADY_TAKEN"]
    await cancel(api, other)
    made(await try_move(api, party, half_past), "BookingConfirmation")
    assert await sittings(api, yoga) == [[1]]


async def test_a_party_that_stays_where_it_is_heeds_only_the_seats(api: Api) -> None:
    """Neither notice nor the grid nor the teacher's hours count."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=4, minNoticeMinutes=24 * 60)
    party = await booked_seats(api, yoga, NINE)
    api.clock.now = NOW + timedelta(hours=12)
    assert "TOO_SHORT_NOTICE" in await refused(api, yoga, NINE, 1, ada)
    larger = made(await try_move(api, party, NINE, seats=4), "BookingConfirmation")
    assert larger["appointment"]["seats"] == 4
    answer = await try_move(api, party, NINE, seats=5)
    assert made(answer, "SlotUnavailableError")["reasons"] == ["NO_SEATS_LEFT"]


async def test_what_was_booked_before_there_were_seats_takes_one_when_it_moves(api: Api) -> None:
    ada = await a_provider(api)
    service = await a_treatment(api, ada, durationMinutes=60)
    before = await an_appointment(api, ada, NINE, serviceId=service["id"])
    await needs_now(api, service, seats=4)
    assert await refused(api, service, NINE, 1, ada) == ["ALREADY_TAKEN"]
    await booked_seats(api, service, TEN, 2)
    made(await try_move(api, before, TEN), "BookingConfirmation")
    assert await sittings(api, service) == [[1, 2]]
    # And gets a visit of its own where there are none any more.
    await needs_now(api, service, seats=1)
    made(await try_move(api, before, ELEVEN), "BookingConfirmation")
    assert await sittings(api, service) == [[2]]
