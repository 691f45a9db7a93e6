"""Events: one for each thing that happened in an organization, for everybody who follows it.

An event names what it is about and holds nothing personal; readers ask for the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.core.changes import AppointmentChangeKind
from app.core.lifecycle import Actor

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from app.core.ids import CustomerId, EventId, ProviderId


class EventType(StrEnum):
    """What happened."""

    APPOINTMENT_BOOKED = "APPOINTMENT_BOOKED"
    APPOINTMENT_RESCHEDULED = "APPOINTMENT_RESCHEDULED"
    APPOINTMENT_CANCELLED = "APPOINTMENT_CANCELLED"
    APPOINTMENT_COMPLETED = "APPOINTMENT_COMPLETED"
    APPOINTMENT_NO_SHOW = "APPOINTMENT_NO_SHOW"
    APPOINTMENT_CORRECTED = "APPOINTMENT_CORRECTED"
    SESSION_RESCHEDULED = "SESSION_RESCHEDULED"
    SESSION_CANCELLED = "SESSION_CANCELLED"
    HOLD_CREATED = "HOLD_CREATED"
    HOLD_ENDED = "HOLD_ENDED"
    MESSAGE_SENT = "MESSAGE_SENT"
    MESSAGE_FAILED = "MESSAGE_FAILED"
    PROVIDER_CHANGED = "PROVIDER_CHANGED"
    SERVICE_CHANGED = "SERVICE_CHANGED"
    RESOURCE_CHANGED = "RESOURCE_CHANGED"
    LOCATION_CHANGED = "LOCATION_CHANGED"
    ORGANIZATION_CHANGED = "ORGANIZATION_CHANGED"
    CUSTOMER_CHANGED = "CUSTOMER_CHANGED"
    CUSTOMER_ERASED = "CUSTOMER_ERASED"
    WEBHOOK_CHANGED = "WEBHOOK_CHANGED"
    WEBHOOK_TESTED = "WEBHOOK_TESTED"


TYPE_OF_CHANGE: Final = {
    kind: EventType(f"APPOINTMENT_{kind.value}") for kind in AppointmentChangeKind
}
"""The event that each change of an appointment is."""


EDITS: Final = frozenset(
    {
        EventType.PROVIDER_CHANGED,
        EventType.SERVICE_CHANGED,
        EventType.RESOURCE_CHANGED,
        EventType.LOCATION_CHANGED,
        EventType.ORGANIZATION_CHANGED,
    }
)
"""Of what all staff may read: settings, hours, time off, busy times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who did it. `subject` is that of their token; None for guests and for the program.

    `origin` is a guest's network, hashed, where what they cause is counted against it.
    """

    actor: Actor
    subject: str | None = None
    origin: bytes | None = None

    @property
    def staff_subject(self) -> str | None:
        """The subject where it is a member of the staff: a customer's is personal data."""
        return self.subject if self.actor.is_providers_side else None


PROGRAM: Final = Author(actor=Actor.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What an event says: what happened to which object, and whose calendar and record it is about.

    `version` is the one that the object has since, where it has versions.
    """

    type: EventType
    subject_id: UUID
    version: int | None = None
    provider_id: ProviderId | None = None
    customer_id: CustomerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCursor:
    """A place in an organization's log of events: after one event, or before all of a transaction.

    `epoch` rises with the first event after the database server was started: a restored database
    may go on in a cluster whose transaction ids start again.
    """

    epoch: int
    transaction_id: int
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, as it was recorded."""

    id: EventId
    cursor: EventCursor
    happening: Happening
    occurred_at: datetime
    author: Author
