"""Connections: how many there may be, and how long each may keep the server waiting.

uvicorn speaks HTTP/1.1 and WebSockets, and bounds neither how long a peer takes nor how many peers
there are. The two protocols here are uvicorn's, with a `Connection` that watches the peer:

    accepted ──> HEAD ──> BODY ──> answered ──> idle ──> HEAD …
                  │                   │
                  └──> a WebSocket <──┘

    HEAD     `header_seconds` from accepting, or from the first byte of the next request, until the
             head is there whole. At most 64 KiB in all: llhttp keeps an unfinished line for ever.
    BODY     `body_seconds` from there until the body is there whole, whatever the route. A handler
             may answer 408 at that time; the connection is cut a little later.
    UNREAD   `unread_seconds` from the moment the peer's window is full until it has taken
             everything, on HTTP, event streams and WebSockets alike. It runs along with the others.
    idle     uvicorn's own `timeout_keep_alive`.

Time in which the server itself does not read, as it does while it answers an earlier request, does
not count. A late connection is aborted, not closed: closing would wait for the peer once more.
Silence on a WebSocket is the business of `connection_init` and of uvicorn's pings.

A new connection is refused, by an abort, where the process or the network that it comes from has as
many as it may have. Behind a proxy every connection comes from one peer: there only the total
counts, and the proxy has to limit its callers.

The event loop accepts one connection in each of its turns, and a turn may serve hundreds of peers.
So with each connection that it accepts, some more are taken from the kernel's queue: those for
which there is no place are closed at once, the others are served in turns. Where connections are
counted by network, one of each network is served in a turn, `NEW_AT_ONCE` of them as fast as that,
and `NEW_PER_SECOND` from then on: a network that opens hundreds of connections at once delays its
own, not those of others. Elsewhere `UNPACED_AT_ONCE` are served in a turn.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import ExitStack
from enum import Enum
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.api.transport.places import Places, network_of
from app.telemetry import metrics

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Sized

    from uvicorn import Config
    from uvicorn._types import ASGISendEvent
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from app.settings import ConnectionSettings, Settings

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of a request's target, headers and trailers together, and of any line that goes on. Browsers and
proxies send 8 KiB at most.
"""

OWN_DESCRIPTORS: Final = 100
"""File descriptors reserved for everything but connections and the pool: listeners, Redis, logs,
keys of an identity provider.
"""

ACCEPTED_AT_ONCE: Final = 63
"""Connections taken from the kernel's queue in one turn of the event loop, besides the one that the
loop accepts. Other processes that listen there take theirs meanwhile.
"""

LAST_CHANCE_SECONDS: Final = 0.1
"""Between a deadline and the abort: data that arrived in time is read in this time, even if the
event loop was blocked.
"""

ANSWER_408_SECONDS: Final = 5
"""Between the deadline of a body and the end of its connection: for the answer that says so."""

_STATE: Final = "connections"

_SOCKETS_LOG: Final = logging.getLogger("uvicorn.error.sockets")
_SOCKETS_LOG.setLevel(logging.WARNING)
"""Without three lines for each WebSocket, a tenth of its handshake's time: requests
over HTTP are not logged either.
"""


class Awaited(Enum):
    """What the peer owes; also a label of the metric of connections that were cut."""

    HEAD = "head"
    BODY = "body"
    UNREAD = "unread"


NEW_AT_ONCE: Final = 8
NEW_PER_SECOND: Final = 40
"""New connections of one network that a process serves: a handshake with its first request takes
one to three milliseconds. A browser opens six at once.
"""


UNPACED_AT_ONCE: Final = 16
"""New connections that are served in one turn of the event loop where they are not paced, as behind
a proxy. Under load a turn takes some 20 ms; with one in each, some would wait as long as that load
lasts.
"""


class Turns:
    """The order in which new connections are served: some of each network in every turn of the
    event loop, first come, first served within the network. `paced`: one in each turn, and no
    network has more than `NEW_AT_ONCE` served at once, and `NEW_PER_SECOND` after them.
    """

    __slots__ = ("_at_once", "_interval", "_lines", "_seconds")

    def __init__(self, *, paced: bool, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._interval = 1 / NEW_PER_SECOND if paced else 0.0
        self._at_once = 1 if paced else UNPACED_AT_ONCE
        self._lines: dict[str | None, _Line] = {}

    def __len__(self) -> int:
        """Networks that are remembered: with connections that wait, or a pace to keep."""
        return len(self._lines)

    def add(self, network: str | None, serve: Callable[[], None]) -> None:
        """Calls it when the network has its turn, not before the next one of the event loop."""
        line = self._line(network)
        line.waiting.append(serve)
        if len(line.waiting) == 1:
            self._schedule(network, line)

    def start(self, network: str | None) -> bool:
        """Whether it is the network's turn now; then one more connection of it counts as served."""
        if not self._interval:
            found = self._lines.get(network)
            return found is None or not found.waiting
        line = self._line(network)
        if line.waiting or self._pause(line) > 0:
            return False
        self._count(line)
        self._schedule(network, line)
        return True

    def _line(self, network: str | None) -> _Line:
        line = self._lines.get(network)
        if line is None:
            line = self._lines[network] = _Line()
        return line

    def _count(self, line: _Line) -> None:
        line.earned_at = max(line.earned_at, self._seconds()) + self._interval

    def _pause(self, line: _Line) -> float:
        """Until the next connection may be served; 0 or less: now."""
        # Half an interval less than whole ones, which sums of fractions may miss.
        return line.earned_at - self._seconds() - (NEW_AT_ONCE - 0.5) * self._interval

    def _schedule(self, network: str | None, line: _Line) -> None:
        """The next connection's turn; the end of the line where none waits."""
        loop = asyncio.get_running_loop()
        if line.timer is not None:
            line.timer.cancel()
        pause = self._pause(line) if line.waiting else line.earned_at - self._seconds()
        follow = self._next if line.waiting else self._forget
        if pause > 0:
            line.timer = loop.call_later(pause, follow, network, line)
        else:
            line.timer = loop.call_soon(follow, network, line)

    def _next(self, network: str | None, line: _Line) -> None:
        if self._pause(line) > 0:  # the timer was early
            self._schedule(network, line)
            return
        served = [line.waiting.popleft() for _ in range(min(self._at_once, len(line.waiting)))]
        for _ in served:
            self._count(line)
        self._schedule(network, line)
        for serve in served:
            serve()

    def _forget(self, network: str | None, line: _Line) -> None:
        if line.earned_at <= self._seconds():
            del self._lines[network]
        else:
            self._schedule(network, line)


class _Line:
    """One network's."""

    __slots__ = ("earned_at", "timer", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()
        self.timer: asyncio.Handle | None = None
        self.earned_at = 0.0
        """When time has made up for all connections that were served."""


class Connections:
    """Those of one process. `most` 0 and `most_of_network` 0 are no limit."""

    def __init__(
        self, settings: ConnectionSettings, *, most: int = 0, most_of_network: int = 0
    ) -> None:
        self._total = Places(most)
        self._of_network = Places(most_of_network)
        self.turns = Turns(paced=most_of_network > 0)
        self.seconds: Final = {
            Awaited.HEAD: settings.header_seconds,
            Awaited.BODY: settings.body_seconds + ANSWER_408_SECONDS,
            Awaited.UNREAD: settings.unread_seconds,
        }

    @classmethod
    def of_this_process(cls, settings: Settings) -> Connections:
        """As many as the settings say, as long as there are descriptors for them. One network gets
        at most half of those.
        """
        given = settings.connections
        files = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else 0
        limits = [] if given.connections is None else [given.connections]
        if files > 0:
            limits.append(max(1, files - settings.pool_size - OWN_DESCRIPTORS))
        most = min(limits, default=0)
        of_network = 0 if settings.limits.trusted_hops else given.connections_per_address
        if of_network and most:
            of_network = min(of_network, max(1, most // 2))
        return cls(given, most=most, most_of_network=of_network)

    def place_of(self, network: str | None) -> ExitStack | None:
        """A place for a connection, free again when it is closed; None where none is left."""
        with ExitStack() as place:
            if not place.enter_context(self._total.place("all")):
                metrics.CONNECTIONS_CUT.labels("total").inc()
            elif not place.enter_context(self._of_network.place(network)):
                metrics.CONNECTIONS_CUT.labels("network").inc()
            else:
                return place.pop_all()
        return None

    def accept_more(
        self, listener: socket.socket, serve: Callable[[socket.socket, ExitStack], None]
    ) -> None:
        """Takes connections that wait to be accepted; calls `serve` for each when it is its turn.

        Without free descriptors it takes none: the event loop then sheds those that wait.
        """
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, peer = listener.accept()
            except OSError:
                return
            network = network_of_peer(peer)
            place = self.place_of(network)
            if place is None:
                accepted.close()
            else:
                self.turns.add(network, partial(serve, accepted, place))

    @property
    def state(self) -> dict[str, object]:
        """For the protocols, which can only reach the state of the application's lifespan."""
        return {_STATE: self}


def network_of_peer(peer: object) -> str | None:
    """Of a socket's address; None where it has no IP address."""
    return network_of(peer[0] if isinstance(peer, tuple) else None)


class Connection:
    """One connection: what its peer must send or read, and until when."""

    __slots__ = ("_connections", "_expected", "_loop", "_place", "_timers", "_transport")

    def __init__(
        self, connections: Connections, transport: asyncio.Transport, place: ExitStack
    ) -> None:
        self._connections = connections
        self._transport = transport
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._expected: Awaited | None = None
        self._timers: dict[Awaited, asyncio.TimerHandle] = {}
        # The transport then reports the first byte that it could not send, and when all are sent.
        transport.set_write_buffer_limits(high=0)

    def expect(self, awaited: Awaited | None) -> None:
        """A head, a body, or nothing. The time runs from the first call, until another is due."""
        if awaited is self._expected:
            return
        if self._expected is not None:
            self._stop(self._expected)
        self._expected = awaited
        if awaited is not None:
            self._start(awaited)

    def start_unread(self) -> None:
        if Awaited.UNREAD not in self._timers:
            self._start(Awaited.UNREAD)

    def stop_unread(self) -> None:
        self._stop(Awaited.UNREAD)

    def end(self) -> None:
        """To be called when the connection is lost."""
        for awaited in tuple(self._timers):
            self._stop(awaited)
        self._place.close()

    def _start(self, awaited: Awaited) -> None:
        seconds = self._connections.seconds[awaited]
        self._timers[awaited] = self._loop.call_later(seconds, self._be_late, awaited)

    def _stop(self, awaited: Awaited) -> None:
        if (timer := self._timers.pop(awaited, None)) is not None:
            timer.cancel()

    def _be_late(self, awaited: Awaited) -> None:
        if awaited is not Awaited.UNREAD and not self._transport.is_reading():
            self._start(awaited)
            return
        self._timers[awaited] = self._loop.call_later(LAST_CHANCE_SECONDS, self._cut, awaited)

    def _cut(self, awaited: Awaited) -> None:
        metrics.CONNECTIONS_CUT.labels(awaited.value).inc()
        self._transport.abort()


class _Together:
    """A transport that sends what is written in one go at the end of the event loop's turn;
    otherwise the one it is given.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self.is_closing = transport.is_closing  # the one that every request calls

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def send(self, *data: bytes) -> None:
        """Write it now, after what was written before."""
        self._waiting += data
        self._send()

    def _send(self) -> None:
        if self._waiting and not self._transport.is_closing():
            self._transport.writelines(self._waiting)
        self._waiting = []


_OK: Final = STATUS_LINE[HTTPStatus.OK]


class _Sending:
    """What the application sends an answer with: ASGI's messages; or the answer as a whole, for
    which uvicorn would check and write header by header (see `SendsWhole`).
    """

    __slots__ = ("_cycle", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: _Together) -> None:
        self._cycle = cycle
        self._transport = transport

    def __call__(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        return self._cycle.send(message)

    async def whole(self, lines: bytes, body: bytes) -> None:
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        head = [_OK]
        for name, value in cycle.default_headers:
            head += (name, b": ", value, b"\r\n")
        head += (lines, b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        self._transport.send(b"".join(head), body)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


def _with_whole_answers(app: Callable[..., Any]) -> Callable[..., Any]:
    """The application, which may send an answer as a whole."""

    def run(scope: Any, receive: Any, send: Any) -> Any:  # noqa: ANN401  uvicorn's
        cycle = send.__self__
        return app(scope, receive, _Sending(cycle, cycle.transport))

    return run


class _Pipeline(FlowControl):
    """Reads no further while requests wait for earlier ones of their connection to be answered.

    uvicorn would go on reading at each answer, and whenever a request waits for its client to hang
    up: a client that sends without reading answers could have any number of requests kept here.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class Arrival(asyncio.Protocol):
    """A connection that the event loop accepted, until it is its turn; then it becomes an
    `HttpConnection`. What it sends meanwhile is kept, at most one piece, and read no further.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        listener: socket.socket,
    ) -> None:
        """What uvicorn gives its protocols."""
        self._make = partial(HttpConnection, config, server_state, app_state, _loop)
        self._connections: Connections = app_state[_STATE]
        self._tasks = server_state.tasks
        self._loop = _loop or asyncio.get_running_loop()
        self._listener = listener
        self._place: ExitStack | None = None
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP
        turns = self._connections.turns
        network = network_of_peer(transport.get_extra_info("peername"))
        self._place = self._connections.place_of(network)
        self._connections.accept_more(self._listener, self._serve_accepted)
        if self._place is None:
            transport.abort()
            return
        self._transport = transport
        if turns.start(network):
            self._serve()
        else:
            turns.add(network, self._serve)

    def data_received(self, data: bytes) -> None:
        # uvloop begins to read after `connection_made`, even if that pauses it.
        self._received += data
        if self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if self._place is not None:
            self._place.close()

    def _serve(self) -> None:
        transport, place = self._transport, self._place
        if transport is None or place is None or transport.is_closing():
            return
        if self._has_stopped:
            transport.abort()
            return
        connection = self._make(place=place)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if self._received:
            transport.resume_reading()
            connection.data_received(self._received)

    def _serve_accepted(self, accepted: socket.socket, place: ExitStack) -> None:
        """A connection that was accepted together with this one."""
        if self._has_stopped:
            accepted.close()
            place.close()
            return

        async def connect() -> None:
            make = partial(self._make, place=place)
            await self._loop.connect_accepted_socket(make, accepted)

        serving = self._loop.create_task(connect())
        self._tasks.add(serving)
        serving.add_done_callback(self._tasks.discard)

    @property
    def _has_stopped(self) -> bool:
        """Whether uvicorn has closed its connections: it would wait for this one."""
        return self._listener.fileno() < 0


class _HeadTooLargeError(Exception):
    """Raised into the parser, which then gives up."""


class HttpConnection(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, within the deadlines and the size above, and in one write.

    uvicorn would send the head of an answer and its body apart: two system calls, and a client that
    is woken for a head without a body; a fifth of the processor's time of a small answer.
    """

    watched: Connection | None = None
    """None before it is made, and once it is a WebSocket."""
    _awaited: Awaited | None = Awaited.HEAD
    _head_bytes = 0
    _head_lines = 0
    """Headers and trailers that `_head_bytes` counts."""
    _unfinished_bytes = 0
    """Received since the last head, chunk or message that the parser finished."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        place: ExitStack,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = _with_whole_answers(self.app)
        self._place = place

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", _Together(transport)))
        self.flow = _Pipeline(self.transport, self.pipeline)
        self.watched = Connection(self.app_state[_STATE], transport, self._place)
        self.watched.expect(Awaited.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.watched is not None:
            super().connection_lost(exc)
            self.watched.end()

    def data_received(self, data: bytes) -> None:
        self._unfinished_bytes += len(data)
        super().data_received(data)
        if self.watched is None or self.transport.is_closing():
            return
        if self._unfinished_bytes > MOST_HEAD_BYTES:
            self._refuse_head()
        elif self._unfinished_bytes and self._awaited is None:
            self.watched.expect(Awaited.HEAD)
        else:
            self.watched.expect(self._awaited)

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, SocketConnection) and self.watched is not None:
            protocol.watched, self.watched = self.watched, None
            protocol.watched.expect(None)
            if not protocol.handshake_initiated:
                # Its library has stricter bounds for a head, and is silent about what exceeds them.
                self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.watched is not None:
            self.watched.start_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.watched is not None:
            self.watched.stop_unread()

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"content-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()

    # ------------------------------------------------------------ what the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._awaited = Awaited.HEAD
        self._head_lines = self._unfinished_bytes = 0
        if self.watched is not None:
            self.watched.expect(None)  # the time of an earlier message is over

    def on_headers_complete(self) -> None:
        self._measure_head()
        super().on_headers_complete()
        self._awaited = Awaited.BODY
        self._unfinished_bytes = 0

    def on_chunk_header(self) -> None:
        self._unfinished_bytes = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unfinished_bytes = 0

    def on_message_complete(self) -> None:
        if len(self.headers) != self._head_lines:
            self._measure_head()  # with trailers
        super().on_message_complete()
        self._awaited = None
        self._unfinished_bytes = 0

    def _measure_head(self) -> None:
        """Counted once it is whole: counting header by header takes longer than parsing them."""
        self._head_lines = len(self.headers)
        self._head_bytes = len(self.url) + sum(
            [len(name) + len(value) + len(b": \r\n") for name, value in self.headers]
        )
        if self._head_bytes > MOST_HEAD_BYTES:
            raise _HeadTooLargeError


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket as uvicorn speaks it, whose peer has to read what is sent. It takes over the
    connection of the HTTP request that it began with.
    """

    watched: Connection | None = None

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  uvicorn's
        super().__init__(*args, **options)
        self.logger = self.conn.logger = _SOCKETS_LOG

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.watched is not None:
            self.watched.end()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.watched is not None:
            self.watched.start_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.watched is not None:
            self.watched.stop_unread()
