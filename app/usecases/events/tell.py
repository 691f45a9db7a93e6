"""Tell: the last step of a mutation, after its commit and before its answer. It logs and counts,
and never raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.changes import AppointmentChanged, RulesChanged, TimeChanged

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.core.ids import OrganizationId, ProviderId
    from app.usecases.resources import Resources


async def tell(resources: Resources, *changes: Change) -> None:
    """Let caches forget, subscribers know, and messages go out."""
    forgotten = [change for change in changes if isinstance(change, TimeChanged | RulesChanged)]
    if forgotten:
        await resources.accelerator.slots.forget(forgotten)
    await resources.feed.tell(changes)
    if any(isinstance(change, AppointmentChanged) for change in changes):
        resources.messaging.wake()


def told_again(organization_id: OrganizationId, provider_id: ProviderId) -> RulesChanged:
    """What to tell with an answer that is given again: whoever gave it first may have died before
    telling, or be about to.

    Everything of the provider is forgotten, as the answer no longer says what it changed.
    """
    return RulesChanged(organization_id=organization_id, provider_ids=(provider_id,))
