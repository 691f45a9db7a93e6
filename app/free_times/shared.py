"""Free days in Redis, shared by all processes, and the local ones in front of them. Every method
survives a broken Redis: reading then answers None, keeping does nothing, and both are counted.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from redis.exceptions import ResponseError, TryAgainError

from app.core.changes import AppointmentChanged, PracticeChanged, RulesChanged, TimeChanged
from app.core.zones import day_number
from app.free_times.batches import ask_one_run, writes_of
from app.free_times.keys import (
    DAY_LIFETIME_MS,
    NEW_STAMP_LIFETIME_SECONDS,
    STAMP_LIFETIME_SECONDS,
    day_key,
    stamp_key,
)
from app.free_times.local import LIFETIME_SECONDS, LocalDays
from app.free_times.packing import pack_day, unpack_day
from app.free_times.routing import Routed
from app.redis_announcer import Announcement, Announcer, announcer_on
from app.redis_batches import OwnConnection, RedisBatches
from app.redis_client import BROKEN_REDIS, describe, script, tag_of
from app.redis_cluster import ClusterClient, RestingError, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from app.core.changes import Change
    from app.core.free_days import FreeDay
    from app.core.ids import OrganizationId, OwnerId
    from app.redis_client import Command, RedisClient

_log: Final = logging.getLogger(__name__)

DAYS_AT_ONCE: Final = 500
"""Days that one script keeps, at most, but for those of one provider: in less time than a reader
would notice.
"""

Owner = TypeVar("Owner", bound="OwnerId")

LOOKS: Final = 4
"""How often one look asks Redis at most: in between, a stamp may be changed or removed."""

_PART: Final = 8
_RUN: Final = slice(_PART)
_RULES: Final = slice(_PART, 2 * _PART)

# KEYS: for each provider of one organization, its stamp and its days. ARGV: the stamps' lifetime in
# seconds; then for each provider, the stamp as it was seen, the days' lifetime in milliseconds, how
# many days, and the days. Comparing and setting in one step is what keeps a fill from outliving a
# change that it did not see.
_KEEP: Final = """
local function keep(key, arg, days)
    if redis.call('GET', KEYS[key]) ~= ARGV[arg] then return 0 end
    redis.call('EXPIRE', KEYS[key], ARGV[1])
    for at = 1, days do
        redis.call('SET', KEYS[key + at], ARGV[arg + 2 + at], 'PX', ARGV[arg + 1])
    end
    return 1
end
local kept, key, arg = {}, 1, 2
while key <= #KEYS do
    local days = tonumber(ARGV[arg + 2])
    kept[#kept + 1] = keep(key, arg, days)
    key, arg = key + 1 + days, arg + 3 + days
end
return kept
"""

# KEYS: stamps of one organization. ARGV: the run, their lifetime in seconds, random parts for each.
_MAKE: Final = """
for at, key in ipairs(KEYS) do
    local stamp = redis.call('GET', key)
    if not stamp or string.sub(stamp, 1, 8) ~= ARGV[1] then
        redis.call('SET', key, ARGV[1] .. ARGV[at + 2], 'EX', ARGV[2])
    end
end
"""

# KEYS: the stamp. ARGV: random bytes, the stamp's lifetime in seconds. The time part follows from
# these and the last one: a script that runs twice, because the connection broke before the answer,
# must not bring back what counted in between.
_CHANGE_TIME: Final = """
local stamp = redis.call('GET', KEYS[1])
if not stamp then return 0 end
local function byte(hex) return string.char(tonumber(hex, 16)) end
local time = string.gsub(string.sub(redis.sha1hex(stamp .. ARGV[1]), 1, 16), '%x%x', byte)
redis.call('SET', KEYS[1], string.sub(stamp, 1, 16) .. time, 'EX', ARGV[2])
return 1
"""


class Stamp(bytes):
    """The stamp of a subject or service, as it was seen before anything else was read: run, rules,
    time.
    """

    __slots__ = ()

    @property
    def rules(self) -> bytes:
        """The part that changes with the rules, under which a calendar counts."""
        return self[_RULES]


class SeenStamps(NamedTuple):
    """Stamps of one organization as they were seen, ready to be compared again."""

    keys: Sequence[str]
    values: list[bytes]
    run: bytes
    """The run that all of them were made under."""

    @classmethod
    def of(cls, organization_id: OrganizationId, stamps: Mapping[Any, Stamp]) -> SeenStamps | None:
        """None where they were not made under the same run: they can't count together."""
        values = [bytes(each) for each in stamps.values()]
        runs = {each[_RUN] for each in values}
        if len(runs) != 1:
            return None
        keys = tuple(stamp_key(organization_id, each) for each in stamps)
        return cls(keys, values, runs.pop())

    @property
    def size_bytes(self) -> int:
        """What they keep alive."""
        return 250 * len(self.keys)


class Question:
    """Days of one owner on dates that follow each other, by the name of their part
    (`sources.Part`); without a name, the stamp alone.
    """

    __slots__ = ("dates", "name", "owner", "stamp_key")

    def __init__(
        self,
        organization_id: OrganizationId,
        owner: OwnerId,
        name: str = "",
        dates: Sequence[date] = (),
    ) -> None:
        self.owner = owner
        self.dates = dates
        self.name = name
        self.stamp_key = stamp_key(organization_id, owner)

    def day_keys(self, dates: Iterable[date]) -> list[str]:
        """The keys of these dates."""
        prefix = day_key(self.stamp_key, self.name, 0)[:-1]
        return [f"{prefix}{number}" for number in map(day_number, dates)]


class Seen(NamedTuple):
    """The stamp, and the days that count under it; `age_seconds` is that of the oldest of them."""

    stamp: Stamp
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


class _Look(NamedTuple):
    """What one caller asks of Redis, all of one organization: the stamps to be made where there is
    none that counts, and then the keys to be read.
    """

    tag: str
    make: Collection[str]
    keys: Sequence[str]


class _Looked(NamedTuple):
    run: bytes
    values: list[bytes | None]


_Looks: TypeAlias = "RedisBatches[_Look, _Looked] | Routed[_Look, _Looked]"
_Writes: TypeAlias = (
    "RedisBatches[Sequence[Command], Sequence[Any]] | Routed[Sequence[Command], Sequence[Any]]"
)


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
    invalidations_late: int = 0
    """Something changed, and Redis could not be told at once: until it is, other processes may show
    an old list.
    """
    invalidations_lost: int = 0
    """Subjects and services of which Redis could not be told in a minute, or of too many at once,
    or before the process ended: an old list may have been shown for a minute.
    """
    refused: int = 0
    """Too much to compute."""


@dataclass(slots=True)
class SharedDays:
    """Free days in Redis. `real_clock` dates what is kept; every node's should show the same time.

    Reads, fills and invalidations have a connection each, so no reader waits for what somebody
    else's computation stores.
    """

    redis: RedisClient | ClusterClient
    real_clock: Callable[[], datetime]
    counts: Counts = field(default_factory=Counts)
    _reads: _Looks = field(init=False)
    _fills: _Writes = field(init=False)
    announcer: Announcer = field(init=False)
    """Of invalidations; on a plain Redis, of anything."""
    _local: LocalDays = field(init=False, default_factory=LocalDays)

    def __post_init__(self) -> None:
        redis = self.redis
        if isinstance(redis, ClusterClient):
            self._reads = Routed(redis, _looks_of, lambda look: look.keys[0])
            self._fills = Routed(redis, writes_of, _key_of)
            self.announcer = _announcer_in(redis)
        else:
            self._reads = _looks_of(redis)
            self._fills = writes_of(redis)
            self.announcer = announcer_on(redis)

    # ------------------------------------------------------------ reading

    async def look(
        self, questions: Sequence[Question], stamps: Mapping[Any, Stamp] | None = None
    ) -> list[Seen] | None:
        """The stamp and the days that count, for each question, all of one organization. One round
        trip; two where a stamp has to be made for days, or local days no longer count. None where
        Redis can't be asked.

        `stamps` were seen since the caller's question came: local days under them, and questions
        for a stamp alone, are answered without any.
        """
        if self.redis.breaker.is_open:
            return None
        now = int(self.real_clock().timestamp())
        seen: dict[int, Seen] = {}
        local: dict[int, Seen] = {}
        for at, question in enumerate(questions):
            stamp = stamps.get(question.owner) if stamps else None
            here = None
            if question.name:
                here = self._local.find((question.stamp_key, question.name), question.dates, now)
            if here is not None:
                local[at] = Seen(Stamp(here.stamp), here.days, now - here.kept_since)
                if here.stamp == stamp:
                    seen[at] = local[at]
            elif stamp is not None and not question.name:
                seen[at] = Seen(stamp, {})
        try:
            if len(seen) < len(questions):
                await self._look(questions, local, seen, now)
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return None
        found = [
            self._computed_meanwhile(question, seen[at], now)
            for at, question in enumerate(questions)
        ]
        self.counts.days_hit += sum(len(each.days) for each in found)
        self.counts.days_missed += sum(
            len(question.dates) - len(each.days)
            for question, each in zip(questions, found, strict=True)
        )
        return found

    def _computed_meanwhile(self, question: Question, seen: Seen, now: int) -> Seen:
        """With the days that this process computed under the stamp while Redis was asked."""
        if not question.name or len(seen.days) == len(question.dates):
            return seen
        here = self._local.find((question.stamp_key, question.name), question.dates, now)
        if here is None or here.stamp != seen.stamp:
            return seen
        return Seen(seen.stamp, here.days, now - here.kept_since)

    async def stamp_of(self, organization_id: OrganizationId) -> Stamp | None:
        """The organization's own stamp, made where it has none; None without Redis."""
        seen = await self.look([Question(organization_id, organization_id)])
        return None if seen is None else seen[0].stamp

    async def stamps(
        self, organization_id: OrganizationId, owners: Collection[Owner]
    ) -> dict[Owner, Stamp]:
        """The stamps of those that have one; none where Redis can't be asked."""
        if self.redis.breaker.is_open or not owners:
            return {}
        keys = [stamp_key(organization_id, each) for each in owners]
        try:
            run, values = await self._reads.ask(_Look(tag_of(keys[0]), (), keys))
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return {}
        return {
            each: Stamp(value)
            for each, value in zip(owners, values, strict=True)
            if value is not None and value[_RUN] == run
        }

    async def still_count(self, seen: SeenStamps) -> bool:
        """Whether all of them are the same now; False where Redis can't be asked."""
        if self.redis.breaker.is_open:
            return False
        try:
            run, values = await self._reads.ask(_Look(tag_of(seen.keys[0]), (), seen.keys))
        except BROKEN_REDIS as outage:
            self._went_away(outage)
            return False
        return run == seen.run and values == seen.values

    async def _look(
        self,
        questions: Sequence[Question],
        local: Mapping[int, Seen],
        seen: dict[int, Seen],
        now: int,
    ) -> None:
        """Add to `seen` what is missing there. Of what is local, only the stamp is asked for at
        first; where the owner has nothing to read, its stamp is made on the way.
        """
        left = {at: at not in local for at in range(len(questions)) if at not in seen}
        make = {at for at in left if not questions[at].name}
        for _ in range(LOOKS):
            keys: list[str] = []
            for at, with_days in left.items():
                keys.append(questions[at].stamp_key)
                if with_days:
                    keys += questions[at].day_keys(questions[at].dates)
            stamps_to_make = [questions[at].stamp_key for at in make]
            run, read = await self._reads.ask(_Look(tag_of(keys[0]), stamps_to_make, keys))
            values = iter(read)
            again: dict[int, bool] = {}
            for at, with_days in left.items():
                value = next(values)
                days = list(islice(values, len(questions[at].dates) if with_days else 0))
                if value is None or value[_RUN] != run:
                    make.add(at)
                    again[at] = True
                elif with_days:
                    seen[at] = self._count_in(questions[at], Stamp(value), days, now)
                elif local[at].stamp == value:
                    seen[at] = local[at]
                else:
                    again[at] = True
            left = again
            if not left:
                return
        raise TryAgainError  # Redis is there, but changes come faster than they can be read.

    def _count_in(
        self, question: Question, stamp: Stamp, values: Sequence[bytes | None], now: int
    ) -> Seen:
        """The days among these values that were kept under this stamp; from now on local, too."""
        days: dict[date, FreeDay] = {}
        since: dict[date, int] = {}
        if values.count(None) < len(values):
            for day, value in zip(question.dates, values, strict=True):
                if value is not None:
                    found = unpack_day(value)
                    # A Redis that stood still may keep days for longer than they were meant to be.
                    if found.stamp == stamp and now - found.kept_since < LIFETIME_SECONDS:
                        days[day] = found.day
                        since[day] = found.kept_since
        if days:
            self._local.put((question.stamp_key, question.name), stamp, days, since)
        return Seen(stamp, days, now - min(since.values(), default=now))

    # ------------------------------------------------------------ filling

    def keep_here(self, fills: Sequence[Fill]) -> None:
        """Believe what was computed in this process, as long as the stamp stays as it was seen."""
        now = self.real_clock().timestamp()
        for fill in fills:
            since = dict.fromkeys(fill.days, int(now - fill.age_seconds))
            question = fill.question
            self._local.put((question.stamp_key, question.name), fill.stamp, fill.days, since)

    async def keep(self, fills: Sequence[Fill]) -> None:
        """Keep what was computed for all processes, unless something changed since its stamp was
        seen. Days live as much shorter as their sources are old, so nothing is believed for more
        than a minute.
        """
        for some in _kept_at_once(fills):
            now = self.real_clock().timestamp()
            try:
                (kept,) = await self._fills.ask([_keep(some, now)])
            except BROKEN_REDIS as outage:
                self._went_away(outage)
                return
            self.counts.fills += kept.count(1)
            self.counts.fills_too_late += kept.count(0)

    # ------------------------------------------------------------ invalidating

    async def forget(self, changes: Sequence[Change]) -> None:
        """Invalidate what these changes make untrue. Counted, not raised, where Redis can't be
        reached.
        """
        await self.announcer.announce(self.announcements(changes))

    def announcements(self, changes: Sequence[Change]) -> list[Announcement]:
        """Of what these changes make untrue. Tried again, each of them removes the stamp."""
        by_organization: dict[OrganizationId, list[Command]] = {}
        for change in changes:
            if not isinstance(change, AppointmentChanged):
                commands = by_organization.setdefault(change.organization_id, [])
                commands += _invalidations(change)
        return [
            Announcement(
                self, organization_id, commands, [("DEL", key_of(command)) for command in commands]
            )
            for organization_id, commands in by_organization.items()
        ]

    def late(self, outage: Exception) -> None:
        """Redis was not told that something changed, and will be told later."""
        self._went_away(outage)
        self.counts.invalidations_late += 1
        _log.warning("could not invalidate cached free times yet: %s", describe(outage))

    def still_late(self, outage: Exception) -> None:
        """Until Redis takes it, this process reads no old list there: a Redis that only refuses to
        write would give it one.
        """
        self.redis.breaker.trip(outage)

    def lost(self) -> None:
        """Redis will not be told of one of the changes."""
        self.counts.invalidations_lost += 1

    async def close(self) -> None:
        """Give the connections back, when nobody asks any more."""
        for batches in (self._reads, self._fills, self.announcer):
            with suppress(*BROKEN_REDIS):
                await batches.close()

    def _went_away(self, outage: Exception) -> None:
        if isinstance(outage, RestingError | TryAgainError):
            return  # counted when it failed; or a slot that is being moved
        self.counts.outages += 1
        self.redis.breaker.trip(outage)


def _looks_of(redis: RedisClient) -> RedisBatches[_Look, _Looked]:
    """All that is asked of an organization side by side is one MGET, each key once."""
    own = OwnConnection(redis)

    async def send(looks: list[_Look]) -> list[_Looked | ResponseError]:
        groups: dict[str, dict[str, None]] = {}
        make: dict[str, dict[str, None]] = {}
        for look in looks:
            groups.setdefault(look.tag, {}).update(dict.fromkeys(look.keys))
            if look.make:
                make.setdefault(look.tag, {}).update(dict.fromkeys(look.make))

        def commands_under(run: bytes) -> list[Command]:
            made = [_new_stamps(run, list(stamps)) for stamps in make.values()]
            return [*made, *(("MGET", *keys) for keys in groups.values())]

        run, answers = await ask_one_run(own, commands_under)
        read: dict[str, dict[str, bytes | None] | ResponseError] = {}
        for (tag, keys), values in zip(groups.items(), answers[len(make) :], strict=True):
            refused = isinstance(values, ResponseError)
            read[tag] = values if refused else dict(zip(keys, values, strict=True))
        looked: list[_Looked | ResponseError] = []
        for look in looks:
            found = read[look.tag]
            if isinstance(found, ResponseError):
                looked.append(found)
            else:
                looked.append(_Looked(run, list(map(found.__getitem__, look.keys))))
        return looked

    return RedisBatches(send, own.close)


def _invalidations(change: TimeChanged | RulesChanged | PracticeChanged) -> list[Command]:
    organization_id = change.organization_id
    if isinstance(change, TimeChanged):
        key, time = stamp_key(organization_id, change.subject_id), secrets.token_bytes(_PART)
        return [script(_CHANGE_TIME, [key], [time, STAMP_LIFETIME_SECONDS])]
    # Without a stamp nothing counts; the next one has other random parts. The organization's goes
    # with each of them: its lists show what has changed.
    ids = change.ids if isinstance(change, RulesChanged) else ()
    return [("DEL", stamp_key(organization_id, each)) for each in (*ids, organization_id)]


def _announcer_in(cluster: ClusterClient) -> Announcer:
    """An invalidation goes wherever its stamp is, and is tried where others give up."""
    writes: Routed[Sequence[Command], Sequence[Any]] = Routed(
        cluster, writes_of, _key_of, asking=_asking, is_optional=False
    )

    async def tell(announcement: Announcement, seconds: float | None) -> Exception | None:
        try:
            async with asyncio.timeout(seconds):
                await writes.ask(announcement.commands)
        except BROKEN_REDIS as outage:
            return outage
        return None

    async def send(
        announcements: Sequence[Announcement], *, in_time: bool
    ) -> Sequence[Exception | None]:
        # Tried again, it may take as long as it takes to find out who owns the stamps now.
        seconds = cluster.timeout_seconds if in_time else None
        return await asyncio.gather(*(tell(each, seconds) for each in announcements))

    return Announcer(send, writes.close)


def _key_of(commands: Sequence[Command]) -> str:
    return key_of(commands[0])


def _asking(commands: Sequence[Command]) -> Sequence[Command]:
    return [each for command in commands for each in (("ASKING",), command)]


def _new_stamps(run: bytes, keys: Sequence[str]) -> Command:
    parts = [secrets.token_bytes(2 * _PART) for _ in keys]
    return script(_MAKE, keys, [run, NEW_STAMP_LIFETIME_SECONDS, *parts])


def _kept_at_once(fills: Iterable[Fill]) -> Iterator[list[Fill]]:
    """Those that are not too old, by organization, in scripts of a bounded size."""
    by_tag: dict[str, list[Fill]] = {}
    for fill in fills:
        if fill.age_seconds * 1000 < DAY_LIFETIME_MS:
            by_tag.setdefault(tag_of(fill.question.stamp_key), []).append(fill)
    for of_organization in by_tag.values():
        some: list[Fill] = []
        days = 0
        for fill in of_organization:
            if some and days + len(fill.days) > DAYS_AT_ONCE:
                yield some
                some, days = [], 0
            some.append(fill)
            days += len(fill.days)
        yield some


def _keep(fills: Sequence[Fill], now: float) -> Command:
    """All of one organization: a script's keys have to lie on one node of a Redis Cluster."""
    keys: list[str] = []
    arguments: list[bytes | str | int] = [STAMP_LIFETIME_SECONDS]
    for fill in fills:
        age = fill.age_seconds
        since = int(now - age)
        lifetime = max(1, DAY_LIFETIME_MS - int(age * 1000))
        keys += (fill.question.stamp_key, *fill.question.day_keys(fill.days))
        arguments += (fill.stamp, lifetime, len(fill.days))
        arguments += [
            pack_day(day, stamp=fill.stamp, kept_since=since) for day in fill.days.values()
        ]
    return script(_KEEP, keys, arguments)
