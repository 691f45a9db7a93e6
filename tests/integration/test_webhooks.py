"""Webhooks: what is delivered, how it is signed, tried again, ordered, switched off and shown."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from standardwebhooks import WebhookVerificationError

from app.api.words.relay import key_of
from app.core.ids import WebhookId
from app.core.webhooks import HOLDS_BACK, MOST_ATTEMPTS, MOST_WEBHOOKS, PAUSES
from app.identity.sealed import Seal
from app.notify.email import Begin, Letter
from app.notify.outcome import Outcome, Sent, TemporaryFailure
from app.notify.senders import Senders
from app.process.clock import system_clock
from app.settings import Settings
from app.standins.embedded import Servers
from app.store import webhooks as store
from app.store.pool import transaction
from app.store.sql import catalogue
from app.usecases.resources import Resources
from app.usecases.upkeep.measure_lags import measure_events
from app.usecases.upkeep.purge import purge_events
from app.usecases.webhooks.deliver_events import LEASE, Deliverer, deliver_until
from app.usecases.webhooks.notify_administrators import notify_administrators
from tests.builders import (
    Api,
    Json,
    Running,
    a_provider,
    an_appointment,
    key_in,
    made,
    running,
    unknown,
)
from tests.e2e.served import a_database, environment_on
from tests.integration.test_events import happened, settled
from tests.lives import cancel, move
from tests.receiver import CUT, Received, Receiver, Respond, receiving

WEBHOOK: Final = "... on Webhook { id url types isActive disabledReason createdAt }"
DELIVERY: Final = """
    ... on Delivery {
        id status attempts lastAttemptAt nextAttemptAt responseStatus problem
        event { id type subject { __typename id } }
    }
"""
REFUSED: Final = "... on UserError { code message } ... on InvalidInputError { field }"
CREATE: Final = f"""
    mutation ($input: CreateWebhookInput!) {{
        answer: createWebhook(input: $input) {{
            __typename ... on WebhookWithSecret {{ secret webhook {{ {WEBHOOK} }} }} {REFUSED}
        }}
    }}
"""
UPDATE: Final = f"""
    mutation ($input: UpdateWebhookInput!) {{
        answer: updateWebhook(input: $input) {{ __typename {WEBHOOK} {REFUSED} }}
    }}
"""
ROTATE: Final = """
    mutation ($input: WebhookInput!) {
        answer: rotateWebhookSecret(input: $input) {
            __typename ... on WebhookWithSecret { secret } ... on UserError { code }
        }
    }
"""
DELETE: Final = f"""
    mutation ($input: WebhookInput!) {{
        answer: deleteWebhook(input: $input) {{ __typename {WEBHOOK} ... on UserError {{ code }} }}
    }}
"""
TEST: Final = f"""
    mutation ($input: WebhookInput!) {{
        answer: sendTestEvent(input: $input) {{ __typename {DELIVERY} ... on UserError {{ code }} }}
    }}
"""
REDELIVER: Final = f"""
    mutation ($input: RedeliverInput!) {{
        answer: redeliver(input: $input) {{ __typename {DELIVERY} ... on UserError {{ code }} }}
    }}
"""
LOG: Final = f"""
    query ($first: Int, $after: String, $status: [DeliveryStatus!]) {{
        webhooks {{
            {WEBHOOK}
            deliveries(first: $first, after: $after, status: $status) {{
                totalCount nodes {{ {DELIVERY} }} pageInfo {{ hasNextPage endCursor }}
            }}
        }}
    }}
"""
VISITS: Final = ["APPOINTMENT_BOOKED", "APPOINTMENT_RESCHEDULED", "APPOINTMENT_CANCELLED"]


BACKLOG: Final = """
    WITH happened AS (
        INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, version,
            occurred_at, actor)
        SELECT $1, 1, 0, gen_random_uuid(), 'PROVIDER_CHANGED', gen_random_uuid(), 1, now(),
            'SYSTEM'
        FROM generate_series(1, $3::integer)
        RETURNING *
    )
    INSERT INTO webhook_delivery (organization_id, id, webhook_id, event_id, epoch, transaction_id,
        subject_id, occurred_at, next_attempt_at, by_hand)
    SELECT organization_id, gen_random_uuid(), $2, id, epoch, transaction_id, subject_id,
        occurred_at, now() - interval '1 minute', false
    FROM happened
    RETURNING 1
"""
"""So many deliveries that are due, all pending."""


@pytest.fixture(scope="module")
async def shared(servers: Servers, template_database: str) -> AsyncIterator[Running]:
    """One application, on a database of its own: the worker delivers for all organizations."""
    async with a_database(
        servers, template_database, f"slotwright_hooks_{os.getpid()}"
    ) as database:
        environment = environment_on(servers, database)
        environment["SLOTWRIGHT_OUTGOING_NETWORKS"] = "127.0.0.0/8"
        async with running(Settings.from_environment(environment)) as application:
            yield application


@pytest.fixture
async def api(shared: Running) -> Api:
    """An organization of its own, and nobody else's events; at the machine's time, since signatures
    are fresh for five minutes.
    """
    for table in ("webhook_delivery", "webhook", "event"):
        await shared.resources.pool.execute(f"DELETE FROM {table}", [])
    found = await shared.api()
    found.clock.set(system_clock().replace(microsecond=0))
    return found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def ask(api: Api, document: str, type_name: str, **values: object) -> Json:
    """The answer of a mutation of this type."""
    return made((await api.ask(document, caller=api.admin, input=values))["answer"], type_name)


async def a_webhook(api: Api, url: str, *types: str) -> Json:
    """With its secret."""
    values: Json = {"url": url} | ({"types": list(types)} if types else {})
    answer = await ask(api, CREATE, "WebhookWithSecret", **values)
    return {**answer["webhook"], "secret": answer["secret"]}


async def deliver(resources: Resources) -> None:
    """All that can be delivered by now."""
    await settled(resources.pool)
    deliverer = Deliverer(resources)
    for _ in range(5):
        if not await deliverer.look():
            return
        await deliverer.settle()


async def happen(api: Api, *versions: int) -> None:
    """Events of one provider, each in a transaction of its own."""
    for version in versions:
        await happened(api.resources.pool, api.organization.id, version)


async def log(api: Api, **asked: object) -> list[Json]:
    """The deliveries to the only webhook, latest first."""
    (webhook,) = (await api.ask(LOG, caller=api.admin, **asked))["webhooks"]
    found: list[Json] = webhook["deliveries"]["nodes"]
    return found


async def the_webhook(api: Api) -> Json:
    (webhook,) = (await api.ask(LOG, caller=api.admin))["webhooks"]
    return dict(webhook)


def later(api: Api, by: timedelta) -> None:
    api.clock.set(api.clock.now + by)


def statuses(*codes: int) -> Respond:
    """Answers with these, one after the other, and then with success."""
    left = list(codes)

    async def respond(_: Received) -> int:
        return left.pop(0) if left else 204

    return respond


# ---------------------------------------------------------------- what is delivered


async def test_each_event_is_delivered_once_signed_with_its_ids_and_nothing_personal(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, *VISITS)
    ada = await a_provider(api)
    contact = {"name": "Noor", "email": "noor@example.com"}
    visit = await an_appointment(api, ada, soon(api, 10), caller=api.admin, customer=contact)
    await deliver(api.resources)
    await deliver(api.resources)
    (got,) = receiver.received
    got.verify(hook["secret"])
    assert got.headers["content-type"] == "application/json"
    (event,) = (
        await api.ask(
            "{ events(types: [APPOINTMENT_BOOKED]) { nodes { id cursor occurredAt } } }",
            caller=api.admin,
        )
    )["events"]["nodes"]
    assert got.id == event["id"]
    assert got.message == {
        "type": "APPOINTMENT_BOOKED",
        "timestamp": event["occurredAt"],
        "api_version": "1",
        "data": {
            "event_id": event["id"],
            "cursor": event["cursor"],
            "organization_id": got.message["data"]["organization_id"],
            "subject_type": "Appointment",
            "subject_id": visit["appointment"]["id"],
            "version": 1,
            "provider_id": ada["id"],
            "customer_id": visit["appointment"]["customer"]["id"],
            "actor": "ADMIN",
            "actor_subject": "an-admin",
        },
    }
    assert b"Noor" not in got.body
    (delivery,) = await log(api)
    assert (delivery["status"], delivery["attempts"], delivery["responseStatus"]) == (
        "DELIVERED",
        1,
        204,
    )
    assert delivery["event"]["subject"]["id"] == visit["appointment"]["id"]


def soon(api: Api, hour: int) -> str:
    """This hour of the day after tomorrow."""
    return f"{(api.clock.now + timedelta(days=2)).date()}T{hour:02}:00Z"


async def test_what_a_receiver_is_told_of_can_be_asked_for(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url)
    ada = await a_provider(api)
    await an_appointment(api, ada, soon(api, 10))
    await deliver(api.resources)
    assert {got.type for got in receiver.received} == {
        "WEBHOOK_CHANGED",
        "PROVIDER_CHANGED",
        "CUSTOMER_CHANGED",
        "APPOINTMENT_BOOKED",
    }
    node = "query ($id: ID!) { node(id: $id) { __typename id } }"
    for got in receiver.received:
        data = got.message["data"]
        found = (await api.ask(node, caller=api.admin, id=data["subject_id"]))["node"]
        assert found == {"__typename": data["subject_type"], "id": data["subject_id"]}


async def test_a_webhook_gets_the_chosen_types_from_its_creation_on(
    api: Api, receiver: Receiver
) -> None:
    await happen(api, 1)
    await settled(api.resources.pool)
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 2, 3)
    await deliver(api.resources)
    assert [got.version for got in receiver.received] == [2, 3]
    assert (await the_webhook(api))["types"] == ["PROVIDER_CHANGED"]
    await ask(api, UPDATE, "Webhook", id=(await the_webhook(api))["id"], types=["SERVICE_CHANGED"])
    await happen(api, 4)
    await deliver(api.resources)
    assert len(receiver.received) == 2


async def test_what_was_rolled_back_is_not_delivered_and_what_commits_late_is(
    api: Api, receiver: Receiver
) -> None:
    from tests.integration.test_events import happen as happen_in  # noqa: PLC0415  names differ

    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    pool = api.resources.pool
    async with transaction(pool) as lost:
        happen_in(lost, api.organization.id, 9)
        await lost.write()
        lost.roll_back()
    async with transaction(pool) as late:
        happen_in(late, api.organization.id, 1)
        await late.write()
        await happen(api, 2)
        deliverer = Deliverer(api.resources)
        await deliverer.look()
        await deliverer.settle()
        assert receiver.received == [], "an earlier one may yet commit"
    await deliver(api.resources)
    assert [got.version for got in receiver.received] == [1, 2]


async def test_organizations_get_their_own_events_and_each_webhook_each(
    api: Api, receiver: Receiver
) -> None:
    other = await api.another_organization()
    async with receiving() as second:
        for url in (receiver.url, second.url):
            await a_webhook(api, url, "PROVIDER_CHANGED")
        await happened(api.resources.pool, other.organization.id, 7)
        await happen(api, 1, 2)
        await deliver(api.resources)
        for each in (receiver, second):
            assert [got.version for got in each.received] == [1, 2]


# ---------------------------------------------------------------- signatures


async def test_both_secrets_sign_for_a_day_after_a_rotation_and_then_the_new_one_alone(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    old, new = (
        hook["secret"],
        (await ask(api, ROTATE, "WebhookWithSecret", id=hook["id"]))["secret"],
    )
    assert old != new
    assert new.startswith("whsec_")
    await happen(api, 1)
    await deliver(api.resources)
    (got,) = receiver.received
    got.verify(old)
    got.verify(new)
    (stored,) = await api.rows("SELECT secret, previous_secret FROM webhook")
    for secret in (old, new):
        assert secret not in stored["secret"] + stored["previous_secret"], "only encrypted"
    await api.rows("UPDATE webhook SET previous_secret_until = $1 RETURNING 1", api.clock.now)
    await happen(api, 2)
    await deliver(api.resources)
    got = receiver.received[-1]
    got.verify(new)
    with pytest.raises(WebhookVerificationError):
        got.verify(old)


async def test_an_older_secret_than_the_one_before_stops_at_once(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    for _ in range(2):
        await ask(api, ROTATE, "WebhookWithSecret", id=hook["id"])
    await happen(api, 1)
    await deliver(api.resources)
    with pytest.raises(WebhookVerificationError):
        receiver.received[0].verify(hook["secret"])


async def test_secrets_are_sealed_again_with_the_first_key_so_that_an_old_one_can_go(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    old = {"test": "another-secret-of-the-tests-of-32-bytes-or-more"}
    new = {"new": "a new secret of the tests of at least 32 bytes!"}
    for number, keys in enumerate((new | old, new)):
        hooks = replace(api.resources.hooks, seal=Seal(keys))
        await happen(api, number + 1)
        await deliver(replace(api.resources, hooks=hooks))
        receiver.received[number].verify(hook["secret"])


# ---------------------------------------------------------------- retries and order


async def test_each_try_is_signed_anew_until_one_succeeds(api: Api, receiver: Receiver) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(500, CUT, 302)
    await happen(api, 1)
    for number, pause in enumerate((*PAUSES[:3], timedelta(0))):
        await deliver(api.resources)
        assert len(receiver.received) == number + 1
        (delivery,) = await log(api)
        assert delivery["attempts"] == number + 1
        assert delivery["status"] == ("DELIVERED" if number == 3 else "PENDING")
        later(api, 1.2 * pause)
    assert len({got.headers["webhook-timestamp"] for got in receiver.received}) == 4
    assert len({got.headers["webhook-signature"] for got in receiver.received}) == 4
    assert len({(got.id, got.body) for got in receiver.received}) == 1
    receiver.received[0].verify(hook["secret"])


async def test_the_log_says_what_was_answered(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(503, CUT)
    await happen(api, 1)
    await deliver(api.resources)
    (delivery,) = await log(api)
    assert delivery["problem"] == "the receiver answered 503: answer 503"
    assert delivery["responseStatus"] == 503
    later(api, 1.2 * PAUSES[0])
    await deliver(api.resources)
    (delivery,) = await log(api)
    assert (delivery["responseStatus"], delivery["status"]) == (None, "PENDING")
    assert delivery["problem"]


async def test_after_three_days_of_tries_a_delivery_has_failed(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(*[500] * MOST_ATTEMPTS)
    await happen(api, 1)
    for pause in (*PAUSES, timedelta(0)):
        await deliver(api.resources)
        later(api, 1.2 * pause + timedelta(seconds=1))
    (delivery,) = await log(api)
    assert (delivery["status"], delivery["attempts"], delivery["nextAttemptAt"]) == (
        "FAILED",
        MOST_ATTEMPTS,
        None,
    )
    await deliver(api.resources)
    assert len(receiver.received) == MOST_ATTEMPTS


async def test_a_subject_s_later_events_wait_for_an_earlier_one_that_fails_and_others_do_not(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, *VISITS)
    ada, ben = await a_provider(api), await a_provider(api)
    visit = await an_appointment(api, ada, soon(api, 10))
    other = await an_appointment(api, ben, soon(api, 10))
    stuck = visit["appointment"]["id"]

    async def respond(got: Received) -> int:
        return 500 if got.subject == stuck else 204

    receiver.respond = respond
    made(await move(api, visit, soon(api, 12)), "BookingConfirmation")
    made(await cancel(api, other), "Appointment")
    await deliver(api.resources)
    assert [got.type for got in receiver.received if got.subject == stuck] == ["APPOINTMENT_BOOKED"]
    assert [got.type for got in receiver.received if got.subject != stuck] == [
        "APPOINTMENT_BOOKED",
        "APPOINTMENT_CANCELLED",
    ]
    receiver.respond = statuses()
    later(api, 1.2 * PAUSES[0])
    await deliver(api.resources)
    assert [got.version for got in receiver.received if got.subject == stuck] == [1, 1, 2]


async def test_after_ten_minutes_of_tries_later_events_wait_no_more(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")

    async def respond(got: Received) -> int:
        return 500 if got.version == 1 else 204

    receiver.respond = respond
    await happen(api, 1)
    begun = api.clock.now
    # The seventh try is due after ten minutes.
    resources = replace(api.resources, hooks=replace(api.resources.hooks, chance=lambda: 0.99))
    for pause in PAUSES[:6]:
        await deliver(resources)
        await happen(api, 2) if pause == PAUSES[0] else None
        later(api, 1.2 * pause)
    api.clock.set(begun + HOLDS_BACK - timedelta(seconds=1))
    await deliver(resources)
    assert {got.version for got in receiver.received} == {1}
    api.clock.set(begun + HOLDS_BACK)
    await deliver(resources)
    assert receiver.received[-1].version == 2


async def test_a_webhook_whose_deliveries_all_wait_is_left_alone_until_one_is_due(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1, 2, 3)
    receiver.respond = statuses(500)
    await deliver(api.resources)
    last, second, first = await log(api)
    assert first["nextAttemptAt"] < second["nextAttemptAt"]
    assert last["nextAttemptAt"] is None, "the one before it was not tried yet"
    assert await Deliverer(api.resources).look() == 0
    await ask(api, REDELIVER, "Delivery", deliveryId=last["id"])
    assert await Deliverer(api.resources).look() == 0, "it keeps its place"
    later(api, 1.2 * PAUSES[0])
    await deliver(api.resources)
    assert [got.version for got in receiver.received] == [1, 1, 2, 3]


async def test_what_waited_for_purged_deliveries_is_delivered(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1, 2, 3)
    receiver.respond = statuses(500)
    await deliver(api.resources)
    await api.rows("UPDATE event SET occurred_at = $1 RETURNING 1", api.clock.now)
    await api.rows(
        "UPDATE webhook_delivery SET occurred_at = CASE WHEN version < 3 THEN $1::timestamptz ELSE $2 END "
        "FROM event WHERE event.id = event_id AND event.organization_id = webhook_delivery.organization_id "
        "RETURNING 1",
        api.clock.now - api.resources.retention.events - timedelta(days=1),
        api.clock.now,
    )
    await purge_events(api.resources)
    await deliver(api.resources)
    assert [got.version for got in receiver.received] == [1, 3]


@pytest.mark.usefixtures("one_postgres")
async def test_a_backlog_costs_no_more_than_what_is_fetched(api: Api, receiver: Receiver) -> None:
    hook = key_of("Webhook", (await a_webhook(api, receiver.url, "PROVIDER_CHANGED"))["id"])
    await api.rows(BACKLOG, api.organization.id, hook, 10_000)
    await api.resources.pool.execute("ANALYZE webhook_delivery", [])
    named: tuple[object, ...] = (api.organization.id, hook, api.clock.now, [])
    for name, arguments in (
        ("ready_deliveries", (*named, 100)),
        ("ready_by_hand", (*named, 100)),
        ("webhooks_to_do", (api.clock.now, 100)),
    ):
        (plan,) = await api.rows(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {catalogue()[name].sql}", *arguments
        )
        (found,) = plan["QUERY PLAN"]
        blocks = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
        # Each of a hundred costs a few: its row, and its event's by the index.
        assert blocks < 10 * 100, (name, found)


async def test_a_slow_or_a_dead_endpoint_never_delays_another_one_s(
    api: Api, receiver: Receiver
) -> None:
    released = asyncio.Event()

    async def wait(_: Received) -> int:
        await released.wait()
        return 204

    async with receiving(wait) as slow, receiving() as gone:
        dead = gone.url
        await a_webhook(api, slow.url, "PROVIDER_CHANGED")
        await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    # The slow one is served again, by a new socket on its port; nobody listens at the dead one.
    async with receiving(wait, port=slow.port) as slow:
        await a_webhook(api, dead, "PROVIDER_CHANGED")
        await happen(api, *range(1, 21))
        await settled(api.resources.pool)
        deliverer = Deliverer(api.resources)
        await deliverer.look()
        for _ in range(3_000):
            if len(receiver.received) == 20:
                break
            await asyncio.sleep(0.01)
        assert [got.version for got in receiver.received] == list(range(1, 21))
        assert len(slow.received) == 1
        released.set()
        await deliverer.settle()
        assert [got.version for got in slow.received] == list(range(1, 21))


async def test_a_receiver_that_fails_rests_and_is_served_at_once_when_it_is_back(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(*[500] * 3)
    await happen(api, 1)
    for pause in PAUSES[:3]:
        await deliver(api.resources)
        later(api, 1.2 * pause)
    assert len(receiver.received) == 3
    (health,) = await api.rows("SELECT failures, rests_until FROM webhook")
    assert health["failures"] == 3
    await deliver(api.resources)
    assert len(receiver.received) == 4
    (health,) = await api.rows("SELECT failures, failing_since, rests_until FROM webhook")
    assert health == {"failures": 0, "failing_since": None, "rests_until": None}


# ---------------------------------------------------------------- several workers, and their ends


async def test_one_worker_at_a_time_delivers_to_a_webhook_and_the_next_goes_on_after_its_end(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1)
    await settled(api.resources.pool)
    which = store.WebhookToDo(
        organization_id=api.organization.id,
        webhook_id=WebhookId(key_in(hook["id"])),
        is_failing=False,
    )
    now = api.clock.now
    died = await store.lease_webhook(api.resources.pool, which, real_now=now, until=now + LEASE)
    assert died is not None
    await deliver(api.resources)
    assert receiver.received == [], "somebody else has the lease"
    later(api, LEASE)
    await deliver(api.resources)
    assert len(receiver.received) == 1
    # What the first worker writes is dropped, if it lives after all.
    assert await store.renew_lease(api.resources.pool, died, until=now + 2 * LEASE) is None
    async with transaction(api.resources.pool) as tx:
        assert not await store.move_webhook(tx, died, died.cursor)


async def test_what_was_sent_and_not_recorded_is_sent_again(api: Api, receiver: Receiver) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait(_: Received) -> int:
        entered.set()
        await leave.wait()
        return 204

    receiver.respond = wait
    await happen(api, 1)
    await settled(api.resources.pool)
    deliverer = Deliverer(api.resources)
    await deliverer.look()
    await entered.wait()
    # Its settings change meanwhile: what is under way may have gone to the address before.
    await ask(api, UPDATE, "Webhook", id=hook["id"], url=f"{receiver.url}/new")
    leave.set()
    await deliverer.settle()
    await deliver(api.resources)
    assert [got.path for got in receiver.received] == ["/hook", "/hook/new"]
    assert len({got.id for got in receiver.received}) == 1
    assert [each["status"] for each in await log(api)] == ["DELIVERED"]


async def test_the_worker_s_loop_delivers_and_ends(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    stop = asyncio.Event()
    loop = asyncio.create_task(deliver_until(api.resources, stop, grace_seconds=5))
    await happen(api, 1)
    for _ in range(3_000):
        if receiver.received:
            break
        await asyncio.sleep(0.01)
    assert len(receiver.received) == 1
    stop.set()
    await loop
    (row,) = await api.rows("SELECT lease_until <= $1 AS is_free FROM webhook", api.clock.now)
    assert row["is_free"]


# ---------------------------------------------------------------- switched off, and on again


class Mailbox:
    """Keeps letters instead of sending them."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.outcome: Outcome = Sent()

    async def send(self, begin: Begin) -> Outcome | None:
        letter = await begin()
        if letter is None:
            return None
        self.letters.append(letter)
        return self.outcome

    async def aclose(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def with_mail(api: Api) -> AsyncIterator[tuple[Resources, Mailbox]]:
    mailbox = Mailbox()
    messaging = replace(api.resources.messaging, senders=Senders(email=mailbox, sms=None))
    await api.rows("UPDATE organization SET email = 'desk@example.com' RETURNING 1")
    yield replace(api.resources, messaging=messaging), mailbox


async def test_410_switches_a_webhook_off_and_the_administrators_are_told_once(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(410)
    async with with_mail(api) as (resources, mailbox):
        await happen(api, 1)
        await deliver(resources)
        await happen(api, 2)
        await deliver(resources)
        assert len(receiver.received) == 1
        found = await the_webhook(api)
        assert found["isActive"] is False
        assert found["disabledReason"] == (
            "The receiver answered 410 Gone, which asks for no more events."
        )
        for _ in range(2):
            await notify_administrators(resources)
        (letter,) = mailbox.letters
        assert letter.to_address == "desk@example.com"
        assert hook["url"] in letter.content.text
        assert "410 Gone" in letter.content.text
        later(api, timedelta(days=1))
        assert await notify_administrators(resources) == 0


async def test_the_mail_about_a_webhook_is_in_the_organizations_language_and_tried_again(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    settings = "mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) { ... on Organization { locale } } }"
    changed = await api.ask(settings, caller=api.admin, input={"locale": "de_AT"})
    assert changed["answer"] == {"locale": "de-AT"}
    receiver.respond = statuses(410)
    async with with_mail(api) as (resources, mailbox):
        await happen(api, 1)
        await deliver(resources)
        mailbox.outcome = TemporaryFailure(detail="greylisted")
        for _ in range(2):  # the second is too early
            await notify_administrators(resources)
        mailbox.outcome = Sent()
        later(api, timedelta(minutes=10))
        for _ in range(2):
            await notify_administrators(resources)
        first, second = mailbox.letters
        assert first.message_id == second.message_id
        assert (second.content.language, second.content.subject) == (
            "de",
            "Ein Webhook wurde abgeschaltet",
        )
        assert "Der Empfänger hat mit 410 Gone geantwortet" in second.content.text


async def test_five_days_of_failures_switch_a_webhook_off(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(*[500] * 100)
    begun = api.clock.now
    for day in range(6):
        await happen(api, day + 1)
        api.clock.set(begun + timedelta(days=day))
        await deliver(api.resources)
        assert (await the_webhook(api))["isActive"] is (day < 5)
    assert (await the_webhook(api))["disabledReason"] == "Every delivery has failed for five days."
    types = "{ events(types: [WEBHOOK_CHANGED]) { nodes { actor } } }"
    await settled(api.resources.pool)
    actors = (await api.ask(types, caller=api.admin))["events"]["nodes"]
    assert actors[-1] == {"actor": "SYSTEM"}


async def test_a_webhook_that_is_switched_on_gets_what_happened_meanwhile_three_days_back(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1)
    await settled(api.resources.pool)
    await ask(api, UPDATE, "Webhook", id=hook["id"], isActive=False)
    await deliver(api.resources)
    assert receiver.received == [], "it is off"
    for version, days in ((1, 4), (2, 2)):
        if version == 2:
            await happen(api, 2)
        await settled(api.resources.pool)
        await api.rows(
            "UPDATE event SET occurred_at = $1 WHERE version = $2 RETURNING 1",
            api.clock.now - timedelta(days=days),
            version,
        )
    found = await ask(api, UPDATE, "Webhook", id=hook["id"], isActive=True)
    assert found["isActive"] is True
    await deliver(api.resources)
    assert [got.version for got in receiver.received] == [2]


async def test_what_was_pending_when_a_webhook_was_switched_off_for_long_has_failed(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    receiver.respond = statuses(500)
    await happen(api, 1)
    await deliver(api.resources)
    await ask(api, UPDATE, "Webhook", id=hook["id"], isActive=False)
    await api.rows(
        "UPDATE webhook_delivery SET occurred_at = $1 RETURNING 1",
        api.clock.now - timedelta(days=4),
    )
    await ask(api, UPDATE, "Webhook", id=hook["id"], isActive=True)
    (delivery,) = await log(api)
    assert (delivery["status"], delivery["problem"]) == (
        "FAILED",
        "the webhook was switched off for too long",
    )


# ---------------------------------------------------------------- by hand


async def test_a_test_event_goes_to_its_webhook_alone_once_and_also_while_that_is_off(
    api: Api, receiver: Receiver
) -> None:
    async with receiving() as second:
        hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
        await a_webhook(api, second.url)
        await ask(api, UPDATE, "Webhook", id=hook["id"], isActive=False)
        receiver.respond = statuses(500)
        sent = await ask(api, TEST, "Delivery", id=hook["id"])
        assert (sent["status"], sent["event"]["type"]) == ("PENDING", "WEBHOOK_TESTED")
        await deliver(api.resources)
        later(api, timedelta(days=1))
        await deliver(api.resources)
        (got,) = receiver.received
        assert (got.type, got.subject) == ("WEBHOOK_TESTED", hook["id"])
        assert "WEBHOOK_TESTED" not in {each.type for each in second.received}
        node = f"query ($id: ID!) {{ node(id: $id) {{ {DELIVERY} }} }}"
        found = (await api.ask(node, caller=api.admin, id=sent["id"]))["node"]
        assert (found["status"], found["responseStatus"]) == ("FAILED", 500)


async def test_a_delivery_that_has_ended_is_sent_again_once_and_one_that_waits_is_tried_earlier(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1)
    await deliver(api.resources)
    (delivered,) = await log(api)
    receiver.respond = statuses(500)
    again = await ask(api, REDELIVER, "Delivery", deliveryId=delivered["id"])
    assert again["status"] == "PENDING"
    await deliver(api.resources)
    (delivery,) = await log(api)
    assert (delivery["status"], delivery["attempts"]) == ("FAILED", 2)
    assert receiver.received[0].body == receiver.received[1].body

    receiver.respond = statuses(500, 500)
    await happen(api, 2)
    await deliver(api.resources)
    waiting = (await log(api, status=["PENDING"]))[0]
    await ask(api, REDELIVER, "Delivery", deliveryId=waiting["id"])
    await deliver(api.resources)
    (waiting,) = await log(api, status=["PENDING"])
    assert waiting["attempts"] == 2, "it failed again, and goes on as before"


# ---------------------------------------------------------------- settings and their refusals


async def test_addresses_that_may_not_be_called_are_refused(api: Api) -> None:
    for url in (
        "http://93.184.215.14/hook",
        "https://10.0.0.1/hook",
        "https://user:password@crm.example/hook",
        "ftp://crm.example",
        "crm.example",
        "https://crm.example/" + "x" * 2_000,
    ):
        refusal = await ask(api, CREATE, "InvalidInputError", url=url)
        assert refusal["field"] == "url"
    hook = await a_webhook(api, "https://crm.example/hook")
    for values, field in (
        ({"url": "https://127.0.0.1.nip.io:22"}, "url"),
        ({"url": None}, "url"),
        ({"isActive": None}, "isActive"),
        ({"types": []}, "types"),
    ):
        refusal = await ask(api, UPDATE, "InvalidInputError", id=hook["id"], **values)
        assert refusal["field"] == field
    everything = await ask(api, UPDATE, "Webhook", id=hook["id"], types=None)
    assert {"APPOINTMENT_BOOKED", "CUSTOMER_ERASED"} < set(everything["types"])


async def test_an_organization_has_a_bounded_number_of_webhooks(api: Api) -> None:
    answers = await asyncio.gather(
        *(
            api.ask(CREATE, caller=api.admin, input={"url": f"https://crm.example/{number}"})
            for number in range(MOST_WEBHOOKS + 3)
        )
    )
    kinds = [answer["answer"]["__typename"] for answer in answers]
    assert kinds.count("WebhookWithSecret") == MOST_WEBHOOKS
    assert kinds.count("InvalidInputError") == 3
    first = (await api.ask(LOG, caller=api.admin))["webhooks"][0]
    await ask(api, DELETE, "Webhook", id=first["id"])
    await a_webhook(api, "https://crm.example/again")


async def test_a_deleted_webhook_is_gone_with_its_log_and_gets_nothing(
    api: Api, receiver: Receiver
) -> None:
    hook = await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1)
    await deliver(api.resources)
    (delivery,) = await log(api)
    await ask(api, DELETE, "Webhook", id=hook["id"])
    await happen(api, 2)
    await deliver(api.resources)
    assert len(receiver.received) == 1
    assert (await api.ask(LOG, caller=api.admin))["webhooks"] == []
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = await api.ask(nodes, caller=api.admin, ids=[hook["id"], delivery["id"]])
    assert found["nodes"] == [None, None]
    for document in (UPDATE, DELETE, ROTATE, TEST):
        await ask(api, document, "NotFoundError", id=hook["id"])
    for delivery_id in (delivery["id"], unknown("Delivery")):
        await ask(api, REDELIVER, "NotFoundError", deliveryId=delivery_id)
    await purge_events(api.resources)
    for table in ("webhook", "webhook_delivery"):
        assert await api.rows(f"SELECT id FROM {table}") == []


async def test_the_log_is_paged_latest_first_and_filtered(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1, 2)
    await deliver(api.resources)
    receiver.respond = statuses(500)
    await happen(api, 3)
    await deliver(api.resources)
    everything = await log(api)
    assert [each["status"] for each in everything] == ["PENDING", "DELIVERED", "DELIVERED"]
    paged: list[str] = []
    cursor, page = None, {}
    for _ in range(3):
        (webhook,) = (await api.ask(LOG, caller=api.admin, first=1, after=cursor))["webhooks"]
        page = webhook["deliveries"]
        assert page["totalCount"] == 3
        cursor = page["pageInfo"]["endCursor"]
        paged += [each["id"] for each in page["nodes"]]
    assert not page["pageInfo"]["hasNextPage"]
    assert paged == [each["id"] for each in everything]
    assert await log(api, status=["DELIVERED"]) == everything[1:]
    assert await log(api, status=["FAILED"]) == []


# ---------------------------------------------------------------- retention, and what is measured


async def test_deliveries_are_kept_as_long_as_their_events(api: Api, receiver: Receiver) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await happen(api, 1, 2)
    await deliver(api.resources)
    long_ago = api.clock.now - api.resources.retention.events - timedelta(days=1)
    await api.rows("UPDATE event SET occurred_at = $1 WHERE version = 1 RETURNING 1", long_ago)
    await api.rows(
        "UPDATE webhook_delivery SET occurred_at = $1 "
        "WHERE event_id IN (SELECT id FROM event WHERE version = 1) RETURNING 1",
        long_ago,
    )
    await api.rows("UPDATE event SET occurred_at = $1 WHERE version = 2 RETURNING 1", api.clock.now)
    await api.rows(
        "UPDATE webhook_delivery SET occurred_at = $1 "
        "WHERE event_id IN (SELECT id FROM event WHERE version = 2) RETURNING 1",
        api.clock.now,
    )
    assert await purge_events(api.resources) == 1
    assert len(await log(api)) == 1


async def test_the_lag_is_that_of_the_oldest_event_that_a_working_webhook_has_not_got(
    api: Api, receiver: Receiver
) -> None:
    await a_webhook(api, receiver.url, "PROVIDER_CHANGED")
    await deliver(api.resources)
    assert (await measure_events(api.resources)).lag == timedelta(0)
    await happen(api, 1)
    await api.rows(
        "UPDATE event SET occurred_at = $1 WHERE version = 1 RETURNING 1",
        api.clock.now - timedelta(minutes=5),
    )
    await settled(api.resources.pool)
    assert (await measure_events(api.resources)).lag == timedelta(minutes=5)
    receiver.respond = statuses(500)
    await deliver(api.resources)
    found = await measure_events(api.resources)
    assert (found.lag, found.failing) == (timedelta(0), 1)
