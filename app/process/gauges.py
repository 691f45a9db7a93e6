"""The gauges: every process measures its state every few seconds, except what is counted as it
happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Final, TypeAlias

from app import weighted_cache
from app.store.pool import DatabaseUnavailableError
from app.telemetry import metrics
from app.usecases.resources import Resources
from app.usecases.upkeep.measure_lags import measure_events, measure_feeds, measure_lags

SECONDS: Final = 5.0
"""Between two measurements: several to each scrape, as Prometheus scrapes every 15 to 60 s."""

Measure: TypeAlias = Callable[[], Awaitable[None]]

_log: Final = logging.getLogger(__name__)


@asynccontextmanager
async def pulse(measures: Sequence[Measure], *, seconds: float = SECONDS) -> AsyncIterator[None]:
    """Takes each measurement at every interval while the block runs; one that fails is retried at
    the next interval.
    """
    beating = asyncio.create_task(_beat(measures, seconds))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


def of_process(resources: Resources) -> Measure:
    """Connections, what the caches hold, and what happened to the slot cache and the feed."""
    cache, live = metrics.Deltas(metrics.CACHE), metrics.Deltas(metrics.LIVE)

    async def measure() -> None:
        usage = resources.pool.usage
        metrics.POOL_CONNECTIONS.labels("used").set(usage.used)
        metrics.POOL_CONNECTIONS.labels("idle").set(usage.idle)
        cache.take(asdict(resources.accelerator.shared.counts))
        live.take(asdict(resources.feed.counts))
        remembered: Counter[str] = Counter()
        for held in weighted_cache.instances():
            remembered[held.name] += held.bytes
        for name, size in remembered.items():
            metrics.REMEMBERED_BYTES.labels(name).set(size)

    return measure


def of_messages(resources: Resources) -> Measure:
    """How late messages are."""

    async def measure() -> None:
        with suppress(DatabaseUnavailableError):
            lags = await measure_lags(resources)
            metrics.OUTBOX_LAG_SECONDS.set(lags.outbox.total_seconds())
            metrics.MESSAGE_LAG_SECONDS.set(lags.messages.total_seconds())

    return measure


def of_webhooks(resources: Resources) -> Measure:
    """How late events are, and how many webhooks fail."""

    async def measure() -> None:
        with suppress(DatabaseUnavailableError):
            found = await measure_events(resources)
            metrics.EVENT_LAG_SECONDS.set(found.lag.total_seconds())
            metrics.WEBHOOKS_FAILING.set(found.failing)

    return measure


def of_feeds(resources: Resources) -> Measure:
    """How many calendar feeds fail, and how late they are read."""

    async def measure() -> None:
        with suppress(DatabaseUnavailableError):
            feeds = await measure_feeds(resources)
            metrics.FEEDS_FAILING.set(feeds.failing)
            metrics.FEED_LAG_SECONDS.set(feeds.lag.total_seconds())

    return measure


async def _beat(measures: Sequence[Measure], seconds: float) -> None:
    while True:
        for measure in measures:
            try:
                await measure()
            except Exception:  # noqa: BLE001  what measures must not end what it measures
                _log.exception("measuring a gauge failed")
        await asyncio.sleep(seconds)
