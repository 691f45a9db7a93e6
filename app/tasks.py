"""Background tasks: the garbage collector collects none, every failure is logged, and all can be
ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any, Final

_log: Final = logging.getLogger(__name__)

_CANCEL_AGAIN_SECONDS: Final = 0.1


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels them until they have ended: Python 3.11's `wait_for`, in the Redis client, may
    swallow a cancellation.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_SECONDS)


class Tasks:
    """The background tasks of one owner, which log lines name."""

    __slots__ = ("_owner", "_running")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Runs until it is done, or `close`."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("a task of %s failed: %s", self._owner, type(failure).__name__)
            _log.debug("traceback of the failed task", exc_info=failure)

    @property
    def count(self) -> int:
        """How many run."""
        return len(self._running)

    async def close(self, *, grace_seconds: float = 0.0) -> None:
        """Ends them all; they may finish by themselves for `grace_seconds`."""
        if self._running and grace_seconds:
            await asyncio.wait(self._running, timeout=grace_seconds)
        await end(self._running)
