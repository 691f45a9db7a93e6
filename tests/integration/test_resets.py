"""Connections to Redis and PostgreSQL are reset while the program runs, on its own event loop. No
caller notices, and every committed change is published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeAlias

import pytest
import uvloop

from app.admission.rates import Rate, debt_key
from app.cache.documents import RegisteredDocuments
from app.core.changes import AppointmentChanged, AppointmentChangeKind, RulesChanged
from app.core.ids import AppointmentId, CustomerId
from app.core.viewer import Viewer
from app.free_times.shared import Question
from app.jobs.queue import QUEUE, Waker
from app.live.pace import Pace
from app.redis_client import Breaker
from app.settings import Settings
from app.standins.embedded import Servers
from app.store.pool import DatabaseUnavailableError, transaction
from app.usecases.callers.identify import identify
from app.usecases.events.publish import publish
from app.usecases.events.watch_appointments import AppointmentNews, watch_appointments
from app.usecases.events.watch_availability import WatchForm, watch_availability
from tests.builders import NOW, TODAY, Api, Clock, a_provider, key_in, listed, running, utc, weekly
from tests.integration.live.subscriber import (
    PATIENCE_SECONDS,
    Subscriber,
    a_process,
    joined,
    load_for,
    provider_id,
    until,
)
from tests.lives import booked, cancel
from tests.relay import Relay

HOURS: Final = weekly("09:00", "12:00")
POINTS: Final = Rate(name="points", points=600)
QUICK_TO_RETURN: Final = Pace(
    compare_seconds=3_600,
    sweep_seconds=3_600,
    retry_seconds=0.02,
    longest_retry_seconds=0.1,
    ping_seconds=0.2,
)
PASSES: Final = (0, 1, 2, 5)
"""How often the event loop went round since the reset: it may have noticed, or be about to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two processes that share PostgreSQL and Redis; the connections of `here` can be reset."""

    here: Api
    there: Api
    redis: Relay
    postgres: Relay

    async def reset(self, relay: Relay, passes: int) -> None:
        assert relay.reset() > 0
        for _ in range(passes):
            await asyncio.sleep(0)


Scenario: TypeAlias = Callable[[World], Awaitable[None]]


@pytest.fixture
def redis_relay(servers: Servers) -> Iterator[Relay]:
    with Relay(servers.redis_url).running() as relay:
        yield relay


@pytest.fixture
def postgres_relay(database: str) -> Iterator[Relay]:
    with Relay(database).running() as relay:
        yield relay


@pytest.fixture
def play(
    environment: dict[str, str], redis_relay: Relay, postgres_relay: Relay
) -> Callable[[Scenario], Awaitable[None]]:
    """Plays a scenario in a thread, on uvloop."""
    relayed = environment | {"REDIS_URL": redis_relay.url, "DATABASE_URL": postgres_relay.url}

    async def played(scenario: Scenario) -> None:
        async with AsyncExitStack() as stack:
            near = await stack.enter_async_context(running(Settings.from_environment(relayed)))
            far = await stack.enter_async_context(running(Settings.from_environment(environment)))
            here = await near.api()
            far.clock.set(NOW)
            there = Api(far.http, far.resources, here.organization, far.clock)
            world = World(here=here, there=there, redis=redis_relay, postgres=postgres_relay)
            await scenario(world)

    def on_uvloop(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(played(scenario))

    async def play(scenario: Scenario) -> None:
        await asyncio.to_thread(on_uvloop, scenario)

    return play


Play: TypeAlias = Callable[[Scenario], Awaitable[None]]


# ---------------------------------------------------------------- Redis


async def test_a_cancellation_after_a_reset_is_answered_and_frees_the_time_everywhere(
    play: Play,
) -> None:
    """The connections that invalidate and publish were idle, and died."""

    async def scenario(world: World) -> None:
        here, there = world.here, world.there
        ada = await a_provider(here, weeklyHours=HOURS)
        for passes in PASSES:
            appointment = await booked(here, ada, "2026-01-12T10:00Z")
            for api in (here, there, here, there):
                assert await listed(api, ada) == utc("2026-01-12", "09:00", "11:00")
            await world.reset(world.redis, passes)
            assert (await cancel(here, appointment))["status"] == "CANCELLED"
            for api in (there, here):
                assert await listed(api, ada) == utc("2026-01-12", "09:00", "10:00", "11:00")

    await play(scenario)


async def test_a_reset_of_idle_connections_costs_no_outage_and_loses_no_invalidation(
    play: Play,
) -> None:
    async def scenario(world: World) -> None:
        resources = world.here.resources
        ada = await a_provider(world.here, weeklyHours=HOURS)
        cache, feed = resources.accelerator.shared, resources.feed
        for passes in PASSES:
            appointment = await booked(world.here, ada, "2026-01-12T10:00Z")
            await world.reset(world.redis, passes)
            await cache.stamps(world.here.organization.id, [provider_id(ada)])
            await world.reset(world.redis, passes)
            await cancel(world.here, appointment)
        assert not resources.redis.breaker.is_open
        assert (cache.counts.outages, cache.counts.invalidations_lost) == (0, 0)
        assert feed.counts.unpublished == 0

    await play(scenario)


async def test_an_invalidation_that_cannot_be_sent_is_counted_and_the_cancellation_answered(
    play: Play,
) -> None:
    """Every connection is reset as soon as it is made."""

    async def scenario(world: World) -> None:
        application, ada = world.here, await a_provider(world.here, weeklyHours=HOURS)
        appointment = await booked(application, ada, "2026-01-12T10:00Z")
        world.redis.refuse()
        assert (await cancel(application, appointment))["status"] == "CANCELLED"
        times = utc("2026-01-12", "09:00", "10:00", "11:00")
        assert await listed(application, ada) == times
        world.redis.serve()

        resources = application.resources
        change = RulesChanged(organization_id=application.organization.id, ids=())
        counts = resources.accelerator.shared.counts
        resources.redis.breaker = Breaker()
        late, unpublished = counts.invalidations_late, resources.feed.counts.unpublished
        await publish(resources, change)
        assert counts.invalidations_late == late
        assert resources.feed.counts.unpublished == unpublished
        world.redis.refuse()
        await publish(resources, replace(change, ids=(provider_id(ada),)))
        assert counts.invalidations_late == late + 1
        assert resources.feed.counts.unpublished == unpublished + 1
        world.redis.serve()
        await until(lambda: resources.feed.announcer.late == 0)
        assert counts.invalidations_lost == 0

    await play(scenario)


async def test_a_subscriber_gets_what_happens_after_the_listener_was_reset(play: Play) -> None:
    """The listener joins again, and what was said meanwhile is found by the reading that follows."""

    async def scenario(world: World) -> None:
        ada = await a_provider(world.here, weeklyHours=HOURS)
        async with a_process(world.here, QUICK_TO_RETURN) as here:
            form = WatchForm(
                provider_ids=[provider_id(ada)],
                service_id=None,
                first=TODAY,
                last=TODAY,
                time_zone=None,
            )
            organization_id = world.here.organization.id
            subscriber = Subscriber(watch_availability(here, organization_id, form))
            await subscriber.snapshot()
            for passes in PASSES:
                await joined(world.there.resources, world.here)
                await world.reset(world.redis, passes)
                appointment = await booked(world.there, ada, "2026-01-12T10:00Z")
                await subscriber.until(["09:00", "11:00"])
                await joined(world.there.resources, world.here)
                await world.reset(world.redis, passes)
                await cancel(world.there, appointment)
                await subscriber.until(["09:00", "10:00", "11:00"])
            await subscriber.leave()
            assert here.feed.running > 0

    await play(scenario)


async def test_a_change_that_could_not_be_published_is_found_as_soon_as_redis_is_back(
    play: Play,
) -> None:
    """A process whose events were lost tells the others to read for themselves."""

    async def scenario(world: World) -> None:
        ada = await a_provider(world.here, weeklyHours=HOURS)
        async with (
            a_process(world.there, QUICK_TO_RETURN) as there,
            a_process(world.here, QUICK_TO_RETURN) as here,
        ):
            viewer = await identify(
                there, authorization=f"Bearer {world.there.admin.token}", organization=None
            )
            assert isinstance(viewer, Viewer)
            events = watch_appointments(there, viewer, load_for=partial(load_for, there))
            news = asyncio.ensure_future(anext(events))
            await joined(world.there.resources, world.here)
            world.redis.refuse()
            appointment = await booked(world.here, ada, "2026-01-12T10:00Z")
            change = AppointmentChanged(
                organization_id=world.here.organization.id,
                appointment_id=AppointmentId(key_in(appointment["appointment"]["id"])),
                provider_ids=(provider_id(ada),),
                customer_id=CustomerId(key_in(ada["id"])),
                kind=AppointmentChangeKind.BOOKED,
                version=1,
            )
            await here.feed.publish([change])
            assert here.feed.counts.unpublished == 1
            world.redis.serve()
            async with asyncio.timeout(PATIENCE_SECONDS):
                heard = await news
            assert isinstance(heard, AppointmentNews)
            assert heard.appointment.id == change.appointment_id
            await events.aclose()

    await play(scenario)


async def test_rates_are_reported_over_a_connection_that_was_reset(play: Play) -> None:
    async def scenario(world: World) -> None:
        rates, redis = world.here.resources.rates, world.there.resources.redis
        for number in PASSES:
            rates.spend(POINTS, "robin", 60)
            await rates.report()
            await world.reset(world.redis, number)
            rates.spend(POINTS, f"robin-{number}", 60)
            await rates.report()
            assert await redis.exists(debt_key(POINTS, f"robin-{number}"))

    await play(scenario)


async def test_documents_are_found_over_a_connection_that_was_reset(play: Play) -> None:
    async def scenario(world: World) -> None:
        documents = RegisteredDocuments(lambda: world.here.resources.redis)
        for passes in PASSES:
            await documents.keep("0" * 64, "{ livez }")
            await world.reset(world.redis, passes)
            assert await documents.find("0" * 64) == "{ livez }"

    await play(scenario)


async def test_the_worker_is_woken_over_a_connection_that_was_reset(play: Play) -> None:
    async def scenario(world: World) -> None:
        redis, clock = world.there.resources.redis, Clock()
        for passes in PASSES:
            waker = Waker(world.redis.url, real_clock=clock)
            waker.wake(["first"])
            await asyncio.wait(waker._tasks._running)
            await world.reset(world.redis, passes)
            clock.set(clock() + timedelta(minutes=1))
            waker.wake(["second"])
            await waker.aclose()
            assert await redis.zcard(QUEUE) == 2
            await redis.flushdb()

    await play(scenario)


async def test_readyz_says_ok_after_a_reset(play: Play) -> None:
    async def scenario(world: World) -> None:
        for relay in (world.redis, world.postgres):
            for passes in PASSES:
                assert (await world.here.http.get("/readyz")).json()["status"] == "ok"
                await world.reset(relay, passes)
                assert (await world.here.http.get("/readyz")).json()["status"] == "ok"

    await play(scenario)


# ---------------------------------------------------------------- PostgreSQL


async def test_a_read_and_a_transaction_after_a_reset_take_another_connection(play: Play) -> None:
    """The whole pool was idle, and died."""

    async def scenario(world: World) -> None:
        pool = world.here.resources.pool
        for passes in PASSES:
            await asyncio.gather(*(pool.fetch("SELECT pg_sleep(0.05)", ()) for _ in range(4)))
            await world.reset(world.postgres, passes)
            assert [dict(row) for row in await pool.fetch("SELECT 1 AS n", ())] == [{"n": 1}]
            await world.reset(world.postgres, passes)
            async with transaction(pool) as tx:
                assert len(await tx.fetch("SELECT 1 AS n", ())) == 1

    await play(scenario)


async def test_a_reset_within_a_transaction_is_an_outage_and_leaves_nothing(play: Play) -> None:
    async def scenario(world: World) -> None:
        pool = world.here.resources.pool
        await pool.execute("CREATE TABLE made (n integer)", ())
        for passes in PASSES:
            with pytest.raises(DatabaseUnavailableError):
                async with transaction(pool) as tx:
                    await tx.execute("INSERT INTO made VALUES (1)", ())
                    await world.reset(world.postgres, passes)
                    await tx.execute("INSERT INTO made VALUES (2)", ())
            with pytest.raises(DatabaseUnavailableError):
                async with transaction(pool) as tx:
                    await tx.execute("INSERT INTO made VALUES (1)", ())
                    await world.reset(world.postgres, passes)
        assert await pool.fetch("SELECT n FROM made", ()) == []

    await play(scenario)


async def test_statements_that_are_reset_at_any_moment_end_as_outages(play: Play) -> None:
    """All that the driver and its loop raise when a connection is opened, used and released."""

    async def scenario(world: World) -> None:
        pool, done = world.here.resources.pool, asyncio.Event()

        async def use() -> None:
            while not done.is_set():
                with suppress(DatabaseUnavailableError):
                    await pool.fetch("SELECT 1 AS n", ())
                with suppress(DatabaseUnavailableError):
                    async with transaction(pool) as tx:
                        await tx.execute("SELECT 1", ())

        using = [asyncio.create_task(use()) for _ in range(12)]
        for _ in range(60):
            await asyncio.to_thread(world.postgres.reset)
        done.set()
        await asyncio.gather(*using)

    await play(scenario)


async def test_commands_that_are_reset_at_any_moment_are_answered_or_counted(play: Play) -> None:
    """No use of Redis lets an exception of redis-py or the loop through."""

    async def scenario(world: World) -> None:
        resources, done = world.here.resources, asyncio.Event()
        organization_id = world.here.organization.id
        ada = provider_id(await a_provider(world.here, weeklyHours=HOURS))
        documents = RegisteredDocuments(lambda: resources.redis)
        change = RulesChanged(organization_id=organization_id, ids=(ada,))

        async def use() -> None:
            number = 0
            while not done.is_set():
                resources.redis.breaker = Breaker()
                number += 1
                await resources.accelerator.shared.look([Question(organization_id, ada)])
                await resources.accelerator.shared.stamps(organization_id, [ada])
                await publish(resources, change)
                await documents.keep("0" * 64, "{ livez }")
                await documents.find("0" * 64)
                resources.rates.spend(POINTS, f"robin-{number}", 1)
                await resources.rates.report()

        using = [asyncio.create_task(use()) for _ in range(6)]
        for _ in range(100):
            await asyncio.to_thread(world.redis.reset)
        done.set()
        await asyncio.gather(*using)

    await play(scenario)
