"""Calendar feeds: what somebody's own calendar shows of their appointments, at a private address.

A provider has one, a signed-in customer has one, and so has each appointment, for its manage link.
They show the last 30 days and everything to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.appointment import AppointmentStatus, ManageLink
    from app.core.ids import (
        AppointmentId,
        CalendarFeedId,
        CustomerId,
        ProviderId,
        ServiceId,
        SessionId,
    )

SHOWN_BACK: Final = timedelta(days=30)
"""How far back a feed goes, by starts."""

MOST_ENTRIES: Final = 5_000
"""Of one feed, from the earliest on: with 20 visits a day, a year. A larger calendar ends there."""

FeedAddress: TypeAlias = "CalendarFeedId | ManageLink"
"""What a feed's address names: a feed, or the manage links of an appointment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFeed:
    """The feed of one provider or one customer."""

    id: CalendarFeedId
    provider_id: ProviderId | None = None
    customer_id: CustomerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An appointment as a feed shows it. `seats` is None where it has its time alone."""

    id: AppointmentId
    version: int
    changed_at: datetime
    status: AppointmentStatus
    starts_at: datetime
    ends_at: datetime
    providers: tuple[ProviderId, ...]
    service_id: ServiceId | None
    seats: int | None
    contact_name: str
    contact_email: str | None
    contact_phone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEntry:
    """A session as the feeds of its providers show it: one entry for all of its bookings."""

    id: SessionId
    version: int
    changed_at: datetime
    starts_at: datetime
    ends_at: datetime
    lead: ProviderId
    service_id: ServiceId
    seats: int
    bookings: int
