"""What a commit announces in Redis, on a Redis that stops, falls silent, is cut off, or restarts:
announcements that are late are sent as soon as Redis answers again.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app import redis_announcer
from app.core.ids import ProviderId
from app.free_times.connection import open_redis
from app.free_times.keys import DAY_LIFETIME_MS, stamp_key
from app.free_times.shared import SharedDays
from app.live.wire import channel_of
from app.redis_client import REST_SECONDS, Breaker, RedisClient
from app.settings import Settings
from app.standins.embedded import Servers
from tests.builders import Api, a_provider, key_in, running
from tests.integration.free_times.test_shared import (
    WEEK,
    kept,
    rules_changed,
    seen,
    taken,
    week_of,
)
from tests.integration.live.subscriber import until
from tests.lives import booked
from tests.relay import Relay

TIMEOUT_SECONDS = 0.1
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@pytest.fixture
def relay(servers: Servers, redis_url: str) -> Iterator[Relay]:
    with Relay(redis_url).running() as found:
        yield found


class Days:
    """Two processes' views of the days in one Redis: `near`, whose connection may break, and
    `far`.
    """

    def __init__(self, near: RedisClient, far: RedisClient) -> None:
        self.near = SharedDays(near, lambda: datetime.now(UTC))
        self.far = SharedDays(far, lambda: datetime.now(UTC))

    async def keep(self, count: int = 1) -> list[ProviderId]:
        """Days of so many providers; `near` is connected for invalidations."""
        await self.near.forget([rules_changed(ProviderId(uuid4()))])
        providers = [ProviderId(uuid4()) for _ in range(count)]
        for each in providers:
            await kept(self.far, each)
        return providers

    async def shown(self, provider: ProviderId) -> object:
        return (await seen(self.far, week_of(provider))).days

    async def told(self) -> None:
        """Waits until nothing is late, and nothing was lost."""
        await until(lambda: self.near.announcer.late == 0)
        assert self.near.counts.invalidations_lost == 0


@pytest.fixture
async def days(relay: Relay, redis_url: str) -> AsyncIterator[Days]:
    async with AsyncExitStack() as stack:
        near = open_redis(relay.url, timeout_seconds=TIMEOUT_SECONDS)
        far = open_redis(redis_url, timeout_seconds=5.0)
        found = Days(near, far)
        for each in (near.aclose, far.aclose, found.near.close, found.far.close):
            stack.push_async_callback(each)
        yield found


async def test_what_a_silent_redis_did_not_take_is_told_when_it_answers_again(
    days: Days, relay: Relay
) -> None:
    (provider,) = await days.keep()
    relay.die()
    await days.near.forget([taken(provider)])
    assert days.near.counts.invalidations_late == 1
    await days.told()
    assert await days.shown(provider) == {}


async def test_what_was_announced_without_a_connection_is_told_over_the_next_one(
    days: Days, relay: Relay
) -> None:
    (provider,) = await days.keep()
    relay.refuse()
    await days.near.forget([taken(provider)])
    await days.near.forget([taken(provider)])
    assert days.near.counts.invalidations_late == 2
    assert days.near.announcer.late == 1, "the same stamp"
    assert days.near.redis.breaker.is_open, "this process reads no old list"
    assert await days.shown(provider) == WEEK
    relay.serve()
    await days.told()
    assert await days.shown(provider) == {}


async def test_a_redis_that_was_stopped_and_goes_on_shows_no_old_list_for_long(
    days: Days, own_redis: Servers
) -> None:
    (provider,) = await days.keep()
    process = (await days.far.redis.info("server"))["process_id"]  # type: ignore[union-attr]
    os.kill(process, signal.SIGSTOP)
    try:
        await days.near.forget([taken(provider)])
        assert days.near.counts.invalidations_late == 1
    finally:
        os.kill(process, signal.SIGCONT)
    await days.told()
    assert await days.shown(provider) == {}


async def test_a_redis_that_was_restarted_is_told_too(days: Days, own_redis: Servers) -> None:
    (provider,) = await days.keep()
    own_redis.stop_redis()
    await days.near.forget([taken(provider)])
    assert days.near.counts.invalidations_late == 1
    own_redis.start_redis()
    await days.told()
    assert await days.shown(provider) == {}


async def test_while_redis_takes_no_writes_this_process_reads_no_old_list_there(
    days: Days, own_redis: Servers
) -> None:
    (provider,) = await days.keep()
    seconds = 0.0
    days.near.redis.breaker = breaker = Breaker(seconds=lambda: seconds)
    await days.far.redis.config_set("min-replicas-to-write", 1)  # type: ignore[union-attr]
    try:
        await days.near.forget([taken(provider)])
        assert days.near.counts.invalidations_late == 1
        assert await days.shown(provider) == WEEK
        seconds += 2 * REST_SECONDS
        assert not breaker.is_open
        await until(lambda: breaker.is_open)  # it was refused again
    finally:
        await days.far.redis.config_set("min-replicas-to-write", 0)  # type: ignore[union-attr]
    await days.told()
    assert await days.shown(provider) == {}


async def test_what_a_cancelled_caller_announced_is_told_too(days: Days, relay: Relay) -> None:
    (provider,) = await days.keep()
    relay.refuse()
    forgetting = asyncio.create_task(days.near.forget([taken(provider)]))
    await asyncio.sleep(0)  # it has asked
    forgetting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forgetting
    assert days.near.announcer.late == 1
    await until(lambda: days.near.redis.breaker.is_open)
    relay.serve()
    await days.told()
    assert await days.shown(provider) == {}


async def test_an_announcement_that_is_sent_twice_brings_no_old_list_back(days: Days) -> None:
    """As where its connection breaks before the answer."""
    (provider,) = await days.keep()
    (announcement,) = days.near.announcements([taken(provider)])
    await days.far.redis.ask(announcement.commands)
    await kept(days.far, provider)
    assert await days.shown(provider) == WEEK
    await days.far.forget([taken(provider)])
    await days.far.redis.ask(announcement.commands)
    assert await days.shown(provider) == {}


async def test_the_last_try_is_made_when_the_process_ends(days: Days, relay: Relay) -> None:
    one, other = await days.keep(2)
    relay.refuse()
    await days.near.forget([taken(one)])
    relay.serve()
    await days.near.close()
    assert days.near.counts.invalidations_lost == 0
    assert await days.shown(one) == {}
    relay.refuse()
    await days.near.forget([taken(other)])
    await days.near.close()
    assert days.near.counts.invalidations_lost == 1
    assert days.near.announcer.late == 0


async def test_of_too_many_the_oldest_are_lost(
    days: Days, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_announcer, "MOST_LATE", 2)
    providers = await days.keep(3)
    relay.refuse()
    for each in providers:
        await days.near.forget([taken(each)])
    assert days.near.announcer.late == 2
    assert days.near.counts.invalidations_lost == 1
    relay.serve()
    await until(lambda: days.near.announcer.late == 0)
    assert [await days.shown(each) for each in providers] == [WEEK, {}, {}]


async def test_what_is_of_no_more_use_is_given_up(
    days: Days, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_announcer, "USEFUL_SECONDS", 0.0)
    (provider,) = await days.keep()
    relay.refuse()
    await days.near.forget([taken(provider)])
    await until(lambda: days.near.announcer.late == 0)
    assert days.near.counts.invalidations_lost == 1


def test_what_is_late_is_tried_while_free_days_live_and_before_a_breaker_closes() -> None:
    assert redis_announcer.USEFUL_SECONDS * 1000 >= DAY_LIFETIME_MS
    assert redis_announcer.PAUSE_SECONDS + 0.5 < REST_SECONDS


async def test_a_booking_tells_one_redis_in_one_exchange_and_invalidates_first(
    api: Api, redis: RedisClient
) -> None:
    """Whoever hears of it finds the new list."""
    ada = await a_provider(api)
    said: list[tuple[str, str, list[str]]] = []
    async with redis.monitor() as monitor:
        await booked(api, ada, "2026-01-12T10:00Z")
        await redis.echo("the end")
        while not said or said[-1][1] != "ECHO":
            line = (await monitor.connection.read_response()).decode()
            name, *words = QUOTED.findall(line)
            said.append((line.split()[2], name.upper(), words))
    organization_id = api.organization.id
    stamp = stamp_key(organization_id, ProviderId(key_in(ada["id"])))
    about = [
        (client, name)
        for client, name, words in said
        if (name == "EVAL" and stamp in words and "'SET'" in words[0] and len(words) == 5)
        or (name == "PUBLISH" and words[0] == channel_of(organization_id))
    ]
    (client, _), *_ = about
    assert about == [(client, "EVAL"), (client, "PUBLISH")]


async def test_a_cache_of_its_own_is_invalidated_before_anybody_hears_of_it(
    environment: dict[str, str], redis_url: str, redis: RedisClient
) -> None:
    elsewhere = redis_url.rpartition("/")[0] + "/9"
    async with running(
        Settings.from_environment(environment | {"SLOTWRIGHT_CACHE_URL": elsewhere})
    ) as process:
        api = await process.api()
        ada = await a_provider(api)
        names: list[str] = []
        async with redis.monitor() as monitor:
            await booked(api, ada, "2026-01-12T10:00Z")
            await redis.echo("the end")
            while not names or names[-1] != "ECHO":
                line = (await monitor.connection.read_response()).decode()
                names.append(QUOTED.findall(line)[0].upper())
        names = [each for each in names if each in {"EVAL", "PUBLISH"}]
        assert names == ["EVAL", "PUBLISH"]
