"""The journal reads the log of events to the end, no matter what failed or was hidden before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import pytest

from app.core.changes import PracticeChanged
from app.core.events import EventCursor, EventType, Happening
from app.core.ids import OrganizationId
from app.live.journal import Journal, Reader
from app.live.pace import Pace
from app.tasks import Tasks

ORGANIZATION: Final = OrganizationId(UUID(int=1))
EDITED: Final = PracticeChanged(organization_id=ORGANIZATION)
PATIENCE_SECONDS: Final = 10.0


def edit(number: int, event_type: EventType = EventType.PROVIDER_CHANGED) -> Happening:
    return Happening(type=event_type, subject_id=UUID(int=number))


class Log:
    """What the journal reads; it can be away."""

    def __init__(self) -> None:
        self.edits: list[Happening] = []
        self.is_away = False
        self.readings = 0
        self.read = asyncio.Event()

    async def __call__(
        self, _organization_id: OrganizationId, place: EventCursor | None
    ) -> tuple[Sequence[Happening], EventCursor]:
        self.readings += 1
        self.read.set()
        if self.is_away:
            raise ConnectionError
        end = EventCursor(epoch=1, transaction_id=len(self.edits), id=UUID(int=0))
        return [] if place is None else self.edits[place.transaction_id :], end


@pytest.fixture
def log() -> Log:
    return Log()


def journal_of(log: Log, *, sweep_seconds: float) -> Journal:
    return Journal(
        ORGANIZATION,
        read=log,
        pace=Pace(sweep_seconds=sweep_seconds, retry_seconds=0.001, longest_retry_seconds=0.002),
        places=asyncio.Semaphore(1),
        tasks=Tasks("the live feed"),
    )


async def test_a_subscriber_gets_what_is_edited_after_subscribing(log: Log) -> None:
    """Without any message, and with the log away meanwhile."""
    log.edits = [edit(1)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with journal_of(log, sweep_seconds=0.01).follow() as reader:
            log.is_away = True
            log.read.clear()
            await log.read.wait()
            log.edits.append(edit(2))
            log.is_away = False
            assert await reader.take() == [edit(2)]


async def test_without_the_end_of_the_log_nobody_subscribes(log: Log) -> None:
    log.is_away = True
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(PATIENCE_SECONDS), journal_of(log, sweep_seconds=1).follow():
            pytest.fail("subscribed")


async def test_an_edit_that_is_hidden_when_its_message_comes_is_read_soon(log: Log) -> None:
    """A transaction that still runs hides it; the regular reading is an hour away."""
    journal = journal_of(log, sweep_seconds=3_600)
    async with asyncio.timeout(PATIENCE_SECONDS), journal.follow() as reader:
        log.read.clear()
        journal.receive([EDITED])
        await log.read.wait()
        log.edits.append(edit(1))
        assert await reader.take() == [edit(1)]
        assert log.readings <= 10


async def test_a_slow_subscriber_gets_the_newest_edit_of_each_object() -> None:
    reader = Reader()
    archived = edit(1, EventType.SERVICE_CHANGED)
    reader.offer([edit(1), edit(2)])
    reader.offer([archived])
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.take() == [edit(2), archived]
