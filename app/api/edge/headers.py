"""Headers of every HTTP response, from any handler: no sniffing, no framing, no referrer for other
sites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.api.transport import CURRENT_REQUEST_ID, request_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""For responses that are not pages: a browser that shows one runs nothing. Pages have a policy of
their own.
"""


def secure_headers(hsts_seconds: int) -> list[tuple[bytes, bytes]]:
    """What every response has. With `hsts_seconds` 0, no `Strict-Transport-Security`."""
    headers = [
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", POLICY.encode()),
    ]
    if hsts_seconds:
        value = f"max-age={hsts_seconds}; includeSubDomains"
        headers.append((b"strict-transport-security", value.encode()))
    return headers


class SecureHeaders:
    """Middleware: adds those of `headers` that a response lacks, and its request id."""

    def __init__(self, app: ASGIApp, *, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        CURRENT_REQUEST_ID.set(request_id)
        ours = [*self._headers, (b"x-request-id", request_id.encode())]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = [*message.get("headers", ())]
                names = {name.lower() for name, _ in said}
                message["headers"] = said + [header for header in ours if header[0] not in names]
            await send(message)

        await self._app(scope, receive, send_with_headers)
