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
    customers_of_provider,
    people_found,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.appointment import Customer
    from app.core.ids import CustomerId
    from app.core.keyset import Keyset
    from app.core.viewer import Viewer
    from app.store.customers import Reader
    from app.usecases.resources import Resources


async def find_customers(
    resources: Resources, viewer: Viewer, search: str | None, keyset: Keyset
) -> list[tuple[Found, Customer]]:
    """A page of the customers who have a word that begins like each word of `search`, in a name,
    e-mail or phone number; by that word, and then by name. Without words all of them, by name.
    Erased ones are not found. Empty for callers who are not staff.
    """
    reader = reader_of(viewer)
    if reader is None:
        return []
    found = await people_found(resources.pool, viewer.organization_id, reader, search, keyset)
    known = await known_customers(resources, viewer, [each.customer_id for each in found])
    return [(each, known[each.customer_id]) for each in found if each.customer_id in known]


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
