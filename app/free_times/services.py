"""Read what the visits of services could take: their needs, then their providers, resources and
sessions. Each step asks for everything at once, so neither round trips nor statements grow with the
number of services.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from app.core.needs import Offering
from app.core.party import Party, ResourceUse
from app.core.refusals import NotFound, TemporarilyUnavailable
from app.core.seating import rooms_of
from app.core.zones import DAY_MINUTES, day_number, instant_of
from app.free_times.read import BUSY, FreeDays, Read, Reading
from app.free_times.sources import RULES_MARGIN, ResourceShapes
from app.store.calendars import load_resource_calendars
from app.store.sessions import active_sessions

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.ids import OrganizationId, OwnerId, ProviderId, ResourceId, ServiceId
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.free_times.accelerator import Accelerator
    from app.free_times.read import LocalDates
    from app.free_times.shared import Stamp
    from app.free_times.single_flight import Flight
    from app.store.pool import Pool

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})


class ServiceDays(NamedTuple):
    """A service, and the free days of all that a visit of it could take. Who is missing does not
    exist, or no longer offers the service.
    """

    offering: Offering
    providers: Mapping[ProviderId, FreeDays[Calendar]]
    resources: Mapping[ResourceUse, FreeDays[ResourceCalendar]]
    stamps: tuple[Stamp, ...] | None = None
    """Those of the service, its providers and its resources, in this order, under which this is
    true; None where something was computed without the caches.
    """
    fresh_seconds: float = 0.0
    """How long this may be given again under the same stamps; 0 where something was just
    computed.
    """
    sessions: Sequence[ActiveSession] = ()
    """Those of a service with seats that start on the dates wanted of UTC."""
    others: Mapping[ResourceId, ResourceCalendar] = _NONE
    """The calendars of what they take and the service needs no more."""

    def until(self, now: datetime) -> datetime | None:
        """When the next hold expires on which it depends; None where there is none."""
        days: list[FreeDays[Any]] = [*self.providers.values(), *self.resources.values()]
        expiries = list(chain.from_iterable(each.expiries_after(now) for each in days))
        for session in self.sessions:
            expiries += session.expiries_after(now)
        return min(expiries, default=None)


ServiceAnswer: TypeAlias = ServiceDays | NotFound | TemporarilyUnavailable


async def read_service_days(
    accelerator: Accelerator,
    pool: Pool,
    organization_id: OrganizationId,
    service_ids: Iterable[ServiceId],
    first: date,
    last: date,
    dates: LocalDates,
    stamps: Mapping[OwnerId, Stamp] | None = None,
) -> dict[ServiceId, ServiceAnswer]:
    """What each of these services could take, on the dates that `read_free_days` would give of it.

    The needs come first; then the providers, since their rules say for which shapes the resources
    are asked; and last the sessions of services with seats. So the number of statements does not
    depend on how many there are of any of these.
    """
    reading = Reading(accelerator, pool, organization_id, first, last, dates)
    services = list(dict.fromkeys(service_ids))
    offered = dict(zip(services, await reading.read(services, stamps), strict=True))
    needs = {each: read.source.needs for each, read in offered.items() if isinstance(read, Read)}
    parties = {
        each: [Party(provider_id, each) for provider_id in of_service.provider_ids]
        for each, of_service in needs.items()
    }
    providers = await reading.free_days(list(chain.from_iterable(parties.values())), stamps)
    shapes: dict[ResourceId, dict[Rules, None]] = {}
    for each, of_service in needs.items():
        of_leads = dict.fromkeys(
            days.calendar.rules.shape
            for party in parties[each]
            if isinstance(days := providers[party], FreeDays)
        )
        for resource_id in of_service.resource_ids:
            shapes.setdefault(resource_id, {}).update(of_leads)
    rooms = [ResourceShapes(each, tuple(several)) for each, several in shapes.items() if several]
    found = dict(
        zip((each.resource_id for each in rooms), await reading.read(rooms, stamps), strict=True)
    )
    answers: dict[ServiceId, ServiceAnswer] = {}
    for each, read in offered.items():
        if isinstance(read, Read):
            of_providers = {party.provider_id: providers[party] for party in parties[each]}
            of_resources = {
                resource_id: found[resource_id]
                for resource_id in needs[each].resource_ids
                if resource_id in found
            }
            answers[each] = _together(read, of_providers, of_resources)
        else:
            answers[each] = read
    return await _Sessions(reading).added_to(answers)


def known_offering(
    accelerator: Accelerator, organization_id: OrganizationId, service_id: ServiceId
) -> Offering | None:
    """What this process has read of the service; it may be outdated."""
    known = accelerator.calendars.find(organization_id, service_id)
    return None if known is None else known.calendar


def _together(
    offering: Read,
    providers: Mapping[ProviderId, FreeDays[Calendar] | NotFound | TemporarilyUnavailable],
    resources: Mapping[ResourceId, Read | NotFound | TemporarilyUnavailable],
) -> ServiceDays | TemporarilyUnavailable:
    """The answers for one service, after each was given."""
    everything = (offering, *providers.values(), *resources.values())
    for each in everything:
        if isinstance(each, TemporarilyUnavailable):
            return each
    there = [each for each in everything if isinstance(each, FreeDays | Read)]
    stamps = [each.stamp for each in there if each.stamp is not None]
    shapes = {
        days.calendar.rules.shape for days in providers.values() if isinstance(days, FreeDays)
    }
    return ServiceDays(
        offering=offering.source,
        providers={each: days for each, days in providers.items() if isinstance(days, FreeDays)},
        resources={
            ResourceUse(each, part.rules): read.of_part(at)
            for each, read in resources.items()
            if isinstance(read, Read)
            for at, part in enumerate(read.parts)
            # Another service may have asked for others.
            if part.rules in shapes
        },
        stamps=tuple(stamps) if len(stamps) == len(everything) else None,
        fresh_seconds=min(each.fresh_seconds for each in there),
    )


@dataclass(frozen=True, slots=True)
class _Sessions:
    """The sessions that start on the dates of a question, in UTC."""

    reading: Reading

    async def added_to(
        self, found: Mapping[ServiceId, ServiceAnswer]
    ) -> dict[ServiceId, ServiceAnswer]:
        """The same answers, those for services with seats with their sessions. Taking seats and
        giving them back changes the stamps of all that the session takes; these were seen before.
        """
        answers = dict(found)
        wanted = {
            each: answer
            for each, answer in found.items()
            if isinstance(answer, ServiceDays) and answer.offering.needs.seats > 1
        }
        if not wanted:
            return answers
        begin, end = self._begin, self._end
        first, last = self.reading.dates("UTC")
        keys: dict[ServiceId, tuple[Hashable, date, date]] = {}
        for each, answer in wanted.items():
            # Without stamps, nobody else may take what is read here.
            under = object() if answer.stamps is None else tuple(map(bytes, answer.stamps))
            keys[each] = (self.reading.organization_id, each, under), first, last
        read = await self.reading.accelerator.flights.run(keys, self._read)
        rooms: dict[ServiceId, list[ResourceId]] = {}
        for each, sessions in read.items():
            if not isinstance(sessions, TemporarilyUnavailable):
                needed = wanted[each].offering.needs.resource_ids
                rooms[each] = [room for room in rooms_of((), sessions) if room not in needed]
        others = await self._read_rooms(list(dict.fromkeys(chain.from_iterable(rooms.values()))))
        for each, sessions in read.items():
            if isinstance(sessions, TemporarilyUnavailable) or (others is None and rooms[each]):
                self.reading.accelerator.shared.counts.refused += 1
                answers[each] = BUSY
                continue
            answers[each] = wanted[each]._replace(
                # Another question may have asked for more dates.
                sessions=[session for session in sessions if begin <= session.start < end],
                others={room: others[room] for room in rooms[each] if room in others}
                if others
                else {},
                # Nobody looked at the stamps of the others.
                stamps=None if rooms[each] else wanted[each].stamps,
            )
        return answers

    @property
    def _begin(self) -> int:
        return day_number(self.reading.dates("UTC")[0]) * DAY_MINUTES

    @property
    def _end(self) -> int:
        return (day_number(self.reading.dates("UTC")[1]) + 1) * DAY_MINUTES

    async def _read(
        self, wanted: Mapping[ServiceId, Flight]
    ) -> Mapping[ServiceId, Sequence[ActiveSession] | TemporarilyUnavailable]:
        """In one statement."""
        reading = self.reading
        async with reading.accelerator.gate.place() as admitted:
            if not admitted:
                return dict.fromkeys(wanted, BUSY)
            return await active_sessions(
                reading.pool,
                reading.organization_id,
                list(wanted),
                instant_of(self._begin),
                instant_of(self._end),
            )

    async def _read_rooms(
        self, wanted: Sequence[ResourceId]
    ) -> Mapping[ResourceId, ResourceCalendar] | None:
        """The calendars of what sessions take and their services need no more; None where the gate
        is full. They have no stamp here, so every question reads them.
        """
        if not wanted:
            return {}
        reading = self.reading
        async with reading.accelerator.gate.place() as admitted:
            if not admitted:
                return None
            return await load_resource_calendars(
                reading.pool,
                reading.organization_id,
                wanted,
                reading.first - RULES_MARGIN,
                reading.last + RULES_MARGIN,
            )
