"""How often the live feed looks by itself, what it holds at most, and what it has seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Intervals, in seconds of the machine; and bounds."""

    compare_seconds: float = 12.0
    """What is watched is read again so often, said to have changed or not: with the reading, and
    one that failed, a lost message is repaired well within 30 s.
    """
    sweep_seconds: float = 3.0
    """The history of appointments is read so often for changes that were never heard: with the
    reading and the event, a lost message is repaired within 5 s.
    """
    glance_seconds: float = 1.0
    """The program's clock is looked at so often at least: a machine that slept, or whose clock was
    set, is noticed.
    """
    retry_seconds: float = 0.25
    """Before PostgreSQL or Redis is tried again; doubled each time."""
    longest_retry_seconds: float = 3.0
    ping_seconds: float = 5.0
    """A silent Redis is asked so often whether it is there, and given up when it is silent for
    thrice as long.
    """
    most_days: int = 200_000
    """Provider-days watched in one process, some 2 kB each with half-hour slots."""
    most_subscribers: int = 20_000
    """In one process."""
    most_pending: int = 1_000
    """Changes of appointments that one subscriber may have before it; then only the newest of each
    is kept.
    """

    def retry_after(self, failures: int) -> float:
        """Seconds to wait after one more failure than these."""
        return min(self.retry_seconds * 2.0 ** min(failures, 10), self.longest_retry_seconds)


@dataclass(slots=True, kw_only=True)
class Counts:
    """What happened in this process since it started."""

    readings: int = 0
    """Of PostgreSQL, each for all that was doubted then."""
    repaired: int = 0
    """Topics and appointments that had changed without a word: the message was lost, or is late."""
    untold: int = 0
    """Commits that Redis could not be told of."""
    disconnections: int = 0
    """Redis could not be heard, or no longer."""
