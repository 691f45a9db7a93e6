"""Organizations, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import OrganizationId
from app.core.provider import Organization
from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql import Executor, Record

_BY_SLUG = query("organization_by_slug")
_BY_ID = query("organization_by_id")
_INSERT = query("insert_organization")


def _organization(row: Record | None) -> Organization | None:
    return None if row is None else Organization(id=OrganizationId(row["id"]), slug=row["slug"], name=row["name"])


async def organization_by_slug(on: Executor, slug: str) -> Organization | None:
    """The organization with this public name."""
    return _organization(await _BY_SLUG.maybe(on, slug))


async def organization_by_id(on: Executor, organization_id: OrganizationId) -> Organization | None:
    """The organization with this id."""
    return _organization(await _BY_ID.maybe(on, organization_id))


async def insert_organization(on: Executor, organization: Organization, created_at: datetime) -> bool:
    """Store a new organization; False where its slug is taken."""
    row = await _INSERT.maybe(on, organization.id, organization.slug, organization.name, created_at)
    return row is not None
