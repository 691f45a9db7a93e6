"""PostgreSQL and Redis are stopped and started while the program runs; callers learn of it quickly,
and the program recovers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from arq import cron
from arq.cron import CronJob
from redis.asyncio import Redis

from app.process.health import health_key, is_well
from app.process.worker import supervise
from app.settings import LeaveSettings
from app.standins.embedded import Servers
from app.store.pool import (
    ACQUIRE_TIMEOUT_SECONDS,
    DatabaseUnavailableError,
    Pool,
    create_pool,
    transaction,
)

PATIENCE_SECONDS = 20.0
LEAVE = LeaveSettings()


async def one(pool: Pool) -> int:
    return int((await pool.fetch("SELECT 1 AS n", ()))[0]["n"])


@pytest.mark.parametrize("port", ["99999", "-1", "nan", "1"])
async def test_an_impossible_database_address_is_reported_at_the_start(port: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="check DATABASE_URL"):
        await create_pool(f"postgresql://me@127.0.0.1:{port}/x", size=1, statement_timeout_ms=1_000)


async def test_a_pool_reports_an_outage_quickly_and_recovers(
    pool: Pool, own_postgres: Servers
) -> None:
    assert await one(pool) == 1
    own_postgres.stop_postgres()
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            await one(pool)
        with pytest.raises(DatabaseUnavailableError):
            async with transaction(pool) as tx:
                await tx.execute("SELECT 1", ())
        assert time.monotonic() - started < 2 * ACQUIRE_TIMEOUT_SECONDS
    own_postgres.start_postgres()
    assert await asyncio.gather(*(one(pool) for _ in range(20))) == [1] * 20


async def test_an_outage_within_a_transaction_is_reported_as_one(
    pool: Pool, own_postgres: Servers
) -> None:
    with pytest.raises(DatabaseUnavailableError):
        async with transaction(pool) as tx:
            await tx.execute("CREATE TABLE made (n integer)", ())
            own_postgres.stop_postgres()
            await tx.execute("INSERT INTO made VALUES (1)", ())
    own_postgres.start_postgres()
    assert (await pool.fetch("SELECT to_regclass('made') IS NULL AS gone", ()))[0]["gone"]


async def test_a_commit_that_finds_no_server_is_reported_as_an_outage(
    pool: Pool, own_postgres: Servers
) -> None:
    with pytest.raises(DatabaseUnavailableError):
        async with transaction(pool) as tx:
            await tx.execute("SELECT 1", ())
            own_postgres.stop_postgres()


SLEEPING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND query = 'SELECT pg_sleep(30)' AND wait_event = 'PgSleep'
"""


async def test_a_full_pool_is_reported_instead_of_waited_for(database: str) -> None:
    pool = await create_pool(database, size=1, statement_timeout_ms=30_000)
    observer = await create_pool(database, size=1, statement_timeout_ms=30_000)
    holding = asyncio.create_task(pool.execute("SELECT pg_sleep(30)", ()))

    async def is_held() -> bool:
        return bool(await observer.fetch(SLEEPING, ()))

    await until(is_held)
    with pytest.raises(DatabaseUnavailableError):
        await one(pool)
    assert not holding.done()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert await one(pool) == 1
    await observer.close()
    await pool.close()


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(database: str) -> None:
    pool = await create_pool(database, size=1, statement_timeout_ms=200)
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError, match="QueryCanceledError"):
        await pool.execute("SELECT pg_sleep(20)", ())
    assert time.monotonic() - started < 10
    assert await one(pool) == 1
    await pool.close()


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await true():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.05)


async def test_the_worker_goes_on_when_redis_was_away(redis_url: str, own_redis: Servers) -> None:
    ran: list[float] = []

    async def note(ctx: dict[Any, Any]) -> None:
        ran.append(ctx["number"])

    async def has_run() -> bool:
        return bool(ran)

    async def well() -> bool:
        return await is_well(redis_url)

    every_second = cron(note, name="note", second=set(range(60)))
    stop = asyncio.Event()
    working = asyncio.create_task(
        supervise(redis_url, [every_second], context={"number": 7.0}, stop=stop, leave=LEAVE)
    )
    await until(has_run)
    await until(well)
    own_redis.stop_redis()
    assert not await is_well(redis_url)
    await asyncio.sleep(1.0)
    assert not working.done()
    own_redis.start_redis()
    ran.clear()
    await until(has_run)
    await until(well)
    assert set(ran) == {7.0}
    stop.set()
    await asyncio.wait_for(working, PATIENCE_SECONDS)
    assert not await is_well(redis_url)


async def test_two_workers_run_a_scheduled_job_once_each_time(redis_url: str) -> None:
    ran: list[int] = []

    def job(number: int) -> CronJob:
        async def note(ctx: dict[Any, Any]) -> None:
            assert ctx
            ran.append(number)

        return cron(note, name="note", second=set(range(60)))

    async def have_run() -> bool:
        return len(ran) >= 3

    stop = asyncio.Event()
    started = time.monotonic()
    working = [
        asyncio.create_task(
            supervise(redis_url, [job(number)], context={"number": number}, stop=stop, leave=LEAVE)
        )
        for number in range(2)
    ]
    await until(have_run)
    elapsed = time.monotonic() - started
    stop.set()
    await asyncio.gather(*working)
    assert len(ran) <= elapsed + 2


async def test_a_running_job_may_finish_when_the_worker_is_stopped(
    redis_url: str, redis: Redis
) -> None:
    begun, finished = asyncio.Event(), asyncio.Event()

    async def slow(ctx: dict[Any, Any]) -> None:
        assert ctx
        begun.set()
        await asyncio.sleep(1)
        finished.set()

    stop = asyncio.Event()
    job = cron(slow, name="slow", second=set(range(60)))
    working = asyncio.create_task(
        supervise(redis_url, [job], context={"number": 1}, stop=stop, leave=LEAVE)
    )
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    stop.set()
    await asyncio.wait_for(working, PATIENCE_SECONDS)
    assert finished.is_set()
    assert not await redis.exists(health_key())


async def test_a_job_that_does_not_end_is_cut_off_in_time(redis_url: str) -> None:
    begun, cut = asyncio.Event(), asyncio.Event()

    async def hangs(ctx: dict[Any, Any]) -> None:
        assert ctx
        begun.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            cut.set()

    stop, leave = asyncio.Event(), LeaveSettings(drain_seconds=0, grace_seconds=1)
    job = cron(hangs, name="hangs", second=set(range(60)))
    working = asyncio.create_task(
        supervise(redis_url, [job], context={"number": 1}, stop=stop, leave=leave)
    )
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    stop.set()
    started = time.monotonic()
    await asyncio.wait_for(working, PATIENCE_SECONDS)
    assert time.monotonic() - started >= leave.grace_seconds - leave.closing_seconds
    assert cut.is_set()
