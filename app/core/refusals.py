"""The refusals: expected outcomes that are no success, as values. A refused request wrote nothing.

Each has a `message`, a sentence that the person who meets it can act on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core.appointment import AppointmentStatus
from app.core.slots import UnbookableReason

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.money import Money
    from app.core.provider import Offer

_REASON_SENTENCES = {
    UnbookableReason.IN_THE_PAST: "it is in the past",
    UnbookableReason.TOO_SHORT_NOTICE: "it is too soon from now",
    UnbookableReason.BEYOND_HORIZON: "it is too far in the future",
    UnbookableReason.OUTSIDE_HOURS: "it is outside the provider's hours",
    UnbookableReason.BREAK: "the provider has a break then",
    UnbookableReason.EXCEPTION: "the provider keeps other hours on that date",
    UnbookableReason.NOT_ON_GRID: "appointments start at other minutes",
    UnbookableReason.DOES_NOT_FIT: "it would run past the provider's hours",
    UnbookableReason.ALREADY_TAKEN: "it is already taken",
    UnbookableReason.BUFFER: "it is too close to another appointment",
    UnbookableReason.HELD: "someone is booking it right now",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidInput:
    """A value that the rules refuse. `field` is the path from the input, in snake_case:
    `customer.email`.
    """

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAllowed:
    """The caller may not do this."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """There is no such thing in the caller's organization, or none that the caller may see."""

    what: str

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return f"There is no such {self.what} here. Check its id."


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidDateRange:
    """The dates asked for can't be answered: out of order, too many, or outside the supported
    years.
    """

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotUnavailable:
    """The time can't be booked, for all these reasons; `alternatives` are the nearest bookable
    starts.
    """

    reasons: tuple[UnbookableReason, ...]
    alternatives: Offer | None = None

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return (
            "This time can't be booked: "
            f"{', and '.join(_REASON_SENTENCES[reason] for reason in self.reasons)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKeyReused:
    """The idempotency key already stands for another request."""

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return (
            "This idempotency key was used for another request. Send a new key with a new request."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationQuote:
    """What cancelling would cost: nothing until `free_until`, that instant included; `fee` is None
    where it is free.
    """

    free_until: datetime
    fee: Money | None
    allowed: bool


class NotChangeableReason(StrEnum):
    """Why an appointment can be neither cancelled nor moved any more."""

    ALREADY_STARTED = "ALREADY_STARTED"
    ALREADY_CANCELLED = "ALREADY_CANCELLED"
    ALREADY_CLOSED = "ALREADY_CLOSED"
    TOO_LATE = "TOO_LATE"


_NOT_CHANGEABLE_SENTENCES = {
    NotChangeableReason.ALREADY_STARTED: "The appointment has started. Call the provider.",
    NotChangeableReason.ALREADY_CANCELLED: "The appointment is cancelled. Book a new one.",
    NotChangeableReason.ALREADY_CLOSED: (
        "The appointment is over. If that is not so, call the provider."
    ),
    NotChangeableReason.TOO_LATE: "It is too late to change this appointment. Call the provider.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCancellable:
    """The appointment can't be cancelled any more."""

    reason: NotChangeableReason

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return _NOT_CHANGEABLE_SENTENCES[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReschedulable:
    """The appointment can't be moved any more."""

    reason: NotChangeableReason

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return _NOT_CHANGEABLE_SENTENCES[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationFeeNotAccepted:
    """Cancelling costs more than the caller agreed to pay."""

    quote: CancellationQuote

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return "Cancelling now costs a fee. Show it, and send it as acceptFeeMinor to agree to it."


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionConflict:
    """The appointment was changed since the caller last saw it."""

    current_version: int

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return "The appointment was changed meanwhile. Load it again, then decide."


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidTransition:
    """An appointment in this state can't become what was asked for, or not yet."""

    from_status: AppointmentStatus
    to_status: AppointmentStatus

    @property
    def message(self) -> str:
        """The sentence for a person."""
        wanted = self.to_status.replace("_", " ").lower()
        if self.from_status is AppointmentStatus.CANCELLED:
            return f"A cancelled appointment can't become {wanted}. Book a new one."
        return f"Before its start an appointment can't become {wanted}. Wait until it has begun."


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingLimitReached:
    """Too many open bookings or holds by one contact or caller."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExpired:
    """The hold is over, and its time can't be booked without it."""

    alternatives: Offer | None = None

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return "The hold has ended, and its time can't be booked any more. Choose another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporarilyUnavailable:
    """There is too much to compute right now; what is asked for is not known."""

    retry_after_seconds: int

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return (
            f"There is too much to do right now. Try again in {self.retry_after_seconds} seconds."
        )
