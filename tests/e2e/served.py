"""The API as one or several processes on a database of its own, with the builders of tests.builders
on top.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import Settings
from app.standins.embedded import Servers, free_port
from tests.builders import Api, Clock, an_organization
from tests.databases import a_copy
from tests.e2e.program import running
from tests.plain_http import NO_TLS

PROGRAM = (sys.executable, "-m", "app")
PATIENCE_SECONDS = 60.0


def environment_on(servers: Servers, database: str) -> dict[str, str]:
    """What a process of the program needs to run on this database."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLOTWRIGHT_")}
    return own | {
        "DATABASE_URL": urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{database}")),
        "REDIS_URL": servers.redis_url,
        "SLOTWRIGHT_TOKEN_SECRET": "a secret of the tests of at least thirty-two bytes",
        "SLOTWRIGHT_MANAGE_KEYS": "test:another-secret-of-the-tests-of-32-bytes-or-more",
        "SLOTWRIGHT_HASH_SECRET": "a third secret of the tests of at least 32 bytes",
        "SLOTWRIGHT_RATE_LIMITS": "off",
        "SLOTWRIGHT_DRAIN_SECONDS": "0",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",  # every test is at this machine's own
    }


def free_ports(count: int) -> list[int]:
    """Different ones, out of the range of outgoing connections."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


@asynccontextmanager
async def a_database(servers: Servers, template: str, name: str) -> AsyncIterator[str]:
    """A migrated database of this name, for as long as the block lasts."""
    async with a_copy(servers, template, name):
        yield name


@asynccontextmanager
async def processes(
    environment: Mapping[str, str], folder: Path, *, count: int, command: Sequence[str] = PROGRAM
) -> AsyncIterator[list[Api]]:
    """So many processes that serve the API, each with one worker; the same organization, asked
    through each of them.

    They go by the machine's clock. Their builders' requests wait long: on a busy machine nothing
    may fail for that.
    """
    settings = Settings.from_environment(environment)
    async with AsyncExitStack() as stack:
        ports = free_ports(count)
        started = []
        for number, port in enumerate(ports):
            arguments = ("serve", "--host", "127.0.0.1", "--port", str(port))
            log = folder / f"serve-{number}.log"
            process = stack.enter_context(
                running(*arguments, env=environment, log=log, command=command)
            )
            stack.callback(process.process.terminate)  # all are told before the first is waited for
            started.append(process)
        for process, port in zip(started, ports, strict=True):
            process.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        clock = Clock(system_clock())
        resources = await stack.enter_async_context(open_resources(settings, clock=system_clock))
        organization = await an_organization(resources)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        apis = []
        for port in ports:
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                limits=limits,
                timeout=PATIENCE_SECONDS,
                verify=NO_TLS,
            )
            apis.append(
                Api(await stack.enter_async_context(client), resources, organization, clock)
            )
        yield apis
