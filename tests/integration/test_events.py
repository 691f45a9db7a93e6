"""The log of events: every change writes one in its own transaction, and readers miss none."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core.events import PROGRAM, Event, EventCursor, EventType, Happening
from app.core.ids import EventId, OrganizationId
from app.core.provider import Organization
from app.standins.embedded import Servers, embedded, postgres_program
from app.store.events import START_OF_EVENTS, end_of_events, events_after
from app.store.ids import new_id
from app.store.organizations import insert_organization
from app.store.pool import Pool, Transaction, create_pool, transaction
from app.store.record import insert_events
from app.usecases.booking.hold_slot import sweep_expired_holds
from tests.builders import NOW, Api, a_provider, a_service, an_appointment, made, weekly
from tests.conftest import TEST_STATEMENT_TIMEOUT_MS
from tests.lives import booked, broken_laws, cancel, complete, held, move, no_show, release

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"
PAGE = 100
WRITERS = 16


async def an_organization(pool: Pool) -> OrganizationId:
    organization = Organization(
        id=OrganizationId(new_id()),
        slug=f"o-{new_id()}",
        name="Practice",
        sms_to_unverified_numbers=False,
    )
    assert await insert_organization(pool, organization, NOW)
    return organization.id


def happen(tx: Transaction, organization_id: OrganizationId, *versions: int) -> None:
    """Events that a test tells apart by their version."""
    happenings = [
        (
            EventId(new_id()),
            Happening(type=EventType.PROVIDER_CHANGED, subject_id=UUID(int=1), version=version),
        )
        for version in versions
    ]
    insert_events(tx, organization_id, happenings, author=PROGRAM, occurred_at=NOW)


async def happened(pool: Pool, organization_id: OrganizationId, *versions: int) -> None:
    async with transaction(pool) as tx:
        happen(tx, organization_id, *versions)


def versions(events: Sequence[Event]) -> list[int | None]:
    return [event.happening.version for event in events]


async def read(
    pool: Pool,
    organization_id: OrganizationId,
    after: EventCursor = START_OF_EVENTS,
    *,
    page_size: int = PAGE,
) -> list[Event]:
    """All that can be read after a place, page by page."""
    found: list[Event] = []
    while page := await events_after(pool, organization_id, after, page_size=page_size):
        found += page
        after = page[-1].cursor
    return found


async def settled(pool: Pool) -> None:
    """Returns once no transaction that was running at the call still is: PostgreSQL's own may be."""
    last = await pool.fetch(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax", []
    )
    for _ in range(1_000):
        oldest = await pool.fetch(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin", []
        )
        if oldest[0]["xmin"] >= last[0]["xmax"]:
            return
        await asyncio.sleep(0)
    raise AssertionError("some transaction does not end")


# ---------------------------------------------------------------- the order, and what is readable


async def test_events_are_read_in_order_page_by_page_and_only_the_organization_s_own(
    pool: Pool,
) -> None:
    ours, theirs = await an_organization(pool), await an_organization(pool)
    for version in range(1, 8, 2):
        await happened(pool, ours, version, version + 1)
        await happened(pool, theirs, 100 + version)
    await settled(pool)
    for page_size in (1, 3, PAGE):
        assert versions(await read(pool, ours, page_size=page_size)) == list(range(1, 9))
    assert versions(await read(pool, theirs)) == [101, 103, 105, 107]


async def test_an_older_transaction_that_commits_later_is_not_missed(pool: Pool) -> None:
    organization_id = await an_organization(pool)
    await happened(pool, organization_id, 1)
    await settled(pool)
    seen = await read(pool, organization_id)
    assert versions(seen) == [1]
    async with transaction(pool) as older:
        happen(older, organization_id, 2)
        await older.write()
        await happened(pool, organization_id, 3)  # begins later, commits first, waits for nobody
        assert await read(pool, organization_id, seen[-1].cursor) == []
    await settled(pool)
    assert versions(await read(pool, organization_id, seen[-1].cursor)) == [2, 3]


@pytest.mark.parametrize(
    ("transactions", "most_events"),
    [pytest.param(20, 3, id="sample"), pytest.param(2_500, 60, id="full", marks=pytest.mark.full)],
)
async def test_a_reader_that_continues_after_its_last_event_misses_none_and_reads_none_twice(
    database: str, transactions: int, most_events: int
) -> None:
    """While 16 writers commit out of order and some roll back; a million events in the full form."""
    async with connected(database, size=WRITERS + 1) as pool:
        organization_id = await an_organization(pool)
        committed: list[int] = []
        seen: list[int] = []

        async def write(worker: int) -> None:
            random = Random(worker)
            for number in range(transactions):
                first = 1 + (worker * transactions + number) * most_events
                events = range(first, first + random.randint(1, most_events))
                async with transaction(pool) as tx:
                    happen(tx, organization_id, *events)
                    await tx.write()
                    if random.random() < 0.2:
                        await tx.fetch("SELECT pg_sleep($1::float8)", [random.random() / 200])
                    if random.random() < 0.1:
                        tx.roll_back()
                        continue
                committed.extend(events)

        async def follow(writers: asyncio.Future[list[None]]) -> None:
            cursor, done = START_OF_EVENTS, False
            while not done:
                done = writers.done()
                if done:
                    await settled(pool)
                while page := await events_after(pool, organization_id, cursor, page_size=PAGE):
                    places = [cursor, *(event.cursor for event in page)]
                    assert all(map(is_before, places, places[1:]))
                    seen.extend(event.happening.version or 0 for event in page)
                    cursor = places[-1]
                await asyncio.sleep(0)

        writers = asyncio.gather(*map(write, range(WRITERS)))
        await follow(writers)
        await writers
        assert sorted(seen) == sorted(committed)


def is_before(one: EventCursor, other: EventCursor) -> bool:
    return (one.epoch, one.transaction_id, one.id) < (other.epoch, other.transaction_id, other.id)


async def test_from_the_end_on_only_what_is_new_is_read(pool: Pool) -> None:
    organization_id = await an_organization(pool)
    before_any = await end_of_events(pool, organization_id)
    await happened(pool, organization_id, 1)
    await settled(pool)
    assert versions(await read(pool, organization_id, before_any)) == [1]
    async with transaction(pool) as running:
        happen(running, organization_id, 2)
        await running.write()
        end = await end_of_events(pool, organization_id)
    await happened(pool, organization_id, 3)
    await settled(pool)
    assert versions(await read(pool, organization_id, end)) == [2, 3]


async def test_two_that_write_the_first_events_of_an_organization_at_once_start_one_epoch(
    pool: Pool,
) -> None:
    organization_id = await an_organization(pool)
    await asyncio.gather(*(happened(pool, organization_id, version) for version in range(1, 9)))
    await settled(pool)
    events = await read(pool, organization_id)
    assert sorted(version or 0 for version in versions(events)) == list(range(1, 9))
    assert {event.cursor.epoch for event in events} == {1}


async def test_writers_of_one_organization_do_not_wait_for_one_another(pool: Pool) -> None:
    organization_id = await an_organization(pool)
    await happened(pool, organization_id, 1)
    async with transaction(pool) as one, transaction(pool) as other:
        happen(one, organization_id, 2)
        await one.write()
        await other.fetch("SET LOCAL lock_timeout = '1ms'", [])
        happen(other, organization_id, 3)
        await other.write()


# ---------------------------------------------------------------- another database, another cluster


def dump(database_url: str) -> str:
    command = [str(postgres_program("pg_dump")), database_url, "--no-owner", "--no-privileges"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def restore(database_url: str, dumped: str) -> None:
    command = [
        str(postgres_program("psql")),
        "-q",
        "-X",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        database_url,
    ]
    subprocess.run(command, input=dumped, capture_output=True, text=True, check=True)


@asynccontextmanager
async def connected(database_url: str, *, size: int = 4) -> AsyncIterator[Pool]:
    pool = await create_pool(
        database_url, size=size, statement_timeout_ms=TEST_STATEMENT_TIMEOUT_MS
    )
    try:
        yield pool
    finally:
        await pool.close()


async def test_a_reader_goes_on_after_the_dump_was_restored_into_another_database(
    servers: Servers, pool: Pool, database: str, empty_database: str
) -> None:
    if not servers.owns_postgres:
        pytest.skip("pg_dump has to be of the server's version")
    organization_id = await an_organization(pool)
    await happened(pool, organization_id, 1, 2)
    await settled(pool)
    cursor = (await read(pool, organization_id))[-1].cursor
    restore(empty_database, dump(database))
    async with connected(empty_database) as restored:
        assert await read(restored, organization_id, cursor) == []
        await happened(restored, organization_id, 3)
        await settled(restored)
        assert versions(await read(restored, organization_id, cursor)) == [3]
        assert versions(await read(restored, organization_id)) == [1, 2, 3]


async def test_a_reader_goes_on_in_a_new_cluster_whose_transaction_ids_restart_and_back_again(
    servers: Servers, pool: Pool, database: str, empty_database: str
) -> None:
    if not servers.owns_postgres:
        pytest.skip("pg_dump has to be of the server's version")
    organization_id = await an_organization(pool)
    burnt = await asyncpg.connect(database)
    await burnt.execute(
        "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    )
    await burnt.close()
    await happened(pool, organization_id, 1, 2)
    await settled(pool)
    last = (await read(pool, organization_id))[-1].cursor
    with tempfile.TemporaryDirectory(prefix="slotwright-events-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, the servers run as another user
        with embedded(folder, redis_url="redis://unused", durable=False) as elsewhere:
            restore(elsewhere.database_url, dump(database))
            async with connected(elsewhere.database_url) as moved:
                assert versions(await read(moved, organization_id)) == [1, 2]
                assert (await end_of_events(moved, organization_id)).epoch == 2
                await happened(moved, organization_id, 3)
                await happened(moved, organization_id, 4)
                await settled(moved)
                new = await read(moved, organization_id, last)
                assert versions(new) == [3, 4]
                assert all(event.cursor.transaction_id < last.transaction_id for event in new)
                assert versions(await read(moved, organization_id)) == [1, 2, 3, 4]
            back = dump(elsewhere.database_url)
    restore(empty_database, back)
    async with connected(empty_database) as again:
        await happened(again, organization_id, 5)
        await settled(again)
        assert versions(await read(again, organization_id, new[-1].cursor)) == [5]
        assert versions(await read(again, organization_id)) == [1, 2, 3, 4, 5]


# ---------------------------------------------------------------- what writes them


async def events_of(api: Api, *types: str) -> list[tuple[str, str, int | None, str | None]]:
    """(type, actor, version, the actor's subject) of the organization's events of these types."""
    await settled(api.resources.pool)
    return [
        (event.happening.type, event.author.actor, event.happening.version, event.author.subject)
        for event in await read(api.resources.pool, api.organization.id)
        if event.happening.type.startswith(types or ("",))
    ]


async def test_every_change_of_an_appointment_is_an_event(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    made(await move(api, visit, ELEVEN), "BookingConfirmation")
    made(await cancel(api, visit, caller=api.admin), "Appointment")
    other = await booked(api, ada, TEN, caller=api.customer())
    api.clock.set(TEN)
    made(await complete(api, other, caller=api.acting_for(ada)), "Appointment")
    made(await no_show(api, other), "Appointment")
    assert await events_of(api, "APPOINTMENT") == [
        ("APPOINTMENT_BOOKED", "GUEST", 1, None),
        ("APPOINTMENT_RESCHEDULED", "MANAGE_TOKEN", 2, None),
        ("APPOINTMENT_CANCELLED", "ADMIN", 3, "an-admin"),
        ("APPOINTMENT_BOOKED", "CUSTOMER", 1, None),
        ("APPOINTMENT_COMPLETED", "PROVIDER", 2, ada["subject"]),
        ("APPOINTMENT_NO_SHOW", "ADMIN", 3, "an-admin"),
    ]


async def test_a_refused_or_repeated_change_is_no_event(api: Api) -> None:
    ada = await a_provider(api)
    asked: dict[str, Any] = {
        "idempotencyKey": "the same",
        "customer": {"name": "Ann", "email": "ann@example.com"},
    }
    visit = await booked(api, ada, TEN, **asked)
    assert await booked(api, ada, TEN, **asked) == visit
    made(await cancel(api, visit), "Appointment")
    made(await cancel(api, visit), "Appointment")
    made(await move(api, visit, ELEVEN), "NotReschedulableError")
    assert [type_ for type_, *_ in await events_of(api, "APPOINTMENT")] == [
        "APPOINTMENT_BOOKED",
        "APPOINTMENT_CANCELLED",
    ]


async def test_a_hold_is_an_event_when_it_is_made_and_when_it_is_released_or_used(api: Api) -> None:
    ada = await a_provider(api)
    released, used = await held(api, ada, TEN), await held(api, ada, ELEVEN)
    made(await release(api, released["holdToken"]), "Hold")
    made(await release(api, released["holdToken"]), "Hold")
    await booked(api, ada, ELEVEN, holdToken=used["holdToken"])
    assert [(type_, actor) for type_, actor, *_ in await events_of(api, "HOLD", "APPOINTMENT")] == [
        ("HOLD_CREATED", "GUEST"),
        ("HOLD_CREATED", "GUEST"),
        ("HOLD_ENDED", "GUEST"),
        ("HOLD_ENDED", "GUEST"),
        ("APPOINTMENT_BOOKED", "GUEST"),
    ]


async def test_an_expired_hold_ends_once_also_where_its_time_was_taken_before_the_sweep(
    own_api: Api,
) -> None:
    ada = await a_provider(own_api)
    await held(own_api, ada, TEN)
    await held(own_api, ada, ELEVEN)
    own_api.clock.set("2026-01-12T08:10Z")
    await booked(own_api, ada, TEN)
    assert await sweep_expired_holds(own_api.resources) == 2
    assert await sweep_expired_holds(own_api.resources) == 0
    ended = [event for event in await events_of(own_api, "HOLD") if event[0] == "HOLD_ENDED"]
    assert ended == [("HOLD_ENDED", "SYSTEM", None, None)] * 2
    assert await broken_laws(own_api.resources.pool, own_api.organization.id) == {}


CHANGE = """mutation ($provider: UpdateProviderInput!, $hours: SetWeeklyHoursInput!,
    $exception: SetExceptionInput!, $service: UpdateServiceInput!) {
  updateProvider(input: $provider) { __typename }
  setWeeklyHours(input: $hours) { __typename }
  setException(input: $exception) { __typename }
  updateService(input: $service) { __typename }
}"""
CUSTOMER = """mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: $input) { __typename } }"""
ERASE = """mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"""


async def test_a_change_of_what_the_practice_set_up_is_an_event(api: Api) -> None:
    ada = await a_provider(api)
    checkup = await a_service(api, ada)
    asked = {
        "provider": {"id": ada["id"], "name": "Ada"},
        "hours": {"providerId": ada["id"], "hours": weekly("09:00", "12:00"), "breaks": []},
        "exception": {
            "providerId": ada["id"],
            "date": "2026-02-02",
            "isBlocked": True,
            "ranges": [],
        },
        "service": {"id": checkup["id"], "name": "Check-up"},
    }
    answer = await api.ask(CHANGE, caller=api.admin, **asked)
    assert [each["__typename"] for each in answer.values()] == ["Provider"] * 3 + ["Service"]
    assert await api.ask(CHANGE, caller=api.customer(), **asked)
    assert await events_of(api) == [
        ("PROVIDER_CHANGED", "ADMIN", None, "an-admin"),
        ("SERVICE_CHANGED", "ADMIN", None, "an-admin"),
        ("PROVIDER_CHANGED", "ADMIN", None, "an-admin"),
        ("PROVIDER_CHANGED", "ADMIN", None, "an-admin"),
        ("PROVIDER_CHANGED", "ADMIN", None, "an-admin"),
        ("SERVICE_CHANGED", "ADMIN", None, "an-admin"),
    ]


async def test_a_customer_s_record_is_an_event_when_it_is_made_changed_and_erased_once(
    api: Api,
) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    await an_appointment(api, ada, TEN, caller=robin)
    visit = await an_appointment(api, ada, ELEVEN, caller=robin)
    customer_id = visit["appointment"]["customer"]["id"]
    for caller in (robin, api.admin):
        asked = {"id": customer_id, "name": "Robin Hood"}
        made((await api.ask(CUSTOMER, caller=caller, input=asked))["answer"], "Customer")
    for _twice in range(2):
        answer = await api.ask(ERASE, caller=api.admin, input={"id": customer_id})
        made(answer["answer"], "Customer")
    assert await events_of(api, "CUSTOMER") == [
        ("CUSTOMER_CHANGED", "CUSTOMER", None, None),
        ("CUSTOMER_CHANGED", "CUSTOMER", None, None),
        ("CUSTOMER_CHANGED", "ADMIN", None, "an-admin"),
        ("CUSTOMER_ERASED", "ADMIN", None, "an-admin"),
    ]


async def test_an_event_holds_nothing_personal(own_api: Api) -> None:
    ada = await a_provider(own_api, name="Ada", email="ada@example.com")
    robin = own_api.customer("robin", name="Robin", email="robin@example.com")
    await an_appointment(own_api, ada, TEN, caller=robin, notes="afraid of needles")
    rows = str(await own_api.rows("SELECT to_jsonb(event)::text AS text FROM event"))
    assert "APPOINTMENT_BOOKED" in rows
    for personal in ("robin", "Robin", "Ada", "example.com", "needles"):
        assert personal not in rows
