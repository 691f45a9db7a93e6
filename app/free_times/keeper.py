"""What was computed, on its way to Redis. In this process it counts at once; for other processes it
is packed and sent a little later, all of some milliseconds together: the callers who wait for it go
first, and a rush has neither a timer nor a script for each of its answers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.free_times.shared import Fill, SharedDays
    from app.free_times.single_flight import Flights
    from app.tasks import Tasks

AFTER_SECONDS: Final = 0.02
"""How much later a computed day is packed and sent."""

PAUSES: Final = 10
"""How many times that is postponed by as much again while other days are computed: concurrent pages
are answered before any of them is packed.
"""


class Keeper:
    """Keeps what is computed in this process."""

    __slots__ = ("_flights", "_shared", "_tasks", "_waiting")

    def __init__(self, shared: SharedDays, flights: Flights, tasks: Tasks) -> None:
        self._shared = shared
        self._flights = flights
        self._tasks = tasks
        self._waiting: list[Fill] = []

    def keep(self, fills: Sequence[Fill]) -> None:
        """At once here, soon for others."""
        self._shared.keep_here(fills)
        if not self._waiting:
            self._tasks.start(self._send())
        self._waiting += fills

    async def _send(self) -> None:
        with suppress(asyncio.CancelledError):  # We shut down: then at once.
            for _ in range(PAUSES):
                await asyncio.sleep(AFTER_SECONDS)
                if not self._flights.are_under_way:
                    break
        fills, self._waiting = self._waiting, []
        await self._shared.keep(fills)
