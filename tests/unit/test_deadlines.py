"""Deadlines: `within` gives what `asyncio.timeout` gives, and sets a timer only for what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from app.deadlines import within

Work = Callable[[], Coroutine[Any, Any, object]]


class TooEarlyError(Exception):
    """What a piece of work raises here."""


async def ready() -> str:
    return "there"


async def failing() -> str:
    raise TooEarlyError


async def in_two_turns() -> str:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return "there"


async def failing_later() -> str:
    await asyncio.sleep(0)
    raise TooEarlyError


async def waiting_for_ever() -> str:
    await asyncio.get_running_loop().create_future()
    return "never"


async def tidying_up() -> str:
    try:
        return await waiting_for_ever()
    finally:
        await asyncio.sleep(0)


async def swallowing() -> str:
    with suppress(asyncio.CancelledError):
        await waiting_for_ever()
    return "late"


async def with_its_own() -> str:
    try:
        async with asyncio.timeout(0):
            await waiting_for_ever()
    except TimeoutError:
        return "its own"
    return "never"


async def outcome(running: Coroutine[Any, Any, object]) -> object:
    try:
        return await running
    except Exception as error:  # noqa: BLE001  any exception has to be the same
        return type(error)


async def by_asyncio(seconds: float, work: Coroutine[Any, Any, object]) -> object:
    async with asyncio.timeout(seconds):
        return await work


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (ready, "there"),
        (failing, TooEarlyError),
        (in_two_turns, "there"),
        (failing_later, TooEarlyError),
        (waiting_for_ever, TimeoutError),
        (tidying_up, TimeoutError),
        (swallowing, "late"),
        (with_its_own, "its own"),
    ],
)
async def test_the_outcome_is_that_of_asyncio(work: Work, expected: object) -> None:
    seconds = 0.05 if expected in {TimeoutError, "late"} else 600.0
    assert await outcome(by_asyncio(seconds, work())) == expected
    assert await outcome(within(seconds, work())) == expected


async def test_what_is_ready_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def call_at(*_arguments: object, **_named: object) -> None:
        raise AssertionError("a timer")

    monkeypatch.setattr(asyncio.get_running_loop(), "call_at", call_at)
    assert await within(600, ready()) == "there"
    assert await outcome(within(600, failing())) is TooEarlyError
    assert await outcome(within(600, in_two_turns())) is AssertionError


async def test_time_without_waiting_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline counts from the call, however long the work takes until it first waits."""
    now = [1_000.0]
    timers: list[float] = []
    loop = asyncio.get_running_loop()

    async def slow() -> None:
        now[0] += 7
        await asyncio.sleep(0)

    real = loop.call_at

    def call_at(when: float, callback: Callable[..., object]) -> asyncio.TimerHandle:
        timers.append(when)
        return real(when, callback)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", lambda: now[0])
        patched.setattr(loop, "call_at", call_at)
        await within(10, slow())
    assert timers == [1_010.0]


async def test_a_cancellation_reaches_the_work_and_its_caller() -> None:
    tidied: list[str] = []

    async def work() -> None:
        try:
            await waiting_for_ever()
        finally:
            await asyncio.sleep(0)
            tidied.append("work")

    task = asyncio.create_task(within(600, work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tidied == ["work"]


async def test_the_work_runs_in_the_task_of_its_caller() -> None:
    async def work() -> list[asyncio.Task[Any] | None]:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        return [before, asyncio.current_task()]

    assert await within(600, work()) == [asyncio.current_task()] * 2
