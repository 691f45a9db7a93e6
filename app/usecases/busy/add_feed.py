"""Add a calendar feed: its owner is busy here when the feed says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.core.busy import MOST_SOURCES, BusySource
from app.core.changes import PracticeChanged
from app.core.ids import BusySourceId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import say
from app.core.validation import valid_source_name
from app.outgoing.addresses import check_address
from app.store.busy import busy_sources_of_subjects
from app.store.busy_feeds import insert_feed
from app.store.pool import transaction
from app.usecases.events.publish import publish
from app.usecases.events.record import owner_changed, record_edit
from app.usecases.practice.edit_hours import find_owner

if TYPE_CHECKING:
    from app.core.viewer import Viewer
    from app.usecases.practice.edit_hours import Owner
    from app.usecases.resources import Resources

_SUBSCRIPTION: Final = re.compile(r"^webcals?://", re.IGNORECASE)
"""How calendar programs write addresses to subscribe to; nobody registered it, https is meant."""


async def add_busy_feed(
    resources: Resources, viewer: Viewer, owner: Owner, *, name: str, url: str
) -> BusySource | InvalidInput | NotAllowed | NotFound:
    """The worker reads it at once, and every quarter of an hour from then on. What its name leads
    to is judged whenever it is read.
    """
    valid_name = valid_source_name("name", name)
    if isinstance(valid_name, InvalidInput):
        return valid_name
    address = _SUBSCRIPTION.sub("https://", url.strip())
    if (problem := check_address(address, resources.outgoing.networks)) is not None:
        return InvalidInput(field="url", message=problem)
    async with transaction(resources.pool) as tx:
        found = await find_owner(tx, viewer, owner, locks=True)
        if isinstance(found, InvalidInput | NotAllowed | NotFound):
            return found
        known = (await busy_sources_of_subjects(tx, viewer.organization_id, [found.id])).get(
            found.id, []
        )
        if any(each.name == valid_name for each in known):
            return InvalidInput(field="name", message=say("Another source has this name already."))
        if len(known) >= MOST_SOURCES:
            return InvalidInput(
                field="name", message=say("At most {most} sources are kept.", most=MOST_SOURCES)
            )
        source = BusySource(
            id=BusySourceId(resources.new_id()),
            subject_id=found.id,
            name=valid_name,
            url=address,
        )
        await insert_feed(tx, viewer.organization_id, source, resources.clock())
        record_edit(resources, tx, viewer, owner_changed(found))
    await publish(resources, PracticeChanged(organization_id=viewer.organization_id))
    resources.wake_feed_readers()
    return source
