"""Feeds are read in child processes, which a bomb can't keep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.busy_feeds.child import MOST_MEMORY_BYTES
from app.busy_feeds.read import read_feed
from app.busy_feeds.readers import TOOK_TOO_LONG, Readers
from tests.unit.busy_feeds.calendars import at, event, ics
from tests.unit.busy_feeds.test_read import GOOGLE

WINDOW = {"first": at("2026-01-01T00:00"), "last": at("2027-01-01T00:00")}

SMALL = ics(event("DTSTART:20260301T090000Z", "DURATION:PT1H"))

NEVER = ics(
    event(
        "DTSTART:20260301T090000Z", "DURATION:PT1H", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"
    )
)
"""A rule that asks for each second until the year 9999, and has no occurrence."""


@asynccontextmanager
async def readers(seconds: float = 120.0) -> AsyncIterator[Readers]:
    made = Readers(seconds=seconds, children=1)
    try:
        yield made
    finally:
        await made.close()


async def test_a_child_answers_as_the_reader_does_one_feed_after_the_other() -> None:
    ours = ics(
        event("DTSTART:20260301T090000Z", uid="0190a6e8-7b5c-7c3e-8d52-0123456789ab@slotwright")
    )
    async with readers() as made:
        for data in (GOOGLE, SMALL, b"no calendar", ours, GOOGLE):
            assert await made.read(data, **WINDOW) == read_feed(data, **WINDOW)


async def test_a_bomb_is_cut_off_and_the_next_feed_is_read() -> None:
    async with readers(seconds=1.0) as made:
        assert await made.read(NEVER, **WINDOW) == TOOK_TOO_LONG
    async with readers() as made:
        assert await made.read(SMALL, **WINDOW) == read_feed(SMALL, **WINDOW)


async def test_a_child_that_died_is_replaced() -> None:
    async with readers() as made:
        assert await made.read(SMALL, **WINDOW) == read_feed(SMALL, **WINDOW)
        ((child, _),) = made._idle
        child.kill()
        await child.wait()
        assert await made.read(SMALL, **WINDOW) == read_feed(SMALL, **WINDOW)


async def test_memory_is_bounded() -> None:
    async with readers() as made:
        await made.read(SMALL, **WINDOW)
        ((child, _),) = made._idle
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
        assert line.split()[3] == str(MOST_MEMORY_BYTES)


async def test_a_child_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTWRIGHT_TOKEN_SECRET", "a secret")
    async with readers() as made:
        await made.read(SMALL, **WINDOW)
        ((child, _),) = made._idle
        given = Path(f"/proc/{child.pid}/environ").read_bytes()
        names = [entry.partition(b"=")[0] for entry in given.split(b"\0") if entry]
        assert names == [b"PYTHONPATH"]
