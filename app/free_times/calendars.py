"""What this process has read about those whose time is asked for: calendars of providers, calendars
of resources, and services with their needs. Each is believed only under the rules part of the stamp
that was seen before it was read. Without a stamp (no Redis) none is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar, overload

from app.core.needs import Offering
from app.core.party import Party
from app.core.provider import Calendar
from app.core.resource import ResourceCalendar
from app.free_times.keys import DAY_LIFETIME_MS
from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from datetime import date

    from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId
    from app.core.provider import Provider, Service

Source = TypeVar("Source", bound="Calendar | ResourceCalendar | Offering")

SourceKey: TypeAlias = "Party | ResourceId | ServiceId"
"""Whose calendar, or which service's needs. No two kinds share an id."""

MOST_BYTES: Final = 64 * 1024 * 1024
"""Some 10,000 calendars."""

CALENDAR_LIFETIME_SECONDS: Final = DAY_LIFETIME_MS / 1000
"""As long as an old list may live where its invalidation was lost."""


MOST_TO_GROW: Final = 100
"""Exceptions and times off with which a calendar is still read on more dates than are asked for."""


@dataclass(slots=True, kw_only=True)
class KnownCalendar(Generic[Source]):
    """A calendar with the exceptions and time off on the dates from `first` to `last`; or a
    service's needs, which no date matters for.
    """

    calendar: Source
    rules_part: bytes
    first: date
    last: date
    read_at: float
    """By `time.monotonic`, before it was read."""

    @property
    def age_seconds(self) -> float:
        """How old it may be."""
        return monotonic() - self.read_at

    @property
    def may_grow(self) -> bool:
        """Whether it is read again on the dates that it has now, in addition to those asked for.
        Who looks through the months of a provider then reads it once, not once for each of them.
        """
        if isinstance(self.calendar, Offering):
            return False
        hours = self.calendar.hours
        return len(hours.exceptions) + len(hours.time_off) <= MOST_TO_GROW

    @property
    def believed_until(self) -> float:
        """By `time.monotonic`, where no stamp says that it has changed: that may have been lost."""
        return self.read_at + CALENDAR_LIFETIME_SECONDS


Known: TypeAlias = (
    "KnownCalendar[Calendar] | KnownCalendar[ResourceCalendar] | KnownCalendar[Offering]"
)


class Calendars:
    """What is known, by whose it is; a provider's also by service."""

    __slots__ = ("_known", "_latest")

    def __init__(self) -> None:
        self._latest: dict[tuple[OrganizationId, ProviderId], KnownCalendar[Calendar]] = {}
        self._known: WeightedCache[tuple[OrganizationId, SourceKey], Known] = WeightedCache(
            "calendars",
            most_bytes=MOST_BYTES,
            weigh=_weigh,
            is_over=lambda known: known.age_seconds > CALENDAR_LIFETIME_SECONDS,
            evicted=self._evicted,
        )

    @overload
    def find(
        self, organization_id: OrganizationId, key: Party
    ) -> KnownCalendar[Calendar] | None: ...

    @overload
    def find(
        self, organization_id: OrganizationId, key: ResourceId
    ) -> KnownCalendar[ResourceCalendar] | None: ...

    @overload
    def find(
        self, organization_id: OrganizationId, key: ServiceId
    ) -> KnownCalendar[Offering] | None: ...

    @overload
    def find(self, organization_id: OrganizationId, key: SourceKey) -> Known | None: ...

    def find(self, organization_id: OrganizationId, key: SourceKey) -> Known | None:
        """The one that was read last. The caller checks that it counts, and that its exceptions
        reach far enough.
        """
        known = self._known.get((organization_id, key))
        if known is None or known.age_seconds > CALENDAR_LIFETIME_SECONDS:
            return None
        return known

    def last_read(
        self, organization_id: OrganizationId, party: Party
    ) -> KnownCalendar[Calendar] | None:
        """As `find`, however long ago it was read: for a caller who compares the version of its
        rules with the database's.
        """
        known = self._known.get((organization_id, party))
        return known if known is not None and isinstance(known.calendar, Calendar) else None

    def forget(self, organization_id: OrganizationId, party: Party) -> None:
        """Its rules have changed since it was read."""
        known = self._known.pop((organization_id, party))
        if known is not None:
            self._evicted((organization_id, party), known)

    def keep(self, organization_id: OrganizationId, known: Known) -> None:
        """In place of an older one."""
        key: SourceKey
        match known.calendar:
            case Calendar(provider=provider, service=service):
                key = Party(provider.id, service.id if service else None)
                self._latest[organization_id, provider.id] = known
            case ResourceCalendar(resource=resource):
                key = resource.id
            case Offering(service=offered):
                key = offered.id
        self._known.put((organization_id, key), known)

    def latest(
        self, organization_id: OrganizationId, provider_id: ProviderId
    ) -> KnownCalendar[Calendar] | None:
        """The calendar of the provider that was read last, for whichever service, if it is not too
        old.
        """
        known = self._latest.get((organization_id, provider_id))
        return None if known is None or known.age_seconds > CALENDAR_LIFETIME_SECONDS else known

    def _evicted(self, key: tuple[OrganizationId, SourceKey], known: Known) -> None:
        organization_id, whose = key
        if isinstance(whose, Party):
            place = (organization_id, whose.provider_id)
            if self._latest.get(place) is known:
                del self._latest[place]


def _weigh(_key: tuple[OrganizationId, SourceKey], known: Known) -> int:
    match known.calendar:
        case Offering(needs=needs, service=service):
            return (
                3_000
                + _text_bytes(service)
                + 120 * (len(needs.provider_ids) + len(needs.resource_ids))
            )
        case Calendar(hours=hours) | ResourceCalendar(hours=hours) as calendar:
            described = 0
            if isinstance(calendar, Calendar):
                described = _text_bytes(calendar.provider) + _text_bytes(calendar.service)
            ranges = len(hours.weekly) + len(hours.breaks)
            exceptions = sum(1 + len(each.ranges) for each in hours.exceptions.values())
            return 3_500 + described + 250 * ranges + 350 * exceptions + 150 * len(hours.time_off)


def _text_bytes(of: Provider | Service | None) -> int:
    """Of its description."""
    return 0 if of is None or of.description is None else getsizeof(of.description)
