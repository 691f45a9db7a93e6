"""Calendar feeds and what they show, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.appointment import AppointmentStatus
from app.core.calendar_feed import CalendarFeed, Entry, SessionEntry
from app.core.ids import (
    AppointmentId,
    CalendarFeedId,
    CustomerId,
    ProviderId,
    ServiceId,
    SessionId,
)
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import ManageLink
    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_ID = query("calendar_feed_by_id")
_OF_OWNERS = query("calendar_feeds_of_owners")
_RENEW_OF_PROVIDER = query("renew_feed_of_provider")
_RENEW_OF_CUSTOMER = query("renew_feed_of_customer")
_DELETE_OF_CUSTOMER = query("delete_feed_of_customer")
_OF_PROVIDER = query("entries_of_provider")
_SESSIONS_OF_PROVIDER = query("session_entries_of_provider")
_OF_CUSTOMER = query("entries_of_customer")
_OF_APPOINTMENT = query("entry_of_appointment")


def _feed(row: Record) -> CalendarFeed:
    provider_id, customer_id = row["provider_id"], row["customer_id"]
    return CalendarFeed(
        id=CalendarFeedId(row["id"]),
        provider_id=None if provider_id is None else ProviderId(provider_id),
        customer_id=None if customer_id is None else CustomerId(customer_id),
    )


async def feed_by_id(
    on: Executor, organization_id: OrganizationId, feed_id: CalendarFeedId
) -> CalendarFeed | None:
    """The feed that has this id now."""
    row = await _BY_ID.maybe(on, organization_id, feed_id)
    return None if row is None else _feed(row)


async def feeds_of_owners(
    on: Executor, organization_id: OrganizationId, owner_ids: Sequence[ProviderId | CustomerId]
) -> dict[ProviderId | CustomerId, CalendarFeed]:
    """The feeds of these providers and customers; absent where none was made."""
    feeds = [_feed(row) for row in await _OF_OWNERS.many(on, organization_id, owner_ids)]
    return {
        owner_id: feed
        for feed in feeds
        for owner_id in (feed.provider_id, feed.customer_id)
        if owner_id is not None
    }


async def renew_feed_of_provider(
    tx: Transaction,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    feed_id: CalendarFeedId,
    created_at: datetime,
) -> None:
    """Give the provider's feed a new id; the one before is of no feed any more."""
    await _RENEW_OF_PROVIDER.exec(tx, organization_id, feed_id, provider_id, created_at)


async def renew_feed_of_customer(
    tx: Transaction,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    feed_id: CalendarFeedId,
    created_at: datetime,
) -> None:
    """Give the customer's feed a new id; the one before is of no feed any more."""
    await _RENEW_OF_CUSTOMER.exec(tx, organization_id, feed_id, customer_id, created_at)


async def delete_feed_of_customer(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> None:
    """End the customer's feed, if there is one."""
    await _DELETE_OF_CUSTOMER.exec(tx, organization_id, customer_id)


def _entry(row: Record) -> Entry:
    of_several = row["provider_ids"] or [row["provider_id"]]
    return Entry(
        id=AppointmentId(row["id"]),
        version=row["version"],
        changed_at=row["changed_at"],
        status=AppointmentStatus(row["status"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        providers=tuple(ProviderId(each) for each in of_several),
        service_id=None if row["service_id"] is None else ServiceId(row["service_id"]),
        seats=None if row["session_id"] is None else row["seats"],
        contact_name=row["contact_name"],
        contact_email=row["contact_email"],
        contact_phone=row["contact_phone"],
    )


async def entries_of_provider(
    on: Executor,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    *,
    from_start: datetime,
    most: int,
) -> list[Entry | SessionEntry]:
    """The appointments with this provider, and the sessions with bookings, that start from an
    instant on: the earliest ones, in order.
    """
    alone = await _OF_PROVIDER.many(on, organization_id, provider_id, from_start, most)
    shared = await _SESSIONS_OF_PROVIDER.many(on, organization_id, provider_id, from_start, most)
    entries: list[Entry | SessionEntry] = [_entry(row) for row in alone]
    entries += [
        SessionEntry(
            id=SessionId(row["id"]),
            version=row["version"],
            changed_at=row["changed_at"],
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            lead=ProviderId(row["provider_id"]),
            service_id=ServiceId(row["service_id"]),
            seats=row["seats"],
            bookings=row["bookings"],
        )
        for row in shared
    ]
    return sorted(entries, key=lambda entry: (entry.starts_at, entry.id))[:most]


async def entries_of_customer(
    on: Executor,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    *,
    from_start: datetime,
    most: int,
) -> list[Entry]:
    """The customer's appointments that start from an instant on: the earliest ones, in order."""
    rows = await _OF_CUSTOMER.many(on, organization_id, customer_id, from_start, most)
    return [_entry(row) for row in rows]


async def entry_of_appointment(
    on: Executor, organization_id: OrganizationId, link: ManageLink
) -> tuple[Entry, str, str | None] | None:
    """The appointment that this manage link opens, with its customer's zone and language."""
    row = await _OF_APPOINTMENT.maybe(on, organization_id, link.appointment_id, link.generation)
    if row is None:
        return None
    return _entry(row), row["customer_time_zone"], row["contact_locale"]
