"""`/livez` and `/readyz`: whether the process runs, and whether it can do its work. For load
balancers and people.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import orjson
from starlette.responses import Response
from starlette.routing import Route

import app
from app.core.zones import tzdata_version
from app.redis_client import BROKEN_REDIS
from app.usecases.upkeep.check_database import Database, DatabaseState, check_database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from app.redis_client import RedisClient
    from app.redis_cluster import ClusterClient
    from app.usecases.resources import Resources

CHECK_SECONDS: Final = 2.0
"""A check that takes longer has failed: probes time out themselves soon after."""


def health_routes(
    resources_of: Callable[[Request], Resources], *, is_leaving: Callable[[], bool] = lambda: False
) -> list[BaseRoute]:
    """The two routes, open to everybody. A process that is leaving is well, and not ready."""

    async def livez(_request: Request) -> Response:
        return _answer(
            200, {"status": "ok", "version": app.__version__, "tzdata": tzdata_version()}
        )

    async def readyz(request: Request) -> Response:
        resources = resources_of(request)
        clients: dict[str, RedisClient | ClusterClient] = {"redis": resources.redis}
        if resources.cache is not resources.redis:
            clients["cache"] = resources.cache
        database, answers = await asyncio.gather(
            _database(resources), asyncio.gather(*map(_redis, clients.values()))
        )
        # Without Redis everything works, slower: an instance must not be taken out of service for
        # it. A newer schema means an upgrade in progress: running processes go on until they are
        # replaced.
        ready = database.state in {"ok", "newer"} and not is_leaving()
        status = "ok" if set(answers) == {"ok"} else "degraded"
        if not ready:
            status = "leaving" if is_leaving() else "unavailable"
        body: dict[str, str | int] = {"status": status, "postgresql": database.state}
        if database.engine is not None:
            body["engine"] = "citus" if database.engine.is_citus else "postgresql"
            body["nodes"] = database.engine.nodes
        body.update(zip(clients, answers, strict=True))
        return _answer(
            200 if ready else 503, {**body, "version": app.__version__, "tzdata": tzdata_version()}
        )

    return [Route("/livez", livez), Route("/readyz", readyz)]


async def _database(resources: Resources) -> Database:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check_database(resources)
    except TimeoutError:
        return Database(state=DatabaseState.UNAVAILABLE)


async def _redis(redis: RedisClient | ClusterClient) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await redis.ping()
    except BROKEN_REDIS:
        return "unavailable"
    return "ok"


def _answer(status: int, body: Mapping[str, str | int]) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
