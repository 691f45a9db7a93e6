"""Find an organization by the name that a token, a header or an operator gives it: its slug or its
id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from app.core.ids import OrganizationId
from app.core.validation import is_slug
from app.store.organizations import organization_by_id, organization_by_slug

if TYPE_CHECKING:
    from app.core.provider import Organization
    from app.usecases.resources import Resources


async def organization_named(resources: Resources, name: str) -> Organization | None:
    """The one of this slug or id."""
    try:
        organization_id = OrganizationId(UUID(name))
    except ValueError:
        return await organization_of_slug(resources, name)
    known = resources.accelerator.organizations
    return await known.find(
        organization_id, lambda: organization_by_id(resources.pool, organization_id)
    )


async def organization_of_slug(resources: Resources, slug: str) -> Organization | None:
    """A text that can't be a slug names nothing, and never reaches PostgreSQL, which accepts no
    zero bytes.
    """
    if not is_slug(slug):
        return None
    known = resources.accelerator.organizations
    return await known.find(slug, lambda: organization_by_slug(resources.pool, slug))
