"""Watch edits of the practice: of settings, hours, time off and busy times. For staff."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from app.core.events import EDITS
from app.core.refusals import NotAllowed
from app.core.sentences import say
from app.store.events import end_of_events, events_after
from app.usecases.callers.identify import with_records
from app.usecases.events.watch_appointments import patiently

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from app.core.events import EventCursor, Happening
    from app.core.ids import OrganizationId
    from app.core.viewer import Viewer
    from app.store.pool import Pool
    from app.usecases.resources import Resources

PAGE_SIZE: Final = 1_000
"""Events read from the log at once."""

_NOT_ALLOWED: Final = NotAllowed(message=say("Only staff watch the practice."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What was edited; `viewer` is the subscriber, with their current records."""

    happening: Happening
    viewer: Viewer


async def watch_practice(
    resources: Resources, viewer: Viewer
) -> AsyncGenerator[Edit | NotAllowed, None]:
    """The edits from now on, at least once; several of the same object may be one. A refusal ends
    it.
    """
    if not viewer.sees_staff_matters:
        yield _NOT_ALLOWED
        return
    async with resources.feed.follow_edits(viewer.organization_id) as reader:
        while True:
            edits = await reader.take()
            current = await patiently(partial(with_records, resources, viewer))
            for happening in edits:
                yield Edit(happening=happening, viewer=current)


async def read_edits(
    pool: Pool, organization_id: OrganizationId, place: EventCursor | None
) -> tuple[list[Happening], EventCursor]:
    """The edits after a place in the log, and where to continue; without a place, its end."""
    if place is None:
        return [], await end_of_events(pool, organization_id)
    edits: list[Happening] = []
    while True:
        page = await events_after(pool, organization_id, place, page_size=PAGE_SIZE)
        edits += [each.happening for each in page if each.happening.type in EDITS]
        place = page[-1].cursor if page else place
        if len(page) < PAGE_SIZE:
            return edits, place
