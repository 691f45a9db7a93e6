"""The gate before computations: some at once, some waiting for a short time, and nobody else.

What can't be computed soon is refused quickly, so that nothing piles up: what is cached is served
all the same, and the connections that the gate does not give away are left to bookings.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WAITING_FOR_EACH: Final = 8
"""Computations that may wait for each one that runs. One takes some milliseconds, so the last waits
some dozens.
"""

PATIENCE_SECONDS: Final = 0.5
"""Nobody waits longer: whoever then still has no place is better told."""

RETRY_AFTER_SECONDS: Final = 2
"""What a refused caller is told to wait: several times the patience of those who wait now."""


class Gate:
    """Places for `at_once` computations."""

    __slots__ = ("_places", "_waiting", "_waiting_at_most")

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._waiting_at_most = at_once * WAITING_FOR_EACH

    @asynccontextmanager
    async def place(self) -> AsyncIterator[bool]:
        """Whether there is a place; if so it is the caller's until the block ends."""
        if not await self._enter():
            yield False
            return
        try:
            yield True
        finally:
            self._places.release()

    @property
    def is_full(self) -> bool:
        """Whether who comes now is turned away."""
        return self._waiting >= self._waiting_at_most and self._places.locked()

    async def _enter(self) -> bool:
        if self.is_full:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True
