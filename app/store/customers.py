"""Customers, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.appointment import Contact, Customer
from app.core.ids import CustomerId
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("customer_by_ids")
_BY_SUBJECT = query("customer_by_subject")
_GUEST_BY_CONTACT = query("guest_by_contact")
_INSERT = query("insert_customer")


def _customer(row: Record) -> Customer:
    return Customer(
        id=CustomerId(row["id"]),
        subject=row["subject"],
        contact=Contact(name=row["name"], email=row["email"], phone=row["phone"], locale=row["locale"]),
        time_zone=row["time_zone"],
    )


async def customers_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[CustomerId]
) -> dict[CustomerId, Customer]:
    """Those of these customers that exist, by id."""
    return {CustomerId(row["id"]): _customer(row) for row in await _BY_IDS.many(on, organization_id, ids)}


async def customer_by_subject(on: Executor, organization_id: OrganizationId, subject: str) -> Customer | None:
    """The account of a signed-in customer, once they have booked."""
    row = await _BY_SUBJECT.maybe(on, organization_id, subject)
    return None if row is None else _customer(row)


async def guest_by_contact(on: Executor, organization_id: OrganizationId, contact: Contact) -> Customer | None:
    """The customer that guests with this e-mail are, or, where they gave none, with this phone number."""
    row = await _GUEST_BY_CONTACT.maybe(on, organization_id, contact.email, contact.phone)
    return None if row is None else _customer(row)


async def insert_customer(
    tx: Transaction, organization_id: OrganizationId, customer: Customer, created_at: datetime
) -> None:
    """Store a new customer; nothing happens where the account, or the guest's record, is there already."""
    await _INSERT.exec(
        tx,
        organization_id,
        customer.id,
        customer.subject,
        customer.contact.name,
        customer.contact.email,
        customer.contact.phone,
        customer.time_zone,
        customer.contact.locale,
        created_at,
    )
