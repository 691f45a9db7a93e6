"""Customers, as stored."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import asyncpg

from app.core.appointment import Contact, Customer, ServedCustomer
from app.core.ids import CustomerId
from app.store.calendar_feeds import delete_feed_of_customer
from app.store.messages import forget_destinations_of_customer
from app.store.providers import channels
from app.store.sql import query
from app.store.verified_phones import forget_phones_of_customer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId, ProviderId
    from app.core.keyset import Keyset
    from app.store.pool import Transaction, Writes
    from app.store.sql import Executor, Record

_BY_IDS = query("customer_by_ids")
_BY_SUBJECT = query("customer_by_subject")
_OF_PROVIDER = query("customers_of_provider")
_MADE_BY = query("customers_made_by_provider")
_CONTACTS = query("contacts_of_customers")
_FIRST_BOOKINGS = query("first_bookings")
_PEOPLE = {False: query("people_forward"), True: query("people_backward")}
_COUNT_PEOPLE = query("count_people")
_EXPORT = query("export_customer")
_REMAINS = query("customer_remains")
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
        contact=_contact_from(row),
        time_zone=row["time_zone"],
        created_at=row["created_at"],
        external_id=row["external_id"],
        made_by_staff=row["made_by_staff"],
        is_erased=row["erased_at"] is not None,
    )


def _contact_from(row: Record) -> Contact:
    return Contact(
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        locale=row["locale"],
        channels=channels(row["channels"]),
    )


async def customers_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[CustomerId]
) -> dict[CustomerId, Customer]:
    """The existing ones of these customers, by id."""
    return _by_id(await _BY_IDS.many(on, organization_id, ids))


async def customers_of_provider(
    on: Executor,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    ids: Sequence[CustomerId],
) -> dict[CustomerId, Customer]:
    """Those of these customers whom the provider serves, by id, with the contact that the provider
    knows.
    """
    return _by_id(await _OF_PROVIDER.many(on, organization_id, provider_id, ids))


async def customers_made_by(
    on: Executor,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    ids: Sequence[CustomerId],
) -> dict[CustomerId, Customer]:
    """Those of these customers whom the provider made, by id."""
    return _by_id(await _MADE_BY.many(on, organization_id, provider_id, ids))


def _by_id(rows: Sequence[Record]) -> dict[CustomerId, Customer]:
    return {CustomerId(row["id"]): customer_from(row) for row in rows}


async def customers_served_by(
    on: Executor,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    ids: Sequence[CustomerId],
) -> dict[CustomerId, ServedCustomer]:
    """Those of these customers who have a visit with the provider, by id. Their records are not
    read, so an erased one is still there, without a contact.
    """
    return {
        CustomerId(row["id"]): ServedCustomer(
            id=CustomerId(row["id"]),
            contact=_contact_from(row),
            time_zone=row["time_zone"],
            last_booked_at=row["booked_at"],
        )
        for row in await _CONTACTS.many(on, organization_id, provider_id, ids)
    }


async def first_bookings(
    on: Executor,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    ids: Sequence[CustomerId],
) -> dict[CustomerId, datetime]:
    """When the first visit of each customer with the provider was booked; absent where there is
    none.
    """
    rows = await _FIRST_BOOKINGS.many(on, organization_id, provider_id, ids)
    return {CustomerId(row["id"]): row["created_at"] for row in rows}


Reader: TypeAlias = "OrganizationId | ProviderId"
"""Whose view of the customers is searched: the organization's, or a provider's."""


class Found(NamedTuple):
    """Somebody who was found, and their place in the list: their words, beginning with the one that
    was found.
    """

    line: str
    customer_id: CustomerId


async def people_found(
    on: Executor,
    organization_id: OrganizationId,
    reader: Reader,
    search: str | None,
    keyset: Keyset,
) -> list[Found]:
    """A page of a reader's customers with all of these words, each from its beginning, by the
    word that was found and then by name; of all customers by name, where there are no words.
    """
    page = _PEOPLE[keyset.backward]
    rows = await page.many(on, organization_id, reader, search or "", *keyset.bounds, keyset.limit)
    return [Found(row["line"], CustomerId(row["customer_id"])) for row in rows]


async def count_people(
    on: Executor, organization_id: OrganizationId, reader: Reader, search: str | None
) -> int:
    """How many customers that list holds in all."""
    row = await _COUNT_PEOPLE.one(on, organization_id, reader, search or "", None, None, None, None)
    total: int = row["total"]
    return total


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


def insert_customer(
    writes: Writes,
    organization_id: OrganizationId,
    customer: Customer,
    *,
    made_by: ProviderId | None = None,
) -> None:
    """Store a new customer, at the transaction's next statement.

    Nothing is stored where the account or the guest's record is there already; then what points to
    this customer, and is written with it, raises `CustomerIsKnownError`. `made_by` is the provider
    who made it, if one did.
    """
    _INSERT.later(
        writes,
        organization_id,
        customer.id,
        customer.subject,
        customer.contact.name,
        customer.contact.email,
        customer.contact.phone,
        customer.time_zone,
        customer.contact.locale,
        customer.contact.channels,
        customer.created_at,
        customer.external_id,
        customer.made_by_staff,
        made_by,
    )


class CustomerIsKnownError(Exception):
    """A concurrent transaction created this customer's record first, so theirs counts. The
    transaction is over.
    """


@contextmanager
def customer_may_be_known() -> Iterator[None]:
    """Around the statement that writes a new customer and the rows that refer to them. Everything
    else that they refer to is locked, or never deleted; which key was violated is not asked, since
    a distributed database does not say it.
    """
    try:
        yield
    except asyncpg.ForeignKeyViolationError as violation:
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
            customer.external_id,
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
    await delete_feed_of_customer(tx, organization_id, customer.id)
    # The record first, so that each changed appointment finds nobody to keep words of.
    erased = await _ERASE.one(tx, organization_id, customer.id, ERASED_NAME, erased_at)
    await _ERASE_APPOINTMENTS.exec(tx, organization_id, customer.id, ERASED_NAME)
    return customer_from(erased)


async def export_customer(
    on: Executor, organization_id: OrganizationId, customer_id: CustomerId, *, caller: str | None
) -> str | None:
    """Everything that is stored about the customer, as JSON; None where there is no such record.
    `caller` as for `erase_customer`.
    """
    row = await _EXPORT.maybe(on, organization_id, customer_id, caller)
    if row is None:
        return None
    exported: str = row["exported"]
    return exported
