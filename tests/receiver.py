"""A receiver of webhooks that answers as a test says, and keeps what it got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from standardwebhooks import Webhook as Verifier

CUT: Final = 0
"""In place of a status: the connection is closed without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def type(self) -> str:
        return str(self.message["type"])

    @property
    def subject(self) -> str:
        return str(self.message["data"]["subject_id"])

    @property
    def version(self) -> int:
        return int(self.message["data"]["version"])

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> None:
        """Raises unless the secret signed it within the last five minutes."""
        Verifier(secret).verify(self.body, self.headers)


Respond = Callable[[Received], Awaitable[int]]
"""The status to answer with, or `CUT`."""


async def accept(_: Received) -> int:
    return 204


@dataclass
class Receiver:
    """`respond` may be replaced at any time. `received` is everything that came, whatever it was
    answered.
    """

    respond: Respond = accept
    received: list[Received] = field(default_factory=list)
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, until either side ends it."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                got = Received(path=head[0].split(" ")[1], headers=headers, body=body)
                self.received.append(got)
                status = await self.respond(got)
                if status == CUT:
                    return
                said = b"" if status == 204 else f"answer {status}".encode()
                writer.write(
                    f"HTTP/1.1 {status} Said\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the other side has gone
        finally:
            writer.close()


@asynccontextmanager
async def receiving(respond: Respond = accept, *, port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver on this machine, for as long as the block lasts."""
    receiver = Receiver(respond=respond)
    talking: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            await receiver.talk(reader, writer)
        except asyncio.CancelledError:
            pass  # the receiver ends
        finally:
            talking.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tuple(talking):
            task.cancel()
        await asyncio.gather(*talking)
