"""The straight way of operations: POSTs to the GraphQL endpoint go to it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Container

    from starlette.types import ASGIApp, Receive, Scope, Send


class Straight:
    """The outermost middleware. What it bypasses serves pages: it matches routes, adds headers,
    turns exceptions into answers and compresses. The endpoint does the same itself, in less time.
    """

    def __init__(self, app: ASGIApp, *, endpoint: ASGIApp, paths: Container[str]) -> None:
        self._app = app
        self._endpoint = endpoint
        self._paths = paths

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        is_operation = (
            scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths
        )
        return (self._endpoint if is_operation else self._app)(scope, receive, send)
