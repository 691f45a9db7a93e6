"""Chaos: Redis, PostgreSQL and a process of the API fail under load; subscribers that stay
connected end with the right data.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import Settings
from app.standins.embedded import Servers
from tests.builders import (
    BOOK,
    Api,
    Clock,
    Json,
    a_booking,
    a_provider,
    an_organization,
    listed,
    weekly,
)
from tests.e2e.program import Running, running
from tests.e2e.served import a_database, environment_on, free_ports
from tests.e2e.watcher import AVAILABILITY, Watcher, over_events, over_socket
from tests.lives import CANCEL
from tests.plain_http import NO_TLS

CONVERGED_WITHIN_SECONDS = 30.0
OUTAGE_SECONDS = 1.5
PROCESSES = 3
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", None)


class World:
    """Three processes, four providers, and people who book and cancel through the first two,
    whatever they are told.
    """

    def __init__(self, started: list[Running], apis: list[Api], chance: random.Random) -> None:
        self.started = started
        self.apis = apis
        self.chance = chance
        self.providers: list[Json] = []
        self.days = [str((system_clock() + timedelta(days=days)).date()) for days in range(2, 5)]
        self.answered = 0
        self.failed = 0
        self._booked: list[Json] = []

    async def act_until(self, done: asyncio.Event) -> None:
        for api in cycle(self.apis[:2]):
            if done.is_set():
                return
            try:
                await self._act(api)
                self.answered += 1
            except (httpx.TransportError, AssertionError):
                self.failed += 1
                await asyncio.sleep(0.05)

    async def _act(self, api: Api) -> None:
        if self._booked and self.chance.random() < 0.45:
            booked = self._booked.pop(self.chance.randrange(len(self._booked)))
            values = {"id": booked["appointment"]["id"], "manageToken": booked["manageToken"]}
            await api.ask(CANCEL, input=values)
            return
        hour = self.chance.randrange(9, 17)
        wish = a_booking(
            self.chance.choice(self.providers), f"{self.chance.choice(self.days)}T{hour:02}:00Z"
        )
        answer = (await api.ask(BOOK, input=wish))["answer"]
        if answer["__typename"] == "BookingConfirmation":
            self._booked.append(answer)


@pytest.fixture
async def world(servers: Servers, template_database: str, tmp_path: Path) -> AsyncIterator[World]:
    if not (servers.owns_postgres and servers.owns_redis):
        pytest.skip("these servers are not ours to stop")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            a_database(servers, template_database, f"slotwright_chaos_{os.getpid()}")
        )
        environment = environment_on(servers, database)
        started, apis = [], []
        resources = await stack.enter_async_context(
            open_resources(Settings.from_environment(environment), clock=system_clock)
        )
        organization = await an_organization(resources)
        ports = free_ports(PROCESSES)
        for port in ports:
            arguments = ("serve", "--host", "127.0.0.1", "--port", str(port))
            started.append(
                stack.enter_context(
                    running(*arguments, env=environment, log=tmp_path / f"{port}.log")
                )
            )
        for process, port in zip(started, ports, strict=True):
            process.wait_until_answering(f"http://127.0.0.1:{port}/livez")
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=30, verify=NO_TLS
            )
            http = await stack.enter_async_context(client)
            apis.append(Api(http, resources, organization, Clock(system_clock())))
        yield World(started, apis, random.Random(7))
        servers.start_postgres()
        servers.start_redis()


async def test_every_surviving_subscriber_learns_the_truth(world: World, servers: Servers) -> None:
    world.providers = [
        await a_provider(world.apis[0], weeklyHours=weekly("09:00", "17:00")) for _ in range(4)
    ]
    asked = {
        "providerIds": [provider["id"] for provider in world.providers],
        "from": world.days[0],
        "to": world.days[-1],
    }
    async with AsyncExitStack() as stack:
        watchers: list[tuple[Api, str | None, Watcher]] = []
        for api in world.apis:
            for subscribe in (over_socket, over_events):
                for zone in ZONES:
                    subscribing = subscribe(
                        api.http.base_url, api.anonymous, AVAILABILITY, **asked, timeZone=zone
                    )
                    watchers.append((api, zone, await stack.enter_async_context(subscribing)))
        for _, _, watcher in watchers:
            await watcher.until(lambda watched: len(watched.last) == 12)

        done = asyncio.Event()
        acting = [asyncio.create_task(world.act_until(done)) for _ in range(8)]
        await asyncio.sleep(OUTAGE_SECONDS)
        before = world.answered
        for stop, start in (
            (servers.stop_redis, servers.start_redis),
            (servers.stop_postgres, servers.start_postgres),
        ):
            await asyncio.to_thread(stop)
            await asyncio.sleep(OUTAGE_SECONDS)
            await asyncio.to_thread(start)
            await asyncio.sleep(OUTAGE_SECONDS)
        world.started[-1].end(signal.SIGKILL)
        await asyncio.sleep(OUTAGE_SECONDS)
        done.set()
        await asyncio.gather(*acting)
        assert world.answered > before > 0
        assert world.failed > 0

        surviving = [each for each in watchers if each[0] is not world.apis[-1]]
        async with asyncio.timeout(CONVERGED_WITHIN_SECONDS):
            for zone in ZONES:
                await agreed(
                    world,
                    zone,
                    [watcher for _, asked_zone, watcher in surviving if asked_zone == zone],
                )
        assert all(watcher.closed is None and not watcher.errors for _, _, watcher in surviving)


async def agreed(world: World, zone: str | None, watchers: list[Watcher]) -> None:
    """Waits until each shows what is listed."""
    truth = {
        (provider["id"], day): await listed(world.apis[0], provider, day, timeZone=zone)
        for provider in world.providers
        for day in world.days
    }
    for watcher in watchers:
        await watcher.until(
            lambda watched: (
                {key: change["startTimes"] for key, change in watched.last.items()} == truth
            )
        )
