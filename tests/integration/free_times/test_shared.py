"""Shared days on a real Redis: what counts, what is kept, what is invalidated, and what is left
after a restart.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from app.core.changes import RulesChanged, TimeChanged
from app.core.free_days import FreeDay, Held
from app.core.ids import OrganizationId, ProviderId
from app.core.rules import Rules
from app.core.zones import date_of_number, day_number
from app.free_times.connection import open_redis
from app.free_times.keys import (
    day_key,
    shape,
    stamp_key,
)
from app.free_times.shared import (
    Fill,
    Question,
    Seen,
    SharedDays,
    Stamp,
)
from app.standins.embedded import Servers

ORGANIZATION = OrganizationId(UUID(int=1))
RULES = Rules(duration_minutes=30)
LONGER = Rules(duration_minutes=45, buffer_after_minutes=15)
MONDAY = day_number(date(2026, 1, 12))
NINE = MONDAY * 1440 + 540
WEEK = {
    date_of_number(MONDAY + ahead): FreeDay(
        (NINE + 1440 * ahead, NINE + 1440 * ahead + 31, NINE + 1440 * ahead)
    )
    for ahead in range(7)
}


def real_clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[SharedDays]:
    redis = open_redis(redis_url, timeout_seconds=2.0)
    cache = SharedDays(redis, real_clock)
    yield cache
    await cache.close()
    await redis.aclose()


@pytest.fixture
async def other_cache(redis_url: str) -> AsyncIterator[SharedDays]:
    redis = open_redis(redis_url, timeout_seconds=2.0)
    cache = SharedDays(redis, real_clock)
    yield cache
    await cache.close()
    await redis.aclose()


@pytest.fixture
def provider() -> ProviderId:
    return ProviderId(uuid4())


def week_of(provider: ProviderId, rules: Rules | None = RULES) -> Question:
    return Question(ORGANIZATION, provider, *((shape(rules), tuple(WEEK)) if rules else ()))


async def seen(cache: SharedDays, question: Question) -> Seen:
    found = await cache.look([question])
    assert found is not None
    return found[0]


async def begun(cache: SharedDays, provider: ProviderId) -> Stamp:
    """The stamp, which the first look makes."""
    return (await seen(cache, week_of(provider, None))).stamp


async def kept(cache: SharedDays, provider: ProviderId, *rule_sets: Rules) -> Stamp:
    stamp = await begun(cache, provider)
    for rules in rule_sets or (RULES,):
        fills = [Fill(week_of(provider, rules), stamp, WEEK, monotonic())]
        cache.keep_here(fills)
        await cache.keep(fills)
    return stamp


def taken(provider: ProviderId, since: int = NINE, until: int = NINE + 30) -> TimeChanged:
    return TimeChanged(
        organization_id=ORGANIZATION,
        subject_id=provider,
        time_zone="UTC",
        claimed_from=since,
        claimed_until=until,
    )


def rules_changed(*providers: ProviderId) -> RulesChanged:
    return RulesChanged(organization_id=ORGANIZATION, ids=providers)


async def test_nothing_counts_before_anything_is_kept(
    cache: SharedDays, provider: ProviderId
) -> None:
    found = await seen(cache, week_of(provider))
    assert found.days == {}
    assert await seen(cache, week_of(provider)) == found, "the stamp that was made stays"
    assert await cache.stamps(ORGANIZATION, [provider]) == {provider: found.stamp}


async def test_what_one_node_keeps_every_node_sees(
    cache: SharedDays, other_cache: SharedDays, provider: ProviderId
) -> None:
    stamp = await kept(cache, provider)
    assert await seen(other_cache, week_of(provider)) == Seen(stamp, WEEK)
    assert await seen(other_cache, week_of(provider, LONGER)) == Seen(stamp, {})
    assert cache.counts.fills == 1
    assert other_cache.counts.days_hit == 7
    assert other_cache.counts.days_missed == 7


async def test_held_starts_are_kept_with_the_instant_of_their_release(
    cache: SharedDays, provider: ProviderId
) -> None:
    days = {
        date_of_number(MONDAY): FreeDay(
            (NINE, NINE + 31, NINE), (Held(NINE + 1, NINE + 60, 1_768_209_000_123_456),)
        )
    }
    question = Question(ORGANIZATION, provider, shape(RULES), tuple(days))
    await cache.keep([Fill(question, await begun(cache, provider), days, monotonic())])
    assert (await seen(cache, question)).days == days


async def test_a_fill_that_began_before_a_change_of_time_is_not_kept(
    cache: SharedDays, provider: ProviderId
) -> None:
    stamp = await begun(cache, provider)
    await cache.forget([taken(provider)])
    await cache.keep([Fill(week_of(provider), stamp, WEEK, monotonic())])
    assert (await seen(cache, week_of(provider))).days == {}
    assert cache.counts.fills_too_late == 1


async def test_a_fill_that_began_before_a_change_of_rules_is_never_kept(
    cache: SharedDays, other_cache: SharedDays, provider: ProviderId
) -> None:
    stamp = await begun(cache, provider)
    await other_cache.forget([rules_changed(provider)])
    assert await begun(other_cache, provider) != stamp
    await cache.keep([Fill(week_of(provider), stamp, WEEK, monotonic())])
    assert (await seen(cache, week_of(provider))).days == {}
    assert cache.counts.fills_too_late == 1


async def test_a_change_of_time_voids_the_days_of_the_provider_under_all_shapes_but_no_calendar(
    cache: SharedDays, provider: ProviderId
) -> None:
    other = ProviderId(uuid4())
    await kept(cache, other)
    stamp = await kept(cache, provider, RULES, LONGER)
    await cache.forget([taken(provider, NINE + 3 * 1440, NINE + 3 * 1440 + 30)])
    for rules in (RULES, LONGER):
        found = await seen(cache, week_of(provider, rules))
        assert found.days == {}
        assert found.stamp.rules == stamp.rules
        assert found.stamp != stamp
    assert (await seen(cache, week_of(other))).days == WEEK


async def test_a_change_of_rules_voids_everything_of_the_provider(
    cache: SharedDays, provider: ProviderId
) -> None:
    other = ProviderId(uuid4())
    await kept(cache, other)
    stamp = await kept(cache, provider, RULES, LONGER)
    await cache.forget([rules_changed(provider)])
    assert await cache.stamps(ORGANIZATION, [provider]) == {}
    found = await seen(cache, week_of(provider))
    assert found.days == {}
    assert found.stamp.rules != stamp.rules
    assert (await seen(cache, week_of(other))).days == WEEK


async def test_a_change_makes_no_stamp_where_nobody_has_asked(
    cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    await cache.forget([taken(provider), rules_changed(provider)])
    assert not await redis.exists(stamp_key(ORGANIZATION, provider))


async def test_days_live_for_a_minute_less_the_age_of_what_they_came_from(
    cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    stamp = await begun(cache, provider)
    await cache.keep([Fill(week_of(provider), stamp, WEEK, monotonic())])
    await cache.keep([Fill(week_of(provider, LONGER), stamp, WEEK, monotonic() - 12.5)])
    key = stamp_key(ORGANIZATION, provider)
    assert 55_000 < await redis.pttl(day_key(key, shape(RULES), MONDAY)) <= 60_000
    assert 42_500 < await redis.pttl(day_key(key, shape(LONGER), MONDAY)) <= 47_500
    await cache.keep(
        [Fill(week_of(provider, Rules(duration_minutes=5)), stamp, WEEK, monotonic() - 60.0)]
    )
    assert (await seen(cache, week_of(provider, Rules(duration_minutes=5)))).days == {}


async def test_a_stamp_for_nobody_is_soon_gone_and_one_with_days_outlives_them(
    cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    await begun(cache, provider)
    assert await redis.ttl(stamp_key(ORGANIZATION, provider)) <= 120
    await kept(cache, provider)
    assert await redis.ttl(stamp_key(ORGANIZATION, provider)) > 3_000


async def test_questions_asked_side_by_side_are_one_read(
    cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    await kept(cache, provider)

    async def reads() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_mget", {"calls": 0})["calls"])

    before = await reads()
    found = await asyncio.gather(*(seen(cache, week_of(provider)) for _ in range(100)))
    assert [each.days for each in found] == [WEEK] * 100
    assert await reads() == before + 1


async def test_what_is_local_is_answered_by_the_stamp_alone_or_by_none_where_that_was_just_seen(
    cache: SharedDays, other_cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    stamp = await kept(cache, provider)
    await redis.delete(day_key(stamp_key(ORGANIZATION, provider), shape(RULES), MONDAY))
    assert (await seen(cache, week_of(provider))).days == WEEK, "the stamp is the same"
    assert MONDAY not in {
        day_number(day) for day in (await seen(other_cache, week_of(provider))).days
    }
    before = (await redis.info("commandstats"))["cmdstat_mget"]["calls"]
    for stamps, reads in (
        ({provider: stamp}, 0),
        ({provider: Stamp(bytes(24))}, 1),
        ({}, 1),
    ):
        found = await cache.look([week_of(provider)], stamps)
        assert found is not None
        assert found[0].days == WEEK
        after = (await redis.info("commandstats"))["cmdstat_mget"]["calls"]
        assert after - before == reads
        before = after


async def test_what_is_local_no_longer_counts_when_another_node_changed_something(
    cache: SharedDays, other_cache: SharedDays, provider: ProviderId
) -> None:
    stamp = await kept(cache, provider)
    await other_cache.forget([taken(provider, NINE + 6 * 1440, NINE + 6 * 1440 + 30)])
    assert (await seen(cache, week_of(provider))).days == {}
    changed = await kept(other_cache, provider)
    assert changed != stamp
    assert await seen(cache, week_of(provider)) == Seen(changed, WEEK), "read again"
    await other_cache.forget([rules_changed(provider)])
    assert (await seen(cache, week_of(provider))).days == {}


async def test_a_stamp_that_changes_and_is_then_removed_while_it_is_looked_at_is_no_outage(
    cache: SharedDays,
    other_cache: SharedDays,
    provider: ProviderId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await kept(cache, provider, RULES)
    assert (await seen(cache, week_of(provider))).days == WEEK, "local from here on"
    reads = cache._reads
    both: list[TimeChanged | RulesChanged] = [taken(provider), rules_changed(provider)]
    changes = iter(both)

    class Reads:
        async def ask(self, look: Any) -> Any:  # noqa: ANN401
            for change in itertools.islice(changes, 1):
                await other_cache.forget([change])
            return await reads.ask(look)

    monkeypatch.setattr(cache, "_reads", Reads())
    assert (await seen(cache, week_of(provider))).days == {}
    assert next(changes, None) is None
    assert cache.counts.outages == 0
    assert not cache.redis.breaker.is_open


async def test_a_cold_look_is_one_round_trip_and_makes_the_stamp(
    cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    await begun(cache, ProviderId(uuid4()))
    before = await redis.info("commandstats")
    stamp = await begun(cache, provider)
    after = await redis.info("commandstats")
    assert after["cmdstat_mget"]["calls"] - before["cmdstat_mget"]["calls"] == 1
    assert after["cmdstat_set"]["calls"] - before["cmdstat_set"]["calls"] == 1
    assert await begun(cache, provider) == stamp


async def test_organizations_are_read_apart(cache: SharedDays, provider: ProviderId) -> None:
    """Side by side in one batch, as they would have to be in a Redis Cluster."""
    other = OrganizationId(UUID(int=2))
    mine, theirs = await asyncio.gather(
        begun(cache, provider), cache.look([Question(other, provider)])
    )
    assert theirs is not None
    assert theirs[0].stamp != mine
    assert await cache.stamps(other, [provider]) == {provider: theirs[0].stamp}


# ---------------------------------------------------------------- broken worlds


async def test_without_redis_nothing_is_known_nothing_raises_and_it_is_counted(
    cache: SharedDays, provider: ProviderId, own_redis: Servers
) -> None:
    stamp = await kept(cache, provider)
    own_redis.stop_redis()
    assert await cache.look([week_of(provider)]) is None
    assert await cache.stamps(ORGANIZATION, [provider]) == {}
    await cache.keep([Fill(week_of(provider), stamp, WEEK, monotonic())])
    outages = cache.counts.outages
    assert outages >= 2
    assert await cache.look([week_of(provider)]) is None
    assert cache.counts.outages == outages, "for a second it is not asked again"
    await cache.forget([taken(provider)])
    assert (cache.counts.invalidations_late, cache.counts.invalidations_lost) == (1, 0)
    await cache.close()
    assert cache.counts.invalidations_lost == 1


async def test_after_a_restart_no_fill_from_before_it_is_kept(
    cache: SharedDays, other_cache: SharedDays, provider: ProviderId, own_redis: Servers
) -> None:
    stamp = await kept(cache, provider)
    own_redis.stop_redis()
    own_redis.start_redis()
    await cache.keep([Fill(week_of(provider), stamp, WEEK, monotonic())])
    assert await begun(other_cache, provider) != stamp
    await cache.keep([Fill(week_of(provider), stamp, WEEK, monotonic())])
    assert (await seen(other_cache, week_of(provider))).days == {}


async def test_an_invalidation_reaches_a_redis_that_was_restarted_in_between(
    cache: SharedDays, other_cache: SharedDays, provider: ProviderId, own_redis: Servers
) -> None:
    await begun(cache, provider)
    own_redis.stop_redis()
    own_redis.start_redis()
    await kept(other_cache, provider)
    await cache.forget([taken(provider)])
    assert cache.counts.invalidations_lost == 0
    assert MONDAY not in {
        day_number(day) for day in (await seen(other_cache, week_of(provider))).days
    }


async def test_what_a_restarted_redis_reads_from_its_disk_never_counts(
    cache: SharedDays,
    other_cache: SharedDays,
    redis: Redis,
    provider: ProviderId,
    own_redis: Servers,
) -> None:
    stamp = await kept(cache, provider)
    folder = (await redis.config_get("dir"))["dir"]
    await redis.save()
    await cache.forget([taken(provider)])
    own_redis.stop_redis()
    own_redis.start_redis()
    await redis.connection_pool.disconnect()
    try:
        # The disk brought the stamp and the days back as they were before the change.
        assert await redis.get(stamp_key(ORGANIZATION, provider)) == stamp
        assert await redis.exists(day_key(stamp_key(ORGANIZATION, provider), shape(RULES), MONDAY))
        assert await other_cache.stamps(ORGANIZATION, [provider]) == {}
        found = await seen(other_cache, week_of(provider))
        assert found.days == {}
        assert found.stamp != stamp, "it was replaced"
        assert (await seen(other_cache, week_of(provider))).days == {}
    finally:
        (Path(folder) / "dump.rdb").unlink()


async def test_a_redis_that_is_emptied_under_our_feet_is_used_again(
    cache: SharedDays, redis: Redis, provider: ProviderId
) -> None:
    stamp = await kept(cache, provider)
    await redis.flushall()
    assert (await seen(cache, week_of(provider))).stamp != stamp
    await kept(cache, provider)
    assert (await seen(cache, week_of(provider))).days == WEEK


async def test_days_that_outlived_their_minute_in_a_redis_that_stood_still_do_not_count(
    cache: SharedDays, redis: Redis, redis_url: str, provider: ProviderId
) -> None:
    await kept(cache, provider)
    await redis.persist(day_key(stamp_key(ORGANIZATION, provider), shape(RULES), MONDAY))
    client = open_redis(redis_url, timeout_seconds=2.0)
    for seconds, shown in ((30, WEEK), (61, {})):
        now = datetime.now(UTC) + timedelta(seconds=seconds)
        later = SharedDays(client, lambda now=now: now)  # type: ignore[misc]
        assert (await seen(later, week_of(provider))).days == shown
        await later.close()
    await client.aclose()


async def test_the_age_of_what_is_served_is_that_of_its_oldest_day(
    redis_url: str, provider: ProviderId
) -> None:
    now = datetime(2026, 1, 12, tzinfo=UTC)
    redis = open_redis(redis_url, timeout_seconds=2.0)
    cache = SharedDays(redis, lambda: now)
    stamp = await begun(cache, provider)
    first, later = list(WEEK.items())[:3], list(WEEK.items())[3:]
    await cache.keep([Fill(week_of(provider), stamp, dict(first), monotonic() - 4.5)])
    now += timedelta(seconds=30)
    await cache.keep([Fill(week_of(provider), stamp, dict(later), monotonic())])
    assert (await seen(cache, week_of(provider))).age_seconds == 35, (
        "in whole seconds, none too few"
    )
    await redis.aclose()
