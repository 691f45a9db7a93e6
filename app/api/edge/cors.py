"""CORS: which pages of other origins may call, where the settings list any."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.datastructures import Headers
    from starlette.types import Message, Receive, Scope, Send

    from app.api.transport import SendsWhole


class Cors(CORSMiddleware):
    """Starlette's, which leaves a server's `send` able to take an answer as a whole."""

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        if not hasattr(send, "whole"):
            await super().simple_response(scope, receive, send, request_headers)
            return
        lines: list[bytes] = []

        async def keep(message: Message) -> None:
            lines.extend(b"%b: %b\r\n" % each for each in message["headers"])

        await self.send({"type": "http.response.start"}, keep, request_headers)
        own = partial(self.send, send=send, request_headers=request_headers)
        server = cast("SendsWhole", send)
        await self.app(scope, receive, _Sending(own, server, b"".join(lines)))


class _Sending:
    """Adds these lines to an answer that is sent as a whole."""

    __slots__ = ("_lines", "_send", "_server")

    def __init__(self, send: Send, server: SendsWhole, lines: bytes) -> None:
        self._send = send
        self._server = server
        self._lines = lines

    def __call__(self, message: Message) -> Awaitable[None]:
        return self._send(message)

    def whole(self, lines: bytes, body: bytes) -> Awaitable[None]:
        return self._server.whole(lines + self._lines, body)
