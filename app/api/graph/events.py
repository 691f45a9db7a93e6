"""Events: the log of what happened in the organization, for administrators."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from app.api.graph.nodes import node_of
from app.api.operation.info import Info
from app.api.words.enums import Actor, EventType
from app.api.words.event_messages import IN_ORDER, SUBJECT_TYPES, cursor_text
from app.api.words.node import Node
from app.api.words.relay import After, Connection, First, PageInfo, PageRequest, global_id
from app.core import events as core
from app.core.events import EventCursor
from app.usecases.events.list_events import list_events


@strawberry.type(
    description="Something that happened. It names the object and contains nothing personal: "
    "ask for the object itself."
)
class Event:
    """Maps the core's `Event`; made only for administrators."""

    id: strawberry.ID = strawberry.field(
        description="Opaque and unique: use it to recognize an event that you get twice."
    )
    cursor: str = strawberry.field(
        description="Its place in the log. Give it as `after` to get what follows it."
    )
    type: EventType = strawberry.field(description="What happened.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    version: int | None = strawberry.field(
        description="The version of the object after the event; null if it has no versions. "
        "Ignore events that are older than the version you know."
    )
    actor: Actor | None = strawberry.field(description="Who did it.")
    actor_subject: str | None = strawberry.field(
        description="The subject of their token, where they are staff."
    )
    row: strawberry.Private[core.Event]

    @strawberry.field(
        description="What it is about, as it is now: it may have changed since. Null where it was "
        "erased or deleted since."
    )
    async def subject(self, info: Info) -> Node | None:
        """Batched."""
        happening = self.row.happening
        return await node_of(info, SUBJECT_TYPES[happening.type], happening.subject_id)

    @classmethod
    def of(cls, event: core.Event) -> Self:
        """From the core."""
        return cls(
            id=global_id("Event", event.id),
            cursor=cursor_text(event.cursor),
            type=event.happening.type,
            occurred_at=event.occurred_at,
            version=event.happening.version,
            actor=event.author.actor,
            actor_subject=event.author.subject,
            row=event,
        )


EventConnection = Connection[Event]


@strawberry.type
class EventQuery:
    """The root field of the log."""

    @strawberry.field(
        description="Everything that happened, in order, as far back as events are kept. "
        "Administrators only. A reader that keeps its last `endCursor` and continues after it "
        "misses nothing and gets nothing twice. With `types`, a page may hold fewer events than "
        "asked for, or none, while `hasNextPage` is true: continue after its `endCursor`."
    )
    async def events(
        self,
        info: Info,
        after: After = None,
        first: First = None,
        types: Annotated[
            list[EventType] | None,
            strawberry.argument(description="Only these; left out: all."),
        ] = None,
    ) -> EventConnection | None:
        """Keyset pages; null for others."""
        page = PageRequest.read(IN_ORDER, first=first, after=after)
        found = await list_events(
            info.context.resources,
            info.context.viewer,
            _place(page),
            None if types is None else frozenset(types),
            page.limit,
        )
        if found is None:
            return None
        events = [Event.of(event) for event in found.events]
        cursors = [event.cursor for event in events]
        end = cursor_text(found.reached) if found.reached else None
        return Connection(
            nodes=events,
            cursors=lambda: cursors,
            page_info=PageInfo(
                has_next_page=found.reached is not None,
                has_previous_page=page.after is not None,
                start_cursor=cursors[0] if cursors else None,
                end_cursor=end or (cursors[-1] if cursors else None),
            ),
        )


def _place(page: PageRequest) -> EventCursor | None:
    match page.after:
        case (int() as epoch, int() as transaction_id, UUID() as event_id):
            return EventCursor(epoch=epoch, transaction_id=transaction_id, id=event_id)
        case _:
            return None
