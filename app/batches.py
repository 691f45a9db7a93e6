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
    for `gather_seconds` at least, and `at_once` of them may be on their way.
    """

    __slots__ = (
        "_at_once",
        "_close",
        "_gather_seconds",
        "_gathered",
        "_is_gathering",
        "_running",
        "_send",
        "_tasks",
    )

    def __init__(
        self,
        send: Callable[[list[Request]], Awaitable[list[Answer]]],
        close: Callable[[], Awaitable[None]] | None = None,
        *,
        gather_seconds: float = 0.0,
        at_once: int = 1,
    ) -> None:
        self._send = send
        self._close = close
        self._gather_seconds = gather_seconds
        self._at_once = at_once
        self._gathered: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._is_gathering = False
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, request: Request) -> Answer:
        """Raises what `send` raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._gathered.append((request, answer))
        if not self._is_gathering and self._running < self._at_once:
            self._is_gathering = True
            self._running += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def close(self) -> None:
        """When what is on its way has been answered; nothing may be asked any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._close is not None:
            await self._close()

    async def _run(self) -> None:
        try:
            await self._send_batches()
        finally:
            # At once, not when the task is known to be done: who is answered may ask again before.
            self._running -= 1

    async def _send_batches(self) -> None:
        """Batch after batch, unless another run gathers the next one."""
        while True:
            self._is_gathering = True
            if self._gather_seconds:
                await asyncio.sleep(self._gather_seconds)
            batch, self._gathered = self._gathered, []
            self._is_gathering = False
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
            if self._is_gathering or not self._gathered:
                return
