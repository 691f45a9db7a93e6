"""Staff cancel or move sessions with everybody in them, or not at all, while parties come and go."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from uuid import UUID

import pytest

from app.core.ids import ResourceId
from app.usecases.booking.close_appointment import complete_what_ended
from tests.builders import Api, Caller, Json, a_provider, instant, key_in, made
from tests.integration.test_customer_limits import forbid_overlap
from tests.visits import (
    a_class,
    a_room,
    a_visit,
    ids_of,
    node,
    of_rooms,
    try_hold,
    try_move,
    try_visit,
)

NINE, TEN, ELEVEN, TWELVE = (f"2026-01-13T{hour:02}:00Z" for hour in (9, 10, 11, 12))
_numbers = count(1)

SESSION = """
    __typename
    ... on Session {
        id startsAt endsAt seatsTaken isCancelled calendarUid providers { id } resources { id }
        appointments { nodes { id status startsAt seats version providers { id } } }
    }
    ... on InvalidInputError { field }
    ... on UserError { code message }
"""
CANCEL_SESSION = f"""mutation ($input: CancelSessionInput!) {{
    answer: cancelSession(input: $input) {{ {SESSION} ... on NotCancellableError {{ reason }} }}
}}"""
MOVE_SESSION = f"""mutation ($input: RescheduleSessionInput!) {{
    answer: rescheduleSession(input: $input) {{
        {SESSION} ... on NotReschedulableError {{ reason }} ... on SlotUnavailableError {{ reasons }}
    }}
}}"""
CANCEL = """mutation ($input: CancelAppointmentInput!) {
    answer: cancelAppointment(input: $input) { __typename ... on UserError { message } }
}"""
BROKEN = {
    "a seat is active in a session that has ended": """
        SELECT seat.id FROM seat JOIN session ON session.organization_id = $1 AND session.id = seat.session_id
        WHERE seat.organization_id = $1 AND seat.active AND session.ended_at IS NOT NULL
    """,
    "a confirmed appointment has other seats than it shows": """
        SELECT appointment.id FROM appointment
        WHERE appointment.organization_id = $1 AND appointment.session_id IS NOT NULL
            AND CASE WHEN appointment.status = 'CONFIRMED' THEN appointment.seats ELSE 0 END <> (
                SELECT count(*) FROM seat
                WHERE seat.organization_id = $1 AND seat.appointment_id = appointment.id AND seat.active
                    AND seat.session_id = appointment.session_id
            )
    """,
    "an appointment is at another time than its session": """
        SELECT appointment.id FROM appointment
        JOIN session ON session.organization_id = $1 AND session.id = appointment.session_id
        WHERE appointment.organization_id = $1 AND appointment.status = 'CONFIRMED'
            AND (appointment.starts_at <> session.starts_at OR appointment.provider_id <> session.provider_id
                OR session.ended_at IS NOT NULL)
    """,
    "a session has other time than it shows": """
        SELECT session.id FROM session
        WHERE session.organization_id = $1
            AND ARRAY(
                SELECT DISTINCT claim.subject_id FROM claim
                WHERE claim.organization_id = $1 AND claim.session_id = session.id AND claim.active
                    AND lower(claim.visit) = session.starts_at
                ORDER BY 1
            ) <> ARRAY(
                SELECT DISTINCT taken FROM unnest(
                    coalesce(session.provider_ids, ARRAY[session.provider_id]) || coalesce(session.resource_ids, '{}')
                ) AS taken
                WHERE session.ended_at IS NULL
                ORDER BY 1
            )
    """,
}


async def broken(api: Api) -> list[str]:
    """The laws of sessions that the rows break."""
    return [law for law, sql in BROKEN.items() if await api.rows(sql, api.organization.id)]


async def session_of(api: Api, booked: Json) -> str:
    (row,) = await api.rows(
        "SELECT session_id FROM appointment WHERE id = $1", key_in(booked["appointment"]["id"])
    )
    return node("Session", row["session_id"])


async def cancel_session(
    api: Api, session_id: str, *, caller: Caller | None = None, **values: object
) -> Json:
    asked = {"sessionId": session_id, **values}
    answer: Json = (await api.ask(CANCEL_SESSION, caller=caller or api.admin, input=asked))[
        "answer"
    ]
    return answer


async def move_session(
    api: Api,
    session_id: str,
    starts_at: str,
    *named: Json,
    caller: Caller | None = None,
    key: str | None = None,
) -> Json:
    values = {
        "sessionId": session_id,
        "startsAt": instant(starts_at).isoformat(),
        "idempotencyKey": key or f"session-{next(_numbers)}",
        **({"providerIds": ids_of(named)} if named else {}),
    }
    answer: Json = (await api.ask(MOVE_SESSION, caller=caller or api.admin, input=values))["answer"]
    return answer


async def cancel(api: Api, booked: Json) -> str:
    values = {
        "appointmentId": booked["appointment"]["id"],
        "manageToken": booked["manageToken"],
    }
    answer: Json = (await api.ask(CANCEL, input=values))["answer"]
    kind: str = answer["__typename"]
    return kind


# ---------------------------------------------------------------- cancelling


async def test_a_cancelled_session_has_nobody_and_its_start_is_on_offer_again(api: Api) -> None:
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    parties = [await a_visit(api, yoga, NINE, seats=seats) for seats in (2, 1)]
    hold = made(await try_hold(api, yoga, NINE, seats=3), "Hold")
    session_id = await session_of(api, parties[0])
    answer = made(await cancel_session(api, session_id, reason="Ada is ill"), "Session")
    assert (answer["isCancelled"], answer["seatsTaken"]) == (True, 0)
    assert [each["status"] for each in answer["appointments"]["nodes"]] == ["CANCELLED"] * 2
    assert await broken(api) == []
    again = await a_visit(api, yoga, NINE, seats=6)
    assert await session_of(api, again) != session_id
    late = await try_visit(api, yoga, NINE, holdToken=hold["holdToken"])
    assert late["__typename"] in {"HoldExpiredError", "SlotUnavailableError"}
    assert made(await cancel_session(api, session_id), "Session") == answer


async def test_nobody_cancels_or_moves_what_has_started_or_is_over(api: Api) -> None:
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    left, kept = await a_visit(api, yoga, NINE), await a_visit(api, yoga, TEN)
    over, stands = await session_of(api, left), await session_of(api, kept)
    await cancel(api, left)
    for when in (TEN, "2026-01-13T11:30Z"):
        api.clock.set(when)
        await complete_what_ended(api.resources)
        for session_id, reason in ((over, "ALREADY_CANCELLED"), (stands, "ALREADY_STARTED")):
            refused = await cancel_session(api, session_id)
            assert made(refused, "NotCancellableError")["reason"] == reason
            refused = await move_session(api, session_id, TWELVE)
            assert made(refused, "NotReschedulableError")["reason"] == reason


async def test_those_who_take_part_and_administrators_change_all_of_a_session(api: Api) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    yoga = await a_class(api, ada, bea, seats=6)
    booked = await a_visit(api, yoga, NINE, ada)
    session_id = await session_of(api, booked)
    guest = Caller(token=booked["manageToken"])
    for caller, kind in (
        (guest, "NotAllowedError"),
        (api.acting_for(bea), "NotFoundError"),
        (api.acting_for(ada), "Session"),
    ):
        moved = await move_session(api, session_id, TEN, caller=caller)
        assert moved["__typename"] == kind
    for caller, kind in (
        (guest, "NotAllowedError"),
        (api.acting_for(bea), "NotFoundError"),
        (api.acting_for(ada), "Session"),
    ):
        assert (await cancel_session(api, session_id, caller=caller))["__typename"] == kind
    unknown = await cancel_session(api, node("Session", UUID(int=7)))
    assert unknown["__typename"] == "NotFoundError"


async def test_a_party_that_joins_while_a_session_is_cancelled_is_cancelled_or_finds_another(
    api: Api,
) -> None:
    """Never a seat in a cancelled session, and nobody is refused: the start is on offer again."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=12)
    for start in (NINE, TEN, ELEVEN):
        first = await a_visit(api, yoga, start)
        session_id = await session_of(api, first)

        async def join(start: str = start) -> str:
            answer = await try_visit(api, yoga, start)
            kind: str = answer["__typename"]
            return kind

        kinds = await asyncio.gather(
            *(join() for _ in range(4)), cancel_all(api, session_id), *(join() for _ in range(4))
        )
        assert Counter(kinds) == {"BookingConfirmation": 8, "Session": 1}
        assert await broken(api) == []
        rows = await api.rows(
            "SELECT status, count(*) FROM appointment WHERE session_id = $1 GROUP BY status",
            key_in(session_id),
        )
        assert {row["status"] for row in rows} == {"CANCELLED"}


async def cancel_all(api: Api, session_id: str) -> str:
    kind: str = (await cancel_session(api, session_id))["__typename"]
    return kind


# ---------------------------------------------------------------- moving


async def test_a_session_moves_with_everybody_in_it(api: Api) -> None:
    """Appointments and holds; its UID stays, and the hold can still be used, at the new time."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    parties = [await a_visit(api, yoga, NINE, seats=seats) for seats in (2, 1)]
    hold = made(await try_hold(api, yoga, NINE, seats=3), "Hold")
    session_id = await session_of(api, parties[0])
    answer = made(await move_session(api, session_id, ELEVEN), "Session")
    assert instant(answer["startsAt"]) == instant(ELEVEN)
    assert answer["seatsTaken"] == 6
    assert answer["id"] == session_id
    shown = [
        (instant(each["startsAt"]), each["version"]) for each in answer["appointments"]["nodes"]
    ]
    assert shown == [(instant(ELEVEN), 2)] * 2
    assert await broken(api) == []
    used = await a_visit(api, yoga, ELEVEN, holdToken=hold["holdToken"])
    assert await session_of(api, used) == session_id
    assert await broken(api) == []
    await a_visit(api, yoga, NINE, seats=6)


async def test_a_session_that_can_t_move_stays_with_everybody(api: Api) -> None:
    ada = await a_provider(api)
    yoga, dance = await a_class(api, ada, seats=6), await a_class(api, ada, seats=6)
    booked = await a_visit(api, yoga, NINE, seats=2)
    await a_visit(api, dance, TEN)
    session_id = await session_of(api, booked)
    refused = made(await move_session(api, session_id, TEN), "SlotUnavailableError")
    assert "ALREADY_TAKEN" in refused["reasons"] or "NOBODY_FREE" in refused["reasons"]
    assert await broken(api) == []
    stays = made(await move_session(api, session_id, NINE), "Session")
    assert [each["version"] for each in stays["appointments"]["nodes"]] == [1]


async def test_its_own_time_is_free_for_a_session_that_moves_into_it(api: Api) -> None:
    ada = await a_provider(api, slotIntervalMinutes=30)
    yoga = await a_class(api, ada, seats=6)
    session_id = await session_of(api, await a_visit(api, yoga, NINE, seats=2))
    moved = made(await move_session(api, session_id, "2026-01-13T09:30Z"), "Session")
    assert instant(moved["startsAt"]) == instant("2026-01-13T09:30Z")
    assert await broken(api) == []


async def test_staff_hand_a_session_over_at_its_start(api: Api) -> None:
    """Off the grid and without notice too. Staff's choice replaces providers whom parties named."""
    ada, bea = [await a_provider(api) for _ in range(2)]
    yoga = await a_class(api, ada, bea, seats=6)
    parties = [await a_visit(api, yoga, NINE, ada), await a_visit(api, yoga, NINE)]
    session_id = await session_of(api, parties[0])
    assert await session_of(api, parties[1]) == session_id
    answer = made(await move_session(api, session_id, NINE, bea), "Session")
    assert ids_of(answer["providers"]) == [bea["id"]]
    assert [ids_of(each["providers"]) for each in answer["appointments"]["nodes"]] == [
        [bea["id"]],
        [bea["id"]],
    ]
    assert await broken(api) == []
    made(await try_visit(api, yoga, NINE, bea), "BookingConfirmation")


async def test_whom_a_party_named_stays_when_its_session_moves(api: Api) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    yoga = await a_class(api, ada, bea, seats=6)
    named = await session_of(api, await a_visit(api, yoga, NINE, bea))
    moved = made(await move_session(api, named, TEN), "Session")
    assert ids_of(moved["providers"]) == [bea["id"]]
    anybody = await session_of(api, await a_visit(api, yoga, ELEVEN))
    await a_visit(api, yoga, TWELVE, ada)
    moved = made(await move_session(api, anybody, TWELVE), "Session")
    assert ids_of(moved["providers"]) == [bea["id"]]
    assert await broken(api) == []


async def test_a_retry_of_a_session_s_move_gets_it_again(api: Api) -> None:
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    session_id = await session_of(api, await a_visit(api, yoga, NINE))
    first = made(await move_session(api, session_id, TEN, key="one"), "Session")
    answers = await asyncio.gather(
        *(move_session(api, session_id, TEN, key="one") for _ in range(5))
    )
    assert answers == [first] * 5
    reused = await move_session(api, session_id, ELEVEN, key="one")
    assert reused["__typename"] == "IdempotencyKeyReusedError"
    assert instant(first["startsAt"]) == instant(TEN)


async def test_two_sessions_that_swap_rooms_or_times_at_once_never_wait_in_a_circle(
    api: Api,
) -> None:
    """Each of two wants what the other has: one of them may be refused, neither hangs, and nothing is half
    moved.
    """
    ada, bea = [await a_provider(api) for _ in range(2)]
    rooms: list[ResourceId] = [await a_room(api) for _ in range(2)]
    yoga = await a_class(api, ada, seats=6, needs=of_rooms(rooms))
    dance = await a_class(api, bea, seats=6, needs=of_rooms(rooms[::-1]))
    one = await session_of(api, await a_visit(api, yoga, NINE, seats=2))
    two = await session_of(api, await a_visit(api, dance, TEN, seats=2))
    await a_visit(api, await a_class(api, ada, seats=6, needs=of_rooms([rooms[1]])), TWELVE)
    at = {one: NINE, two: TEN}
    for _ in range(4):
        answers = await asyncio.gather(
            move_session(api, one, at[two]), move_session(api, two, at[one])
        )
        for session_id, answer in zip((one, two), answers, strict=True):
            assert answer["__typename"] in {"Session", "SlotUnavailableError"}
            if answer["__typename"] == "Session":
                at[session_id] = answer["startsAt"]
        assert await broken(api) == []


async def test_parties_come_and_go_while_their_session_moves(api: Api) -> None:
    """A party that joins moves too or gets a seat at the old start. One that leaves has left."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=12)
    for start, target in ((NINE, TWELVE), (TEN, "2026-01-13T14:00Z")):
        parties = [await a_visit(api, yoga, start) for _ in range(3)]
        session_id = await session_of(api, parties[0])
        answers = await asyncio.gather(
            try_visit(api, yoga, start, seats=2),
            cancel(api, parties[0]),
            move_session(api, session_id, target),
            try_move(api, parties[1], "2026-01-13T15:00Z"),
            try_visit(api, yoga, start),
        )
        assert answers[0]["__typename"] == answers[4]["__typename"] == "BookingConfirmation"
        assert answers[1] == "Appointment"
        assert answers[2]["__typename"] == "Session"
        assert answers[3]["__typename"] == "BookingConfirmation"
        assert await broken(api) == []


@pytest.mark.parametrize("field", ["cancelSession", "rescheduleSession"])
async def test_a_change_of_a_session_is_an_event_of_its_own(api: Api, field: str) -> None:
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    session_id = await session_of(api, await a_visit(api, yoga, NINE))
    if field == "cancelSession":
        made(await cancel_session(api, session_id), "Session")
    else:
        made(await move_session(api, session_id, TEN), "Session")
    rows = await api.rows(
        "SELECT type, version FROM event WHERE organization_id = $1 AND subject_id = $2",
        api.organization.id,
        key_in(session_id),
    )
    name = "SESSION_CANCELLED" if field == "cancelSession" else "SESSION_RESCHEDULED"
    assert [(row["type"], row["version"]) for row in rows] == [(name, 2)]


async def test_a_session_does_not_move_to_where_one_of_its_customers_is_elsewhere(
    api: Api,
) -> None:
    """Where the organization does not allow that; of guests nothing is known."""
    await forbid_overlap(api)
    ada, bea = [await a_provider(api) for _ in range(2)]
    yoga, massage = await a_class(api, ada, seats=6), await a_class(api, bea, seats=1)
    kim = api.customer("kim", name="Kim", email="kim@example.org")
    mine = {"caller": kim, "customer": None}
    booked = await a_visit(api, yoga, NINE, **mine)
    await a_visit(api, yoga, NINE)
    await a_visit(api, massage, TEN, **mine)
    session_id = await session_of(api, booked)
    busy = made(await move_session(api, session_id, TEN), "SlotUnavailableError")
    assert busy["reasons"] == ["CUSTOMER_BUSY"]
    assert await broken(api) == []
    made(await move_session(api, session_id, ELEVEN), "Session")


async def test_a_session_that_moves_within_a_full_period_is_not_one_more_visit(api: Api) -> None:
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6, limits=[{"period": "DAY", "maxVisits": 1}])
    session_id = await session_of(api, await a_visit(api, yoga, NINE, seats=2))
    full = made(await try_visit(api, yoga, ELEVEN), "SlotUnavailableError")
    assert "LIMIT_REACHED" in full["reasons"]
    made(await move_session(api, session_id, ELEVEN), "Session")
    other = await session_of(api, await a_visit(api, yoga, "2026-01-14T09:00Z"))
    refused = made(await move_session(api, other, NINE), "SlotUnavailableError")
    assert "LIMIT_REACHED" in refused["reasons"]
    assert await broken(api) == []


async def test_a_session_of_holds_alone_moves_and_is_cancelled_with_them(api: Api) -> None:
    """Its time lasts as long as they do, then as now."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    hold = made(await try_hold(api, yoga, NINE, seats=3), "Hold")
    (row,) = await api.rows(
        "SELECT id FROM session WHERE organization_id = $1", api.organization.id
    )
    session_id = node("Session", row["id"])
    made(await move_session(api, session_id, TEN), "Session")
    claims = await api.rows(
        "SELECT expires_at FROM claim WHERE session_id = $1 AND active", row["id"]
    )
    assert [each["expires_at"] for each in claims] == [instant(hold["expiresAt"])]
    made(await try_visit(api, yoga, TEN, holdToken=hold["holdToken"]), "BookingConfirmation")
    assert await broken(api) == []
    await try_hold(api, yoga, TWELVE, seats=2)
    (held,) = await api.rows(
        "SELECT id FROM session WHERE organization_id = $1 AND id <> $2",
        api.organization.id,
        row["id"],
    )
    answer = made(await cancel_session(api, node("Session", held["id"])), "Session")
    assert (answer["isCancelled"], answer["seatsTaken"]) == (True, 0)
    assert await broken(api) == []


async def test_a_session_of_a_thousand_parties_moves_and_is_cancelled(api: Api) -> None:
    """More than one statement could write."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=1_000)
    session_id = await session_of(api, await a_visit(api, yoga, NINE))
    await api.rows(_CROWD, api.organization.id, key_in(session_id))
    await api.rows(_SEATS_OF_CROWD, api.organization.id, key_in(session_id))
    assert await broken(api) == []
    moved = made(await move_session(api, session_id, TEN), "Session")
    assert moved["seatsTaken"] == 1_000
    assert await broken(api) == []
    made(await cancel_session(api, session_id), "Session")
    assert await broken(api) == []
    rows = await api.rows(
        "SELECT status, version, count(*) AS count FROM appointment WHERE session_id = $1 GROUP BY 1, 2",
        key_in(session_id),
    )
    assert [tuple(row.values()) for row in rows] == [("CANCELLED", 3, 1_000)]
    planned = await api.rows(
        "SELECT count(*) AS count FROM message_outbox WHERE organization_id = $1 AND kind = 'CANCELLED'",
        api.organization.id,
    )
    assert planned[0]["count"] == 1_000


_CROWD = """
    INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, contact_email, version, time_version, policy_free_until_minutes_before,
        policy_late_cancellation, created_at, session_id, provider_ids, named, resource_ids)
    SELECT organization_id, gen_random_uuid(), provider_id, service_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, contact_email, 1, 1, policy_free_until_minutes_before, policy_late_cancellation,
        created_at, session_id, provider_ids, named, resource_ids
    FROM appointment CROSS JOIN generate_series(2, 1000)
    WHERE organization_id = $1 AND session_id = $2
"""
_SEATS_OF_CROWD = """
    INSERT INTO seat (organization_id, id, session_id, number, appointment_id, active)
    SELECT $1, gen_random_uuid(), $2, 1 + row_number() OVER (), appointment.id, true
    FROM appointment
    WHERE organization_id = $1 AND session_id = $2
        AND NOT EXISTS (
            SELECT FROM seat WHERE seat.organization_id = $1 AND seat.appointment_id = appointment.id
        )
"""
