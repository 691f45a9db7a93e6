"""The API in process, for the tests of its behaviour."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from app.settings import LimitSettings, ManageKey, Settings
from app.standins.embedded import EmbeddedError, Servers, redis_program
from tests.builders import Api, Running, running
from tests.cluster import Cluster, redis_cluster
from tests.databases import a_copy, nodes_of


@pytest.fixture(scope="session")
async def _shared(servers: Servers, template_database: str) -> AsyncIterator[Running]:
    """One application for all tests that need no database of their own."""
    name = f"slotwright_test_{os.getpid()}_shared"
    async with a_copy(servers, template_database, name) as address:
        settings = Settings(
            database_url=address,
            redis_url=servers.redis_url,
            token_secret="a secret of the tests of at least thirty-two bytes",
            manage_keys=(
                ManageKey(id="test", secret="another secret of the tests of at least 32 bytes"),
            ),
            hash_secret="a third secret of the tests of at least 32 bytes",
            introspection=True,
            public_url="https://api.test",
            # every test is at this machine's own
            limits=LimitSettings(guest_bookings_per_address=0, rate_limits=False),
        )
        async with running(settings) as shared:
            yield shared


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        redis_program()
    except EmbeddedError:
        pytest.skip("there is no redis-server on this machine")
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(_cluster: Cluster) -> Cluster:
    """A whole, empty Redis Cluster, started for the first test that wants it."""
    _cluster.mend()
    return _cluster


@pytest.fixture(scope="session")
async def one_postgres(servers: Servers) -> None:
    """For a test of what one PostgreSQL plans, reads or counts, or of a schema of its own."""
    if len(await nodes_of(servers.database_url)) > 1:
        pytest.skip("on Citus, plans and counts are those of its nodes, and tables are distributed")


@pytest.fixture
async def own_redis(servers: Servers) -> AsyncIterator[Servers]:
    """The servers, for a test that stops Redis; it runs again afterwards."""
    if not servers.owns_redis:
        pytest.skip("this Redis is not ours to stop")
    yield servers
    servers.start_redis()


@pytest.fixture
async def own_postgres(servers: Servers) -> AsyncIterator[Servers]:
    """The servers, for a test that stops PostgreSQL; it runs again afterwards."""
    if not servers.owns_postgres:
        pytest.skip("this PostgreSQL is not ours to stop")
    yield servers
    servers.start_postgres()


@pytest.fixture
async def api(_shared: Running) -> Api:
    """The application as this test's own organization sees it. The database is shared, the
    organization is not.
    """
    return await _shared.api()


@pytest.fixture
async def own_api(environment: dict[str, str]) -> AsyncIterator[Api]:
    """The application on a database that belongs to this test alone: for sweeps, plans and broken
    worlds.
    """
    async with running(Settings.from_environment(environment)) as own:
        yield await own.api()
