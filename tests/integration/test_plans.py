"""Plans that serve every call of a statement are made for what most calls ask for."""

from __future__ import annotations

import pytest

from app.store.pool import transaction
from app.store.sql import query
from tests.builders import Api

PROVIDERS = 300
SUBJECTS = """
INSERT INTO subject (organization_id, id, kind)
SELECT $1, gen_random_uuid(), 'PROVIDER' FROM generate_series(1, $2::integer)
"""
PROVIDERS_OF_SUBJECTS = """
INSERT INTO provider (organization_id, id, subject, name, time_zone, service_duration_minutes, created_at)
SELECT organization_id, id, id::text, 'Provider', 'UTC', 30, now() FROM subject WHERE organization_id = $1
"""


@pytest.mark.parametrize(
    ("name", "table"), [("calendars", "provider"), ("insert_claims", "subject")]
)
async def test_the_plan_for_any_number_of_subjects_reads_those_alone(
    api: Api, name: str, table: str
) -> None:
    """Most bookings ask for one. Where the organization is small enough that ten of its subjects
    are cheaper to find by reading all, one still is not.
    """
    statement = query(name)
    nothing = ", ".join("NULL" for _ in statement.params)
    async with transaction(api.resources.pool) as tx:
        await tx.execute(SUBJECTS, (api.organization.id, PROVIDERS))
        await tx.execute(PROVIDERS_OF_SUBJECTS, (api.organization.id,))
        await tx.execute(f"ANALYZE {table}", ())
        await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan", ())
        await tx.execute(f"PREPARE any_number AS {statement.sql}", ())
        plan = await tx.fetch(f"EXPLAIN EXECUTE any_number ({nothing})", ())
        await tx.execute("DEALLOCATE any_number", ())
        tx.roll_back()
    lines = [str(row[0]).strip() for row in plan]
    scans = [line for line in lines if f" on {table}" in line]
    assert any(f"{table}_pkey on {table} " in line for line in scans), "\n".join(lines)
    assert not any("Seq Scan" in line for line in scans), "\n".join(lines)
