"""GraphQL over server-sent events, distinct connections mode: one operation, one response.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Once the stream has begun, every error is an event in it; what the HTTP request itself got wrong was refused before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

import orjson
from graphql import OperationType
from starlette.types import Receive, Send

from app.api.errors import Unauthenticated
from app.api.transport.requests import GraphQLRequest, RequestInfo
from app.api.transport.service import Payload, Service, V

# LF, not CRLF: urql splits events at two line feeds.
_COMPLETE: Final = b"event: complete\ndata: \n\n"
_COMMENT: Final = b":\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStreams:
    """The streams that are open."""

    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(
        self, service: Service[V], request: GraphQLRequest, viewer: V, info: RequestInfo, receive: Receive, send: Send
    ) -> None:
        """Streams until the operation is over, the credentials end, the caller is gone, or `close` is called."""
        info = RequestInfo(request_id=info.request_id, transport="sse", address=info.address)
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"vary", b"accept"),
            (b"x-accel-buffering", b"no"),  # nginx would hold events back
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", info.request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        stream = asyncio.create_task(_stream(service, request, viewer, info, send))
        gone = asyncio.create_task(_disconnection(receive))
        self._open.add(stream)
        try:
            await asyncio.wait({stream, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(stream)
            for task in (stream, gone):
                task.cancel()
            await asyncio.wait({stream, gone})
        if not stream.cancelled():
            stream.result()
        if not gone.done() or gone.cancelled():
            await send({"type": "http.response.body", "body": b""})

    @property
    def number(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """Ends every stream without `complete`, so that its client connects again, elsewhere."""
        for stream in self._open:
            stream.cancel()


async def _stream(service: Service[V], request: GraphQLRequest, viewer: V, info: RequestInfo, send: Send) -> None:
    async def emit(data: bytes) -> None:
        try:
            async with asyncio.timeout(service.limits.send_seconds):
                await send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            raise _NotReadError from None

    with suppress(_NotReadError):
        async with aclosing(_payloads(service, request, viewer, info)) as payloads:
            try:
                async with asyncio.timeout(service.seconds_left(viewer)):
                    await _forward(payloads, emit, service.limits.keep_alive_seconds)
            except TimeoutError:
                ended = Unauthenticated("The token has expired.")
                await emit(_next({"errors": service.refusal(ended, info)}))
        await emit(_COMPLETE)


class _NotReadError(Exception):
    """The caller does not read what is sent, so there is nothing more to tell them."""


async def _payloads(
    service: Service[V], request: GraphQLRequest, viewer: V, info: RequestInfo
) -> AsyncGenerator[Payload, None]:
    """Every answer of the operation; errors are answers too."""
    name: str | None = None
    try:
        operation = await service.prepare(request, viewer)
        name = operation.name
        if operation.kind is OperationType.SUBSCRIPTION:
            async with aclosing(service.events(operation, viewer, info)) as events:
                async for payload in events:
                    yield payload
        else:
            yield await service.answer(operation, viewer, info)
    except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
        yield {"errors": service.refusal(exception, info, name)}


async def _forward(
    payloads: AsyncGenerator[Payload, None], emit: Callable[[bytes], Awaitable[None]], keep_alive_seconds: float
) -> None:
    """Emits each answer as it comes, and comments while none does."""
    while True:
        coming = asyncio.ensure_future(anext(payloads, None))
        try:
            while not (await asyncio.wait({coming}, timeout=keep_alive_seconds))[0]:
                await emit(_COMMENT)
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait({coming})
        payload = coming.result()
        if payload is None:
            return
        await emit(_next(payload))


def _next(payload: Payload) -> bytes:
    return b"event: next\ndata: " + orjson.dumps(payload) + b"\n\n"


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
