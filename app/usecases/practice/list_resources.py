"""Find and list the resources of the caller's organization. Staff only: others see those that a
service needs, or that their appointment takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store import resources as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import ResourceId
    from app.core.keyset import Keyset
    from app.core.resource import Resource
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def list_resources(
    resources: Resources,
    viewer: Viewer,
    *,
    keyset: Keyset,
    ids: Sequence[ResourceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> list[Resource]:
    """A page in the order of (name, id); `ids` and `search`, where given, narrow the list. What is
    archived is in it only for staff who ask for that.
    """
    if not viewer.sees_staff_matters:
        return []
    return await store.resource_page(
        resources.pool,
        viewer.organization_id,
        keyset=keyset,
        ids=ids,
        search=search,
        with_archived=with_archived and viewer.sees_archived,
    )


async def count_resources(
    resources: Resources,
    viewer: Viewer,
    *,
    ids: Sequence[ResourceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> int:
    """How many resources that list holds in all."""
    if not viewer.sees_staff_matters:
        return 0
    return await store.count_resources(
        resources.pool,
        viewer.organization_id,
        ids=ids,
        search=search,
        with_archived=with_archived and viewer.sees_archived,
    )
