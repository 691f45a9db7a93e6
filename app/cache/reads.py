"""Reads that are made side by side in one process, by one request or by many, become one MGET.

A read is sent after it was asked for, never before, so whoever asks after a change sees what stands after it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

Values: TypeAlias = "list[bytes | None]"


class Reads:
    """Batches: while one is on its way, the next one gathers."""

    __slots__ = ("_gathered", "_redis", "_sending")

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._gathered: list[tuple[Sequence[str], asyncio.Future[Values]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def get(self, keys: Sequence[str]) -> Values:
        """The values of the keys, in order. Raises what the client raises."""
        answer: asyncio.Future[Values] = asyncio.get_running_loop().create_future()
        self._gathered.append((keys, answer))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        while self._gathered:
            batch, self._gathered = self._gathered, []
            places: dict[str, int] = {}
            for keys, _ in batch:
                for key in keys:
                    places.setdefault(key, len(places))
            try:
                values: Values = await self._redis.mget(list(places))
            except Exception as error:  # noqa: BLE001  whoever asked is told
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for keys, answer in batch:
                if not answer.done():
                    answer.set_result([values[places[key]] for key in keys])
