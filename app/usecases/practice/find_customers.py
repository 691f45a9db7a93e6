"""Find customers: staff who see all of them by their records, a provider those whom they serve.

Guests with the same e-mail share a record, so a booking with somebody's e-mail would reveal it.
A provider therefore finds and sees a customer by the contacts that were given for visits with them,
or by the record if they made it themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.viewer import Role
from app.store.customers import (
    Found,
    count_people,
    customers_by_ids,
    customers_made_by,
    customers_of_provider,
    customers_served_by,
    first_bookings,
    people_found,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Customer, ServedCustomer
    from app.core.ids import CustomerId, OrganizationId, ProviderId
    from app.core.keyset import Keyset
    from app.core.viewer import Viewer
    from app.store.customers import Reader
    from app.usecases.resources import Resources


async def find_customers(
    resources: Resources, viewer: Viewer, search: str | None, keyset: Keyset
) -> list[tuple[Found, Customer | ServedCustomer]]:
    """A page of the customers who have a word that begins like each word of `search`, in a name,
    e-mail or phone number; by that word, and then by name. Without words all of them, by name.
    Erased ones are not found. Empty for callers who are not staff.
    """
    reader = reader_of(viewer)
    if reader is None:
        return []
    found = await people_found(resources.pool, viewer.organization_id, reader, search, keyset)
    ids = [each.customer_id for each in found]
    if viewer.role is Role.PROVIDER and viewer.provider_id is not None:
        known = await _served_customers(resources, viewer.organization_id, viewer.provider_id, ids)
    else:
        known = {**await known_customers(resources, viewer, ids)}
    return [(each, known[each.customer_id]) for each in found if each.customer_id in known]


async def _served_customers(
    resources: Resources,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    ids: Sequence[CustomerId],
) -> dict[CustomerId, Customer | ServedCustomer]:
    """These customers, who were found by what the provider knows of them. The records of others
    than the provider made are not read.
    """
    if not ids:
        return {}
    made = await customers_made_by(resources.pool, organization_id, provider_id, ids)
    others = [each for each in ids if each not in made]
    served = await customers_served_by(resources.pool, organization_id, provider_id, others)
    return {**served, **made}


async def known_since(
    resources: Resources, viewer: Viewer, ids: Sequence[CustomerId]
) -> dict[CustomerId, datetime]:
    """When the first visit of each of these customers with the caller was booked."""
    if viewer.provider_id is None:
        return {}
    return await first_bookings(resources.pool, viewer.organization_id, viewer.provider_id, ids)


async def count_customers(resources: Resources, viewer: Viewer, search: str | None) -> int:
    """How many customers that list holds in all."""
    reader = reader_of(viewer)
    if reader is None:
        return 0
    return await count_people(resources.pool, viewer.organization_id, reader, search)


async def known_customers(
    resources: Resources, viewer: Viewer, ids: Sequence[CustomerId]
) -> dict[CustomerId, Customer]:
    """Those of these customers whom the caller may see, by id, as the caller may see them."""
    if not ids:
        return {}
    if viewer.role is Role.PROVIDER:
        if viewer.provider_id is None:
            return {}
        return await customers_of_provider(
            resources.pool, viewer.organization_id, viewer.provider_id, ids
        )
    seen = [each for each in ids if viewer.sees_record(each)]
    return await customers_by_ids(resources.pool, viewer.organization_id, seen) if seen else {}


def reader_of(viewer: Viewer) -> Reader | None:
    """Whose view of the customers the caller searches; None for callers who find none."""
    if viewer.sees_all_customers:
        return viewer.organization_id
    return viewer.provider_id if viewer.role is Role.PROVIDER else None
