"""The listener: one connection to Redis for all channels of this process, made again whenever it is lost.

Whatever was said while it was away is not said again. So each time a channel is joined, the first time too, those who
listen there are told that they may have missed something.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from app.live.pace import Counts, Pace
    from app.live.tasks import Tasks

_log: Final = logging.getLogger(__name__)

_OUTAGES: Final = (RedisError, OSError, TimeoutError)


class _SilentError(OSError):
    """Redis does not answer."""


class Listener:
    """Hears channels; `heard` is called with each message, `joined` when a channel was joined or joined again."""

    __slots__ = ("_channels", "_counts", "_heard", "_joined", "_pace", "_redis", "_task", "_tasks", "_woken")

    def __init__(
        self,
        redis: Redis,
        *,
        heard: Callable[[bytes, bytes], None],
        joined: Callable[[bytes], None],
        tasks: Tasks,
        pace: Pace,
        counts: Counts,
    ) -> None:
        self._redis = redis
        self._heard = heard
        self._joined = joined
        self._tasks = tasks
        self._pace = pace
        self._counts = counts
        self._channels: set[str] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def listen(self, channel: str) -> None:
        """Join the channel as soon as possible, and stay."""
        self._channels.add(channel)
        self._woken.set()
        if self._task is None:
            self._task = self._tasks.start(self._run())

    def leave(self, channel: str) -> None:
        """Nobody wants to hear it any more."""
        self._channels.discard(channel)
        self._woken.set()

    async def _run(self) -> None:
        failures = 0
        while self._channels:
            try:
                async with self._redis.pubsub() as line:
                    joined: set[str] = set()
                    await self._join(line, joined)
                    failures = 0
                    await self._serve(line, joined)
            except _OUTAGES as outage:
                if not failures:
                    _log.warning("Redis can't be heard, changes may come late: %s", type(outage).__name__)
                self._counts.disconnections += 1
                await asyncio.sleep(self._pace.retry_after(failures))
                failures += 1
        self._task = None

    async def _serve(self, line: PubSub, joined: set[str]) -> None:
        tasks = {asyncio.create_task(self._speak(line, joined)), asyncio.create_task(self._hear(line))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, line: PubSub, joined: set[str]) -> None:
        """Joins and leaves, and asks now and then whether Redis is there; until nothing is to be heard any more."""
        while self._channels:
            self._woken.clear()
            await self._join(line, joined)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.ping_seconds):
                    await self._woken.wait()
                    continue
            await line.ping()

    async def _join(self, line: PubSub, joined: set[str]) -> None:
        new, old = self._channels - joined, joined - self._channels
        if new:
            await line.subscribe(*new)
        if old:
            await line.unsubscribe(*old)
        joined |= new
        joined -= old

    async def _hear(self, line: PubSub) -> None:
        longest_silence = 3 * self._pace.ping_seconds
        heard_at = monotonic()
        while True:
            message = await line.get_message(timeout=longest_silence)
            if message is None:
                if monotonic() - heard_at >= longest_silence:
                    raise _SilentError("Redis has been silent for too long")
                continue
            heard_at = monotonic()
            if message["type"] == "message":
                self._heard(message["channel"], message["data"])
            elif message["type"] == "subscribe":
                self._joined(message["channel"])
