"""The loop of a board and of a ledger: one task that reads when a reading is due, for as long as
there are subscribers.

Readings never overlap. A subscriber that needs one waits for a reading that begins after it came.
If a reading fails, the new subscribers fail with it; for the others it is retried, with growing
pauses.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from app.live.pace import Pace
    from app.tasks import Tasks

_log: Final = logging.getLogger(__name__)


class Source(Protocol):
    """What a loop reads."""

    @property
    def is_watched(self) -> bool:
        """Whether it has subscribers; the loop ends without any."""

    def is_due(self) -> bool:
        """Whether to read now. Asked each time the loop wakes up."""

    def seconds_left(self) -> float:
        """Until `is_due` has to be asked again, unless the loop is woken earlier; not negative."""

    async def read(self) -> None:
        """Reads all that is due and shows it. If it raises, a reading is still due."""


class Loop:
    """Runs while its source is watched; `wake` starts it."""

    __slots__ = (
        "_failures",
        "_pace",
        "_places",
        "_retry_at",
        "_source",
        "_task",
        "_tasks",
        "_waiting",
        "_what",
        "_woken",
    )

    def __init__(
        self, source: Source, what: str, *, pace: Pace, places: asyncio.Semaphore, tasks: Tasks
    ) -> None:
        self._source = source
        self._what = what
        self._pace = pace
        self._places = places
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._retry_at = 0.0
        self._failures = 0

    @property
    def is_running(self) -> bool:
        """Whether its task runs."""
        return self._task is not None

    def wake(self) -> None:
        """Has the source asked whether a reading is due."""
        self._woken.set()
        if self._task is None and self._source.is_watched:
            self._task = self._tasks.start(self._run())

    async def next_reading(self) -> None:
        """Waits for a reading that begins after this call; raises what it raises. The source must
        say that one is due.
        """
        reading: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(reading)
        self.wake()
        await reading

    async def _run(self) -> None:
        self._retry_at = 0.0
        try:
            while self._source.is_watched:
                self._woken.clear()
                if self._source.is_due() and monotonic() >= self._retry_at:
                    async with self._places:
                        await self._read()
                else:
                    await self._sleep()
        finally:
            self._task = None
            _cancel(self._waiting)
            self._waiting = []

    async def _sleep(self) -> None:
        seconds = self._source.seconds_left()
        if self._retry_at > (now := monotonic()):
            seconds = min(seconds, self._retry_at - now)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _read(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            await self._source.read()
        except asyncio.CancelledError:
            _cancel(waiting)
            raise
        except Exception as failure:  # noqa: BLE001  any failure: subscribers stay, and it is retried
            if not self._failures:
                _log.warning("could not read %s; retrying: %s", self._what, type(failure).__name__)
            self._retry_at = monotonic() + self._pace.retry_after(self._failures)
            self._failures += 1
            for future in waiting:
                if not future.done():
                    future.set_exception(failure)
        else:
            self._failures = 0
            for future in waiting:
                if not future.done():
                    future.set_result(None)


def _cancel(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        future.cancel()
