"""The test clock of development: the real one plus a lead that the database holds, the same for the
API and the worker.

Every operation and every job reads the lead before it begins, so that nothing in any process uses
the old time after `advanceClock` has answered. Tokens and leases use the real clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app.store.clock import advance_clock, clock_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.store.pool import Pool


class TestClock:
    """A `Clock` that runs on from the instant it was set to. `wake_all` makes every job check the
    new time.
    """

    __test__ = False  # its name begins like a test's
    __slots__ = ("_ahead", "_pool", "_real_clock", "wake_all")

    def __init__(
        self, pool: Pool, real_clock: Callable[[], datetime], wake_all: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._real_clock = real_clock
        self._ahead = timedelta()
        self.wake_all = wake_all

    def __call__(self) -> datetime:
        return self._real_clock() + self._ahead

    async def follow(self) -> None:
        """Read the current lead."""
        self._ahead = await clock_ahead(self._pool)

    async def advance(self, by: timedelta) -> datetime:
        """Move the clock of every process forward. Returns its new instant."""
        self._ahead = await advance_clock(self._pool, by)
        self.wake_all()
        return self()
