"""Connections: one pool per process, one transaction per mutation, and one exception for a
PostgreSQL that is unavailable.

No session state outlives a use: every use is a transaction or a single plain read, locks are the
transaction's (`pg_advisory_xact_lock`) and settings are `SET LOCAL`. So a connection goes back to
the pool without a resetting round trip, which is worth a third of the throughput; what a cancelled
task left open is still rolled back by asyncpg.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction as PostgresTransaction

from app.deadlines import within
from app.errors import OperatorError
from app.store.distribution import BY_ORGANIZATION
from app.store.one_call import flattened, in_one_call
from app.store.sql import Record, query, together
from app.telemetry.metrics import POOL_WAIT_SECONDS
from app.telemetry.tracing import span

Connection: TypeAlias = "asyncpg.Connection[Record] | PoolConnectionProxy[Record]"

ACQUIRE_TIMEOUT_SECONDS: Final = 3.0
"""Waiting for a free connection and making a new one, together: longer than a burst, shorter than
clients wait.
"""

CLOSING_SECONDS: Final = 1.0
"""How long `close` waits for running uses: the caller has let work finish before, so these hang."""

COMMAND_GRACE_SECONDS: Final = 1.0
"""How much longer than PostgreSQL's own statement timeout the program waits before it considers the
server unavailable.
"""

IDLE_IN_TRANSACTION_SECONDS: Final = 15
"""PostgreSQL ends a transaction that has been silent for so long: a frozen process must not keep a
lock.
"""

CACHED_STATEMENTS: Final = 512
"""Prepared statements kept by each connection: more than the program has."""

_OUTAGES: Final = (
    OSError,  # with the event loop's TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, start, a statement that took too long
    asyncpg.InsufficientResourcesError,  # too many connections, no memory, a full disk
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # after a failover: this server is a replica now
    # The server closed the connection between two statements, and the driver has not noticed yet.
    asyncpg.InternalClientError,
)
"""What the driver raises if PostgreSQL can't be used, in any state of the connection."""

_OF_DEAD_CONNECTIONS: Final = (asyncpg.InterfaceError, RuntimeError, AttributeError)
"""What the driver and its event loop raise for a wrong call, and also for a connection that has
just died: an outage only where the connection is dead.
"""


_SHOW_SHARDS: Final = """
SELECT set_config('citus.override_table_visibility', 'off', false)
FROM pg_extension
WHERE extname = 'citus'
"""
"""Otherwise Citus hides shards from the driver when that looks up a type, which takes seconds."""

_HAS_CITUS: Final = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"

_WRITE_AT_ONCE: Final = query("write_at_once")
_INSERT: Final = re.compile(r"INSERT INTO (\w+)")
_SELECT: Final = re.compile(r"\s*SELECT\b", re.IGNORECASE)


class DatabaseUnavailableError(OperatorError):
    """PostgreSQL did not answer, or not in time; nothing is known to be wrong with the request. Its
    cause says more.
    """

    def __str__(self) -> str:
        reason = (
            f"{type(self.__cause__).__name__}: {self.__cause__}"
            if self.__cause__
            else "no reason known"
        )
        return f"PostgreSQL can't be used ({reason}): check DATABASE_URL and that it runs."


def _is_outage(error: BaseException, connection: Connection) -> bool:
    """Whether this is a broken PostgreSQL, not a bug."""
    return isinstance(error, _OUTAGES) or (
        isinstance(error, _OF_DEAD_CONNECTIONS) and _is_dead(connection)
    )


def _is_dead(connection: Connection) -> bool:
    """Whether the connection can no longer be used."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has taken it from us, which it does when a connection is lost while in use.
        return True


class _unavailable_on_outage:  # noqa: N801  read as a function: `with _unavailable_on_outage(…)`
    """Raise an outage as `DatabaseUnavailableError`. Wrap calls of the driver and nothing else."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        connection = self._connection
        if not isinstance(error, Exception) or not _is_outage(error, connection):
            return
        if isinstance(error, asyncpg.InternalClientError) and not _is_dead(connection):
            connection.terminate()
        raise DatabaseUnavailableError from error


class _outages_hidden:  # noqa: N801  read as a function: `with _outages_hidden(…)`
    """Around giving up a transaction or a connection: that it died must not hide how the block
    ended.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> bool:
        return isinstance(error, Exception) and _is_outage(error, self._connection)


@contextlib.contextmanager
def _refusals_as_outages() -> Iterator[None]:
    """While connecting for the first time, a wrong password or name counts like an unavailable
    server.
    """
    try:
        yield
    except (
        *_OUTAGES,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        ValueError,
        OverflowError,
    ) as refusal:
        raise DatabaseUnavailableError from refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUsage:
    """Connections in use, and idle ones."""

    used: int
    idle: int


class Pool:
    """A bounded set of connections. As an `Executor` it runs one plain read on a connection of its
    own.
    """

    __slots__ = ("_connections", "is_distributed")

    def __init__(self, connections: asyncpg.Pool[Record], *, is_distributed: bool = False) -> None:
        self._connections = connections
        self.is_distributed = is_distributed
        """Whether Citus is there: then each write is a statement of its own, since one that writes
        to several tables would not be sent to the organization's node as a whole.
        """

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for this block. Never take a second one while holding one: a full pool would
        wait for itself.
        """
        connection = await self.take()
        try:
            yield connection
        finally:
            await self.give_back(connection)

    async def take(self) -> PoolConnectionProxy[Record]:
        """A connection, to be given back."""
        with POOL_WAIT_SECONDS.time():
            try:
                return await within(ACQUIRE_TIMEOUT_SECONDS, self._acquired())
            except (*_OUTAGES, asyncpg.InterfaceError) as error:
                # An InterfaceError: the new connection died while it was set up, or the pool
                # closes.
                raise DatabaseUnavailableError from error

    async def give_back(self, connection: PoolConnectionProxy[Record]) -> None:
        """One that was taken."""
        # A connection that died is replaced at its next use.
        # Within its time: what a cancelled task left open is ended first, by a server that may
        # hang.
        with _outages_hidden(connection):
            await self._connections.release(connection, timeout=ACQUIRE_TIMEOUT_SECONDS)

    async def _acquired(self) -> PoolConnectionProxy[Record]:
        return await self._connections.acquire()

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Record]:
        """A SELECT is run once more where its connection turns out to be dead, so it must not
        write.
        """
        return await self._run(
            lambda connection: _fetch(connection, sql, arguments), again=_only_reads(sql)
        )

    async def fetch_together(
        self, sql: str, several: Sequence[Sequence[object]], *, writes: bool
    ) -> list[Record]:
        """The rows of a statement that is run with each of these arguments, one run after the
        other in one transaction and one round trip. What one of the runs raises undoes all.
        """
        return await self._run(
            lambda connection: _fetch_together(connection, sql, several), again=not writes
        )

    async def execute(self, sql: str, arguments: Sequence[object]) -> int:
        async with self.connection() as connection:
            return await _execute(connection, sql, arguments)

    async def _run(
        self, statement: Callable[[Connection], Awaitable[list[Record]]], *, again: bool
    ) -> list[Record]:
        """Once more, on another connection, where the first one turns out to be dead and that is
        allowed.
        """
        async with self.connection() as connection:
            try:
                return await statement(connection)
            except DatabaseUnavailableError:
                if not (again and _is_dead(connection)):
                    raise
        async with self.connection() as connection:
            return await statement(connection)

    def kept(self) -> Kept:
        """One connection for the statements of a block: to take one for each costs a third of a
        short statement.
        """
        return Kept(self)

    @property
    def usage(self) -> PoolUsage:
        idle = self._connections.get_idle_size()
        return PoolUsage(used=self._connections.get_size() - idle, idle=idle)

    async def close(self) -> None:
        """Waits for running uses, for a moment, then ends them."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._connections.close()
        except TimeoutError:
            self._connections.terminate()


class Kept:
    """Within its block, runs one statement after another on the same connection, each as a
    transaction of its own. A SELECT that finds the connection dead is run once more, on another
    one.
    """

    __slots__ = ("_connection", "_pool")

    _connection: PoolConnectionProxy[Record]

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Self:
        self._connection = await self._pool.take()
        return self

    async def __aexit__(self, *_: object) -> None:
        # It does nothing for one that was given back before.
        await self._pool.give_back(self._connection)

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Record]:
        try:
            return await _fetch(self._connection, sql, arguments)
        except DatabaseUnavailableError:
            if not (_only_reads(sql) and _is_dead(self._connection)):
                raise
        await self._pool.give_back(self._connection)
        self._connection = await self._pool.take()
        return await _fetch(self._connection, sql, arguments)

    async def execute(self, sql: str, arguments: Sequence[object]) -> int:
        return await _execute(self._connection, sql, arguments)


class Writes:
    """Writes that wait, to be sent as one statement."""

    __slots__ = ("_first", "_needed", "_waiting", "is_distributed")

    def __init__(self, *, is_distributed: bool = False) -> None:
        self._first: list[tuple[str, Sequence[object]]] = []
        self._needed: dict[str, int] = {}
        self._waiting: list[tuple[str, Sequence[object]]] = []
        self.is_distributed = is_distributed
        """Whether the database is distributed: then each is a statement of its own, also where they
        are sent together (`Commits.commit`).
        """

    def later(self, sql: str, arguments: Sequence[object]) -> None:
        """A write that waits. Those that wait together don't see one another."""
        self._waiting.append((sql, arguments))

    def once(self, sql: str, arguments: Sequence[object]) -> None:
        """A write that waits, unless the same one is waiting already."""
        if (sql, arguments) not in self._waiting:
            self.later(sql, arguments)

    def first(self, sql: str, arguments: Sequence[object]) -> None:
        """Where the database is distributed: what runs before all that waits, and has to touch a
        row, or else nothing is written.
        """
        self._first.append((sql, arguments))
        self._needed[sql] = 1

    def needed(self, sql: str, arguments: Sequence[object], *, rows: int) -> None:
        """As `later`, where the database is distributed, for a write that has to touch so many
        rows, or else nothing is written.
        """
        self.later(sql, arguments)
        self._needed[sql] = rows

    def withdrawn(self) -> list[tuple[str, Sequence[object]]]:
        """All that waited. None waits any more."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def taken(self) -> tuple[str, Sequence[object]]:
        """All that waited, as one statement with its arguments. None waits any more."""
        waiting = self.withdrawn()
        sql = together(tuple(sql for sql, _ in waiting))
        return sql, [each for _, arguments in waiting for each in arguments]

    def taken_one_by_one(self) -> tuple[str, Sequence[object]]:
        """The same, where all of them concern one organization, as the call of a function that runs
        one after the other on its node.
        """
        waiting = sorted(self.withdrawn(), key=lambda write: _turn(write[0]))
        writes = [*self._first, *waiting]
        self._first = []
        return _WRITE_AT_ONCE.sql, (
            writes[0][1][0],
            in_one_call(tuple(sql for sql, _ in writes)),
            [self._needed.get(sql, 0) for sql, _ in writes],
            flattened([arguments for _, arguments in writes]),
        )


class Transaction(Writes):
    """Everything that runs on it is committed together at the end of its block, or rolled back.

    Writes may wait (`later`): they go before the next statement, or at the end, all in one round
    trip.
    """

    __slots__ = ("_connection", "_doomed", "is_snapshot")

    def __init__(
        self, connection: Connection, *, is_snapshot: bool = False, is_distributed: bool = False
    ) -> None:
        super().__init__(is_distributed=is_distributed)
        self.is_snapshot = is_snapshot
        """Whether it can only read, and sees the same commits in every statement."""
        self._connection = connection
        self._doomed = False

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Record]:
        await self.write()
        return await _fetch(self._connection, sql, arguments)

    async def execute(self, sql: str, arguments: Sequence[object]) -> int:
        await self.write()
        return await _execute(self._connection, sql, arguments)

    async def write(self) -> int:
        """Execute the waiting writes. Returns how many rows the last of them touched."""
        if not self._waiting:
            return 0
        if not self.is_distributed:
            return await _execute(self._connection, *self.taken())
        waiting = self.withdrawn()
        touched = 0
        # One statement checks foreign keys at its end; here, what is referred to goes first. Citus
        # sends a function within a transaction only if that may not write as freely as these do.
        for place in sorted(range(len(waiting)), key=lambda place: _turn(waiting[place][0])):
            rows = await _execute(self._connection, *waiting[place])
            if place == len(waiting) - 1:
                touched = rows
        return touched

    def roll_back(self) -> None:
        """Roll everything back when the block ends: for a refusal that comes after a write."""
        self._doomed = True

    @property
    def is_doomed(self) -> bool:
        return self._doomed


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Transaction]:
    """Read committed: committed at the end of the block, rolled back on an exception or
    `roll_back()`.
    """
    async with _block(pool) as running:
        yield running


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Transaction]:
    """Read only, repeatable read: all statements of the block see the same commits."""
    async with _block(pool, isolation="repeatable_read", readonly=True) as running:
        yield running


@asynccontextmanager
async def _block(
    pool: Pool, *, isolation: Literal["repeatable_read"] | None = None, readonly: bool = False
) -> AsyncIterator[Transaction]:
    with span("transaction"):
        async with _begun(pool, isolation, readonly=readonly) as (connection, block):
            running = Transaction(
                connection, is_snapshot=readonly, is_distributed=pool.is_distributed
            )
            try:
                yield running
                if not running.is_doomed:
                    await running.write()
            except BaseException as error:
                # The error of the block matters more than one of the rollback after it; the pool
                # drops such a connection.
                with _outages_hidden(connection):
                    await block.rollback()
                if pool.is_distributed and isinstance(error, asyncpg.DeadlockDetectedError):
                    # With the move of a shard, which waits for its writers and lets none begin.
                    raise DatabaseUnavailableError from error
                raise
            with _unavailable_on_outage(connection):
                await (block.rollback() if running.is_doomed else block.commit())


@asynccontextmanager
async def _begun(
    pool: Pool, isolation: Literal["repeatable_read"] | None, *, readonly: bool
) -> AsyncIterator[tuple[Connection, PostgresTransaction]]:
    """A transaction on a connection of its own, on another one where the first turns out to be
    dead.
    """
    async with contextlib.AsyncExitStack() as first:
        connection = await first.enter_async_context(pool.connection())
        block = connection.transaction(isolation=isolation, readonly=readonly)
        try:
            with _unavailable_on_outage(connection):
                await block.start()
        except DatabaseUnavailableError:
            if not _is_dead(connection):
                raise
        else:
            yield connection, block
            return
    async with pool.connection() as connection:
        block = connection.transaction(isolation=isolation, readonly=readonly)
        with _unavailable_on_outage(connection):
            await block.start()
        yield connection, block


async def create_pool(database_url: str, *, size: int, statement_timeout_ms: int) -> Pool:
    """A pool of at most `size` connections; the first is made now, so that a wrong address shows at
    the start, and asked for Citus.
    """
    with _refusals_as_outages():
        connections = await asyncpg.create_pool(
            database_url,
            min_size=0,
            init_size=1,
            max_size=size,
            max_inactive_connection_lifetime=300.0,
            timeout=ACQUIRE_TIMEOUT_SECONDS,
            command_timeout=statement_timeout_ms / 1000 + COMMAND_GRACE_SECONDS,
            statement_cache_size=CACHED_STATEMENTS,
            init=_initialize,
            reset=_keep,
            server_settings={
                "application_name": "slotwright",
                "timezone": "UTC",
                "jit": "off",  # every statement is short: compiling it costs more than running it
                "statement_timeout": str(statement_timeout_ms),
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_SECONDS * 1000),
            },
        )
        is_distributed = await connections.fetchval(_HAS_CITUS)
    return Pool(connections, is_distributed=is_distributed)


@contextlib.asynccontextmanager
async def connected_once(
    database_url: str, *, application_name: str
) -> AsyncIterator[asyncpg.Connection[Record]]:
    """A connection outside of any pool, without a limit to its statements, for as long as the block
    lasts. Raises DatabaseUnavailableError where PostgreSQL is away, or dies meanwhile.
    """
    with _refusals_as_outages():
        connection = await asyncpg.connect(
            database_url,
            timeout=ACQUIRE_TIMEOUT_SECONDS,
            server_settings={"application_name": application_name},
        )
    with _unavailable_on_outage(connection):
        try:
            yield connection
        finally:
            with _outages_hidden(connection):
                await connection.close()


async def _initialize(connection: asyncpg.Connection[Record]) -> None:
    await connection.execute(_SHOW_SHARDS)
    for json_type in ("json", "jsonb"):
        await connection.set_type_codec(
            json_type,
            schema="pg_catalog",
            encoder=_encode_json,
            decoder=orjson.loads,
            format="text",
        )


async def _keep(_connection: asyncpg.Connection[Record]) -> None:
    """Instead of a reset; see the top of this module."""


def _encode_json(value: object) -> str:
    return orjson.dumps(value).decode()


async def _fetch(connection: Connection, sql: str, arguments: Sequence[object]) -> list[Record]:
    with _unavailable_on_outage(connection):
        return await connection.fetch(sql, *arguments)


async def _fetch_together(
    connection: Connection, sql: str, several: Sequence[Sequence[object]]
) -> list[Record]:
    if len(several) == 1:
        return await _fetch(connection, sql, several[0])
    with _unavailable_on_outage(connection):
        return await connection.fetchmany(sql, several)


async def _execute(connection: Connection, sql: str, arguments: Sequence[object]) -> int:
    with _unavailable_on_outage(connection):
        return rows_of(await connection.execute(sql, *arguments))


def _only_reads(sql: str) -> bool:
    return _SELECT.match(sql) is not None


def _turn(sql: str) -> int:
    """When a write has its turn among others: in the order of the tables, changes last."""
    inserted = _INSERT.match(sql)
    return BY_ORGANIZATION.index(inserted[1]) if inserted else len(BY_ORGANIZATION)


def rows_of(status: str) -> int:
    """The count in a command tag: 3 of "UPDATE 3", 1 of "INSERT 0 1", 0 of "SET"."""
    last = status.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0
