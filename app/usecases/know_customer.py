"""Know a customer: the record behind a booking, made at the first one.

A signed-in customer has an account of their own. Guests who give one e-mail (or, without one, one phone number) are one
customer; a guest's booking never changes, joins or reveals an account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.appointment import Contact, Customer
from app.core.ids import CustomerId
from app.core.refusals import InvalidInput
from app.core.validation import ContactForm, valid_contact
from app.core.viewer import Role
from app.store.customers import customer_by_subject, guest_by_contact, insert_customer

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.booking import BookingWish
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


async def know_customer(
    resources: Resources, viewer: Viewer, tx: Transaction, wish: BookingWish, now: datetime
) -> Customer | InvalidInput:
    """The customer's record; a refusal where a first booking says too little to make one."""
    subject = viewer.subject if viewer.role is Role.CUSTOMER else None
    known = await _find(tx, viewer, subject, wish.contact)
    if known is not None:
        return known
    contact = wish.contact or _contact_in_token(viewer)
    if isinstance(contact, InvalidInput):
        return contact
    customer = Customer(
        id=CustomerId(resources.new_id()), subject=subject, contact=contact, time_zone=wish.customer_time_zone
    )
    if await insert_customer(tx, viewer.organization_id, customer, now):
        return customer
    # Somebody else has made it at the same moment: theirs counts.
    return await _find(tx, viewer, subject, contact) or customer


async def _find(tx: Transaction, viewer: Viewer, subject: str | None, contact: Contact | None) -> Customer | None:
    if subject is not None:
        return await customer_by_subject(tx, viewer.organization_id, subject)
    return None if contact is None else await guest_by_contact(tx, viewer.organization_id, contact)


def _contact_in_token(viewer: Viewer) -> Contact | InvalidInput:
    contact = valid_contact(ContactForm(name=viewer.name or "", email=viewer.email, phone=None, locale=None))
    if isinstance(contact, InvalidInput):
        return InvalidInput(
            field="customer", message="At your first booking, say how you are called and how you can be reached."
        )
    return contact
