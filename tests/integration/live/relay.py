"""A wire between a process and Redis that can go dead without a word: connections stay open, and
nothing arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Relay:
    """Passes bytes on, until `die`; whoever connects anew is served again."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._alive = asyncio.Event()
        self._alive.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def die(self) -> None:
        self._alive.clear()
        self._alive = asyncio.Event()
        self._alive.set()

    @asynccontextmanager
    async def url(self) -> AsyncIterator[str]:
        """The address to connect to instead."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield urlunsplit(
                self._target._replace(
                    netloc=self._target.netloc.replace(str(self._target.port), str(port))
                )
            )
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there_reader, there_writer = await asyncio.open_connection(
            self._target.hostname, self._target.port
        )
        alive = self._alive
        try:
            await asyncio.gather(
                _pass_on(reader, there_writer, alive), _pass_on(there_reader, writer, alive)
            )
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, there_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()


async def _pass_on(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, alive: asyncio.Event
) -> None:
    while data := await source.read(65_536):
        if alive.is_set():
            sink.write(data)
    sink.close()
