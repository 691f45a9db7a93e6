"""A relay between a process and its PostgreSQL or Redis, which can reset connections, or stop
forwarding without closing them. It runs in a thread of its own, so it also serves other processes
and other event loops.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

PATIENCE_SECONDS: Final = 10.0

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST, not FIN."""

T = TypeVar("T")


class Relay:
    """Passes bytes on between its address and a server's."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._loop = asyncio.new_event_loop()
        self._wires: set[_Wire] = set()
        self._refuses = False
        self.port = 0

    @property
    def url(self) -> str:
        """The address to connect to instead of the server's."""
        assert self._target.hostname is not None
        before, _, _ = self._target.netloc.rpartition("@")
        netloc = f"{before}@127.0.0.1:{self.port}" if before else f"127.0.0.1:{self.port}"
        return urlunsplit(self._target._replace(netloc=netloc))

    @contextmanager
    def running(self) -> Iterator[Relay]:
        """Serves until the block ends; then every connection is reset."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        server = self._run(self._start())
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._run(self._stop(server))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(PATIENCE_SECONDS)
            self._loop.close()

    def reset(self) -> int:
        """Resets all connections, those in the middle of a statement included; how many."""
        return self._call(lambda: sum(wire.reset() for wire in list(self._wires)))

    def refuse(self) -> None:
        """Resets all connections, and each new one as soon as it is made, until `serve`."""
        self._refuses = True
        self.reset()

    def serve(self) -> None:
        """New connections are served again."""
        self._refuses = False

    def die(self) -> None:
        """All connections stay open, and nothing arrives on them any more."""
        self._call(lambda: sum(wire.die() for wire in self._wires))

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._call(lambda: len(self._wires))

    def _call(self, act: Callable[[], T]) -> T:
        async def acting() -> T:
            return act()

        return self._run(acting())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        for wire in list(self._wires):
            wire.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            _reset(writer)
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(
                self._target.hostname, self._target.port
            )
        except OSError:  # the server is away
            _reset(writer)
            return
        wire = _Wire(writer, there_writer)
        self._wires.add(wire)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(
                    wire.pass_on(reader, there_writer), wire.pass_on(there_reader, writer)
                )
        finally:
            self._wires.discard(wire)
            for end in (writer, there_writer):
                end.close()


class _Wire:
    """One connection, by its two ends."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._ends = (near, far)
        self._is_dead = False

    def die(self) -> int:
        self._is_dead = True
        return 1

    def reset(self) -> int:
        for end in self._ends:
            _reset(end)
        return 1

    async def pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if not self._is_dead:
                sink.write(data)
                await sink.drain()
        if not self._is_dead:
            sink.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
