"""The shares: how many queries of one caller are executed at the same time. Its rule: no caller's
slow queries take all connections to the database, or are a crowd by themselves.

The pace reckons with the processor's time; a query may wait for the database for much longer. Those
that exceed their caller's share wait, first come, first served, and hold nothing but their own
connection. Each process counts by itself.
"""

from __future__ import annotations

from asyncio import Semaphore
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.deadlines import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

PATIENCE_SECONDS: Final = 10.0
"""The longest wait: twice what PostgreSQL gives to one statement."""


class Shares:
    """`most` queries of each caller at the same time."""

    __slots__ = ("_lines", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: dict[Hashable, _Line] = {}

    @property
    def callers(self) -> int:
        """How many have queries that are executed, or wait."""
        return len(self._lines)

    @asynccontextmanager
    async def place(self, caller: Hashable) -> AsyncIterator[None]:
        """For one query, until the block ends; waits until there is one. Raises TimeoutError."""
        line = self._lines.get(caller)
        if line is None:
            line = self._lines[caller] = _Line(self._most)
        line.users += 1
        try:
            await within(PATIENCE_SECONDS, line.acquire())
            try:
                yield
            finally:
                line.release()
        finally:
            line.users -= 1
            if not line.users:
                del self._lines[caller]


class _Line(Semaphore):
    """One caller's."""

    __slots__ = ("users",)

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.users = 0
