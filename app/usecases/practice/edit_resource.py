"""Create and change resources. A change holds back bookings with the resource while it runs; booked
appointments stay unchanged.

Fewer units take the highest numbers away: claims on those stay, and no visit takes them any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.core.changes import PracticeChanged, RulesChanged
from app.core.external_ids import ExternalType
from app.core.ids import ResourceId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.resource import Resource
from app.core.sentences import say
from app.core.stranded import ChangePreview, change_of_resource
from app.core.validation import ResourceForm, valid_resource, valid_week
from app.store.external_ids import external_id_is_taken
from app.store.hours import replace_weekly_hours
from app.store.locks import lock_external_ids, lock_rules
from app.store.pool import transaction
from app.store.resources import (
    insert_resource,
    resources_by_ids,
    update_resource,
)
from app.usecases.busy.replace import refloat_busy
from app.usecases.events.publish import publish
from app.usecases.events.record import record_edit, resource_changed
from app.usecases.practice.preview_change import editing, preview_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.hours import WeeklyRange
    from app.core.validation import Changes, ValidResource
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

_NOT_ALLOWED: Final = NotAllowed(message=say("Only administrators create and change resources."))

_EXTERNAL_ID_TAKEN: Final = InvalidInput(
    field="external_id", message=say("Another resource has this external id already.")
)


def _resource(resource_id: ResourceId, valid: ValidResource) -> Resource:
    return Resource(
        id=resource_id,
        name=valid.name,
        kind=valid.kind,
        time_zone=valid.time_zone,
        units=valid.units,
        is_always_open=valid.is_always_open,
        is_archived=valid.is_archived,
        external_id=valid.external_id,
    )


async def create_resource(
    resources: Resources,
    viewer: Viewer,
    form: ResourceForm,
    *,
    hours: Sequence[WeeklyRange],
    breaks: Sequence[WeeklyRange],
) -> Resource | InvalidInput | NotAllowed:
    """Create a resource with its weekly hours."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    valid = valid_resource(form)
    if isinstance(valid, InvalidInput):
        return valid
    week = valid_week("weekly_hours", hours, breaks)
    if isinstance(week, InvalidInput):
        return week
    resource = _resource(ResourceId(resources.new_id()), valid)
    async with transaction(resources.pool) as tx:
        await lock_external_ids(tx, viewer.organization_id)
        if not await insert_resource(tx, viewer.organization_id, resource, resources.clock()):
            tx.roll_back()
            return _EXTERNAL_ID_TAKEN
        await replace_weekly_hours(
            tx,
            viewer.organization_id,
            resource.id,
            hours=week.hours,
            breaks=week.breaks,
            new_id=resources.new_id,
        )
        record_edit(resources, tx, viewer, resource_changed(resource.id))
    await publish(resources, PracticeChanged(organization_id=viewer.organization_id))
    return resource


async def change_resource(
    resources: Resources,
    viewer: Viewer,
    resource_id: ResourceId,
    changes: Changes,
    *,
    dry_run: bool = False,
) -> Resource | ChangePreview | InvalidInput | NotAllowed | NotFound:
    """Change the named fields of a resource, or preview that; the others stay."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    async with editing(resources.pool, dry_run=dry_run) as tx:
        if "external_id" in changes:
            await lock_external_ids(tx, viewer.organization_id)
        await lock_rules(tx, viewer.organization_id, [resource_id])
        stored = (await resources_by_ids(tx, viewer.organization_id, [resource_id])).get(
            resource_id
        )
        if stored is None:
            return NotFound(what="resource")
        valid = valid_resource(replace(_form_of(stored), **changes))
        if isinstance(valid, InvalidInput):
            return valid
        resource = _resource(resource_id, valid)
        if "external_id" in changes and await external_id_is_taken(
            tx,
            viewer.organization_id,
            ExternalType.RESOURCE,
            resource.external_id,
            but_by=resource_id,
        ):
            return _EXTERNAL_ID_TAKEN
        if dry_run:
            change = change_of_resource(stored, resource)
            return await preview_change(resources, tx, viewer, change)
        await update_resource(tx, viewer.organization_id, resource)
        if resource.time_zone != stored.time_zone:
            await refloat_busy(
                tx, viewer.organization_id, resource_id, resource.time_zone, resources.clock()
            )
        record_edit(resources, tx, viewer, resource_changed(resource_id))
    await publish(
        resources, RulesChanged(organization_id=viewer.organization_id, ids=(resource_id,))
    )
    return resource


def _form_of(resource: Resource) -> ResourceForm:
    return ResourceForm(
        name=resource.name,
        kind=resource.kind,
        time_zone=resource.time_zone,
        units=resource.units,
        always_open=resource.is_always_open,
        external_id=resource.external_id,
        is_archived=resource.is_archived,
    )
