"""A subscriber on a real socket or event stream, which keeps the latest event of each provider's
date.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.builders import Caller, Json
from tests.plain_http import NO_TLS

PATIENCE_SECONDS: Final = 30.0

AVAILABILITY: Final = """
    subscription ($providerIds: [ID!]!, $from: Date!, $to: Date!, $timeZone: TimeZone, $serviceId: ID) {
        availabilityChanges(
            providerIds: $providerIds, from: $from, to: $to, timeZone: $timeZone, serviceId: $serviceId
        ) { providerId date startTimes slots { startsAt localStart } isSnapshot revision }
    }
"""
APPOINTMENTS: Final = """
    subscription { appointmentChanges { kind appointment { id status customer { name } contact { name } } } }
"""


class Watcher:
    """What was received so far; no event may be a step back."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], Json] = {}
        self.news: list[Json] = []
        self.errors: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.is_complete = False
        self._changed = asyncio.Condition()

    async def take(self, payload: Json) -> None:
        if "errors" in payload:
            self.errors.append(payload["errors"])
        if (change := (payload.get("data") or {}).get("availabilityChanges")) is not None:
            key = change["providerId"], change["date"]
            before = self.last.get(key)
            assert change["isSnapshot"] == (before is None)
            assert before is None or change["revision"] > before["revision"]
            assert change["startTimes"] == [slot["startsAt"] for slot in change["slots"]]
            self.last[key] = change
        elif (news := (payload.get("data") or {}).get("appointmentChanges")) is not None:
            self.news.append(news)
        await self.notify()

    async def notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(
        self, is_so: Callable[[Watcher], object], *, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Waits until this holds of what was received."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: is_so(self))

    def starts(self, provider: Json, day: object) -> list[str] | None:
        change = self.last.get((provider["id"], str(day)))
        return None if change is None else [start[11:16] for start in change["startTimes"]]


@asynccontextmanager
async def over_socket(
    base: httpx.URL, caller: Caller, document: str, **variables: object
) -> AsyncIterator[Watcher]:
    """Subscribed by graphql-transport-ws, credentials in `connection_init`."""
    watcher = Watcher()
    url = str(base.copy_with(scheme="ws", path="/graphql"))
    async with connect(
        url, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None
    ) as connection:
        payload = (
            {"authorization": f"Bearer {caller.token}"}
            if caller.token
            else {"organization": caller.organization}
        )
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await connection.recv()) == {"type": "connection_ack"}
        asked = {"query": document, "variables": variables}
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": asked}))
        reading = asyncio.create_task(_read(connection, watcher))
        try:
            yield watcher
        finally:
            reading.cancel()
            failures = await asyncio.gather(reading, return_exceptions=True)
        assert isinstance(failures[0], asyncio.CancelledError | None), failures


async def _read(connection: ClientConnection, watcher: Watcher) -> None:
    try:
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "next":
                await watcher.take(message["payload"])
            elif message["type"] == "error":
                await watcher.take({"errors": message["payload"]})
            elif message["type"] == "complete":
                watcher.is_complete = True
                await watcher.notify()
    except ConnectionClosed:
        pass
    watcher.closed = (connection.close_code or 0, connection.close_reason or "")
    await watcher.notify()


@asynccontextmanager
async def over_events(
    base: httpx.URL, caller: Caller, document: str, **variables: object
) -> AsyncIterator[Watcher]:
    """Subscribed by server-sent events, credentials in the headers."""
    watcher = Watcher()

    async def read(response: httpx.Response) -> None:
        event = ""
        try:
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data" and event == "next":
                    await watcher.take(json.loads(value))
        except httpx.TransportError as error:
            watcher.closed = (0, str(error))
        watcher.is_complete = event == "complete"
        await watcher.notify()

    async with (
        httpx.AsyncClient(base_url=base, timeout=None, verify=NO_TLS) as client,  # noqa: S113  a stream lasts
        client.stream(
            "POST",
            "/graphql",
            json={"query": document, "variables": variables},
            headers=[*caller.headers, (b"accept", b"text/event-stream")],
        ) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(read(response))
        try:
            yield watcher
        finally:
            reading.cancel()
            failures = await asyncio.gather(reading, return_exceptions=True)
        assert isinstance(failures[0], asyncio.CancelledError | None), failures
