"""docs/examples/react builds from its lock file and works in a browser, on an origin of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.browser.conftest import ROOT, Shop, Windows
from tests.integration.transport.test_npm import INSTALL_SECONDS, node_and_npm

EXAMPLE: Final = ROOT / "docs" / "examples" / "react"
SETTINGS: Final = {"SLOTWRIGHT_CORS_ORIGINS": "*"}
LEFT_OUT: Final = "docs/examples/react was NOT built"


@pytest.fixture(scope="module")
def built(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the built page, made from a copy as a reader would make it."""
    found = node_and_npm()
    if found is None:
        pytest.skip(f"no Node.js and npm here: {LEFT_OUT}")
    node, npm = found
    root = tmp_path_factory.mktemp("react")
    shutil.copy(ROOT / "schema.graphql", root)
    folder = root / "docs" / "examples" / "react"
    unwanted = shutil.ignore_patterns("node_modules", "dist", "gql")
    shutil.copytree(EXAMPLE, folder, ignore=unwanted)
    env = os.environ | {
        "VITE_SLOTWRIGHT": shop.address,
        "PATH": f"{Path(node).parent}:{os.environ['PATH']}",
    }
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    try:
        subprocess.run(
            [*npm, "ci", *quiet],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm could not install the packages ({error}): {LEFT_OUT}")
    done = subprocess.run(
        [*npm, "run", "build"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    handler = partial(_Quiet, directory=str(folder / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.full
async def test_a_customer_books_moves_and_cancels(built: str, shop: Shop, windows: Windows) -> None:
    """A second window sees each change of the free times without being reloaded."""
    page = await windows.open(locale="en-GB", timezone_id="Europe/Berlin")
    other = await windows.open(locale="en-GB", timezone_id="Europe/Berlin")
    await page.goto(built)
    await other.goto(built)
    times = page.locator(".days button")
    await expect(times.first).to_be_visible()
    free = await times.evaluate_all("buttons => buttons.map(button => button.value)")
    first, second = free[-1], free[-2]
    taken = other.locator(f'button[value="{first}"]')
    await expect(taken).to_have_count(1)

    await page.locator(f'button[value="{first}"]').click()
    await page.get_by_label("Your name").fill("Kim")
    await page.get_by_label("E-mail").fill("kim@example.com")
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_visible()
    await expect(taken).to_have_count(0)
    booked = await page.locator("#when").inner_text()

    await page.get_by_role("button", name="Change the time").click()
    await page.locator(f'button[value="{second}"]').click()
    await expect(page.locator("#when")).not_to_have_text(booked)
    await expect(taken).to_have_count(1)

    await page.get_by_role("button", name=re.compile("^Cancel")).click()
    await expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    await expect(other.locator(f'button[value="{second}"]')).to_have_count(1)
    assert windows.complaints == []
