"""Messages in the program: planned with the change, claimed, decided again, sent once, and recorded
with their outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.api.words.relay import global_id
from app.core.messages import Channel, MessageKind, MessageStatus
from app.store.messages import (
    AttemptBeginning,
    ClaimedMessage,
    MessageEnd,
    begin_attempts,
    claim_messages,
    due_outbox,
    waiting_messages,
)
from app.store.opt_outs import digests_of
from app.store.pool import transaction
from app.store.sql import Executor, catalogue
from app.usecases.messages import deliver_message, send_messages
from app.usecases.messages.deliver_message import DeliveryBatches
from app.usecases.messages.send_messages import (
    LEASE,
    LEASE_RESERVE,
    Claimed,
    log_what_is_due,
)
from tests.builders import Api, Json, a_provider, an_appointment, blocked_by, instant, made
from tests.integration.reminders import UPDATE_ORGANIZATION, Post, a_post

GRACE = "grace@example.org"
ADA = "ada@salon.example"
CANCEL = """mutation ($input: CancelAppointmentInput!) {
    answer: cancelAppointment(input: $input) { __typename ... on UserError { message } }
}"""
MOVE = """mutation ($input: RescheduleAppointmentInput!) {
    answer: rescheduleAppointment(input: $input) { __typename ... on UserError { message } }
}"""
ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    async with a_post(environment) as post:
        yield post


async def booked(
    post: Post, starts_at: str, *, provider: Json | None = None, **contact: object
) -> Json:
    """Grace with Ada."""
    ada = provider or await a_provider(post.api, name="Ada", email=ADA, timeZone="Europe/Berlin")
    customer = {"name": "Grace", "email": GRACE} | contact
    return await an_appointment(post.api, ada, starts_at, customer=customer)


async def cancel(post: Post, confirmation: Json) -> None:
    values = {
        "appointmentId": confirmation["appointment"]["id"],
        "manageToken": confirmation["manageToken"],
    }
    made((await post.api.ask(CANCEL, input=values))["answer"], "Appointment")


async def move(post: Post, confirmation: Json, starts_at: str) -> None:
    values = {
        "appointmentId": confirmation["appointment"]["id"],
        "manageToken": confirmation["manageToken"],
        "startsAt": instant(starts_at).isoformat(),
        "idempotencyKey": f"move-{starts_at}",
    }
    made((await post.api.ask(MOVE, input=values))["answer"], "BookingConfirmation")


async def test_both_sides_are_notified_at_once_and_reminded_twice(post: Post) -> None:
    await booked(post, "2026-01-14T12:00Z")
    assert await post.work() == {"SENT": 2}
    assert await post.work_at("2026-01-13T11:59Z") == {}
    assert await post.work_at("2026-01-13T12:00Z") == {"SENT": 2}
    assert await post.work_at("2026-01-14T11:00Z") == {"SENT": 2}
    assert await post.work_at("2026-01-14T12:00Z") == {}
    assert [row[:4] for row in await post.ends()] == [
        (kind, recipient, "EMAIL", "SENT")
        for kind in ("BOOKED", "DAY_BEFORE", "HOUR_BEFORE")
        for recipient in ("CUSTOMER", "PROVIDER")
    ]
    assert [row["sent_at"] for row in await post.log()] == [
        row["due_at"] for row in await post.log()
    ]
    assert len(post.letters(GRACE)) == len(post.letters(ADA)) == 3
    ids = [letter["Message-ID"] for letter in post.letters()]
    assert sorted(ids) == sorted(f"<{row['id']}@salon.example>" for row in await post.log())
    assert await post.api.rows("SELECT * FROM message_outbox") == []


async def test_an_organization_reminds_at_its_own_times(post: Post) -> None:
    """Each of them once, on every change of the time; the nearest takes the place of the others."""
    times = {"reminderMinutesBefore": [45, 2880, 60, 45]}
    changed = await post.api.ask(UPDATE_ORGANIZATION, caller=post.api.admin, input=times)
    made(changed["answer"], "Organization")
    asked = "{ organization { reminderMinutesBefore } }"
    shown = await post.api.ask(asked, caller=post.api.admin)
    assert shown["organization"]["reminderMinutesBefore"] == [2880, 60, 45]
    assert (await post.api.ask(asked))["organization"]["reminderMinutesBefore"] is None
    visit = await booked(post, "2026-01-15T12:00Z")
    document = """query ($id: ID!) { appointment(id: $id) { reminders {
        id kind minutesBefore recipient status dueAt } } }"""
    values = {"id": visit["appointment"]["id"]}
    answer = await post.api.ask(document, caller=post.api.admin, **values)
    planned = answer["appointment"]["reminders"]
    assert len({each["id"] for each in planned}) == 6
    assert [
        (each["kind"], each["minutesBefore"], each["dueAt"])
        for each in planned
        if each["recipient"] == "CUSTOMER"
    ] == [
        ("BEFORE", 2880, "2026-01-13T12:00:00Z"),
        ("HOUR_BEFORE", 60, "2026-01-15T11:00:00Z"),
        ("BEFORE", 45, "2026-01-15T11:15:00Z"),
    ]
    await post.work()
    assert await post.work_at("2026-01-13T11:59Z") == {}
    assert await post.work_at("2026-01-13T12:00Z") == {"SENT": 2}
    subjects = [letter["Subject"] for letter in post.letters(GRACE)]
    assert subjects[-1].startswith("Reminder: ")
    # The worker was down: the hour's reminder would only repeat the last one.
    assert await post.work_at("2026-01-15T11:20Z") == {"SENT": 2}
    answer = await post.api.ask(document, caller=post.api.admin, **values)
    sent = answer["appointment"]["reminders"]
    assert {each["id"] for each in sent} == {each["id"] for each in planned}
    assert [
        (each["minutesBefore"], each["status"]) for each in sent if each["recipient"] == "CUSTOMER"
    ] == [(2880, "SENT"), (60, "SKIPPED"), (45, "SENT")]


async def test_a_move_plans_the_reminders_of_the_organization_as_they_are_now(post: Post) -> None:
    visit = await booked(post, "2026-01-15T12:00Z")
    none: Json = {"reminderMinutesBefore": []}
    await post.api.ask(UPDATE_ORGANIZATION, caller=post.api.admin, input=none)
    await move(post, visit, "2026-01-16T12:00Z")
    await post.work()
    assert await post.work_at("2026-01-15T12:00Z") == {}
    assert await post.work_at("2026-01-16T11:30Z") == {}
    assert "DAY_BEFORE" not in {row[0] for row in await post.ends() if row[3] == "SENT"}


@pytest.mark.parametrize(
    ("times", "field"),
    [
        ([4], True),
        ([43_201], True),
        ([5, 6, 7, 8, 9, 10], True),
        (None, True),
        ([5, 43_200], False),
    ],
)
async def test_times_of_reminders_have_bounds(
    post: Post, times: list[int] | None, *, field: bool
) -> None:
    asked = {"reminderMinutesBefore": times}
    answer = await post.api.ask(UPDATE_ORGANIZATION, caller=post.api.admin, input=asked)
    assert (answer["answer"].get("field") == "reminderMinutesBefore") is field


async def test_booked_two_hours_ahead_only_the_hours_reminder_comes(post: Post) -> None:
    await booked(post, "2026-01-12T10:00Z")
    await post.work()
    await post.work_at("2026-01-12T09:00Z")
    assert [row[0] for row in await post.ends() if row[1] == "CUSTOMER"] == [
        "BOOKED",
        "HOUR_BEFORE",
    ]


async def test_booked_half_an_hour_ahead_no_reminder_comes(post: Post) -> None:
    post.api.clock.set("2026-01-12T08:30Z")
    await booked(post, "2026-01-12T09:00Z")
    await post.work_at("2026-01-12T08:31Z")
    await post.work_at("2026-01-12T08:59Z")
    assert [row[0] for row in await post.ends()] == ["BOOKED", "BOOKED"]


async def test_a_worker_that_was_down_sends_late_and_says_the_true_time(post: Post) -> None:
    await booked(post, "2026-01-14T12:00Z")
    await post.work()
    await post.work_at("2026-01-13T15:00Z")
    [_told, late] = post.letters(GRACE)
    body = late.get_body(("plain",))
    assert body is not None
    assert "21 hours" in body.get_content()


async def test_after_an_outage_the_hours_reminder_takes_the_place_of_the_days(post: Post) -> None:
    await booked(post, "2026-01-14T12:00Z")
    await post.work()
    await post.work_at("2026-01-14T11:30Z")
    assert await post.ends("DAY_BEFORE", "HOUR_BEFORE") == [
        ("DAY_BEFORE", "CUSTOMER", "EMAIL", "SKIPPED", "a reminder closer to the start is due too"),
        ("DAY_BEFORE", "PROVIDER", "EMAIL", "SKIPPED", "a reminder closer to the start is due too"),
        ("HOUR_BEFORE", "CUSTOMER", "EMAIL", "SENT", None),
        ("HOUR_BEFORE", "PROVIDER", "EMAIL", "SENT", None),
    ]


async def test_after_the_start_nothing_is_sent(post: Post) -> None:
    await booked(post, "2026-01-14T12:00Z")
    await post.work()
    await post.work_at("2026-01-14T12:00Z")
    assert {row[3:] for row in await post.ends("DAY_BEFORE", "HOUR_BEFORE")} == {
        ("SKIPPED", "the appointment has started")
    }
    assert len(post.letters()) == 2


async def test_a_cancelled_appointment_is_announced_and_never_reminded(post: Post) -> None:
    confirmation = await booked(post, "2026-01-14T12:00Z")
    await post.work()
    await cancel(post, confirmation)
    await post.work_at("2026-01-13T12:00Z")
    await post.work_at("2026-01-14T11:00Z")
    assert {row[3:] for row in await post.ends("DAY_BEFORE", "HOUR_BEFORE")} == {
        ("SKIPPED", "the appointment was cancelled")
    }
    assert [subject.split(":")[0] for subject in post.subjects(GRACE)] == ["Confirmed", "Cancelled"]


async def test_a_booking_cancelled_before_the_worker_came_is_announced_as_cancelled_only(
    post: Post,
) -> None:
    await cancel(post, await booked(post, "2026-01-14T12:00Z"))
    await post.work()
    reason = "the appointment was cancelled"
    assert sorted(
        (kind, status, detail) for kind, _side, _channel, status, detail in await post.ends()
    ) == [
        *[("BOOKED", "SKIPPED", reason)] * 2,
        *[("CANCELLED", "SENT", None)] * 2,
    ]
    assert len(post.letters()) == 2


async def test_a_moved_appointment_is_reminded_of_its_new_time_once(post: Post) -> None:
    confirmation = await booked(post, "2026-01-14T12:00Z")
    await post.work()
    await move(post, confirmation, "2026-01-15T09:00Z")
    for when in (
        "2026-01-13T12:00Z",
        "2026-01-14T09:00Z",
        "2026-01-14T11:00Z",
        "2026-01-15T08:00Z",
    ):
        await post.work_at(when)
    sent = [
        (row["kind"], row["time_version"]) for row in await post.log() if row["status"] == "SENT"
    ]
    assert [entry for entry in sent if entry[0] != "BOOKED"] == [
        (kind, 2) for kind in ("RESCHEDULED", "DAY_BEFORE", "HOUR_BEFORE") for _side in range(2)
    ]
    assert {row["detail"] for row in await post.log() if row["status"] == "SKIPPED"} == {
        "the appointment was moved"
    }
    moved = post.letters(GRACE)[1].get_body(("plain",))
    assert moved is not None
    assert "Previously" in moved.get_content()


async def test_an_erased_customer_is_not_written_to_and_their_provider_is(post: Post) -> None:
    await booked(post, "2026-01-14T12:00Z")
    await post.work()
    [customer] = await post.api.rows(
        "SELECT id FROM customer WHERE organization_id = $1", post.api.organization.id
    )
    values = {"id": global_id("Customer", customer["id"])}
    made((await post.api.ask(ERASE, caller=post.api.admin, input=values))["answer"], "Customer")
    await post.work_at("2026-01-13T12:00Z")
    assert await post.ends("DAY_BEFORE") == [
        ("DAY_BEFORE", "CUSTOMER", "EMAIL", "SKIPPED", "the customer was erased"),
        ("DAY_BEFORE", "PROVIDER", "EMAIL", "SENT", None),
    ]


async def claimed_before_an_erasure(post: Post) -> tuple[ClaimedMessage, Json]:
    """A text message that a worker has claimed and decided upon, and the input of the erasure."""
    silent = await a_provider(post.api, channels=[])
    await booked(post, "2026-01-14T12:00Z", provider=silent, email=None, phone="+491701234567")
    await log_what_is_due(post.api.resources)
    now, organization_id = post.api.resources.real_clock(), post.api.organization.id
    [row] = await post.log()
    [claimed] = await claim_messages(
        post.api.resources.pool,
        organization_id,
        [row["id"]],
        real_now=now,
        lease_until=now + timedelta(minutes=5),
    )
    [customer] = await post.api.rows(
        "SELECT id FROM customer WHERE organization_id = $1", organization_id
    )
    return claimed, {"id": global_id("Customer", customer["id"])}


async def begin(on: Executor, claimed: ClaimedMessage) -> bool:
    now = datetime.now(UTC)
    beginning = AttemptBeginning(
        claimed=claimed, appointment_version=1, session=None, wire_text="Hello Grace", address=None
    )
    begun = await begin_attempts(
        on,
        claimed.organization_id,
        [beginning],
        begun_at=now,
        lease_until=now + timedelta(minutes=2),
    )
    return begun == {claimed.id}


async def test_a_worker_that_read_a_customer_before_their_erasure_sends_them_nothing(
    post: Post,
) -> None:
    claimed, customer = await claimed_before_an_erasure(post)
    answer = (await post.api.ask(ERASE, caller=post.api.admin, input=customer))["answer"]
    made(answer, "Customer")
    assert not await begin(post.api.resources.pool, claimed)
    await post.end_leases()
    await post.work()
    assert await post.ends() == [
        ("BOOKED", "CUSTOMER", "SMS", "SKIPPED", "the customer was erased")
    ]
    assert post.sms.taken == []


async def test_an_erasure_waits_for_an_attempt_that_is_being_recorded_and_forgets_its_words(
    post: Post,
) -> None:
    claimed, customer = await claimed_before_an_erasure(post)
    async with transaction(post.api.resources.pool) as beginning:
        assert await begin(beginning, claimed)
        erasing = asyncio.create_task(post.api.ask(ERASE, caller=post.api.admin, input=customer))
        await blocked_by(post.api, beginning)
    made((await erasing)["answer"], "Customer")
    [row] = await post.log()
    assert (row["status"], row["wire_text"], row["detail"]) == (
        "FAILED",
        None,
        "the customer was erased while the message was on its way",
    )


async def test_an_e_mail_that_is_handed_over_during_an_erasure_counts_as_sent(post: Post) -> None:
    silent = await a_provider(post.api, channels=[])
    await booked(post, "2026-01-14T12:00Z", provider=silent)
    taken, goes_on = asyncio.Event(), asyncio.Event()

    async def reached(stage: str, _address: str) -> None:
        if stage == "DATA":
            taken.set()
            await goes_on.wait()

    post.mail.reached = reached
    working = asyncio.create_task(post.work())
    await taken.wait()
    [customer] = await post.api.rows(
        "SELECT id FROM customer WHERE organization_id = $1", post.api.organization.id
    )
    values = {"id": global_id("Customer", customer["id"])}
    made((await post.api.ask(ERASE, caller=post.api.admin, input=values))["answer"], "Customer")
    goes_on.set()
    assert await working == {"SENT": 1}
    assert await post.ends("BOOKED") == [("BOOKED", "CUSTOMER", "EMAIL", "SENT", None)]


async def test_channels_are_those_that_each_prefers_at_the_time(post: Post) -> None:
    ada = await a_provider(
        post.api,
        email=ADA,
        phone="+4930901820",
        channels=["SMS"],
        locale="de",
        timeZone="Europe/Berlin",
    )
    await booked(
        post, "2026-01-14T12:00Z", provider=ada, phone="+491701234567", channels=["EMAIL", "SMS"]
    )
    await post.work()
    assert {row[1:4] for row in await post.ends("BOOKED")} == {
        ("CUSTOMER", "EMAIL", "SENT"),
        ("CUSTOMER", "SMS", "SENT"),
        ("PROVIDER", "SMS", "SENT"),
    }
    assert sorted(to for to, _body in post.sms.texts()) == ["+491701234567", "+4930901820"]
    assert any("Neue Buchung" in body for _to, body in post.sms.texts())


async def test_a_mailbox_that_refuses_fails_at_once_and_a_server_that_is_busy_is_tried_again(
    post: Post,
) -> None:
    answers = iter(["550 5.1.1 no such user", "451 4.3.0 later", "451 4.3.0 later"])
    post.mail.refuse = lambda stage, _envelope: next(answers, None) if stage == "RCPT" else None
    await booked(post, "2026-01-20T12:00Z")
    assert sorted((await post.work()).items()) == [("FAILED", 1), ("PENDING", 1)]
    assert await post.work() == {}, "it waits"
    rows = {row["status"]: row for row in await post.log()}
    assert rows["FAILED"]["detail"] == "smtp 550 5.1.1 at RCPT"
    assert rows["PENDING"]["detail"] == "smtp 451 4.3.0 at RCPT"
    await post.end_leases()
    assert await post.work() == {"PENDING": 1}
    await post.end_leases()
    assert await post.work() == {"SENT": 1}
    rows = {row["status"]: row for row in await post.log()}
    assert rows["SENT"]["attempts"] == 3
    assert rows["SENT"]["detail"] is None


async def test_a_message_that_was_sent_or_has_failed_is_an_event_and_none_that_waits_or_was_skipped(
    post: Post,
) -> None:
    answers = iter(["550 5.1.1 no such user", "451 4.3.0 later"])
    post.mail.refuse = lambda stage, _envelope: next(answers, None) if stage == "RCPT" else None
    visit = await booked(post, "2026-01-20T12:00Z")
    assert sorted((await post.work()).items()) == [("FAILED", 1), ("PENDING", 1)]
    recorded = "SELECT type, subject_id FROM event WHERE type LIKE 'MESSAGE%' ORDER BY id"
    rows = {row["status"]: row["id"] for row in await post.log()}
    assert await post.api.rows(recorded) == [
        {"type": "MESSAGE_FAILED", "subject_id": rows["FAILED"]}
    ]
    await post.end_leases()
    await cancel(post, visit)
    await post.work()
    ended = [(row["status"], row["id"]) for row in await post.log()]
    assert {status for status, _ in ended} == {"FAILED", "SENT", "SKIPPED"}
    assert {(row["type"], row["subject_id"]) for row in await post.api.rows(recorded)} == {
        (f"MESSAGE_{status}", id_) for status, id_ in ended if status != "SKIPPED"
    }
    assert len(await post.api.rows(recorded)) == sum(status != "SKIPPED" for status, _ in ended)


async def test_a_message_fails_after_its_retries(post: Post) -> None:
    post.mail.refuse = lambda stage, _envelope: "451 4.3.0 later" if stage == "RCPT" else None
    await booked(post, "2026-01-20T12:00Z")
    for _attempt in range(10):
        await post.work()
        await post.end_leases()
    assert await post.work() == {}
    assert {(row["status"], row["attempts"], row["detail"]) for row in await post.log()} == {
        ("FAILED", 10, "smtp 451 4.3.0 at RCPT")
    }


async def test_two_workers_at_once_send_each_message_once(post: Post) -> None:
    for day in range(13, 23):
        await booked(post, f"2026-01-{day}T12:00Z")
    post.api.clock.set("2026-01-12T09:00Z")
    await asyncio.gather(*(post.work() for _worker in range(4)))
    assert len(post.letters()) == 20
    assert len({letter["Message-ID"] for letter in post.letters()}) == 20
    assert {row["attempts"] for row in await post.log()} == {1}


async def test_news_goes_out_before_reminders_that_are_due_already(post: Post) -> None:
    """An organization may have any number of these at once: nobody's confirmation waits for
    them.
    """
    pool, clock = post.api.resources.pool, post.api.clock
    silent = await a_provider(post.api, channels=[], timeZone="UTC")
    for hour in (9, 10):
        await booked(post, f"2026-01-14T{hour:02}:00Z", provider=silent)
    await post.work()
    clock.set("2026-01-13T11:00Z")
    await booked(post, "2026-01-20T12:00Z", provider=silent)

    due = await due_outbox(pool, due_by=clock(), batch_size=1)
    assert [key.kind.kind for keys in due.values() for key in keys] == [MessageKind.BOOKED]
    assert await log_what_is_due(post.api.resources) == 3
    now = post.api.resources.real_clock()
    waiting = await waiting_messages(pool, real_now=now, batch_size=1)
    [row] = [
        row for row in await post.log() if row["kind"] == "BOOKED" and row["status"] == "PENDING"
    ]
    assert [message for messages in waiting.values() for message in messages] == [row["id"]]
    assert await post.work() == {"SENT": 3}


async def test_what_is_logged_is_claimed_with_it_as_far_as_there_is_room(post: Post) -> None:
    """As a claim reads it. The rest waits; so does what was claimed, once its worker has died."""
    for day in (13, 14):
        await booked(post, f"2026-01-{day}T12:00Z")
    resources = post.api.resources
    batches: list[Claimed] = []

    async def start(claimed: Claimed) -> None:
        batches.append(claimed)

    assert await log_what_is_due(resources, claim=3, start=start) == 2
    [claimed] = batches
    ours, now = {each.id: each for each in claimed.messages}, resources.real_clock()
    assert len(ours) == 3
    assert {row["attempts"] for row in await post.log() if row["id"] in ours} == {1}
    assert claimed.begin_by <= now + LEASE - LEASE_RESERVE
    waiting = await waiting_messages(resources.pool, real_now=now, batch_size=9)
    rest = [row["id"] for row in await post.log() if row["id"] not in ours]
    assert waiting == {post.api.organization.id: rest}

    await post.end_leases()
    again = await claim_messages(
        resources.pool, post.api.organization.id, [*ours], real_now=now, lease_until=now
    )
    assert {each.id: each for each in again} == {
        each.id: replace(each, attempts=2) for each in claimed.messages
    }
    await post.end_leases()
    assert await post.work() == {"SENT": 4}


async def test_a_message_that_is_in_the_log_already_is_not_claimed(post: Post) -> None:
    await booked(post, "2026-01-14T12:00Z")
    await post.work()
    await post.api.rows(
        """INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
        SELECT organization_id, id, 1, 'BOOKED', $2 FROM appointment WHERE organization_id = $1""",
        post.api.organization.id,
        post.api.resources.clock(),
    )
    assert await post.work() == {}
    assert await post.api.rows("SELECT FROM message_outbox WHERE kind = 'BOOKED'") == []


async def claimed_together(post: Post, count: int) -> list[ClaimedMessage]:
    """Confirmations that one worker has claimed."""
    silent = await a_provider(post.api, channels=[], timeZone="UTC")
    for day in range(13, 13 + count):
        await booked(post, f"2026-01-{day}T12:00Z", provider=silent)
    await log_what_is_due(post.api.resources)
    now = post.api.resources.real_clock()
    return await claim_messages(
        post.api.resources.pool,
        post.api.organization.id,
        [row["id"] for row in await post.log()],
        real_now=now,
        lease_until=now + timedelta(minutes=5),
    )


LOCKED = "SELECT FROM reminder_log WHERE organization_id = $1 AND id = $2 FOR UPDATE"


async def test_of_messages_that_begin_together_only_those_do_that_are_still_as_decided(
    post: Post,
) -> None:
    """One has changed since, one was claimed by another worker, one is being changed, and the
    addresses of two have opted out, one of them by an earlier digest. Two others' addresses have
    opted out in other ways.
    """
    claimed = await claimed_together(post, 8)
    stays, moved, lost, locked, silent, earlier, texts, converted = claimed
    now, organization_id = datetime.now(UTC), stays.organization_id
    addresses = {
        each.id: f"grace{place}@m\u00fcnchen.example" for place, each in enumerate(claimed)
    }
    for each, channel, digest, in_ascii in (
        (silent, Channel.EMAIL, 0, True),
        (earlier, Channel.EMAIL, 1, False),
        (texts, Channel.SMS, 0, True),
        (converted, Channel.EMAIL, 1, True),
    ):
        await post.api.rows(
            """INSERT INTO message_opt_out (organization_id, channel, address_digest, opted_out_at, domain_in_ascii)
            VALUES ($1, $2, $3, now(), $4)""",
            organization_id,
            channel,
            digests_of(organization_id, (Channel.EMAIL, addresses[each.id]))[digest],
            in_ascii,
        )
    async with transaction(post.api.resources.pool) as elsewhere:
        await elsewhere.fetch(LOCKED, [stays.organization_id, locked.id])
        begun = await begin_attempts(
            post.api.resources.pool,
            stays.organization_id,
            [
                AttemptBeginning(
                    claimed=replace(each, attempts=2) if each is lost else each,
                    appointment_version=2 if each is moved else 1,
                    session=None,
                    wire_text=None,
                    address=addresses[each.id],
                )
                for each in claimed
            ],
            begun_at=now,
            lease_until=now + timedelta(minutes=2),
        )
    assert begun == {stays.id, texts.id, converted.id}
    rows = await post.api.rows("SELECT id FROM reminder_log WHERE wire_since IS NOT NULL")
    assert {row["id"] for row in rows} == begun


async def test_a_lease_lasts_as_long_as_the_attempt_and_is_not_cut_short(post: Post) -> None:
    [claimed] = await claimed_together(post, 1)
    [before] = await post.log()
    for later in (False, True):
        until = before["lease_until"] + timedelta(minutes=1 if later else -3)
        begun = await begin_attempts(
            post.api.resources.pool,
            claimed.organization_id,
            [
                AttemptBeginning(
                    claimed=claimed,
                    appointment_version=1,
                    session=None,
                    wire_text=None,
                    address=None,
                )
            ],
            begun_at=datetime.now(UTC),
            lease_until=until,
        )
        assert begun == {claimed.id}
        [row] = await post.log()
        assert row["lease_until"] == (until if later else before["lease_until"])


async def test_the_end_of_a_message_is_recorded_though_that_of_another_has_to_wait(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody is changing one of two rows: an erasure, say. The order of locks doesn't matter."""
    batches = DeliveryBatches(post.api.resources)
    claimed = await claimed_together(post, 2)
    sent_at = datetime.now(UTC)
    ends = [
        MessageEnd(claimed=each, status=MessageStatus.SENT, sent_at=sent_at) for each in claimed
    ]
    async with transaction(post.api.resources.pool) as elsewhere:
        await elsewhere.fetch(LOCKED, [claimed[0].organization_id, claimed[0].id])
        closing = asyncio.gather(*(batches.close(end) for end in ends))
        await blocked_by(post.api, elsewhere)
        assert {row["id"]: row["status"] for row in await post.log()} == {
            claimed[0].id: "PENDING",
            claimed[1].id: "SENT",
        }
    await closing
    assert {row["status"] for row in await post.log()} == {"SENT"}
    recorded = await post.api.rows("SELECT subject_id FROM event WHERE type = 'MESSAGE_SENT'")
    assert {row["subject_id"] for row in recorded} == {each.id for each in claimed}
    assert len(recorded) == 2
    assert not caplog.messages, "they ended together"


@pytest.mark.parametrize("breaks", ["render", "load_subjects"])
async def test_a_message_that_breaks_leaves_those_that_begin_with_it_alone(
    post: Post, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    """Whether its words can't be made, or what it is about can't be read."""
    silent = await a_provider(post.api, channels=[], timeZone="UTC")
    for day in range(13, 18):
        await booked(post, f"2026-01-{day}T12:00Z", provider=silent, name=f"Guest {day}")
    works = getattr(deliver_message, breaks)
    [broken] = await post.api.rows("SELECT id FROM appointment WHERE contact_name = 'Guest 15'")

    def unreadable(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  as what it replaces
        facts = arguments[0]
        asked = {facts.appointment_id} if breaks == "render" else set(arguments[2])
        if broken["id"] in asked:
            raise RuntimeError(breaks)
        return works(*arguments, **options)

    monkeypatch.setattr(deliver_message, breaks, unreadable)
    assert sorted((await post.work()).items()) == [("PENDING", 1), ("SENT", 4)]
    assert len(post.letters()) == 4


# ---------------------------------------------------------------- the last moment, and after


async def test_what_is_cancelled_or_moved_before_sending_begins_is_not_sent(post: Post) -> None:
    """However slow the mail server is, and though all were claimed at once."""
    silent = await a_provider(post.api, channels=[], serviceDurationMinutes=30, timeZone="UTC")
    guests = [f"guest-{number}@example.org" for number in range(12)]
    confirmations = [
        await booked(post, f"2026-01-14T{9 + at // 2:02}:{at % 2 * 3}0Z", provider=silent, email=to)
        for at, to in enumerate(guests)
    ]
    begun: list[str] = []
    all_busy, goes_on = asyncio.Event(), asyncio.Event()

    async def slowly(stage: str, address: str) -> None:
        if stage == "RCPT":
            begun.append(address)
            if len(begun) == 8:  # as many as there are connections
                all_busy.set()
            await goes_on.wait()

    post.mail.reached = slowly
    working = asyncio.create_task(post.work())
    await all_busy.wait()
    on_their_way = set(begun)
    for confirmation in confirmations[:-1]:
        await cancel(post, confirmation)
    await move(post, confirmations[-1], "2026-01-15T09:00Z")
    goes_on.set()
    await working
    confirmed = {
        to for to in guests for subject in post.subjects(to) if subject.startswith("Confirmed")
    }
    assert confirmed == on_their_way
    skipped = [row for row in await post.ends("BOOKED") if row[3] == "SKIPPED"]
    assert {row[4] for row in skipped} <= {
        "the appointment was cancelled",
        "the appointment was moved",
    }
    assert len(skipped) == 4


async def test_a_message_that_may_have_arrived_never_counts_as_skipped(post: Post) -> None:
    """The worker died between the server's answer and the log; then the appointment was
    cancelled.
    """
    silent = await a_provider(post.api, channels=[])
    confirmation = await booked(post, "2026-01-14T12:00Z", provider=silent)
    await die_after_data(post)
    await cancel(post, confirmation)
    await post.end_leases()
    await post.work()
    assert [row[3:] for row in await post.ends("BOOKED")] == [
        (
            "FAILED",
            "its fate is unknown: an attempt was cut off; then the appointment was cancelled",
        )
    ]
    assert [subject.split(":")[0] for subject in post.subjects(GRACE)] == ["Confirmed", "Cancelled"]


async def test_a_message_that_may_have_arrived_is_sent_again_as_the_same_mail(post: Post) -> None:
    silent = await a_provider(post.api, channels=[])
    await booked(post, "2026-01-14T12:00Z", provider=silent)
    await die_after_data(post)
    [row] = await post.log()
    assert (row["status"], row["attempts"]) == ("PENDING", 1)
    await post.end_leases()
    assert await post.work() == {"SENT": 1}
    first, second = post.letters(GRACE)
    assert first["Message-ID"] == second["Message-ID"] == f"<{row['id']}@salon.example>"


async def test_a_lost_answer_is_remembered_while_the_server_is_away(post: Post) -> None:
    """A refusal at the next attempt says nothing about the first."""
    silent = await a_provider(post.api, channels=[])
    confirmation = await booked(post, "2026-01-14T12:00Z", provider=silent)
    await die_after_data(post)
    post.mail.refuse = lambda stage, _envelope: "451 4.3.0 later" if stage == "RCPT" else None
    await post.end_leases()
    assert await post.work() == {"PENDING": 1}
    await cancel(post, confirmation)
    post.mail.refuse = lambda _stage, _envelope: None
    await post.end_leases()
    await post.work()
    [row] = await post.ends("BOOKED")
    assert row[3] == "FAILED"
    assert "unknown" in (row[4] or "")


async def test_a_message_that_was_claimed_too_long_ago_is_given_back_untried(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a slow mail server would use up the attempts of messages that wait behind others."""
    monkeypatch.setattr(send_messages, "SENDING_AT_ONCE", 1)
    slow = iter([LEASE - LEASE_RESERVE + timedelta(seconds=1)])
    passed = timedelta()

    async def reached(stage: str, _address: str) -> None:
        nonlocal passed
        if stage == "DATA":
            passed += next(slow, timedelta())

    post.mail.reached = reached
    for hour in range(9, 12):
        await booked(post, f"2026-01-14T{hour:02}:00Z")
    resources = replace(
        post.api.resources, real_clock=lambda: post.api.resources.real_clock() + passed
    )
    counts = await send_messages.send_messages(resources)
    log = await post.log()
    assert counts["LEFT"] == len(log) - 1
    assert counts["SENT"] == len(log)
    assert {row["attempts"] for row in log} == {1}


async def die_after_data(post: Post) -> None:
    """A worker that is gone when the mail server has its letter, and has not answered yet."""
    taken, never = asyncio.Event(), asyncio.Event()

    async def reached(stage: str, _address: str) -> None:
        if stage == "DATA":
            taken.set()
            await never.wait()

    post.mail.reached = reached
    working = asyncio.create_task(post.work())
    await taken.wait()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    post.mail.reached = None
    never.set()


UNTOLD = "its fate is unknown: the gateway could not be asked (http 503)"
SEVERAL = [
    ("a lost answer is looked up, not sent again", {"lost": 1}, "SENT", None, 1, 1),
    ("a gateway that took nothing gets it again", {"answers": [(502, {})]}, "SENT", None, 1, 1),
    ("a gateway that can't tell ends it", {"lost": 1, "lists": False}, "FAILED", UNTOLD, 1, 1),
    (("a number that is refused fails at "
     "once"), {"answers": [(400, {"code": 21211})]}, "FAILED", "http 400, error 21211", 0, 0),
    ("a busy gateway is tried again", {"answers": [(429, {"code": 20429})]}, "SENT", None, 1, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("_law", "gateway", "status", "detail", "taken", "asked"),
    SEVERAL,
    ids=[row[0] for row in SEVERAL],
)
async def test_a_text_message(
    post: Post, _law: str, gateway: Json, status: str, detail: str | None, taken: int, asked: int
) -> None:
    for name, value in gateway.items():
        setattr(post.sms, name, value)
    silent = await a_provider(post.api, channels=[])
    await booked(post, "2026-01-20T12:00Z", provider=silent, email=None, phone="+491701234567")
    await post.work()
    await post.end_leases()
    await post.work()
    [row] = await post.log()
    assert (row["status"], row["detail"]) == (status, detail)
    assert (len(post.sms.taken), post.sms.asked) == (taken, asked)
    assert row["wire_text"] is None
    if status == "SENT":
        assert row["provider_message_id"] == post.sms.taken[0]["sid"]
        expected = f"https://api.salon.example/callbacks/sms/{post.api.organization.id}/{row['id']}"
        assert post.sms.taken[0]["callback"] == expected


async def test_the_manage_link_is_the_customers_alone_and_opens_their_appointment(
    post: Post,
) -> None:
    confirmation = await booked(post, "2026-01-14T12:00Z")
    await post.work()
    [mine], [theirs] = post.letters(GRACE), post.letters(ADA)
    text = mine.get_body(("plain",))
    assert text is not None
    assert f"token={confirmation['manageToken']}" in text.get_content().replace("=\n", "")
    for part in ("plain", "html"):
        body = theirs.get_body((part,))
        assert body is not None
        assert confirmation["manageToken"] not in body.get_content()


PLANNED = """
INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
SELECT $1, gen_random_uuid(), 1, 'BOOKED', now() FROM generate_series(1, 300)
RETURNING appointment_id AS a, time_version AS b, kind AS c
"""
OPTED_OUT = """
INSERT INTO message_opt_out (organization_id, channel, address_digest, opted_out_at)
SELECT $1, 'EMAIL', sha256(number::text::bytea), now() FROM generate_series(1, 300) AS number
RETURNING channel AS a, address_digest AS b, channel AS c, address_digest AS d
"""


@pytest.mark.usefixtures("one_postgres")
@pytest.mark.parametrize(("name", "filled"), [("take_outbox", PLANNED), ("opted_out", OPTED_OUT)])
async def test_a_batch_reads_its_own_rows_and_none_of_the_others_of_its_organization(
    own_api: Api, name: str, filled: str
) -> None:
    """Also in a table that nobody has analyzed, where PostgreSQL plans for one row per organization:
    the index finds each row of the batch, and no scan is repeated for each.
    """
    organization = own_api.organization.id
    async with own_api.resources.pool.connection() as connection, connection.transaction():
        # Without foreign keys: nobody made these appointments.
        await connection.execute("SET LOCAL session_replication_role = replica")
        rows = await connection.fetch(filled, organization)
    batch = [list(column) for column in zip(*rows[:3], strict=True)]
    sql = catalogue()[name].sql
    (plan,) = await own_api.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", organization, *batch)
    read = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan["QUERY PLAN"][0]["Plan"])
        if "Index Name" in node
    ]
    assert read == [3, 3], plan


def nodes(node: Json) -> Iterator[Json]:
    """The nodes of a plan."""
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)
