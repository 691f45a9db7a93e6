"""Create an organization, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.events import PROGRAM
from app.core.ids import OrganizationId
from app.core.provider import Organization
from app.core.refusals import InvalidInput
from app.core.sentences import say
from app.core.validation import valid_organization
from app.store.organizations import insert_organization
from app.store.pool import transaction
from app.usecases.events.record import organization_changed, record_events

if TYPE_CHECKING:
    from app.usecases.resources import Resources


async def create_organization(
    resources: Resources, *, slug: str, name: str, sms_to_unverified_numbers: bool = False
) -> Organization | InvalidInput:
    """Create an organization; its slug is refused where it is taken."""
    valid = valid_organization(slug, name)
    if isinstance(valid, InvalidInput):
        return valid
    organization = Organization(
        id=OrganizationId(resources.new_id()),
        slug=valid[0],
        name=valid[1],
        sms_to_unverified_numbers=sms_to_unverified_numbers,
    )
    now = resources.clock()
    async with transaction(resources.pool) as tx:
        if not await insert_organization(tx, organization, now):
            return InvalidInput(
                field="slug", message=say("Another organization has this slug already.")
            )
        created = organization_changed(organization.id)
        record_events(resources, tx, organization.id, [created], author=PROGRAM, now=now)
    return organization
