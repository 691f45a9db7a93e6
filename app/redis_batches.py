"""Batches of what is asked of Redis side by side in one process, by one request or by many, over a
connection of their own: see `app.batches`. A read after a change sees its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app.batches import Answer, Batches, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from app.redis_client import Command, Translating

Result = TypeVar("Result")


class RedisBatches(Generic[Request, Answer]):
    """Batches in which Redis may refuse one request and answer the others."""

    __slots__ = ("_batches",)

    def __init__(
        self,
        send: Callable[[list[Request]], Awaitable[list[Answer | ResponseError]]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._batches: Batches[Request, Answer | ResponseError] = Batches(send, close)

    async def ask(self, request: Request) -> Answer:
        """Raises what `send` raises, and the refusal of this request."""
        answer = await self._batches.ask(request)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def close(self) -> None:
        """When what is on its way has been answered; nothing may be asked any more."""
        await self._batches.close()


class OwnConnection:
    """A connection of its own, for one batch at a time: taking one from the pool would cost as much
    as a command.
    """

    __slots__ = ("_connection", "_redis")

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._connection: AbstractConnection | None = None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers, in order: a refusal is one of them."""
        return await self.use(lambda connection: exchange(connection, commands))

    async def use(self, work: Callable[[AbstractConnection], Awaitable[Result]]) -> Result:
        """Where the connection has died, the work is done once more, over a new one."""
        if self._connection is None:
            self._connection = await self._redis.connection_pool.get_connection()
        try:
            return await self._use_once(self._connection, work)
        except RedisConnectionError:
            return await self._use_once(self._connection, work)

    async def close(self) -> None:
        """Give it back, closed."""
        if self._connection is not None:
            await self._connection.disconnect()
            await self._redis.connection_pool.release(self._connection)
            self._connection = None

    async def _use_once(
        self,
        connection: AbstractConnection,
        work: Callable[[AbstractConnection], Awaitable[Result]],
    ) -> Result:
        try:
            return await work(connection)
        except BaseException:
            # Whatever is still on its way must not be taken for the answer to the next command.
            await connection.disconnect(nowait=True)
            raise


async def exchange(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    """Send the commands at once. The answers, in order: a refusal is one of them."""
    if not connection.is_connected:
        await connection.connect()  # type: ignore[no-untyped-call]  # its stub has none
    packed = b"".join(pack_command(command) for command in commands)  # type: ignore[arg-type]  # its stub allows one
    return await cast("Translating", connection).exchange(packed, len(commands))
