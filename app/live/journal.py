"""A journal: delivers edits of one organization's practice to the subscribers here.

Edits are read from the log of events, which has no gap, so none is missed. A message after the
commit only says that it is time to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.changes import PracticeChanged, RulesChanged
from app.live.loop import Loop

if TYPE_CHECKING:
    from uuid import UUID

    from app.core.changes import Change
    from app.core.events import EventCursor, Happening
    from app.core.ids import OrganizationId
    from app.live.pace import Pace
    from app.tasks import Tasks

FIRST_PAUSE: Final = 0.1
"""Seconds until the log is read again after a message, in case a transaction that was still running
hid the edit. Doubled each time, up to the regular interval.
"""

ReadEdits: TypeAlias = Callable[
    ["OrganizationId", "EventCursor | None"],
    Awaitable[tuple[Sequence["Happening"], "EventCursor"]],
]
"""The edits after a place in the log, oldest first, and where to continue. Without a place: no
edits, and the end of the log.
"""


class Reader:
    """One subscriber: its pending edits, the newest of each object."""

    __slots__ = ("_pending", "_woken")

    def __init__(self) -> None:
        self._pending: dict[UUID, Happening] = {}
        self._woken = asyncio.Event()

    def offer(self, edits: Iterable[Happening]) -> None:
        """Queues the edits."""
        for each in edits:
            self._pending.pop(each.subject_id, None)
            self._pending[each.subject_id] = each
        if self._pending:
            self._woken.set()

    async def take(self) -> list[Happening]:
        """Waits for pending edits and takes them, oldest first."""
        await self._woken.wait()
        self._woken.clear()
        taken, self._pending = list(self._pending.values()), {}
        return taken


class Journal:
    """The edits of one organization's practice."""

    def __init__(
        self,
        organization_id: OrganizationId,
        *,
        read: ReadEdits,
        pace: Pace,
        places: asyncio.Semaphore,
        tasks: Tasks,
    ) -> None:
        self._organization_id = organization_id
        self._read_from = read
        self._pace = pace
        self._readers: set[Reader] = set()
        self._reached: EventCursor | None = None
        self._read_at = 0.0
        self._pause = 0.0
        self._loop = Loop(self, "the log of events", pace=pace, places=places, tasks=tasks)

    @property
    def is_watched(self) -> bool:
        """Whether it has subscribers."""
        return bool(self._readers)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[Reader]:
        """A subscriber, until the block ends. Raises what reading the log raises.

        The first one waits until the end of the log is known. So every later edit is found, even if
        readings in between fail.
        """
        reader = Reader()
        if not self._loop.is_running:
            self._reached = None
        self._readers.add(reader)
        try:
            if self._reached is None:
                self.compare()
                await self._loop.next_reading()
            yield reader
        finally:
            self._readers.discard(reader)
            self._loop.wake()

    def receive(self, changes: Iterable[Change]) -> None:
        """These changes were committed."""
        if any(isinstance(change, PracticeChanged | RulesChanged) for change in changes):
            self.compare()

    def compare(self) -> None:
        """There may be edits: reads the log."""
        self._read_at = self._pause = 0.0
        self._loop.wake()

    # ------------------------------------------------------------ for the loop

    def is_due(self) -> bool:
        """Whether the log is to be read."""
        return monotonic() >= self._read_at

    def seconds_left(self) -> float:
        """Until the next reading."""
        return max(0.0, self._read_at - monotonic())

    async def read(self) -> None:
        """Reads the log, and delivers the edits."""
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), self._pace.sweep_seconds)
        self._read_at = monotonic() + self._pause
        try:
            edits, self._reached = await self._read_from(self._organization_id, self._reached)
        except Exception:
            self._read_at = 0.0
            raise
        for reader in self._readers:
            reader.offer(edits)
