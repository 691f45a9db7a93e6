"""The live feed's polling intervals, its bounds and its counters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Intervals, in seconds of the machine; and bounds."""

    compare_seconds: float = 12.0
    """Watched free times are read again at this interval, with or without an event: a lost message
    is repaired well within 30 s, including the reading and a failed one.
    """
    sweep_seconds: float = 3.0
    """The history of appointments and the log of events are read at this interval for changes whose
    message was lost: that is repaired within 5 s, including the reading and the event.
    """
    glance_seconds: float = 1.0
    """The program's clock is read at least this often, to notice that the machine slept or that its
    clock was set.
    """
    retry_seconds: float = 0.25
    """Before PostgreSQL or Redis is retried; doubled each time."""
    longest_retry_seconds: float = 3.0
    ping_seconds: float = 5.0
    """A silent Redis is pinged at this interval; after three times as long without an answer, the
    connection is given up.
    """
    most_days: int = 200_000
    """Provider-days watched in one process, some 2 kB each with half-hour slots."""
    most_subscribers: int = 20_000
    """In one process."""
    most_pending: int = 1_000
    """Pending changes of one subscriber; beyond that, only the newest of each appointment is kept.
    """

    def retry_after(self, failures: int) -> float:
        """Seconds to wait after one more failure than this number."""
        return min(self.retry_seconds * 2.0 ** min(failures, 10), self.longest_retry_seconds)


@dataclass(slots=True, kw_only=True)
class Counts:
    """What happened in this process since it started."""

    readings: int = 0
    """Of PostgreSQL, each for everything that was stale then."""
    repaired: int = 0
    """Topics and appointments that had changed without an event: it was lost, or is late."""
    unpublished: int = 0
    """Commits that could not be published to Redis."""
    disconnections: int = 0
    """Times that the connection to Redis failed or was lost."""
