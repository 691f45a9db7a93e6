"""Two processes' worth of the program on one PostgreSQL and one Redis, each with connections of its
own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from tests.builders import Api, running


@pytest.fixture
async def nodes(environment: dict[str, str]) -> AsyncIterator[tuple[Api, Api]]:
    """The same organization through two applications."""
    settings = Settings.from_environment(environment)
    async with running(settings) as here, running(settings) as there:
        one = await here.api()
        yield one, Api(there.http, there.resources, one.organization, there.clock)
