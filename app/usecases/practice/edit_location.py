"""Create and change locations. Visits that are booked take place where their location is now: a
change moves no appointment, and messages from then on say where it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.core.changes import PracticeChanged
from app.core.external_ids import ExternalType
from app.core.ids import LocationId
from app.core.location import MOST_LOCATIONS, Location
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import LocationForm, valid_location
from app.store.external_ids import external_id_is_taken
from app.store.locations import (
    count_locations,
    insert_location,
    location_for_update,
    location_is_in_use,
    locations_by_ids,
    locations_of_organization,
    update_location,
)
from app.store.locks import lock_external_ids
from app.store.pool import transaction
from app.usecases.events.publish import publish
from app.usecases.events.record import location_changed, record_edit

if TYPE_CHECKING:
    from app.core.ids import OrganizationId
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

_NOT_ALLOWED: Final = NotAllowed(message=say("Only administrators create and change locations."))
_EXTERNAL_ID_TAKEN: Final = InvalidInput(
    field="external_id", message=say("Another location has this external id already.")
)
_TOO_MANY: Final = InvalidInput(
    field="name",
    message=say(
        "An organization has at most {count} locations. Change one of them.", count=MOST_LOCATIONS
    ),
)
_NOT_IN_USE: Final = InvalidInput(
    field="location_id",
    message=say("There is no such location, or it is archived. Choose another one."),
)


async def list_locations(resources: Resources, viewer: Viewer) -> list[Location]:
    """The locations of the caller's organization, by name; archived ones for staff only."""
    return await locations_of_organization(
        resources.pool, viewer.organization_id, with_archived=viewer.sees_staff_matters
    )


async def create_location(
    resources: Resources, viewer: Viewer, form: LocationForm
) -> Location | InvalidInput | NotAllowed:
    """Create a location."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    location = valid_location(LocationId(resources.new_id()), form)
    if isinstance(location, InvalidInput):
        return location
    async with transaction(resources.pool) as tx:
        await lock_external_ids(tx, viewer.organization_id)
        if await count_locations(tx, viewer.organization_id) >= MOST_LOCATIONS:
            return _TOO_MANY
        if not await insert_location(tx, viewer.organization_id, location, resources.clock()):
            tx.roll_back()
            return _EXTERNAL_ID_TAKEN
        record_edit(resources, tx, viewer, location_changed(location.id))
    await publish(resources, PracticeChanged(organization_id=viewer.organization_id))
    return location


async def change_location(
    resources: Resources, viewer: Viewer, location_id: LocationId, changes: Changes
) -> Location | InvalidInput | NotAllowed | NotFound:
    """Change the named fields of a location; the others stay."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    async with transaction(resources.pool) as tx:
        if "external_id" in changes:
            await lock_external_ids(tx, viewer.organization_id)
        stored = await location_for_update(tx, viewer.organization_id, location_id)
        if stored is None:
            return NotFound(what="location")
        location = valid_location(location_id, replace(_form_of(stored), **changes))
        if isinstance(location, InvalidInput):
            return location
        if "external_id" in changes and await external_id_is_taken(
            tx,
            viewer.organization_id,
            ExternalType.LOCATION,
            location.external_id,
            but_by=location_id,
        ):
            return _EXTERNAL_ID_TAKEN
        await update_location(tx, viewer.organization_id, location)
        record_edit(resources, tx, viewer, location_changed(location_id))
    await publish(resources, PracticeChanged(organization_id=viewer.organization_id))
    return location


async def refuse_location(
    tx: Transaction,
    organization_id: OrganizationId,
    location_id: LocationId | None,
    *,
    before: LocationId | None = None,
    dry_run: bool = False,
) -> InvalidInput | None:
    """Why a provider or a service that had the location `before` can't be given this one. A
    location that may be given is not archived until the transaction ends; a dry run locks nothing.
    """
    if location_id is None or location_id == before:
        return None
    if dry_run:
        found = (await locations_by_ids(tx, organization_id, [location_id])).get(location_id)
        is_in_use = found is not None and not found.is_archived
    else:
        is_in_use = await location_is_in_use(tx, organization_id, location_id)
    return None if is_in_use else _NOT_IN_USE


def _form_of(location: Location) -> LocationForm:
    return LocationForm(
        name=location.name,
        address=location.address,
        phone=location.phone,
        email=location.email,
        url=location.url,
        directions=location.directions,
        time_zone=location.time_zone,
        is_archived=location.is_archived,
        external_id=location.external_id,
    )
