"""Batches of what is asked of the Redis that keeps free times: see `app.redis_batches`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app.free_times.connection import run_of
from app.redis_batches import OwnConnection, RedisBatches, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from app.redis_client import Command


REOPENED: Final = "The connection was opened to another run of Redis"


async def ask_one_run(
    own: OwnConnection, commands_under: Callable[[bytes], Sequence[Command]]
) -> tuple[bytes, list[Any]]:
    """The run of Redis that answered, and its answers, in order: a refusal is one of them.

    `commands_under` makes the commands for a run. Where the connection has died they are made and
    asked once more, over a new one.
    """

    async def ask(connection: AbstractConnection) -> tuple[bytes, list[Any]]:
        run = await run_of(connection)
        answers = await exchange(connection, commands_under(run))
        if await run_of(connection) != run:  # it was opened again on the way
            raise RedisConnectionError(REOPENED)
        return run, answers

    return await own.use(ask)


def writes_of(redis: Redis) -> RedisBatches[Sequence[Command], Sequence[Any]]:
    """The answers to commands, in one go."""
    own = OwnConnection(redis)

    async def send(
        requests: list[Sequence[Command]],
    ) -> list[Sequence[Any] | ResponseError]:
        everything = [command for commands in requests for command in commands]
        _, answers = await ask_one_run(own, lambda _run: everything)
        found: list[Sequence[Any] | ResponseError] = []
        at = 0
        for commands in requests:
            mine = answers[at : at + len(commands)]
            refusal = next((each for each in mine if isinstance(each, ResponseError)), None)
            found.append(refusal or mine)
            at += len(commands)
        return found

    return RedisBatches(send, own.close)
