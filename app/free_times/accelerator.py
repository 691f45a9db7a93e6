"""The accelerator: what a process keeps between questions about free times and computing them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.admission.gate import Gate
from app.admission.lines import Lines
from app.cache.new_guests import NewGuests
from app.cache.organizations import Organizations
from app.cache.services import TakingMore
from app.free_times.calendars import Calendars
from app.free_times.keeper import Keeper
from app.free_times.listings import Listings
from app.free_times.shared import SharedDays
from app.free_times.single_flight import Flights
from app.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.redis_client import RedisClient
    from app.redis_cluster import ClusterClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """The caches, the gate before computations, and what is being computed."""

    shared: SharedDays
    gate: Gate
    flights: Flights
    """What is read or computed right now: calendars, free days, sessions."""
    tasks: Tasks
    """In the background; ended by `close`."""
    keeper: Keeper
    """Of what is computed."""
    calendars: Calendars = field(default_factory=Calendars)
    organizations: Organizations = field(default_factory=Organizations)
    taking_more: TakingMore = field(default_factory=TakingMore)
    new_guests: NewGuests = field(default_factory=NewGuests)
    listings: Listings[Any] = field(default_factory=Listings)
    """Whole answers of listings, by question, under the stamps and the minute."""
    lines: Lines[Any, Any] = field(default_factory=Lines)
    """Those who wait to book, by organization and provider."""

    async def close(self) -> None:
        """End the background tasks, and close the connections."""
        await self.tasks.close()
        await self.shared.close()


def make_accelerator(
    redis: RedisClient | ClusterClient, *, real_clock: Callable[[], datetime], computations: int
) -> Accelerator:
    """One that computes so many questions at once, at most."""
    shared, flights, tasks = SharedDays(redis, real_clock), Flights(), Tasks("free times")
    return Accelerator(
        shared=shared,
        gate=Gate(computations),
        flights=flights,
        tasks=tasks,
        keeper=Keeper(shared, flights, tasks),
    )
