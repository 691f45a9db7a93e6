"""Compression of large answers, where the client accepts it; event streams pass as they are, and so
do answers that were kept compressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipResponder, IdentityResponder

from app.api.transport.bodies import LEVEL, MIN_BYTES, takes_gzip

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Compression:
    """Middleware. An answer to POST is cached by nobody, so it needs no `Vary`: for clients that
    take no gzip it passes untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            if takes_gzip(scope["headers"]):
                app = GZipResponder(app, MIN_BYTES, LEVEL)
            elif scope["method"] != "POST":
                app = IdentityResponder(app, MIN_BYTES)
        await app(scope, receive, send)
