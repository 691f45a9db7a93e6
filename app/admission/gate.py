"""The gate before computations: a few run at once, a few wait for a short time, the others are
refused.

Work that can't begin soon is refused quickly, so that nothing piles up. Cached answers are served
regardless, and the connections outside the gate are left to bookings.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.deadlines import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WAITING_FOR_EACH: Final = 8
"""Computations that may wait for each one that runs. One takes some milliseconds, so the last waits
some dozens.
"""

PATIENCE_SECONDS: Final = 0.5
"""The longest wait; after that, a request without a place is refused."""

RETRY_AFTER_SECONDS: Final = 2
"""The `Retry-After` of refused callers: several times the longest wait at the gate."""


class Gate:
    """Places for `at_once` computations."""

    __slots__ = ("_places", "_waiting", "_waiting_at_most")

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._waiting_at_most = at_once * WAITING_FOR_EACH

    @asynccontextmanager
    async def place(self) -> AsyncIterator[bool]:
        """Whether the caller gets a place, which is theirs until the block ends."""
        if not await self._enter():
            yield False
            return
        try:
            yield True
        finally:
            self._places.release()

    @property
    def is_full(self) -> bool:
        """Whether a new computation would be refused."""
        return self._waiting >= self._waiting_at_most and self._places.locked()

    async def _enter(self) -> bool:
        if self.is_full:
            return False
        self._waiting += 1
        try:
            await within(PATIENCE_SECONDS, self._places.acquire())
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True
