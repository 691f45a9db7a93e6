"""A database that was migrated still answers what 0.1.0 asks: its programs run on until they are
replaced.

`upgrades/0.1.0.sql` holds the statements of that release, as they were. tests/e2e/test_upgrade.py
runs its programs, where the history of the repository has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.core.zones import minute_of
from app.standins.embedded import Servers
from app.store.sql import parse
from tests.builders import Api, a_provider, an_appointment, book, key_in, listed
from tests.databases import on_database
from tests.lives import broken_laws, cancel

STATEMENTS = {
    query.name: query
    for query in parse(
        (Path(__file__).parent / "upgrades" / "0.1.0.sql").read_text(encoding="utf-8"),
        source="0.1.0.sql",
    )
}
TEN = datetime(2026, 1, 12, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Old:
    """A connection of a program of 0.1.0."""

    def __init__(self, connection: asyncpg.Connection, organization_id: UUID) -> None:
        self.connection = connection
        self.organization_id = organization_id

    async def run(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        return await self.connection.fetch(STATEMENTS[name].sql, self.organization_id, *arguments)

    async def claim(self, provider: UUID, appointment: UUID, start: datetime) -> int:
        """How many claims it could make: one or none."""
        status = await self.connection.execute(
            STATEMENTS["insert_claim"].sql,
            self.organization_id, uuid4(), provider, appointment, None, start, start + HOUR, start,
            start + HOUR, None,
        )  # fmt: skip
        return int(status.rsplit(" ", 1)[1])

    async def busy(self, provider: UUID) -> list[int]:
        """When the provider's claims begin."""
        day = minute_of(TEN) - 24 * 60, minute_of(TEN) + 24 * 60
        return sorted(
            row["claimed_from"] for row in await self.run("claims_of_providers", [provider], *day)
        )


@pytest.fixture
async def old(api: Api, servers: Servers) -> AsyncIterator[Old]:
    (row,) = await api.rows("SELECT current_database() AS name")
    connection = await asyncpg.connect(on_database(servers.database_url, row["name"]))
    yield Old(connection, api.organization.id)
    await connection.close()


async def test_every_statement_of_0_1_0_is_understood(old: Old) -> None:
    assert len(STATEMENTS) > 100
    for query in STATEMENTS.values():
        statement = await old.connection.prepare(query.sql)
        said = [
            await old.connection.fetchval("SELECT $1::text::regtype::oid::bigint", parameter.type)
            for parameter in query.params
        ]
        assert [parameter.oid for parameter in statement.get_parameters()] == said, query.name


async def test_what_one_version_takes_the_other_sees_and_gives_back(api: Api, old: Old) -> None:
    ada = await a_provider(api)
    provider = key_in(ada["id"])
    booked = await an_appointment(api, ada, TEN)
    appointment = key_in(booked["appointment"]["id"])
    assert await old.busy(provider) == [minute_of(TEN)]

    # It frees the time, and takes another.
    assert len(await old.run("free_appointment_time", appointment)) == 1
    assert await old.claim(provider, appointment, TEN + 2 * HOUR) == 1
    assert "2026-01-12T12:00:00Z" not in await listed(api, ada, "2026-01-12")
    refused = await book(api, ada, TEN + 2 * HOUR)
    assert refused["__typename"] == "SlotUnavailableError"

    # What is taken, by whichever version, it does not get, and learns so without an exception.
    other = await an_appointment(api, ada, TEN + 4 * HOUR)
    assert await old.claim(provider, appointment, TEN + 4 * HOUR) == 0
    assert await old.claim(provider, appointment, TEN + 2 * HOUR) == 0

    # And what it took is given back here.
    await cancel(api, booked, caller=api.admin)
    await cancel(api, other, caller=api.admin)
    assert await old.busy(provider) == []
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_hours_that_one_version_replaces_are_gone_for_the_other(api: Api, old: Old) -> None:
    ada = await a_provider(api)
    provider = key_in(ada["id"])
    assert len(await old.run("weekly_hours_of_providers", [provider])) == 7
    await old.run("delete_weekly_hours", provider)
    await old.run("insert_weekly_hours", provider, [uuid4()], [0], [600], [720], [None], [None])
    assert await listed(api, ada, "2026-01-12") == ["2026-01-12T10:00:00Z", "2026-01-12T11:00:00Z"]
    closed = True
    await old.run("insert_exception", provider, TEN.date(), closed, None, [uuid4()], [None], [None])
    refused = await book(api, ada, TEN)
    assert refused["reasons"] == ["EXCEPTION"]


async def test_a_provider_made_by_0_1_0_can_be_booked(api: Api, old: Old) -> None:
    provider = uuid4()
    await old.run(
        "insert_provider", provider, "made-by-0.1.0", "Ada", None, None, "UTC", 60, 0, None, 0, 60, 0,
        "ALLOWED", None, None, None, None, TEN,
    )  # fmt: skip
    await old.run("insert_weekly_hours", provider, [uuid4()], [0], [600], [720], [None], [None])
    data = await api.ask("{ providers(first: 1) { nodes { id } } }")
    (ada,) = data["providers"]["nodes"]
    assert key_in(ada["id"]) == provider
    await an_appointment(api, ada, TEN)
    assert await old.busy(provider) == [minute_of(TEN)]
