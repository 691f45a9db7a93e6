"""A real browser, Debian's Chromium, for the tests of this folder; and what must be true of every
page they open.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

import app
from app.core.provider import Organization
from app.core.viewer import Role
from app.development.access_tokens import signed_token
from app.development.seed import DEMO, seed
from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import Settings
from app.standins.embedded import Servers, free_port
from app.usecases.busy.read_feeds import read_feeds
from app.usecases.practice.create_organization import create_organization
from tests.databases import on_database
from tests.plain_http import NO_TLS

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# Chromium's own errands (updates, sync, field trials) have no place in a test; its sandbox does not
# start as root.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LEFT_WHILE_CONNECTING = "WebSocket is closed before the connection is established"
"""Chromium warns of this when somebody reloads a page or signs out while its socket connects. The
page can do nothing about it.
"""

# What a page shows is waited for, on busy machines too; where it has to be quick, the test says how
# quick.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each opens windows of its own in it."""
    if CHROMIUM is None:
        pytest.skip("BROWSER TESTS LEFT OUT: no Chromium found (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


class Windows:
    """Opens windows as separate people would have them, and remembers what was fetched and what
    went wrong in any.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.addresses: list[str] = []

    async def open(self, **options: Any) -> Page:  # noqa: ANN401 (they are playwright's, passed on)
        """A new window with storage of its own; options as of playwright's `new_context`."""
        context = await self._browser.new_context(**options)
        self._contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("websocket", lambda socket: self.addresses.append(socket.url))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and LEFT_WHILE_CONNECTING not in message.text:
            self.complaints.append(message.text)

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


@pytest.fixture
async def windows(browser: Browser) -> AsyncIterator[Windows]:
    """Windows that are closed after the test."""
    opened = Windows(browser)
    yield opened
    await opened.close()


SECRET = "a-secret-of-the-tests-thirty-two-bytes-or-more"
ROOT = Path(app.__file__).parents[1]
START_SECONDS = 120


class Shop:
    """The program as people meet it: `serve` and `work` as processes, with the demo data, and an
    administrator.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.address = f"http://127.0.0.1:{self._port}"
        self.token = signed_token(
            SECRET, Role.ADMIN, DEMO.admin_subject, DEMO.organization, timedelta(hours=1)
        )

    async def make_organization(self, slug: str, name: str) -> None:
        """By this process, as `seed`."""
        async with open_resources(Settings.from_environment(self._environment)) as resources:
            made = await create_organization(resources, slug=slug, name=name)
            assert isinstance(made, Organization), made

    async def seed(self) -> None:
        """The demo data, by this process: a start of the program takes two seconds."""
        async with open_resources(Settings.from_environment(self._environment)) as resources:
            await seed(resources)

    async def read_feeds(self) -> None:
        """The worker's job, now instead of within a minute."""
        settings = Settings.from_environment(self._environment)
        async with open_resources(
            settings, clock=system_clock, real_clock=system_clock
        ) as resources:
            await read_feeds(resources)

    async def start(self) -> None:
        for arguments in (["serve", "--port", str(self._port)], ["work"]):
            command = [sys.executable, "-m", "app", *arguments]
            self._processes.append(subprocess.Popen(command, cwd=ROOT, env=self._environment))  # noqa: ASYNC220
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(verify=NO_TLS) as client:
            while not await _ready(client, self.address):  # noqa: ASYNC110 (another process is waited for)
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)
        self._processes.clear()

    async def ask(self, document: str, *, token: str | None = None, **variables: object) -> Any:  # noqa: ANN401 (JSON)
        """What a query answers with, asked by the administrator unless another token is given ("":
        by a guest).
        """
        bearer = self.token if token is None else token
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx.AsyncClient(
            base_url=self.address, headers=headers, verify=NO_TLS
        ) as client:
            answer = (
                await client.post("/graphql", json={"query": document, "variables": variables})
            ).json()
        assert "errors" not in answer, answer
        return answer["data"]


async def _ready(client: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(f"{address}/readyz")).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
async def shop(
    request: pytest.FixtureRequest, servers: Servers, template_database: str
) -> AsyncIterator[Shop]:
    """One for all the tests of a module, with the module's own SETTINGS where it has some; each
    test makes the people it needs in it.
    """
    name = f"slotwright_test_{os.getpid()}_shop"
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SLOTWRIGHT_")
    }
    opened = Shop(
        environment
        | {
            "DATABASE_URL": on_database(servers.database_url, name),
            "REDIS_URL": servers.redis_url,
            "SLOTWRIGHT_TOKEN_SECRET": SECRET,
            "SLOTWRIGHT_MANAGE_KEYS": f"test:{SECRET[::-1]}",
            "SLOTWRIGHT_HASH_SECRET": SECRET.upper(),
            "SLOTWRIGHT_DEFAULT_ORGANIZATION": DEMO.organization,
            "SLOTWRIGHT_GRAPHIQL": "on",
            "SLOTWRIGHT_BOOKING_PAGE": "on",
            "SLOTWRIGHT_DESK": "on",
            "SLOTWRIGHT_RATE_LIMITS": "off",
        }
        | getattr(request.module, "SETTINGS", {})
    )
    try:
        await opened.seed()
        await opened.start()
        yield opened
    finally:
        opened.stop()
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.close()
