"""Local days: free days that this process has read from Redis or computed, each believed only under
the very stamp that was seen then. A reader who has just seen the same stamp need not read the days.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.free_times.keys import DAY_LIFETIME_MS
from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from app.core.free_days import FreeDay

MOST_BYTES: Final = 32 * 1024 * 1024
"""Some 30,000 days with ten bookings each."""

LIFETIME_SECONDS: Final = DAY_LIFETIME_MS // 1000
"""Counted from when a day was kept in Redis: it does not live longer here than there."""

Key: TypeAlias = "tuple[str, str]"
"""a stamp key, and the name of a part."""


class _Local:
    """What is here under a stamp. `weight` is that of the days in bytes, and `oldest` the first
    second of `since`, at most: both would take as long to count as the days take to compute.
    """

    __slots__ = ("days", "oldest", "since", "stamp", "until", "weight")

    def __init__(self, stamp: bytes) -> None:
        self.stamp = stamp
        self.weight = 0
        self.days: dict[date, FreeDay] = {}
        self.since: dict[date, int] = {}
        """The second since when each of them has been kept."""
        self.oldest = 0
        self.until = 0.0
        """By `time.monotonic`: from then on, none of them counts."""

    def add(self, days: Mapping[date, FreeDay], since: Mapping[date, int]) -> None:
        """Add days to those that are here, in place of earlier ones of the same dates."""
        self.weight += _weigh_days(days.values())
        if self.days:
            self.weight -= _weigh_days([self.days[day] for day in days if day in self.days])
        oldest = min(since.values())
        self.oldest = min(self.oldest, oldest) if self.since else oldest
        self.days.update(days)
        self.since.update(since)

    def drop_until(self, over: int) -> None:
        """Drop the days that have been kept since that second or longer."""
        for day in [day for day, kept in self.since.items() if kept <= over]:
            del self.since[day]
            self.weight -= _weigh_days((self.days.pop(day),))
        self.oldest = min(self.since.values(), default=over)


class LocalFound(NamedTuple):
    """All days that were asked for, under their stamp. `kept_since` is that of the oldest."""

    stamp: bytes
    days: Mapping[date, FreeDay]
    kept_since: int


class LocalDays:
    """Free days by provider and shape. Times are seconds since 1970 by the real clock."""

    __slots__ = ("_local",)

    def __init__(self) -> None:
        self._local: WeightedCache[Key, _Local] = WeightedCache(
            "free days",
            most_bytes=MOST_BYTES,
            weigh=_weigh,
            is_over=lambda local: monotonic() >= local.until,
        )

    def find(self, key: Key, dates: Sequence[date], now: int) -> LocalFound | None:
        """None where one of these dates is not here."""
        local = self._local.get(key)
        if local is None:
            return None
        days: dict[date, FreeDay] = {}
        oldest = now
        for day in dates:
            since = local.since.get(day)
            if since is None or now - since >= LIFETIME_SECONDS:
                return None
            days[day] = local.days[day]
            oldest = min(oldest, since)
        return LocalFound(local.stamp, days, oldest)

    def put(
        self, key: Key, stamp: bytes, days: Mapping[date, FreeDay], since: Mapping[date, int]
    ) -> None:
        """Add these days to those that are here under the same stamp. Those under another stamp go,
        and those that no longer count: else a provider would come to keep every date that anybody
        ever asked for.
        """
        if not days:
            return
        local = self._local.get(key)
        over = max(since.values()) - LIFETIME_SECONDS
        if local is None or local.stamp != stamp:
            local = _Local(stamp)
        elif local.oldest <= over:
            local.drop_until(over)
        local.add(days, since)
        local.until = monotonic() + LIFETIME_SECONDS
        self._local.put(key, local)


def _weigh(key: Key, local: _Local) -> int:
    return 600 + sum(map(len, key)) + local.weight


def _weigh_days(days: Iterable[FreeDay]) -> int:
    weights = [42 * len(stretches) + 180 * len(held) for stretches, held in days]
    return 300 * len(weights) + sum(weights)
