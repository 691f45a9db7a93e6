"""Change when a provider works, or a resource is open: weekly hours, breaks, exceptions. Booked
appointments are never changed.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.changes import RulesChanged
from app.core.provider import Provider
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.resource import Resource
from app.core.sentences import say
from app.core.stranded import ChangePreview, change_of_exception, change_of_week
from app.core.validation import valid_date, valid_exception, valid_reason, valid_week
from app.store.hours import remove_exception as delete_exception
from app.store.hours import replace_exception, replace_weekly_hours
from app.store.locks import lock_rules
from app.store.providers import providers_by_ids
from app.store.resources import resources_by_ids
from app.usecases.events.publish import publish
from app.usecases.events.record import owner_changed, record_edit
from app.usecases.practice.preview_change import editing, preview_change

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date

    from app.core.hours import ClockRange, WeeklyRange
    from app.core.ids import ProviderId, ResourceId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

NOT_ALLOWED: Final = NotAllowed(
    message=say("Only the provider, reception and administrators change when a provider works.")
)

_EXACTLY_ONE: Final = InvalidInput(
    field="resource_id",
    message=say("Name either a provider or a resource, exactly one of the two."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose hours: those of a provider or of a resource. Exactly one of the two is named, or the
    change is refused.
    """

    provider_id: ProviderId | None = None
    resource_id: ResourceId | None = None


Changed: TypeAlias = Provider | Resource
Refusal: TypeAlias = InvalidInput | NotAllowed | NotFound


@asynccontextmanager
async def rules_of(
    resources: Resources, viewer: Viewer, owner: Owner, *, dry_run: bool = False
) -> AsyncIterator[tuple[Transaction, Changed | Refusal]]:
    """A transaction that holds back bookings with the owner, and the owner, if the caller may
    change its hours. The change is recorded at the end of the block, and published after it. For a
    dry run, a snapshot: nothing is held back, recorded or published.
    """
    async with editing(resources.pool, dry_run=dry_run) as tx:
        found = await find_owner(tx, viewer, owner, locks=True)
        yield tx, found
        if dry_run or isinstance(found, InvalidInput | NotAllowed | NotFound):
            return
        record_edit(resources, tx, viewer, owner_changed(found))
    await publish(resources, RulesChanged(organization_id=viewer.organization_id, ids=(found.id,)))


async def find_owner(
    tx: Transaction, viewer: Viewer, owner: Owner, *, locks: bool = False
) -> Changed | Refusal:
    """Whose time the caller may change. With `locks`, no time of theirs is taken until the
    transaction ends.
    """
    if owner.provider_id is not None and owner.resource_id is None:
        return await _find_provider(tx, viewer, owner.provider_id, locks=locks)
    if owner.resource_id is not None and owner.provider_id is None:
        return await _find_resource(tx, viewer, owner.resource_id, locks=locks)
    return _EXACTLY_ONE


async def _find_provider(
    tx: Transaction, viewer: Viewer, provider_id: ProviderId, *, locks: bool
) -> Provider | NotAllowed | NotFound:
    if not viewer.is_staff:
        return NOT_ALLOWED
    if locks:
        await lock_rules(tx, viewer.organization_id, [provider_id])
    provider = (await providers_by_ids(tx, viewer.organization_id, [provider_id])).get(provider_id)
    if provider is None:
        return NotFound(what="provider")
    if not viewer.runs(provider_id):
        return NotAllowed(message=say("A provider changes only when they work themselves."))
    return provider


async def _find_resource(
    tx: Transaction, viewer: Viewer, resource_id: ResourceId, *, locks: bool
) -> Resource | NotAllowed | NotFound:
    if not viewer.runs_practice:
        return NotAllowed(
            message=say("Only reception and administrators change when a resource is open.")
        )
    if locks:
        await lock_rules(tx, viewer.organization_id, [resource_id])
    resource = (await resources_by_ids(tx, viewer.organization_id, [resource_id])).get(resource_id)
    return resource or NotFound(what="resource")


async def set_weekly_hours(
    resources: Resources,
    viewer: Viewer,
    owner: Owner,
    *,
    hours: Sequence[WeeklyRange],
    breaks: Sequence[WeeklyRange],
    dry_run: bool = False,
) -> Changed | ChangePreview | Refusal:
    """Replace all weekly hours and breaks of the owner, or preview that."""
    week = valid_week("hours", hours, breaks)
    if isinstance(week, InvalidInput):
        return week
    async with rules_of(resources, viewer, owner, dry_run=dry_run) as (tx, found):
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        if dry_run:
            return await preview_change(resources, tx, viewer, change_of_week(found.id, week))
        await replace_weekly_hours(
            tx,
            viewer.organization_id,
            found.id,
            hours=week.hours,
            breaks=week.breaks,
            new_id=resources.new_id,
        )
    return found


async def set_exception(
    resources: Resources,
    viewer: Viewer,
    owner: Owner,
    day: date,
    *,
    is_blocked: bool,
    ranges: Sequence[ClockRange],
    reason: str | None,
    dry_run: bool = False,
) -> Changed | ChangePreview | Refusal:
    """Set the date's exception, or preview that; it replaces an earlier one."""
    exception = valid_exception(day, is_blocked=is_blocked, ranges=ranges)
    if isinstance(exception, InvalidInput):
        return exception
    checked_reason = valid_reason(reason)
    if isinstance(checked_reason, InvalidInput):
        return checked_reason
    async with rules_of(resources, viewer, owner, dry_run=dry_run) as (tx, found):
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        if dry_run:
            change = change_of_exception(found.id, day, exception)
            return await preview_change(resources, tx, viewer, change)
        await replace_exception(
            tx,
            viewer.organization_id,
            found.id,
            exception,
            reason=checked_reason,
            new_id=resources.new_id,
        )
    return found


async def remove_exception(
    resources: Resources, viewer: Viewer, owner: Owner, day: date, *, dry_run: bool = False
) -> Changed | ChangePreview | Refusal:
    """Remove the date's exception, if it has one, or preview that."""
    checked = valid_date("date", day)
    if isinstance(checked, InvalidInput):
        return checked
    async with rules_of(resources, viewer, owner, dry_run=dry_run) as (tx, found):
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        if dry_run:
            change = change_of_exception(found.id, day, None)
            return await preview_change(resources, tx, viewer, change)
        await delete_exception(tx, viewer.organization_id, found.id, day)
    return found
