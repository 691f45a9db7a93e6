"""Clients: a lean HTTP/1.1 load, so that little of the machine goes into asking."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter


def request(document: str, *, token: str | None = None, **variables: object) -> bytes:
    """A GraphQL request as it goes over the wire."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    head = [
        "POST /graphql HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "Accept: application/json",
        f"Content-Length: {len(body)}",
    ]
    if token is not None:
        head.append(f"Authorization: Bearer {token}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Load:
    """What came of it."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    """What `kind_of` made of the bodies."""
    bytes: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Of the latencies; 0.5 is the median."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


class _Client(asyncio.Protocol):
    def __init__(self, load: Load, requests: Iterator[bytes], kind_of: Callable[[bytes], str] | None) -> None:
        self.load, self.requests, self.kind_of = load, requests, kind_of
        self.buffer = b""
        self.expected: int | None = None
        self.sent_at = 0.0
        self.is_stopping = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self) -> None:
        following = None if self.is_stopping else next(self.requests, None)
        if following is None:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.sent_at = perf_counter()
        self.transport.write(following)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.expected is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            at = head.index(b"content-length:") + 15
            self.expected = end + 4 + int(head[at : head.find(b"\r", at) if head.find(b"\r", at) > 0 else None])
            self.body_at = end + 4
        if len(self.buffer) < self.expected:
            return
        self.load.latencies.append(perf_counter() - self.sent_at)
        self.load.statuses[int(self.buffer[9:12])] += 1
        self.load.bytes += len(self.buffer)
        if self.kind_of is not None:
            self.load.kinds[self.kind_of(self.buffer[self.body_at :])] += 1
        self.buffer, self.expected = b"", None
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's
        if not self.done.done():
            self.load.kinds["connection lost"] += 1
            self.done.set_result(None)


async def load(
    port: int,
    requests: Iterator[bytes],
    *,
    clients: int,
    seconds: float | None = None,
    kind_of: Callable[[bytes], str] | None = None,
) -> Load:
    """Each client asks, waits for the answer and asks again: for so long, or until there are no more requests."""
    found = Load()
    loop = asyncio.get_running_loop()
    connected: list[_Client] = []
    for _ in range(clients):
        _, client = await loop.create_connection(lambda: _Client(found, requests, kind_of), "127.0.0.1", port)
        connected.append(client)
    started = perf_counter()
    for client in connected:
        client.send()
    waiting = asyncio.gather(*(client.done for client in connected))
    if seconds is not None:
        await asyncio.sleep(seconds)
        found.seconds = perf_counter() - started
        for client in connected:
            client.is_stopping = True
        await waiting
    else:
        await waiting
        found.seconds = perf_counter() - started
    return found


async def once(port: int, wanted: bytes) -> dict[str, object]:
    """One answer, read."""
    bodies: list[bytes] = []

    def keep(body: bytes) -> str:
        bodies.append(body)
        return ""

    await load(port, iter([wanted]), clients=1, kind_of=keep)
    answer: dict[str, object] = json.loads(bodies[0])
    return answer
