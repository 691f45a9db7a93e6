"""What the list of stranded appointments reads of a practice with very many appointments to come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pytest

from app.core.keyset import Keyset
from app.core.slots import LONGEST_BUFFER_MINUTES
from app.core.viewer import Role, Viewer
from app.core.zones import minute_of
from app.store.pool import Transaction, transaction
from app.store.sql import Record, catalogue
from app.usecases.booking.list_stranded import BATCH, STRETCH, count_stranded, list_stranded
from tests.builders import TODAY, Api, Json, a_provider, a_service, an_appointment, instant, key_in
from tests.stranded import change

PROVIDERS: Final = 20

FILL: Final = """
    WITH made AS (
        INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
            customer_time_zone, contact_name, version, time_version, policy_free_until_minutes_before,
            policy_late_cancellation, created_at)
        SELECT provider.organization_id, gen_random_uuid(), provider.id, $2, customer.id, 'CONFIRMED', starts_at,
            starts_at + interval '30 minutes', 'UTC', 'Noor', 1, 1, 0, 'ALLOWED', $3
        FROM provider
        JOIN customer USING (organization_id)
        CROSS JOIN generate_series(0, $5::integer - 1) AS number
        CROSS JOIN LATERAL (
            SELECT date_trunc('day', $3::timestamptz) + interval '9 hours'
                + interval '1 day' * (1 + number / 16) + interval '30 minutes' * (number % 16)
        ) AS times (starts_at)
        WHERE provider.organization_id = $1 AND provider.id = $4
        RETURNING id, provider_id, starts_at, ends_at
    )
    INSERT INTO claim (organization_id, id, subject_id, provider_id, appointment_id, during, visit, active)
    SELECT $1, gen_random_uuid(), provider_id, provider_id, id, tstzrange(starts_at, ends_at),
        tstzrange(starts_at, ends_at), true
    FROM made
"""
"""A provider has visits all day long, 16 a day, from tomorrow on."""


async def a_practice(api: Api, *, visits: int) -> tuple[list[Json], Json]:
    """So many visits in all; the providers and their service."""
    providers = [await a_provider(api) for _ in range(PROVIDERS)]
    cut = await a_service(api, *providers)
    await an_appointment(api, providers[0], "2026-01-12T10:00Z", serviceId=cut["id"])
    pool, each = api.resources.pool, visits // PROVIDERS
    # These visits don't overlap, and checking each of them would take minutes.
    await pool.execute("ALTER TABLE claim DROP CONSTRAINT claim_no_overlap", [])
    for provider in providers:
        async with transaction(pool) as tx:
            # So would foreign keys: they are checked by triggers, row by row.
            await tx.execute("SET LOCAL session_replication_role = 'replica'", [])
            values = (key_in(cut["id"]), api.clock(), key_in(provider["id"]), each)
            await tx.execute(FILL, (api.organization.id, *values))
    for table in ("appointment", "claim"):
        await pool.execute(f"VACUUM ANALYZE {table}", [])
    return providers, cut


class Fetched:
    """How many rows the program has fetched in transactions, and by how many statements."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = self.statements = 0
        fetch = Transaction.fetch

        async def counted(tx: Transaction, sql: str, arguments: Sequence[object]) -> list[Record]:
            rows = await fetch(tx, sql, arguments)
            self.rows += len(rows)
            self.statements += 1
            return rows

        monkeypatch.setattr(Transaction, "fetch", counted)

    def reset(self) -> None:
        self.rows = self.statements = 0


async def read_by(api: Api, name: str, *values: object) -> int:
    """The buffers that a statement reads."""
    explained = await api.rows(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {catalogue()[name].sql}",
        api.organization.id,
        *values,
    )
    [[report]] = [row["QUERY PLAN"] for row in explained]
    plan: Json = report["Plan"]
    buffers: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return buffers


async def few_are_read(api: Api, monkeypatch: pytest.MonkeyPatch, *, visits: int) -> None:
    """In short: of each stretch of 5,000, a few rows for each provider; and of a provider with
    stranded visits, their own of that stretch.
    """
    providers, _ = await a_practice(api, visits=visits)
    admin = Viewer(organization_id=api.organization.id, role=Role.ADMIN, subject="an admin")
    stretches = visits // STRETCH + 1
    few = stretches * (4 * PROVIDERS + 10)
    fetched = Fetched(monkeypatch)

    assert await list_stranded(api.resources, admin, None, Keyset(limit=21)) == []
    assert fetched.rows <= few
    assert fetched.statements <= 7 * stretches

    # The last date on which everybody has visits all day.
    last = TODAY + timedelta(days=visits // PROVIDERS // 16)
    await change(api, "setException", providerId=providers[7]["id"], date=str(last), isBlocked=True)
    fetched.reset()
    found = await list_stranded(api.resources, admin, None, Keyset(limit=21))
    assert [each.provider_id for each in found] == [key_in(providers[7]["id"])] * 16
    assert {each.starts_at.date() for each in found} == {last}
    assert fetched.rows <= few + 2 * STRETCH // PROVIDERS + len(found)
    assert await count_stranded(api.resources, admin, None) == 16

    # When everybody is away at once, a page reads little more than itself.
    for provider in providers:
        await change(api, "setWeeklyHours", providerId=provider["id"], hours=[])
    fetched.reset()
    found = await list_stranded(api.resources, admin, None, Keyset(limit=21))
    assert len(found) == 21
    assert fetched.rows <= few // stretches + PROVIDERS * (BATCH + 10) + len(found)

    # A stretch's statements read each entry of an index once. Where a table is not vacuumed, each
    # costs another buffer, to see whether it is visible; else they read a tenth of that.
    last_start = (
        await api.rows(
            "SELECT starts_at FROM appointment WHERE organization_id = $1"
            " ORDER BY starts_at OFFSET $2 LIMIT 1",
            api.organization.id,
            STRETCH,
        )
    )[0]["starts_at"]
    ends = minute_of(api.clock()), minute_of(last_start)
    until = instant("3001-01-01T00:00Z")
    for name, values in (
        ("start_of_later_appointment", (api.clock(), until, STRETCH)),
        ("visits_by_subject", (*ends, LONGEST_BUFFER_MINUTES)),
        ("services_by_subject", (api.clock(), last_start)),
    ):
        assert await read_by(api, name, *values) <= 1.2 * STRETCH, name


@pytest.mark.usefixtures("one_postgres")
async def test_a_page_reads_few_rows_of_a_practice_with_many_appointments(
    own_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await few_are_read(own_api, monkeypatch, visits=11_000)


@pytest.mark.usefixtures("one_postgres")
@pytest.mark.full
async def test_a_page_reads_few_rows_of_a_practice_with_100_000_appointments(
    own_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await few_are_read(own_api, monkeypatch, visits=100_000)
