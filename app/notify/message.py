"""What a message may say, and what it looks like once said. Pure values: no clock, no templates, no
wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from app.core.appointment import AppointmentStatus
from app.core.ids import AppointmentId, MessageLogId, SessionId
from app.core.lifecycle import CustomerTerms
from app.core.location import NOT_SAID, Reachable
from app.core.messages import Channel, MessageKind, Recipient, TemplateOverride
from app.core.money import Money
from app.notify.quoted_printable import Text

__all__ = [
    "CalendarMethod",
    "Channel",
    "MessageFacts",
    "MessageKind",
    "MessageLogId",
    "OverrideProblem",
    "PlaceFacts",
    "Recipient",
    "Rendered",
    "RenderedEmail",
    "RenderedSms",
    "SessionFacts",
    "TemplateOverride",
]


class CalendarMethod(StrEnum):
    """What a calendar program is asked to do with the part it gets (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """The session that a provider's message is about, as it is now: `seats` are taken in it, in so
    many `bookings`. `takes_place`: with this provider, for at least one booking.
    """

    id: SessionId
    version: int
    starts_at: datetime
    ends_at: datetime
    seats: int
    bookings: int
    takes_place: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFacts:
    """Where a visit takes place, as staff typed it."""

    name: str
    address: str | None = None
    directions: str | None = None

    @property
    def where(self) -> str:
        """Name and address on one line."""
        lines = (self.address or "").splitlines()
        return ", ".join(part for part in (self.name, *map(str.strip, lines)) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """Everything a message may say about one appointment to one recipient.

    Instants are UTC. `now` is the instant at which the message is made: the remaining time and the
    calendar part's stamp follow from it. `time_zone` (IANA) and `locale` (BCP 47) are the
    recipient's. Names and notes are as people typed them; cleaning and escaping is the renderer's
    work. `contact_email`, `contact_phone` and `notes` are shown to the provider only, and
    `provider_email` to nobody but the provider's own calendar. `cancellation_reason` is shown to
    the customer only where the practice gave it. `terms` are the customer's, at `now`.
    `keeps_start`: a move that changed only who the appointment is with, or (`is_resized`) how many
    seats it has. `is_handed_over`: it is no
    longer with this provider, and still takes place.

    `seats` are the appointment's where it is in a session. `session` is for providers only: their
    calendars have one event for it. `is_about_session`: the message is about all of the session and
    names no customer.

    `place` is where the visit is, and `practice` how customers reach the practice about it.
    """

    appointment_id: AppointmentId
    version: int
    status: AppointmentStatus
    starts_at: datetime
    ends_at: datetime
    previous_starts_at: datetime | None = None
    now: datetime
    time_zone: str
    locale: str | None
    organization_name: str
    organizer_email: str | None
    provider_name: str
    provider_email: str | None = None
    service_name: str | None
    contact_name: str = ""
    contact_email: str | None = None
    contact_phone: str | None = None
    notes: str | None = None
    price: Money | None = None
    terms: CustomerTerms | None = None
    cancellation_fee: Money | None = None
    cancellation_reason: str | None = None
    is_cancelled_by_practice: bool = False
    keeps_start: bool = False
    is_resized: bool = False
    is_handed_over: bool = False
    seats: int | None = None
    session: SessionFacts | None = None
    is_about_session: bool = False
    place: PlaceFacts | None = None
    practice: Reachable = NOT_SAID
    manage_url: str | None = None
    unsubscribe_url: str | None = None

    @property
    def remaining(self) -> timedelta:
        """Elapsed time from `now` to the start; negative once it has passed."""
        return self.starts_at - self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideProblem:
    """Why an override was not used: which part, its line where known, and a sentence for the
    administrator.
    """

    part: str
    line: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEmail:
    """An e-mail in words, not yet a MIME message. `language` is the one it was written in; `ics` is
    empty where the message leaves its reader's calendar alone.
    """

    language: str
    subject: str
    text_part: Text
    html_part: Text
    ics: bytes
    method: CalendarMethod
    problem: OverrideProblem | None = None

    @property
    def text(self) -> str:
        """The plain text."""
        return str(self.text_part)

    @property
    def html(self) -> str:
        """The page."""
        return str(self.html_part)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSms:
    """A text message. `segments` is what a gateway will bill."""

    language: str
    text: str
    segments: int
    problem: OverrideProblem | None = None


Rendered: TypeAlias = RenderedEmail | RenderedSms
