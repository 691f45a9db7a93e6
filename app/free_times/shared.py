"""The slot cache: free days in Redis, under a stamp for each provider. It may fail, and then says
None; it never lies.

A *stamp* is three random or server-made parts of eight bytes, and the rule sets under which days
stand:

    run         which run of Redis it was made under (see `connection`)
    generation  changes with the provider's rules; a day counts only under the generation that it
                was kept under
    fence       changes with every change of the provider's time or rules

Who fills reads the stamp first and then PostgreSQL; what it found is kept only if the stamp is
still the same, compared and set in one step. So a fill that began before a change cannot be kept
after it, and what was kept before it is removed by it. A stamp that is missing (a restart, an
eviction) vouches for nothing: the next reader begins anew.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.core.changes import RulesChanged, TimeChanged
from app.core.slots import dates_changed
from app.core.zones import DAY_MINUTES, day_number
from app.free_times.batches import (
    Batches,
    reads_of,
    writes_of,
)
from app.free_times.keys import (
    DAY_LIFETIME_MS,
    LEASE_LIFETIME_MS,
    NEW_STAMP_LIFETIME_SECONDS,
    STAMP_LIFETIME_SECONDS,
    day_key,
    lease_key,
    rule_set,
    run_key,
    stamp_key,
)
from app.free_times.local import NearDays
from app.free_times.packing import pack_day, unpack_day
from app.redis_client import BROKEN_REDIS, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.free_days import FreeDay
    from app.core.ids import OrganizationId, ProviderId
    from app.core.rules import Rules
    from app.free_times.batches import Command, Values
    from app.redis_client import RedisClient

_log: Final = logging.getLogger(__name__)

FILLS_AT_ONCE: Final = 50
"""Providers whose days one script keeps: some hundreds of days, in less time than a reader would
notice.
"""

_RUN: Final = slice(8)
_GENERATION: Final = slice(8, 16)
_STAMP: Final = slice(24)

# Each script takes any number of providers: its text travels and its answer is read once for all of
# them.

# KEYS: run, stamps. ARGV: the stamps' lifetime in seconds, a random generation and fence (16 bytes)
# for each stamp.
_BEGIN: Final = """
local run, stamps = redis.call('GET', KEYS[1]), {}
if not run then return false end
for at = 2, #KEYS do
    local stamp = redis.call('GET', KEYS[at])
    if not stamp or string.sub(stamp, 1, 8) ~= run then
        stamp = run .. ARGV[at]
        redis.call('SET', KEYS[at], stamp, 'EX', ARGV[1])
    end
    stamps[at - 1] = stamp
end
return stamps
"""

# KEYS: leases. ARGV: who takes them, their lifetime in milliseconds. Whoever has one may take it
# anew.
_LEASE: Final = """
local ours = {}
for at = 1, #KEYS do
    local owner = redis.call('GET', KEYS[at])
    if owner and owner ~= ARGV[1] then
        ours[at] = 0
    else
        redis.call('SET', KEYS[at], ARGV[1], 'PX', ARGV[2])
        ours[at] = 1
    end
end
return ours
"""

# KEYS: for each provider: stamp, lease, days. ARGV: the stamps' lifetime in seconds, and for each
# provider: who gives the lease up (nobody: empty), the stamp as it was, the rule set, the days'
# lifetime in milliseconds, their number, and they themselves. A provider with more than 64 rule
# sets begins anew: their names are read with every stamp.
_KEEP: Final = """
local function is_known(stamp, rules)
    for at = 25, #stamp, 12 do
        if string.sub(stamp, at, at + 11) == rules then return true end
    end
    return false
end
local function keep(key, arg)
    local stamp = redis.call('GET', KEYS[key])
    if redis.call('GET', KEYS[key + 1]) == ARGV[arg] then redis.call('DEL', KEYS[key + 1]) end
    if not stamp or string.sub(stamp, 1, 24) ~= ARGV[arg + 1] then return 0 end
    if not is_known(stamp, ARGV[arg + 2]) then stamp = stamp .. ARGV[arg + 2] end
    if #stamp > 24 + 12 * 64 then
        redis.call('DEL', KEYS[key])
        return 0
    end
    redis.call('SET', KEYS[key], stamp, 'EX', ARGV[1])
    for day = 1, tonumber(ARGV[arg + 4]) do
        redis.call('SET', KEYS[key + 1 + day], ARGV[arg + 4 + day], 'PX', ARGV[arg + 3])
    end
    return 1
end
local kept, key, arg = {}, 1, 2
while key < #KEYS do
    kept[#kept + 1] = keep(key, arg)
    key, arg = key + 2 + tonumber(ARGV[arg + 4]), arg + 5 + tonumber(ARGV[arg + 4])
end
return kept
"""

# KEYS: stamp. ARGV: a random fence, the stamp's lifetime in seconds, numbers of dates.
_FORGET_DATES: Final = """
local stamp = redis.call('GET', KEYS[1])
if not stamp then return 0 end
for at = 25, #stamp, 12 do
    local prefix = KEYS[1] .. ':' .. string.sub(stamp, at, at + 11) .. ':'
    for date = 3, #ARGV do redis.call('DEL', prefix .. ARGV[date]) end
end
local changed = string.sub(stamp, 1, 16) .. ARGV[1] .. string.sub(stamp, 25)
redis.call('SET', KEYS[1], changed, 'EX', ARGV[2])
return 1
"""

# KEYS: leases. ARGV: who gives them up.
_RELEASE: Final = """
for at = 1, #KEYS do
    if redis.call('GET', KEYS[at]) == ARGV[1] then redis.call('DEL', KEYS[at]) end
end
"""


class Stamp(bytes):
    """What a read saw of a provider before it looked anywhere else."""

    __slots__ = ()

    @property
    def generation(self) -> bytes:
        """What rules and days of this provider have to have been kept under."""
        return self[_GENERATION]


class Question:
    """Days of one provider under some rules, on dates that follow each other; without rules, the
    stamp alone.
    """

    __slots__ = (
        "dates",
        "is_leased",
        "organization_id",
        "provider_id",
        "rule_set",
        "rules",
        "stamp_key",
    )

    def __init__(
        self,
        organization_id: OrganizationId,
        provider_id: ProviderId,
        rules: Rules | None = None,
        dates: Sequence[date] = (),
    ) -> None:
        self.organization_id = organization_id
        self.provider_id = provider_id
        self.rules = rules
        self.dates = dates
        self.stamp_key = stamp_key(organization_id, provider_id)
        """The key of the provider's stamp."""
        self.rule_set = "" if rules is None else rule_set(rules)
        """The name of the rules; none without."""
        self.is_leased = False
        """Whether this is computed here under its lease."""

    @property
    def lease_key(self) -> str:
        """The key of the lease on computing this."""
        return lease_key(self.stamp_key, self.rule_set)

    def day_keys(self, dates: Iterable[date]) -> list[str]:
        """The keys of these dates."""
        prefix = day_key(self.stamp_key, self.rule_set, 0)[:-1]
        return [f"{prefix}{day_number(day)}" for day in dates]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What stood in Redis. `days` are those that count, by their date; `age_seconds` is that of the
    oldest of them.
    """

    stamp: Stamp | None
    days: Mapping[date, FreeDay]
    age_seconds: int = 0


class Fill(NamedTuple):
    """Days that were computed, to be kept under the stamp seen before."""

    question: Question
    stamp: Stamp
    days: Mapping[date, FreeDay]
    read_at: float
    """By `time.monotonic`, before the oldest of their sources was read."""

    @property
    def age_seconds(self) -> float:
        """How old they may be."""
        return monotonic() - self.read_at


@dataclass(slots=True, kw_only=True)
class Counts:
    """What happened in this process since it started."""

    days_hit: int = 0
    days_missed: int = 0
    fills: int = 0
    fills_too_late: int = 0
    """Computed while something changed: not kept."""
    outages: int = 0
    """Redis did not answer, or not in time."""
    invalidations_lost: int = 0
    """Something changed, and Redis could not be told: an old list may live on for a minute."""
    refreshed_early: int = 0
    waited_for_others: int = 0
    refused: int = 0
    """Too much to compute."""


@dataclass(slots=True)
class SlotCache:
    """Free days in Redis, and near. `real_clock` dates what is kept; every node's should tell the
    same time.
    """

    redis: RedisClient
    real_clock: Callable[[], datetime]
    counts: Counts = field(default_factory=Counts)
    _reads: Batches[Sequence[str], Values] = field(init=False)
    _writes: Batches[Sequence[Command], Sequence[Any]] = field(init=False)
    _changes: Batches[Sequence[Command], Sequence[Any]] = field(init=False)
    """On a connection of their own: nobody's answer waits for what somebody else has computed to be
    kept.
    """
    _near: NearDays = field(init=False, default_factory=NearDays)
    _owner: bytes = field(init=False, default_factory=lambda: secrets.token_bytes(8))
    _leases: Counter[str] = field(init=False, default_factory=Counter)
    """How many computations of this process stand under each lease."""

    def __post_init__(self) -> None:
        self._reads = reads_of(self.redis)
        self._writes = writes_of(self.redis)
        self._changes = writes_of(self.redis)

    # ------------------------------------------------------------ reading

    async def look(
        self, questions: Sequence[Question], stamps: Mapping[ProviderId, Stamp] | None = None
    ) -> list[Seen] | None:
        """What stands there, in one MGET, or two where something changed; None where Redis can't be
        asked.

        `stamps` are those of providers that were seen since the caller's question came: with them,
        what is near is answered without any.
        """
        if self.redis.breaker.is_open:
            return None
        now = int(self.real_clock().timestamp())
        near = {
            place: here
            for place, question in enumerate(questions)
            if (here := self._here(question, now))
        }
        sure = {
            place: here
            for place, here in near.items()
            if stamps is not None and stamps.get(questions[place].provider_id) == here.stamp
        }
        try:
            seen = sure | await self._far(
                questions, near, [at for at in range(len(questions)) if at not in sure], now
            )
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return None
        found = [seen[place] for place in range(len(questions))]
        for question, there in zip(questions, found, strict=True):
            self.counts.days_hit += len(there.days)
            self.counts.days_missed += len(question.dates) - len(there.days)
        return found

    async def stamps(
        self, organization_id: OrganizationId, provider_ids: Collection[ProviderId]
    ) -> dict[ProviderId, Stamp] | None:
        """The stamps of those providers that have one; None where Redis can't be asked."""
        seen = await self.look([Question(organization_id, each) for each in provider_ids])
        if seen is None:
            return None
        return {
            each: there.stamp
            for each, there in zip(provider_ids, seen, strict=True)
            if there.stamp is not None
        }

    async def _far(
        self,
        questions: Sequence[Question],
        near: Mapping[int, Seen],
        places: Sequence[int],
        now: int,
    ) -> dict[int, Seen]:
        """What stands in Redis for the questions at these places; of what is near, the
        stamp first.
        """
        if not places:
            return {}
        asked = [(questions[at], () if at in near else questions[at].dates) for at in places]
        seen = dict(zip(places, await self._ask(asked, now), strict=True))
        changed = [at for at in places if at in near and seen[at].stamp != near[at].stamp]
        seen |= {at: near[at] for at in places if at in near}
        if changed:
            asked = [(questions[at], questions[at].dates) for at in changed]
            seen |= zip(changed, await self._ask(asked, now), strict=True)
        return seen

    def _here(self, question: Question, now: int) -> Seen | None:
        """What is near, under the stamp it was seen under; None where some of it is not, or for the
        stamp alone.
        """
        if question.rules is None:
            return None
        found = self._near.find((question.stamp_key, question.rule_set), question.dates, now)
        if found is None:
            return None
        stamp, days, kept_since = found
        return Seen(stamp=Stamp(stamp), days=days, age_seconds=now - kept_since)

    async def _ask(self, asked: Sequence[tuple[Question, Sequence[date]]], now: int) -> list[Seen]:
        """The stamps, and the days of each on these dates."""
        keys = [run_key()]
        for question, dates in asked:
            keys.append(question.stamp_key)
            if dates:
                keys += question.day_keys(dates)
        return self._read(asked, await self._reads.ask(keys), now)

    def _read(
        self, asked: Sequence[tuple[Question, Sequence[date]]], answers: Values, now: int
    ) -> list[Seen]:
        run, at = answers[0], 1
        seen: list[Seen] = []
        for question, dates in asked:
            value = answers[at]
            stamp = Stamp(value[_STAMP]) if value is not None and value[_RUN] == run else None
            packed = answers[at + 1 : at + 1 + len(dates)]
            days: dict[date, FreeDay] = {}
            since: dict[date, int] = {}
            if stamp is not None and packed.count(None) < len(packed):
                generation = stamp.generation
                for day, kept in zip(dates, packed, strict=True):
                    if kept is not None:
                        found = unpack_day(kept)
                        if found.generation == generation:
                            days[day] = found.day
                            since[day] = found.kept_since
                self._came_near(question, stamp, days, since)
            at += 1 + len(dates)
            seen.append(
                Seen(stamp=stamp, days=days, age_seconds=now - min(since.values(), default=now))
            )
        return seen

    def _came_near(
        self,
        question: Question,
        stamp: Stamp,
        days: Mapping[date, FreeDay],
        since: Mapping[date, int],
    ) -> None:
        if days:
            self._near.put((question.stamp_key, question.rule_set), stamp, days, since)

    async def begin(
        self, providers: Sequence[tuple[OrganizationId, ProviderId]]
    ) -> list[Stamp] | None:
        """Each provider's stamp, made where there was none."""
        keys = [run_key(), *(stamp_key(*provider) for provider in providers)]
        anew = [secrets.token_bytes(16) for _ in providers]
        try:
            (found,) = await self._writes.ask(
                [_script(_BEGIN, keys, [NEW_STAMP_LIFETIME_SECONDS, *anew])]
            )
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return None
        # Only a Redis that is emptied under our feet knows no run; connecting again makes it known.
        if not isinstance(found, list):
            await self._forget_connections()
            return None
        return [Stamp(value[_STAMP]) for value in found]

    # ------------------------------------------------------------ filling

    async def lease(self, questions: Sequence[Question]) -> list[bool]:
        """Whether each of these is ours to compute, now or still; all are where Redis can't be
        asked.

        Each is to be kept or released, also where this is cancelled. Within the process it is for
        the caller to see that nobody else computes the same.
        """
        leases = [question.lease_key for question in questions]
        for question in questions:
            question.is_leased = True
        self._leases.update(leases)
        try:
            (ours,) = await self._writes.ask(
                [_script(_LEASE, leases, [self._owner, LEASE_LIFETIME_MS])]
            )
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            for question in questions:
                self._leave(question)
            return [True] * len(questions)
        for question, is_ours in zip(questions, ours, strict=True):
            if not is_ours:
                self._leave(question)
        return [bool(is_ours) for is_ours in ours]

    async def leased(self, questions: Sequence[Question]) -> list[bool]:
        """Whether another process computes each of these; none does where Redis can't be asked."""
        try:
            owners = await self._reads.ask([question.lease_key for question in questions])
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return [False] * len(questions)
        return [owner is not None and owner != self._owner for owner in owners]

    async def release(self, questions: Sequence[Question]) -> None:
        """Give up what we leased and did not compute."""
        leases = [question.lease_key for question in questions if self._leave(question)]
        if not leases:
            return
        try:
            await self._writes.ask([_script(_RELEASE, leases, [self._owner])])
        except BROKEN_REDIS as outage:
            self._went_away(outage)

    def _leave(self, question: Question) -> bool:
        """It is no longer computed here; whether its lease is to be given up, because nothing else
        is under it.
        """
        if not question.is_leased:
            return False
        question.is_leased = False
        self._leases[question.lease_key] -= 1
        if self._leases[question.lease_key]:
            return False
        del self._leases[question.lease_key]
        return True

    def keep_near(self, fills: Sequence[Fill]) -> None:
        """Believe what was computed, as long as the stamp is the same that was seen before."""
        now = self.real_clock().timestamp()
        for fill in fills:
            since = dict.fromkeys(fill.days, int(now - fill.age_seconds))
            self._came_near(fill.question, fill.stamp, fill.days, since)

    async def keep(self, fills: Sequence[Fill]) -> None:
        """Keep what was computed, unless something changed since its stamp was seen; gives up the
        leases too.
        """
        # It lives as much shorter as its sources are old, so that nothing is believed for over a
        # minute.
        worth: list[tuple[Fill, float]] = []
        too_old: list[Question] = []
        for fill in fills:
            age = fill.age_seconds
            if age * 1000 < DAY_LIFETIME_MS:
                worth.append((fill, age))
            else:
                too_old.append(fill.question)
        await self.release(too_old)
        for at in range(0, len(worth), FILLS_AT_ONCE):
            await self._keep(worth[at : at + FILLS_AT_ONCE])

    async def _keep(self, fills: Sequence[tuple[Fill, float]]) -> None:
        """With the age of each."""
        now = self.real_clock().timestamp()
        keys: list[str] = []
        arguments: list[bytes | str | int] = [STAMP_LIFETIME_SECONDS]
        for (question, stamp, days, _), age in fills:
            generation, since = stamp.generation, int(now - age)
            packed = [
                pack_day(day, generation=generation, kept_since=since) for day in days.values()
            ]
            keys += (question.stamp_key, question.lease_key, *question.day_keys(days))
            lifetime = DAY_LIFETIME_MS - int(age * 1000)
            owner = self._owner if self._leave(question) else b""
            arguments += (owner, stamp, question.rule_set, lifetime, len(packed), *packed)
        try:
            (kept,) = await self._writes.ask([_script(_KEEP, keys, arguments)])
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return
        self.counts.fills += kept.count(1)
        self.counts.fills_too_late += kept.count(0)

    # ------------------------------------------------------------ forgetting

    async def forget(self, changes: Sequence[TimeChanged | RulesChanged]) -> None:
        """Remove what these changes make untrue. Counted, not raised, where Redis can't be told."""
        for attempt in (1, 2):
            try:
                await self._forget(changes)
            except BROKEN_REDIS as outage:
                if attempt == 1:
                    continue
                self.counts.outages += 1
                self.counts.invalidations_lost += 1
                _log.warning("an invalidation of free times was lost: %s", describe(outage))
            return

    async def _forget(self, changes: Sequence[TimeChanged | RulesChanged]) -> None:
        commands: list[Command] = []
        for change in changes:
            match change:
                case TimeChanged():
                    # What the largest duration and buffers that there may be can reach.
                    dates = dates_changed(
                        change.time_zone,
                        (change.claimed_from, change.claimed_until),
                        before_minutes=DAY_MINUTES,
                        duration_minutes=DAY_MINUTES,
                        after_minutes=DAY_MINUTES,
                    )
                    stamp = stamp_key(change.organization_id, change.provider_id)
                    arguments: list[bytes | str | int] = [
                        secrets.token_bytes(8),
                        STAMP_LIFETIME_SECONDS,
                        *map(day_number, dates),
                    ]
                    commands.append(_script(_FORGET_DATES, [stamp], arguments))
                case RulesChanged():
                    # Without a stamp nothing counts; the next one is a random other.
                    commands += (
                        ("DEL", stamp_key(change.organization_id, provider_id))
                        for provider_id in change.provider_ids
                    )
        if commands:
            await self._changes.ask(commands)

    async def close(self) -> None:
        """Give the connections back, when nobody asks any more."""
        for batches in (self._reads, self._writes, self._changes):
            with suppress(*BROKEN_REDIS):
                await batches.close()

    # ------------------------------------------------------------ outages

    def _went_away(self, outage: Exception) -> None:
        self.counts.outages += 1
        self.redis.breaker.trip(outage)

    async def _forget_connections(self) -> None:
        await self.redis.connection_pool.disconnect(inuse_connections=False)


def _script(text: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> Command:
    """Sent with its text every time: Redis remembers what it compiled, and a restarted one needs no
    other way.
    """
    return ("EVAL", text, len(keys), *keys, *arguments)
