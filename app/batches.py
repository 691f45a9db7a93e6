"""Batches: requests that are made side by side in one process are sent together.

A batch is sent after everything in it was asked for, never before. While one is on its way, the
next one gathers: a rush makes larger batches, not more connections. Three kinds of senders need
more than that:

    gather_seconds     a batch costs much, and requests come in spurts: it waits for more of them
    at_once, most      sending computes and waits in turns: several batches are on their way, each
                       of a bounded size
    patience_seconds   a batch may have to wait for something else: after a while, the next one
                       leaves without waiting for it
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Batches(Generic[Request, Answer]):
    """Requests that `send` answers in order, as many at once as have gathered, `most` at most. Each
    batch gathers for `gather_seconds` at least. Up to `at_once` of them are on their way, not
    counting those that took longer than `patience_seconds`: while there are others, the next one
    leaves once a `crowd` has gathered, which is `most` unless it is given.
    """

    __slots__ = (
        "_at_once",
        "_close",
        "_crowd",
        "_gather_seconds",
        "_gathered",
        "_late",
        "_most",
        "_patience_seconds",
        "_send",
        "_senders",
    )

    def __init__(
        self,
        send: Callable[[list[Request]], Awaitable[list[Answer]]],
        close: Callable[[], Awaitable[None]] | None = None,
        *,
        gather_seconds: float = 0.0,
        at_once: int = 1,
        most: int | None = None,
        crowd: int | None = None,
        patience_seconds: float | None = None,
    ) -> None:
        self._send = send
        self._close = close
        self._gather_seconds = gather_seconds
        self._at_once = at_once
        self._most = most
        self._crowd = crowd or most
        self._patience_seconds = patience_seconds
        self._gathered: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._senders: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()
        """They were senders, and end with the batch that they are sending."""

    async def ask(self, request: Request) -> Answer:
        """Raises what `send` raises. A request is sent even if its caller is cancelled."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._gathered.append((request, answer))
        if len(self._senders) < self._at_once and self._may_leave(len(self._senders)):
            self._start()
        return await answer

    async def close(self) -> None:
        """When what is on its way has been answered; nothing may be asked any more."""
        while on_their_way := self._senders | self._late:
            await asyncio.wait(on_their_way)  # if we are cancelled, they go on
        if self._close is not None:
            await self._close()

    def _start(self) -> None:
        self._senders.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        own = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            while own in self._senders and self._may_leave(len(self._senders) - 1):
                await self._send_in_time(own)
        finally:  # at once: the next one to ask must find that nobody sends
            self._senders.discard(own)
            self._late.discard(own)
            if not self._senders and any(not waiting.done() for _, waiting in self._gathered):
                self._start()  # we were cancelled

    async def _send_in_time(self, own: asyncio.Task[None]) -> None:
        if self._patience_seconds is None:
            await self._send_batch()
            return
        late = asyncio.get_running_loop().call_later(self._patience_seconds, self._is_late, own)
        try:
            await self._send_batch()
        finally:
            late.cancel()

    def _is_late(self, sender: asyncio.Task[None]) -> None:
        self._senders.discard(sender)
        self._late.add(sender)
        if self._gathered:
            self._start()

    def _may_leave(self, others: int) -> bool:
        """Whether a batch may leave while so many others are on their way."""
        gathered, crowd = len(self._gathered), self._crowd
        return gathered > 0 and (others == 0 or (crowd is not None and gathered >= crowd))

    async def _send_batch(self) -> None:
        if self._gather_seconds:
            await asyncio.sleep(self._gather_seconds)
        batch = self._gathered[: self._most]
        del self._gathered[: self._most]
        try:
            answers = await self._send([request for request, _ in batch])
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)
        except Exception as error:  # noqa: BLE001  every caller gets it
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
        finally:
            for _, waiting in batch:
                waiting.cancel()  # we were cancelled; it changes nothing where there is an answer
