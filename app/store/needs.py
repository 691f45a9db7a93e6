"""What services need for a visit, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import ProviderId, ResourceId, ServiceId
from app.core.needs import Assignment, Needs, Offering, ResourceGroup
from app.store.services import services_by_ids
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_OF_SERVICES = query("needs_of_services")
_UPDATE = query("update_service_needs")
_DELETE_PROVIDERS = query("delete_service_providers")
_INSERT_PROVIDERS = query("insert_service_providers")
_DELETE_GROUPS = query("delete_service_needs")
_INSERT_GROUPS = query("insert_service_needs")
_INSERT_RESOURCES = query("insert_service_need_resources")


def _needs(row: Record) -> Needs:
    members: list[list[ResourceId]] = [[] for _ in row["group_names"]]
    for number, resource_id in zip(row["group_numbers"], row["resource_ids"], strict=True):
        members[number - 1].append(ResourceId(resource_id))
    return Needs(
        provider_ids=tuple(ProviderId(each) for each in row["provider_ids"]),
        providers_needed=row["providers_needed"],
        assignment=Assignment(row["assignment"]),
        groups=tuple(
            ResourceGroup(name=name, count=count, resource_ids=tuple(resource_ids))
            for name, count, resource_ids in zip(
                row["group_names"], row["group_counts"], members, strict=True
            )
        ),
        seats=row["seats"],
    )


async def load_needs(
    on: Executor,
    organization_id: OrganizationId,
    service_ids: Sequence[ServiceId],
    *,
    with_archived: bool = False,
) -> dict[ServiceId, Needs]:
    """What a visit of each of these services takes now, without archived providers; a service that
    does not exist is absent.

    An archived service is absent as well, unless `with_archived`: what is booked may be moved.
    """
    return await _load(
        on, organization_id, service_ids, archived_services=with_archived, archived_providers=False
    )


async def load_stored_needs(
    on: Executor, organization_id: OrganizationId, service_ids: Sequence[ServiceId]
) -> dict[ServiceId, Needs]:
    """What each of these services was set to take, archived or not, and its archived providers."""
    return await _load(
        on, organization_id, service_ids, archived_services=True, archived_providers=True
    )


async def _load(
    on: Executor,
    organization_id: OrganizationId,
    service_ids: Sequence[ServiceId],
    *,
    archived_services: bool,
    archived_providers: bool,
) -> dict[ServiceId, Needs]:
    rows = await _OF_SERVICES.many(
        on, organization_id, service_ids, archived_services, archived_providers
    )
    return {ServiceId(row["id"]): _needs(row) for row in rows}


async def load_offerings(
    on: Executor, organization_id: OrganizationId, service_ids: Sequence[ServiceId]
) -> dict[ServiceId, Offering]:
    """Those of these services that exist and are not archived, with their needs."""
    services = await services_by_ids(on, organization_id, service_ids)
    needs = await load_needs(on, organization_id, service_ids)
    return {
        each: Offering(service=service, needs=needs[each])
        for each, service in services.items()
        if each in needs
    }


async def replace_needs(
    tx: Transaction, organization_id: OrganizationId, service_id: ServiceId, needs: Needs
) -> None:
    """From now on a visit of an existing service takes this, and these providers offer it."""
    await _UPDATE.exec(
        tx, organization_id, service_id, needs.providers_needed, needs.assignment, needs.seats
    )
    await _DELETE_PROVIDERS.exec(tx, organization_id, service_id)
    await _INSERT_PROVIDERS.exec(tx, organization_id, service_id, needs.provider_ids)
    await _DELETE_GROUPS.exec(tx, organization_id, service_id)
    if needs.groups:
        _INSERT_GROUPS.later(
            tx,
            organization_id,
            service_id,
            [group.name for group in needs.groups],
            [group.count for group in needs.groups],
        )
        _INSERT_RESOURCES.later(
            tx,
            organization_id,
            service_id,
            [number for number, group in enumerate(needs.groups, 1) for _ in group.resource_ids],
            needs.resource_ids,
        )
