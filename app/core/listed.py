"""What a listing says of each start: who can lead, when the visit ends, and how many seats are
left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

from app.core.seating import SeatsAt
from app.core.service_starts import seated_starts, service_starts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.free_days import FreeDay
    from app.core.ids import ProviderId, ResourceId
    from app.core.limits import FullDates
    from app.core.needs import Offering
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.core.zones import Minute


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStarts:
    """The starts that can be booked. Of a service without seats, and of a provider alone, all are
    alike: they last `duration_minutes` and have one seat.
    """

    leads: Mapping[Minute, tuple[ProviderId, ...]]
    """With whom as lead each start can be booked, in the service's order; ascending."""
    duration_minutes: int
    seats: int = 1
    """How many seats are left at each start without an active session."""
    joinable: Mapping[Minute, SeatsAt] = field(default_factory=dict)
    """The starts of active sessions that can be joined."""

    def at(self, start: Minute) -> SeatsAt | None:
        """How many seats are left at this start, and when the party's visit ends; None for a
        service without seats.
        """
        if self.seats == 1:
            return None
        return self.joinable.get(start) or SeatsAt(self.seats, start + self.duration_minutes)

    def ends(self, starts: Sequence[Minute]) -> list[Minute]:
        """When the party's visit ends, for each of these starts."""
        duration, joinable = self.duration_minutes, self.joinable
        if not joinable:
            return [start + duration for start in starts]
        return [joinable[start].end if start in joinable else start + duration for start in starts]

    def seats_left(self, starts: Sequence[Minute]) -> Iterable[int]:
        """The largest party that still finds room with the same wish, for each of these starts."""
        seats, joinable = self.seats, self.joinable
        if not joinable:
            return repeat(seats, len(starts))
        return [joinable[start].left if start in joinable else seats for start in starts]


def list_starts(
    offering: Offering,
    named: Sequence[ProviderId],
    seats: int,
    providers: Mapping[ProviderId, tuple[Calendar, Mapping[date, FreeDay]]],
    resources: Mapping[tuple[ResourceId, Rules], Mapping[date, FreeDay]],
    now: datetime,
    full: Mapping[ProviderId, FullDates],
    *,
    rooms: Mapping[ResourceId, ResourceCalendar],
    sessions: Iterable[ActiveSession],
) -> ListedStarts:
    """What a party of so many seats can book at this instant. `sessions` are those of a service
    with seats; `rooms` are the calendars of what it needs and of what they have. The other
    arguments are those of `service_starts`.
    """
    needs, duration = offering.needs, offering.service.rules.duration_minutes
    leads = service_starts(needs, named, providers, resources, now, full)
    if needs.seats == 1:
        return ListedStarts(leads=leads if seats == 1 else {}, duration_minutes=duration)
    seated = seated_starts(
        leads,
        needs,
        named,
        {each: calendar for each, (calendar, _) in providers.items()},
        rooms,
        now,
        seats=seats,
        sessions=sessions,
    )
    return ListedStarts(
        leads=seated.leads,
        duration_minutes=duration,
        seats=needs.seats,
        joinable=seated.joinable,
    )
