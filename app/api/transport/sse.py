"""GraphQL over server-sent events, distinct connections mode: one operation, one response.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Once the stream has begun, every error is an event in it. Faults of the HTTP request itself, and
callers above their limits, are refused before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias

import orjson
from graphql import OperationType
from starlette.types import Receive, Send

from app.api.execution.operations import Operation, OperationRefused
from app.api.transport.bodies import Headers
from app.api.transport.requests import Credentials, RequestInfo
from app.api.transport.service import Payload, Service, V
from app.api.words.errors import Failure

# LF, not CRLF: urql splits events at two line feeds.
_COMPLETE: Final = b"event: complete\ndata: \n\n"
_COMMENT: Final = b":\n\n"

_Emit: TypeAlias = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream(Generic[V]):
    """A stream and its caller: the answers of an operation, or why there are none."""

    service: Service[V]
    operation: Operation | OperationRefused
    credentials: Credentials
    viewer: V
    info: RequestInfo

    def place(self) -> AbstractContextManager[None]:
        """The caller's place, held while the stream runs. Raises Failure if the caller has no place
        left for a subscription.
        """
        if (
            isinstance(self.operation, Operation)
            and self.operation.kind is OperationType.SUBSCRIPTION
        ):
            return self.service.place(self.viewer, self.info)
        return nullcontext()

    async def run(self, send: Send) -> None:
        """Runs until the operation ends, the caller's token ends, or the caller stops reading."""

        async def emit(data: bytes) -> None:
            try:
                async with asyncio.timeout(self.service.limits.send_seconds):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            except TimeoutError:
                raise _NotReadError from None

        lapse = asyncio.create_task(self.service.lapse(self.credentials, self.viewer))
        try:
            with suppress(_NotReadError):
                async with aclosing(self._payloads()) as payloads:
                    refusal = await self._forward(payloads, emit, lapse)
                    if refusal is not None:
                        await emit(_next({"errors": self.service.refusal(refusal, self.info)}))
                await emit(_COMPLETE)
        finally:
            lapse.cancel()

    async def _payloads(self) -> AsyncGenerator[Payload, None]:
        """Every answer of the operation; errors are answers too."""
        operation = self.operation
        if isinstance(operation, OperationRefused):
            yield {"errors": self.service.refusal(operation, self.info)}
            return
        try:
            if operation.kind is OperationType.SUBSCRIPTION:
                async with aclosing(
                    self.service.events(operation, self.viewer, self.info)
                ) as events:
                    async for payload in events:
                        yield payload
            else:
                yield await self.service.answer(operation, self.viewer, self.info)
        except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
            yield {"errors": self.service.refusal(exception, self.info, operation.name)}

    async def _forward(
        self, payloads: AsyncGenerator[Payload, None], emit: _Emit, lapse: asyncio.Task[Failure]
    ) -> Failure | None:
        """Emits each answer as it comes, and comments while none does. Returns why it stopped, if
        the caller was the cause.
        """
        pause = self.service.limits.keep_alive_seconds
        while True:
            coming = asyncio.ensure_future(anext(payloads, None))
            try:
                while not (
                    await asyncio.wait(
                        {coming, lapse}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                    )
                )[0]:
                    await emit(_COMMENT)
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            if lapse.done():
                return lapse.result()
            payload = coming.result()
            if payload is None:
                return None
            await emit(_next(payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStreams:
    """The streams that are open."""

    common: Headers
    """Headers of every stream."""
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, stream: EventStream[V], receive: Receive, send: Send) -> None:
        """Streams until it is over, the caller is gone, or `close` is called."""
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"vary", b"accept, accept-language"),
            (b"x-accel-buffering", b"no"),  # nginx would hold events back
            *self.common,
            (b"x-request-id", stream.info.request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        running = asyncio.create_task(stream.run(send))
        gone = asyncio.create_task(_disconnection(receive))
        self._open.add(running)
        try:
            await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(running)
            for task in (running, gone):
                task.cancel()
            await asyncio.wait({running, gone})
        if not running.cancelled():
            running.result()
        if not gone.done() or gone.cancelled():
            await send({"type": "http.response.body", "body": b""})

    @property
    def number(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """Ends every stream without `complete`, so that its client connects again, elsewhere."""
        for stream in self._open:
            stream.cancel()


class _NotReadError(Exception):
    """The caller does not read, so nothing more can be sent to them."""


def _next(payload: Payload) -> bytes:
    return b"event: next\ndata: " + orjson.dumps(payload) + b"\n\n"


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
