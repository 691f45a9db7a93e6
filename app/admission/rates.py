"""The rate limit: how much callers have spent. Its rule: no request waits for Redis.

A caller's spending is a debt that time repays: spending a minute's budget makes a debt of a minute,
and a caller who owes that much waits until they owe less. Each process adds to the debts that it
knows. Several times a second, it reports its callers' spending to Redis and reads that of all
processes. So a caller who uses many processes at once may overdraw by what they spend in that
fraction of a second. Without Redis, each process limits by its own counts.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.redis_client import BROKEN_REDIS, script, tag_of
from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.redis_client import RedisClient
    from app.redis_cluster import ClusterClient

PERIOD_SECONDS: Final = 60.0
"""The period of a budget: a spent one is repaid after this time."""

MOST_DEBT_SECONDS: Final = 2 * PERIOD_SECONDS
"""The largest debt: one costly answer makes a caller wait for a minute at most."""

REPORT_SECONDS: Final = 0.2
"""Between two reports to Redis: how far the processes' counts lag behind each other."""

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of debts that one process knows: some 100,000 callers. Those evicted are still in Redis."""
_DEBT_BYTES: Final = 120
"""A key of `debt_key`, and a number."""

_LEAST_WAIT_SECONDS: Final = 0.001
_MOST_KEYS: Final = 1_000
"""Of one report."""

# KEYS: callers of one hash tag. ARGV: the largest debt in milliseconds, then what each spent, in
# milliseconds of debt. Answers what each owes now. The time is Redis's own, so that processes whose
# clocks differ agree.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owed = {}
for index, key in ipairs(KEYS) do
    local repaid = math.max(tonumber(redis.call('GET', key) or '0'), now)
    repaid = math.min(repaid + tonumber(ARGV[index + 1]), now + tonumber(ARGV[1]))
    owed[index] = repaid - now
    if repaid > now then
        redis.call('SET', key, string.format('%d', repaid), 'PX', string.format('%d', repaid - now))
    end
end
return owed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one caller may spend in `PERIOD_SECONDS`."""

    name: str
    points: int


def debt_key(rate: Rate, caller: str) -> str:
    """When a caller's debt is repaid, in milliseconds since 1970; lives as long as the debt. Every
    process adds to it.

    Hashed, to keep callers' names and addresses private. Callers share 16 hash tags, so that a
    report is a few calls and not one for each caller.
    """
    digest = hashlib.blake2b(caller.encode(errors="surrogatepass"), digest_size=12).hexdigest()
    return f"slotwright:rate:2:{{rate-{digest[0]}}}:{rate.name}:{digest}"


class Rates:
    """The debts that this process knows. `seconds` is a monotonic clock."""

    def __init__(
        self, redis: RedisClient | ClusterClient, *, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._redis = redis
        self._seconds = seconds
        # when each debt is repaid, by our time
        self._repaid: WeightedCache[str, float] = WeightedCache(
            "debts",
            most_bytes=MOST_BYTES,
            weigh=lambda _key, _repaid: _DEBT_BYTES,
            is_over=lambda repaid: repaid <= self._seconds(),
        )
        self._unreported: dict[str, float] = {}
        self._reporting: asyncio.Task[None] | None = None

    def wait(self, rate: Rate, caller: str) -> float:
        """Seconds until this caller may spend; 0 where they may now."""
        owed = self._repaid.get(debt_key(rate, caller), 0.0) - self._seconds()
        return 0.0 if owed < PERIOD_SECONDS else max(owed - PERIOD_SECONDS, _LEAST_WAIT_SECONDS)

    def spend(self, rate: Rate, caller: str, points: int) -> None:
        """Add to the caller's debt. Call `wait` first, which tells whether they may spend."""
        key = debt_key(rate, caller)
        debt = points / rate.points * PERIOD_SECONDS
        self._owe(key, debt)
        self._unreported[key] = self._unreported.get(key, 0.0) + debt
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report_in_a_while())

    async def close(self) -> None:
        """Report the spending that was not reported yet."""
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
        await self.report()

    async def report(self) -> None:
        """Report this process's spending to Redis, and read that of all processes."""
        unreported, self._unreported = self._unreported, {}
        if not unreported or self._redis.breaker.is_open:
            return
        spent = list(unreported.items())
        try:
            for start in range(0, len(spent), _MOST_KEYS):
                await self._send(dict(spent[start : start + _MOST_KEYS]))
        except BROKEN_REDIS as failure:
            self._redis.breaker.trip(failure)

    async def _send(self, spent: dict[str, float]) -> None:
        groups: dict[str, list[str]] = {}
        for key in spent:
            groups.setdefault(tag_of(key), []).append(key)
        most = round(MOST_DEBT_SECONDS * 1000)
        answers = await self._redis.ask(
            [
                script(_SCRIPT, keys, [most, *(round(spent[key] * 1000) for key in keys)])
                for keys in groups.values()
            ]
        )
        now = self._seconds()
        for keys, owed in zip(groups.values(), answers, strict=True):
            for key, debt in zip(keys, owed, strict=True):
                # Spending during the call to Redis is added on top.
                self._repaid.put(key, now + debt / 1000 + self._unreported.get(key, 0.0))

    def _owe(self, key: str, debt: float) -> None:
        now = self._seconds()
        repaid = max(self._repaid.get(key, now), now) + debt
        self._repaid.put(key, min(repaid, now + MOST_DEBT_SECONDS))

    async def _report_in_a_while(self) -> None:
        """Runs until nothing is left to report; the next spending starts it again."""
        try:
            while self._unreported:
                await asyncio.sleep(REPORT_SECONDS)
                await self.report()
        finally:
            self._reporting = None
