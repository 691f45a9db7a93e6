"""Limits of one customer: on open bookings of a service, and on visits at the same time.

They apply only to known customers: those who signed in, or whom staff name. An e-mail address that
a guest typed proves nothing; it must neither reveal where somebody is nor block them. It depends on
who books, so no listing shows it, and a hold does not promise it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.core.slots import UnbookableReason

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.core.ids import ServiceId
    from app.core.provider import Service


class CustomerVisit(NamedTuple):
    """A confirmed visit of the customer, without its buffers: `[starts_at, ends_at)`."""

    service_id: ServiceId | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLimits:
    """What is in force for one booking or move. `max_open` is how many bookings of its service the
    customer may have that are not over, this one included; None: any number.
    """

    max_open: int | None = None
    allows_overlap: bool = True

    @property
    def are_in_force(self) -> bool:
        """Whether anything is limited: else nothing about the customer need be known."""
        return self.max_open is not None or not self.allows_overlap


def limits_of_booking(service: Service | None, *, allows_overlap: bool) -> CustomerLimits:
    """For a new booking, in an organization that allows customers to be in two places at once, or
    does not.
    """
    return CustomerLimits(
        max_open=None if service is None else service.max_open_per_customer,
        allows_overlap=allows_overlap,
    )


def limits_of_move(
    before: CustomerVisit, after: CustomerVisit, *, allows_overlap: bool
) -> CustomerLimits:
    """For a move, which is not one more booking. A visit that keeps its time is not checked again:
    that is how staff hand it over.
    """
    return CustomerLimits(allows_overlap=allows_overlap or before == after)


def refuse_customer(
    limits: CustomerLimits, others: Iterable[CustomerVisit], visit: CustomerVisit, now: datetime
) -> tuple[UnbookableReason, ...]:
    """Why the customer may not have this visit; nothing where they may. `others` are all their
    other confirmed visits that are not over or overlap it; there may be more.
    """
    others = tuple(others)
    open_of_service = sum(
        other.service_id == visit.service_id and other.ends_at > now for other in others
    )
    reasons = []
    if limits.max_open is not None and open_of_service >= limits.max_open:
        reasons.append(UnbookableReason.LIMIT_REACHED)
    if not limits.allows_overlap and any(
        other.starts_at < visit.ends_at and visit.starts_at < other.ends_at for other in others
    ):
        reasons.append(UnbookableReason.CUSTOMER_BUSY)
    return tuple(reasons)
