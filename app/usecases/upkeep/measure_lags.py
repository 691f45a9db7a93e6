"""Measure how late messages are: how long due ones have waited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.store.lags import waiting_since

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


async def measure_lags(resources: Resources) -> Lags:
    """As of now."""
    now, real_now = resources.clock(), resources.real_clock()
    since = await waiting_since(resources.pool, due_by=now, real_now=real_now)
    return Lags(outbox=_lag(since.outbox, now), messages=_lag(since.messages, real_now))


def _lag(since: datetime | None, now: datetime) -> timedelta:
    return timedelta(0) if since is None else max(timedelta(0), now - since)
