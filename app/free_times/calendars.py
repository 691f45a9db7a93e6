"""Calendars that this process has read, each believed only under the rules part of the provider's
stamp that was seen before it was read. Without a stamp (no Redis) none is believed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from app.free_times.keys import DAY_LIFETIME_MS

if TYPE_CHECKING:
    from datetime import date

    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.core.provider import Calendar

CalendarKey: TypeAlias = "tuple[OrganizationId, ProviderId, ServiceId | None]"
"""Whose, and for which service."""

MOST_CALENDARS: Final = 10_000
"""Kept at once, some 5 kB each; the ones used longest ago go first."""

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
        self._known: OrderedDict[CalendarKey, KnownCalendar] = OrderedDict()

    def find(
        self, organization_id: OrganizationId, wanted: tuple[ProviderId, ServiceId | None]
    ) -> KnownCalendar | None:
        """The one that was read last. The caller checks that it counts, and that its exceptions
        reach far enough.
        """
        key = (organization_id, *wanted)
        known = self._known.get(key)
        if known is None or known.age_seconds > CALENDAR_LIFETIME_SECONDS:
            return None
        self._known.move_to_end(key)
        return known

    def keep(self, organization_id: OrganizationId, known: KnownCalendar) -> None:
        """In place of an older one."""
        calendar = known.calendar
        key = (
            organization_id,
            calendar.provider.id,
            calendar.service.id if calendar.service else None,
        )
        self._known[key] = known
        self._known.move_to_end(key)
        self._latest[key[:2]] = known
        while len(self._known) > MOST_CALENDARS:
            gone, calendar_gone = self._known.popitem(last=False)
            if self._latest.get(gone[:2]) is calendar_gone:
                del self._latest[gone[:2]]

    def latest(
        self, organization_id: OrganizationId, provider_id: ProviderId
    ) -> KnownCalendar | None:
        """The calendar of the provider that was read last, for whichever service, if it is not too
        old.
        """
        known = self._latest.get((organization_id, provider_id))
        return None if known is None or known.age_seconds > CALENDAR_LIFETIME_SECONDS else known
