"""The accelerator: everything that stands between a question about free times and its computation,
one a process.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from app.admission.gate import Gate
from app.admission.lines import Lines
from app.cache.organizations import Organizations
from app.cache.recent import Recent
from app.free_times.calendars import (
    CalendarKey,
    Calendars,
    KnownCalendar,
    ReadCalendar,
)
from app.free_times.shared import SlotCache
from app.free_times.single_flight import Flights

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import date, datetime

    from app.core.free_days import FreeDay
    from app.core.ids import OrganizationId, ProviderId
    from app.redis_client import RedisClient

_log: Final = logging.getLogger(__name__)

MOST_LISTINGS: Final = 5_000
"""Answers kept whole: some 2 kB each beside the days that they share with others."""

FlightKey: TypeAlias = "tuple[OrganizationId, ProviderId, str]"
"""Whose days, under which rule set."""


class Computed(NamedTuple):
    """Free days as they were computed, under a calendar of this generation."""

    known: KnownCalendar
    days: Mapping[date, FreeDay]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """The shared cache, the calendars known here, the gate before computations, and what is being
    computed.
    """

    slots: SlotCache
    gate: Gate
    refreshing: Gate = field(default_factory=lambda: Gate(1))
    """What is in demand is refreshed through a gate of its own: it must not expire because of
    everything else.
    """
    calendars: Calendars = field(default_factory=Calendars)
    organizations: Organizations = field(default_factory=Organizations)
    flights: Flights[FlightKey, Computed] = field(default_factory=Flights)
    listings: Recent[Any] = field(default_factory=lambda: Recent(MOST_LISTINGS))
    """Whole answers of listings, by question, under the provider's stamp and the minute."""
    lines: Lines[Any, Any] = field(default_factory=Lines)
    """Those who wait to book, by organization and provider."""
    calendar_flights: Flights[CalendarKey, ReadCalendar] = field(default_factory=Flights)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Run this beside; nobody waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.warning("work beside failed: %s", type(failure).__name__)

    async def close(self) -> None:
        """End what runs beside."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.slots.close()


def make_accelerator(
    redis: RedisClient, *, real_clock: Callable[[], datetime], computations: int
) -> Accelerator:
    """One that computes so many questions at once, at most."""
    return Accelerator(slots=SlotCache(redis, real_clock), gate=Gate(computations))
