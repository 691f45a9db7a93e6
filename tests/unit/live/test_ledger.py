"""The ledger reads missed changes from the history, no matter what failed before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import pytest

from app.core.changes import AppointmentChanged, AppointmentChangeKind
from app.core.ids import AppointmentId, CustomerId, OrganizationId, ProviderId
from app.live.ledger import Following, Ledger
from app.live.pace import Counts, Pace
from app.tasks import Tasks

ORGANIZATION: Final = OrganizationId(UUID(int=1))
NOW: Final = datetime(2026, 1, 12, tzinfo=UTC)
PATIENCE_SECONDS: Final = 10.0


def change(number: int) -> AppointmentChanged:
    return AppointmentChanged(
        organization_id=ORGANIZATION,
        appointment_id=AppointmentId(UUID(int=number)),
        provider_ids=(ProviderId(UUID(int=7)),),
        customer_id=CustomerId(UUID(int=8)),
        kind=AppointmentChangeKind.BOOKED,
        version=1,
    )


class History:
    """What the ledger reads; it can be away."""

    def __init__(self) -> None:
        self.changes: list[AppointmentChanged] = []
        self.is_away = False
        self.read_while_away = asyncio.Event()

    async def __call__(
        self, _organization_id: OrganizationId, _since: datetime
    ) -> Sequence[AppointmentChanged]:
        await asyncio.sleep(0)
        if self.is_away:
            self.read_while_away.set()
            raise ConnectionError
        return list(self.changes)


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def ledger(history: History) -> Ledger:
    return Ledger(
        ORGANIZATION,
        read=history,
        clock=lambda: NOW,
        pace=Pace(sweep_seconds=0.01, retry_seconds=0.001, longest_retry_seconds=0.002),
        counts=Counts(),
        places=asyncio.Semaphore(1),
        tasks=Tasks("the live feed"),
    )


async def test_a_subscriber_gets_what_is_committed_after_subscribing(
    ledger: Ledger, history: History
) -> None:
    """Nobody tells of it, and the history is away meanwhile."""
    history.changes = [change(1)]
    async with asyncio.timeout(PATIENCE_SECONDS), ledger.follow(lambda _: True) as following:
        history.is_away = True
        await history.read_while_away.wait()
        history.changes.append(change(2))
        history.is_away = False
        assert await taken(following) == [change(2)]


async def test_a_subscriber_is_not_let_in_before_the_history_was_read(
    ledger: Ledger, history: History
) -> None:
    """Otherwise nobody could say what is news: what came before the first reading would be lost."""
    history.is_away = True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS), ledger.follow(lambda _: True):
                pytest.fail("let in")
    history.changes, history.is_away = [change(1)], False
    async with asyncio.timeout(PATIENCE_SECONDS), ledger.follow(lambda _: True) as following:
        history.changes.append(change(2))
        assert await taken(following) == [change(2)]


async def test_changes_received_before_the_first_reading_are_delivered(
    ledger: Ledger, history: History
) -> None:
    """The reading knows it too, and does not tell it again."""
    history.changes = [change(1)]
    entering = asyncio.create_task(_first_taken(ledger))
    await asyncio.sleep(0)
    ledger.receive([change(1)])
    assert await asyncio.wait_for(entering, PATIENCE_SECONDS) == [change(1)]


async def test_changes_received_without_subscribers_are_not_kept(
    ledger: Ledger, history: History
) -> None:
    """Else the ledger would grow while only free times are watched."""
    ledger.receive([change(1)])
    async with asyncio.timeout(PATIENCE_SECONDS), ledger.follow(lambda _: True) as following:
        history.changes = [change(1)]
        assert await taken(following) == [change(1)]


async def taken(following: Following) -> list[AppointmentChanged]:
    return [told.change for told in await following.take()]


async def _first_taken(ledger: Ledger) -> list[AppointmentChanged]:
    async with ledger.follow(lambda _: True) as following:
        return await taken(following)
