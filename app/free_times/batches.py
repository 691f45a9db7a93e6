"""Batches of what is asked of Redis side by side in one process, by one request or by many: see
`app.batches`. A read after a change sees its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app.batches import Answer, Batches, Request
from app.free_times.connection import run_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from app.redis_client import Command


REOPENED: Final = "The connection was opened to another run of Redis"


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

    async def ask(
        self, commands_under: Callable[[bytes], Sequence[Command]]
    ) -> tuple[bytes, list[Any]]:
        """The run of Redis that answered, and its answers, in order: a refusal is one of them.

        `commands_under` makes the commands for a run. Where the connection has died they are made
        and asked once more, over a new one.
        """
        if self._connection is None:
            self._connection = await self._redis.connection_pool.get_connection()
        try:
            return await self._ask_once(self._connection, commands_under)
        except RedisConnectionError:
            return await self._ask_once(self._connection, commands_under)

    async def close(self) -> None:
        """Give it back, closed."""
        if self._connection is not None:
            await self._connection.disconnect()
            await self._redis.connection_pool.release(self._connection)
            self._connection = None

    async def _ask_once(
        self,
        connection: AbstractConnection,
        commands_under: Callable[[bytes], Sequence[Command]],
    ) -> tuple[bytes, list[Any]]:
        try:
            run = await run_of(connection)
            commands = commands_under(run)
            packed = b"".join(pack_command(command) for command in commands)  # type: ignore[arg-type]  # its stub allows one
            await connection.send_packed_command(packed, check_health=False)
            answers: list[Any] = []
            for _ in commands:
                try:
                    answers.append(await connection.read_response())
                except ResponseError as refusal:  # read to its end: the next answer follows
                    answers.append(refusal)
            if await run_of(connection) != run:  # it was opened again on the way
                raise RedisConnectionError(REOPENED)  # noqa: TRY301  it is closed below
            return run, answers
        except BaseException:
            # Whatever is still on its way must not be taken for the answer to the next command.
            await connection.disconnect(nowait=True)
            raise


def writes_of(redis: Redis) -> RedisBatches[Sequence[Command], Sequence[Any]]:
    """The answers to commands, in one go."""
    own = OwnConnection(redis)

    async def send(
        requests: list[Sequence[Command]],
    ) -> list[Sequence[Any] | ResponseError]:
        everything = [command for commands in requests for command in commands]
        _, answers = await own.ask(lambda _run: everything)
        found: list[Sequence[Any] | ResponseError] = []
        at = 0
        for commands in requests:
            mine = answers[at : at + len(commands)]
            refusal = next((each for each in mine if isinstance(each, ResponseError)), None)
            found.append(refusal or mine)
            at += len(commands)
        return found

    return RedisBatches(send, own.close)
