"""Programs of 0.1.0 go on booking and sending while their database is migrated: nothing fails, and
no request waits longer than it may.
"""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from app.standins.embedded import Servers
from app.store import migrations
from app.store.migrations import read_migrations
from app.store.pool import create_pool
from tests.e2e.upgrade import LAST_MIGRATION, old_program, report, upgrade
from tests.lives import broken_claims


@pytest.mark.parametrize(
    ("appointments", "warm", "pause"),
    [(2_000, 0.5, 0.05), pytest.param(1_000_000, 5.0, 0.0, marks=pytest.mark.full)],
)
async def test_programs_of_0_1_0_go_on_while_their_database_is_migrated(
    servers: Servers,
    empty_database: str,
    redis_url: str,
    tmp_path: Path,
    appointments: int,
    warm: float,
    pause: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrations, "LOCK_PAUSE_SECONDS", 0.2)
    old = old_program(tmp_path)
    if old is None:
        pytest.skip("the history of this checkout does not reach back to 0.1.0")
    done = await upgrade(
        empty_database,
        redis_url,
        tmp_path,
        old,
        appointments=appointments,
        warm=warm,
        pause=pause,
    )
    assert done.failures == [], report(done)
    assert done.errors_logged == [], report(done)
    assert len(done.applied) == len(read_migrations()) - LAST_MIGRATION
    assert done.letters_after > done.letters_before > 0, report(done)
    assert {"book: BookingConfirmation", "move: BookingConfirmation", "cancel: Appointment"} <= set(
        done.answers
    )

    pool = await create_pool(empty_database, size=1, statement_timeout_ms=600_000)
    try:
        assert await broken_claims(pool, done.organization_id) == {}
    finally:
        await pool.close()
    connection = await asyncpg.connect(empty_database)
    try:
        lost = await connection.fetchval(
            "SELECT count(*) FROM claim WHERE subject_id IS DISTINCT FROM provider_id OR unit <> 1"
        )
        assert lost == 0
        invalid = await connection.fetch(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        )
        assert invalid == []
    finally:
        await connection.close()
