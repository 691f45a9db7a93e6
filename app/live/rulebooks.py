"""What the days of watched topics show: of a provider, and of a service whoever is free. No await,
no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.free_days import free_starts_at
from app.core.passing import next_change, next_service_change
from app.core.service_starts import service_starts
from app.core.slots import bookable_by_date, by_viewer_date, dates_changed
from app.live.topic import Content

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date, datetime

    from app.core.changes import TimeChanged
    from app.core.free_days import FreeDay
    from app.core.ids import OwnerId, ProviderId, ResourceId
    from app.core.needs import Offering
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules


@dataclass(frozen=True, slots=True)
class ProviderRulebook:
    """A provider's calendar. A day is a `FreeDay`."""

    calendar: Calendar

    @property
    def time_zone(self) -> str:
        """The provider's."""
        return self.calendar.hours.time_zone

    @property
    def members(self) -> Collection[OwnerId]:
        """The provider alone."""
        return (self.calendar.provider.id,)

    def contents(self, days: Mapping[date, FreeDay], now: datetime) -> dict[date, Content]:
        """What can be booked."""
        calendar = self.calendar
        step = calendar.rules.step_minutes
        starts = {day: free_starts_at(free, step, now) for day, free in days.items()}
        bookable = bookable_by_date(calendar.hours, calendar.rules, starts, now)
        seen = (calendar.rules.duration_minutes, calendar.hours.time_zone)
        return {day: Content(bookable[day], *seen) for day in days}

    def next_change(self, days: Mapping[date, FreeDay], now: datetime) -> datetime | None:
        """By notice, horizon and the ends of holds."""
        return next_change(self.calendar.hours, self.calendar.rules, days, now)

    def dates_changed(self, change: TimeChanged) -> Iterable[date]:
        """The dates of the time itself, and neighbours that it reaches into."""
        rules = self.calendar.rules
        return dates_changed(
            self.calendar.hours.time_zone,
            (change.claimed_from, change.claimed_until),
            before_minutes=rules.buffer_before_minutes,
            duration_minutes=rules.duration_minutes,
            after_minutes=rules.buffer_after_minutes,
        )

    def differs_from(self, before: ProviderRulebook) -> bool:
        """Whether the rules or the weekly hours differ."""
        return _hours_differ(before.calendar, self.calendar) or (
            before.calendar.rules != self.calendar.rules
        )


@dataclass(slots=True, kw_only=True)
class ServiceDay:
    """A date of a service, as it was read: the free days of all that a visit could take which hold
    the date's instants. What it shows is computed again only when time may have changed it.
    """

    day: date
    read_with: ServiceRulebook
    providers: Mapping[ProviderId, Mapping[date, FreeDay]]
    resources: Mapping[tuple[ResourceId, Rules], Mapping[date, FreeDay]]
    _shown: Content | None = None
    _since: datetime | None = None
    _until: datetime | None = None

    def content(self, now: datetime) -> Content:
        """What can be booked at this instant, and with whom as lead."""
        if (
            self._shown is None
            or self._since is None
            or now < self._since
            or (self._until is not None and self._until <= now)
        ):
            self._show(now)
        return self._shown or Content()

    def changes_at(self, now: datetime) -> datetime | None:
        """The first instant after now at which time alone may change it."""
        self.content(now)
        return self._until

    def _show(self, now: datetime) -> None:
        book = self.read_with
        calendars = book.calendars
        leads = service_starts(
            book.offering.needs,
            book.named,
            {each: (calendars[each], days) for each, days in self.providers.items()},
            self.resources,
            now,
        )
        starts = by_viewer_date(leads, book.time_zone, self.day, self.day)[self.day]
        duration = book.offering.service.rules.duration_minutes
        self._shown = Content(
            starts, duration, book.time_zone, tuple(leads[start] for start in starts)
        )
        self._since = now
        self._until = next_service_change(
            [
                (calendars[each].hours, calendars[each].rules, days)
                for each, days in self.providers.items()
            ],
            self.resources.values(),
            starts,
            now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRulebook:
    """A service, and the calendars of all that it could take. A day is a `ServiceDay`."""

    offering: Offering
    named: tuple[ProviderId, ...]
    time_zone: str
    calendars: Mapping[ProviderId, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]

    @property
    def members(self) -> Collection[OwnerId]:
        """The service, its providers and its resources."""
        needs = self.offering.needs
        return (self.offering.service.id, *needs.provider_ids, *needs.resource_ids)

    @property
    def shapes(self) -> list[Rules]:
        """Those of visits with its providers as leads, each once."""
        return list(dict.fromkeys(each.rules.shape for each in self.calendars.values()))

    def contents(self, days: Mapping[date, ServiceDay], now: datetime) -> dict[date, Content]:
        """What can be booked, and with whom as lead."""
        return {day: free.content(now) for day, free in days.items()}

    def next_change(self, days: Mapping[date, ServiceDay], now: datetime) -> datetime | None:
        """By everybody's notice and horizon and the ends of holds."""
        instants = [free.changes_at(now) for free in days.values()]
        return min((each for each in instants if each is not None), default=None)

    def dates_changed(self, change: TimeChanged) -> Iterable[date]:
        """The dates of the time itself, and neighbours that it reaches into under any rules."""
        rules = [each.rules for each in self.calendars.values()]
        return dates_changed(
            self.time_zone,
            (change.claimed_from, change.claimed_until),
            before_minutes=max((each.buffer_before_minutes for each in rules), default=0),
            duration_minutes=max((each.duration_minutes for each in rules), default=0),
            after_minutes=max((each.buffer_after_minutes for each in rules), default=0),
        )

    def differs_from(self, before: ServiceRulebook) -> bool:
        """Whether the service, its needs, or anybody's rules or weekly hours differ."""
        return (
            before.offering != self.offering
            or before.calendars.keys() != self.calendars.keys()
            or before.resources.keys() != self.resources.keys()
            or any(
                before.calendars[each].rules != calendar.rules
                or _hours_differ(before.calendars[each], calendar)
                for each, calendar in self.calendars.items()
            )
            or any(
                before.resources[each].resource != calendar.resource
                or _hours_differ(before.resources[each], calendar)
                for each, calendar in self.resources.items()
            )
        )


def _hours_differ(before: Calendar | ResourceCalendar, after: Calendar | ResourceCalendar) -> bool:
    """Exceptions are not compared: each reading has those around its days."""
    return (
        before.hours.time_zone != after.hours.time_zone
        or set(before.hours.weekly) != set(after.hours.weekly)
        or set(before.hours.breaks) != set(after.hours.breaks)
    )
