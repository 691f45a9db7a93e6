"""Subscribers in process: a use case's stream, read event by event with a patience that no healthy
test needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import Final

from app.api.operation.loaders import EventLoaders
from app.core.ids import ProviderId
from app.core.zones import instant_of
from app.live.board import DayShown
from app.live.ledger import Delivery
from app.live.pace import Pace
from app.live.wire import channel_of
from app.process.wiring import make_feed
from app.redis_client import RedisClient
from app.usecases.events.watch_appointments import LoadAppointment
from app.usecases.events.watch_availability import Refusal
from app.usecases.resources import Resources
from tests.builders import TODAY, Api, Json, key_in

PATIENCE_SECONDS: Final = 20.0
"""Until a test gives up. Nothing takes so long but what is broken."""

BY_EVENTS: Final = Pace(compare_seconds=3_600, sweep_seconds=3_600, glance_seconds=3_600)
"""No readings at intervals: only events and due times bring changes."""

WATCHFUL: Final = Pace(compare_seconds=3_600, sweep_seconds=3_600, glance_seconds=0.005)
"""The clock that a test turns is looked at all the time."""

SUSPICIOUS: Final = Pace(
    compare_seconds=0.05,
    sweep_seconds=0.05,
    glance_seconds=3_600,
    retry_seconds=0.02,
    longest_retry_seconds=0.1,
)
"""A change whose event was lost is found soon."""


class Subscriber:
    """Keeps what it received, and checks that no event is a step back."""

    def __init__(self, events: AsyncGenerator[DayShown | Refusal, None]) -> None:
        self.events = events
        self.received: list[DayShown] = []
        self._waiting: asyncio.Future[DayShown | Refusal] | None = None

    async def next(self) -> DayShown:
        shown = await self.next_within(PATIENCE_SECONDS)
        assert shown is not None, "nothing came"
        return shown

    async def next_within(self, seconds: float) -> DayShown | None:
        waiting = self._ask()
        if not (await asyncio.wait({waiting}, timeout=seconds))[0]:
            return None
        self._waiting = None
        shown = waiting.result()
        assert isinstance(shown, DayShown), shown
        earlier = [
            each
            for each in self.received
            if (each.subject, each.date) == (shown.subject, shown.date)
        ]
        before = earlier[-1] if earlier else None
        assert shown.is_snapshot == (before is None)
        assert before is None or str(shown.revision) > str(before.revision)
        self.received.append(shown)
        return shown

    async def refused(self) -> Refusal:
        async with asyncio.timeout(PATIENCE_SECONDS):
            refusal = await anext(self.events)
            assert not isinstance(refusal, DayShown)
            assert await anext(self.events, None) is None
        return refusal

    async def snapshot(self, days: int = 1) -> list[DayShown]:
        return [await self.next() for _ in range(days)]

    def last(self, provider_id: ProviderId, day: date) -> DayShown | None:
        shown = [
            each for each in self.received if (each.provider_id, each.date) == (provider_id, day)
        ]
        return shown[-1] if shown else None

    def lasts(self, day: date) -> list[DayShown]:
        """The last word about this date, of each provider, or of the service."""
        return list({shown.subject: shown for shown in self.received if shown.date == day}.values())

    async def until(self, starts: Sequence[str], day: date = TODAY) -> None:
        """Waits until some provider's last word about this date is these starts, given as `09:00`
        in UTC.
        """
        while not any(times(shown) == list(starts) for shown in self.lasts(day)):
            await self.next()

    async def hears_nothing(self) -> None:
        """Nothing that was published so far concerns this subscriber."""
        waiting = self._ask()
        await asyncio.wait({waiting}, timeout=0.15)
        assert not waiting.done(), waiting.result()

    def _ask(self) -> asyncio.Future[DayShown | Refusal]:
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(anext(self.events))
        return self._waiting

    async def leave(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
        await self.events.aclose()


def load_for(resources: Resources, delivery: Delivery) -> LoadAppointment:
    """The look-up that a change's subscribers share, as the API gives it."""
    return delivery.shared(
        lambda: EventLoaders(resources, delivery.change.organization_id)
    ).appointment.load


def times(shown: DayShown) -> list[str]:
    return [instant_of(start).strftime("%H:%M") for start in shown.starts]


def provider_id(provider: Json) -> ProviderId:
    return ProviderId(key_in(provider["id"]))


@asynccontextmanager
async def a_process(
    api: Api, pace: Pace = BY_EVENTS, *, redis: RedisClient | None = None
) -> AsyncIterator[Resources]:
    """Resources with a feed of their own on the same PostgreSQL and Redis: as if in another
    process.
    """
    resources = api.resources
    feed = make_feed(
        resources.pool,
        redis or resources.redis,
        resources.accelerator,
        clock=resources.clock,
        readings_at_once=2,
        pace=pace,
    )
    try:
        yield replace(resources, feed=feed)
    finally:
        await feed.close()


async def until(is_so: Callable[[], object]) -> None:
    """Waits for what happens in its own time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.005)


async def joined(resources: Resources, api: Api, *, processes: int = 1) -> None:
    """Waits until so many are subscribed to the organization's channel, and have compared what they may have
    missed before.
    """
    channel = channel_of(api.organization.id)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await resources.redis.pubsub_numsub(channel))[0][1] < processes:  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.005)
