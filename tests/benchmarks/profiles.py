"""Where the time of a cached listing and of a booking goes, by part of the program; the server's
own HTTP is not in it.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from typing import Any

from starlette.applications import Starlette

from app.api.words.relay import global_id
from app.process.asgi import create_app
from app.process.wiring import open_resources
from tests.benchmarks import world as worlds
from tests.benchmarks.booking import booking, free
from tests.benchmarks.listing import WEEK

PARTS = (
    (
        "GraphQL: arguments, resolvers, completing",
        ("/graphql/", "/strawberry/", "app/api/execution/"),
    ),
    ("Redis: its client, keys, what comes and goes", ("/redis/", "app/cache/", "app/free_times/")),
    ("PostgreSQL: its client, statements", ("/asyncpg/", "app/store/")),
    (
        "transport: HTTP, documents, limits, who asks",
        ("/starlette/", "app/api/transport", "usecases/callers/identify", "app/process/asgi"),
    ),
    ("the API's types, texts", ("app/api/", "/orjson")),
    ("use cases and the law", ("app/usecases/", "app/core/")),
    ("the event loop, sockets", ("asyncio", "selectors", "socket", "select.epoll", "contextvars")),
)
LISTINGS, BOOKINGS, SIDE_BY_SIDE = 2_000, 400, 16


async def ask(application: Starlette, body: bytes) -> None:
    """One request, without a socket."""
    bodies = iter([body])

    async def receive() -> dict[str, Any]:
        following = next(bodies, None)
        if following is None:
            await asyncio.sleep(3_600)
        return {"type": "http.request", "body": following or b"", "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401  Starlette's
        assert message.get("status", 200) == 200, message

    headers = {"host": "bench", "content-type": "application/json", "accept": "application/json"}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/graphql",
        "raw_path": b"/graphql", "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await application(scope, receive, send)


async def profiled(
    application: Starlette, bodies: Iterator[bytes], count: int
) -> list[tuple[str, float]]:
    """The parts' shares of the time that the program was busy, the largest first."""

    async def client() -> None:
        for _ in range(count // SIDE_BY_SIDE):
            await ask(application, next(bodies))

    await ask(application, next(bodies))
    gc.collect()
    profile = cProfile.Profile()
    profile.enable()
    await asyncio.gather(*(client() for _ in range(SIDE_BY_SIDE)))
    profile.disable()
    spent: Counter[str] = Counter()
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = pstats.Stats(
        profile
    ).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own, _, _) in stats.items():
        if "poll" not in name:  # waiting is no work
            spent[part_of(f"{file} {name}")] += own  # type: ignore[assignment]  # a Counter of seconds
    whole = sum(spent.values())
    return [(part, own / whole) for part, own in spent.most_common()]


def part_of(where: str) -> str:
    return next(
        (part for part, marks in PARTS if any(mark in where for mark in marks)),
        "Python's own types",
    )


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def measure() -> list[tuple[str, list[tuple[str, float]]]]:
    async with worlds.world() as world:
        async with open_resources(world.settings) as resources:
            wanted = await free(resources, world, world.providers[10:40])
        application = create_app(world.settings)
        async with application.router.lifespan_context(application):
            provider = str(global_id("Provider", world.providers[0]))
            last = worlds.MONDAY + timedelta(days=6)
            variables = {"id": provider, "from": str(worlds.MONDAY), "to": str(last)}
            week = json.dumps({"query": WEEK, "variables": variables}).encode()
            bookings = (
                body_of(booking(provider, start, number))
                for number, (provider, start) in enumerate(wanted)
            )
            return [
                ("A cached listing", await profiled(application, repeat(week), LISTINGS)),
                ("A booking", await profiled(application, bookings, BOOKINGS)),
            ]


def shares(found: list[tuple[str, list[tuple[str, float]]]]) -> str:
    """In Markdown."""
    lines = []
    for what, parts in found:
        lines += [f"| {what}: part | share |", "|---|---|"]
        lines += [f"| {part} | {share:.0%} |" for part, share in parts]
        lines.append("")
    return "\n".join(lines)


def main() -> str:
    return shares(asyncio.run(measure()))
