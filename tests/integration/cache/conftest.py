"""Two processes' worth of the program on one PostgreSQL and one Redis, each with connections of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.embedded import Servers
from app.settings import Settings
from tests.builders import Api, running


@pytest.fixture
async def nodes(environment: dict[str, str]) -> AsyncIterator[tuple[Api, Api]]:
    """The same organization through two applications."""
    settings = Settings.from_environment(environment)
    async with running(settings) as here, running(settings) as there:
        one = await here.api()
        yield one, Api(there.http, there.resources, one.organization, there.clock)


@pytest.fixture
async def own_redis(servers: Servers) -> AsyncIterator[Servers]:
    if not servers.owns_redis:
        pytest.skip("this Redis is not ours to stop")
    yield servers
    servers.start_redis()
