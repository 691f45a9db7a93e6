"""Push busy times: a client says when a provider or a resource is busy with something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.busy import MOST_SOURCES, BusySource
from app.core.changes import RulesChanged
from app.core.ids import BusySourceId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import BusyForm, valid_busy
from app.store.busy import busy_source_by_name, busy_sources_of_subjects, insert_pushed_source
from app.store.locks import lock_rules
from app.store.pool import transaction
from app.usecases.busy.replace import replace_busy
from app.usecases.events.publish import publish
from app.usecases.practice.edit_hours import find_owner

if TYPE_CHECKING:
    from app.core.ids import SubjectId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.practice.edit_hours import Owner
    from app.usecases.resources import Resources

_IS_A_FEED: Final = InvalidInput(
    field="source",
    message=say("This source is a calendar feed. Push to a source with another name."),
)


async def set_busy_times(
    resources: Resources, viewer: Viewer, owner: Owner, form: BusyForm
) -> BusySource | InvalidInput | NotAllowed | NotFound:
    """Replace what a source says about a window; a source with a new name is made. The same push
    once more writes nothing, and is published all the same: it may be the retry of one whose
    process died before it published.
    """
    valid = valid_busy(form)
    if isinstance(valid, InvalidInput):
        return valid
    async with transaction(resources.pool) as tx:
        found = await find_owner(tx, viewer, owner)
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        source = await _source(resources, tx, viewer, found.id, valid.source)
        if isinstance(source, InvalidInput):
            return source
        changes = await replace_busy(
            resources, tx, viewer.organization_id, source, valid.said, author=viewer.author
        )
        if isinstance(changes, InvalidInput | NotFound):
            return changes
    retried = RulesChanged(organization_id=viewer.organization_id, ids=(source.subject_id,))
    await publish(resources, *(changes or (retried,)))
    return source


async def _source(
    resources: Resources, tx: Transaction, viewer: Viewer, subject_id: SubjectId, name: str
) -> BusySource | InvalidInput:
    """The subject's source of this name, made where it has none."""
    organization_id = viewer.organization_id
    source = await busy_source_by_name(tx, organization_id, subject_id, name)
    if source is None:
        await lock_rules(tx, organization_id, [subject_id])
        several = await busy_sources_of_subjects(tx, organization_id, [subject_id])
        known = {each.name: each for each in several.get(subject_id, ())}
        source = known.get(name)
        if source is None:
            if len(known) >= MOST_SOURCES:
                return InvalidInput(
                    field="source",
                    message=say("At most {most} sources are kept.", most=MOST_SOURCES),
                )
            source = BusySource(
                id=BusySourceId(resources.new_id()), subject_id=subject_id, name=name
            )
            await insert_pushed_source(tx, organization_id, source, resources.clock())
    return source if source.url is None else _IS_A_FEED
