"""The refusals: expected outcomes that are no success, as values. A refused request wrote nothing.

Each has a `message`, a sentence that the person who meets it can act on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from app.core.addresses import phone_text
from app.core.appointment import AppointmentStatus
from app.core.sentences import Duration, Sentence, say
from app.core.slots import UnbookableReason

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.money import Money
    from app.core.provider import Offer

Missing = Literal[
    "appointment",
    "busy source",
    "customer",
    "delivery",
    "hold",
    "location",
    "organization",
    "provider",
    "provider with this service",
    "resource",
    "service",
    "session",
    "time off",
    "webhook",
]
"""What an id may fail to name."""

_NOT_FOUND_SENTENCES: Final[dict[Missing, Sentence]] = {
    "appointment": say("There is no such appointment here. Check its id."),
    "busy source": say("There is no such source of busy times here. Check its id."),
    "customer": say("There is no such customer here. Check its id."),
    "delivery": say("There is no such delivery here. Check its id."),
    "hold": say("There is no such hold here. Check its id."),
    "location": say("There is no such location here. Check its id."),
    "organization": say("There is no such organization here. Check its id."),
    "provider": say("There is no such provider here. Check its id."),
    "provider with this service": say(
        "There is no such provider with this service here. Check its id."
    ),
    "resource": say("There is no such resource here. Check its id."),
    "service": say("There is no such service here. Check its id."),
    "session": say("There is no such session here. Check its id."),
    "time off": say("There is no such time off here. Check its id."),
    "webhook": say("There is no such webhook here. Check its id."),
}

_STATUS_SENTENCES = {
    AppointmentStatus.CONFIRMED: say("confirmed"),
    AppointmentStatus.CANCELLED: say("cancelled"),
    AppointmentStatus.COMPLETED: say("completed"),
    AppointmentStatus.NO_SHOW: say("no show"),
}

_REASON_SENTENCES = {
    UnbookableReason.IN_THE_PAST: say("it is in the past"),
    UnbookableReason.TOO_SHORT_NOTICE: say("it is too soon from now"),
    UnbookableReason.BEYOND_HORIZON: say("it is too far in the future"),
    UnbookableReason.OUTSIDE_HOURS: say("it is outside the provider's hours"),
    UnbookableReason.BREAK: say("the provider has a break then"),
    UnbookableReason.EXCEPTION: say("the provider keeps other hours on that date"),
    UnbookableReason.TIME_OFF: say("the provider is away then"),
    UnbookableReason.NOT_ON_GRID: say("appointments start at other minutes"),
    UnbookableReason.DOES_NOT_FIT: say("it would run past the provider's hours"),
    UnbookableReason.ALREADY_TAKEN: say("it is already taken"),
    UnbookableReason.BUFFER: say("it is too close to another appointment"),
    UnbookableReason.HELD: say("someone is booking it right now"),
    UnbookableReason.BUSY_ELSEWHERE: say("the provider is busy with something else then"),
    UnbookableReason.NOBODY_FREE: say("nobody is free then"),
    UnbookableReason.RESOURCE_TAKEN: say("a room or a device that it needs is not free then"),
    UnbookableReason.LIMIT_REACHED: say("a limit on appointments is reached"),
    UnbookableReason.NO_SEATS_LEFT: say("too few seats are left then"),
    UnbookableReason.CUSTOMER_BUSY: say("the same person has another appointment then"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidInput:
    """A value that the rules refuse. `field` is the path from the input, in snake_case:
    `customer.email`.
    """

    field: str
    message: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAllowed:
    """The caller may not do this."""

    message: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """There is no such thing in the caller's organization, or none that the caller may see."""

    what: Missing

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return _NOT_FOUND_SENTENCES[self.what]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidDateRange:
    """The dates asked for can't be answered: out of order, too many, or outside the supported
    years.
    """

    message: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotUnavailable:
    """The time can't be booked, for all these reasons; `alternatives` are the nearest bookable
    starts, None until somebody looks for them.
    """

    reasons: tuple[UnbookableReason, ...]
    alternatives: Offer | None = None

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return say(
            "This time can't be booked: {reasons}.",
            reasons=tuple(_REASON_SENTENCES[reason] for reason in self.reasons),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKeyReused:
    """The idempotency key was used for another request."""

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return say(
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
    NotChangeableReason.ALREADY_STARTED: say("The appointment has started. Call the provider."),
    NotChangeableReason.ALREADY_CANCELLED: say("The appointment is cancelled. Book a new one."),
    NotChangeableReason.ALREADY_CLOSED: say(
        "The appointment is over. If that is not so, call the provider."
    ),
    NotChangeableReason.TOO_LATE: say(
        "It is too late to change this appointment. Call the provider."
    ),
}


def _not_changeable(reason: NotChangeableReason, phone: str | None) -> Sentence:
    """The sentence of a reason, with the number to call where there is one."""
    if phone is None:
        return _NOT_CHANGEABLE_SENTENCES[reason]
    number = phone_text(phone)
    match reason:
        case NotChangeableReason.ALREADY_STARTED:
            return say("The appointment has started. Call {phone}.", phone=number)
        case NotChangeableReason.ALREADY_CLOSED:
            return say("The appointment is over. If that is not so, call {phone}.", phone=number)
        case NotChangeableReason.TOO_LATE:
            return say("It is too late to change this appointment. Call {phone}.", phone=number)
        case NotChangeableReason.ALREADY_CANCELLED:
            return _NOT_CHANGEABLE_SENTENCES[reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCancellable:
    """The appointment can't be cancelled any more. `phone` is the practice's number, if any."""

    reason: NotChangeableReason
    phone: str | None = None

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return _not_changeable(self.reason, self.phone)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReschedulable:
    """The appointment can't be moved any more. `phone` is the practice's number, if any."""

    reason: NotChangeableReason
    phone: str | None = None

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return _not_changeable(self.reason, self.phone)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationFeeNotAccepted:
    """Cancelling costs more than the caller agreed to pay."""

    quote: CancellationQuote

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return say(
            "Cancelling now costs a fee. Show it, and send it as acceptFeeMinor to agree to it."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionConflict:
    """The appointment was changed since the caller last saw it."""

    current_version: int

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return say("The appointment was changed meanwhile. Load it again, then decide.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidTransition:
    """An appointment in this state can't become what was asked for, or not yet."""

    from_status: AppointmentStatus
    to_status: AppointmentStatus

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        wanted = _STATUS_SENTENCES[self.to_status]
        if self.from_status is AppointmentStatus.CANCELLED:
            return say(
                "A cancelled appointment can't become {status}. Book a new one.", status=wanted
            )
        return say(
            "Before its start an appointment can't become {status}. Wait until it has begun.",
            status=wanted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingLimitReached:
    """Too many open bookings or holds by one contact or caller."""

    limit: int
    """How many are allowed."""
    message: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExpired:
    """The hold is over, and its time can't be booked without it."""

    alternatives: Offer | None = None

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return say("The hold has ended, and its time can't be booked any more. Choose another one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporarilyUnavailable:
    """There is too much to compute right now; what is asked for is not known."""

    retry_after_seconds: int

    @property
    def message(self) -> Sentence:
        """The sentence for a person."""
        return _too_much_to_do(self.retry_after_seconds)


@cache
def _too_much_to_do(retry_after_seconds: int) -> Sentence:
    """Cached: it is needed under too much load, and always with the same number of seconds."""
    return say(
        "There is too much to do right now. Try again in {wait}.",
        wait=Duration(retry_after_seconds, "second"),
    )
