"""List the providers of the caller's organization. Everybody may: they are who can be booked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store import providers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import ProviderId, ServiceId
    from app.core.keyset import Keyset
    from app.core.provider import Provider
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def list_providers(
    resources: Resources,
    viewer: Viewer,
    *,
    keyset: Keyset,
    ids: Sequence[ProviderId] | None,
    search: str | None,
    service_ids: Sequence[ServiceId] | None = None,
    with_archived: bool = False,
) -> list[Provider]:
    """A page in the order of (name, id); `ids`, `search` and `service_ids` (who offers one of
    them), where given, narrow the list. Archived ones are in it only for staff who ask for them.
    """
    return await providers.provider_page(
        resources.pool,
        viewer.organization_id,
        keyset=keyset,
        ids=ids,
        search=search,
        service_ids=service_ids,
        with_archived=with_archived and viewer.sees_archived,
    )


async def count_providers(
    resources: Resources,
    viewer: Viewer,
    *,
    ids: Sequence[ProviderId] | None,
    search: str | None,
    service_ids: Sequence[ServiceId] | None = None,
    with_archived: bool = False,
) -> int:
    """How many providers that list holds in all."""
    return await providers.count_providers(
        resources.pool,
        viewer.organization_id,
        ids=ids,
        search=search,
        service_ids=service_ids,
        with_archived=with_archived and viewer.sees_archived,
    )


async def providers_for(
    resources: Resources, viewer: Viewer, service_id: ServiceId | None
) -> list[ProviderId]:
    """Who offers the service; every provider where none is named."""
    return await providers.provider_ids_offering(resources.pool, viewer.organization_id, service_id)
