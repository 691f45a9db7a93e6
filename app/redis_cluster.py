"""A Redis Cluster: which node owns a key, and what is sent there. Every node is a plain client.

Free times have to know which server answered (`free_times.connection`), and an ASKING has to travel
directly before its command; redis-py's client of a cluster promises neither. Replicas are never
read.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.redis_client import BROKEN_REDIS, Breaker, open_redis

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.redis_client import Command, OnConnect, RedisClient

Answer = TypeVar("Answer")

MOST_TRIES: Final = 5
"""Of one call: the first, and one for each redirection or failover that it runs into."""

UNOWNED: Final = "Nobody owns a slot of the Redis Cluster"

_UNREACHABLE: Final = (RedisConnectionError, RedisTimeoutError, ClusterDownError, OSError)


class RestingError(RedisConnectionError):
    """The node failed a moment ago, and is not asked again yet."""


class ClusterClient:
    """A client of all nodes. It learns who owns which slots from the first call, from redirections,
    and from the other nodes when one fails.

    A plain Redis serves as well, as the one node that owns everything: where nobody answered at the
    start, it may turn out to be either.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float, on_connect: OnConnect | None = None
    ) -> None:
        self.breaker: Breaker = _Unused()
        self._url = url
        self.timeout_seconds = timeout_seconds
        self._on_connect = on_connect
        self._first = self._open(url)
        self._nodes: dict[tuple[str, int], RedisClient] = {}
        self._owners: list[RedisClient | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._learned = 0
        """How often."""
        self._learning = asyncio.Lock()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to these commands, in order, each from the owner of its keys. One at a time:
        no caller is in a hurry.
        """
        return [await self._ask(command) for command in commands]

    async def at_owner(
        self,
        key: str,
        call: Callable[[RedisClient, bool], Awaitable[Answer]],
        *,
        is_optional: bool = True,
    ) -> Answer:
        """Call the node that owns this key, and follow redirections. With True, each command has to
        be preceded by ASKING: the key's slot is on its way to that node.

        Raises what `call` raises, and, where the call is optional, an error instead of calling a
        node that failed a moment ago.
        """
        slot = key_slot(key.encode())
        node, is_asking = await self._owner(slot, is_optional=is_optional), False
        for _ in range(MOST_TRIES):
            if is_optional and node.breaker.is_open:
                raise RestingError
            learned = self._learned
            try:
                return await call(node, is_asking)
            except MovedError as moved:
                node, is_asking = self._node_at(moved.host, moved.port, node), False
                self._owners[slot] = node
            except AskError as ask:
                node, is_asking = self._node_at(ask.host, ask.port, node), True
            except _UNREACHABLE as failure:
                node.breaker.trip(failure)
                await self._learn(learned, is_optional=is_optional)
                owner = self._owners[slot] or node
                if owner is node:
                    raise
                node, is_asking = owner, False
        raise RedisConnectionError("The Redis Cluster redirected a command too often")

    async def ping(self) -> None:
        """Raises where a part of the cluster can't be used."""
        await self._learn(self._learned, is_optional=False)
        if None in self._owners:
            raise RedisConnectionError(UNOWNED)
        for node in {id(owner): owner for owner in self._owners if owner is not None}.values():
            await node.ping()

    async def aclose(self) -> None:
        """Close all connections."""
        for node in (self._first, *self._nodes.values()):
            await node.aclose()

    async def _ask(self, command: Command) -> object:
        async def send(node: RedisClient, is_asking: bool) -> object:  # noqa: FBT001  see at_owner
            commands = [("ASKING",), command] if is_asking else [command]
            return (await node.ask(commands))[-1]

        return await self.at_owner(key_of(command), send)

    async def _owner(self, slot: int, *, is_optional: bool) -> RedisClient:
        owner = self._owners[slot]
        if owner is None:
            await self._learn(self._learned, is_optional=is_optional)
            owner = self._owners[slot]
        if owner is None:
            raise RedisConnectionError(UNOWNED)
        return owner

    async def _learn(self, learned: int, *, is_optional: bool) -> None:
        """Ask a node who owns what; unless somebody else has, since it was learned so often. Raises
        where no node answers.
        """
        async with self._learning:
            if self._learned != learned:
                return
            nodes = [*random.sample([*self._nodes.values()], len(self._nodes)), self._first]
            failed: Exception = RestingError()
            for node in nodes:
                if is_optional and node.breaker.is_open:
                    continue
                try:
                    self._owners = await self._owners_by(node)
                except BROKEN_REDIS as failure:
                    node.breaker.trip(failure)
                    failed = failure
                else:
                    self._learned += 1
                    return
            raise failed

    async def _owners_by(self, node: RedisClient) -> list[RedisClient | None]:
        """As this node sees it."""
        owners: list[RedisClient | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        try:
            (ranges,) = await node.ask([("CLUSTER", "SLOTS")])
        except ClusterDownError:
            raise
        except ResponseError as refused:
            if "cluster support disabled" not in str(refused):
                raise
            return [node] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, (host, port, *_), *_ in ranges:
            owner = self._node_at((host or b"").decode(), port, node)
            owners[first : last + 1] = [owner] * (last + 1 - first)
        return owners

    def _node_at(self, host: str, port: int, said_by: RedisClient) -> RedisClient:
        """A node that doesn't know its own address leaves the host out: it is that of the asked
        one.
        """
        if host in {"", "?"}:
            host = said_by.connection_pool.connection_kwargs["host"]
        node = self._nodes.get((host, port))
        if node is None:
            node = self._nodes[host, port] = self._open(_with_address(self._url, host, port))
        return node

    def _open(self, url: str) -> RedisClient:
        return open_redis(url, timeout_seconds=self.timeout_seconds, on_connect=self._on_connect)


def key_of(command: Command) -> str:
    """The first key of a script's call, or of a command whose keys come first."""
    return str(command[3] if command[0] == "EVAL" else command[1])


async def is_cluster(redis: RedisClient) -> bool | None:
    """Whether it is a node of a Redis Cluster; None where it doesn't answer."""
    try:
        return bool((await redis.info("cluster")).get("cluster_enabled"))
    except BROKEN_REDIS:
        return None


class _Unused(Breaker):
    """Every node has its own: the others go on where one fails."""

    __slots__ = ()

    def trip(self, failure: Exception) -> None:
        """Nothing to do."""


def _with_address(url: str, host: str, port: int) -> str:
    """The same user, password, encryption and options, at another address."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{host}]" if ":" in host else host
    scheme = "redis" if parts.scheme == "unix" else parts.scheme
    return urlunsplit(parts._replace(scheme=scheme, netloc=f"{user}{at}{host}:{port}", path=""))
