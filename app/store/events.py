"""The log of events, as read: in order, and without a gap however the writers commit.

The place of an event is (epoch, transaction id, event id). Transactions that are still running may
yet write between those that have committed, so only what lies below the oldest of them is read. No
lock orders the writers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core.events import Author, Event, EventCursor, EventType, Happening
from app.core.ids import CustomerId, EventId, ProviderId
from app.core.lifecycle import Actor
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.core.ids import OrganizationId
    from app.store.sql import Executor, Record

_AFTER = query("events_after")
_OF_TYPES_AFTER = query("events_of_types_after")
_END = query("end_of_events")

_FIRST_ID: Final = UUID(int=0)

START_OF_EVENTS: Final = EventCursor(epoch=0, transaction_id=0, id=_FIRST_ID)
"""Before every event that was kept."""


async def events_after(
    on: Executor, organization_id: OrganizationId, cursor: EventCursor, *, page_size: int
) -> list[Event]:
    """The next events after a place, oldest first; fewer than `page_size` where that is all for
    now. A reader that continues after the last one misses none, even one that commits late.
    """
    rows = await _AFTER.many(
        on, organization_id, cursor.epoch, cursor.transaction_id, cursor.id, page_size
    )
    return [event_from(row) for row in rows]


async def events_of_types_after(
    on: Executor,
    organization_id: OrganizationId,
    cursor: EventCursor,
    types: Collection[EventType],
    *,
    page_size: int,
    look_at: int,
) -> tuple[list[Event], EventCursor | None]:
    """The same for some types only, and where to continue if the page ended early: it looks at no
    more than `look_at` events, so that it costs little even if none of them match.
    """
    rows = await _OF_TYPES_AFTER.many(
        on,
        organization_id,
        cursor.epoch,
        cursor.transaction_id,
        cursor.id,
        page_size,
        list(types),
        look_at,
    )
    ended_early = bool(rows) and rows[-1]["place"] == look_at
    reached = event_from(rows[-1]).cursor if ended_early else None
    return [event_from(row) for row in rows if row["type"] in types], reached


def event_from(row: Record) -> Event:
    """The event in a row that has the columns of `events_after`."""
    return Event(
        id=EventId(row["id"]),
        cursor=EventCursor(epoch=row["epoch"], transaction_id=row["transaction_id"], id=row["id"]),
        happening=Happening(
            type=EventType(row["type"]),
            subject_id=row["subject_id"],
            version=row["version"],
            provider_id=None if row["provider_id"] is None else ProviderId(row["provider_id"]),
            customer_id=None if row["customer_id"] is None else CustomerId(row["customer_id"]),
        ),
        occurred_at=row["occurred_at"],
        author=Author(actor=Actor(row["actor"]), subject=row["actor_subject"]),
    )


async def end_of_events(on: Executor, organization_id: OrganizationId) -> EventCursor:
    """The place after all that can be read now: from here on, only what is new is read."""
    row = await _END.one(on, organization_id)
    return EventCursor(epoch=row["epoch"], transaction_id=row["transaction_id"], id=_FIRST_ID)
