"""Measure how late messages, events and calendar feeds are: how long due ones have waited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.store.busy_feeds import state_of_feeds
from app.store.lags import waiting_since
from app.store.webhooks import webhook_lag

if TYPE_CHECKING:
    from datetime import datetime

    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """How long the oldest one has waited; zero where none waits."""

    outbox: timedelta
    """Due entries of the outbox, by the program's clock."""
    messages: timedelta
    """Due messages, retries included, by the real clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """How many calendar feeds can't be read, and how long the longest due one has waited."""

    failing: int
    lag: timedelta


async def measure_feeds(resources: Resources) -> Feeds:
    """As of now."""
    now = resources.clock()
    state = await state_of_feeds(resources.pool, now=now)
    return Feeds(failing=state.failing, lag=_lag(state.due_since, now))


async def measure_lags(resources: Resources) -> Lags:
    """As of now."""
    now, real_now = resources.clock(), resources.real_clock()
    since = await waiting_since(resources.pool, due_by=now, real_now=real_now)
    return Lags(outbox=_lag(since.outbox, now), messages=_lag(since.messages, real_now))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLag:
    """How long ago the oldest event happened that a working webhook has no delivery of, by the
    program's clock; and how many active webhooks fail.
    """

    lag: timedelta
    failing: int


async def measure_events(resources: Resources) -> EventLag:
    """As of now."""
    found = await webhook_lag(resources.pool)
    return EventLag(lag=_lag(found.since, resources.clock()), failing=found.failing)


def _lag(since: datetime | None, now: datetime) -> timedelta:
    return timedelta(0) if since is None else max(timedelta(0), now - since)
