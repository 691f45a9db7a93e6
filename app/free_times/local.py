"""Near days: free days that this process has seen in Redis or computed, each believed only under
the very stamp that was seen then.

The stamp changes with every change of the provider's time or rules, so whoever has just read the
stamp need not read the days again. Where the stamp is another, nothing here counts.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from app.free_times.keys import DAY_LIFETIME_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from app.core.free_days import FreeDay

MOST_NEAR_DAYS: Final = 20_000
"""Kept at once, about 1 kB each."""

LIFETIME_SECONDS: Final = DAY_LIFETIME_MS // 1000
"""Counted from when a day was kept in Redis: it does not live longer here than there."""


class _Near(NamedTuple):
    stamp: bytes
    days: Mapping[date, FreeDay]
    since: Mapping[date, int]
    """The second since when each of them has been kept."""


class NearDays:
    """By a provider's stamp key and rule set. Times are seconds since 1970 by the real clock."""

    __slots__ = ("_count", "_near")

    def __init__(self) -> None:
        self._near: OrderedDict[tuple[str, str], _Near] = OrderedDict()
        self._count = 0

    def find(
        self, key: tuple[str, str], dates: Sequence[date], now: int
    ) -> tuple[bytes, dict[date, FreeDay], int] | None:
        """The stamp, the days and since when the oldest has been kept; None where one of these
        dates is not here.
        """
        near = self._near.get(key)
        if near is None:
            return None
        days: dict[date, FreeDay] = {}
        oldest = now
        for day in dates:
            since = near.since.get(day)
            if since is None or now - since >= LIFETIME_SECONDS:
                return None
            days[day] = near.days[day]
            oldest = min(oldest, since)
        self._near.move_to_end(key)
        return near.stamp, days, oldest

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
        near = self._near.get(key)
        self._drop(key)
        if near is not None and near.stamp == stamp:
            days, since = {**near.days, **days}, {**near.since, **since}
        self._near[key] = _Near(stamp, days, since)
        self._count += len(days)
        while self._count > MOST_NEAR_DAYS:
            self._drop(next(iter(self._near)))

    def _drop(self, key: tuple[str, str]) -> None:
        near = self._near.pop(key, None)
        if near is not None:
            self._count -= len(near.days)
