"""Messages about sessions. Each party has messages of its own. A provider gets one message for a
session's reminder, move or end, however many workers write it and whichever of them dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from icalendar import Calendar, Event

from app.core.ids import ProviderId
from app.store.messages import claim_messages
from app.usecases.messages.send_messages import log_what_is_due
from app.usecases.upkeep.purge import purge_claims, purge_holds, purge_seats
from tests.builders import Json, a_provider, instant, key_in, made
from tests.integration.reminders import RESEND, Post, a_post, text_of
from tests.integration.test_session_changes import CANCEL_SESSION, move_session, session_of
from tests.visits import a_class, a_visit, needs_now, node, try_move

ADA = "ada@salon.example"
START = "2026-01-14T12:00Z"
DAY, HOUR = "2026-01-13T12:00Z", "2026-01-14T11:00Z"
CANCEL = """mutation ($input: CancelAppointmentInput!) {
    answer: cancelAppointment(input: $input) { __typename ... on UserError { message } }
}"""
MESSAGES = """query ($id: ID!, $token: String) {
    appointment(id: $id, manageToken: $token) { messages { kind recipient status provider { id } } }
}"""


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    async with a_post(environment) as post:
        yield post


async def a_yoga_class(post: Post) -> tuple[Json, Json]:
    """Ada's, twelve seats."""
    ada = await a_provider(post.api, name="Ada", email=ADA)
    return ada, await a_class(post.api, ada, name="Yoga", seats=12)


async def parties(post: Post, *seats: int) -> tuple[list[Json], str]:
    """Parties of so many seats in one session of Ada's, and its id."""
    _, yoga = await a_yoga_class(post)
    booked = [await a_party(post, yoga, START, number, size) for number, size in enumerate(seats)]
    return booked, await session_of(post.api, booked[0])


async def a_party(post: Post, service: Json, starts_at: str, number: int, seats: int) -> Json:
    customer = {"name": f"Guest {number}", "email": f"guest{number}@example.org"}
    return await a_visit(post.api, service, starts_at, customer=customer, seats=seats)


async def cancel(post: Post, confirmation: Json) -> None:
    values = {
        "appointmentId": confirmation["appointment"]["id"],
        "manageToken": confirmation["manageToken"],
    }
    made((await post.api.ask(CANCEL, input=values))["answer"], "Appointment")


def subjects(post: Post, to: str) -> list[str]:
    return [" ".join(each.split()) for each in post.subjects(to)]


def events(post: Post, to: str) -> list[Event]:
    """The calendar events in the mails to this address, in order."""
    found = []
    for letter in post.letters(to):
        [part] = [each for each in letter.walk() if each.get_content_type() == "text/calendar"][:1]
        source = part.get_payload(decode=True)
        assert isinstance(source, bytes)
        calendar = Calendar.from_ical(source)
        found += [each for each in calendar.walk("VEVENT") if isinstance(each, Event)]
    return found


async def test_a_provider_gets_one_reminder_for_a_session_and_each_customer_their_own(
    post: Post,
) -> None:
    await parties(post, 2, 1, 3)
    assert await post.work() == {"SENT": 6}
    assert await post.work_at(DAY) == {"SENT": 4}
    assert await post.work_at(HOUR) == {"SENT": 4}
    told = "Reminder: Yoga (6 seats in 3 bookings), Wed, Jan 14, 12:00 PM"
    assert subjects(post, ADA)[3:] == [told, told]
    for letter in post.letters(ADA)[3:]:
        assert "Guest" not in letter.as_string() + text_of(letter)
    for number in range(3):
        text = "".join(text_of(each) for each in post.letters(f"guest{number}@example.org"))
        assert not [other for other in range(3) if other != number and f"guest{other}" in text]
        assert "bookings" not in text
    assert "2 seats" in subjects(post, "guest0@example.org")[1]


async def test_the_reminder_is_one_whichever_party_it_was_planned_with_cancels(post: Post) -> None:
    booked, _ = await parties(post, 2, 1, 3)
    await post.work()
    await cancel(post, booked[0])
    await post.work()
    assert await post.work_at(DAY) == {"SENT": 3}
    assert subjects(post, ADA)[-1].startswith("Reminder: Yoga (4 seats in 2 bookings)")
    rows = [each for each in await post.log() if each["kind"] == "DAY_BEFORE"]
    assert sorted(each["status"] for each in rows) == ["SENT", "SENT", "SENT", "SKIPPED"]


async def test_two_workers_that_log_the_same_session_write_one_reminder(post: Post) -> None:
    """Each takes the entries of other appointments; the index decides, not the order."""
    await parties(post, *[1] * 8)
    await post.work()
    post.api.clock.set(DAY)
    await asyncio.gather(*(log_what_is_due(post.api.resources) for _ in range(4)))
    rows = await post.api.rows(
        "SELECT id FROM reminder_log WHERE organization_id = $1 AND session_id IS NOT NULL",
        post.api.organization.id,
    )
    assert len(rows) == 1
    await post.work()
    assert len([each for each in subjects(post, ADA) if each.startswith("Reminder")]) == 1


async def test_what_a_reminder_says_is_decided_when_it_is_sent(post: Post) -> None:
    """Logged with three bookings, sent with one; with none it is not sent."""
    booked, _ = await parties(post, 2, 1, 3)
    await post.work()
    post.api.clock.set(DAY)
    await log_what_is_due(post.api.resources)
    await cancel(post, booked[0])
    await cancel(post, booked[2])
    await post.work()
    [reminder] = [each for each in subjects(post, ADA) if each.startswith("Reminder")]
    assert "1 seat in 1 booking" in reminder
    post.api.clock.set(HOUR)
    await log_what_is_due(post.api.resources)
    await cancel_all(post, booked[1:2])
    await post.work()
    rows = [
        each for each in await post.log() if each["kind"] == "HOUR_BEFORE" and not each["recipient"]
    ]
    assert [(each["status"], each["detail"]) for each in rows] == [
        ("SKIPPED", "the appointment was cancelled")
    ]


async def cancel_all(post: Post, booked: list[Json]) -> None:
    for each in booked:
        await cancel(post, each)


async def test_a_worker_that_died_while_sending_leaves_one_reminder_under_one_name(
    post: Post,
) -> None:
    """Killed between the mail server's answer and the log: the next worker sends the same mail
    under the same Message-ID, and nobody writes a second row.
    """
    await parties(post, 2, 1)
    await post.work()
    post.api.clock.set(DAY)
    await log_what_is_due(post.api.resources)
    resources = post.api.resources
    rows = await post.api.rows(
        "SELECT id FROM reminder_log WHERE organization_id = $1 AND session_id IS NOT NULL",
        post.api.organization.id,
    )
    real_now = resources.real_clock()
    claimed = await claim_messages(
        resources.pool,
        post.api.organization.id,
        [each["id"] for each in rows],
        real_now=real_now,
        lease_until=real_now,
    )
    assert [each.message.session_id is not None for each in claimed] == [True]
    await post.api.rows(
        "UPDATE reminder_log SET wire_since = $2 WHERE organization_id = $1 AND id = $3",
        post.api.organization.id,
        real_now,
        claimed[0].id,
    )
    await post.end_leases()
    await log_what_is_due(resources)
    await post.work()
    sent = [each for each in post.letters(ADA) if "Reminder" in str(each["Subject"])]
    assert [each["Message-ID"] for each in sent] == [f"<{claimed[0].id}@salon.example>"]


async def test_a_providers_calendar_has_one_event_for_a_session(post: Post) -> None:
    """From the first booking to the last cancellation: one UID, a SEQUENCE that never falls."""
    booked, session_id = await parties(post, 2, 1)
    await post.work()
    await cancel(post, booked[0])
    await post.work()
    await cancel(post, booked[1])
    await post.work()
    told = events(post, ADA)
    uid = f"{UUID(str(key_in(session_id)))}@slotwright"
    assert [str(each["UID"]) for each in told] == [uid] * 4
    sequences = [int(str(each["SEQUENCE"])) for each in told]
    assert sequences[0] <= sequences[1] < sequences[2] < sequences[3]
    assert [str(each["STATUS"]) for each in told] == ["CONFIRMED"] * 3 + ["CANCELLED"]
    own = events(post, "guest0@example.org")
    assert len({str(each["UID"]) for each in own}) == 1
    assert str(own[0]["UID"]) != uid


async def test_only_staff_see_the_messages_about_all_of_a_session(post: Post) -> None:
    """Whether its reminder was planned with one party or another, and before whom, is theirs."""
    booked, _ = await parties(post, 2, 1)
    await post.work()
    await post.work_at(DAY)
    for each in booked:
        appointment_id = each["appointment"]["id"]
        seen = await post.api.ask(MESSAGES, caller=post.api.admin, id=appointment_id)
        of_staff = [
            one
            for one in seen["appointment"]["messages"]
            if (one["kind"], one["recipient"]) == ("DAY_BEFORE", "PROVIDER")
        ]
        assert [one["status"] for one in of_staff] == ["SENT"]
        shown = await post.api.ask(MESSAGES, id=appointment_id, token=each["manageToken"])
        kinds = [(one["kind"], one["recipient"]) for one in shown["appointment"]["messages"]]
        assert ("DAY_BEFORE", "CUSTOMER") in kinds
        assert ("DAY_BEFORE", "PROVIDER") not in kinds


async def test_a_cancelled_session_is_announced_to_every_customer_and_once_to_the_provider(
    post: Post,
) -> None:
    booked, session_id = await parties(post, 2, 1, 3)
    await post.work()
    values = {"sessionId": session_id, "reason": "Ada is ill."}
    answer = await post.api.ask(CANCEL_SESSION, caller=post.api.admin, input=values)
    session = made(answer["answer"], "Session")
    assert (session["isCancelled"], session["seatsTaken"]) == (True, 0)
    assert await post.work() == {"SENT": 4}
    assert subjects(post, ADA)[-1] == "Cancelled: Yoga, Wed, Jan 14, 12:00 PM"
    assert str(events(post, ADA)[-1]["STATUS"]) == "CANCELLED"
    for number in range(len(booked)):
        last = post.letters(f"guest{number}@example.org")[-1]
        assert str(last["Subject"]).startswith("Cancelled")
        assert "Ada is ill." in text_of(last)
    again = await post.api.ask(CANCEL_SESSION, caller=post.api.admin, input=values)
    assert made(again["answer"], "Session") == session
    assert await post.work() == {}
    assert await post.work_at(DAY) == {}
    skipped = [each for each in await post.log() if each["kind"] == "DAY_BEFORE"]
    assert {each["status"] for each in skipped} == {"SKIPPED"}


async def test_a_moved_session_is_announced_to_every_customer_and_once_to_the_provider(
    post: Post,
) -> None:
    """The event moves under its UID; the old reminders never go out, the new one is one."""
    _, session_id = await parties(post, 2, 1)
    await post.work()
    await move_session(post.api, session_id, "2026-01-15T09:00Z")
    assert await post.work() == {"SENT": 3}
    told = "Moved: Yoga (3 seats in 2 bookings), now Thu, Jan 15, 9:00 AM"
    assert subjects(post, ADA)[-1] == told
    assert "Wed, Jan 14, 12:00 PM" in text_of(post.letters(ADA)[-1])
    last = events(post, ADA)[-1]
    assert str(last["UID"]) == str(events(post, ADA)[0]["UID"])
    assert last.decoded("DTSTART") == instant("2026-01-15T09:00Z")
    assert await post.work_at(DAY) == {}
    assert await post.work_at("2026-01-14T09:00Z") == {"SENT": 3}
    # There and back again: each move is news, though the start is one that it has had.
    await move_session(post.api, session_id, "2026-01-15T10:00Z")
    await move_session(post.api, session_id, "2026-01-15T09:00Z")
    await post.work()
    await move_session(post.api, session_id, "2026-01-15T10:00Z")
    await post.work()
    assert [each.split(",")[-1] for each in subjects(post, ADA)[-2:]] == [" 9:00 AM", " 10:00 AM"]


async def test_a_session_that_is_handed_over_leaves_one_calendar_for_another(post: Post) -> None:
    ada, yoga = await a_yoga_class(post)
    bea = await a_provider(post.api, name="Bea", email="bea@salon.example")
    await needs_now(
        post.api, yoga, provider_ids=tuple(ProviderId(key_in(each["id"])) for each in (ada, bea))
    )
    booked = [await a_party(post, yoga, START, number, 2) for number in range(2)]
    await post.work()
    await move_session(post.api, await session_of(post.api, booked[0]), START, bea)
    await post.work()
    assert subjects(post, ADA)[-1].startswith("Handed over: Yoga")
    assert subjects(post, "bea@salon.example") == [
        "New session: Yoga (4 seats in 2 bookings), Wed, Jan 14, 12:00 PM"
    ]
    left, came = events(post, ADA)[-1], events(post, "bea@salon.example")[-1]
    assert (str(left["STATUS"]), str(came["STATUS"])) == ("CANCELLED", "CONFIRMED")
    assert str(left["UID"]) == str(came["UID"])


async def test_a_party_that_moves_to_another_session_moves_in_the_providers_calendar(
    post: Post,
) -> None:
    """The new session's event is updated; that of the old one is cancelled once nobody is left."""
    _, yoga = await a_yoga_class(post)
    one = await a_party(post, yoga, START, 0, 2)
    two = await a_party(post, yoga, START, 1, 1)
    three = await a_party(post, yoga, "2026-01-15T09:00Z", 2, 1)
    old, new = await session_of(post.api, one), await session_of(post.api, three)
    await post.work()
    made(await try_move(post.api, one, "2026-01-15T09:00Z"), "BookingConfirmation")
    assert await post.work() == {"SENT": 2}
    assert subjects(post, ADA)[-1].startswith("Moved: Yoga with Guest 0, 2 seats, now Thu, Jan 15")
    assert event_of(post, -1) == (new, "CONFIRMED", "Yoga (3 seats in 2 bookings)")
    made(await try_move(post.api, two, "2026-01-15T09:00Z"), "BookingConfirmation")
    assert await post.work() == {"SENT": 3}
    assert {event_of(post, -1), event_of(post, -2)} == {
        (new, "CONFIRMED", "Yoga (4 seats in 3 bookings)"),
        (old, "CANCELLED", "Yoga"),
    }
    assert "Cancelled: Yoga, Wed, Jan 14, 12:00 PM" in subjects(post, ADA)[-2:]
    # That is no obstacle to telling of the party's own cancellation later.
    await cancel(post, two)
    await post.work()
    assert subjects(post, ADA)[-1].startswith("Cancelled: Yoga with Guest 1, 1 seat, Thu, Jan 15")
    assert event_of(post, -1) == (new, "CONFIRMED", "Yoga (3 seats in 2 bookings)")


def event_of(post: Post, place: int) -> tuple[str, str, str]:
    """The session, the status and the summary of an event in Ada's mail."""
    event = events(post, ADA)[place]
    session_id = node("Session", UUID(str(event["UID"]).removesuffix("@slotwright")))
    return session_id, str(event["STATUS"]), str(event["SUMMARY"])


async def test_a_party_that_becomes_larger_is_notified_with_its_provider(post: Post) -> None:
    booked, session_id = await parties(post, 2, 1)
    await post.work()
    made(await try_move(post.api, booked[0], START, seats=3), "BookingConfirmation")
    assert await post.work() == {"SENT": 2}
    assert subjects(post, "guest0@example.org")[-1].startswith("Changed: Yoga with Ada, 3 seats")
    assert subjects(post, ADA)[-1].startswith("Changed: Yoga with Guest 0, 3 seats")
    assert event_of(post, -1) == (session_id, "CONFIRMED", "Yoga (4 seats in 2 bookings)")
    assert await post.work_at(DAY) == {"SENT": 3}


async def test_a_party_is_reminded_long_after_the_session_that_it_left_was_purged(
    post: Post,
) -> None:
    booked, session_id = await parties(post, 2)
    await post.work()
    made(await try_move(post.api, booked[0], "2026-02-20T09:00Z"), "BookingConfirmation")
    await post.work()
    post.api.clock.set("2026-02-15T09:00Z")
    for purge in (purge_claims, purge_holds, purge_seats):
        await purge(post.api.resources)
    kept = await post.api.rows("SELECT id FROM session WHERE id = $1", key_in(session_id))
    assert kept == []
    assert await post.work_at("2026-02-19T09:00Z") == {"SENT": 2}
    assert event_of(post, -1)[1:] == ("CONFIRMED", "Yoga (2 seats in 1 booking)")


async def test_staff_send_a_session_s_reminder_again_through_any_of_its_appointments(
    post: Post,
) -> None:
    booked, _ = await parties(post, 2, 1)
    await post.work()
    await post.work_at(DAY)
    values = {
        "appointmentId": booked[1]["appointment"]["id"],
        "kind": "DAY_BEFORE",
        "recipient": "PROVIDER",
        "channel": "EMAIL",
    }
    answer = await post.api.ask(RESEND, caller=post.api.admin, input=values)
    assert made(answer["answer"], "Reminder")["isResend"]
    assert await post.work() == {"SENT": 1}
    told = "Reminder: Yoga (3 seats in 2 bookings), Wed, Jan 14, 12:00 PM"
    assert subjects(post, ADA)[-2:] == [told, told]
