"""The API as a process: refuses to start where it could not work, else hands `create_app` to
uvicorn.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from functools import partial
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from app.api.transport import CURRENT_REQUEST_ID
from app.errors import OperatorError
from app.process.asgi import create_app
from app.process.connections import HttpConnection, SocketConnection
from app.process.shutdown import Leaving
from app.settings import Settings, pass_on
from app.store.migrations import check
from app.store.pool import create_pool
from app.telemetry.logs import configure_logs
from app.telemetry.metrics import served, served_for_all
from app.telemetry.tracing import check_traces

BACKLOG: Final = 2_048
"""Connections that wait to be accepted; the kernel may allow fewer."""

WORKER_SILENCE_SECONDS: Final = 60
"""How long a worker process may leave the parent's pings unanswered before it is killed. At its
start it answers none until the program is imported: seconds, on a busy machine more than uvicorn's
5, after which it would be killed and begin again.
"""

GC_THRESHOLDS: Final = (5_000, 2, 3_000)
"""Objects made before a collection, and collections before those of the older generations. Each
stops the process: one of 5,000 young objects for some 2 ms, every third one, with those that
survived, for 5; with 10 for 2, every eleventh would take 17. Fewer objects would be collected
several times within an answer for dozens of providers. All objects are collected after some 45
million, if at all: requests leave few cycles.
"""

SWITCH_SECONDS: Final = 0.000_5
"""How long a thread that reads a document or compiles a template keeps the interpreter from the
event loop, which asks for it at every callback. Python's own 5 ms would make an answer ten times
as slow meanwhile.
"""

LARGEST_MESSAGE_BYTES: Final = 256 * 1024
"""Of a WebSocket, like the largest HTTP body."""


class ServeError(OperatorError):
    """The API can't be served here."""


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or SIGINT. Before that: `ServeError`, `MigrationError` or
    `DatabaseUnavailableError`.
    """
    configure_logs(settings.watch.log_format)
    check_traces(wanted=settings.watch.traces)
    listener = listen(host, port)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted connections inherit it: the kernel ends one whose peer has vanished.
        milliseconds = settings.connections.unread_seconds * 1_000
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    asyncio.run(require_migrated(settings))
    config = uvicorn.Config(
        "app.process.serve:application",
        factory=True,
        workers=workers,
        http=partial(HttpConnection, listener=listener),  # type: ignore[arg-type]  # it is only called
        ws=SocketConnection,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_worker_healthcheck=WORKER_SILENCE_SECONDS,
        timeout_keep_alive=settings.connections.keep_alive_seconds,
        timeout_graceful_shutdown=settings.leave.finishing_seconds,  # type: ignore[arg-type]  # fractions are as good
    )
    # uvicorn raises the signal that ended it once more when it is done; a clean end is no failure.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with listener, contextlib.suppress(KeyboardInterrupt):
        where = settings.watch.metrics_host, settings.watch.metrics_port
        if workers > 1:
            with served_for_all(*where) as variables:
                pass_on(variables)
                Multiprocess(config, sockets=[listener]).run()
        else:
            server = uvicorn.Server(config)
            with served(*where):
                server.run(sockets=[listener])
            if not server.started:
                raise ServeError("The API did not start; see its log.")


def application() -> Starlette:
    """The application of one worker process, which reads its settings itself."""
    settings = Settings.of_this_process()
    configure_logs(settings.watch.log_format, request_id=CURRENT_REQUEST_ID.get)
    leave = settings.leave
    leaving = Leaving(drain_seconds=leave.drain_seconds, finishing_seconds=leave.finishing_seconds)
    made = create_app(settings, leaving=leaving)
    # The objects made so far stay until the end. Walking them at every collection would take most
    # of the slowest answers' time. Answers are large and have no cycles, so collections may be
    # rare.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    return made


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, taken before anything slow happens, so that a busy port
    shows at once.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ServeError(_why_not(host, port, error)) from error


def _why_not(host: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use: stop what uses it, or choose another with --port."
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"Can't listen on port {port} of {host}: {reason}."


async def require_migrated(settings: Settings) -> None:
    """Raises if the database is unavailable, unmigrated or newer than the program."""
    pool = await create_pool(
        settings.database_url, size=1, statement_timeout_ms=settings.statement_timeout_ms
    )
    try:
        await check(pool)
    finally:
        await pool.close()
