"""GraphQL over HTTP: POST of JSON; answers in both JSON media types, and as an event stream where
that is preferred.

https://graphql.github.io/graphql-over-http/draft/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.execution.operations import Operation, OperationRefused
from app.api.transport.bodies import Body, Headers, compressed, takes_gzip
from app.api.transport.negotiation import (
    EVENT_STREAM,
    JSON,
    RESPONSE_JSON,
    answer_type,
    is_json,
    language_of,
    wants_html,
)
from app.api.transport.requests import (
    CURRENT_REQUEST_ID,
    Credentials,
    GraphQLRequest,
    RequestInfo,
    address_of,
    credentials_in_headers,
    headers_of,
    read_request,
    request_id_of,
)
from app.api.transport.service import Payload, Service, V
from app.api.transport.sse import EventStream, EventStreams
from app.api.words.errors import Code, Failure
from app.deadlines import within

IDE = Callable[[Request], Response]

# How many times the limit is read of a body that is too large.
_READ_ON: Final = 4
_OK: Final = HTTPStatus.OK  # looked up once: its class takes as long as three calls
_VARY: Final = b"accept, accept-language"
# Codes of failures with an HTTP status of their own, for every media type.
_STATUS: Final = {
    Code.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.SERVICE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.INTERNAL_SERVER_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class _Rejected(Exception):  # noqa: N818  says what happened
    """The HTTP request itself is not acceptable."""

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.status = status
        self.failure = Failure(Code.BAD_REQUEST, message)
        self.headers = headers or {}


class _Gone(Exception):  # noqa: N818  says what happened
    """The client has disconnected."""


class SendsWhole(Protocol):
    """A server's `send` that takes an answer with status 200 as a whole. Where the server has none,
    or a middleware hides it, the answer is sent by ASGI's messages.
    """

    def whole(self, lines: bytes, body: bytes) -> Awaitable[None]:
        """`lines` are the headers as they go over the wire, with the body's length and without
        `connection`; they are not checked.
        """


class _Head:
    """The headers that all answers of one kind have, and the same as they go over the wire."""

    __slots__ = ("fields", "lines")

    def __init__(self, fields: Headers) -> None:
        self.fields = fields
        self.lines = b"".join(b"%b: %b\r\n" % each for each in fields)


def _heads(common: Headers) -> dict[tuple[str, bool], _Head]:
    """By media type, and whether the answer is compressed."""
    return {
        (media, is_gzipped): _Head(
            (
                (b"content-type", b"%b; charset=utf-8" % media.encode()),
                (b"cache-control", b"no-store"),
                *(
                    ((b"content-encoding", b"gzip"), (b"vary", _VARY + b", Accept-Encoding"))
                    if is_gzipped
                    else ((b"vary", _VARY),)
                ),
                *common,
            )
        )
        for media in (JSON, RESPONSE_JSON)
        for is_gzipped in (False, True)
    }


class HttpTransport(Generic[V]):
    """The ASGI application behind the HTTP route. Every answer has the headers `common`."""

    __slots__ = ("_heads", "ide", "service", "streams")

    def __init__(self, *, service: Service[V], ide: IDE | None, common: Headers) -> None:
        self.service = service
        self.ide = ide
        self.streams = EventStreams(common=common)
        self._heads = _heads(common)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        accept = headers.get("accept")
        media = answer_type(accept)
        transport: Literal["http", "sse"] = "sse" if media == EVENT_STREAM else "http"
        info = RequestInfo(
            request_id=request_id_of(scope),
            transport=transport,
            address=address_of(scope),
            language=language_of(headers.get("accept-language")),
            takes_gzip=takes_gzip(scope["headers"]),
        )
        CURRENT_REQUEST_ID.set(info.request_id)
        if scope["method"] == "GET" and self.ide is not None and wants_html(accept):
            page = self.ide(Request(scope, receive))
            page.headers["x-request-id"] = info.request_id
            await page(scope, receive, send)
            return
        answer = _Answer(send, self._heads, info, RESPONSE_JSON if media == RESPONSE_JSON else JSON)
        try:
            if scope["method"] != "POST":
                allow = {"allow": "POST" if self.ide is None else "GET, POST"}
                raise _Rejected(  # noqa: TRY301  answered below
                    HTTPStatus.METHOD_NOT_ALLOWED, "Operations are sent by POST.", allow
                )
            if media is None:
                raise _Rejected(  # noqa: TRY301  answered below
                    HTTPStatus.NOT_ACCEPTABLE,
                    f"Answers are {JSON}, {RESPONSE_JSON} or {EVENT_STREAM}.",
                )
            said = await self._body(headers, receive)
            credentials = credentials_in_headers(headers, info.address)
            try:
                viewer = await self.service.identify(credentials)
            except Exception:
                _request_in(said)  # What is wrong with the request is said first.
                raise
            if media == EVENT_STREAM:
                stream = await self._stream(_request_in(said), credentials, viewer, info)
                with stream.place():
                    await self.streams.serve(stream, receive, send)
            else:
                await self._run(said, viewer, info, answer)
        except _Gone:
            return
        except _Rejected as rejected:
            await answer.refuse(
                rejected.status,
                [self.service.answers.exception(rejected.failure, info)],
                rejected.headers,
            )
        except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
            errors = self.service.refusal(exception, info)
            await answer.refuse(_status_of(errors, HTTPStatus.BAD_REQUEST), errors)

    async def _run(self, said: bytes, viewer: V, info: RequestInfo, answer: _Answer) -> None:
        try:
            body = await self.service.body(said, _request_in, viewer, info)
        except OperationRefused as refused:
            # The older media type answers 200 to every well-formed request, so that its clients
            # read the body.
            status = HTTPStatus.OK if answer.media == JSON else HTTPStatus.BAD_REQUEST
            await answer.refuse(status, self.service.refusal(refused, info))
            return
        if isinstance(body, Body):
            await answer.send_body(_OK, body)
        elif "data" in body:
            await answer.give(HTTPStatus.OK, body)
        else:
            await answer.refuse(_status_of(body["errors"], HTTPStatus.OK), body["errors"])

    async def _stream(
        self, request: GraphQLRequest, credentials: Credentials, viewer: V, info: RequestInfo
    ) -> EventStream[V]:
        """Errors of the request are sent in the stream; only callers who may not stream now are
        refused before it.
        """
        try:
            operation: Operation | OperationRefused = await self.service.prepare(request, viewer)
        except OperationRefused as refused:
            operation = OperationRefused(*refused.errors)  # without frames, which would keep it
        return EventStream(
            service=self.service,
            operation=operation,
            credentials=credentials,
            viewer=viewer,
            info=info,
        )

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Raises _Rejected unless the body is said to be JSON, small enough and in time."""
        if (
            not is_json(headers.get("content-type"))
            or headers.get("content-encoding", "identity") != "identity"
        ):
            raise _Rejected(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Type must be {JSON}, in UTF-8, uncompressed.",
            )
        try:
            return await within(self.service.limits.body_seconds, self._read(receive))
        except TimeoutError:
            raise _Rejected(
                HTTPStatus.REQUEST_TIMEOUT, "The body came too slowly.", {"connection": "close"}
            ) from None

    async def _read(self, receive: Receive) -> bytes:
        """Reads and discards the rest of a too large body for a while: otherwise the caller would
        not get the answer.
        """
        most = self.service.limits.body_bytes
        chunks: list[bytes] = []
        size = 0
        more = True
        while more and size <= most * _READ_ON:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            size += len(message.get("body", b""))
            if size <= most:
                chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        if size > most:
            headers = {"connection": "close"} if more else {}
            raise _Rejected(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have {most} bytes.", headers
            )
        return b"".join(chunks)


def _request_in(body: bytes) -> GraphQLRequest:
    """Raises _Rejected where it is no JSON, and Failure where it is no request."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _Rejected(
            HTTPStatus.BAD_REQUEST, f"The body is not JSON in UTF-8: {error.msg}."
        ) from None
    return read_request(read)


def _status_of(errors: list[Payload], otherwise: HTTPStatus) -> HTTPStatus:
    return next(
        (_STATUS[code] for error in errors if (code := error["extensions"]["code"]) in _STATUS),
        otherwise,
    )


class _Answer(NamedTuple):
    """Sends the one answer of a request."""

    send: Send
    heads: Mapping[tuple[str, bool], _Head]
    info: RequestInfo
    media: str

    async def give(
        self, status: HTTPStatus, payload: Payload, headers: Mapping[str, str] | None = None
    ) -> None:
        await self.send_body(status, Body(orjson.dumps(payload)), headers)

    async def send_body(
        self, status: HTTPStatus, body: Body, headers: Mapping[str, str] | None = None
    ) -> None:
        """Compressed, if it is large and the client takes it so."""
        if self.info.takes_gzip:
            body = await compressed(body)
        is_gzipped = body.gzipped is not None and self.info.takes_gzip
        sent = body.plain if body.gzipped is None or not is_gzipped else body.gzipped
        head = self.heads[self.media, is_gzipped]
        request_id = self.info.request_id.encode()
        whole = getattr(self.send, "whole", None)
        if whole is not None and status is _OK and not headers:
            own = b"x-request-id: %b\r\ncontent-length: %d\r\n" % (request_id, len(sent))
            await whole(head.lines + own, sent)
            return
        fields = [
            *head.fields,
            (b"x-request-id", request_id),
            (b"content-length", b"%d" % len(sent)),
            *((name.encode(), value.encode()) for name, value in (headers or {}).items()),
        ]
        await self.send({"type": "http.response.start", "status": int(status), "headers": fields})
        await self.send({"type": "http.response.body", "body": sent})

    async def refuse(
        self,
        status: HTTPStatus,
        errors: list[dict[str, Any]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        wait = next((error["extensions"].get("retryAfterSeconds") for error in errors), None)
        if wait is not None:
            headers = {**(headers or {}), "retry-after": str(wait)}
        if status is HTTPStatus.UNAUTHORIZED:
            headers = {**(headers or {}), "www-authenticate": "Bearer"}
        await self.give(status, {"errors": errors}, headers)
