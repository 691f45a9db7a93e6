"""Providers, the services they offer, and the hours they keep, as the program reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.hours import Hours

if TYPE_CHECKING:
    from datetime import date

    from app.core.hours import WeeklyRange
    from app.core.ids import (
        AvailabilityExceptionId,
        LocationId,
        OrganizationId,
        ProviderId,
        ServiceId,
        SubjectId,
        TimeOffId,
        WeeklyBreakId,
        WeeklyHoursId,
    )
    from app.core.limits import BookingLimit
    from app.core.messages import Channel
    from app.core.money import CancellationPolicy, Money
    from app.core.rules import ProviderRules, Rules, ServiceRules
    from app.core.seating import SeatsAt
    from app.core.zones import Minute


DEFAULT_REMINDER_MINUTES: Final = (1440, 60)
"""A day and an hour before the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Whom everything belongs to; `slug` is its public name.

    `phone`, `email` and `url` are how customers reach it, where a location says nothing else.
    `sms_to_unverified_numbers` is whether its text messages go to any number that somebody gives;
    `allows_customer_overlap` whether a customer may have two visits at the same time;
    `reminder_minutes_before` how long before the start it reminds, the longest first. `locale` is
    the language of the mails to `email` about these settings; None means English.
    """

    id: OrganizationId
    slug: str
    name: str
    sms_to_unverified_numbers: bool = False
    allows_customer_overlap: bool = True
    phone: str | None = None
    email: str | None = None
    url: str | None = None
    reminder_minutes_before: tuple[int, ...] = DEFAULT_REMINDER_MINUTES
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Somebody who can be booked. `subject` is the `sub` of the tokens that act for them.

    `locale` and `channels` say in which language and on which channels they want messages.
    `limits` count every visit that takes them. `location_id` is where they see customers, unless
    the service says otherwise. One who is archived keeps what is booked, and takes no new visit.
    """

    id: ProviderId
    subject: str
    name: str
    email: str | None
    phone: str | None
    time_zone: str
    rules: ProviderRules
    cancellation_policy: CancellationPolicy
    locale: str | None = None
    channels: tuple[Channel, ...] | None = None
    limits: tuple[BookingLimit, ...] = ()
    description: str | None = None
    location_id: LocationId | None = None
    is_archived: bool = False
    external_id: str | None = None

    @property
    def bookable_units(self) -> int:
        """How many units a new visit may choose from: one, or none of an archived provider."""
        return 0 if self.is_archived else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What can be booked with the providers that offer it. A null policy means the
    provider's own. `limits` count, for each lead, the visits of this service that they lead.
    `max_open_per_customer` is how many open bookings of it one customer may have; None: any number.
    `location_id` is where its visits take place; None: where the lead sees customers.
    One that is archived keeps its appointments, which may be moved, and takes no new ones.
    """

    id: ServiceId
    name: str
    rules: ServiceRules
    price: Money | None
    cancellation_policy: CancellationPolicy | None
    limits: tuple[BookingLimit, ...] = ()
    max_open_per_customer: int | None = None
    description: str | None = None
    location_id: LocationId | None = None
    is_archived: bool = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyHours:
    """A stored range of weekly hours."""

    id: WeeklyHoursId
    subject_id: SubjectId
    range: WeeklyRange


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyBreak:
    """A stored weekly break."""

    id: WeeklyBreakId
    subject_id: SubjectId
    range: WeeklyRange


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityException:
    """A stored exception: one row for a closed day, or one for each range of a block or of custom
    hours.

    The two minutes are wall-clock readings, from the midnight of `date`; both None on a closed day.
    """

    id: AvailabilityExceptionId
    subject_id: SubjectId
    date: date
    is_blocked: bool
    start_minute: int | None
    end_minute: int | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOff:
    """A range of wall-clock time on which a subject is away, over any number of dates.

    The readings are half-open, in wall minutes (see `app.core.zones`) of the subject's zone. They
    stay what they are when the zone changes.
    """

    id: TimeOffId
    subject_id: SubjectId
    from_wall: int
    until_wall: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """All that decides over a provider's time besides the claims on it: who, for what, when open,
    by which rules.

    `is_plain` is whether a visit takes this provider alone: the service needs no other and no
    resource, and a start of it has one seat. `seats` are those that a start of the service has.
    `rules_version` rises with every change of what decides.
    """

    provider: Provider
    service: Service | None
    hours: Hours
    rules: Rules
    is_plain: bool = True
    seats: int = 1
    rules_version: int = 0

    @property
    def for_new_time(self) -> Calendar:
        """As it decides over time that is not taken yet: an archived provider keeps no hours. What
        they took stays theirs (see `app.core.visits`).
        """
        if not self.provider.is_archived:
            return self
        return replace(self, hours=Hours(time_zone=self.hours.time_zone, exceptions={}))

    @property
    def service_limits(self) -> tuple[BookingLimit, ...]:
        """They count the service's visits that this provider leads."""
        return () if self.service is None else self.service.limits

    @property
    def limits(self) -> tuple[BookingLimit, ...]:
        """The provider's, and the service's."""
        return self.provider.limits + self.service_limits


class OfferedSlot(NamedTuple):
    """A bookable start, in the calendar of whom it can be booked with as lead. `at` is None where
    the service has no seats.
    """

    calendar: Calendar
    start: Minute
    at: SeatsAt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Bookable starts, ascending."""

    slots: tuple[OfferedSlot, ...]
