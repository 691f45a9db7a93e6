"""Resources, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import ResourceId
from app.core.resource import Resource
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.core.keyset import Keyset
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("resource_by_ids")
_PAGE_FORWARD = query("resource_page_forward")
_PAGE_BACKWARD = query("resource_page_backward")
_COUNT = query("count_resources")
_INSERT = query("insert_resource")
_UPDATE = query("update_resource")


def resource_from(row: Record) -> Resource:
    """A resource from a row with the resource's columns under their own names."""
    return Resource(
        id=ResourceId(row["id"]),
        name=row["name"],
        kind=row["kind"],
        time_zone=row["time_zone"],
        units=row["units"],
        is_always_open=row["is_always_open"],
        is_archived=row["is_archived"],
        external_id=row["external_id"],
    )


async def resources_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[ResourceId]
) -> dict[ResourceId, Resource]:
    """The existing ones of these resources, by id."""
    rows = await _BY_IDS.many(on, organization_id, ids)
    return {ResourceId(row["id"]): resource_from(row) for row in rows}


async def resource_page(
    on: Executor,
    organization_id: OrganizationId,
    *,
    keyset: Keyset,
    ids: Sequence[ResourceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> list[Resource]:
    """A page of resources, by name as people sort names; the cursors are (name, id)."""
    page = _PAGE_BACKWARD if keyset.backward else _PAGE_FORWARD
    rows = await page.many(
        on, organization_id, *keyset.bounds, keyset.limit, ids, search, with_archived
    )
    return [resource_from(row) for row in rows]


async def count_resources(
    on: Executor,
    organization_id: OrganizationId,
    *,
    ids: Sequence[ResourceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> int:
    """The total number of resources in the list."""
    row = await _COUNT.one(on, organization_id, ids, search, with_archived)
    total: int = row["total"]
    return total


def _values(resource: Resource) -> tuple[object, ...]:
    return (
        resource.name,
        resource.kind,
        resource.time_zone,
        resource.units,
        resource.is_always_open,
        resource.is_archived,
        resource.external_id,
    )


async def insert_resource(
    tx: Transaction, organization_id: OrganizationId, resource: Resource, created_at: datetime
) -> bool:
    """Store a new resource; False where its external id is taken, and the transaction must roll
    back.
    """
    row = await _INSERT.maybe(tx, organization_id, resource.id, *_values(resource), created_at)
    return row is not None


async def update_resource(
    tx: Transaction, organization_id: OrganizationId, resource: Resource
) -> None:
    """Replace all values of an existing resource."""
    await _UPDATE.one(tx, organization_id, resource.id, *_values(resource))
