"""Shutdown: what a server process does between SIGTERM and its end, in an order that loses no
request.

First readiness turns red, so that load balancers send no new requests. Some seconds later, the
server stops accepting connections and closes sockets and streams, so that their clients reconnect
elsewhere. Running requests finish while there is time. A second signal skips the wait.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

STOPPED_SECONDS: Final = 0.3
"""The server checks ten times a second whether to stop; after that, no client can reconnect to it.
"""


class Leaving:
    """For how long the process still accepts after the signal, and then lets finish what runs."""

    def __init__(self, *, drain_seconds: float, finishing_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._finishing_seconds = finishing_seconds
        self._begun_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        return self._begun_at is not None

    @property
    def seconds_left(self) -> float:
        """Until running requests have to be given up; the whole time if no signal has arrived."""
        if self._begun_at is None:
            return self._finishing_seconds
        return max(
            0.0, self._begun_at + self._drain_seconds + self._finishing_seconds - monotonic()
        )

    @contextmanager
    def watched(self, close_all: Callable[[float], Awaitable[None]]) -> Iterator[None]:
        """Handles signals before the server's own handlers while the block runs; in the main
        thread only.

        `close_all` is called when no new connection can arrive, with the seconds that are left.
        """
        loop = asyncio.get_running_loop()
        servers = {number: signal.getsignal(number) for number in SIGNALS}

        def stop(number: int, frame: FrameType | None) -> None:
            handler = servers[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)

        async def leave(number: int) -> None:
            await asyncio.sleep(self._drain_seconds)
            stop(number, None)
            await asyncio.sleep(STOPPED_SECONDS)
            await close_all(self.seconds_left)

        def begin(number: int) -> None:
            if not self.has_begun:
                self._begun_at = monotonic()
                self._task = loop.create_task(leave(number))

        def handle(number: int, frame: FrameType | None) -> None:
            if self.has_begun:
                stop(number, frame)
            else:
                loop.call_soon_threadsafe(begin, number)

        for number in SIGNALS:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in servers.items():
                signal.signal(number, handler)
