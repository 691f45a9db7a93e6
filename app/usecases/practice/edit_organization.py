"""Read and change what an organization's administrators decide for all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.changes import PracticeChanged
from app.core.provider import Organization
from app.core.refusals import InvalidInput, NotAllowed
from app.core.sentences import say
from app.core.validation import OrganizationForm, valid_settings
from app.store.organizations import (
    organization_by_id,
    organization_for_update,
    update_organization,
)
from app.store.pool import transaction
from app.usecases.events.publish import publish
from app.usecases.events.record import organization_changed, record_edit

if TYPE_CHECKING:
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def read_organization(resources: Resources, viewer: Viewer) -> Organization | None:
    """The caller's organization, as of now."""
    return await organization_by_id(resources.pool, viewer.organization_id)


async def change_organization(
    resources: Resources, viewer: Viewer, changes: Changes
) -> Organization | InvalidInput | NotAllowed:
    """Change the named settings of the caller's organization; the others stay."""
    if not viewer.is_admin:
        return NotAllowed(message=say("Only administrators change the organization."))
    async with transaction(resources.pool) as tx:
        stored = await organization_for_update(tx, viewer.organization_id)
        organization = valid_settings(stored, replace(_form_of(stored), **changes))
        if isinstance(organization, InvalidInput):
            return organization
        await update_organization(tx, organization)
        record_edit(resources, tx, viewer, organization_changed(organization.id))
    await publish(resources, PracticeChanged(organization_id=viewer.organization_id))
    return organization


def _form_of(organization: Organization) -> OrganizationForm:
    return OrganizationForm(
        sms_to_unverified_numbers=organization.sms_to_unverified_numbers,
        allows_customer_overlap=organization.allows_customer_overlap,
        phone=organization.phone,
        email=organization.email,
        url=organization.url,
        reminder_minutes_before=organization.reminder_minutes_before,
        locale=organization.locale,
    )
