"""One migrated database for all contracts: none of them writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.standins.embedded import Servers
from tests.databases import on_database


@pytest.fixture(scope="session")
def migrated_url(servers: Servers, template_database: str) -> str:
    return on_database(servers.database_url, template_database)


@pytest.fixture
async def migrated(migrated_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(migrated_url)
    yield connection
    await connection.close()
