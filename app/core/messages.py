"""Messages about an appointment: what they are for, whom they reach and how. Words are made
elsewhere.

One word for one thing: a *message* is anything that is sent about an appointment to one side of it
on one channel; *reminders* are those that are due before the start. The *outbox* holds what
is planned, by kind; the *log* (the table `reminder_log`) holds every message that was due, with its
status. The API calls a message `Reminder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from app.core.appointment import AppointmentStatus

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import AppointmentId, MessageLogId, ProviderId, SessionId


class MessageKind(StrEnum):
    """Why a message is sent. READDRESSED goes to the address that a correction replaced."""

    BOOKED = "BOOKED"
    RESCHEDULED = "RESCHEDULED"
    CANCELLED = "CANCELLED"
    DAY_BEFORE = "DAY_BEFORE"
    HOUR_BEFORE = "HOUR_BEFORE"
    BEFORE = "BEFORE"
    CORRECTED = "CORRECTED"
    READDRESSED = "READDRESSED"


class Recipient(StrEnum):
    """Whose side of the appointment a message is for."""

    CUSTOMER = "CUSTOMER"
    PROVIDER = "PROVIDER"


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "EMAIL"
    SMS = "SMS"


class MessageStatus(StrEnum):
    """The state of a message. All but PENDING are final."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOverride:
    """An organization's own words for one kind, recipient and language: Jinja2 sources.

    A part left out is the built-in one. `subject`, `text` and `html` are for e-mail, `sms` for SMS.
    `app.notify.overrides` says what a source may hold.
    """

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    sms: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message, as people see it: one that is planned (no `id` yet), or a row of the log.

    `provider_id` is which provider it is for, where it is for one. `time_version` says which of the
    appointment's times it is about, or of the session's where it is about all of that: `session_id`
    is then given, and the appointment is any one in it. `detail` says why it failed or was skipped,
    or why it is to be tried again. `minutes_before` is how long before the start a reminder is due;
    None for other kinds, and for a reminder of the kind BEFORE that staff sent by hand.
    """

    id: MessageLogId | None
    appointment_id: AppointmentId
    time_version: int
    kind: MessageKind
    recipient: Recipient
    channel: Channel
    status: MessageStatus
    due_at: datetime
    sent_at: datetime | None = None
    detail: str | None = None
    is_resend: bool = False
    provider_id: ProviderId | None = None
    session_id: SessionId | None = None
    minutes_before: int | None = None

    @property
    def key(self) -> UUID:
        """Identifies the message among those of its appointment, alike while it is planned and once
        it is in the log. A resend may repeat another in all but its row.
        """
        if self.is_resend and self.id is not None:
            return self.id
        about = (self.kind, self.time_version, self.recipient, self.channel)
        whose = (self.provider_id, self.session_id)
        when = (self.minutes_before,) if self.kind is MessageKind.BEFORE else ()
        return uuid5(self.appointment_id, "/".join(map(str, (*about, *whose, *when))))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupVisit:
    """A session as messages to providers describe it: `bookings` took `seats` in it.

    `version` rises with every change of it, `time_version` whenever its start or its providers
    change. Providers have the lead first.
    """

    id: SessionId
    providers: tuple[ProviderId, ...]
    starts_at: datetime
    ends_at: datetime
    version: int
    time_version: int
    is_cancelled: bool
    seats: int
    bookings: int

    @property
    def status(self) -> AppointmentStatus:
        """For a provider it takes place as long as somebody has booked it."""
        return AppointmentStatus.CONFIRMED if self.bookings else AppointmentStatus.CANCELLED

    def takes_place_with(self, provider_id: ProviderId) -> bool:
        """Whether this provider's calendar has it."""
        return self.bookings > 0 and provider_id in self.providers


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTemplate:
    """What an organization's own words are for, and the words."""

    kind: MessageKind
    recipient: Recipient
    language: str
    words: TemplateOverride
    updated_at: datetime
