"""Load shedding: once a process has had too many queries under way for too long, it refuses those
that it would have to execute, before it does.

The gate bounds what is computed, but its refusals are answers, too: each takes half as long as a
computation. A process that is asked for more than it can refuse in that way falls behind, and each
request waits longer than the one before it. To shed a query takes a third of that.

A crowd that comes at once, as when bookings open, is served: only one that lasts is shed. Answers
that are known are given to everybody, and mutations are never shed.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.telemetry.metrics import QUERIES_SHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CROWD: Final = 256
"""Queries under way at once that are too many. A process answers some thousand in a second, so
these are a quarter of a second's.
"""

PATIENCE_SECONDS: Final = 1.0
"""How long a crowd is served before queries are shed."""

CALM_SECONDS: Final = 5.0
"""After this time without a crowd, the next one is served for `PATIENCE_SECONDS` again."""

RETRY_AFTER_SECONDS: Final = 2
"""How long a refused caller should wait."""

_log: Final = logging.getLogger(__name__)


class Shedding:
    """The queries under way in one process. `seconds` is a monotonic clock."""

    __slots__ = ("_crowded_at", "_crowded_since", "_is_shedding", "_seconds", "under_way")

    def __init__(self, *, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self.under_way = 0
        """How many queries are."""
        self._crowded_since = self._crowded_at = float("-inf")
        self._is_shedding = False

    @contextmanager
    def query(self) -> Iterator[None]:
        """A query is under way until the block ends."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def sheds(self) -> bool:
        """Whether to refuse one more query, which is then counted as shed."""
        if self.under_way < CROWD:
            return False
        now = self._seconds()
        if now - self._crowded_at > CALM_SECONDS:
            self._crowded_since = now
            self._is_shedding = False
        self._crowded_at = now
        if now - self._crowded_since <= PATIENCE_SECONDS:
            return False
        if not self._is_shedding:
            self._is_shedding = True
            _log.warning("too many queries: shedding some until there are fewer")
        QUERIES_SHED.inc()
        return True
