"""Customers, as stored."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg

from app.core.appointment import Contact, Customer
from app.core.ids import CustomerId
from app.store.messages import forget_destinations_of_customer
from app.store.providers import channels
from app.store.sql import query
from app.store.verified_phones import forget_phones_of_customer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId, ProviderId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("customer_by_ids")
_BY_SUBJECT = query("customer_by_subject")
_REMAINS = query("customer_remains")
_IS_SERVED = query("customer_is_served")
_INSERT = query("insert_customer")
_FOR_UPDATE = query("customer_for_update")
_GUEST_IS_KNOWN = query("guest_is_known")
_UPDATE = query("update_customer")
_FORGET_CHANNELS = query("forget_channels_of_customer")
_LOCK_APPOINTMENTS = query("lock_appointments_of_customer")
_ERASE = query("erase_customer")
_ERASE_APPOINTMENTS = query("erase_appointments_of_customer")
_ERASE_HISTORY = query("erase_history_of_customer")
_ERASE_KEYS = query("erase_keys_of_customer")
_ERASE_HOLDS = query("erase_holds_of_caller")


def customer_from(row: Record) -> Customer:
    """The customer in a row that has all of their columns."""
    return Customer(
        id=CustomerId(row["id"]),
        subject=row["subject"],
        contact=Contact(
            name=row["name"],
            email=row["email"],
            phone=row["phone"],
            locale=row["locale"],
            channels=channels(row["channels"]),
        ),
        time_zone=row["time_zone"],
        is_erased=row["erased_at"] is not None,
    )


async def customers_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[CustomerId]
) -> dict[CustomerId, Customer]:
    """The existing ones of these customers, by id."""
    return {
        CustomerId(row["id"]): customer_from(row)
        for row in await _BY_IDS.many(on, organization_id, ids)
    }


async def customer_by_subject(
    on: Executor, organization_id: OrganizationId, subject: str
) -> Customer | None:
    """The account of a signed-in customer, once they have booked."""
    row = await _BY_SUBJECT.maybe(on, organization_id, subject)
    return None if row is None else customer_from(row)


async def customer_remains(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> bool:
    """Whether the customer has not been erased; if so, they are not until the transaction ends."""
    return await _REMAINS.maybe(tx, organization_id, customer_id) is not None


async def customer_is_served(
    on: Executor,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    provider_id: ProviderId,
) -> bool:
    """Whether any appointment of the customer, past and cancelled ones included, takes this
    provider.
    """
    row = await _IS_SERVED.one(on, organization_id, customer_id, provider_id)
    is_served: bool = row["is_served"]
    return is_served


def insert_customer(
    tx: Transaction, organization_id: OrganizationId, customer: Customer, created_at: datetime
) -> None:
    """Store a new customer, at the transaction's next statement.

    Nothing is stored where the account or the guest's record is there already; then what points to
    this customer, and is written with it, raises `CustomerIsKnownError`.
    """
    _INSERT.later(
        tx,
        organization_id,
        customer.id,
        customer.subject,
        customer.contact.name,
        customer.contact.email,
        customer.contact.phone,
        customer.time_zone,
        customer.contact.locale,
        customer.contact.channels,
        created_at,
    )


class CustomerIsKnownError(Exception):
    """A concurrent transaction created this customer's record first, so theirs counts. The
    transaction is over.
    """


@contextmanager
def customer_may_be_known() -> Iterator[None]:
    """Around the statement that writes a new customer and the rows that refer to them."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as violation:
        if violation.constraint_name != "appointment_customer_fkey":
            raise
        raise CustomerIsKnownError from violation


async def customer_for_update(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> Customer | None:
    """The customer as they are now, locked until the transaction ends."""
    row = await _FOR_UPDATE.maybe(tx, organization_id, customer_id)
    return None if row is None else customer_from(row)


async def guest_is_known(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId, contact: Contact
) -> bool:
    """Whether guests with this contact already have another record."""
    row = await _GUEST_IS_KNOWN.one(tx, organization_id, customer_id, contact.email, contact.phone)
    known: bool = row["known"]
    return known


async def update_customer(
    tx: Transaction, organization_id: OrganizationId, customer: Customer
) -> bool:
    """Replace all values of an existing customer; False if guests with this contact have another
    record.

    `guest_is_known` checks this cheaply; this function also detects a guest who books at the same
    moment. On False the transaction must roll back.
    """
    contact = customer.contact
    try:
        await _UPDATE.one(
            tx,
            organization_id,
            customer.id,
            contact.name,
            contact.email,
            contact.phone,
            customer.time_zone,
            contact.locale,
            contact.channels,
        )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def forget_channels_of_customer(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> None:
    """Their record, and no longer what each booking asked for, says on which channels they want
    messages.
    """
    await _FORGET_CHANNELS.exec(tx, organization_id, customer_id)


ERASED_NAME = "Erased"
"""The name of an erased customer, since a name is required."""


async def lock_appointments_of_customer(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> None:
    """Nobody changes the customer's appointments until the transaction ends. Taken before the
    customer's own lock.
    """
    await _LOCK_APPOINTMENTS.exec(tx, organization_id, customer_id)


async def erase_customer(
    tx: Transaction,
    organization_id: OrganizationId,
    customer: Customer,
    *,
    caller: str | None,
    erased_at: datetime,
) -> Customer:
    """Everything personal goes, from every table; times, states and prices stay. `caller` is the
    name under which the account's keys and holds are kept; None for guests, who have no account.
    """
    await _ERASE_KEYS.exec(tx, organization_id, caller, customer.id)
    await _ERASE_HOLDS.exec(tx, organization_id, caller)
    await _ERASE_HISTORY.exec(tx, organization_id, customer.id)
    await forget_destinations_of_customer(tx, organization_id, customer.id)
    await forget_phones_of_customer(tx, organization_id, customer.id)
    await _ERASE_APPOINTMENTS.exec(tx, organization_id, customer.id, ERASED_NAME)
    return customer_from(await _ERASE.one(tx, organization_id, customer.id, ERASED_NAME, erased_at))
