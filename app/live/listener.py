"""The listener: one connection to Redis for all channels of this process. It reconnects whenever
the connection is lost.

Redis does not repeat messages sent during a disconnection. So each time a channel is joined, the
first time too, `joined` reports that messages may have been missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from app.redis_client import BROKEN_REDIS, describe
from app.tasks import Tasks, end

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from app.live.pace import Counts, Pace

_log: Final = logging.getLogger(__name__)


class _SilentError(OSError):
    """Redis does not answer."""


class Listener:
    """Listens to channels. `received` is called with each message, `joined` whenever a channel was
    joined or rejoined.
    """

    __slots__ = (
        "_channels",
        "_counts",
        "_joined",
        "_pace",
        "_received",
        "_redis",
        "_task",
        "_tasks",
        "_woken",
    )

    def __init__(
        self,
        redis: Redis,
        *,
        received: Callable[[bytes, bytes], None],
        joined: Callable[[bytes], None],
        tasks: Tasks,
        pace: Pace,
        counts: Counts,
    ) -> None:
        self._redis = redis
        self._received = received
        self._joined = joined
        self._tasks = tasks
        self._pace = pace
        self._counts = counts
        self._channels: set[str] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def listen(self, channel: str) -> None:
        """Joins the channel as soon as possible, and rejoins it after each disconnection."""
        self._channels.add(channel)
        self._woken.set()
        if self._task is None:
            self._task = self._tasks.start(self._run())

    def leave(self, channel: str) -> None:
        """Leaves the channel: it has no listener any more."""
        self._channels.discard(channel)
        self._woken.set()

    async def _run(self) -> None:
        failures = 0
        try:
            while self._channels:
                # A connection of our own, not the client's PubSub: that one reconnects silently,
                # and endlessly where Redis answers with an error.
                line = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
                try:
                    await line.connect()
                    failures = 0
                    await self._serve(line)
                except BROKEN_REDIS as outage:
                    if not failures:
                        _log.warning(
                            "could not listen to Redis, changes may arrive late: %s",
                            describe(outage),
                        )
                    self._counts.disconnections += 1
                    await asyncio.sleep(self._pace.retry_after(failures))
                    failures += 1
                finally:
                    await line.disconnect(nowait=True)
        finally:
            self._task = None

    async def _serve(self, line: AbstractConnection) -> None:
        tasks = {asyncio.create_task(self._speak(line)), asyncio.create_task(self._read(line))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(tasks)

    async def _speak(self, line: AbstractConnection) -> None:
        """Joins and leaves channels and pings Redis at intervals, until no channel is wanted any
        more.
        """
        joined: set[str] = set()
        while self._channels:
            self._woken.clear()
            new, old = self._channels - joined, joined - self._channels
            if new:
                await line.send_command("SUBSCRIBE", *new, check_health=False)
            if old:
                await line.send_command("UNSUBSCRIBE", *old, check_health=False)
            joined = (joined | new) - old
            try:
                async with asyncio.timeout(self._pace.ping_seconds):
                    await self._woken.wait()
            except TimeoutError:
                await line.send_command("PING", check_health=False)

    async def _read(self, line: AbstractConnection) -> None:
        while True:
            message = await line.read_response(
                timeout=3 * self._pace.ping_seconds, disconnect_on_error=False
            )
            match message:
                case None:
                    raise _SilentError("Redis has been silent for too long")
                case [b"message", channel, data]:
                    self._received(channel, data)
                case [b"subscribe", channel, _]:
                    self._joined(channel)
