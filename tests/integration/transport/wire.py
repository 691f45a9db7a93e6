"""A real server on a real port, and clients that can send anything to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.admission.shedding import Shedding
from app.api.transport import GraphQLEndpoint, Limits
from app.api.transport.documents import SharedDocuments
from tests.integration.transport.demo import Viewer, World, endpoint
from tests.plain_http import NO_TLS

# Nothing here takes a second; what takes this long hangs.
PATIENCE_SECONDS = 10
JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"


async def until(true: Callable[[], object]) -> None:
    """Waits for what the server does in its own time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a test talks to."""

    world: World
    endpoint: GraphQLEndpoint[Viewer]
    client: httpx.AsyncClient
    port: int

    async def post(self, query: str, *, accept: str = JSON, **rest: object) -> httpx.Response:
        return await self.client.post(
            "/graphql", json={"query": query, **rest}, headers={"accept": accept}
        )

    @asynccontextmanager
    async def socket(
        self,
        *,
        protocol: str | None = "graphql-transport-ws",
        init: object = None,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[Socket]:
        """A socket; acknowledged already where `init` is given."""
        async with connect(
            f"ws://127.0.0.1:{self.port}/graphql",
            subprotocols=None if protocol is None else [Subprotocol(protocol)],
            additional_headers=headers,
            compression=None,
            close_timeout=1,
        ) as connection:
            socket = Socket(connection)
            if init is not None:
                await socket.send({"type": "connection_init", "payload": init})
                assert await socket.receive() == {"type": "connection_ack"}
            yield socket


@dataclass(frozen=True, slots=True)
class Socket:
    connection: ClientConnection

    async def send(self, message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = json.loads(await self.connection.recv())
        assert isinstance(message, dict)
        return message

    async def subscribe(self, key: str, query: str, **rest: object) -> None:
        await self.send({"type": "subscribe", "id": key, "payload": {"query": query, **rest}})

    async def run(self, key: str, query: str, **rest: object) -> list[dict[str, Any]]:
        """Every message about the operation, up to its last."""
        await self.subscribe(key, query, **rest)
        messages = [await self.receive()]
        while messages[-1]["type"] == "next":
            messages.append(await self.receive())
        assert {message["id"] for message in messages} == {key}
        return messages

    async def closed(self) -> tuple[int, str]:
        """The code and the reason that the server closes with, once it does."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    await self.connection.recv()
        except ConnectionClosed:
            return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def serving(
    limits: Limits | None = None,
    *,
    introspection: bool = True,
    shared: SharedDocuments | None = None,
    listed: Mapping[str, str] | None = None,
    shedding: Shedding | None = None,
) -> AsyncIterator[Served]:
    world = World()
    served = endpoint(
        world,
        limits=limits,
        introspection=introspection,
        shared=shared,
        listed=listed,
        shedding=shedding,
    )
    async with serving_application(Starlette(routes=served.routes()), lifespan="off") as base:
        port = int(base.rsplit(":", 1)[1])
        try:
            async with httpx.AsyncClient(
                base_url=base, timeout=PATIENCE_SECONDS, verify=NO_TLS
            ) as client:
                yield Served(world=world, endpoint=served, client=client, port=port)
            # all subscriptions are gone, and their sources with them
            await until(lambda: not world.sources_open)
        finally:
            await served.close_all(PATIENCE_SECONDS)


@asynccontextmanager
async def serving_application(
    application: Starlette, *, lifespan: Literal["on", "off"] = "on"
) -> AsyncIterator[str]:
    """An application in the test's own loop, on a port of its own; its address."""
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_config=None, lifespan=lifespan, ws_max_size=2**20
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.stop.set()
        await running


class _Server(uvicorn.Server):
    """In the test's own loop: ends at once, and leaves the signals to the test."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stop.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def events_of(text: str) -> list[tuple[str, Any]]:
    """The events of a stream, split as urql splits them: at two line feeds; comments
    are left out.
    """
    events: list[tuple[str, Any]] = []
    for chunk in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in chunk.split("\n") if ": " in line)
        if "event" in fields:
            events.append(
                (fields["event"], json.loads(fields["data"]) if fields.get("data") else None)
            )
    return events
