"""Batches: what is asked for side by side in one process travels together.

A batch leaves after everything in it was asked for, never before. While one is on its way the next
one gathers: a rush makes larger batches, not more connections. Where a batch costs much and what it
is asked for comes in spurts, it may wait a moment for the rest of one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Batches(Generic[Request, Answer]):
    """Requests that `send` answers in order, as many at once as have gathered. Each batch gathers
    for `gather_seconds` at least.
    """

    __slots__ = ("_close", "_gather_seconds", "_gathered", "_send", "_sending")

    def __init__(
        self,
        send: Callable[[list[Request]], Awaitable[list[Answer]]],
        close: Callable[[], Awaitable[None]] | None = None,
        *,
        gather_seconds: float = 0.0,
    ) -> None:
        self._send = send
        self._close = close
        self._gather_seconds = gather_seconds
        self._gathered: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Answer:
        """Raises what `send` raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._gathered.append((request, answer))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """When what is on its way has been answered; nothing may be asked any more."""
        if self._sending is not None:
            await self._sending
        if self._close is not None:
            await self._close()

    async def _run(self) -> None:
        while self._gathered:
            if self._gather_seconds:
                await asyncio.sleep(self._gather_seconds)
            batch, self._gathered = self._gathered, []
            try:
                answers = await self._send([request for request, _ in batch])
            except Exception as error:  # noqa: BLE001  every caller gets it
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_exception(error)
            else:
                for (_, waiting), answer in zip(batch, answers, strict=True):
                    if not waiting.done():
                        waiting.set_result(answer)
