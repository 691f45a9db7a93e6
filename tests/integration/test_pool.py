"""The pool and its transactions, on a real PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from app.store.pool import (
    DatabaseUnavailableError,
    Pool,
    Transaction,
    transaction,
)
from app.store.sql import Executor

COUNT = "SELECT count(*) AS n FROM thing"
INSERT = "INSERT INTO thing (label) VALUES ($1)"


@pytest.fixture
async def thing(pool: Pool) -> Pool:
    await pool.execute("CREATE TABLE thing (label text NOT NULL)", ())
    return pool


async def count(pool: Pool) -> int:
    return int((await pool.fetch(COUNT, ()))[0]["n"])


async def test_a_transaction_is_committed_at_the_end_of_its_block(thing: Pool) -> None:
    async with transaction(thing) as tx:
        assert await tx.execute(INSERT, ("one",)) == 1
    assert await count(thing) == 1


async def test_an_exception_rolls_everything_back(thing: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(thing) as tx:
            await tx.execute(INSERT, ("one",))
            raise ZeroDivisionError
    assert await count(thing) == 0


async def test_a_refusal_rolls_back_without_an_exception(thing: Pool) -> None:
    async with transaction(thing) as tx:
        await tx.execute(INSERT, ("one",))
        tx.roll_back()
    assert await count(thing) == 0


async def test_a_cancelled_task_leaves_no_transaction_behind(thing: Pool) -> None:
    begun = asyncio.Event()

    async def book() -> None:
        async with transaction(thing) as tx:
            await tx.execute(INSERT, ("one",))
            begun.set()
            await tx.execute("SELECT pg_sleep(60)", ())

    task = asyncio.create_task(book())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(thing) == 0
    open_ones = (
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() "
        "AND "
        "state LIKE 'idle in%'"
    )
    assert (await thing.fetch(open_ones, ()))[0]["n"] == 0


async def test_a_transaction_is_of_no_use_after_its_block(thing: Pool) -> None:
    kept: list[Transaction] = []
    async with transaction(thing) as tx:
        kept.append(tx)
    with pytest.raises(Exception, match="released back to the pool"):
        await kept[0].execute(INSERT, ("late",))


async def test_json_and_time_arrive_as_python_values(pool: Pool) -> None:
    rows = await pool.fetch(
        "SELECT $1::jsonb AS given, current_setting('timezone') AS zone", ({"a": [1, None]},)
    )
    assert rows[0]["given"] == {"a": [1, None]}
    assert rows[0]["zone"] == "UTC"


async def test_a_read_on_a_kept_connection_that_died_is_run_on_another_and_a_write_is_not(
    pool: Pool,
) -> None:
    async def process(on: Executor) -> int:
        [row] = await on.fetch("SELECT pg_backend_pid() AS id", ())
        found: int = row["id"]
        return found

    async with pool.kept() as kept:
        first = await process(kept)
        assert await process(kept) == first
        await pool.fetch("SELECT pg_terminate_backend($1::integer, 5000)", (first,))
        second = await process(kept)
        assert second != first
        await pool.fetch("SELECT pg_terminate_backend($1::integer, 5000)", (second,))
        with pytest.raises(DatabaseUnavailableError):
            await kept.execute("UPDATE pg_class SET relname = relname WHERE false", ())
