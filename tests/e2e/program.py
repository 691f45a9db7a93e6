"""Runs `python -m app …` as its users do: as processes, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.child_processes import die_with_parent
from app.core.provider import Organization
from app.process.wiring import open_resources
from app.settings import Settings
from app.usecases.practice.create_organization import create_organization
from tests.plain_http import NO_TLS

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    status: int
    output: str
    errors: str


def run(*arguments: str, env: Mapping[str, str]) -> Ended:
    """A command that ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(status=done.returncode, output=done.stdout, errors=done.stderr)


def make_organization(slug: str, *, env: Mapping[str, str]) -> None:
    """As the command does, in this process: a start of the program takes two seconds."""

    async def make() -> None:
        async with open_resources(Settings.from_environment(env)) as resources:
            made = await create_organization(resources, slug=slug, name=slug.title())
            assert isinstance(made, Organization), made

    # in a thread, as the caller's may have a running event loop
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, make()).result()


class Running:
    """A command that runs until it gets a signal to end."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_until_said(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.said:
            assert self.process.poll() is None, (
                f"it ended with {self.process.returncode}:\n{self.said}"
            )
            assert time.monotonic() < deadline, f"it never said “{text}”:\n{self.said}"
            time.sleep(0.05)

    def wait_until_answering(self, url: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert self.process.poll() is None, (
                f"it ended with {self.process.returncode}:\n{self.said}"
            )
            assert time.monotonic() < deadline, f"{url} never answered:\n{self.said}"
            with contextlib.suppress(httpx.TransportError):
                if get(url)[0] < 500:
                    return
            time.sleep(0.05)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def running(
    *arguments: str,
    env: Mapping[str, str],
    log: Path,
    command: Sequence[str] = (sys.executable, "-m", "app"),
    user: int | None = None,
    cwd: Path = ROOT,
) -> Iterator[Running]:
    """However the test uses it, neither it nor a child of it outlives the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # one prepared system call, no locks
            user=user,
        )
    started = Running(process, log)
    children: list[psutil.Process] = []
    try:
        yield started
    finally:
        if process.poll() is None:
            children = started.descendants()
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
        process.kill()
        process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def wait_until_gone(processes: Sequence[psutil.Process]) -> None:
    _gone, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def get(url: str) -> tuple[int, str]:
    answer = httpx.get(url, timeout=PATIENCE_SECONDS, verify=NO_TLS)
    return answer.status_code, answer.text


def ask(
    base: str, query: str, *, token: str | None = None, organization: str | None = None
) -> dict[str, Any]:
    """The answer of GraphQL, with any status."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if organization is not None:
        headers["Slotwright-Organization"] = organization
    answer = httpx.post(
        f"{base}/graphql",
        json={"query": query},
        headers=headers,
        timeout=PATIENCE_SECONDS,
        verify=NO_TLS,
    )
    decoded: dict[str, Any] = answer.json()
    return decoded
