"""What a booking reads before it reads the calendar, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.customers import customer_from
from app.store.idempotency import stored_answer_from
from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.appointment import Contact, Customer
    from app.store.idempotency import KeyScope, StoredAnswer
    from app.store.pool import Transaction

_BEFORE = query("before_booking")


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


async def before_booking(
    tx: Transaction,
    scope: KeyScope,
    *,
    subject: str | None,
    contact: Contact | None,
    guest_origin: bytes | None,
    now: datetime,
) -> BeforeBooking:
    """Ask under the locks of the key, and of the names under which a guest's bookings
    are counted.
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
    )
    return BeforeBooking(
        answer=None if row["request_hash"] is None else stored_answer_from(row),
        customer=None if row["id"] is None else customer_from(row),
        open_of_customer=row["of_customer"],
        open_of_network=row["open_of_network"],
        made_of_network=row["made_of_network"] or 0,
    )
