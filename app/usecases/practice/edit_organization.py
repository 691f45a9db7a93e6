"""Read and change what an organization's administrators decide for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.refusals import InvalidInput, NotAllowed
from app.core.sentences import say
from app.store.organizations import organization_by_id, update_organization

if TYPE_CHECKING:
    from app.core.provider import Organization
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def read_organization(resources: Resources, viewer: Viewer) -> Organization | None:
    """The caller's organization, as of now; None for all but staff."""
    return (
        await organization_by_id(resources.pool, viewer.organization_id)
        if viewer.is_staff
        else None
    )


async def change_organization(
    resources: Resources, viewer: Viewer, changes: Changes
) -> Organization | InvalidInput | NotAllowed:
    """Change the named settings of the caller's organization; the others stay."""
    if not viewer.is_admin:
        return NotAllowed(message=say("Only administrators change the organization."))
    for field, value in changes.items():
        if value is None:
            return InvalidInput(field=field, message=say("This can't be null."))
    return await update_organization(
        resources.pool,
        viewer.organization_id,
        sms_to_unverified_numbers=changes.get("sms_to_unverified_numbers"),
        allows_customer_overlap=changes.get("allows_customer_overlap"),
    )
