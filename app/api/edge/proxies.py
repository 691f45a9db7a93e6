"""The caller's address behind trusted proxies, put where the server puts its peer's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.network import forwarded_address

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class TrustedProxies:
    """Middleware: takes the address from X-Forwarded-For, counted from the right, as many hops as
    are ours.
    """

    def __init__(self, app: ASGIApp, *, hops: int) -> None:
        self._app = app
        self._hops = hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            values = [
                value.decode("latin-1")
                for name, value in scope["headers"]
                if name == b"x-forwarded-for"
            ]
            address = forwarded_address(values, self._hops)
            if address is not None:
                scope = {**scope, "client": (address, 0)}
        await self._app(scope, receive, send)
