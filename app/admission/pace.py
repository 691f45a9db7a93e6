"""The pace: operations of one caller are prepared one after the other, and a costly one is followed
by a pause. Its rule: a burst may use a part of the process, never all of it.

A budget for a minute may be spent in its first seconds, with hundreds of connections at once; the
event loop would serve them in order, and everybody else after them. So each operation keeps its
caller's turn for as long as it costs, `BURST_SECONDS` aside, and at least until the event loop has
served everybody else who is ready. Others of the caller's wait, first come, first served, and hold
nothing but their connection. Each process counts by itself.
"""

from __future__ import annotations

import asyncio
from asyncio import Semaphore
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import TracebackType

BURST_SECONDS: Final = 0.15
"""How much a caller may spend before they wait: a page asks for several things at once."""


class Pace:
    """The callers who have operations under way, or have spent more than time has repaid."""

    __slots__ = ("_lines", "_seconds")

    def __init__(self, *, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._lines: dict[Hashable, _Line] = {}

    @property
    def callers(self) -> int:
        """How many have operations under way, or something left to repay."""
        return len(self._lines)

    def turn(self, caller: Hashable) -> Turn:
        """Enter it to wait for the caller's earlier operations; it says whether it had to."""
        line = self._lines.get(caller)
        if line is None:
            line = self._lines[caller] = _Line()
        line.users += 1
        return Turn(self, caller, line)

    def spend(self, caller: Hashable, seconds: float) -> None:
        """The operation that has the caller's turn costs so much."""
        line = self._lines[caller]
        line.repaid_at = max(line.repaid_at, self._seconds()) + seconds

    def spend_without_burst(self, caller: Hashable, seconds: float) -> None:
        """The operation that has the caller's turn keeps it for so long, whatever is left of their
        burst.
        """
        line = self._lines[caller]
        line.repaid_at = max(line.repaid_at, self._seconds() + BURST_SECONDS) + seconds

    def end(self, caller: Hashable, line: _Line) -> None:
        """A turn is over with this one of the event loop, or once all but the burst is repaid."""
        loop = asyncio.get_running_loop()
        pause = line.repaid_at - self._seconds() - BURST_SECONDS
        if pause > 0:
            loop.call_later(pause, self._release, caller, line)
        else:
            loop.call_soon(self._release, caller, line)

    def _release(self, caller: Hashable, line: _Line) -> None:
        line.release()
        self.leave(caller, line)

    def leave(self, caller: Hashable, line: _Line) -> None:
        """One operation less. With the last one the line is forgotten, once all is repaid."""
        line.users -= 1
        if line.users:
            return
        left = line.repaid_at - self._seconds()
        if left <= 0:
            del self._lines[caller]
        else:
            line.users += 1
            asyncio.get_running_loop().call_later(left, self.leave, caller, line)


class _Line(Semaphore):
    """One caller's: a single turn at a time."""

    __slots__ = ("repaid_at", "users")

    def __init__(self) -> None:
        super().__init__(1)
        self.users = 0
        self.repaid_at = 0.0


class Turn:
    """One operation's, from waiting to its end."""

    __slots__ = ("_caller", "_line", "_pace")

    def __init__(self, pace: Pace, caller: Hashable, line: _Line) -> None:
        self._pace = pace
        self._caller = caller
        self._line = line

    async def __aenter__(self) -> bool:
        """Whether it had to wait."""
        has_to_wait = self._line.locked()
        try:
            await self._line.acquire()
        except BaseException:
            self._pace.leave(self._caller, self._line)
            raise
        return has_to_wait

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pace.end(self._caller, self._line)
