"""The shares: so many queries of one caller at the same time, the others wait."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from app.admission import shares as module
from app.admission.shares import Shares


async def rest() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Queries:
    """Those of one caller, by number; each runs until the test ends it."""

    def __init__(self, shares: Shares) -> None:
        self.shares = shares
        self.running: dict[int, asyncio.Event] = {}

    async def run(self, number: int) -> None:
        async with self.shares.place("ada"):
            self.running[number] = asyncio.Event()
            await self.running[number].wait()
            del self.running[number]


async def test_queries_beyond_a_share_wait_in_the_order_in_which_they_came() -> None:
    shares = Shares(2)
    queries = Queries(shares)
    tasks = [asyncio.create_task(queries.run(number)) for number in range(4)]
    await rest()
    assert [*queries.running] == [0, 1]
    queries.running[1].set()
    await rest()
    assert [*queries.running] == [0, 2]
    async with shares.place("bea"):  # other callers wait for nobody
        assert shares.callers == 2
    for number in (0, 2, 3):
        await rest()
        queries.running[number].set()
    await asyncio.gather(*tasks)
    assert shares.callers == 0


async def test_queries_that_leave_lose_no_place() -> None:
    """Whether they run, wait, or get their place at the very moment at which they leave."""
    shares = Shares(2)
    queries = Queries(shares)
    tasks = [asyncio.create_task(queries.run(number)) for number in range(6)]
    await rest()
    tasks[3].cancel()
    queries.running[0].set()
    tasks[1].cancel()
    await asyncio.sleep(0)
    tasks[2].cancel()
    await rest()
    assert [*queries.running][-2:] == [4, 5]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert shares.callers == 0
    async with AsyncExitStack() as both:
        for _ in range(2):
            await both.enter_async_context(shares.place("ada"))


async def test_a_query_that_waits_for_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    shares = Shares(1)
    async with shares.place("ada"):
        with pytest.raises(TimeoutError):
            async with shares.place("ada"):
                pass
    assert shares.callers == 0
    with suppress(ZeroDivisionError):
        async with shares.place("ada"):
            raise ZeroDivisionError
    async with shares.place("ada"):
        assert shares.callers == 1
