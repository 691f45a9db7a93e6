"""Reads feeds in child processes: off the event loop, and killed where they take too long.

A child reads one feed after the other, and ends when it was idle for a while. One that is killed,
or dies, is replaced at the next feed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final
from uuid import UUID

import orjson

from app.busy_feeds.child import LENGTH_BYTES, question
from app.busy_feeds.read import BusyTimes, ReadFeed, UnreadableFeed
from app.core.zones import Minute

READ_SECONDS: Final = 20.0
"""A feed of 5 MB with 20,000 events takes three seconds of an idle processor."""

CHILDREN: Final = 2
"""Reading is all computation: more would take processors from what people wait for."""

IDLE_SECONDS: Final = 60.0
"""A child holds 50 MB."""

TOOK_TOO_LONG: Final = UnreadableFeed(problem="The calendar takes too long to read.")
UNREADABLE: Final = UnreadableFeed(problem="The calendar can't be read.")

_LONGEST_ANSWER: Final = 64 * 1024 * 1024

_log: Final = logging.getLogger(__name__)


class Readers:
    """Belongs to one event loop."""

    def __init__(self, *, seconds: float = READ_SECONDS, children: int = CHILDREN) -> None:
        self._seconds = seconds
        self._turns = asyncio.Semaphore(children)
        self._idle: list[tuple[Process, asyncio.TimerHandle]] = []
        self._closing: set[asyncio.Task[None]] = set()

    async def read(self, data: bytes, *, first: Minute, last: Minute) -> ReadFeed | UnreadableFeed:
        """What `read_feed` says, when a child is free."""
        async with self._turns:
            child = await self._child()
            whole = False
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await _ask(child, question(data, first=first, last=last))
                whole = True
            except TimeoutError:
                return TOOK_TOO_LONG
            except (OSError, asyncio.IncompleteReadError):
                _log.warning("a child process died while it read a feed")
                return UNREADABLE
            finally:
                if whole:
                    self._keep(child)
                else:
                    await _kill(child)
            return _decoded(answer)

    async def close(self) -> None:
        """Ends the idle children; `read` must not be running."""
        while self._idle:
            child, timer = self._idle.pop()
            timer.cancel()
            await _kill(child)
        await asyncio.gather(*self._closing)

    async def _child(self) -> Process:
        while self._idle:
            child, timer = self._idle.pop()
            timer.cancel()
            if child.returncode is None:
                return child
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.busy_feeds.child",
            stdin=PIPE,
            stdout=PIPE,
            env=_environment(),
        )

    def _keep(self, child: Process) -> None:
        def end() -> None:
            self._idle[:] = [kept for kept in self._idle if kept[0] is not child]
            task = asyncio.create_task(_kill(child))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, end)
        self._idle.append((child, timer))


def _environment() -> dict[str, str]:
    """Only where this program's modules are: no secrets."""
    return {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}


async def _ask(child: Process, frame: bytes) -> bytes:
    if child.stdin is None or child.stdout is None:
        raise AssertionError  # they are pipes
    child.stdin.write(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
    await child.stdin.drain()
    length = int.from_bytes(await child.stdout.readexactly(LENGTH_BYTES), "big")
    if length > _LONGEST_ANSWER:
        raise OSError
    return await child.stdout.readexactly(length)


async def _kill(child: Process) -> None:
    if child.stdin is not None:
        child.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()


def _decoded(answer: bytes) -> ReadFeed | UnreadableFeed:
    found = orjson.loads(answer)
    if "problem" in found:
        return UnreadableFeed(problem=found["problem"])
    return ReadFeed(
        busy=_times(*found["busy"]),
        perhaps_ours={UUID(key): _times(*times) for key, times in found["ours"].items()},
        unread=found["unread"],
    )


def _times(instants: list[list[int]], floating: list[list[int]]) -> BusyTimes:
    return BusyTimes(
        instants=[(start, end) for start, end in instants],
        floating=[(start, end) for start, end in floating],
    )
