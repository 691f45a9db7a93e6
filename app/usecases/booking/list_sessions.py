"""Find and list sessions, and their appointments, for staff: administrators see all, a provider
those that they take part in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.store import session_lists as store

if TYPE_CHECKING:
    from app.core.keyset import Keyset
    from app.core.session import Session, SessionFilter
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def list_sessions(
    resources: Resources, viewer: Viewer, which: SessionFilter, keyset: Keyset
) -> list[Session]:
    """A page in the order of (starts_at, id), of those in which seats are taken and those that
    staff cancelled as a whole; empty for callers who see none.
    """
    if _sees_none(viewer):
        return []
    return await store.session_page(
        resources.pool, viewer.organization_id, _seen(viewer, which), keyset, resources.clock()
    )


async def count_sessions(resources: Resources, viewer: Viewer, which: SessionFilter) -> int:
    """How many sessions that list holds in all."""
    if _sees_none(viewer):
        return 0
    return await store.count_sessions(
        resources.pool, viewer.organization_id, _seen(viewer, which), resources.clock()
    )


def _sees_none(viewer: Viewer) -> bool:
    return viewer.provider_id is None and not viewer.sees_all_sessions


def _seen(viewer: Viewer, which: SessionFilter) -> SessionFilter:
    return which if viewer.sees_all_sessions else replace(which, taken_by=viewer.provider_id)
