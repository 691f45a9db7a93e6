"""Add, change and remove time off. A change holds back bookings with the provider or resource while
it runs; booked appointments, holds and sessions stay unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from app.core.ids import ProviderId, ResourceId, TimeOffId
from app.core.provider import TimeOff
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.stranded import ChangePreview, change_of_time_off
from app.core.validation import TimeOffForm, valid_time_off
from app.core.zones import DAY_MINUTES, LAST_DATE, date_of_number, minute_of
from app.store.providers import providers_by_ids
from app.store.time_off import (
    delete_time_off,
    insert_time_off,
    time_off_by_ids,
    time_off_of_subjects,
    update_time_off,
)
from app.usecases.practice.edit_hours import NOT_ALLOWED, Owner, rules_of
from app.usecases.practice.preview_change import preview_change

if TYPE_CHECKING:
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.store.sql import Executor
    from app.usecases.resources import Resources

Refusal: TypeAlias = InvalidInput | NotAllowed | NotFound

_NOT_FOUND = NotFound(what="time off")


async def add_time_off(
    resources: Resources,
    viewer: Viewer,
    owner: Owner,
    form: TimeOffForm,
    *,
    dry_run: bool = False,
) -> TimeOff | ChangePreview | Refusal:
    """Add time off of a provider or a resource, or preview that; it may overlap other time off."""
    valid = valid_time_off(form)
    if isinstance(valid, InvalidInput):
        return valid
    async with rules_of(resources, viewer, owner, dry_run=dry_run) as (tx, found):
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        time_off = TimeOff(
            id=TimeOffId(resources.new_id()),
            subject_id=found.id,
            from_wall=valid.from_wall,
            until_wall=valid.until_wall,
            reason=valid.reason,
        )
        if dry_run:
            return await _preview(resources, tx, viewer, time_off, becomes=time_off)
        await insert_time_off(tx, viewer.organization_id, time_off, resources.clock())
    return time_off


async def change_time_off(
    resources: Resources,
    viewer: Viewer,
    time_off_id: TimeOffId,
    changes: Changes,
    *,
    dry_run: bool = False,
) -> TimeOff | ChangePreview | Refusal:
    """Change the named fields of time off, or preview that; the others stay."""
    owner = await _owner(resources.pool, viewer, time_off_id)
    if not isinstance(owner, Owner):
        return owner
    async with rules_of(resources, viewer, owner, dry_run=dry_run) as (tx, found):
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        stored = await _find(tx, viewer, time_off_id)
        if stored is None:
            tx.roll_back()
            return _NOT_FOUND
        valid = valid_time_off(replace(_form_of(stored), **changes))
        if isinstance(valid, InvalidInput):
            tx.roll_back()
            return valid
        time_off = replace(
            stored, from_wall=valid.from_wall, until_wall=valid.until_wall, reason=valid.reason
        )
        if dry_run:
            return await _preview(resources, tx, viewer, stored, becomes=time_off)
        await update_time_off(tx, viewer.organization_id, time_off)
    return time_off


async def remove_time_off(
    resources: Resources, viewer: Viewer, time_off_id: TimeOffId, *, dry_run: bool = False
) -> TimeOff | ChangePreview | NotAllowed | NotFound:
    """Remove time off, or preview that: its readings are open again where hours are and no other
    time off is.
    """
    owner = await _owner(resources.pool, viewer, time_off_id)
    if not isinstance(owner, Owner):
        return owner
    async with rules_of(resources, viewer, owner, dry_run=dry_run) as (tx, found):
        if isinstance(found, NotAllowed | NotFound):
            return found
        stored = await _find(tx, viewer, time_off_id)
        if stored is None or isinstance(found, InvalidInput):
            tx.roll_back()
            return _NOT_FOUND
        if dry_run:
            return await _preview(resources, tx, viewer, stored, becomes=None)
        await delete_time_off(tx, viewer.organization_id, time_off_id)
    return stored


async def _preview(
    resources: Resources,
    tx: Transaction,
    viewer: Viewer,
    time_off: TimeOff,
    *,
    becomes: TimeOff | None,
) -> ChangePreview:
    """What it would do that this time off, stored or not, becomes another one, or none."""
    # By then, whatever the zone: none of the rest has a reading to come.
    first = date_of_number(minute_of(resources.clock()) // DAY_MINUTES - 2)
    stored = await time_off_of_subjects(
        tx, viewer.organization_id, [time_off.subject_id], first, LAST_DATE
    )
    kept = [each for each in stored.get(time_off.subject_id, ()) if each.id != time_off.id]
    change = change_of_time_off(time_off.subject_id, kept, becomes)
    return await preview_change(resources, tx, viewer, change)


async def _find(on: Executor, viewer: Viewer, time_off_id: TimeOffId) -> TimeOff | None:
    return (await time_off_by_ids(on, viewer.organization_id, [time_off_id])).get(time_off_id)


async def _owner(
    on: Executor, viewer: Viewer, time_off_id: TimeOffId
) -> Owner | NotAllowed | NotFound:
    """Whose it is, which never changes."""
    if not viewer.is_staff:
        return NOT_ALLOWED
    found = await _find(on, viewer, time_off_id)
    if found is None:
        return _NOT_FOUND
    provider_id = ProviderId(found.subject_id)
    if provider_id in await providers_by_ids(on, viewer.organization_id, [provider_id]):
        return Owner(provider_id=provider_id)
    return Owner(resource_id=ResourceId(found.subject_id))


def _form_of(time_off: TimeOff) -> TimeOffForm:
    return TimeOffForm(
        from_wall=time_off.from_wall, until_wall=time_off.until_wall, reason=time_off.reason
    )
