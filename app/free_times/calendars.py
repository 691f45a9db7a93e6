"""Calendars that this process has read, each believed only under the rules part of the provider's
stamp that was seen before it was read. Without a stamp (no Redis) none is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.party import Party
from app.free_times.keys import DAY_LIFETIME_MS
from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from datetime import date

    from app.core.ids import OrganizationId, ProviderId
    from app.core.provider import Calendar

CalendarKey: TypeAlias = "tuple[OrganizationId, Party]"

MOST_BYTES: Final = 64 * 1024 * 1024
"""Some 10,000 calendars."""

CALENDAR_LIFETIME_SECONDS: Final = DAY_LIFETIME_MS / 1000
"""As long as an old list may live where its invalidation was lost."""


@dataclass(slots=True, kw_only=True)
class KnownCalendar:
    """A calendar with the exceptions on the dates from `first` to `last`."""

    calendar: Calendar
    rules_part: bytes
    first: date
    last: date
    read_at: float
    """By `time.monotonic`, before it was read."""

    @property
    def age_seconds(self) -> float:
        """How old it may be."""
        return monotonic() - self.read_at


class Calendars:
    """The calendars known, by whose they are and for which service."""

    __slots__ = ("_known", "_latest")

    def __init__(self) -> None:
        self._latest: dict[tuple[OrganizationId, ProviderId], KnownCalendar] = {}
        self._known: WeightedCache[CalendarKey, KnownCalendar] = WeightedCache(
            "calendars", most_bytes=MOST_BYTES, weigh=_weigh, evicted=self._evicted
        )

    def find(self, organization_id: OrganizationId, party: Party) -> KnownCalendar | None:
        """The one that was read last. The caller checks that it counts, and that its exceptions
        reach far enough.
        """
        key = (organization_id, party)
        known = self._known.get(key)
        if known is None or known.age_seconds > CALENDAR_LIFETIME_SECONDS:
            return None
        return known

    def keep(self, organization_id: OrganizationId, known: KnownCalendar) -> None:
        """In place of an older one."""
        calendar = known.calendar
        party = Party(calendar.provider.id, calendar.service.id if calendar.service else None)
        key = (organization_id, party)
        self._latest[organization_id, party.provider_id] = known
        self._known.put(key, known)

    def latest(
        self, organization_id: OrganizationId, provider_id: ProviderId
    ) -> KnownCalendar | None:
        """The calendar of the provider that was read last, for whichever service, if it is not too
        old.
        """
        known = self._latest.get((organization_id, provider_id))
        return None if known is None or known.age_seconds > CALENDAR_LIFETIME_SECONDS else known

    def _evicted(self, key: CalendarKey, known: KnownCalendar) -> None:
        place = (key[0], key[1].provider_id)
        if self._latest.get(place) is known:
            del self._latest[place]


def _weigh(_key: CalendarKey, known: KnownCalendar) -> int:
    hours = known.calendar.hours
    ranges = len(hours.weekly) + len(hours.breaks)
    exceptions = sum(1 + len(each.ranges) for each in hours.exceptions.values())
    return 3_500 + 250 * ranges + 350 * exceptions
