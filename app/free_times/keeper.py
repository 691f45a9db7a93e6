"""Keep computed days: in this process at once, in Redis for the other processes a little later.
Those of some milliseconds are packed and sent together: the callers who wait for them go first, and
a rush needs neither a timer nor a script for each of its answers.
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
"""How long the first of several computed days waits for the others, at least."""

PAUSES: Final = 10
"""How many such pauses there are at most, while other days are being computed: concurrent pages are
answered before any of their days is packed.
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
