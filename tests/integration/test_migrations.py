"""The runner of migrations: forward, once, in order, whole files, and a clear error for everything
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.store import migrations
from app.store.migrations import (
    DatabaseAheadError,
    EditedMigrationError,
    Migration,
    MigrationError,
    TablesInUseError,
    UnmigratedError,
    check,
    migrate,
    read_migrations,
)
from app.store.pool import DatabaseUnavailableError, Pool, create_pool

FIRST = "CREATE TABLE first (n integer);\nINSERT INTO first VALUES (1);\n"
SECOND = "CREATE TABLE second (n integer);\n"
BROKEN = "CREATE TABLE third (n integer);\nSELECT 1 / 0;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    return tmp_path


@pytest.fixture
async def empty_pool(empty_database: str) -> AsyncIterator[Pool]:
    pool = await create_pool(empty_database, size=2, statement_timeout_ms=5_000)
    yield pool
    await pool.close()


async def names(pool: Pool) -> list[str]:
    return [
        row["name"]
        for row in await pool.fetch("SELECT name FROM schema_migration ORDER BY version", ())
    ]


async def exists(pool: Pool, table: str) -> bool:
    return bool((await pool.fetch("SELECT to_regclass($1) IS NOT NULL AS it", (table,)))[0]["it"])


@pytest.mark.usefixtures("one_postgres")
async def test_each_file_is_applied_once_in_order(
    folder: Path, empty_database: str, empty_pool: Pool
) -> None:
    lines: list[str] = []
    done = await migrate(empty_database, folder=folder, progress=lines.append)
    assert [migration.version for migration in done] == [1, 2]
    assert lines == ["migrating: 0001_first", "migrating: 0002_second"]
    assert await migrate(empty_database, folder=folder) == []
    assert await names(empty_pool) == ["0001_first", "0002_second"]
    await check(empty_pool, folder=folder)


async def test_a_new_file_is_applied_to_a_database_with_data(
    folder: Path, empty_database: str, empty_pool: Pool
) -> None:
    await migrate(empty_database, folder=folder)
    (folder / "0003_third.sql").write_text(
        "ALTER TABLE first ADD COLUMN m integer NOT NULL DEFAULT 7;"
    )
    with pytest.raises(UnmigratedError, match="lacks 1 migration: run “python -m app migrate”"):
        await check(empty_pool, folder=folder)
    assert [migration.version for migration in await migrate(empty_database, folder=folder)] == [3]
    assert (await empty_pool.fetch("SELECT m FROM first", ()))[0]["m"] == 7


async def test_a_file_that_fails_leaves_nothing_of_itself(
    folder: Path, empty_database: str, empty_pool: Pool
) -> None:
    (folder / "0003_third.sql").write_text(BROKEN)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database, folder=folder)
    assert await names(empty_pool) == ["0001_first", "0002_second"]
    assert not await exists(empty_pool, "third")


BATCHES = """\
-- transaction: each statement
-- Doubles what is there, two rows at a time.
WITH batch AS (
    SELECT n FROM many WHERE n > coalesce($1::integer, 0) ORDER BY n LIMIT 2
), doubled AS (
    UPDATE many SET twice = 2 * batch.n FROM batch WHERE many.n = batch.n
)
SELECT n FROM batch ORDER BY n DESC LIMIT 1;

CREATE INDEX CONCURRENTLY IF NOT EXISTS many_twice ON many (twice);

SELECT 1 / (SELECT count(*) FROM first);
"""


@pytest.mark.usefixtures("one_postgres")
async def test_a_file_may_be_committed_statement_by_statement(
    folder: Path, empty_database: str, empty_pool: Pool
) -> None:
    """Batches go on from the row that the one before returned. A file that fails in the middle is
    not recorded, and is repeated from its start.
    """
    await migrate(empty_database, folder=folder)
    (folder / "0003_many.sql").write_text(
        "CREATE TABLE many (n integer, twice integer); INSERT INTO many SELECT generate_series(1, 5);"
    )
    (folder / "0004_batches.sql").write_text(BATCHES)
    await empty_pool.execute("DELETE FROM first", ())
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database, folder=folder)
    rows = await empty_pool.fetch("SELECT n, twice FROM many ORDER BY n", ())
    assert [(row["n"], row["twice"]) for row in rows] == [(n, 2 * n) for n in range(1, 6)]
    assert await names(empty_pool) == ["0001_first", "0002_second", "0003_many"]

    await empty_pool.execute("INSERT INTO first VALUES (1)", ())
    assert [done.version for done in await migrate(empty_database, folder=folder)] == [4]
    assert await exists(empty_pool, "many_twice")
    await check(empty_pool, folder=folder)


async def test_a_migration_that_waits_for_a_table_does_not_block_it(
    folder: Path, empty_database: str, empty_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody's transaction keeps a table, others get through to it: the migration gives way
    each time, and is applied once that transaction has ended.
    """
    monkeypatch.setattr(migrations, "LOCK_PAUSE_SECONDS", 0.01)
    await migrate(empty_database, folder=folder)
    (folder / "0003_more.sql").write_text("ALTER TABLE first ADD COLUMN m integer;")
    reader = await asyncpg.connect(empty_database)
    backup = reader.transaction()
    await backup.start()
    await reader.execute("LOCK TABLE first IN ACCESS SHARE MODE")
    migrating = asyncio.create_task(migrate(empty_database, folder=folder))
    try:
        for _ in range(3):
            await until_a_lock_was_refused(empty_pool, migrating)
            await empty_pool.execute("INSERT INTO first VALUES (2)", ())
        assert not migrating.done()
        await backup.rollback()
        async with asyncio.timeout(60):
            assert [done.version for done in await migrating] == [3]
    finally:
        migrating.cancel()
        await reader.close()


async def test_in_a_circle_of_locks_the_migration_gives_way(
    folder: Path, empty_database: str, empty_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a slow one of several tables: it does not wait for the second while a program has waited
    for the first for long, which PostgreSQL would end by refusing the program's statement.
    """
    monkeypatch.setattr(migrations, "LOCK_PAUSE_SECONDS", 0.01)
    await migrate(empty_database, folder=folder)
    (folder / "0003_more.sql").write_text(
        "ALTER TABLE first ADD COLUMN m integer;\n"
        "SELECT pg_sleep(0.9);\n"
        "ALTER TABLE second ADD COLUMN m integer;\n"
    )
    program = await asyncpg.connect(empty_database)
    booking = program.transaction()
    await booking.start()
    await program.execute("INSERT INTO second VALUES (1)")
    migrating = asyncio.create_task(migrate(empty_database, folder=folder))
    try:
        await until_it_is_locked(empty_pool, "first")
        await program.execute("INSERT INTO first VALUES (2)")
        await booking.commit()
        async with asyncio.timeout(60):
            assert [done.version for done in await migrating] == [3]
    finally:
        migrating.cancel()
        await program.close()


async def test_a_migration_never_waits_for_a_stronger_lock_on_a_table_it_has_locked(
    folder: Path, empty_database: str, empty_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would be an immediate deadlock for a program that has read a row and then writes it."""
    monkeypatch.setattr(migrations, "LOCK_PAUSE_SECONDS", 0.01)
    await migrate(empty_database, folder=folder)
    (folder / "0003_more.sql").write_text(
        "LOCK TABLE first IN SHARE ROW EXCLUSIVE MODE;\n"  # as for a foreign key
        "ALTER TABLE first ADD COLUMN m integer;\n"
    )
    program = await asyncpg.connect(empty_database)
    booking = program.transaction()
    await booking.start()
    await program.execute("SELECT FROM first FOR UPDATE")
    migrating = asyncio.create_task(migrate(empty_database, folder=folder))
    try:
        await until_a_lock_was_refused(empty_pool, migrating)
        await program.execute("UPDATE first SET n = 2")
        await booking.commit()
        async with asyncio.timeout(60):
            assert [done.version for done in await migrating] == [3]
    finally:
        migrating.cancel()
        await program.close()


async def until_it_is_locked(pool: Pool, table: str) -> None:
    async with asyncio.timeout(60):
        while not await pool.fetch(
            """
            SELECT pid FROM pg_locks
            WHERE relation = $1::regclass AND mode = 'AccessExclusiveLock' AND granted
            """,
            (table,),
        ):
            pass


def test_a_semicolon_in_a_comment_or_within_dollars_does_not_end_a_statement() -> None:
    table = "CREATE TABLE t (\n    -- One row;\n    n int\n);"
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1;\nSELECT 2;\n$$;"
    sql = f"-- A table;\n-- and a function.\n{table}\n\n{function}\nSELECT 3\n"
    migration = Migration(version=1, name="0001_f", sql=sql, checksum="")
    assert migration.statements == [table, function, "SELECT 3"]


async def until_a_lock_was_refused(pool: Pool, migrating: asyncio.Task[object]) -> None:
    """Until the migration waits for the table."""
    async with asyncio.timeout(60):
        while not migrating.done():
            waiting = await pool.fetch(
                """
                SELECT pid FROM pg_locks
                WHERE relation = 'first'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted
                """,
                (),
            )
            if waiting:
                return


async def test_a_migration_that_never_gets_its_lock_says_so(
    folder: Path, empty_database: str, empty_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 1)
    monkeypatch.setattr(migrations, "LOCK_TRIES", 2)
    await migrate(empty_database, folder=folder)
    (folder / "0003_more.sql").write_text("ALTER TABLE first ADD COLUMN m integer;")
    reader = await asyncpg.connect(empty_database)
    try:
        async with reader.transaction():
            await reader.execute("LOCK TABLE first IN ACCESS SHARE MODE")
            with pytest.raises(
                TablesInUseError, match="0003_more did not get its locks in 2 tries"
            ):
                await migrate(empty_database, folder=folder)
    finally:
        await reader.close()
    assert await names(empty_pool) == ["0001_first", "0002_second"]


async def test_many_at_once_take_turns(folder: Path, empty_database: str, empty_pool: Pool) -> None:
    done = await asyncio.gather(*(migrate(empty_database, folder=folder) for _ in range(6)))
    assert sorted(len(each) for each in done) == [0, 0, 0, 0, 0, 2]
    assert (await empty_pool.fetch("SELECT count(*) AS n FROM first", ()))[0]["n"] == 1


async def test_an_edited_file_is_an_error(
    folder: Path, empty_database: str, empty_pool: Pool
) -> None:
    await migrate(empty_database, folder=folder)
    (folder / "0001_first.sql").write_text(FIRST + "-- a small correction\n")
    with pytest.raises(EditedMigrationError, match="0001_first was edited"):
        await migrate(empty_database, folder=folder)
    with pytest.raises(EditedMigrationError):
        await check(empty_pool, folder=folder)


async def test_a_database_ahead_of_the_program_is_an_error(
    folder: Path, empty_database: str, empty_pool: Pool
) -> None:
    await migrate(empty_database, folder=folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(DatabaseAheadError, match="newer than this program: it has migration 0002"):
        await migrate(empty_database, folder=folder)
    with pytest.raises(DatabaseAheadError):
        await check(empty_pool, folder=folder)


async def test_a_database_without_anything_is_unmigrated(folder: Path, empty_pool: Pool) -> None:
    with pytest.raises(UnmigratedError, match="lacks 2 migrations"):
        await check(empty_pool, folder=folder)


@pytest.mark.parametrize(
    "odd", ["0004_gap.sql", "0002_twice.sql", "3_short.sql", "0003_Odd-name.sql"]
)
def test_a_file_out_of_order_is_an_error(folder: Path, odd: str) -> None:
    (folder / odd).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="breaks the sequence"):
        read_migrations(folder)


async def test_a_server_that_is_away_is_reported_quickly() -> None:
    with pytest.raises(DatabaseUnavailableError, match="can't be used"):
        await migrate("postgresql://nobody@127.0.0.1:1/nothing")


async def test_a_missing_database_is_reported(empty_database: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="does not exist"):
        await migrate(f"{empty_database}_which_is_not_there")


async def test_the_program_fits_its_own_migrations(pool: Pool) -> None:
    await check(pool)
    assert len(await names(pool)) == len(read_migrations())
