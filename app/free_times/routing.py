"""Batches in a Redis Cluster: those of every node, and to which of them a request belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from redis.exceptions import TryAgainError

from app.batches import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.redis_batches import RedisBatches
    from app.redis_client import RedisClient
    from app.redis_cluster import ClusterClient


class Routed(Generic[Request, Answer]):
    """Asks like `RedisBatches`; a request's keys share a hash tag, so that one node owns them.

    `asking` makes a request that may be asked of the node which its slot is being moved to; without
    it, such a request is refused with `TryAgainError`.
    """

    __slots__ = ("_asking", "_batches", "_cluster", "_is_optional", "_key_of", "_make")

    def __init__(
        self,
        cluster: ClusterClient,
        make: Callable[[RedisClient], RedisBatches[Request, Answer]],
        key_of: Callable[[Request], str],
        *,
        asking: Callable[[Request], Request] | None = None,
        is_optional: bool = True,
    ) -> None:
        self._cluster = cluster
        self._make = make
        self._key_of = key_of
        self._asking = asking
        self._is_optional = is_optional
        self._batches: dict[RedisClient, RedisBatches[Request, Answer]] = {}

    async def ask(self, request: Request) -> Answer:
        """Raises what `RedisBatches.ask` raises, and where the node can't be found or asked."""

        async def call(node: RedisClient, is_asking: bool) -> Answer:  # noqa: FBT001  see at_owner
            batches = self._batches.get(node)
            if batches is None:
                batches = self._batches[node] = self._make(node)
            if not is_asking:
                return await batches.ask(request)
            if self._asking is None:
                raise TryAgainError
            return await batches.ask(self._asking(request))

        return await self._cluster.at_owner(
            self._key_of(request), call, is_optional=self._is_optional
        )

    async def close(self) -> None:
        """When what is on its way has been answered; nothing may be asked any more."""
        for batches in self._batches.values():
            await batches.close()
