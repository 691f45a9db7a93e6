"""Limit what one customer has: look at their other visits, under their lock, and decide. It costs a
statement, and only where a limit is in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.customer_limits import (
    CustomerVisit,
    limits_of_booking,
    limits_of_move,
    refuse_customer,
)
from app.core.provider import Offer
from app.core.refusals import SlotUnavailable
from app.core.slots import UnbookableReason
from app.store.bookings import visits_of_customer

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.customer_limits import CustomerLimits
    from app.core.ids import AppointmentId, CustomerId, OrganizationId
    from app.core.provider import Service
    from app.store.pool import Transaction


async def refuse_booking(
    tx: Transaction,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    service: Service | None,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    *,
    allows_overlap: bool,
) -> SlotUnavailable | None:
    """The refusal of one more booking by a customer who is known, and locked."""
    visit = CustomerVisit(None if service is None else service.id, starts_at, ends_at)
    limits = limits_of_booking(service, allows_overlap=allows_overlap)
    return await _refuse(tx, organization_id, customer_id, limits, visit, now)


async def refuse_new_time(
    tx: Transaction,
    organization_id: OrganizationId,
    appointment: Appointment,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> SlotUnavailable | None:
    """The refusal of a new time for an appointment whose customer is known, and locked; in an
    organization that does not allow customers to be in two places at once.
    """
    before = CustomerVisit(appointment.service_id, appointment.starts_at, appointment.ends_at)
    after = before._replace(starts_at=starts_at, ends_at=ends_at)
    limits = limits_of_move(before, after, allows_overlap=False)
    return await _refuse(
        tx, organization_id, appointment.customer_id, limits, after, now, without=appointment.id
    )


async def _refuse(
    tx: Transaction,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    limits: CustomerLimits,
    visit: CustomerVisit,
    now: datetime,
    *,
    without: AppointmentId | None = None,
) -> SlotUnavailable | None:
    if not limits.are_in_force:
        return None
    others = await visits_of_customer(tx, organization_id, customer_id, visit, now, without=without)
    reasons = refuse_customer(limits, others, visit, now)
    if not reasons:
        return None
    # At no other time they could have one more.
    is_full = UnbookableReason.LIMIT_REACHED in reasons
    return SlotUnavailable(reasons=reasons, alternatives=Offer(slots=()) if is_full else None)
