"""Make, change or erase a customer. Appointments keep the contact given at booking; an erasure
removes it there, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.core.appointment import Contact, Customer
from app.core.events import EventType, Happening
from app.core.external_ids import ExternalType
from app.core.ids import CustomerId
from app.core.messages import MessageStatus
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import (
    ContactForm,
    valid_contact,
    valid_external_id,
    valid_time_zone,
)
from app.core.viewer import Role
from app.store.customers import (
    customer_for_update,
    forget_channels_of_customer,
    guest_is_known,
    insert_customer,
    lock_appointments_of_customer,
    update_customer,
)
from app.store.customers import erase_customer as store_erasure
from app.store.external_ids import external_id_is_taken
from app.store.locks import lock_external_ids
from app.store.messages import stop_messages_of_customer
from app.store.pool import transaction
from app.usecases.booking.idempotency import caller_name
from app.usecases.events.record import customer_changed, record_edit, record_events, record_messages
from app.usecases.messages.opt_out import want_again
from app.usecases.messages.vouch_for_phone import vouch_for_phone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.messages import Channel
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerForm:
    """A customer as typed. None for a required value means that null was sent."""

    name: str | None
    email: str | None
    phone: str | None
    time_zone: str | None
    locale: str | None
    channels: Sequence[Channel] | None
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ValidCustomer:
    contact: Contact
    time_zone: str
    external_id: str | None


_EXTERNAL_ID_TAKEN: Final = InvalidInput(
    field="external_id", message=say("Another customer has this external id already.")
)


async def create_customer(
    resources: Resources, viewer: Viewer, form: CustomerForm
) -> Customer | InvalidInput | NotAllowed:
    """Enter a customer who has not booked yet: staff only.

    Several may share an e-mail or phone number, as families do. A guest who books with the same
    one never joins such a record.
    """
    if not viewer.makes_customers:
        return NotAllowed(message=say("Only staff enter customers."))
    valid = _valid(form)
    if isinstance(valid, InvalidInput):
        return valid
    now = resources.clock()
    customer = Customer(
        id=CustomerId(resources.new_id()),
        subject=None,
        contact=valid.contact,
        time_zone=valid.time_zone,
        created_at=now,
        external_id=valid.external_id,
        made_by_staff=True,
    )
    async with transaction(resources.pool) as tx:
        if not await _external_id_is_free(tx, viewer, customer):
            return _EXTERNAL_ID_TAKEN
        insert_customer(tx, viewer.organization_id, customer, made_by=viewer.provider_id)
        await vouch_for_phone(tx, viewer, customer.contact.phone, now)
        record_edit(resources, tx, viewer, customer_changed(customer.id))
    return customer


async def change_customer(
    resources: Resources, viewer: Viewer, customer_id: CustomerId, changes: Changes
) -> Customer | InvalidInput | NotAllowed | NotFound:
    """Change the named fields of a customer's record: the customer themselves, reception,
    and administrators.

    Providers may not: all providers of the organization share a record, and a provider could get
    hold of one by booking with the customer's e-mail. An erased record is not changed any more.
    """
    refusal = _refuse_change(viewer, customer_id, changes)
    if refusal is not None:
        return refusal
    async with transaction(resources.pool) as tx:
        if "channels" in changes:
            await lock_appointments_of_customer(tx, viewer.organization_id, customer_id)
        stored = await customer_for_update(tx, viewer.organization_id, customer_id)
        if stored is None or stored.is_erased:
            return NotFound(what="customer")
        valid = _valid(replace(_form_of(stored), **changes))
        if isinstance(valid, InvalidInput):
            return valid
        contact = valid.contact
        customer = replace(
            stored, contact=contact, time_zone=valid.time_zone, external_id=valid.external_id
        )
        if "external_id" in changes and not await _external_id_is_free(tx, viewer, customer):
            return _EXTERNAL_ID_TAKEN
        known = InvalidInput(
            field="phone" if contact.email is None else "email",
            message=say("This already belongs to another customer."),
        )
        is_guest = stored.subject is None and not stored.made_by_staff
        if is_guest and await guest_is_known(tx, viewer.organization_id, customer_id, contact):
            return known
        if not await update_customer(tx, viewer.organization_id, customer):
            tx.roll_back()
            return known
        if "phone" in changes:
            await vouch_for_phone(
                tx, viewer, contact.phone, resources.clock(), instead_of=stored.contact.phone
            )
        if "channels" in changes:
            await forget_channels_of_customer(tx, viewer.organization_id, customer_id)
            await want_again(
                tx,
                viewer.organization_id,
                contact.channels,
                email=contact.email,
                phone=contact.phone,
            )
        record_edit(resources, tx, viewer, customer_changed(customer_id))
    return customer


def _refuse_change(
    viewer: Viewer, customer_id: CustomerId, changes: Changes
) -> NotAllowed | NotFound | None:
    if viewer.role is not Role.CUSTOMER and not viewer.sees_all_customers:
        return NotAllowed(
            message=say(
                "Only the signed-in customer, reception and administrators change a customer's "
                "record."
            )
        )
    if not viewer.sees_record(customer_id):
        return NotFound(what="customer")
    if "external_id" in changes and not viewer.makes_customers:
        return NotAllowed(message=say("Only staff set a customer's external id."))
    return None


def _valid(form: CustomerForm) -> _ValidCustomer | InvalidInput:
    contact = valid_contact(
        ContactForm(
            name=form.name or "",
            email=form.email,
            phone=form.phone,
            locale=form.locale,
            channels=form.channels,
        )
    )
    if isinstance(contact, InvalidInput):
        return replace(contact, field=contact.field.removeprefix("customer."))
    time_zone = valid_time_zone("time_zone", form.time_zone)
    if isinstance(time_zone, InvalidInput):
        return time_zone
    external_id = valid_external_id(form.external_id)
    if isinstance(external_id, InvalidInput):
        return external_id
    return _ValidCustomer(contact=contact, time_zone=time_zone, external_id=external_id)


async def _external_id_is_free(tx: Transaction, viewer: Viewer, customer: Customer) -> bool:
    """Whether no other customer has this one's external id; if so, until the transaction ends."""
    if customer.external_id is None:
        return True
    await lock_external_ids(tx, viewer.organization_id)
    return not await external_id_is_taken(
        tx,
        viewer.organization_id,
        ExternalType.CUSTOMER,
        customer.external_id,
        but_by=customer.id,
    )


def _form_of(customer: Customer) -> CustomerForm:
    contact: Contact = customer.contact
    return CustomerForm(
        name=contact.name,
        email=contact.email,
        phone=contact.phone,
        time_zone=customer.time_zone,
        locale=contact.locale,
        channels=contact.channels,
        external_id=customer.external_id,
    )


async def erase_customer(
    resources: Resources, viewer: Viewer, customer_id: CustomerId
) -> Customer | NotAllowed | NotFound:
    """Erase everything personal of a customer, everywhere; times and statistics stay. Erasing twice
    changes nothing.
    """
    if not viewer.is_admin:
        return NotAllowed(message=say("Only administrators erase customers."))
    async with transaction(resources.pool) as tx:
        # Concurrent writes about them finish before this one, and so are erased as well.
        await lock_appointments_of_customer(tx, viewer.organization_id, customer_id)
        stored = await customer_for_update(tx, viewer.organization_id, customer_id)
        if stored is None:
            return NotFound(what="customer")
        now = resources.clock()
        stopped = await stop_messages_of_customer(tx, viewer.organization_id, customer_id)
        failed = dict.fromkeys(stopped, MessageStatus.FAILED)
        record_messages(resources, tx, viewer.organization_id, failed)
        caller = None if stored.subject is None else caller_name(Role.CUSTOMER, stored.subject)
        erased = await store_erasure(
            tx, viewer.organization_id, stored, caller=caller, erased_at=now
        )
        if not stored.is_erased:
            happening = Happening(
                type=EventType.CUSTOMER_ERASED, subject_id=customer_id, customer_id=customer_id
            )
            record_events(
                resources,
                tx,
                viewer.organization_id,
                [happening],
                author=viewer.author,
                now=now,
            )
    return erased
