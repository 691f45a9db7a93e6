"""Plain Strawberry, as its documentation shows it: the same fields, from objects that are ready in
memory, without any database, cache, limit or identity. What it can't do any faster is what every
answer of the library costs.

`python -m tests.benchmarks.plain PORT`
"""

# Strawberry reads annotations at run time, so they are not postponed here.
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL

SLOTS_A_DAY = 21
DAYS = 7
PROVIDERS = 100
START = datetime(2026, 6, 1, 9, tzinfo=UTC)


@strawberry.type
class Slot:
    starts_at: datetime
    ends_at: datetime
    local_start: str


@strawberry.type
class Availability:
    slots: list[Slot]


def a_week() -> list[Slot]:
    starts = [
        START + timedelta(days=day, minutes=20 * number)
        for day in range(DAYS)
        for number in range(SLOTS_A_DAY)
    ]
    return [
        Slot(starts_at=start, ends_at=start + timedelta(minutes=20), local_start=start.isoformat())
        for start in starts
    ]


WEEKS = [a_week() for _ in range(PROVIDERS)]


@strawberry.type
class Provider:
    number: strawberry.Private[int]

    @strawberry.field
    def availability(
        self,
        from_: Annotated[str, strawberry.argument(name="from")] = "",  # noqa: ARG002  asked for, and not needed
        to: str = "",  # noqa: ARG002
    ) -> Availability | None:
        return Availability(slots=WEEKS[self.number])


@strawberry.type
class Providers:
    nodes: list[Provider]


@strawberry.type
class Query:
    @strawberry.field
    def provider(self, id: strawberry.ID) -> Provider | None:  # noqa: A002, ARG002
        return Provider(number=0)

    @strawberry.field
    def providers(self, first: int = PROVIDERS) -> Providers | None:
        return Providers(nodes=[Provider(number=number) for number in range(first)])


def serve(port: int) -> None:
    view: GraphQL[object, object] = GraphQL(strawberry.Schema(query=Query))
    application = Starlette(routes=[Route("/graphql", view)])
    uvicorn.run(application, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
