"""The GraphQL endpoint: one path, served over HTTP and over WebSockets."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic

import strawberry
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from app.admission.shedding import Shedding
from app.api.execution.limits import Limits
from app.api.execution.operations import Operations
from app.api.transport.answers import Answers
from app.api.transport.bodies import Headers
from app.api.transport.documents import Documents, SharedDocuments, check_list
from app.api.transport.http import IDE, HttpTransport
from app.api.transport.known import FindAnswer, KeepAnswer
from app.api.transport.places import Places
from app.api.transport.requests import Credentials, RequestInfo
from app.api.transport.service import Service, V
from app.api.transport.watch import Watch
from app.api.transport.websocket import SocketTransport


def _real_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  tokens expire by the real clock, whatever the program's clock says


class GraphQLEndpoint(Generic[V]):
    """Serves a schema.

    `identify` returns the viewer; it raises Unauthenticated or Forbidden, and is called again for
    every operation on a socket. `make_context` is called for every operation and for every event of
    a subscription, so that a context never holds old data. `name_caller` names callers, to count
    their subscriptions; where it returns None, their address does. `shared` stores the documents
    that callers register by their hash. If there are `listed` documents, from `read_list`, only
    those run; UnfitDocumentsError means that one of them never could. `ide` answers browsers with a
    page. Without `introspection` nothing reveals the schema, error messages included. Exceptions of
    the kinds in `unavailable` mean that a dependency is down. `watch` sees every operation, and may
    refuse it. Every answer over HTTP has the `headers`. `find_known` and `keep_known` answer
    queries with the bytes of earlier answers. `plain` executes as the library does, to find out
    which executor makes a wrong answer.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        identify: Callable[[Credentials], Coroutine[Any, Any, V]],
        make_context: Callable[[V, RequestInfo], object],
        limits: Limits,
        ide: IDE | None,
        introspection: bool,
        name_caller: Callable[[V], Hashable | None] = lambda _viewer: None,
        shared: SharedDocuments | None = None,
        listed: Mapping[str, str] | None = None,
        unavailable: tuple[type[BaseException], ...] = (),
        watch: Watch[V] | None = None,
        plain: bool = False,
        headers: Headers = ((b"x-content-type-options", b"nosniff"),),
        find_known: FindAnswer[V] | None = None,
        keep_known: KeepAnswer[V] | None = None,
        clock: Callable[[], datetime] = _real_clock,
        shedding: Shedding | None = None,
    ) -> None:
        self._operations = Operations(
            schema,
            limits=limits,
            introspection=introspection,
            unavailable=unavailable,
            plain=plain,
        )
        if listed is not None:
            check_list(listed, self._operations)
        service = Service(
            operations=self._operations,
            documents=Documents(operations=self._operations, listed=listed, shared=shared),
            identifier=identify,
            name_caller=name_caller,
            make_context=make_context,
            subscriptions=Places(limits.subscriptions_per_caller),
            limits=limits,
            answers=Answers(unavailable),
            clock=clock,
            watch=watch or Watch(),
            find_known=find_known,
            keep_known=keep_known,
            shedding=shedding or Shedding(),
        )
        self._http = HttpTransport(service=service, ide=ide, common=headers)
        self._sockets = SocketTransport(service=service, places=Places(limits.sockets_per_address))

    @property
    def http(self) -> ASGIApp:
        """The part that answers over HTTP."""
        return self._http

    def routes(self, path: str = "/graphql") -> list[BaseRoute]:
        """To be mounted as they are: `Mount` would refuse the socket."""
        return [Route(path, self._http), WebSocketRoute(path, self._sockets)]

    @property
    def open_sockets(self) -> int:
        return self._sockets.number

    @property
    def open_streams(self) -> int:
        return self._http.streams.number

    async def close_all(self, seconds: float) -> None:
        """Ends every socket (1012) and event stream, so that clients reconnect; mutations may
        finish within this time.

        To be called when the server stops accepting, before it waits for its connections: an open
        event stream would block it forever.
        """
        self._sockets.close()
        self._http.streams.close()
        await self._operations.finish(seconds)
