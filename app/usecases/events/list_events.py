"""List what happened in an organization, in order and without a gap. For administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.store.events import START_OF_EVENTS, events_after, events_of_types_after

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.core.events import Event, EventCursor, EventType
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

MOST_LOOKED_AT: Final = 10_000
"""Events that one page of some types looks at: some milliseconds of the database's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Up to as many events as were asked for. `reached` is where to continue after them if there
    may be more, which it does not find out by reading further.
    """

    events: list[Event]
    reached: EventCursor | None


async def list_events(
    resources: Resources,
    viewer: Viewer,
    after: EventCursor | None,
    types: Collection[EventType] | None,
    limit: int,
) -> EventPage | None:
    """The next events after a place, oldest first; None for all but administrators.

    A page of some types only may hold fewer than `limit`, or none, although there are more: it
    says where to continue.
    """
    if not viewer.is_admin:
        return None
    pool, organization_id = resources.pool, viewer.organization_id
    place = after or START_OF_EVENTS
    if types is None:
        found = await events_after(pool, organization_id, place, page_size=limit + 1)
        reached = None
    else:
        found, reached = await events_of_types_after(
            pool, organization_id, place, types, page_size=limit + 1, look_at=MOST_LOOKED_AT
        )
    if len(found) > limit:
        kept = found[:limit]
        return EventPage(events=kept, reached=kept[-1].cursor if kept else place)
    return EventPage(events=found, reached=reached)
