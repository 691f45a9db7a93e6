"""The limit of messages to a destination: counted where the log is written, exact, and every
message held back is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import count

import pytest

from app.api.words.relay import global_id
from app.core.ids import CustomerId, OrganizationId
from app.store.customers import customer_for_update, erase_customer, lock_appointments_of_customer
from app.store.messages import OutboxKey, due_outbox
from app.store.pool import transaction
from app.store.sql import Executor
from app.usecases.messages import send_messages
from tests.builders import Json, a_provider, an_appointment, blocked_by, made, weekly
from tests.integration.reminders import RESEND, Post, a_post, a_resend

GRACE, ADA, PHONE = "grace@example.org", "ada@salon.example", "+491701234567"
TOO_MANY = "the recipient has had as many messages as go out within a day"
MOST = "SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY"
OF_NETWORK = "SLOTWRIGHT_MESSAGES_PER_ADDRESS_PER_DAY"
OPEN = "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS"
MESSAGES = """query ($id: ID!) { appointment(id: $id) { messages { kind recipient channel status detail } } }"""
CANCEL = (
    "mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) { "
    "__typename } }"
)
MOVE = (
    "mutation ($input: RescheduleAppointmentInput!) { answer: rescheduleAppointment(input: "
    "$input) { __typename } }"
)
ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    """Three messages a day for each destination."""
    async with a_post(environment | {MOST: "3"}) as post:
        yield post


async def a_salon(post: Post) -> Json:
    """Ada, who is notified of everything."""
    return await a_provider(
        post.api,
        email=ADA,
        serviceDurationMinutes=15,
        slotIntervalMinutes=15,
        weeklyHours=weekly("00:00", "24:00"),
    )


async def booked(post: Post, ada: Json, starts_at: str, email: str = GRACE) -> Json:
    return await an_appointment(
        post.api, ada, starts_at, customer={"name": "Grace", "email": email}
    )


async def cancel(post: Post, confirmation: Json, *, by_staff: bool = False) -> None:
    values = {"appointmentId": confirmation["appointment"]["id"]}
    if by_staff:
        caller = post.api.admin
    else:
        caller, values["manageToken"] = post.api.anonymous, confirmation["manageToken"]
    made((await post.api.ask(CANCEL, caller=caller, input=values))["answer"], "Appointment")


async def told(post: Post, confirmation: Json) -> list[tuple[str, str, str | None]]:
    """What staff see of the messages to the customer: (kind, status, detail) of those whose turn
    has come.
    """
    found = await post.api.ask(
        MESSAGES, caller=post.api.admin, id=confirmation["appointment"]["id"]
    )
    rows = [row for row in found["appointment"]["messages"] if row["recipient"] == "CUSTOMER"]
    return [
        (row["kind"], row["status"], row["detail"]) for row in rows if row["status"] != "PENDING"
    ]


async def test_beyond_the_allowance_news_is_held_back_and_staff_see_why(post: Post) -> None:
    """However the address is spelled; the provider is notified of all, and others are not concerned."""
    ada = await a_salon(post)
    spellings = (
        GRACE,
        "Grace@Example.ORG",
        "grace+1@example.org",
        "gra.ce@example.org",
        "grace+2@example.org",
    )
    bookings = [
        await booked(post, ada, f"2026-01-20T{10 + at}:00Z", each)
        for at, each in enumerate(spellings)
    ]
    await booked(post, ada, "2026-01-20T16:00Z", "alan@example.org")
    assert await post.work() == {"SENT": 3 + 1 + 6}
    assert [await told(post, each) for each in bookings] == [
        *[[("BOOKED", "SENT", None)]] * 3,
        *[[("BOOKED", "SKIPPED", TOO_MANY)]] * 2,
    ]
    assert len(post.letters(ADA)) == 6
    assert len(post.letters("alan@example.org")) == 1


async def test_a_day_is_24_hours_back_from_now(post: Post) -> None:
    ada = await a_salon(post)
    for hour in range(3):
        await booked(post, ada, f"2026-01-20T{10 + hour}:00Z")
    await post.work_at("2026-01-12T08:00Z")
    post.api.clock.set("2026-01-13T07:59:59Z")
    late = await booked(post, ada, "2026-01-20T14:00Z")
    await post.work()
    assert await told(post, late) == [("BOOKED", "SKIPPED", TOO_MANY)]
    post.api.clock.set("2026-01-13T08:00:00Z")
    later = await booked(post, ada, "2026-01-20T15:00Z")
    await post.work()
    assert await told(post, later) == [("BOOKED", "SENT", None)]


async def test_a_notified_customer_is_reminded_and_gets_the_cancellation(post: Post) -> None:
    """Of the practice's, each once, beyond the allowance too. A cancellation that a guest makes
    counts like other news; who was told nothing is not told that it was called off.
    """
    ada = await a_salon(post)
    known = [await booked(post, ada, f"2026-01-13T{10 + hour}:00Z") for hour in range(3)]
    unknown = await booked(post, ada, "2026-01-13T14:00Z")
    await post.work()
    await cancel(post, known[0], by_staff=True)
    await cancel(post, known[2])
    await cancel(post, unknown)
    await post.work()
    assert await told(post, known[0]) == [("BOOKED", "SENT", None), ("CANCELLED", "SENT", None)]
    assert await told(post, known[2]) == [
        ("BOOKED", "SENT", None),
        ("CANCELLED", "SKIPPED", TOO_MANY),
    ]
    assert await told(post, unknown) == [
        ("BOOKED", "SKIPPED", TOO_MANY),
        ("CANCELLED", "SKIPPED", TOO_MANY),
    ]
    await post.work_at("2026-01-12T12:00Z")
    assert (await told(post, known[1]))[1:] == [("DAY_BEFORE", "SENT", None)]
    assert len(post.letters(GRACE)) == 5
    counted = await post.api.rows("SELECT kind FROM reminder_log WHERE destination IS NOT NULL")
    assert sorted(row["kind"] for row in counted) == [*["BOOKED"] * 3, "CANCELLED"]


async def test_a_move_is_news_and_the_cancellation_after_it_still_comes(post: Post) -> None:
    """The holder of a manage link may move as often as they like; nobody's mailbox fills up with
    it.
    """
    ada = await a_salon(post)
    confirmation = await booked(post, ada, "2026-01-20T10:00Z")
    await post.work()
    for hour in range(5):
        values = {
            "appointmentId": confirmation["appointment"]["id"],
            "manageToken": confirmation["manageToken"],
            "startsAt": f"2026-01-21T{10 + hour}:00:00Z",
            "idempotencyKey": f"move-{hour}",
        }
        made((await post.api.ask(MOVE, input=values))["answer"], "BookingConfirmation")
        await post.work()
    await cancel(post, confirmation, by_staff=True)
    await post.work()
    statuses = [
        (kind, status) for kind, status, _ in await told(post, confirmation) if kind != "BOOKED"
    ]
    assert sorted(statuses) == [
        ("CANCELLED", "SENT"),
        *[("RESCHEDULED", "SENT")] * 2,
        *[("RESCHEDULED", "SKIPPED")] * 3,
    ]


async def test_it_is_exact_with_several_workers_at_once(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes another entry, so that all of them count against one destination at the same
    moment.
    """
    turns = count()

    async def another_one(
        on: Executor, *, due_by: datetime, batch_size: int
    ) -> dict[OrganizationId, list[OutboxKey]]:
        due = await due_outbox(on, due_by=due_by, batch_size=batch_size)
        return {
            organization_id: [keys[next(turns) % len(keys)]]
            for organization_id, keys in due.items()
        }

    monkeypatch.setattr(send_messages, "due_outbox", another_one)
    ada = await a_salon(post)
    for at in range(18):
        await booked(post, ada, f"2026-01-20T{10 + at // 4}:{at % 4 * 15:02}Z")
    await asyncio.gather(*(post.work() for _worker in range(6)))
    ends = [
        (row["status"], row["detail"]) for row in await post.log() if row["recipient"] == "CUSTOMER"
    ]
    assert sorted(ends, key=str) == [*[("SENT", None)] * 3, *[("SKIPPED", TOO_MANY)] * 15]
    assert len(post.letters(GRACE)) == 3


async def test_the_cancellation_of_an_unannounced_booking_is_news_and_skipped_messages_do_not_count(
    post: Post,
) -> None:
    ada = await a_salon(post)
    for hour in range(3):
        await cancel(post, await booked(post, ada, f"2026-01-20T{10 + hour}:00Z"))
        await post.work()
    other = await booked(post, ada, "2026-01-20T14:00Z")
    await post.work()
    assert [
        row["kind"]
        for row in await post.log()
        if row["status"] == "SENT" and row["recipient"] == "CUSTOMER"
    ] == ["CANCELLED"] * 3
    assert await told(post, other) == [("BOOKED", "SKIPPED", TOO_MANY)]


async def test_each_organization_counts_for_itself(post: Post) -> None:
    ada = await a_salon(post)
    for hour in range(4):
        await booked(post, ada, f"2026-01-20T{10 + hour}:00Z")
    other = await post.api.another_organization()
    bob = await a_provider(post.api, of=other, channels=[], weeklyHours=weekly("00:00", "24:00"))
    await an_appointment(
        post.api,
        bob,
        "2026-01-20T10:00Z",
        caller=other.anonymous,
        customer={"name": "Grace", "email": GRACE},
    )
    await post.work()
    assert len(post.letters(GRACE)) == 4


async def test_a_resend_counts_and_is_refused_beyond_the_allowance(post: Post) -> None:
    """A second click while one waits is answered with that one all the same."""
    ada = await a_salon(post)
    confirmation = await booked(post, ada, "2026-01-20T10:00Z")
    await post.work()
    values = a_resend(confirmation)
    acting = post.api.acting_for(ada)
    for _round in range(2):
        for _click in range(2):
            answer = (await post.api.ask(RESEND, caller=acting, input=values))["answer"]
            assert made(answer, "Reminder")["status"] == "PENDING"
        assert await post.work() == {"SENT": 1}
    refused = made(
        (await post.api.ask(RESEND, caller=acting, input=values))["answer"], "InvalidInputError"
    )
    assert (refused["field"], refused["message"]) == ("channel", f"It can't be sent: {TOO_MANY}.")
    theirs = values | {"recipient": "PROVIDER"}
    made((await post.api.ask(RESEND, caller=acting, input=theirs))["answer"], "Reminder")
    assert len(post.letters(GRACE)) == 3


async def test_a_guest_who_books_and_cancels_fills_nobodys_mailbox(post: Post) -> None:
    """Three messages in all, though each booking is cancelled and none is open."""
    ada = await a_salon(post)
    for hour in range(8):
        confirmation = await booked(post, ada, f"2026-01-20T{10 + hour}:00Z")
        await post.work()
        await cancel(post, confirmation)
        await post.work()
    assert len(post.letters(GRACE)) == 3


async def test_guests_of_one_network_cause_so_many_messages_whatever_addresses_they_give(
    environment: dict[str, str],
) -> None:
    """By booking, moving and cancelling, on one day; what staff do for them does not count, and on
    the next day they begin anew. What guests book is told to the provider all the same.
    """
    limits = {MOST: "0", OPEN: "50", OF_NETWORK: "4"}
    async with a_post(environment | limits) as post:
        ada = await a_salon(post)
        bookings = [
            await booked(post, ada, f"2026-01-20T{10 + at}:00Z", f"stranger-{at}@example.org")
            for at in range(3)
        ]
        await post.work()
        await cancel(post, bookings[0])
        await post.work()
        await cancel(post, bookings[1])
        await cancel(post, bookings[2], by_staff=True)
        late = await booked(post, ada, "2026-01-20T20:00Z", "late@example.org")
        await post.work()
        assert [await told(post, each) for each in bookings] == [
            [("BOOKED", "SENT", None), ("CANCELLED", "SENT", None)],
            [("BOOKED", "SENT", None), ("CANCELLED", "SKIPPED", TOO_MANY)],
            [("BOOKED", "SENT", None), ("CANCELLED", "SENT", None)],
        ]
        assert await told(post, late) == [("BOOKED", "SKIPPED", TOO_MANY)]
        assert len(post.letters(ADA)) == 7
        by_staff = await an_appointment(
            post.api,
            ada,
            "2026-01-21T10:00Z",
            caller=post.api.admin,
            customer={"name": "Grace", "email": GRACE},
        )
        post.api.clock.set("2026-01-13T00:00:00Z")
        later = await booked(post, ada, "2026-01-20T21:00Z", "late@example.org")
        await post.work()
        assert await told(post, by_staff) == [("BOOKED", "SENT", None)]
        assert await told(post, later) == [("BOOKED", "SENT", None)]


async def test_without_a_limit_nothing_is_counted(environment: dict[str, str]) -> None:
    async with a_post(environment | {MOST: "0"}) as post:
        ada = await a_salon(post)
        for hour in range(4):
            await booked(post, ada, f"2026-01-20T{10 + hour}:00Z")
        assert await post.work() == {"SENT": 8}
        assert await post.api.rows("SELECT FROM reminder_log WHERE destination IS NOT NULL") == []


async def test_a_worker_waits_for_an_erasure_that_has_begun_and_keeps_no_hash(post: Post) -> None:
    silent = await a_provider(post.api, channels=[])
    await booked(post, silent, "2026-01-20T10:00Z")
    organization_id, pool = post.api.organization.id, post.api.resources.pool
    [row] = await post.api.rows(
        "SELECT id FROM customer WHERE organization_id = $1", organization_id
    )
    customer_id = CustomerId(row["id"])
    async with transaction(pool) as erasing:
        await lock_appointments_of_customer(erasing, organization_id, customer_id)
        customer = await customer_for_update(erasing, organization_id, customer_id)
        assert customer is not None
        working = asyncio.create_task(post.work())
        await blocked_by(post.api, erasing)
        await erase_customer(
            erasing, organization_id, customer, caller=None, erased_at=post.api.clock.now
        )
    assert await working == {}
    rows = await post.api.rows("SELECT status, detail, destination FROM reminder_log")
    assert [tuple(row.values()) for row in rows] == [("SKIPPED", "the customer was erased", None)]


async def test_where_messages_went_is_kept_as_a_hash_until_an_erasure(post: Post) -> None:
    ada = await a_salon(post)
    await booked(post, ada, "2026-01-20T10:00Z")
    await post.work()
    kept = await post.api.rows(
        "SELECT recipient, destination, to_jsonb(reminder_log)::text AS row FROM reminder_log"
    )
    assert {row["recipient"]: len(row["destination"] or b"") for row in kept} == {
        "CUSTOMER": 16,
        "PROVIDER": 0,
    }
    assert not any("grace" in row["row"] for row in kept)
    [customer] = await post.api.rows(
        "SELECT id FROM customer WHERE organization_id = $1", post.api.organization.id
    )
    values = {"id": global_id("Customer", customer["id"])}
    made((await post.api.ask(ERASE, caller=post.api.admin, input=values))["answer"], "Customer")
    assert await post.api.rows("SELECT FROM reminder_log WHERE destination IS NOT NULL") == []
