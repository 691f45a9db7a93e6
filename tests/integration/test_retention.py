"""Old data is deleted, batch by batch, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.core.ids import OrganizationId
from app.jobs.schedule import CRON_JOBS
from app.store.pool import Pool
from app.store.revoked_tokens import insert_revoked_token
from app.store.sql import catalogue
from app.usecases.booking.hold_slot import sweep_expired_holds
from app.usecases.upkeep import purge
from tests.builders import NOW, Api, Json, a_provider, an_appointment, key_in
from tests.lives import broken_laws, cancel, held, move
from tests.visits import a_treatment, needs_now

ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def count(api: Api, table: str, where: str = "true") -> int:
    (row,) = await api.rows(f"SELECT count(*) AS number FROM {table} WHERE {where}")
    number: int = row["number"]
    return number


@pytest.fixture
def tiny_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH_SIZE", 2)


@pytest.mark.usefixtures("tiny_batches")
async def test_keys_are_kept_for_their_period_and_no_longer(own_api: Api) -> None:
    ada = await a_provider(own_api)
    for hour in range(5):
        await an_appointment(own_api, ada, NOW + DAY + (hour + 1) * HOUR)
    own_api.clock.set(NOW + timedelta(hours=48))
    assert await purge.purge_idempotency_keys(own_api.resources) == 0
    own_api.clock.set(NOW + timedelta(hours=48, seconds=1))
    assert await purge.purge_idempotency_keys(own_api.resources) == 5
    assert await count(own_api, "idempotency_key") == 0
    assert await count(own_api, "appointment") == 5


@pytest.mark.usefixtures("tiny_batches")
async def test_holds_go_with_their_claims_and_keys_whatever_became_of_them(own_api: Api) -> None:
    ada = await a_provider(own_api)
    used = await held(own_api, ada, NOW + 2 * HOUR)
    await an_appointment(own_api, ada, NOW + 2 * HOUR, holdToken=used["holdToken"])
    for hour in (3, 4, 5, 6):
        await held(own_api, ada, NOW + hour * HOUR)
    own_api.clock.set(NOW + HOUR)
    assert await sweep_expired_holds(own_api.resources) == 4
    assert await sweep_expired_holds(own_api.resources) == 0
    own_api.clock.set(NOW + 7 * DAY + timedelta(minutes=10))
    assert await purge.purge_holds(own_api.resources) == 0
    own_api.clock.set(NOW + 7 * DAY + timedelta(minutes=10, seconds=1))
    assert await purge.purge_holds(own_api.resources) == 5
    assert await count(own_api, "hold") == 0
    assert (
        await count(own_api, "claim")
        == await count(own_api, "claim", "active AND appointment_id IS NOT NULL")
        == 1
    )
    assert await count(own_api, "idempotency_key") == 1


async def test_a_hold_that_nobody_swept_goes_all_the_same(own_api: Api) -> None:
    """The worker may have been down for a week."""
    ada = await a_provider(own_api)
    await held(own_api, ada, NOW + 2 * HOUR)
    own_api.clock.set(NOW + 8 * DAY)
    assert await purge.purge_holds(own_api.resources) == 1
    assert await count(own_api, "claim") == 0


@pytest.mark.usefixtures("tiny_batches")
@pytest.mark.parametrize("one_by_one", [False, True])
async def test_seats_that_were_given_back_go_and_sessions_that_nobody_had_a_seat_in(
    own_api: Api, monkeypatch: pytest.MonkeyPatch, *, one_by_one: bool
) -> None:
    """Also where the writes of a transaction go one by one, as in a distributed database."""
    if one_by_one:
        monkeypatch.setattr(Pool, "is_distributed", True)
    ada = await a_provider(own_api)
    service = await a_treatment(own_api, ada, durationMinutes=60)
    await needs_now(own_api, service, seats=3)
    wish = {"serviceId": service["id"], "seats": 2}
    await held(own_api, ada, NOW + 2 * HOUR, **wish)
    cancelled, kept = [
        await an_appointment(own_api, ada, NOW + hour * HOUR, **wish) for hour in (3, 4)
    ]
    await cancel(own_api, cancelled)
    moved = await an_appointment(own_api, ada, NOW + 5 * HOUR, **wish)
    await move(own_api, moved, NOW + 6 * HOUR)
    assert await count(own_api, "session") == 5
    own_api.clock.set(NOW + 7 * DAY + 2 * HOUR)
    assert await purge.purge_seats(own_api.resources) == 0
    own_api.clock.set(NOW + 8 * DAY)
    assert await purge.purge_holds(own_api.resources) == 1
    assert await purge.purge_claims(own_api.resources) == 3
    # The seats and the session of the move; those of the hold went with it.
    assert await purge.purge_seats(own_api.resources) == 2 + 2 + 2
    assert await count(own_api, "seat", "active") == await count(own_api, "seat") == 4
    assert await count(own_api, "session") == 3
    assert await broken_laws(own_api.resources.pool, own_api.organization.id) == {}
    assert kept["appointment"]["id"]


@pytest.mark.usefixtures("tiny_batches")
async def test_claims_that_were_freed_go_and_active_ones_stay(own_api: Api) -> None:
    ada = await a_provider(own_api)
    cancelled = await an_appointment(own_api, ada, NOW + 2 * HOUR)
    moved = await an_appointment(own_api, ada, NOW + 3 * HOUR)
    await an_appointment(own_api, ada, NOW + 4 * HOUR)
    await cancel(own_api, cancelled)
    for hour in (5, 6, 7):
        await move(own_api, moved, NOW + hour * HOUR)
    assert await count(own_api, "claim", "NOT active") == 4
    own_api.clock.set(NOW + 7 * DAY + 2 * HOUR)
    assert await purge.purge_claims(own_api.resources) == 0
    own_api.clock.set(NOW + 8 * DAY)
    assert await purge.purge_claims(own_api.resources) == 4
    assert await count(own_api, "claim", "active") == await count(own_api, "claim") == 2


async def test_the_log_of_messages_goes_but_for_what_waits(own_api: Api) -> None:
    ada = await a_provider(own_api)
    booked = await an_appointment(own_api, ada, NOW + 2 * HOUR)
    insert = """
        INSERT INTO reminder_log (organization_id, id, appointment_id, time_version, kind, recipient, channel, status,
            due_at, lease_until, created_at, sent_at)
        SELECT $1, gen_random_uuid(), $2, version, 'BOOKED', 'CUSTOMER', 'EMAIL', status, $3,
            CASE WHEN status = 'PENDING' THEN $3::timestamptz END, $3, CASE WHEN status = 'SENT' THEN $3::timestamptz END
        FROM unnest('{SENT,FAILED,SKIPPED,PENDING}'::text[]) WITH ORDINALITY AS kept (status, version)
    """
    await own_api.rows("DELETE FROM reminder_log")
    await own_api.rows(insert, own_api.organization.id, key_in(booked["appointment"]["id"]), NOW)
    own_api.clock.set(NOW + 365 * DAY)
    assert await purge.purge_messages(own_api.resources) == 0
    own_api.clock.set(NOW + 365 * DAY + HOUR)
    assert await purge.purge_messages(own_api.resources) == 3
    assert await count(own_api, "reminder_log", "status = 'PENDING'") == 1


@pytest.mark.usefixtures("tiny_batches")
async def test_the_history_of_the_erased_goes_later_and_that_of_others_stays(own_api: Api) -> None:
    ada = await a_provider(own_api)
    erased = []
    for number in range(3):
        robin: Json = await an_appointment(
            own_api, ada, NOW + (number + 2) * HOUR, caller=own_api.customer(f"robin-{number}")
        )
        erased.append(robin["appointment"])
    await an_appointment(own_api, ada, NOW + 6 * HOUR)
    for appointment in erased:
        answer = await own_api.ask(
            ERASE, caller=own_api.admin, input={"id": appointment["customer"]["id"]}
        )
        assert answer["answer"]["__typename"] == "Customer"
    own_api.clock.set(NOW + 30 * DAY)
    assert await purge.purge_erased_history(own_api.resources) == 0
    own_api.clock.set(NOW + 31 * DAY)
    assert await purge.purge_erased_history(own_api.resources) == 3
    assert await purge.purge_erased_history(own_api.resources) == 0
    assert await count(own_api, "appointment_history") == 1
    assert await count(own_api, "appointment") == 4


@pytest.mark.usefixtures("tiny_batches")
async def test_events_are_kept_for_their_period_and_readers_go_on_after_the_purge(
    own_api: Api,
) -> None:
    ada = await a_provider(own_api)
    for hour in range(3):
        await an_appointment(own_api, ada, NOW + (hour + 2) * HOUR)
    written = await count(own_api, "event")
    assert written >= 4
    own_api.clock.set(NOW + 30 * DAY)
    await an_appointment(own_api, ada, NOW + 31 * DAY + 2 * HOUR)
    new = await count(own_api, "event") - written
    assert await purge.purge_events(own_api.resources) == 0
    own_api.clock.set(NOW + 30 * DAY + timedelta(seconds=1))
    assert await purge.purge_events(own_api.resources) == written
    assert await count(own_api, "event") == new > 0
    assert await count(own_api, "event_epoch") == 1, "the order outlives the events"


@pytest.mark.usefixtures("tiny_batches")
async def test_a_revocation_is_kept_until_its_token_has_long_ended(own_api: Api) -> None:
    organization_id = OrganizationId(own_api.organization.id)
    ends = {
        "ended": -timedelta(days=1, seconds=1),
        "just ended": -HOUR,
        "lives": HOUR,
        "also ended": -2 * DAY,
    }
    for token_id, left in ends.items():
        await insert_revoked_token(
            own_api.resources.pool, organization_id, token_id, revoked_at=NOW, expires_at=NOW + left
        )
    await insert_revoked_token(
        own_api.resources.pool, organization_id, "nobody knows", revoked_at=NOW, expires_at=None
    )
    assert await purge.purge_revoked_tokens(own_api.resources) == 2
    kept = {row["token_id"] for row in await own_api.rows("SELECT token_id FROM revoked_token")}
    assert kept == {"just ended", "lives", "nobody knows"}


async def test_where_somebody_booked_from_is_known_while_it_is_counted(own_api: Api) -> None:
    ada = await a_provider(own_api)
    statement = "UPDATE appointment SET guest_origin = decode(repeat('00', 16), 'hex')"
    booked = await an_appointment(own_api, ada, NOW + 2 * HOUR)
    await own_api.rows(statement)
    await cancel(own_api, booked)
    assert await count(own_api, "appointment", "guest_origin IS NOT NULL") == 0


@pytest.mark.usefixtures("one_postgres")
@pytest.mark.parametrize(
    "plan",
    [
        "holds_to_purge",
        "purge_claims",
        "purge_messages",
        "purge_events",
        "expired_holds",
        "sessions_to_settle",
    ],
)
async def test_no_sweep_reads_what_it_leaves(own_api: Api, plan: str) -> None:
    """With sequential scans forbidden, an index of its own is what each finds."""
    statement = catalogue()[plan]
    nulls = ", ".join(f"NULL::{parameter.type}" for parameter in statement.params)
    async with own_api.resources.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE swept AS {statement.sql}")
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE swept({nulls})")
        await connection.execute("DEALLOCATE swept")
    text = "\n".join(row[0] for row in rows)
    expected = {
        "holds_to_purge": "hold_by_expiry",
        "purge_claims": "claim_given_back",
        "purge_messages": "reminder_log_by_age",
        "purge_events": "event_by_age",
        "expired_holds": "hold_to_end",
        "sessions_to_settle": "seat_to_expire",
    }[plan]
    assert expected in text, text


def test_every_purge_has_its_hour() -> None:
    names = {job.name for job in CRON_JOBS}
    assert {
        f"purge_{what}"
        for what in (
            "idempotency_keys",
            "holds",
            "claims",
            "seats",
            "messages",
            "events",
            "busy_times",
            "revoked_tokens",
        )
    } <= names
    assert "purge_erased_history" in names
