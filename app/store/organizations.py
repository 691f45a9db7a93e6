"""Organizations, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import OrganizationId
from app.core.provider import Organization
from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_SLUG = query("organization_by_slug")
_BY_ID = query("organization_by_id")
_INSERT = query("insert_organization")
_FOR_UPDATE = query("organization_for_update")
_UPDATE = query("update_organization")


def organization_from(row: Record, prefix: str = "") -> Organization:
    """The organization of a row with the columns of `organization_columns`, each after the
    prefix.
    """
    return Organization(
        id=OrganizationId(row[f"{prefix}id"]),
        slug=row[f"{prefix}slug"],
        name=row[f"{prefix}name"],
        sms_to_unverified_numbers=row[f"{prefix}sms_to_unverified_numbers"],
        allows_customer_overlap=row[f"{prefix}allows_customer_overlap"],
        phone=row[f"{prefix}phone"],
        email=row[f"{prefix}email"],
        url=row[f"{prefix}url"],
        reminder_minutes_before=tuple(row[f"{prefix}reminder_minutes_before"]),
        locale=row[f"{prefix}locale"],
    )


async def organization_by_slug(on: Executor, slug: str) -> Organization | None:
    """The organization with this public name."""
    row = await _BY_SLUG.maybe(on, slug)
    return None if row is None else organization_from(row)


async def organization_by_id(on: Executor, organization_id: OrganizationId) -> Organization | None:
    """The organization with this id."""
    row = await _BY_ID.maybe(on, organization_id)
    return None if row is None else organization_from(row)


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


async def organization_for_update(tx: Transaction, organization_id: OrganizationId) -> Organization:
    """An existing organization as it is now, locked until the transaction ends."""
    return organization_from(await _FOR_UPDATE.one(tx, organization_id))


async def update_organization(tx: Transaction, organization: Organization) -> None:
    """Replace the settings of an existing organization."""
    await _UPDATE.one(
        tx,
        organization.id,
        organization.sms_to_unverified_numbers,
        organization.allows_customer_overlap,
        organization.phone,
        organization.email,
        organization.url,
        organization.reminder_minutes_before,
        organization.locale,
    )
