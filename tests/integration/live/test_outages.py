"""Lost events are found, and subscriptions survive every outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import TypeAlias

import pytest

from app.core.changes import TimeChanged
from app.core.ids import AppointmentId
from app.core.zones import minute_of
from app.free_times.connection import open_redis
from app.live.pace import Pace
from app.redis_client import RedisClient
from app.standins.embedded import Servers
from app.store.pool import DatabaseUnavailableError
from app.usecases.resources import Resources
from tests.builders import TODAY, Api, Json, a_provider, instant, key_in, listed, utc, weekly
from tests.integration.live.subscriber import (
    BY_EVENTS,
    PATIENCE_SECONDS,
    SUSPICIOUS,
    Subscriber,
    a_process,
    joined,
    provider_id,
    until,
)
from tests.lives import booked, cancel
from tests.relay import Relay

Watching: TypeAlias = Callable[..., Subscriber]

HOURS = weekly("09:00", "12:00")
QUICK_TO_RETURN = Pace(
    compare_seconds=3_600,
    sweep_seconds=3_600,
    retry_seconds=0.02,
    longest_retry_seconds=0.1,
    ping_seconds=0.2,
)


@pytest.fixture
async def nowhere() -> AsyncIterator[RedisClient]:
    """A Redis that can't be reached: nothing that is published there arrives."""
    redis = open_redis("redis://127.0.0.1:1", timeout_seconds=0.2)
    yield redis
    await redis.aclose()


async def cancel_without_a_word(resources: Resources, api: Api, booked: Json) -> None:
    """As a process does that commits and dies: nothing is invalidated, nothing published."""
    appointment_id = AppointmentId(key_in(booked["appointment"]["id"]))
    await resources.pool.execute(
        "UPDATE claim SET active = false WHERE organization_id = $1 AND appointment_id = $2",
        (api.organization.id, appointment_id),
    )


def time_freed(api: Api, provider: Json) -> TimeChanged:
    ten = minute_of(instant("2026-01-12T10:00Z"))
    return TimeChanged(
        organization_id=api.organization.id,
        subject_id=provider_id(provider),
        time_zone="UTC",
        claimed_from=ten,
        claimed_until=ten + 60,
    )


async def test_a_change_without_an_event_is_found(api: Api, watching: Watching) -> None:
    """And the cache, which was not invalidated either, drops it."""
    ada = await a_provider(api, weeklyHours=HOURS)
    appointment = await booked(api, ada, "2026-01-12T10:00Z")
    async with a_process(api, SUSPICIOUS) as here:
        subscriber = watching(here, ada)
        await subscriber.until(["09:00", "11:00"])
        assert await listed(api, ada) == utc("2026-01-12", "09:00", "11:00")
        await joined(here, api)
        await cancel_without_a_word(here, api, appointment)
        await subscriber.until(["09:00", "10:00", "11:00"])
        await until(lambda: here.feed.counts.repaired == 1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await listed(api, ada) != utc("2026-01-12", "09:00", "10:00", "11:00"):
                pass


async def test_rules_that_changed_without_an_event_are_found(api: Api, watching: Watching) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api, SUSPICIOUS) as here:
        subscriber = watching(here, ada)
        await subscriber.snapshot()
        await api.rows(
            "DELETE FROM weekly_hours WHERE organization_id = $1 AND provider_id = $2 RETURNING id",
            api.organization.id,
            key_in(ada["id"]),
        )
        await subscriber.until([])


async def test_without_redis_this_process_gets_the_change_and_others_find_it(
    api: Api, watching: Watching, nowhere: RedisClient
) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    appointment = await booked(api, ada, "2026-01-12T10:00Z")
    async with (
        a_process(api, BY_EVENTS, redis=nowhere) as here,
        a_process(api, SUSPICIOUS, redis=nowhere) as there,
    ):
        near, far = watching(here, ada), watching(there, ada)
        await near.snapshot()
        await far.snapshot()
        await cancel_without_a_word(here, api, appointment)
        await here.feed.publish([time_freed(api, ada)])
        await near.until(["09:00", "10:00", "11:00"])
        await far.until(["09:00", "10:00", "11:00"])
        assert here.feed.counts.unpublished == 1


async def test_after_redis_returns_subscribers_go_on(
    api: Api, watching: Watching, own_redis: Servers
) -> None:
    """What happened meanwhile comes when it is back; what happens then is published again."""
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api, QUICK_TO_RETURN) as here:
        subscriber = watching(here, ada)
        await subscriber.snapshot()
        await joined(here, api)
        own_redis.stop_redis()
        appointment = await booked(api, ada, "2026-01-12T10:00Z")
        await subscriber.hears_nothing()
        own_redis.start_redis()
        await subscriber.until(["09:00", "11:00"])
        await joined(here, api)
        await cancel(api, appointment)
        await subscriber.until(["09:00", "10:00", "11:00"])
        assert here.feed.counts.disconnections > 0


async def test_a_redis_that_falls_silent_is_left(
    api: Api, watching: Watching, servers: Servers
) -> None:
    """A peer that vanished without a word: the connection stays open, and nothing comes."""
    ada = await a_provider(api, weeklyHours=HOURS)
    with Relay(servers.redis_url).running() as relay:
        async with (
            aclosing(open_redis(relay.url, timeout_seconds=0.5)) as redis,
            a_process(api, QUICK_TO_RETURN, redis=redis) as here,
        ):
            subscriber = watching(here, ada)
            await subscriber.snapshot()
            await joined(here, api)
            relay.die()
            await booked(api, ada, "2026-01-12T10:00Z")
            await subscriber.until(["09:00", "11:00"])
            assert here.feed.counts.disconnections == 1


async def test_a_redis_that_refuses_us_is_asked_again_and_again(
    api: Api, watching: Watching, servers: Servers
) -> None:
    """A wrong password is no reason to fall silent for ever: it may be set right."""
    ada = await a_provider(api, weeklyHours=HOURS)
    refused = (
        servers.redis_url.replace("//", "//:wrong-password@", 1)
        if "@" not in servers.redis_url
        else (servers.redis_url.replace("@", "-or-not@", 1))
    )
    async with (
        aclosing(open_redis(refused, timeout_seconds=0.5)) as redis,
        a_process(api, QUICK_TO_RETURN, redis=redis) as here,
    ):
        await watching(here, ada).snapshot()
        await until(lambda: here.feed.counts.disconnections >= 3)


async def test_subscribers_outlive_postgresql(
    api: Api, watching: Watching, own_postgres: Servers
) -> None:
    """Time passes meanwhile; later changes are sent. New subscriptions get an error while it is away."""
    ada = await a_provider(api, weeklyHours=HOURS)
    pace = Pace(
        compare_seconds=0.1, glance_seconds=0.01, retry_seconds=0.02, longest_retry_seconds=0.1
    )
    async with a_process(api, pace) as here:
        subscriber = watching(here, ada, last=TODAY + timedelta(days=1))
        await subscriber.snapshot(2)
        own_postgres.stop_postgres()
        with pytest.raises(DatabaseUnavailableError):
            await watching(here, ada).next()
        api.clock.set("2026-01-12T09:30Z")
        await subscriber.until(["10:00", "11:00"])
        own_postgres.start_postgres()
        await booked(api, ada, "2026-01-12T10:00Z")
        await subscriber.until(["11:00"])
