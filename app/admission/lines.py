"""Lines: queues of bookings, one per provider. In a rush, requests wait here without holding a
connection or a lock.

A few requests are admitted at once, so that a rush on one provider leaves the connections to the
others. Once an admitted request finds its time taken, one look checks all waiting requests: those
that can't win are refused at once and never admitted. Without a rush, no request waits or is
checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from app.telemetry.metrics import TURN_SECONDS
from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

Asker = TypeVar("Asker")
Refusal = TypeVar("Refusal")

AT_ONCE: Final = 4
"""Admitted at the same time: enough that requests for other dates make progress, and far fewer than
there are connections.
"""

CONTESTED_SECONDS: Final = 5.0
"""Longer than the pauses within a rush, and too short for anybody to notice the added look."""

MOST_CONTESTED_BYTES: Final = 4 * 1024 * 1024
"""Some 8,000 providers at once."""
_CONTESTED_BYTES: Final = 270
"""The ids of an organization and of a provider, and a number."""

Look: TypeAlias = "Callable[[Sequence[Asker]], Coroutine[None, None, Sequence[Refusal | None]]]"
"""Returns for each asker, in order, why they can't win; None where they still may."""


@dataclass(slots=True, eq=False)
class _Waiter(Generic[Asker, Refusal]):
    """`asker` is None where there is nothing to check; `is_seen` is set once it was checked."""

    asker: Asker | None
    is_seen: bool
    called: asyncio.Future[Refusal | None]


@dataclass(slots=True)
class Turn(Generic[Refusal]):
    """With a `refusal`, which the look found, the request is over. An admitted request that finds
    its time taken sets `came_too_late`.
    """

    refusal: Refusal | None
    came_too_late: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class _Line(Generic[Asker, Refusal]):
    """The admitted and the waiting requests of one key."""

    look: Look[Asker, Refusal]
    is_contested: Callable[[], bool]
    is_over: Callable[[], object]
    """Called when the line is empty."""
    _inside: int = 0
    _waiting: dict[_Waiter[Asker, Refusal], None] = field(default_factory=dict)
    """In order of arrival."""
    _looking: asyncio.Task[None] | None = None

    async def enter(self, asker: Asker | None) -> Refusal | None:
        """Wait until admitted or refused."""
        if (
            not self._waiting
            and self._inside < AT_ONCE
            and self._looking is None
            and not self.is_contested()
        ):
            self._inside += 1
            return None
        waiter: _Waiter[Asker, Refusal] = _Waiter(
            asker, asker is None, asyncio.get_running_loop().create_future()
        )
        self._waiting[waiter] = None
        self._go_on()
        try:
            return await waiter.called
        except asyncio.CancelledError:
            self._waiting.pop(waiter, None)
            called = waiter.called.done() and not waiter.called.cancelled()
            if called and waiter.called.result() is None:
                self._inside -= 1  # admitted and cancelled at the same moment
            self._go_on()
            raise

    def leave(self, *, came_too_late: bool) -> None:
        """Pass the place to the next request. After one that came too late, check the waiting
        requests once more.
        """
        self._inside -= 1
        if came_too_late:
            for waiter in self._waiting:
                waiter.is_seen = waiter.asker is None
        self._go_on()

    def _go_on(self) -> None:
        """Admit the next requests; in a rush, check them first."""
        if self._looking is not None:
            return
        if self.is_contested() and not all(waiter.is_seen for waiter in self._waiting):
            self._looking = asyncio.create_task(self._look())
            return
        while self._waiting and self._inside < AT_ONCE:
            waiter = next(iter(self._waiting))
            if self._call(waiter, None):
                self._inside += 1
        if not self._inside and not self._waiting:
            self.is_over()

    def _call(self, waiter: _Waiter[Asker, Refusal], refusal: Refusal | None) -> bool:
        """Whether they were still there."""
        self._waiting.pop(waiter, None)
        if waiter.called.done():
            return False
        waiter.called.set_result(refusal)
        return True

    async def _look(self) -> None:
        unseen = {
            waiter: waiter.asker
            for waiter in self._waiting
            if waiter.asker is not None and not waiter.is_seen
        }
        try:
            refusals = await self.look(list(unseen.values()))
        except Exception as failure:  # noqa: BLE001  raised to those that wait
            for waiter in unseen:
                self._waiting.pop(waiter, None)
                if not waiter.called.done():
                    waiter.called.set_exception(failure)
        else:
            for waiter, refusal in zip(unseen, refusals, strict=True):
                waiter.is_seen = True
                if refusal is not None:
                    self._call(waiter, refusal)
        finally:
            self._looking = None
            self._go_on()


class Lines(Generic[Asker, Refusal]):
    """One for each provider."""

    __slots__ = ("_contested_until", "_lines")

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line[Asker, Refusal]] = {}
        self._contested_until: WeightedCache[Hashable, float] = WeightedCache(
            "contested",
            most_bytes=MOST_CONTESTED_BYTES,
            weigh=lambda _key, _until: _CONTESTED_BYTES,
            is_over=lambda until: monotonic() >= until,
        )

    @asynccontextmanager
    async def turn(
        self, key: Hashable, asker: Asker | None, look: Look[Asker, Refusal]
    ) -> AsyncIterator[Turn[Refusal]]:
        """Wait for a place, held until the block ends, or for a refusal. `look` is the same for all
        requests of a key.
        """
        line = self._lines.get(key) or self._begin(key, look)
        came = perf_counter()
        try:
            refusal = await line.enter(asker)
        finally:
            TURN_SECONDS.observe(perf_counter() - came)
        turn = Turn(refusal)
        if refusal is not None:
            yield turn
            return
        try:
            yield turn
        finally:
            if turn.came_too_late:
                self._contested_until.put(key, monotonic() + CONTESTED_SECONDS)
            line.leave(came_too_late=turn.came_too_late)

    def is_contested(self, key: Hashable) -> bool:
        """Whether a request of this key lately came too late."""
        return monotonic() < self._contested_until.get(key, 0.0)

    def _begin(self, key: Hashable, look: Look[Asker, Refusal]) -> _Line[Asker, Refusal]:
        line = self._lines[key] = _Line(
            look=look,
            is_contested=lambda: self.is_contested(key),
            is_over=lambda: self._end(key, line),
        )
        return line

    def _end(self, key: Hashable, line: _Line[Asker, Refusal]) -> None:
        # A request that is cancelled with its refusal may find the line empty for a second time.
        if self._lines.get(key) is line:
            del self._lines[key]
