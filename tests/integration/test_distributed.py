"""On a Citus cluster: what it does with the program's statements, and races through several of its
nodes. Skipped on one PostgreSQL; tests/databases.py says how the cluster is named.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.settings import Settings
from app.standins.embedded import Servers
from app.store.changes import commit_position
from app.store.distribution import BY_ORGANIZATION
from app.store.idempotency import KeyScope
from app.store.locks import lock_idempotency_key
from app.store.migrations import UndistributedError, check, distribute, migrate
from app.store.pool import create_pool, snapshot, transaction
from app.store.sql import catalogue
from tests.builders import BOOK, Api, a_booking, a_provider, an_organization, running
from tests.databases import an_empty_database, nodes_of, on_database
from tests.lives import booked, broken_laws, cancel, hold, move, release

OF_ONE = sorted(
    (each for each in catalogue().values() if not each.all_organizations),
    key=lambda each: each.name,
)
AT_ONCE: Final = {"move_as_seen", "begin_epoch", "insert_events", "close_messages"}
"""Sent to one PostgreSQL only."""

OF_TWO_TASKS: Final = {
    "insert_provider",
    "insert_resource",
    "release_next",
}
"""And more, one after the other, in one transaction on one node."""

NEVER_NULL: Final = {"before_move", "insert_seats"}
"""Their ids are always given."""

SAMPLES: Final[dict[str, object]] = {
    "uuid": UUID(int=1),
    "text": "a",
    "integer": 1,
    "smallint": 1,
    "bigint": 1,
    "boolean": True,
    "bytea": b"0123456789abcdef",
    "date": date(2026, 1, 12),
    "timestamptz": datetime(2026, 1, 12, tzinfo=UTC),
    "interval": timedelta(minutes=1),
    "xid": 1,
}


@pytest.fixture(scope="module")
async def nodes(servers: Servers) -> list[str]:
    addresses = await nodes_of(servers.database_url)
    if len(addresses) == 1:
        pytest.skip("this is one PostgreSQL")
    return addresses


@pytest.fixture
async def entries(
    nodes: list[str], database: str, environment: dict[str, str]
) -> AsyncIterator[list[Api]]:
    """One organization, asked through an application at each node."""
    name = urlsplit(database).path.strip("/")
    async with AsyncExitStack() as stack:
        apis: list[Api] = []
        for node in nodes:
            settings = Settings.from_environment(
                environment | {"DATABASE_URL": on_database(node, name)}
            )
            api = await (await stack.enter_async_context(running(settings))).api()
            first = apis[0] if apis else api
            apis.append(Api(api.http, api.resources, first.organization, api.clock))
        yield apis


async def test_each_statement_is_one_task_on_one_node(
    nodes: list[str], servers: Servers, template_database: str
) -> None:
    """With values, and with nulls for all but the organization."""
    wrong: dict[str, str] = {}
    connection = await asyncpg.connect(on_database(servers.database_url, template_database))
    for query in OF_ONE:
        if query.name in AT_ONCE | OF_TWO_TASKS:
            continue
        samples = [
            [SAMPLES[each.type[:-2]]] if each.type.endswith("[]") else SAMPLES[each.type]
            for each in query.params
        ]
        nulls = [samples[0], *(None for _ in samples[1:])]
        for arguments in (samples,) if query.name in NEVER_NULL else (samples, nulls):
            try:
                rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {query.sql}", *arguments)
                plan = "\n".join(row[0] for row in rows)
            except asyncpg.PostgresError as error:
                plan = str(error)
            # None, where nothing can be found.
            if not re.search(r"^ +Task Count: [01]$", plan, re.MULTILINE) or (
                "Distributed Subplan" in plan or "pull to coordinator" in plan
            ):
                wrong[query.name] = plan
    await connection.close()
    assert wrong == {}


async def test_a_full_database_is_distributed_once_and_goes_on(
    nodes: list[str], servers: Servers, environment: dict[str, str]
) -> None:
    async with an_empty_database(servers, "slotwright_test_full") as address:
        await migrate(address)
        pool = await create_pool(address, size=1, statement_timeout_ms=60_000)
        with pytest.raises(UndistributedError, match="python -m app distribute"):
            await check(pool)
        settings = Settings.from_environment(environment | {"DATABASE_URL": address})
        async with running(settings) as before:
            api = await before.api()
            ada = await a_provider(api)
            visit = await booked(api, ada, "2026-01-13T10:00:00Z")
        assert len(await distribute(address)) == len(BY_ORGANIZATION) + 3
        assert await distribute(address) == []
        engine = await check(pool)
        await pool.close()
        assert (engine.is_citus, engine.nodes) == (True, len(nodes) - 1)
        async with running(settings) as after:
            again = Api(after.http, after.resources, api.organization, after.clock)
            assert (await cancel(again, visit))["__typename"] == "Appointment"
            ready = (await after.http.get("/readyz")).json()
            assert (ready["engine"], ready["nodes"]) == ("citus", len(nodes) - 1)
            assert await broken_laws(after.resources.pool, api.organization.id) == {}


async def test_of_two_hundred_through_all_nodes_exactly_one_gets_the_time(
    entries: list[Api],
) -> None:
    ada = await a_provider(entries[0], slotIntervalMinutes=15)
    wishes = [
        a_booking(ada, f"2026-01-14T10:{minutes}:00Z")
        for minutes, _ in zip(cycle(("00", "15", "30")), range(200), strict=False)
    ]
    answers = await asyncio.gather(
        *(api.send(BOOK, input=wish) for api, wish in zip(cycle(entries), wishes, strict=False))
    )
    assert Counter(answer.data["answer"]["__typename"] for answer in answers) == {
        "BookingConfirmation": 1,
        "SlotUnavailableError": 199,
    }
    assert await broken_laws(entries[0].resources.pool, entries[0].organization.id) == {}


async def test_a_key_and_a_guest_count_once_through_all_nodes(entries: list[Api]) -> None:
    """The same request through each node is one booking; two bookings of a new guest are both made."""
    ada = await a_provider(entries[0])
    same = a_booking(ada, "2026-01-14T10:00:00Z")
    answers = await asyncio.gather(*(api.send(BOOK, input=same) for api in entries * 4))
    assert len({answer.data["answer"]["appointment"]["id"] for answer in answers}) == 1
    others = [a_booking(ada, f"2026-01-15T{hour}:00:00Z") for hour in (10, 12, 14)]
    answers = await asyncio.gather(
        *(api.send(BOOK, input=wish) for api, wish in zip(entries, others, strict=True))
    )
    assert {answer.data["answer"]["__typename"] for answer in answers} == {"BookingConfirmation"}


async def test_a_lock_excludes_on_every_node(entries: list[Api]) -> None:
    scope = KeyScope(
        organization_id=entries[0].organization.id,
        mutation="bookAppointment",
        caller="guest",
        key=str(uuid4()),
    )
    first, *others = (api.resources.pool for api in entries)
    async with transaction(first) as holder:
        await lock_idempotency_key(holder, scope)
        for pool in others:
            async with transaction(pool) as waiter:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await lock_idempotency_key(waiter, scope)
                waiter.roll_back()


async def test_a_position_follows_the_commits_of_the_organizations_node(
    entries: list[Api],
) -> None:
    ada = await a_provider(entries[0])
    positions: list[int] = []
    for hour, api in zip(range(9, 15), cycle(entries), strict=False):
        await booked(api, ada, f"2026-01-14T{hour:02}:00:00Z")
        for reader in entries:
            async with snapshot(reader.resources.pool) as tx:
                positions.append(await commit_position(tx, reader.organization.id))
    assert positions == sorted(positions)
    assert len(set(positions[:: len(entries)])) == 6


async def test_everything_of_an_organization_is_on_one_node(
    entries: list[Api], nodes: list[str], database: str
) -> None:
    organizations = [await an_organization(entries[0].resources) for _ in range(6)]

    async def two_phase() -> int:
        """Each transaction that several nodes had to prepare leaves a row until it is cleaned up."""
        return sum(
            [
                (await api.rows("SELECT count(*) AS prepared FROM pg_dist_transaction"))[0][
                    "prepared"
                ]
                for api in entries
            ]
        )

    before = await two_phase()
    for organization, api in zip(organizations, cycle(entries), strict=False):
        own = Api(api.http, api.resources, organization, api.clock)
        ada = await a_provider(own)
        visit = await booked(own, ada, "2026-01-14T10:00:00Z")
        visit = await move(own, visit, "2026-01-14T12:00:00Z")
        held = await hold(own, ada, "2026-01-14T15:00:00Z")
        await release(own, held["holdToken"])
        assert (await cancel(own, visit))["__typename"] == "Appointment"
    assert await two_phase() <= before, "a transaction of one organization is one of one node"
    where: dict[UUID, set[str]] = {}
    for node in nodes[1:]:
        connection = await asyncpg.connect(on_database(node, urlsplit(database).path.strip("/")))
        shards: Sequence[Any] = await connection.fetch(
            "SELECT shard_name FROM citus_shards WHERE citus_table_type = 'distributed' "
            "AND nodeport = $1",
            urlsplit(node).port,
        )
        for (shard,) in shards:
            for row in await connection.fetch(
                f"SELECT DISTINCT organization_id AS id FROM {shard}"
            ):
                where.setdefault(row["id"], set()).add(node)
        await connection.close()
    assert {organization.id for organization in organizations} <= where.keys()
    assert {len(each) for each in where.values()} == {1}
