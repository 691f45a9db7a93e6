"""Statements that are sent side by side, on a real PostgreSQL: each gets its own outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

import asyncpg
import pytest

from app.store.pool import DatabaseUnavailableError, Pool, Writes, transaction
from app.store.side_by_side import Commits, Looks, OvertakenError
from app.store.sql import UnexpectedRowCountError, query

WRITE = "INSERT INTO noted (number, text) VALUES ($1, $2) RETURNING NULL"
TRY = "SELECT try_to_note($1, $2)"
"""Gives a word where the text is one, and writes nothing."""
WAIT = "SELECT NULL FROM pg_advisory_xact_lock($1::bigint)"


@pytest.fixture
async def noted(pool: Pool) -> Pool:
    async with transaction(pool) as tx:
        await tx.execute(
            "CREATE TABLE noted (number integer PRIMARY KEY CHECK (number <> 13), text text)", ()
        )
        await tx.execute(
            """CREATE FUNCTION try_to_note(number integer, word text) RETURNS text LANGUAGE plpgsql
            SET lock_timeout = '100ms' AS $$ BEGIN
                IF word IN ('LOCKED', 'CHANGED', 'TAKEN') THEN RETURN word; END IF;
                IF word = 'WAIT' THEN PERFORM pg_advisory_xact_lock(7); END IF;
                IF word = 'DIE' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                INSERT INTO noted VALUES (number, word);
                RETURN NULL;
            END $$""",
            (),
        )
    return pool


async def outcome(commits: Commits, sql: str, *arguments: object) -> str:
    """What became of a change with these arguments."""
    writes = Writes()
    writes.later(sql, arguments)
    try:
        await commits.commit(writes)
    except OvertakenError as overtaken:
        return str(overtaken)
    except Exception as error:  # noqa: BLE001  what is compared
        return type(error).__name__
    return "written"


async def outcomes(commits: Commits, sql: str, *changes: tuple[object, ...]) -> list[str]:
    return list(await asyncio.gather(*(outcome(commits, sql, *each) for each in changes)))


async def numbers(pool: Pool) -> list[int]:
    return [row["number"] for row in await pool.fetch("SELECT number FROM noted ORDER BY 1", ())]


@pytest.mark.usefixtures("one_postgres")
@pytest.mark.parametrize("sql", [WRITE, TRY])
async def test_what_is_changed_side_by_side_is_committed_together(noted: Pool, sql: str) -> None:
    commits = Commits(noted)
    assert (
        await outcomes(commits, sql, *((number, "") for number in range(100, 120)))
        == ["written"] * 20
    )
    rows = await noted.fetch("SELECT xmin::text AS by FROM noted", ())
    # The first batch leaves with all that was asked for by then.
    assert sorted(Counter(row["by"] for row in rows).values()) == [4, 8, 8]
    assert await outcome(commits, sql, 1, "") == "written"


async def test_each_change_has_its_own_outcome(noted: Pool) -> None:
    """Those that have written nothing leave the others alone; so do those that failed."""
    commits = Commits(noted)
    assert await outcomes(
        commits, TRY, (1, ""), (2, "LOCKED"), (3, "CHANGED"), (4, "TAKEN"), (5, "")
    ) == ["written", "LOCKED", "CHANGED", "TAKEN", "written"]
    assert await outcomes(
        commits, TRY, (6, ""), (13, ""), (7, ""), (1, ""), (8, "DIE-HARD"), (2**31, "")
    ) == [
        "written",
        "CheckViolationError",
        "written",
        "UniqueViolationError",
        "written",
        "DataError",
    ]
    assert await numbers(noted) == [1, 5, 6, 7, 8]


async def test_one_that_waits_for_a_lock_is_overtaken_and_the_others_are_written(
    noted: Pool,
) -> None:
    commits = Commits(noted)
    async with transaction(noted) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(7)", ())
        assert await outcomes(commits, TRY, (1, ""), (2, "WAIT"), (3, "")) == [
            "written",
            "LOCKED",
            "written",
        ]
    assert await numbers(noted) == [1, 3]


async def test_the_next_ones_do_not_wait_for_a_transaction_that_takes_long(noted: Pool) -> None:
    commits = Commits(noted)
    async with transaction(noted) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(7)", ())
        slow = asyncio.create_task(outcome(commits, WAIT, 7))
        while not await noted.fetch(  # noqa: ASYNC110  a lock, not an event
            "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", ()
        ):
            await asyncio.sleep(0.01)
        assert await outcomes(commits, WAIT, (8,), (9,)) == ["written"] * 2
        assert not slow.done()
    assert await slow == "written"


async def test_two_processes_that_write_the_same_rows_in_opposite_orders_fail_nobody(
    noted: Pool,
) -> None:
    """Each gives way before PostgreSQL finds a deadlock; what it had written is sent once more."""
    rows = [(number, "") for number in range(1, 9)]
    forth, back = await asyncio.gather(
        outcomes(Commits(noted), TRY, *rows), outcomes(Commits(noted), TRY, *reversed(rows))
    )
    for one, other in zip(forth, reversed(back), strict=True):
        assert "DeadlockDetectedError" not in {one, other}
        assert [one, other].count("written") == 1
    assert await numbers(noted) == [number for number, _ in rows]


@pytest.mark.usefixtures("one_postgres")
async def test_nobody_knows_what_became_of_changes_whose_connection_died(noted: Pool) -> None:
    """All of them go the long way, which finds out. Nothing is sent twice."""
    commits = Commits(noted)
    unknown = DatabaseUnavailableError.__name__
    assert await outcomes(commits, TRY, (1, ""), (2, "DIE"), (3, "")) == [unknown] * 3
    assert await outcomes(commits, TRY, (4, ""), (5, "")) == ["written"] * 2
    assert await numbers(noted) == [4, 5]


async def test_changes_of_several_organizations_are_not_mixed_where_the_database_is_distributed(
    noted: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pool, "is_distributed", True)
    commits = Commits(noted)
    assert await outcomes(commits, TRY, (1, ""), (2, ""), (3, "")) == ["written"] * 3
    rows = await noted.fetch("SELECT count(DISTINCT xmin::text) AS n FROM noted", ())
    assert rows[0]["n"] == 3


@pytest.mark.usefixtures("one_postgres")
async def test_nobody_gets_the_row_of_another_statement(pool: Pool) -> None:
    looks = Looks(pool)
    one_each = "SELECT $1::integer AS n FROM generate_series(1, $1)"
    for numbers_of_rows in ((1, 0), (1, 2, 1), (0,)):
        found = await asyncio.gather(
            *(looks.fetch(one_each, (each,)) for each in numbers_of_rows), return_exceptions=True
        )
        assert [type(each) for each in found] == [UnexpectedRowCountError] * len(found)


@pytest.mark.usefixtures("one_postgres")
async def test_looks_are_made_again_where_their_connection_has_died(pool: Pool) -> None:
    looks = Looks(pool)

    async def processes() -> set[int]:
        found = await asyncio.gather(
            *(looks.fetch("SELECT pg_backend_pid() AS id, $1", (str(at),)) for at in range(3))
        )
        return {row["id"] for rows in found for row in rows}

    [first] = await processes()
    await pool.fetch("SELECT pg_terminate_backend($1::integer, 5000)", (first,))
    [second] = await processes()
    assert second != first


@pytest.mark.usefixtures("one_postgres")
async def test_a_deadlock_of_nodes_is_no_bug_and_leaves_the_short_way(pool: Pool) -> None:
    """With the move of a shard, where the database is distributed. On one PostgreSQL it is a bug."""
    async with transaction(pool) as tx:
        await tx.execute(
            "CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$",
            (),
        )
        await tx.execute(
            "CREATE TRIGGER deadlock BEFORE UPDATE ON reminder_log EXECUTE FUNCTION deadlock()", ()
        )
    forget = query("forget_destinations_of_customer")
    named = (uuid4(), uuid4())
    for pool.is_distributed, failure in (
        (False, asyncpg.DeadlockDetectedError),
        (True, DatabaseUnavailableError),
    ):
        with pytest.raises(failure):
            async with transaction(pool) as tx:
                await forget.exec(tx, *named)
    writes = Writes(is_distributed=True)
    forget.later(writes, *named)
    with pytest.raises(OvertakenError):
        await Commits(pool).commit(writes)
