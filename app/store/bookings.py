"""What a booking reads before it reads the calendar, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.customer_limits import CustomerVisit
from app.core.ids import CustomerId, ServiceId
from app.store.customers import customer_from
from app.store.idempotency import stored_answer_from
from app.store.locks import name_of_customer
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Contact, Customer
    from app.core.ids import AppointmentId, OrganizationId
    from app.store.idempotency import KeyScope, StoredAnswer
    from app.store.pool import Transaction

_BEFORE = query("before_booking")
_BEFORE_MOVE = query("before_move")
_VISITS = query("visits_of_customer")


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeBooking:
    """The result under the key, if any; the customer, if they have booked before; and what
    is open.

    Open are confirmed appointments that are not over: the customer's, and those of guests from one
    network.
    """

    answer: StoredAnswer | None
    customer: Customer | None
    open_of_customer: int
    open_of_network: int
    made_of_network: int
    """Bookings made on the day, in UTC, including those cancelled since."""
    allows_overlap: bool
    """Whether the organization allows customers to be in two places at once."""
    reminders: Sequence[int]
    """How many minutes before the start the organization reminds."""


async def before_booking(
    tx: Transaction,
    scope: KeyScope,
    *,
    customer_id: CustomerId | None,
    subject: str | None,
    contact: Contact | None,
    guest_origin: bytes | None,
    now: datetime,
) -> BeforeBooking:
    """Ask under the locks of the key, and of the names under which the customer's bookings are
    counted. The customer is the one with this id, else with this subject, else the guests' record
    for this contact.
    """
    row = await _BEFORE.one(
        tx,
        scope.organization_id,
        scope.mutation,
        scope.caller,
        scope.key,
        subject,
        contact and contact.email,
        contact and contact.phone,
        guest_origin,
        now,
        now.date(),
        customer_id,
    )
    return BeforeBooking(
        answer=None if row["request_hash"] is None else stored_answer_from(row),
        customer=None if row["id"] is None else customer_from(row),
        open_of_customer=row["of_customer"],
        open_of_network=row["open_of_network"],
        made_of_network=row["made_of_network"] or 0,
        allows_overlap=row["allows_overlap"],
        reminders=row["reminders"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeMove:
    """The result under the key, if any; and the name under which the appointment's customer is
    locked, where the organization does not allow customers to be in two places at once. None for
    guests.
    """

    answer: StoredAnswer | None
    limited_customer: str | None
    reminders: Sequence[int]
    """How many minutes before the start the organization reminds."""


async def before_move(
    tx: Transaction, scope: KeyScope, appointment_id: AppointmentId
) -> BeforeMove:
    """Ask under the lock of the key."""
    row = await _BEFORE_MOVE.one(
        tx, scope.organization_id, scope.mutation, scope.caller, scope.key, appointment_id
    )
    customer_id = None if row["allows_overlap"] else row["customer_id"]
    return BeforeMove(
        answer=None if row["request_hash"] is None else stored_answer_from(row),
        limited_customer=None
        if customer_id is None
        else name_of_customer(CustomerId(customer_id), row["subject"]),
        reminders=row["reminders"],
    )


async def visits_of_customer(
    tx: Transaction,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    visit: CustomerVisit,
    now: datetime,
    *,
    without: AppointmentId | None = None,
) -> list[CustomerVisit]:
    """The customer's confirmed visits of the same service that are not over, and those that overlap
    this visit; but for one appointment. Ask under the lock of the customer.
    """
    rows = await _VISITS.many(
        tx,
        organization_id,
        customer_id,
        visit.service_id,
        now,
        visit.starts_at,
        visit.ends_at,
        without,
    )
    return [
        CustomerVisit(
            service_id=None if row["service_id"] is None else ServiceId(row["service_id"]),
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
        )
        for row in rows
    ]
