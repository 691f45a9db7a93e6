"""Sessions: the starts of services with seats, and who takes them. For staff."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from app.api.graph.appointments import AppointmentConnection, page_of_session, providers_of
from app.api.operation.info import Info
from app.api.words.keys import provider_keys, service_keys
from app.api.words.node import Node
from app.api.words.relay import (
    After,
    Before,
    Connection,
    First,
    Last,
    Order,
    PageRequest,
    connect,
    global_id,
)
from app.core import session as core
from app.core.session import SessionFilter
from app.notify.ics import uid
from app.usecases.booking.list_sessions import count_sessions, list_sessions

if TYPE_CHECKING:
    from app.api.graph.providers import Provider
    from app.api.graph.resources import Resource
    from app.api.graph.services import Service

LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]
LazyResource = Annotated["Resource", strawberry.lazy("app.api.graph.resources")]
LazyService = Annotated["Service", strawberry.lazy("app.api.graph.services")]

BY_START = Order(name="sessions", types=(datetime, UUID))


@strawberry.type(
    description="One start of a service with seats, and who takes them. Seen by the providers who "
    "take part, by reception and administrators."
)
class Session(Node):
    """Maps the core's `Session`; made only for callers who may see it."""

    row: strawberry.Private[core.Session]
    starts_at: datetime = strawberry.field(description="The start of the session, in UTC.")
    ends_at: datetime = strawberry.field(description="The end of the session, in UTC.")
    seats_taken: int = strawberry.field(
        description="How many seats appointments and unexpired holds take; more than `seats` where "
        "the service had more of them before."
    )
    is_cancelled: bool = strawberry.field(description="Whether staff cancelled all of it.")

    @classmethod
    def of(cls, session: core.Session) -> Self:
        """From the core."""
        return cls(
            id=global_id("Session", session.id),
            row=session,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            seats_taken=session.seats_taken,
            is_cancelled=session.is_cancelled,
        )

    @strawberry.field(
        description="The UID of its event in the providers' calendars (RFC 5545), the same for its "
        "whole life."
    )
    def calendar_uid(self) -> str:
        """As in the calendar parts of our mails."""
        return uid(self.row.id)

    @strawberry.field(description="What is booked.")
    async def service(self, info: Info) -> LazyService:
        """Batched."""
        from app.api.graph.services import Service as ServiceType  # noqa: PLC0415  the two types name each other

        found = await info.context.loaders.service.load(self.row.service_id)
        if found is None:
            raise LookupError(f"the service is gone: {self.row.service_id}")
        return ServiceType.of(found)

    @strawberry.field(description="Who takes part, the lead first.")
    async def providers(self, info: Info) -> list[LazyProvider]:
        """Batched."""
        return await providers_of(info, self.row.providers)

    @strawberry.field(description="The rooms and devices that it takes.")
    async def resources(self, info: Info) -> list[LazyResource]:
        """Batched."""
        from app.api.graph.resources import Resource as ResourceType  # noqa: PLC0415  as above

        found = await asyncio.gather(*map(info.context.loaders.resource.load, self.row.resources))
        return [ResourceType.of(resource) for resource in found if resource is not None]

    @strawberry.field(description="How many seats the service has for each start now.")
    async def seats(self, info: Info) -> int:
        """Batched."""
        needs = await info.context.loaders.needs.load(self.row.service_id)
        return 1 if needs is None else needs.seats

    @strawberry.field(description="The appointments in it, by start, including cancelled ones.")
    async def appointments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> AppointmentConnection:
        """Batched."""
        return await page_of_session(
            info, self.row.id, first=first, after=after, last=last, before=before
        )


SessionConnection = Connection[Session]


@strawberry.type
class SessionQuery:
    """The root fields about sessions."""

    @strawberry.field(
        description="The sessions that start in from…to, by start: those in which seats are taken, "
        "and those that staff cancelled. A provider gets those that they take part in, "
        "reception and administrators all. Staff only."
    )
    async def sessions(  # noqa: PLR0917  four filters, and the four arguments of a page
        self,
        info: Info,
        from_: Annotated[
            datetime,
            strawberry.argument(name="from", description="Starting at or after this instant."),
        ],
        to: Annotated[datetime, strawberry.argument(description="Starting before this instant.")],
        service_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Only of these services.")
        ] = None,
        provider_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only with one of these providers or more."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> SessionConnection | None:
        """Keyset pages; null for others."""
        page = PageRequest.read(BY_START, first=first, after=after, last=last, before=before)
        resources, viewer = info.context.resources, info.context.viewer
        if not viewer.is_staff:
            return None
        which = SessionFilter(
            from_start=from_,
            until_start=to,
            service_ids=None if service_ids is None else service_keys(service_ids),
            provider_ids=None if provider_ids is None else provider_keys(provider_ids),
        )
        return connect(
            page,
            BY_START,
            await list_sessions(resources, viewer, which, page.keyset),
            key=lambda row: (row.starts_at, row.id),
            node=Session.of,
            count=lambda: count_sessions(resources, viewer, which),
        )
