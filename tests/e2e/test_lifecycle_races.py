"""Concurrent changes in two server processes over HTTP: one consistent outcome, never a 500, no
deadlock in any log.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest

from app.process.clock import system_clock
from app.settings import Settings
from app.standins.embedded import Servers, free_port
from app.usecases.booking.close_appointment import complete_what_ended
from tests.builders import Api, Json, a_provider, an_organization, made, weekly
from tests.builders import running as in_process
from tests.databases import on_database
from tests.e2e import program
from tests.lives import booked, broken_laws, cancel, hold, move, new_key, no_show, try_booking
from tests.plain_http import NO_TLS

PROCESSES: Final = 2
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Server processes on one database, all on the machine's clock; `past` is the same API in
    process, a day behind.
    """

    past: Api
    servers: Sequence[Api]
    logs: Sequence[Path]

    async def meet(self, *deeds: Awaitable[Json]) -> list[Json]:
        return list(await asyncio.gather(*deeds))


def a_coming_day() -> datetime:
    return system_clock().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)


@pytest.fixture(scope="module")
async def started(
    servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """Two `serve` processes and an application in process, for all tests of this module."""
    name = f"slotwright_test_{os.getpid()}_town"
    administrator = await asyncpg.connect(servers.database_url)
    await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    env = {
        name: value for name, value in os.environ.items() if not name.startswith("SLOTWRIGHT_")
    } | {
        "DATABASE_URL": on_database(servers.database_url, name),
        "REDIS_URL": servers.redis_url,
        "SLOTWRIGHT_TOKEN_SECRET": "a secret of the tests of at least thirty-two bytes",
        "SLOTWRIGHT_MANAGE_KEYS": "test:another-secret-of-the-tests-of-32-bytes-or-more",
        "SLOTWRIGHT_HASH_SECRET": "a third secret of the tests of at least 32 bytes",
        "SLOTWRIGHT_RATE_LIMITS": "off",
        "SLOTWRIGHT_DRAIN_SECONDS": "0",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",  # every test is at this machine's own
    }
    folder = tmp_path_factory.mktemp("town")
    async with AsyncExitStack() as stack:
        behind = await stack.enter_async_context(in_process(Settings.from_environment(env)))
        past = await behind.api()
        past.clock.set(system_clock() - timedelta(days=1))
        logs, apis, addresses = [], [], []
        for number in range(PROCESSES):
            port, log = free_port(), folder / f"serve-{number}.log"
            process = stack.enter_context(
                program.running("serve", "--port", str(port), env=env, log=log)
            )
            addresses.append((process, f"http://127.0.0.1:{port}"))
            logs.append(log)
            process.wait_until_answering(f"http://127.0.0.1:{port}/healthz")
        for _, address in addresses:
            limits = httpx.Limits(max_connections=60)
            http = httpx.AsyncClient(
                base_url=address, timeout=PATIENCE_SECONDS, limits=limits, verify=NO_TLS
            )
            apis.append(
                Api(
                    await stack.enter_async_context(http),
                    past.resources,
                    past.organization,
                    past.clock,
                )
            )
        yield Town(past=past, servers=apis, logs=logs)
    await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await administrator.close()


@pytest.fixture
async def town(started: Town) -> AsyncIterator[Town]:
    """An organization of the test's own; after it the rows keep the laws, and no log knows of
    anything unexpected.
    """
    organization = await an_organization(started.past.resources)
    past, *servers = (
        Api(api.http, started.past.resources, organization, started.past.clock)
        for api in (started.past, *started.servers)
    )
    yield Town(past=past, servers=servers, logs=started.logs)
    assert await broken_laws(past.resources.pool, organization.id) == {}
    for log in started.logs:
        said = log.read_text(encoding="utf-8").lower()
        for word in ("deadlock", "traceback", "unexpected"):
            assert word not in said, said


def types(answers: Sequence[Json]) -> list[str]:
    return sorted(answer["__typename"] for answer in answers)


async def test_a_hundred_callers_wanting_one_time_get_one_hold(town: Town) -> None:
    ada = await a_provider(town.servers[0])
    start = a_coming_day() + timedelta(hours=10)
    deeds = [
        hold(api, ada, start, caller=api.customer(f"customer-{number}"))
        for number, api in zip(range(100), cycle(town.servers), strict=False)
    ]
    answers = await town.meet(*deeds)
    assert types(answers) == ["Hold", *["SlotUnavailableError"] * 99]
    token = next(answer["holdToken"] for answer in answers if "holdToken" in answer)
    deeds = [
        try_booking(api, ada, start, **({"holdToken": token} if number == 7 else {}))
        for number, api in zip(range(20), cycle(town.servers), strict=False)
    ]
    answers = await town.meet(*deeds)
    assert [answer["__typename"] == "BookingConfirmation" for answer in answers] == [
        at == 7 for at in range(20)
    ]


async def test_cancellations_moves_and_bookings_that_meet_leave_one_consistent_outcome(
    town: Town,
) -> None:
    one, two = town.servers
    ada = await a_provider(one)
    ten, eleven = (a_coming_day() + timedelta(hours=hour) for hour in (10, 11))
    for _ in range(10):
        visit = await booked(one, ada, ten)
        cancelled, moved, taken = await town.meet(
            cancel(one, visit), move(two, visit, eleven), try_booking(two, ada, ten)
        )
        made(cancelled, "Appointment")
        assert moved["__typename"] in {"BookingConfirmation", "NotReschedulableError"}
        if taken["__typename"] == "BookingConfirmation":
            made(await cancel(two, taken), "Appointment")
        else:
            made(taken, "SlotUnavailableError")


async def test_opposite_moves_across_days_in_two_processes_wait_in_no_circle(town: Town) -> None:
    one, two = town.servers
    ada = await a_provider(one, weeklyHours=weekly("00:00", "24:00"), serviceDurationMinutes=30)
    here, there, half = a_coming_day(), a_coming_day() + timedelta(days=1), timedelta(minutes=30)
    first = [await booked(one, ada, here + half * at) for at in range(8)]
    second = [await booked(two, ada, there + half * at) for at in range(8)]
    swapped = await town.meet(
        *(move(one, visit, there + half * at) for at, visit in enumerate(first)),
        *(move(two, visit, here + half * at) for at, visit in enumerate(second)),
    )
    # Each wants what another one has: whoever comes first finds it taken, and whatever is freed may
    # be had.
    assert {*types(swapped)} <= {"SlotUnavailableError", "BookingConfirmation"}
    noon = half * 24
    crossed = await town.meet(
        *(move(one, visit, there + noon + half * at) for at, visit in enumerate(first)),
        *(move(two, visit, here + noon + half * at) for at, visit in enumerate(second)),
    )
    assert types(crossed) == ["BookingConfirmation"] * 16


async def test_one_key_fifty_times_over_two_processes_moves_once(town: Town) -> None:
    ada = await a_provider(town.servers[0])
    visit = await booked(town.servers[0], ada, a_coming_day() + timedelta(hours=10))
    key, target = new_key(), a_coming_day() + timedelta(hours=14)
    answers = await town.meet(
        *(
            move(api, visit, target, idempotencyKey=key)
            for _, api in zip(range(50), cycle(town.servers), strict=False)
        )
    )
    assert types(answers) == ["BookingConfirmation"] * 50
    assert {(answer["appointment"]["version"], answer["manageToken"]) for answer in answers} == {
        (2, visit["manageToken"])
    }


async def test_workers_that_complete_and_staff_who_say_that_nobody_came(town: Town) -> None:
    ada = await a_provider(
        town.past, weeklyHours=weekly("00:00", "24:00"), serviceDurationMinutes=15
    )
    begin = town.past.clock.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    visits = [await booked(town.past, ada, begin + timedelta(minutes=15 * at)) for at in range(16)]
    past = town.past.clock.now
    town.past.clock.set(system_clock())
    told, *completed = await asyncio.gather(
        town.meet(
            *(no_show(api, visit) for visit, api in zip(visits, cycle(town.servers), strict=False))
        ),
        complete_what_ended(town.past.resources),
        complete_what_ended(town.past.resources),
    )
    town.past.clock.set(past)
    assert {(answer["__typename"], answer["status"]) for answer in told} == {
        ("Appointment", "NO_SHOW")
    }
    assert sum(answer["version"] - 2 for answer in told) == sum(completed)
