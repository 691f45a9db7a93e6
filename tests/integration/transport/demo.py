"""A small schema that does everything a transport must cope with, and an endpoint that
serves it.
"""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Annotated, Any
from uuid import UUID

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from strawberry.schema.config import StrawberryConfig

from app.admission.shedding import Shedding
from app.api.transport import CURRENT_REQUEST_ID, Credentials, GraphQLEndpoint, Limits, RequestInfo
from app.api.transport.documents import SharedDocuments
from app.api.words.errors import (
    BadUserInput,
    Code,
    Failure,
    Forbidden,
    Unauthenticated,
)
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
from app.api.words.scalars import (
    SCALARS,
    LocalTime,
    TimeZoneName,
)

SECRET = "the password is swordfish"
BY_NUMBER = Order(name="providers", types=(int,))


class DatabaseGoneError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Viewer:
    name: str
    expires_at: datetime | None = None


@dataclass(slots=True)
class Context:
    number: int
    viewer: Viewer
    info: RequestInfo
    world: "World"


@dataclass(slots=True)
class World:
    """What the tests look at and turn."""

    contexts: Any = field(default_factory=lambda: count(1))
    identified: list[Credentials] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    sources_open: int = 0
    bumping: int = 0
    bumps: int = 0
    why: str | None = None
    bump_seconds: float = 0
    database_gone: bool = False

    async def identify(self, credentials: Credentials) -> Viewer:
        self.identified.append(credentials)
        await asyncio.sleep(0)
        if self.database_gone:
            raise DatabaseGoneError(SECRET)
        match credentials.authorization:
            case None:
                return Viewer("nobody")
            case "Bearer brief":
                return Viewer("brief", datetime.now(UTC) + timedelta(seconds=0.4))
            case "Bearer over":
                return Viewer("over", datetime.now(UTC) - timedelta(seconds=1))
            case "Bearer elsewhere":
                raise Forbidden("The token is another organization's.")
            case "Bearer slow":
                await asyncio.sleep(60)
            case "Bearer crash":
                raise RuntimeError(SECRET)
            case "Bearer long":
                raise Unauthenticated("é" * 200)
            case str(text) if text.startswith("Bearer ok") and text not in self.withdrawn:
                return Viewer(text.removeprefix("Bearer "))
        raise Unauthenticated("The token is not valid.")

    def context(self, viewer: Viewer, info: RequestInfo) -> Context:
        if viewer.name == "ok-without-context":
            raise RuntimeError(SECRET)
        return Context(next(self.contexts), viewer, info, self)


Info = strawberry.Info[Context, None]


@strawberry.type
class Service:
    name: str

    @strawberry.field
    def providers(self) -> list["Provider"]:
        return [Provider(number=n) for n in range(2)]


@strawberry.type
class Day:
    slot_count: int


@strawberry.type
class Slot:
    starts_at: datetime


@strawberry.type
class Availability:
    days: list[Day]


@strawberry.type
class Provider:
    number: int

    @strawberry.field
    def id(self) -> strawberry.ID:
        return global_id("Provider", UUID(int=self.number))

    @strawberry.field
    def services(self) -> list[Service]:
        return [Service(name="cut")]

    @strawberry.field
    def availability(
        self, from_: Annotated[date, strawberry.argument(name="from")], to: date
    ) -> Availability | None:
        return Availability(days=[Day(slot_count=(to - from_).days)])

    @strawberry.field
    async def next_available_slot(self) -> Slot | None:
        await asyncio.sleep(0)
        return Slot(starts_at=datetime(2026, 3, 8, 14, tzinfo=UTC))


@strawberry.input
class RangeInput:
    start: LocalTime
    end: LocalTime


@strawberry.input
class ProbeInput:
    at: datetime
    zone: TimeZoneName | None = None
    ranges: list[RangeInput] = strawberry.field(default_factory=list)
    number: int = 5


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    async def context_number(self, info: Info) -> int:
        await asyncio.sleep(0)
        return info.context.number

    @strawberry.field
    def viewer(self, info: Info) -> str:
        return info.context.viewer.name

    @strawberry.field
    def transport(self, info: Info) -> str:
        return info.context.info.transport

    @strawberry.field
    def request_id(self) -> str | None:
        return CURRENT_REQUEST_ID.get()

    @strawberry.field
    def providers(
        self, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Provider] | None:
        page = PageRequest.read(BY_NUMBER, first=first, after=after, last=last, before=before)
        rows = list(range(page.fetch_limit))
        return connect(
            page, BY_NUMBER, rows, key=lambda row: (row,), node=lambda row: Provider(number=row)
        )

    @strawberry.field
    def nodes(self, ids: list[strawberry.ID]) -> list[Provider | None]:
        return [None for _ in ids]

    @strawberry.field
    def next_slots(self, first: int = 10) -> list[Slot] | None:
        return [Slot(starts_at=datetime(2026, 3, 8, 14, tzinfo=UTC))] * first

    @strawberry.field
    def probe(self, input: ProbeInput) -> str | None:  # noqa: A002  the contract's own name for it
        return f"{input.at.isoformat()} {len(input.ranges)} {input.number}"

    @strawberry.field
    def at_least(self, number: int = 3) -> int | None:
        return number

    @strawberry.field
    def boom(self) -> str | None:
        raise ValueError(SECRET)

    @strawberry.field
    async def boom_later(self) -> str:
        await asyncio.sleep(0)
        raise KeyError(SECRET)

    @strawberry.field
    def no_list(self) -> list[str] | None:
        return 5  # type: ignore[return-value]

    @strawberry.field
    def gone(self) -> str | None:
        raise DatabaseGoneError(SECRET)

    @strawberry.field
    def refuse(self) -> str | None:
        raise BadUserInput("Not like this.", "name")

    @strawberry.field
    def limited(self) -> str | None:
        raise Failure(Code.RATE_LIMITED, "Slow down.", retryAfterSeconds=3)

    @strawberry.field
    def unspeakable(self) -> str | None:
        return "\ud800"

    @strawberry.field
    async def sleep(self, seconds: float) -> str | None:
        await asyncio.sleep(seconds)
        return "rested"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def bump(self, info: Info, why: str | None = None) -> int | None:
        world = info.context.world
        world.why = why
        world.bumping += 1
        await asyncio.sleep(world.bump_seconds)
        world.bumps += 1
        return world.bumps


@strawberry.type
class Event:
    number: int

    @strawberry.field
    def context_number(self, info: Info) -> int:
        return info.context.number

    @strawberry.field
    def boom(self) -> str | None:
        raise ValueError(SECRET)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: Info, to: int, every: float = 0) -> AsyncGenerator[Event, None]:
        if to < 0:
            raise BadUserInput("to must not be negative.", "to")
        world = info.context.world
        world.sources_open += 1
        try:
            for number in range(to):
                await asyncio.sleep(every)
                yield Event(number=number)
        finally:
            world.sources_open -= 1

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[Event, None]:
        yield Event(number=0)
        raise ValueError(SECRET)

    @strawberry.subscription
    async def big(self, info: Info, kilobytes: int) -> AsyncGenerator[str, None]:
        info.context.world.sources_open += 1
        try:
            while True:
                yield "x" * 1024 * kilobytes
        finally:
            info.context.world.sources_open -= 1


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(scalar_map=SCALARS),
)


def page(_request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>an IDE</title>")


def endpoint(
    world: World,
    *,
    limits: Limits | None = None,
    introspection: bool = True,
    shared: SharedDocuments | None = None,
    listed: Mapping[str, str] | None = None,
    shedding: Shedding | None = None,
) -> GraphQLEndpoint[Viewer]:
    return GraphQLEndpoint(
        schema,
        identify=world.identify,
        make_context=world.context,
        limits=limits or Limits(),
        ide=page,
        introspection=introspection,
        unavailable=(DatabaseGoneError,),
        name_caller=lambda viewer: None if viewer.name == "nobody" else viewer.name,
        shared=shared,
        listed=listed,
        shedding=shedding,
    )


def application(world: World | None = None) -> Starlette:
    """For a server of its own: `uvicorn --factory tests.integration.transport.demo:application`."""
    return Starlette(routes=endpoint(world or World()).routes())
