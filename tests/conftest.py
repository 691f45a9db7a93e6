"""One PostgreSQL and one Redis for each test process, a database for each test. Nothing is faked.

DATABASE_URL and REDIS_URL, where set, replace the embedded servers: the tests then create and drop
databases on that PostgreSQL, and flush that Redis database before each test. It has to be empty at
the start. With several test processes, the second uses the next Redis database, and so on.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psutil
import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from app.redis_client import RedisClient, open_redis
from app.standins.embedded import Servers, embedded
from app.store.pool import Pool, create_pool
from tests.databases import a_copy, a_migrated_database, an_empty_database

hypothesis.settings.register_profile(
    "sample",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    print_blob=True,
)
hypothesis.settings.register_profile("full", deadline=None, max_examples=2_000, print_blob=True)
hypothesis.settings.load_profile("sample")

# The tests start the program more than a hundred times: without bytecode, each start would compile
# all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

TEST_POOL_SIZE = 8
TEST_STATEMENT_TIMEOUT_MS = 10_000
TEST_REDIS_TIMEOUT_SECONDS = 5.0

MEMORY = Path("/dev/shm")  # noqa: S108  files in memory, of which mkdtemp makes folders of our own
ENOUGH_MEMORY_BYTES = 3 * 1024**3
FOLDER_PREFIX = "slotwright-tests-"
STARTING_SECONDS = 60

_numbers = count(1)


def pytest_collection_finish() -> None:
    """What was imported stays: no collection has to walk it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The addresses, and the switches that stop and start the servers (only where they are our
    own).
    """
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_folder_in_memory()))
    folder.chmod(0o755)  # started by root, the servers run as another user
    try:
        with embedded(
            folder,
            database_url=os.environ.get("DATABASE_URL"),
            redis_url=_own_redis_database(os.environ.get("REDIS_URL")),
            durable=False,
        ) as running:
            if not running.owns_redis:
                _require_empty(running.redis_url)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def template_database(servers: Servers) -> AsyncIterator[str]:
    """The name of a database that is migrated and empty, which the tests' databases are copied
    from.
    """
    name = f"slotwright_test_{os.getpid()}_template"
    async with a_migrated_database(servers, name):
        yield name


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncIterator[str]:
    """The address of a database with nothing in it, not even the migrations."""
    name = f"slotwright_test_{os.getpid()}_{next(_numbers)}"
    async with an_empty_database(servers, name) as address:
        yield address


@pytest.fixture
async def database(servers: Servers, template_database: str) -> AsyncIterator[str]:
    """The address of a migrated, empty database that belongs to this test alone."""
    name = f"slotwright_test_{os.getpid()}_{next(_numbers)}"
    async with a_copy(servers, template_database, name) as address:
        yield address


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await create_pool(
        database, size=TEST_POOL_SIZE, statement_timeout_ms=TEST_STATEMENT_TIMEOUT_MS
    )
    yield pool
    await pool.close()


@pytest.fixture
async def redis_url(servers: Servers) -> str:
    """The address of a Redis database that is empty at the start of the test."""
    client = Redis.from_url(servers.redis_url)
    try:
        await client.flushdb()
    finally:
        await client.aclose()
    return servers.redis_url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisClient]:
    client = open_redis(redis_url, timeout_seconds=TEST_REDIS_TIMEOUT_SECONDS)
    yield client
    await client.aclose()


@pytest.fixture
def environment(database: str, redis_url: str) -> dict[str, str]:
    """What a process of the program needs in its environment to run on this test's servers."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLOTWRIGHT_")}
    return own | {
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "SLOTWRIGHT_TOKEN_SECRET": "a secret of the tests of at least thirty-two bytes",
        "SLOTWRIGHT_MANAGE_KEYS": "test:another-secret-of-the-tests-of-32-bytes-or-more",
        "SLOTWRIGHT_HASH_SECRET": "a third secret of the tests of at least 32 bytes",
        "SLOTWRIGHT_RATE_LIMITS": "off",
        "SLOTWRIGHT_DRAIN_SECONDS": "0",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",  # every test is at this machine's own
    }


def _folder_in_memory() -> Path | None:
    """Where a database, which is a thousand small files, is copied ten times as fast as on a disk;
    None where there is too little memory or no program may run from it.
    """
    try:
        there = os.statvfs(MEMORY)
    except OSError:
        return None
    _remove_leftovers()
    enough = min(there.f_bavail * there.f_frsize, psutil.virtual_memory().available)
    fits = (
        enough >= ENOUGH_MEMORY_BYTES
        and not there.f_flag & os.ST_NOEXEC
        and os.access(MEMORY, os.W_OK)
    )
    return MEMORY if fits else None


def _remove_leftovers() -> None:
    """What test processes that were killed left in memory: nobody holds its lock."""
    for folder in MEMORY.glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < STARTING_SECONDS:
                continue
            with (folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def _own_redis_database(redis_url: str | None) -> str | None:
    """The Redis database of this test process: one further for each process after the first."""
    if redis_url is None:
        return None
    parts = urlsplit(redis_url)
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + process}"))


def _require_empty(redis_url: str) -> None:
    with BlockingRedis.from_url(redis_url) as client:
        if client.dbsize():
            pytest.exit(
                (
                    "REDIS_URL names a database that is not empty; the tests flush it: name an empty "
                    "one."
                ),
                2,
            )
