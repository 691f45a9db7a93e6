"""A mail server in a process of its own that takes every letter at once: what is measured is the
sender.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

END_OF_LETTER = b"\r\n.\r\n"
EXTENSIONS = b"250-mail\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


@dataclass(frozen=True, slots=True)
class Taker:
    """The server, as its parent sees it."""

    port: int
    pipe: Connection

    def count(self) -> int:
        """How many letters it has taken so far."""
        self.pipe.send("count")
        taken: int = self.pipe.recv()
        return taken


@contextmanager
def taking() -> Iterator[Taker]:
    """The server, for as long as the block lasts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Taker(ours.recv(), ours)
    finally:
        ours.send(None)
        process.join()


def _serve(parent: Connection) -> None:
    asyncio.run(_run(parent))


async def _run(parent: Connection) -> None:
    loop, ended, taken = asyncio.get_running_loop(), asyncio.Event(), [0]

    def asked() -> None:
        if parent.recv() is None:
            ended.set()
        else:
            parent.send(taken[0])

    server = await loop.create_server(lambda: _Client(taken), "127.0.0.1", 0)
    loop.add_reader(parent.fileno(), asked)
    parent.send(server.sockets[0].getsockname()[1])
    await ended.wait()


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, taken: list[int]) -> None:
        self._taken = taken
        self._received = b""
        self._in_letter = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(b"220 mail\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            end = END_OF_LETTER if self._in_letter else b"\r\n"
            line, found, rest = self._received.partition(end)
            if not found:
                return
            self._received = rest
            self._answer(line[:4].upper())

    def _answer(self, verb: bytes) -> None:
        assert self._transport is not None
        if self._in_letter:
            self._in_letter = False
            self._taken[0] += 1
            self._transport.write(b"250 2.0.0 Ok: queued as %d\r\n" % self._taken[0])
        elif verb == b"DATA":
            self._in_letter = True
            self._transport.write(b"354 go on\r\n")
        else:
            self._transport.write(EXTENSIONS if verb == b"EHLO" else b"250 fine\r\n")
            if verb == b"QUIT":
                self._transport.close()
