"""The Redis client that every part of the program uses: its connections, what counts as a broken
Redis, the breaker, and how a script is called.

redis-py lets some deaths of a connection through as what the event loop raised: uvloop answers a
write to a connection that was reset with `RuntimeError`, and a writer that another task has closed
is None. Connections made here report all of them as redis-py's `ConnectionError`. So `BROKEN_REDIS`
names everything that a caller has to expect, and a command on a connection that died while idle is
retried once on a new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from redis.asyncio import (
    Connection,
    ConnectionPool,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterParser
from redis.asyncio.connection import DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from asyncio import StreamWriter

    from redis.asyncio.connection import AbstractConnection

    OnConnect: TypeAlias = Callable[[AbstractConnection], Awaitable[None]]

BROKEN_REDIS: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    ResponseError,  # no memory, read only, no permission: it is there and refuses
    InvalidResponse,
    WatchError,  # the connection died between WATCH and EXEC
    OSError,  # with the event loop's TimeoutError
)
"""Every exception that means that Redis could not be used. Anything else is a bug."""

REST_SECONDS: Final = 1.0
"""How long Redis is avoided after a failure, so that not every caller waits for its timeout."""

Command: TypeAlias = "tuple[bytes | str | int, ...]"

_log: Final = logging.getLogger(__name__)


def script(text: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> Command:
    """A call of a Lua script. `keys` are all keys that it touches. They share a hash tag, so that
    they lie on one node of a Redis Cluster.

    Sent with its text every time: Redis remembers what it compiled, and a restarted one needs no
    other way.
    """
    return ("EVAL", text, len(keys), *keys, *arguments)


def tag_of(key: str) -> str:
    """The hash tag of a key: a Redis Cluster chooses the key's node by it."""
    return key[key.index("{") : key.index("}")]


class Breaker:
    """Whether Redis failed a moment ago. One for each client, shared by all who use it.

    While it is open, optional commands are skipped: reads, fills, reports. Invalidations and
    messages about changes are always attempted.
    """

    __slots__ = ("_open_until", "_seconds")

    def __init__(self, *, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._open_until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether to continue without Redis."""
        return self._seconds() < self._open_until

    def trip(self, failure: Exception) -> None:
        """Redis has just failed."""
        if not self.is_open:
            _log.warning("Redis failed, continuing without it: %s", describe(failure))
        self._open_until = self._seconds() + REST_SECONDS


class RedisClient(Redis):
    """A client with its breaker."""

    def __init__(self, connection_pool: ConnectionPool) -> None:
        super().__init__(connection_pool=connection_pool)
        self.auto_close_connection_pool = True
        self.breaker = Breaker()
        self.timeout_seconds: float = connection_pool.connection_kwargs["socket_timeout"]
        """Of connecting, and of each command."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to these commands, in order, in one round trip."""
        if len(commands) == 1:
            return [await self.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        async with self.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()


def open_redis(
    url: str, *, timeout_seconds: float, on_connect: OnConnect | None = None
) -> RedisClient:
    """A client that connects when it is first used, and closes its connections with `aclose`.

    `timeout_seconds` bounds connecting and each write and read. `on_connect` takes the place of
    redis-py's own greeting, which it has to call.
    """
    return RedisClient(
        make_pool(
            url,
            timeout_seconds=timeout_seconds,
            health_check_interval=15,
            redis_connect_func=on_connect,
        )
    )


def make_pool(url: str, *, timeout_seconds: float, **options: object) -> ConnectionPool:
    """Connections that report every break as `BROKEN_REDIS`, and send a command once more where the
    one they had has died.
    """
    pool: ConnectionPool = ConnectionPool.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[RedisConnectionError],
        parser_class=_Parser,
        **options,
    )
    # The URL decides over the class, whatever is passed above.
    pool.connection_class = _CONNECTIONS[urlsplit(url).scheme]
    return pool


def describe(failure: BaseException) -> str:
    """For a log line: what failed, without addresses or passwords."""
    return type(failure).__name__


class _Parser(DefaultParser):  # type: ignore[misc, valid-type]  # chosen at run time: hiredis
    """Makes reading from a connection that was closed raise `ConnectionError` too, and knows what
    nodes of a cluster answer.
    """

    EXCEPTION_CLASSES = DefaultParser.EXCEPTION_CLASSES | ClusterParser.EXCEPTION_CLASSES

    async def read_from_socket(self) -> bool:
        stream = self._stream
        if stream is None:
            raise RedisConnectionError("Connection closed while connecting")
        try:
            return bool(await super().read_from_socket())
        except RuntimeError as error:
            # uvloop, when a stream that was paused is read from after its transport has died
            transport = stream._transport  # noqa: SLF001  a StreamReader shows it nowhere else
            if transport is not None and not transport.is_closing():
                raise
            raise RedisConnectionError("Connection closed while reading") from error


class Translating:
    """Mixed into each of redis-py's connections."""

    _parser: Any
    _writer: StreamWriter | None
    socket_timeout: float | None

    async def exchange(self, packed: bytes, count: int) -> list[Any]:
        """Send commands and read so many answers, within `socket_timeout` in all. A refusal is one
        of them.

        redis-py would start a task for writing, and a timer for each answer: half of what a look at
        a stamp costs. The caller disconnects where this fails.
        """
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command((packed,))
                return [await self._parser.read_response() for _ in range(count)]
        except TimeoutError as error:
            raise RedisTimeoutError("Timeout of a command") from error
        except OSError as error:
            raise RedisConnectionError("Connection lost") from error

    async def _send_packed_command(self, command: Iterable[bytes]) -> None:
        writer = self._writer
        if writer is None:
            raise RedisConnectionError("Connection closed by another task")
        try:
            writer.writelines(command)
            await writer.drain()
        except RuntimeError as error:
            if not writer.is_closing():
                raise
            raise RedisConnectionError("Connection closed while writing") from error


class _TcpConnection(Translating, Connection):
    pass


class _TlsConnection(Translating, SSLConnection):
    pass


class _LocalConnection(Translating, UnixDomainSocketConnection):
    pass


_CONNECTIONS: Final[dict[str, type[AbstractConnection]]] = {
    "redis": _TcpConnection,
    "rediss": _TlsConnection,
    "unix": _LocalConnection,
}
