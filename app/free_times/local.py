"""Local days: free days that this process has read from Redis or computed, each believed only under
the very stamp that was seen then. A reader who has just seen the same stamp need not read the days.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from app.free_times.keys import DAY_LIFETIME_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from app.core.free_days import FreeDay

MOST_LOCAL_DAYS: Final = 20_000
"""Kept at once, about 1 kB each."""

LIFETIME_SECONDS: Final = DAY_LIFETIME_MS // 1000
"""Counted from when a day was kept in Redis: it does not live longer here than there."""


class _Local(NamedTuple):
    stamp: bytes
    days: Mapping[date, FreeDay]
    since: Mapping[date, int]
    """The second since when each of them has been kept."""


class LocalFound(NamedTuple):
    """All days that were asked for, under their stamp. `kept_since` is that of the oldest."""

    stamp: bytes
    days: Mapping[date, FreeDay]
    kept_since: int


class LocalDays:
    """By a provider's stamp key and shape. Times are seconds since 1970 by the real clock."""

    __slots__ = ("_count", "_local")

    def __init__(self) -> None:
        self._local: OrderedDict[tuple[str, str], _Local] = OrderedDict()
        self._count = 0

    def find(self, key: tuple[str, str], dates: Sequence[date], now: int) -> LocalFound | None:
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
        self._local.move_to_end(key)
        return LocalFound(local.stamp, days, oldest)

    def put(
        self,
        key: tuple[str, str],
        stamp: bytes,
        days: Mapping[date, FreeDay],
        since: Mapping[date, int],
    ) -> None:
        """Beside what is here under the same stamp, in place of what is here under another. Each
        day has its second.
        """
        local = self._local.get(key)
        self._drop(key)
        if local is not None and local.stamp == stamp:
            days, since = {**local.days, **days}, {**local.since, **since}
        self._local[key] = _Local(stamp, days, since)
        self._count += len(days)
        while self._count > MOST_LOCAL_DAYS:
            self._drop(next(iter(self._local)))

    def _drop(self, key: tuple[str, str]) -> None:
        local = self._local.pop(key, None)
        if local is not None:
            self._count -= len(local.days)
