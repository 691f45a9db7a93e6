"""The refusals: expected outcomes that are no success, as values. A refused request wrote nothing.

Each has a `message`, a sentence that the person who meets it can act on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.slots import UnbookableReason

if TYPE_CHECKING:
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
    """A value that the rules refuse. `field` is the path from the input, in snake_case: `customer.email`."""

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
    """The dates asked for can't be answered: out of order, too many, or outside the supported years."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotUnavailable:
    """The time can't be booked, for all these reasons; `alternatives` are the nearest bookable starts."""

    reasons: tuple[UnbookableReason, ...]
    alternatives: Offer | None = None

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return f"This time can't be booked: {', and '.join(_REASON_SENTENCES[reason] for reason in self.reasons)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKeyReused:
    """The idempotency key already stands for another request."""

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return "This idempotency key was used for another request. Send a new key with a new request."
