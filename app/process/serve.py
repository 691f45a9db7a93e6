"""The API as a process: refuses to start where it could not work, else hands the application to
uvicorn.

The application is imported by the processes that serve it, not here: a refusal shows at once, and
the parent of several processes stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from functools import partial
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.errors import OperatorError
from app.process.connections import Arrival, SocketConnection
from app.process.plain_redis import require_plain_redis
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

LARGEST_MESSAGE_BYTES: Final = 256 * 1024
"""Of a WebSocket, like the largest HTTP body."""


class ServeError(OperatorError):
    """The API can't be served here."""


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or SIGINT. Before that: `ServeError`, `MigrationError`,
    `DatabaseUnavailableError` or `RedisError`.
    """
    configure_logs(settings.watch.log_format)
    check_traces(wanted=settings.watch.traces)
    listener = listen(host, port)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted connections inherit it: the kernel ends one whose peer has vanished.
        milliseconds = settings.connections.unread_seconds * 1_000
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    asyncio.run(require_migrated(settings))
    asyncio.run(require_plain_redis(settings))
    config = uvicorn.Config(
        "app.process.application:application",
        factory=True,
        workers=workers,
        http=partial(Arrival, listener=listener),  # type: ignore[arg-type]  # it is only called
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
