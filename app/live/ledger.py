"""A ledger: delivers the changes of one organization's appointments to the subscribers here whom
they concern, at least once.

Changes arrive as events after their commits; at intervals, the history is read for changes whose
event was lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from app.core.changes import AppointmentChanged, RulesChanged
from app.live.loop import Loop

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.core.ids import AppointmentId, OrganizationId
    from app.live.pace import Counts, Pace
    from app.tasks import Tasks

_log: Final = logging.getLogger(__name__)

OVERLAP: Final = timedelta(seconds=60)
"""How far each reading of the history reaches back: a change is dated before its commit, by a clock
that may be behind. Longer than any transaction lives.
"""

Shared = TypeVar("Shared")

ReadHistory: TypeAlias = Callable[
    ["OrganizationId", datetime], Awaitable[Sequence[AppointmentChanged]]
]
"""All changes dated since an instant."""

Concerns: TypeAlias = Callable[[AppointmentChanged], bool]
"""Whether a change may concern a subscriber; permission is checked at delivery."""


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """A change, as it is delivered to all subscribers whom it concerns."""

    change: AppointmentChanged
    _shared: object = None

    def shared(self, make: Callable[[], Shared]) -> Shared:
        """Shared by its subscribers, and made for the first one that asks: what is read through it
        is read once, and after the change.
        """
        if self._shared is None:
            self._shared = make()
        return cast("Shared", self._shared)


class Following:
    """One subscriber: its pending changes."""

    __slots__ = ("_concerns", "_is_recheck_due", "_most", "_pending", "_woken")

    def __init__(self, concerns: Concerns, most_pending: int) -> None:
        self._concerns = concerns
        self._most = most_pending
        self._pending: dict[tuple[AppointmentId, int], Delivery] = {}
        self._woken = asyncio.Event()

    def offer(self, delivery: Delivery) -> None:
        """Queues the change if it concerns the subscriber."""
        change = delivery.change
        if not self._concerns(change):
            return
        self._pending[change.appointment_id, change.version] = delivery
        if len(self._pending) > self._most:
            newest: dict[AppointmentId, Delivery] = {}
            for each in self._pending.values():
                newest.pop(each.change.appointment_id, None)
                newest[each.change.appointment_id] = each
            kept = list(newest.values())[-self._most :]
            self._pending = {
                (each.change.appointment_id, each.change.version): each for each in kept
            }
        self._woken.set()

    def recheck(self) -> None:
        """The subscriber's identity may have changed."""
        self._woken.set()

    async def take(self) -> list[Delivery]:
        """Waits for pending changes and takes them, in the order of their versions; empty where
        only the subscriber's identity may have changed.
        """
        await self._woken.wait()
        self._woken.clear()
        taken, self._pending = list(self._pending.values()), {}
        return taken


class Ledger:
    """The changes of one organization's appointments."""

    def __init__(
        self,
        organization_id: OrganizationId,
        *,
        read: ReadHistory,
        clock: Callable[[], datetime],
        pace: Pace,
        counts: Counts,
        places: asyncio.Semaphore,
        tasks: Tasks,
    ) -> None:
        self._organization_id = organization_id
        self._read_from = read
        self._clock = clock
        self._pace = pace
        self._counts = counts
        self._followings: set[Following] = set()
        self._received: OrderedDict[tuple[AppointmentId, int], datetime] = OrderedDict()
        self._swept_until: datetime | None = None
        self._sweep_at = 0.0
        self._is_doubted = False
        self._loop = Loop(self, "the history", pace=pace, places=places, tasks=tasks)

    @property
    def is_watched(self) -> bool:
        """Whether anybody is left."""
        return bool(self._followings)

    @asynccontextmanager
    async def follow(self, concerns: Concerns) -> AsyncIterator[Following]:
        """A subscriber, until the block ends. Raises what reading the history raises.

        The first one waits for a reading, which finds the changes that were there before. So every
        later change is found, even if readings in between fail.
        """
        following = Following(concerns, self._pace.most_pending)
        if not self._loop.is_running:
            self._swept_until = None
            self._received.clear()
        self._followings.add(following)
        try:
            if self._swept_until is None:
                self._is_doubted = True
                await self._loop.next_reading()
            yield following
        finally:
            self._followings.discard(following)
            self._loop.wake()

    def receive(self, changes: Iterable[Change]) -> None:
        """These changes were committed. Ignored while there are no subscribers."""
        if not self._loop.is_running:
            return
        now = self._clock()
        for change in changes:
            if isinstance(change, AppointmentChanged):
                self._deliver(change, now)
            elif isinstance(change, RulesChanged):
                for following in self._followings:
                    following.recheck()

    def compare(self) -> None:
        """Events may have been missed: reads the history."""
        self._is_doubted = True
        self._loop.wake()

    def _deliver(self, change: AppointmentChanged, now: datetime) -> bool:
        key = (change.appointment_id, change.version)
        if key in self._received:
            return False
        self._received[key] = now
        delivery = Delivery(change=change)
        for following in self._followings:
            following.offer(delivery)
        return True

    # ------------------------------------------------------------ for the loop

    def is_due(self) -> bool:
        """Whether the history is to be read."""
        if monotonic() >= self._sweep_at:
            self._sweep_at = monotonic() + self._pace.sweep_seconds
            self._is_doubted = True
        return self._is_doubted

    def seconds_left(self) -> float:
        """Until the next regular reading."""
        return max(0.0, self._sweep_at - monotonic())

    async def read(self) -> None:
        """Reads the history, and delivers the changes whose event was lost."""
        self._is_doubted = False
        self._sweep_at = monotonic() + self._pace.sweep_seconds
        now = self._clock()
        since = min(now, self._swept_until or now) - OVERLAP
        try:
            changes = await self._read_from(self._organization_id, since)
        except Exception:
            self._is_doubted = True
            raise
        # Changes from before the first subscriber are not delivered.
        is_news = self._swept_until is not None
        for change in changes:
            if is_news:
                if self._deliver(change, now):
                    self._counts.repaired += 1
            else:
                self._received.setdefault((change.appointment_id, change.version), now)
        self._swept_until = now
        while self._received and next(iter(self._received.values())) < since - OVERLAP:
            self._received.popitem(last=False)
