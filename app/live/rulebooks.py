"""What the days of watched topics show: of a provider, and of a service with any free provider. No
await, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from app.core.free_days import free_starts_at
from app.core.limits import UNCOUNTED, dates_that_count, full_for
from app.core.listed import list_starts
from app.core.passing import next_change, next_service_change
from app.core.slots import bookable_by_date, by_viewer_date, dates_changed
from app.core.zones import dates_between
from app.live.topic import ZONES_APART, Content

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.changes import TimeChanged
    from app.core.free_days import FreeDay
    from app.core.ids import OwnerId, ProviderId, ResourceId
    from app.core.limits import BookingLimit, Counted
    from app.core.needs import Offering
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession


class ProviderDay(NamedTuple):
    """A date of a provider, as it was read: what is free, and what limits count around it."""

    free: FreeDay
    counted: Counted = UNCOUNTED


@dataclass(frozen=True, slots=True)
class ProviderRulebook:
    """A provider's calendar."""

    calendar: Calendar

    @property
    def time_zone(self) -> str:
        """The provider's."""
        return self.calendar.hours.time_zone

    @property
    def members(self) -> Collection[OwnerId]:
        """The provider alone."""
        return (self.calendar.provider.id,)

    def contents(self, days: Mapping[date, ProviderDay], now: datetime) -> dict[date, Content]:
        """What can be booked."""
        calendar = self.calendar
        step = calendar.rules.step_minutes
        starts = {day: free_starts_at(kept.free, step, now) for day, kept in days.items()}
        if calendar.limits:
            for day, kept in days.items():
                if any(full_for(calendar, kept.counted, (day,), now)):
                    starts[day] = ()
        bookable = bookable_by_date(calendar.hours, calendar.rules, starts, now)
        seen = (calendar.rules.duration_minutes, calendar.hours.time_zone)
        return {day: Content(bookable[day], *seen) for day in days}

    def next_change(self, days: Mapping[date, ProviderDay], now: datetime) -> datetime | None:
        """By notice, horizon and the ends of holds."""
        return next_change(
            self.calendar.hours,
            self.calendar.rules,
            {day: kept.free for day, kept in days.items()},
            now,
            [kept.counted for kept in days.values()],
        )

    def dates_changed(self, change: TimeChanged) -> Iterable[date]:
        """The dates of the time itself, neighbours that it reaches into, and where there are
        limits, all dates of its periods.
        """
        rules = self.calendar.rules
        dates = dates_changed(
            self.calendar.hours.time_zone,
            (change.claimed_from, change.claimed_until),
            before_minutes=rules.buffer_before_minutes,
            duration_minutes=rules.duration_minutes,
            after_minutes=rules.buffer_after_minutes,
        )
        return _with_periods(self.calendar.limits, dates)

    def differs_from(self, before: ProviderRulebook | ServiceRulebook) -> bool:
        """Whether the rules, the limits or the weekly hours differ."""
        return (
            not isinstance(before, ProviderRulebook)
            or _rules_differ(before.calendar, self.calendar)
            or _hours_differ(before.calendar, self.calendar)
        )


@dataclass(slots=True, kw_only=True)
class ServiceDay:
    """A date of a service, as it was read: the free days of all that a visit could take which hold
    the date's instants. Its content is computed again only when time may have changed it.
    """

    day: date
    read_with: ServiceRulebook
    providers: Mapping[ProviderId, Mapping[date, FreeDay]]
    resources: Mapping[tuple[ResourceId, Rules], Mapping[date, FreeDay]]
    counted: Mapping[ProviderId, Counted]
    """What limits count, of those who have some."""
    sessions: Sequence[ActiveSession] = ()
    """Those of a service with seats that start on this date."""
    others: Mapping[ResourceId, ResourceCalendar] = field(default_factory=dict)
    """The calendars of what they take and the service needs no more."""
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
        listed = list_starts(
            book.offering,
            book.named,
            book.seats,
            {each: (calendars[each], days) for each, days in self.providers.items()},
            self.resources,
            now,
            {
                each: full_for(calendars[each], counted, self.providers[each], now)
                for each, counted in self.counted.items()
            },
            rooms={**self.others, **book.resources},
            sessions=self.sessions,
        )
        starts = by_viewer_date(listed.leads, book.time_zone, self.day, self.day)[self.day]
        at = tuple(each for start in starts if (each := listed.at(start)) is not None)
        self._shown = Content(
            starts,
            listed.duration_minutes,
            book.time_zone,
            tuple(listed.leads[start] for start in starts),
            at,
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
            self.counted.values(),
            self.sessions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRulebook:
    """A service, for a party of so many seats, and the calendars of all that it could take. A day
    is a `ServiceDay`.
    """

    offering: Offering
    named: tuple[ProviderId, ...]
    seats: int
    time_zone: str
    calendars: Mapping[ProviderId, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]
    others: Collection[ResourceId] = ()
    """What sessions take and the service needs no more."""

    @property
    def members(self) -> Collection[OwnerId]:
        """The service, its providers and its resources, and what else its sessions take."""
        needs = self.offering.needs
        return (self.offering.service.id, *needs.provider_ids, *needs.resource_ids, *self.others)

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
        """The dates of the time itself, neighbours that it reaches into under any rules, and where
        anybody has limits, all dates of its periods.
        """
        rules = [each.rules for each in self.calendars.values()]
        dates = dates_changed(
            self.time_zone,
            (change.claimed_from, change.claimed_until),
            before_minutes=max((each.buffer_before_minutes for each in rules), default=0),
            duration_minutes=max((each.duration_minutes for each in rules), default=0),
            after_minutes=max((each.buffer_after_minutes for each in rules), default=0),
        )
        limits = [limit for each in self.calendars.values() for limit in each.limits]
        return _with_periods(limits, dates, apart=ZONES_APART)

    def differs_from(self, before: ProviderRulebook | ServiceRulebook) -> bool:
        """Whether the service, its needs, or anybody's rules or weekly hours differ."""
        return (
            not isinstance(before, ServiceRulebook)
            or before.offering != self.offering
            or before.calendars.keys() != self.calendars.keys()
            or before.resources.keys() != self.resources.keys()
            or any(
                _rules_differ(before.calendars[each], calendar)
                or _hours_differ(before.calendars[each], calendar)
                for each, calendar in self.calendars.items()
            )
            or any(
                before.resources[each].resource != calendar.resource
                or _hours_differ(before.resources[each], calendar)
                for each, calendar in self.resources.items()
            )
        )


def _with_periods(
    limits: Collection[BookingLimit], dates: Iterable[date], apart: timedelta = timedelta(0)
) -> Iterable[date]:
    """These dates, and all that share a limit's period with one of them. A provider's zone is so
    far apart from that of the dates.
    """
    several = tuple(dates)
    if not limits or not several:
        return several
    first, last = dates_that_count(limits, min(several) - apart, max(several) + apart)
    return dates_between(first - apart, last + apart)


def _rules_differ(before: Calendar, after: Calendar) -> bool:
    return before.rules != after.rules or before.limits != after.limits


def _hours_differ(before: Calendar | ResourceCalendar, after: Calendar | ResourceCalendar) -> bool:
    """Exceptions are not compared: each reading has those around its days."""
    return (
        before.hours.time_zone != after.hours.time_zone
        or set(before.hours.weekly) != set(after.hours.weekly)
        or set(before.hours.breaks) != set(after.hours.breaks)
    )
