"""A real browser, Debian's Chromium, for the tests of this folder; and what must be true of every page they open."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Chromium's own errands (updates, sync, field trials) have no place in a test; its sandbox does not start as root.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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
    """Opens windows as separate people would have them, and remembers what was fetched and what went wrong in any."""

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
        page.set_default_timeout(10_000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("websocket", lambda socket: self.addresses.append(socket.url))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
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
