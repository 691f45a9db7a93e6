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
    processor_seconds: float | None = None
    database_seconds: float | None = None
    """Of the process that did the work and of its connections, where that is not the API's."""

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Of the latencies; 0.5 is the median."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


class _Client(asyncio.Protocol):
    """One connection. `answered` is called when it is free again."""

    def __init__(
        self,
        load: Load,
        answered: Callable[[_Client], None],
        kind_of: Callable[[bytes], str] | None,
    ) -> None:
        self.load, self.answered, self.kind_of = load, answered, kind_of
        self.buffer = bytearray()
        self.expected: int | None = None
        self.sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, request: bytes) -> None:
        self.sent_at = perf_counter()
        self.transport.write(request)

    def close(self) -> None:
        self.transport.close()
        if not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.expected is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            at = head.index(b"content-length:") + 15
            self.expected = (
                end + 4 + int(head[at : head.find(b"\r", at) if head.find(b"\r", at) > 0 else None])
            )
            self.body_at = end + 4
        if len(self.buffer) < self.expected:
            return
        self.load.latencies.append(perf_counter() - self.sent_at)
        self.load.statuses[int(self.buffer[9:12])] += 1
        self.load.bytes += len(self.buffer)
        if self.kind_of is not None:
            self.load.kinds[self.kind_of(bytes(self.buffer[self.body_at :]))] += 1
        self.buffer, self.expected = bytearray(), None
        self.answered(self)

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
    """Each client asks, waits for the answer and asks again: for so long, or until there are no
    more requests.
    """
    found = Load()
    is_stopping = False

    def go_on(client: _Client) -> None:
        following = None if is_stopping else next(requests, None)
        if following is None:
            client.close()
        else:
            client.send(following)

    connected = [await _connected(port, _Client(found, go_on, kind_of)) for _ in range(clients)]
    started = perf_counter()
    for client in connected:
        go_on(client)
    waiting = asyncio.gather(*(client.done for client in connected))
    if seconds is not None:
        await asyncio.sleep(seconds)
        found.seconds = perf_counter() - started
        is_stopping = True
        await waiting
    else:
        await waiting
        found.seconds = perf_counter() - started
    return found


MOST_CONNECTIONS = 4_000
"""Of a flood. Without a bound, those of a process that can't keep up take all descriptors."""


async def flood(
    port: int,
    requests: Iterator[bytes],
    *,
    rate: float,
    seconds: float,
    kind_of: Callable[[bytes], str] | None = None,
) -> Load:
    """So many requests a second, whether those before them are answered or not; each on a
    connection that is free. Where `MOST_CONNECTIONS` wait for an answer, requests are not sent.
    """
    found = Load()
    free: list[_Client] = []
    connected: list[_Client] = []
    started = perf_counter()
    sent = 0
    while (elapsed := perf_counter() - started) < seconds:
        while sent < rate * elapsed:
            sent += 1
            if not free and len(connected) >= MOST_CONNECTIONS:
                found.kinds["not sent"] += 1
                continue
            if not free:
                free.append(await _connected(port, _Client(found, free.append, kind_of)))
                connected.append(free[-1])
            free.pop().send(next(requests))
        await asyncio.sleep(0.005)
    found.seconds = perf_counter() - started
    while len(free) < sum(not client.done.done() for client in connected):  # noqa: ASYNC110  a count, not an event
        await asyncio.sleep(0.02)
    for client in connected:
        client.close()
    return found


async def _connected(port: int, client: _Client) -> _Client:
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    return client


async def once(port: int, wanted: bytes) -> dict[str, object]:
    """One answer, read."""
    bodies: list[bytes] = []

    def keep(body: bytes) -> str:
        bodies.append(body)
        return ""

    await load(port, iter([wanted]), clients=1, kind_of=keep)
    answer: dict[str, object] = json.loads(bodies[0])
    return answer
