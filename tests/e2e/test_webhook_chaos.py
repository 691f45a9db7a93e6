"""Chaos: a receiver that is killed, slow, answers with errors or not at all, while people book, move
and cancel, and the API, the worker and PostgreSQL are killed. Every committed change arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest
from standardwebhooks import WebhookVerificationError

from app.api.words.relay import global_id
from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import Settings
from app.standins.embedded import Servers
from app.store.pool import DatabaseUnavailableError
from tests.builders import (
    BOOK,
    Api,
    Clock,
    Json,
    a_booking,
    a_provider,
    an_organization,
    weekly,
)
from tests.e2e.program import Running, running
from tests.e2e.served import a_database, environment_on, free_ports
from tests.lives import CANCEL, MOVE, new_key
from tests.plain_http import NO_TLS
from tests.receiver import CUT, Received, receiving

SAMPLE_SECONDS: Final = 10.0
FULL_SECONDS: Final = 300.0
CONVERGED_WITHIN_SECONDS: Final = 180.0
PEOPLE: Final = 4

CREATE: Final = """
    mutation ($input: CreateWebhookInput!) {
        answer: createWebhook(input: $input) { __typename ... on WebhookWithSecret { secret } }
    }
"""
TYPES: Final = ["APPOINTMENT_BOOKED", "APPOINTMENT_RESCHEDULED", "APPOINTMENT_CANCELLED"]

Change = tuple[str, int]
"""An appointment's opaque id, and the version that the change gave it."""


class Judge:
    """Answers as chance says, and keeps what it received and which laws were broken."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.is_kind = False
        self.secret = ""
        self.accepted: set[Change] = set()
        self.arrived: set[Change] = set()
        self.tries = 0
        self.broken: list[str] = []

    async def respond(self, got: Received) -> int:
        change = (got.subject, got.version)
        self.tries += 1
        try:
            got.verify(self.secret)
        except WebhookVerificationError as error:
            self.broken.append(f"{change}: {error}")
        missing = [
            version
            for version in range(1, got.version)
            if (got.subject, version) not in self.accepted
        ]
        if missing:
            self.broken.append(f"{change} came before {missing}")
        self.arrived.add(change)
        mood = 1.0 if self.is_kind else self.chance.random()
        if mood < 0.15:
            return 500
        if mood < 0.25:
            return CUT
        if mood < 0.35:
            await asyncio.sleep(self.chance.uniform(0.1, 2.0))
        self.accepted.add(change)
        return CUT if mood < 0.4 else 204  # received, and the answer is lost


class World:
    """The processes, the people and what they meet."""

    def __init__(
        self, servers: Servers, api: Api, folder: Path, environment: dict[str, str]
    ) -> None:
        self.servers = servers
        self.api = api
        self.folder = folder
        self.environment = environment
        self.judge = Judge(random.Random(11))
        self.chance = random.Random(12)
        self.stack = ExitStack()
        self.started: dict[str, Running] = {}
        self.receiver_port = 0
        self.receiver = asyncio.Event()
        self.providers: list[Json] = []
        self._booked: list[Json] = []

    # ------------------------------------------------------------ processes

    def start(self, name: str) -> None:
        """`serve` or `work`, once more."""
        port = str(httpx.URL(self.api.http.base_url).port)
        arguments = (
            ("serve", "--host", "127.0.0.1", "--port", port) if name == "serve" else ("work",)
        )
        log = self.folder / f"{name}.log"
        self.started[name] = self.stack.enter_context(
            running(*arguments, env=self.environment, log=log)
        )

    async def kill(self, name: str) -> None:
        match name:
            case "receiver":
                self.receiver.set()
            case "postgres":
                # PostgreSQL answers the death of any of its processes by ending all of them.
                server = self.servers._postgres
                assert server is not None
                assert server._child is not None
                backends = psutil.Process(server._child.pid).children()
                self.chance.choice(backends).kill()
            case _:
                await asyncio.to_thread(self.started[name].end, signal.SIGKILL)
                self.start(name)

    async def receive(self) -> None:
        """Is there, is killed, is away for a moment, is there again."""
        while True:
            async with receiving(self.judge.respond, port=self.receiver_port) as receiver:
                self.receiver_port = receiver.port
                await self.receiver.wait()
            self.receiver.clear()
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))

    # ------------------------------------------------------------ people

    async def act_until(self, done: asyncio.Event) -> None:
        while not done.is_set():
            try:
                await self._act()
            except (httpx.TransportError, AssertionError):
                await asyncio.sleep(0.1)

    async def _act(self) -> None:
        day = (system_clock() + timedelta(days=self.chance.randrange(2, 30))).date()
        start = f"{day}T{self.chance.randrange(9, 17):02}:00Z"
        dice = self.chance.random()
        if self._booked and dice < 0.6:
            booked = self._booked.pop(self.chance.randrange(len(self._booked)))
            token = {
                "appointmentId": booked["appointment"]["id"],
                "manageToken": booked["manageToken"],
            }
            if dice < 0.2:
                await self.api.ask(CANCEL, input=token)
                return
            wish = {**token, "startsAt": start, "idempotencyKey": new_key()}
            await self.api.ask(MOVE, input=wish)
            self._booked.append(booked)
            return
        answer = await self.api.ask(
            BOOK, input=a_booking(self.chance.choice(self.providers), start)
        )
        if answer["answer"]["__typename"] == "BookingConfirmation":
            self._booked.append(answer["answer"])

    # ------------------------------------------------------------ the law

    async def committed(self) -> set[Change]:
        """Every change that the database holds."""
        rows = await self.api.rows(
            "SELECT appointment_id, version FROM appointment_history WHERE organization_id = $1",
            self.api.organization.id,
        )
        return {
            (str(global_id("Appointment", row["appointment_id"])), row["version"]) for row in rows
        }

    async def hurry(self) -> None:
        """The rules' pauses are not waited for."""
        tried = "status = 'PENDING' AND attempts > 0"
        for sql in (
            f"UPDATE webhook_delivery SET next_attempt_at = now() WHERE {tried}",
            "UPDATE webhook SET rests_until = NULL WHERE rests_until IS NOT NULL",
        ):
            await self.api.resources.pool.execute(sql, [])


@asynccontextmanager
async def a_world(servers: Servers, template: str, folder: Path) -> AsyncIterator[World]:
    """One process that serves, one worker, and a receiver; a database of their own."""
    async with (
        AsyncExitStack() as stack,
        a_database(servers, template, f"slotwright_hooks_chaos_{os.getpid()}") as database,
    ):
        environment = environment_on(servers, database)
        environment["SLOTWRIGHT_OUTGOING_NETWORKS"] = "127.0.0.0/8"
        settings = Settings.from_environment(environment)
        resources = await stack.enter_async_context(open_resources(settings, clock=system_clock))
        organization = await an_organization(resources)
        (port,) = free_ports(1)
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, verify=NO_TLS)
        api = Api(
            await stack.enter_async_context(http), resources, organization, Clock(system_clock())
        )
        world = World(servers, api, folder, environment)
        stack.callback(world.stack.close)
        receiving_ = asyncio.create_task(world.receive())
        try:
            for name in ("serve", "work"):
                world.start(name)
            await asyncio.to_thread(
                world.started["serve"].wait_until_answering, f"http://127.0.0.1:{port}/livez"
            )
            yield world
        finally:
            receiving_.cancel()
            await asyncio.gather(receiving_, return_exceptions=True)


async def survives(world: World, seconds: float, killed: list[str]) -> None:
    """The test, for so long: these are killed, one after the other, in equal pauses."""
    api, judge = world.api, world.judge
    values = {"url": f"http://127.0.0.1:{world.receiver_port}/hook", "types": TYPES}
    created = await api.ask(CREATE, caller=api.admin, input=values)
    judge.secret = created["answer"]["secret"]
    world.providers = [
        await a_provider(api, weeklyHours=weekly("09:00", "17:00"), maxAdvanceBookingDays=60)
        for _ in range(PEOPLE)
    ]
    done = asyncio.Event()
    acting = [asyncio.create_task(world.act_until(done)) for _ in range(PEOPLE)]
    for name in killed:
        await asyncio.sleep(seconds / (len(killed) + 1))
        await world.kill(name)
    await asyncio.sleep(seconds / (len(killed) + 1))
    done.set()
    await asyncio.gather(*acting)
    judge.is_kind = True

    async with asyncio.timeout(CONVERGED_WITHIN_SECONDS):
        while True:
            with contextlib.suppress(DatabaseUnavailableError):
                await world.hurry()
                if await world.committed() <= judge.accepted:
                    break
            await asyncio.sleep(0.5)
    committed = await world.committed()
    assert judge.broken == []
    assert judge.arrived == committed, "nothing arrived that was not committed"
    assert len(committed) > 10
    assert judge.tries > len(committed), "some were tried again"


@pytest.fixture
async def world(servers: Servers, template_database: str, tmp_path: Path) -> AsyncIterator[World]:
    if not (servers.owns_postgres and servers.owns_redis):
        pytest.skip("these servers are not ours to stop")
    async with a_world(servers, template_database, tmp_path) as found:
        yield found


async def test_every_committed_change_arrives_signed_and_in_order(world: World) -> None:
    await survives(world, SAMPLE_SECONDS, ["work", "receiver", "serve", "postgres"])


@pytest.mark.full
async def test_every_change_of_five_minutes_arrives_signed_and_in_order(world: World) -> None:
    await survives(world, FULL_SECONDS, ["work", "receiver", "serve", "postgres", "receiver"] * 5)
