"""Know a customer: the record behind a booking, made at the first one.

A signed-in customer has an account of their own. Guests who give one e-mail (or, without one, one
phone number) are one customer; a guest's booking never changes, joins or reveals an account. Staff
may name a customer who is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.appointment import Contact, Customer
from app.core.ids import CustomerId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import ContactForm, valid_contact, valid_phone
from app.core.viewer import Role
from app.store.customers import insert_customer
from app.usecases.practice.find_customers import known_customers

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.booking import BookingWish
    from app.core.viewer import Viewer
    from app.store.pool import Writes
    from app.usecases.resources import Resources

CUSTOMER_IS_ERASED: Final = say(
    "Your customer record was erased during your request. Sign in again, then book."
)


async def named_customer(
    resources: Resources, viewer: Viewer, customer_id: CustomerId
) -> Customer | NotAllowed | NotFound:
    """The customer whom staff book for, as the caller knows them."""
    if not viewer.is_staff:
        return NotAllowed(message=say("Only staff book for a customer by their id."))
    customer = (await known_customers(resources, viewer, [customer_id])).get(customer_id)
    return NotFound(what="customer") if customer is None or customer.is_erased else customer


def subject_of(viewer: Viewer) -> str | None:
    """The account that a signed-in customer books for; None for guests, and for staff, who book for
    guests.
    """
    return viewer.subject if viewer.role is Role.CUSTOMER else None


def new_customer(
    resources: Resources, viewer: Viewer, writes: Writes, wish: BookingWish, now: datetime
) -> Customer | InvalidInput:
    """A record for a first booking, written with it; a refusal where it says too little to make
    one.
    """
    contact = wish.contact or _contact_in_token(viewer)
    if isinstance(contact, InvalidInput):
        return contact
    customer = Customer(
        id=CustomerId(resources.new_id()),
        subject=subject_of(viewer),
        contact=contact,
        time_zone=wish.customer_time_zone,
        created_at=now,
    )
    insert_customer(writes, viewer.organization_id, customer)
    return customer


def _contact_in_token(viewer: Viewer) -> Contact | InvalidInput:
    phone = valid_phone(viewer.verified_phone)
    if isinstance(phone, InvalidInput):
        phone = None  # a customer with an e-mail address need not correct their token
    contact = valid_contact(
        ContactForm(name=viewer.name or "", email=viewer.email, phone=phone, locale=None)
    )
    if isinstance(contact, InvalidInput):
        return InvalidInput(
            field="customer",
            message=say(
                "At your first booking, give your name, and an e-mail address or phone number."
            ),
        )
    return contact
