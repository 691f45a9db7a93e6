"""List the services of the caller's organization. Everybody may: they are what can be booked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store import services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import ServiceId
    from app.core.keyset import Keyset
    from app.core.provider import Service
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def list_services(
    resources: Resources,
    viewer: Viewer,
    *,
    keyset: Keyset,
    ids: Sequence[ServiceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> list[Service]:
    """A page in the order of (name, id); `ids` and `search`, where given, narrow the list. What is
    archived is in it only for staff who ask for that.
    """
    return await services.service_page(
        resources.pool,
        viewer.organization_id,
        keyset=keyset,
        ids=ids,
        search=search,
        with_archived=with_archived and viewer.sees_archived,
    )


async def count_services(
    resources: Resources,
    viewer: Viewer,
    *,
    ids: Sequence[ServiceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> int:
    """How many services that list holds in all."""
    return await services.count_services(
        resources.pool,
        viewer.organization_id,
        ids=ids,
        search=search,
        with_archived=with_archived and viewer.sees_archived,
    )
