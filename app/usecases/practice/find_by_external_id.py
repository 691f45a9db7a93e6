"""Find a thing by the organization's own id. Staff only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.external_ids import id_by_external_id

if TYPE_CHECKING:
    from uuid import UUID

    from app.core.external_ids import ExternalType
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def find_by_external_id(
    resources: Resources, viewer: Viewer, type_: ExternalType, external_id: str
) -> UUID | None:
    """Its own id; None where there is none, and for callers who are not staff. What the caller may
    see of it is for those to decide who look it up.
    """
    if not viewer.sees_staff_matters:
        return None
    text = external_id.strip()
    return await id_by_external_id(resources.pool, viewer.organization_id, type_, text)
