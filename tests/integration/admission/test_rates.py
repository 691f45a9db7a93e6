"""Budgets: spent at once or slowly, in one process or many, with Redis and without it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.admission import rates
from app.admission.rates import (
    MOST_DEBT_SECONDS,
    PERIOD_SECONDS,
    Rate,
    Rates,
    debt_key,
)
from app.redis_client import REST_SECONDS, Breaker, RedisClient, open_redis

POINTS = Rate(name="points", points=600)
"""Ten a second."""


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def one(redis: RedisClient, seconds: Seconds) -> AsyncIterator[Rates]:
    redis.breaker = Breaker(seconds=seconds)
    process = Rates(redis, seconds=seconds)
    yield process
    await process.close()


@pytest.fixture
async def other(redis: RedisClient, seconds: Seconds) -> AsyncIterator[Rates]:
    process = Rates(redis, seconds=seconds)
    yield process
    await process.close()


async def test_a_budget_is_spent_at_once_and_repaid_by_time(one: Rates, seconds: Seconds) -> None:
    for _ in range(6):
        assert one.wait(POINTS, "robin") == 0
        one.spend(POINTS, "robin", 100)
    assert one.wait(POINTS, "robin") > 0
    seconds.now += 1
    assert one.wait(POINTS, "robin") == 0
    one.spend(POINTS, "robin", 110)
    assert one.wait(POINTS, "robin") == pytest.approx(10)
    seconds.now += 9.9
    assert one.wait(POINTS, "robin") > 0
    seconds.now += 0.2
    assert one.wait(POINTS, "robin") == 0


async def test_nobody_pays_for_somebody_else(one: Rates) -> None:
    one.spend(POINTS, "robin", 600)
    assert one.wait(POINTS, "robin") > 0
    assert one.wait(POINTS, "noor") == 0
    assert one.wait(Rate(name="other", points=600), "robin") == 0


async def test_one_costly_answer_makes_a_caller_wait_for_a_minute_at_most(one: Rates) -> None:
    one.spend(POINTS, "robin", 1_000_000)
    assert one.wait(POINTS, "robin") == MOST_DEBT_SECONDS - PERIOD_SECONDS
    await one.report()
    assert one.wait(POINTS, "robin") <= MOST_DEBT_SECONDS - PERIOD_SECONDS


async def test_what_is_spent_in_one_process_counts_in_the_other(one: Rates, other: Rates) -> None:
    for process in (one, other, one, other):
        assert process.wait(POINTS, "robin") == 0
        process.spend(POINTS, "robin", 155)
        await process.report()
    assert other.wait(POINTS, "robin") > 0
    # The first learns of it with its next report.
    one.spend(POINTS, "robin", 1)
    await one.report()
    assert one.wait(POINTS, "robin") > 0


async def test_what_redis_keeps_ends_with_the_debt_and_names_nobody(
    one: Rates, redis: RedisClient
) -> None:
    one.spend(POINTS, "192.0.2.7", 60)
    await one.report()
    (key,) = await redis.keys()
    assert key.decode() == debt_key(POINTS, "192.0.2.7")
    assert b"192.0.2.7" not in key
    assert 0 < await redis.pttl(key) <= 6_000


async def test_all_spending_is_reported_without_a_call(
    one: Rates, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "REPORT_SECONDS", 0.0)
    one.spend(POINTS, "robin", 60)
    assert one._reporting is not None
    await one._reporting
    assert await redis.dbsize() == 1
    one.spend(POINTS, "noor", 60)
    assert one._reporting is not None
    await one._reporting
    assert await redis.dbsize() == 2


async def test_without_redis_each_process_limits_by_what_it_knows(seconds: Seconds) -> None:
    away = open_redis("redis://127.0.0.1:1/0", timeout_seconds=1.0)
    away.breaker = Breaker(seconds=seconds)
    process = Rates(away, seconds=seconds)
    process.spend(POINTS, "robin", 600)
    await process.report()
    assert process.wait(POINTS, "robin") > 0
    seconds.now += 1
    assert process.wait(POINTS, "robin") == 0
    await process.close()
    await away.aclose()


async def test_a_redis_that_did_not_answer_is_left_alone_for_a_while(
    one: Rates, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    async def broken(_spent: dict[str, float]) -> None:
        asked.append(seconds.now)
        raise RedisConnectionError

    monkeypatch.setattr(one, "_send", broken)
    began = seconds.now
    for _ in range(15):
        one.spend(POINTS, "robin", 1)
        await one.report()
        seconds.now += 0.1
    assert asked == [pytest.approx(began), pytest.approx(began + REST_SECONDS)]


async def test_callers_without_number_take_no_memory_without_end(
    redis: RedisClient, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "MOST_BYTES", 100_000)
    one = Rates(redis, seconds=seconds)
    for number in range(1_000):
        one.spend(POINTS, f"caller-{number}", 300)
        assert one._repaid.bytes <= 100_000
    assert one._repaid.get(debt_key(POINTS, "caller-999"), 0.0) > seconds.now
    assert one._repaid.get(debt_key(POINTS, "caller-0")) is None
    await one.close()


@pytest.mark.parametrize(
    "caller",
    ["", "\x00", "\ud800", "x" * 100_000, "Robin\x1fCUSTOMER"],
    ids=["none", "zero", "surrogate", "long", "odd"],
)
async def test_any_name_is_a_name(one: Rates, caller: str) -> None:
    one.spend(POINTS, caller, 600)
    await one.report()
    assert one.wait(POINTS, caller) > 0
