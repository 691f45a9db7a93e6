"""Lines: in a rush on one provider, those who want to book wait here, and hold nothing while they wait.

A few are let in at once, so that a rush on one provider leaves the connections to everybody else. As soon as somebody
inside came too late, all who wait are looked at together: who can't win is told at once, and never goes in. Where nobody
contests anything, nobody waits, and nobody is looked at.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from app.cache.recent import Recent
from app.metrics import TURN_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Sequence

Asker = TypeVar("Asker")
Refusal = TypeVar("Refusal")

AT_ONCE: Final = 4
"""Inside at the same time: some for other dates than the rest, and far fewer than there are connections."""

CONTESTED_SECONDS: Final = 5.0
"""Longer than a rush pauses, shorter than anybody would notice the look before."""

MOST_CONTESTED: Final = 10_000

Look: TypeAlias = "Callable[[Sequence[Asker]], Coroutine[None, None, Sequence[Refusal | None]]]"
"""Says of each asker, in order, why they can't win; None where they may."""


@dataclass(slots=True, eq=False)
class _Waiter(Generic[Asker, Refusal]):
    """`asker` is None where there is nothing to look at; `is_seen` once they were looked at."""

    asker: Asker | None
    is_seen: bool
    called: asyncio.Future[Refusal | None]


@dataclass(slots=True, eq=False)
class _Line(Generic[Asker, Refusal]):
    inside: int = 0
    waiting: dict[_Waiter[Asker, Refusal], None] = field(default_factory=dict)
    """In the order in which they came."""
    looking: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Turn(Generic[Refusal]):
    """`refusal` is what the look found: then it is over. Whoever is refused inside says so: `came_too_late`."""

    refusal: Refusal | None
    came_too_late: bool = False


class Lines(Generic[Asker, Refusal]):
    """One for each provider."""

    __slots__ = ("_contested", "_lines")

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line[Asker, Refusal]] = {}
        self._contested: Recent[bool] = Recent(MOST_CONTESTED)

    @asynccontextmanager
    async def turn(
        self, key: Hashable, asker: Asker | None, look: Look[Asker, Refusal]
    ) -> AsyncIterator[Turn[Refusal]]:
        """Wait for one's turn, which lasts as long as the block; or for a refusal."""
        line = self._lines.setdefault(key, _Line())
        try:
            with TURN_SECONDS.time():
                refusal = await self._enter(key, line, asker, look)
            if refusal is not None:
                yield Turn(refusal)
                return
            turn: Turn[Refusal] = Turn(None)
            try:
                yield turn
            finally:
                if turn.came_too_late:
                    self._contest(key, line)
                self._leave(key, line, look)
        finally:
            if not line.inside and not line.waiting and line.looking is None and self._lines.get(key) is line:
                del self._lines[key]

    def _is_contested(self, key: Hashable) -> bool:
        return self._contested.find(key, None) is not None

    def _contest(self, key: Hashable, line: _Line[Asker, Refusal]) -> None:
        self._contested.keep(key, None, answer=True, seconds=CONTESTED_SECONDS)
        for waiter in line.waiting:
            waiter.is_seen = waiter.asker is None

    async def _enter(
        self, key: Hashable, line: _Line[Asker, Refusal], asker: Asker | None, look: Look[Asker, Refusal]
    ) -> Refusal | None:
        waiter: _Waiter[Asker, Refusal] = _Waiter(asker, asker is None, asyncio.get_running_loop().create_future())
        line.waiting[waiter] = None
        self._serve(key, line, look)
        try:
            return await waiter.called
        except asyncio.CancelledError:
            line.waiting.pop(waiter, None)
            if waiter.called.done() and not waiter.called.cancelled() and waiter.called.result() is None:
                # Called, and gone at the same moment.
                self._leave(key, line, look)
            raise

    def _leave(self, key: Hashable, line: _Line[Asker, Refusal], look: Look[Asker, Refusal]) -> None:
        line.inside -= 1
        self._serve(key, line, look)

    def _serve(self, key: Hashable, line: _Line[Asker, Refusal], look: Look[Asker, Refusal]) -> None:
        """Let in who may; where it is contested, look at them before."""
        if line.looking is not None:
            return
        if self._is_contested(key) and not all(waiter.is_seen for waiter in line.waiting):
            line.looking = asyncio.create_task(self._look(key, line, look))
            return
        while line.waiting and line.inside < AT_ONCE:
            waiter = next(iter(line.waiting))
            del line.waiting[waiter]
            if not waiter.called.done():
                line.inside += 1
                waiter.called.set_result(None)

    async def _look(self, key: Hashable, line: _Line[Asker, Refusal], look: Look[Asker, Refusal]) -> None:
        unseen = {waiter: waiter.asker for waiter in line.waiting if waiter.asker is not None and not waiter.is_seen}
        try:
            refusals = await look(list(unseen.values()))
        except Exception as failure:  # noqa: BLE001  whoever asked is told
            for waiter in unseen:
                line.waiting.pop(waiter, None)
                if not waiter.called.done():
                    waiter.called.set_exception(failure)
        else:
            for waiter, refusal in zip(unseen, refusals, strict=True):
                waiter.is_seen = True
                if refusal is not None:
                    line.waiting.pop(waiter, None)
                    if not waiter.called.done():
                        waiter.called.set_result(refusal)
        finally:
            line.looking = None
            self._serve(key, line, look)
