"""The accelerator: what a process keeps between questions about free times and computing them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from app.admission.gate import Gate
from app.admission.lines import Lines
from app.cache.organizations import Organizations
from app.cache.services import TakingMore
from app.free_times.calendars import Calendars
from app.free_times.listings import Listings
from app.free_times.shared import SharedDays
from app.free_times.single_flight import Flights
from app.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.free_days import FreeDay
    from app.core.ids import OrganizationId, ServiceId
    from app.core.refusals import NotFound
    from app.core.seating import StandingSession
    from app.free_times.calendars import Known, SourceKey
    from app.free_times.single_flight import Flight
    from app.redis_client import RedisClient

DaysKey: TypeAlias = "tuple[str, str, bytes]"
"""Whose days, by the stamp's key; under which shape and stamp."""

CalendarKey: TypeAlias = "tuple[OrganizationId, SourceKey, bytes]"
"""Whose calendar, under which rules part of the stamp."""


SessionsKey: TypeAlias = "tuple[OrganizationId, ServiceId, Hashable]"
"""Of which service, under which stamps."""

SessionFlight: TypeAlias = "Flight[SessionsKey, Sequence[StandingSession]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """The caches, the gate before computations, and what is being computed."""

    shared: SharedDays
    gate: Gate
    calendars: Calendars = field(default_factory=Calendars)
    organizations: Organizations = field(default_factory=Organizations)
    taking_more: TakingMore = field(default_factory=TakingMore)
    listings: Listings[Any] = field(default_factory=Listings)
    """Whole answers of listings, by question, under the stamps and the minute."""
    lines: Lines[Any, Any] = field(default_factory=Lines)
    """Those who wait to book, by organization and provider."""
    flights: Flights[DaysKey, Mapping[date, FreeDay]] = field(default_factory=Flights)
    calendar_flights: Flights[CalendarKey, Known | NotFound] = field(default_factory=Flights)
    session_flights: Flights[SessionsKey, Sequence[StandingSession]] = field(
        default_factory=Flights
    )
    tasks: Tasks = field(default_factory=lambda: Tasks("free times"))
    """In the background; ended by `close`."""

    async def close(self) -> None:
        """End the background tasks, and close the connections."""
        await self.tasks.close()
        await self.shared.close()


def make_accelerator(
    redis: RedisClient, *, real_clock: Callable[[], datetime], computations: int
) -> Accelerator:
    """One that computes so many questions at once, at most."""
    return Accelerator(shared=SharedDays(redis, real_clock), gate=Gate(computations))
