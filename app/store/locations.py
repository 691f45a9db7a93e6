"""Locations, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import LocationId
from app.core.location import Location
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("location_by_ids")
_OF_ORGANIZATION = query("locations_of_organization")
_COUNT = query("count_locations")
_INSERT = query("insert_location")
_FOR_UPDATE = query("location_for_update")
_IN_USE = query("location_in_use")
_UPDATE = query("update_location")
_PHONE = query("phone_of_visit")


def location_from(row: Record) -> Location:
    """A location from a row with the location's columns under their own names."""
    return Location(
        id=LocationId(row["id"]),
        name=row["name"],
        address=row["address"],
        phone=row["phone"],
        email=row["email"],
        url=row["url"],
        directions=row["directions"],
        time_zone=row["time_zone"],
        is_archived=row["is_archived"],
        external_id=row["external_id"],
    )


async def locations_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Collection[LocationId]
) -> dict[LocationId, Location]:
    """The existing ones of these locations, by id."""
    rows = await _BY_IDS.many(on, organization_id, list(ids))
    return {LocationId(row["id"]): location_from(row) for row in rows}


async def locations_of_organization(
    on: Executor, organization_id: OrganizationId, *, with_archived: bool
) -> list[Location]:
    """The organization's locations, by name as people sort names."""
    rows = await _OF_ORGANIZATION.many(on, organization_id, with_archived)
    return [location_from(row) for row in rows]


async def count_locations(tx: Transaction, organization_id: OrganizationId) -> int:
    """How many the organization has; ask under `lock_external_ids`, which serializes new ones."""
    row = await _COUNT.one(tx, organization_id)
    total: int = row["total"]
    return total


def _values(location: Location) -> tuple[object, ...]:
    return (
        location.name,
        location.address,
        location.phone,
        location.email,
        location.url,
        location.directions,
        location.time_zone,
        location.is_archived,
        location.external_id,
    )


async def insert_location(
    tx: Transaction, organization_id: OrganizationId, location: Location, created_at: datetime
) -> bool:
    """Store a new location; False where its external id is taken, and the transaction must roll
    back.
    """
    row = await _INSERT.maybe(tx, organization_id, location.id, *_values(location), created_at)
    return row is not None


async def location_for_update(
    tx: Transaction, organization_id: OrganizationId, location_id: LocationId
) -> Location | None:
    """The location as it is now, locked until the transaction ends."""
    row = await _FOR_UPDATE.maybe(tx, organization_id, location_id)
    return None if row is None else location_from(row)


async def location_is_in_use(
    tx: Transaction, organization_id: OrganizationId, location_id: LocationId
) -> bool:
    """Whether it exists and is not archived; if so, it is not archived until the transaction
    ends.
    """
    return await _IN_USE.maybe(tx, organization_id, location_id) is not None


async def phone_of_visit(
    on: Executor,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    service_id: ServiceId | None,
) -> str | None:
    """The number to call about a visit for this service, led by this provider."""
    row = await _PHONE.maybe(on, organization_id, provider_id, service_id)
    phone: str | None = None if row is None else row["phone"]
    return phone


async def update_location(
    tx: Transaction, organization_id: OrganizationId, location: Location
) -> None:
    """Replace all values of an existing location."""
    await _UPDATE.one(tx, organization_id, location.id, *_values(location))
