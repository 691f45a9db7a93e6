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
_UPDATE = query("update_organization")


def _organization(row: Record) -> Organization:
    return Organization(
        id=OrganizationId(row["id"]),
        slug=row["slug"],
        name=row["name"],
        sms_to_unverified_numbers=row["sms_to_unverified_numbers"],
        allows_customer_overlap=row["allows_customer_overlap"],
    )


async def organization_by_slug(on: Executor, slug: str) -> Organization | None:
    """The organization with this public name."""
    row = await _BY_SLUG.maybe(on, slug)
    return None if row is None else _organization(row)


async def organization_by_id(on: Executor, organization_id: OrganizationId) -> Organization | None:
    """The organization with this id."""
    row = await _BY_ID.maybe(on, organization_id)
    return None if row is None else _organization(row)


async def insert_organization(
    on: Executor, organization: Organization, created_at: datetime
) -> bool:
    """Store a new organization; False where its slug is taken."""
    row = await _INSERT.maybe(
        on,
        organization.id,
        organization.slug,
        organization.name,
        organization.sms_to_unverified_numbers,
        created_at,
    )
    return row is not None


async def update_organization(
    on: Executor,
    organization_id: OrganizationId,
    *,
    sms_to_unverified_numbers: bool | None,
    allows_customer_overlap: bool | None,
) -> Organization:
    """Store the settings that are not None, of an existing organization."""
    row = await _UPDATE.one(on, organization_id, sms_to_unverified_numbers, allows_customer_overlap)
    return _organization(row)
