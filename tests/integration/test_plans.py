"""Plans that serve every call of a statement are made for what most calls ask for."""

from __future__ import annotations

import pytest

from app.store.pool import Transaction, transaction
from app.store.sql import query
from tests.builders import Api

pytestmark = pytest.mark.usefixtures("one_postgres")

PROVIDERS = 300
SUBJECTS = """
INSERT INTO subject (organization_id, id, kind)
SELECT $1, gen_random_uuid(), 'PROVIDER' FROM generate_series(1, $2::integer)
"""
PROVIDERS_OF_SUBJECTS = """
INSERT INTO provider (organization_id, id, subject, name, time_zone, service_duration_minutes, created_at)
SELECT organization_id, id, id::text, 'Provider', 'UTC', 30, now() FROM subject WHERE organization_id = $1
"""


async def plan_for_any(tx: Transaction, name: str) -> list[str]:
    """The lines of the statement's plan for any arguments."""
    statement = query(name)
    nothing = ", ".join("NULL" for _ in statement.params)
    await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan", ())
    await tx.execute(f"PREPARE for_any AS {statement.sql}", ())
    plan = await tx.fetch(f"EXPLAIN EXECUTE for_any ({nothing})", ())
    await tx.execute("DEALLOCATE for_any", ())
    return [str(row[0]).strip() for row in plan]


@pytest.mark.parametrize(
    ("name", "table"), [("calendars", "provider"), ("insert_claims", "subject")]
)
async def test_the_plan_for_any_number_of_subjects_reads_those_alone(
    api: Api, name: str, table: str
) -> None:
    """Most bookings ask for one. Where the organization is small enough that ten of its subjects
    are cheaper to find by reading all, one still is not.
    """
    async with transaction(api.resources.pool) as tx:
        await tx.execute(SUBJECTS, (api.organization.id, PROVIDERS))
        await tx.execute(PROVIDERS_OF_SUBJECTS, (api.organization.id,))
        await tx.execute(f"ANALYZE {table}", ())
        lines = await plan_for_any(tx, name)
        tx.roll_back()
    scans = [line for line in lines if f" on {table}" in line]
    assert any(f"{table}_pkey on {table} " in line for line in scans), "\n".join(lines)
    assert not any("Seq Scan" in line for line in scans), "\n".join(lines)


@pytest.mark.parametrize("name", ["claim_messages", "begin_attempts", "close_messages"])
async def test_a_batch_of_messages_is_found_by_its_ids_and_locked_once(api: Api, name: str) -> None:
    """Also in a log that nobody has analyzed. The index of what waits, which is full of dead entries
    in a rush, is as cheap by the plan; so is locking the batch again for each of its rows.
    """
    async with transaction(api.resources.pool) as tx:
        lines = await plan_for_any(tx, name)
        tx.roll_back()
    scans = [at for at, line in enumerate(lines) if " Scan" in line and " on reminder_log" in line]
    assert scans, lines
    for at in scans:
        assert "reminder_log_pkey" in lines[at], "\n".join(lines)
        assert lines[at + 1] == "Index Cond: ((organization_id = $1) AND (id = ANY ($2)))"
    [locks] = [at for at, line in enumerate(lines) if "LockRows" in line]
    assert lines[locks - 1] in {"CTE free", "CTE ours"}, "\n".join(lines)
