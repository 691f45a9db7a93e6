"""GraphQL over WebSocket, the protocol graphql-transport-ws; the older graphql-ws protocol is not
spoken.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

A failing operation does not affect the others. A violation of the protocol closes the socket, with
the protocol's code for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Generic

import orjson
from graphql import OperationType
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.transport.negotiation import language_of
from app.api.transport.places import Places, network_of
from app.api.transport.requests import (
    CURRENT_REQUEST_ID,
    GraphQLRequest,
    RequestInfo,
    address_of,
    credentials_in_headers,
    credentials_in_payload,
    headers_of,
    new_request_id,
    read_request,
)
from app.api.transport.service import Service, V
from app.api.words.errors import (
    Code,
    Failure,
    Forbidden,
    Unauthenticated,
)

PROTOCOL: Final = "graphql-transport-ws"

# RFC 6455, section 5.5: a control frame carries 125 bytes, two of which are the code.
_LONGEST_REASON: Final = 123
# For the close frame to be taken; what remains is the server's.
_CLOSING_SECONDS: Final = 1
# Ids of operations are the client's: UUIDs or numbers, as a rule.
_LONGEST_ID: Final = 255


class CloseCode(IntEnum):
    """Why a socket is closed. Clients treat codes from 4400 on, except 4403, as their own mistakes,
    and do not reconnect.
    """

    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    CONNECTION_INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INITIALISATION_REQUESTS = 4429
    INTERNAL_SERVER_ERROR = 4500


# The codes that close a socket whose caller could not be identified; for any other, the caller is
# refused.
_NOT_INITIALISED: Final = {
    Code.INTERNAL_SERVER_ERROR: CloseCode.INTERNAL_SERVER_ERROR,
    Code.RATE_LIMITED: CloseCode.TRY_AGAIN_LATER,
    Code.SERVICE_UNAVAILABLE: CloseCode.TRY_AGAIN_LATER,
}


class _Close(Exception):  # noqa: N818  says what to do
    """The socket is to be closed."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__()
        self.code = code
        self.reason = reason


class _GoneError(Exception):
    """The client has left, or does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTransport(Generic[V]):
    """The ASGI application behind the WebSocket route, and the sockets that are open."""

    service: Service[V]
    places: Places
    _open: set[_Socket[V]] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if PROTOCOL not in scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"Speak {PROTOCOL}")
            return
        await websocket.accept(PROTOCOL)
        with self.places.place(network_of(address_of(scope))) as free:
            if not free:
                # A code of 4400 or more would tell the client never to come back.
                await websocket.close(
                    CloseCode.TRY_AGAIN_LATER, "Too many sockets are open from this address"
                )
                return
            socket = _Socket(self.service, websocket)
            self._open.add(socket)
            try:
                await socket.serve()
            finally:
                self._open.discard(socket)

    @property
    def number(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """Tells every client to connect again, elsewhere."""
        for socket in self._open:
            socket.end(CloseCode.SERVICE_RESTART, "The server is restarting")


class _Socket(Generic[V]):
    """One socket: its caller, and the operations that run."""

    def __init__(self, service: Service[V], websocket: WebSocket) -> None:
        self._service = service
        self._websocket = websocket
        headers = headers_of(websocket.scope)
        self._credentials = credentials_in_headers(headers, address_of(websocket.scope))
        self._language = language_of(headers.get("accept-language"))
        self._initialised = False
        self._acknowledged = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()  # cancelled by the client, and tidying up
        self._guards: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        loop = asyncio.get_running_loop()
        self._end: asyncio.Future[_Close | None] = loop.create_future()
        self._timer = loop.call_later(
            service.limits.init_seconds,
            self.end,
            CloseCode.CONNECTION_INITIALISATION_TIMEOUT,
            "Connection initialisation timeout",
        )

    def end(self, code: CloseCode, reason: str) -> None:
        if not self._end.done():
            self._end.set_result(_Close(code, reason))

    async def serve(self) -> None:
        """Runs until the client leaves or the socket is closed; then cleans up everything of it."""
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({reading, self._end}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._timer.cancel()
            tasks = {reading, *self._operations.values(), *self._leaving, *self._guards}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        close = self._end.result() if self._end.done() else reading.result()
        if close is not None:
            # A client that does not read gets no close frame; the server then drops the connection.
            with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await self._websocket.close(close.code, _cut(close.reason))

    # ------------------------------------------------------------ messages in

    async def _read(self) -> _Close | None:
        """Handles messages in their order; what to close with, or None where the client left."""
        try:
            while (event := await self._websocket.receive())["type"] == "websocket.receive":
                await self._handle(self._message(event))
        except _Close as close:
            return close
        except _GoneError:
            pass
        except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
            self._service.refusal(exception, self._info())
            return _Close(CloseCode.INTERNAL_SERVER_ERROR, "Internal server error")
        return None

    def _message(self, event: Mapping[str, Any]) -> dict[str, Any]:
        text = event.get("text")
        if text is None:
            raise _Close(CloseCode.BAD_REQUEST, "Messages are text")
        if len(text) > self._service.limits.body_bytes:
            raise _Close(
                CloseCode.MESSAGE_TOO_BIG,
                f"A message may have {self._service.limits.body_bytes} bytes",
            )
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise _Close(CloseCode.BAD_REQUEST, "Messages are JSON") from None
        if not isinstance(message, dict):
            raise _Close(CloseCode.BAD_REQUEST, "Messages are JSON objects")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._initialise(_payload(message) or {})
            case "subscribe":
                await self._subscribe(_id(message), _payload(message) or {})
            case "complete":
                if (task := self._operations.pop(_id(message), None)) is not None:
                    task.cancel()
                    self._leaving.add(task)
                    task.add_done_callback(self._leaving.discard)
            case "ping":
                payload = _payload(message)
                await self._send(
                    {"type": "pong"} if payload is None else {"type": "pong", "payload": payload}
                )
            case "pong":
                _payload(message)
            case _:
                raise _Close(CloseCode.BAD_REQUEST, "Unknown message type")

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._initialised:
            raise _Close(
                CloseCode.TOO_MANY_INITIALISATION_REQUESTS, "Too many initialisation requests"
            )
        self._initialised = True
        try:
            self._credentials = credentials_in_payload(payload, self._credentials)
        except Failure as failure:
            raise _Close(CloseCode.BAD_REQUEST, failure.message) from None
        try:
            viewer = await self._service.identify(self._credentials)
        except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
            (error,) = self._service.refusal(exception, self._info())
            code = _NOT_INITIALISED.get(error["extensions"]["code"], CloseCode.FORBIDDEN)
            raise _Close(code, error["message"]) from None
        self._timer.cancel()
        self._guards.add(asyncio.create_task(self._guard(viewer)))
        await self._send({"type": "connection_ack"})
        self._acknowledged = True

    async def _guard(self, viewer: V) -> None:
        refusal = await self._service.lapse(self._credentials, viewer)
        self.end(CloseCode.FORBIDDEN, refusal.message)

    async def _subscribe(self, key: str, payload: dict[str, Any]) -> None:
        if not self._acknowledged:
            raise _Close(CloseCode.UNAUTHORIZED, "Unauthorized")
        if key in self._operations:
            raise _Close(
                CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {key} already exists"
            )
        try:
            request = read_request(payload)
        except Failure as failure:
            raise _Close(CloseCode.BAD_REQUEST, failure.message) from None
        most = self._service.limits.operations_per_socket
        if len(self._operations) + len(self._leaving) >= most:
            busy = Failure(
                Code.RATE_LIMITED,
                f"At most {most} operations may run on a socket at the same time.",
            )
            await self._fail(key, busy, self._info())
            return
        self._operations[key] = asyncio.create_task(self._operate(key, request))

    # ------------------------------------------------------------ operations

    async def _operate(self, key: str, request: GraphQLRequest) -> None:
        """Runs one operation to its `complete` or `error`. A socket lives for hours, so the caller
        is re-identified.
        """
        info = self._info()
        CURRENT_REQUEST_ID.set(info.request_id)
        name: str | None = None
        try:
            viewer = await self._service.identify(self._credentials)
            operation = await self._service.prepare(request, viewer)
            name = operation.name
            if operation.kind is OperationType.SUBSCRIPTION:
                with self._service.place(viewer, info):
                    async with aclosing(self._service.events(operation, viewer, info)) as events:
                        async for payload in events:
                            await self._send({"id": key, "type": "next", "payload": payload})
            else:
                payload = await self._service.answer(operation, viewer, info)
                if "data" not in payload:
                    self._operations.pop(key, None)
                    await self._send({"id": key, "type": "error", "payload": payload["errors"]})
                    return
                await self._send({"id": key, "type": "next", "payload": payload})
            self._operations.pop(key, None)
            await self._send({"id": key, "type": "complete"})
        except _GoneError:
            pass
        except (Unauthenticated, Forbidden) as refusal:
            self.end(CloseCode.FORBIDDEN, refusal.message)
        except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
            self._operations.pop(key, None)
            with suppress(_GoneError):
                await self._fail(key, exception, info, name)

    async def _fail(
        self, key: str, exception: Exception, info: RequestInfo, operation: str | None = None
    ) -> None:
        errors = self._service.refusal(exception, info, operation)
        await self._send({"id": key, "type": "error", "payload": errors})

    # ------------------------------------------------------------ messages out

    async def _send(self, message: dict[str, Any]) -> None:
        """One message at a time, each once the client has read enough of those before. Raises
        _GoneError.
        """
        text = orjson.dumps(message).decode()
        try:
            async with asyncio.timeout(self._service.limits.send_seconds), self._sending:
                await self._websocket.send({"type": "websocket.send", "text": text})
        except TimeoutError:
            if not self._end.done():
                self._end.set_result(None)
            raise _GoneError from None
        except (WebSocketDisconnect, RuntimeError):
            raise _GoneError from None

    def _info(self) -> RequestInfo:
        return RequestInfo(
            request_id=new_request_id(),
            transport="websocket",
            address=self._credentials.address,
            language=self._language,
        )


def _id(message: dict[str, Any]) -> str:
    key = message.get("id")
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_ID:
        raise _Close(CloseCode.BAD_REQUEST, f"id must be a string of 1 to {_LONGEST_ID} characters")
    return key


def _payload(message: dict[str, Any]) -> dict[str, Any] | None:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise _Close(CloseCode.BAD_REQUEST, "payload must be an object")
    return payload


def _cut(reason: str) -> str:
    """As much of it as a close frame carries, whole characters only."""
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
