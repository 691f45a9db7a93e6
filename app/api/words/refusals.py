"""The refusals, as GraphQL says them: each a type of its own with a code of its own, all of them
`UserError`s.
"""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias, assert_never, overload

import strawberry

from app.api.words.enums import (
    AppointmentStatus,
    NotChangeableReason,
    UnbookableReason,
)
from app.api.words.money import Money
from app.api.words.sentences import translate
from app.core import lifecycle
from app.core import refusals as core
from app.core.sentences import Sentence

if TYPE_CHECKING:
    from app.api.graph.availability import Slot

LazySlot = Annotated["Slot", strawberry.lazy("app.api.graph.availability")]


@strawberry.interface(
    description="A refusal: an expected answer that is not a success. Nothing was changed."
)
class UserError:
    """What every refusal says."""

    code: str = strawberry.field(
        description="Stable, SCREAMING_SNAKE_CASE, one per type: for programs."
    )
    said: strawberry.Private[Sentence]

    @strawberry.field(
        description=(
            "A sentence that a person can act on, in the language of the request's "
            "Accept-Language, or of the WebSocket's: English, German, French or Spanish; English "
            "for others."
        )
    )
    def message(self, info: strawberry.Info) -> str:
        """In the caller's language."""
        return translate(self.said, info.context.language)


@strawberry.type(
    description="A value that the rules refuse. Correct the named field and send the request again."
)
class InvalidInputError(UserError):
    """Maps `InvalidInput`."""

    field: str = strawberry.field(
        description="The path of the refused value in the input, such as `customer.email`."
    )


@strawberry.type(description="The caller is not allowed to do this. Sign in as somebody who is.")
class NotAllowedError(UserError):
    """Maps `NotAllowed`."""


@strawberry.type(description=("An id names nothing in this organization that the caller may see."))
class NotFoundError(UserError):
    """Maps `NotFound`."""


@strawberry.type(
    description=(
        "The dates asked for can't be answered: out of order, too many, or out of the calendar."
    )
)
class InvalidDateRangeError(UserError):
    """Maps `InvalidDateRange`."""


@strawberry.type(
    description=(
        "The idempotency key was already used for another request. Use a new key for a new one."
    )
)
class IdempotencyKeyReusedError(UserError):
    """Maps `IdempotencyKeyReused`."""


@strawberry.type(
    description=("The server is too busy to compute this now. Retry after the seconds given.")
)
class TemporarilyUnavailableError(UserError):
    """Returned when too many computations of free times are waiting."""

    retry_after_seconds: int = strawberry.field(description="Wait this long before retrying.")


@strawberry.type(
    description=(
        "The time can't be booked. `reasons` says why; `alternatives` lists bookable times."
    )
)
class SlotUnavailableError(UserError):
    """Maps `SlotUnavailable`."""

    reasons: list[UnbookableReason] = strawberry.field(
        description="Every reason that applies, in a fixed order."
    )
    alternatives: list[LazySlot] = strawberry.field(
        description="Up to five bookable slots nearest to the time that was asked for, in order."
    )


def camel(field: str) -> str:
    """A path in the words of GraphQL: `customer_time_zone` is `customerTimeZone`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), field)


def invalid_input(refusal: core.InvalidInput) -> InvalidInputError:
    """The refusal of a value."""
    return InvalidInputError(code="INVALID_INPUT", said=refusal.message, field=camel(refusal.field))


def not_allowed(refusal: core.NotAllowed) -> NotAllowedError:
    """The refusal of a caller."""
    return NotAllowedError(code="NOT_ALLOWED", said=refusal.message)


def not_found(refusal: core.NotFound) -> NotFoundError:
    """The refusal of an id."""
    return NotFoundError(code="NOT_FOUND", said=refusal.message)


def invalid_date_range(refusal: core.InvalidDateRange) -> InvalidDateRangeError:
    """The refusal of a range of dates."""
    return InvalidDateRangeError(code="INVALID_DATE_RANGE", said=refusal.message)


def idempotency_key_reused(refusal: core.IdempotencyKeyReused) -> IdempotencyKeyReusedError:
    """The refusal of a key that was used for another request."""
    return IdempotencyKeyReusedError(code="IDEMPOTENCY_KEY_REUSED", said=refusal.message)


@strawberry.type(description="Too many open bookings or holds by one contact or caller.")
class BookingLimitReachedError(UserError):
    """Maps `BookingLimitReached`."""

    limit: int = strawberry.field(description="How many are allowed.")


@strawberry.type(
    description="The hold is over and its time is taken. Choose one of the alternatives."
)
class HoldExpiredError(UserError):
    """Maps `HoldExpired`."""

    alternatives: list[LazySlot] = strawberry.field(
        description="Up to five bookable slots nearest to it, in order."
    )


@strawberry.type(
    description=(
        "The appointment was changed since the caller last saw it. Load it again, then decide."
    )
)
class VersionConflictError(UserError):
    """Maps `VersionConflict`."""

    current_version: int = strawberry.field(description="Its current version.")


@strawberry.type(description="The appointment can't be cancelled any more.")
class NotCancellableError(UserError):
    """Maps `NotCancellable`."""

    reason: NotChangeableReason = strawberry.field(description="Why not.")


@strawberry.type(description="The appointment can't be moved any more.")
class NotReschedulableError(UserError):
    """Maps `NotReschedulable`."""

    reason: NotChangeableReason = strawberry.field(description="Why not.")


@strawberry.type(description="What cancelling right now would cost.")
class CancellationQuote:
    """Maps the core's `CancellationQuote`."""

    free_until: datetime = strawberry.field(
        description="Cancelling is free until this instant, included."
    )
    fee: Money | None = strawberry.field(
        description="What it costs now; null where it is free or not allowed."
    )
    allowed: bool = strawberry.field(description="Whether the policy allows it now.")

    @classmethod
    def of(cls, quote: core.CancellationQuote) -> "CancellationQuote":
        """From the core."""
        return cls(free_until=quote.free_until, fee=Money.of(quote.fee), allowed=quote.allowed)


@strawberry.type(description="Whether an appointment can be moved right now.")
class ReschedulingQuote:
    """Maps the core's `MoveQuote`."""

    allowed: bool = strawberry.field(
        description="Whether it can be moved, if the new time is free."
    )
    until: datetime | None = strawberry.field(
        description="Until when the caller may move it, or might have; null once it is cancelled, "
        "closed or has started."
    )
    reason: NotChangeableReason | None = strawberry.field(description="Why not.")

    @classmethod
    def of(cls, quote: lifecycle.MoveQuote) -> "ReschedulingQuote":
        """From the core."""
        return cls(allowed=quote.allowed, until=quote.until, reason=quote.reason)


@strawberry.type(
    description="Cancelling costs more than the caller agreed to pay. Show the quote and ask again."
)
class CancellationFeeNotAcceptedError(UserError):
    """Maps `CancellationFeeNotAccepted`."""

    quote: CancellationQuote = strawberry.field(description="What it costs now.")


@strawberry.type(
    description="The requested change is not possible in the appointment's state, or not yet."
)
class InvalidTransitionError(UserError):
    """Maps `InvalidTransition`."""

    from_: AppointmentStatus = strawberry.field(name="from", description="Its current state.")


def booking_limit_reached(refusal: core.BookingLimitReached) -> BookingLimitReachedError:
    """The refusal of one more."""
    return BookingLimitReachedError(
        code="BOOKING_LIMIT_REACHED", said=refusal.message, limit=refusal.limit
    )


def version_conflict(refusal: core.VersionConflict) -> VersionConflictError:
    """The refusal of a change that was decided on an old state."""
    return VersionConflictError(
        code="VERSION_CONFLICT", said=refusal.message, current_version=refusal.current_version
    )


def not_cancellable(refusal: core.NotCancellable) -> NotCancellableError:
    """The refusal of a cancellation."""
    return NotCancellableError(code="NOT_CANCELLABLE", said=refusal.message, reason=refusal.reason)


def not_reschedulable(refusal: core.NotReschedulable) -> NotReschedulableError:
    """The refusal of a move."""
    return NotReschedulableError(
        code="NOT_RESCHEDULABLE", said=refusal.message, reason=refusal.reason
    )


def fee_not_accepted(refusal: core.CancellationFeeNotAccepted) -> CancellationFeeNotAcceptedError:
    """The refusal of a cancellation for less than it costs."""
    return CancellationFeeNotAcceptedError(
        code="CANCELLATION_FEE_NOT_ACCEPTED",
        said=refusal.message,
        quote=CancellationQuote.of(refusal.quote),
    )


def invalid_transition(refusal: core.InvalidTransition) -> InvalidTransitionError:
    """The refusal of a change of state."""
    return InvalidTransitionError(
        code="INVALID_TRANSITION", said=refusal.message, from_=refusal.from_status
    )


def temporarily_unavailable(refusal: core.TemporarilyUnavailable) -> TemporarilyUnavailableError:
    """The refusal because the server is overloaded."""
    return TemporarilyUnavailableError(
        code="TEMPORARILY_UNAVAILABLE",
        said=refusal.message,
        retry_after_seconds=refusal.retry_after_seconds,
    )


Refusal: TypeAlias = (
    core.InvalidInput
    | core.NotAllowed
    | core.NotFound
    | core.InvalidDateRange
    | core.IdempotencyKeyReused
    | core.BookingLimitReached
    | core.VersionConflict
    | core.NotCancellable
    | core.NotReschedulable
    | core.CancellationFeeNotAccepted
    | core.InvalidTransition
    | core.TemporarilyUnavailable
)
"""Those whose translation needs nothing but the refusal."""


@overload
def refused(refusal: core.InvalidInput) -> InvalidInputError: ...
@overload
def refused(refusal: core.NotAllowed) -> NotAllowedError: ...
@overload
def refused(refusal: core.NotFound) -> NotFoundError: ...
@overload
def refused(refusal: core.InvalidDateRange) -> InvalidDateRangeError: ...
@overload
def refused(refusal: core.IdempotencyKeyReused) -> IdempotencyKeyReusedError: ...
@overload
def refused(refusal: core.BookingLimitReached) -> BookingLimitReachedError: ...
@overload
def refused(refusal: core.VersionConflict) -> VersionConflictError: ...
@overload
def refused(refusal: core.NotCancellable) -> NotCancellableError: ...
@overload
def refused(refusal: core.NotReschedulable) -> NotReschedulableError: ...
@overload
def refused(refusal: core.CancellationFeeNotAccepted) -> CancellationFeeNotAcceptedError: ...
@overload
def refused(refusal: core.InvalidTransition) -> InvalidTransitionError: ...
@overload
def refused(refusal: core.TemporarilyUnavailable) -> TemporarilyUnavailableError: ...
def refused(refusal: Refusal) -> UserError:  # noqa: C901, PLR0912  one case for each type
    """Translates a refusal. The result of a union is the union of the results, so mypy checks that
    an answer declares every refusal that it can hold.
    """
    match refusal:
        case core.InvalidInput():
            return invalid_input(refusal)
        case core.NotAllowed():
            return not_allowed(refusal)
        case core.NotFound():
            return not_found(refusal)
        case core.InvalidDateRange():
            return invalid_date_range(refusal)
        case core.IdempotencyKeyReused():
            return idempotency_key_reused(refusal)
        case core.BookingLimitReached():
            return booking_limit_reached(refusal)
        case core.VersionConflict():
            return version_conflict(refusal)
        case core.NotCancellable():
            return not_cancellable(refusal)
        case core.NotReschedulable():
            return not_reschedulable(refusal)
        case core.CancellationFeeNotAccepted():
            return fee_not_accepted(refusal)
        case core.InvalidTransition():
            return invalid_transition(refusal)
        case core.TemporarilyUnavailable():
            return temporarily_unavailable(refusal)
        case _:
            assert_never(refusal)
