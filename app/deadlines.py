"""Deadlines without a timer for what turns out to be ready.

Most of what a request awaits is there already: its body, its organization, an answer from memory.
Setting a timer and cancelling it takes twenty times as long as awaiting that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which is cancelled after this time; then raises TimeoutError.

    It is what `asyncio.timeout` does, except that the timer is set only when the work has to wait.
    """
    ends_at = asyncio.get_running_loop().time() + seconds
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout_at(ends_at):
        return await _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, T], awaited: object) -> Generator[object, Any, T]:
    """The work from where it waits: what `yield from` would do with it from its beginning."""
    while True:
        resume: Callable[[], object]
        try:
            sent = yield awaited
        except BaseException as thrown:  # noqa: BLE001  the work's to handle, a cancellation too
            resume = partial(work.throw, thrown)
        else:
            resume = partial(work.send, sent)
        try:
            awaited = resume()
        except StopIteration as done:
            result: T = done.value
            return result
