"""Remove a source of busy times, with all that it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.hours import merge_intervals
from app.core.ids import ProviderId, ResourceId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.store.busy import busy_sources_by_ids, delete_busy_source
from app.store.locks import lock_rules
from app.store.pool import transaction
from app.store.providers import providers_by_ids
from app.usecases.busy.replace import record_busy
from app.usecases.events.publish import publish
from app.usecases.practice.edit_hours import NOT_ALLOWED, Owner, find_owner

if TYPE_CHECKING:
    from app.core.ids import BusySourceId, SubjectId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.practice.edit_hours import Changed
    from app.usecases.resources import Resources

_NOT_FOUND = NotFound(what="busy source")


async def remove_busy_source(
    resources: Resources, viewer: Viewer, source_id: BusySourceId
) -> Changed | NotAllowed | NotFound:
    """Its times keep nothing out any more. Returns whose source it was."""
    if not viewer.is_staff:
        return NOT_ALLOWED
    async with transaction(resources.pool) as tx:
        source = (await busy_sources_by_ids(tx, viewer.organization_id, [source_id])).get(source_id)
        if source is None:
            return _NOT_FOUND
        owner = await _owner(tx, viewer, source.subject_id)
        found = await find_owner(tx, viewer, owner)
        if isinstance(found, NotAllowed):
            return found
        if isinstance(found, InvalidInput | NotFound):
            return _NOT_FOUND
        await lock_rules(tx, viewer.organization_id, [found.id])
        if source_id not in await busy_sources_by_ids(tx, viewer.organization_id, [source_id]):
            return _NOT_FOUND
        pieces = await delete_busy_source(tx, viewer.organization_id, source)
        changes = await record_busy(
            resources,
            tx,
            viewer.organization_id,
            found.id,
            found.time_zone,
            merge_intervals(each[:2] for each in pieces),
            author=viewer.author,
            now=resources.clock(),
        )
    await publish(resources, *changes)
    return found


async def _owner(tx: Transaction, viewer: Viewer, subject_id: SubjectId) -> Owner:
    """Whose a source is, which never changes."""
    provider_id = ProviderId(subject_id)
    if provider_id in await providers_by_ids(tx, viewer.organization_id, [provider_id]):
        return Owner(provider_id=provider_id)
    return Owner(resource_id=ResourceId(subject_id))
