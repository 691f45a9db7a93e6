"""Migrates the database, a file of sql/migrations/ at a time, and checks its schema version; with
Citus, distributes it.

Forward only. A file that was applied is never edited: its checksum is kept, and another one is an
error.

Programs of the previous release keep running while the files are applied, so a migration must not
block them for long:

- A file is one transaction. If it does not get a lock within `LOCK_TIMEOUT_MS`, or still needs one
  after `LOCKING_MS`, it is rolled back and retried a moment later, so that waiting statements can
  run in between. The tables that it alters are locked first: a stronger lock on a table of which it
  already has one (for a foreign key, say) would be an immediate deadlock for programs that read the
  table and then write to it, and PostgreSQL refuses the program's statement.
- A file whose first line is `-- transaction: each statement` is for what takes long and blocks
  nobody: CREATE INDEX CONCURRENTLY, VALIDATE CONSTRAINT, and filling columns in batches. Each
  statement is committed by itself, and the file is recorded after the last one, so each must be
  safe to repeat. A statement with parameters is one batch: it runs with nulls first, then with the
  row that it returned, until it returns none.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

import asyncpg

from app.errors import OperatorError
from app.store.distribution import (
    Engine,
    NoCitusError,
    Read,
    distribute_all,
    engine_of,
    is_begun,
    prepare_session,
    undistributed,
)
from app.store.pool import Connection, Pool, connected_once
from app.store.sql import Record, sql_folder

T = TypeVar("T")

LOCK_KEY: Final = 0x510731A7E_0001
"""The runner's advisory lock, held by its session: two programs that migrate at once take turns."""

OLDEST_POSTGRESQL: Final = 15
"""The first major version whose constraints and ranges the migrations rely on and the tests run on.
"""

LOCK_TIMEOUT_MS: Final = 300
"""How long a file, or a batch, waits for a lock, and others behind it."""

LOCKING_MS: Final = 700
"""How long after its beginning a file, or a batch, may wait for a lock; later ones have to be free.
With one more round trip it is less than PostgreSQL's `deadlock_timeout` (1 s). A program that waits
for the file looks for a deadlock only after that time, and by then the file no longer waits: so in
a circle the migration gives way, and never a program that books.
"""

LOCK_TRIES: Final = 300
LOCK_PAUSE_SECONDS: Final = 1.0
"""Between two tries: together some minutes, longer than any transaction of the program."""

_EACH_STATEMENT: Final = "-- transaction: each statement\n"

_ALTERED: Final = re.compile(r"^ALTER TABLE (\w+)", re.MULTILINE)
_THERE: Final = """
SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS altered (name, number)
WHERE to_regclass(name) IS NOT NULL
ORDER BY number
"""

_FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT schema_migration_pkey PRIMARY KEY (version)
)
"""
_TABLE_EXISTS: Final = "SELECT to_regclass('schema_migration') IS NOT NULL AS it_exists"
_APPLIED: Final = "SELECT version, name, checksum FROM schema_migration ORDER BY version"
_RECORD: Final = "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)"


class MigrationError(OperatorError):
    """The database and sql/migrations/ do not match."""


class UnmigratedError(MigrationError):
    def __init__(self, *, pending: int) -> None:
        files = "1 migration" if pending == 1 else f"{pending} migrations"
        super().__init__(f"The database lacks {files}: run “python -m app migrate” first.")


class UndistributedError(MigrationError):
    def __init__(self, *, tables: int) -> None:
        named = "1 table is" if tables == 1 else f"{tables} tables are"
        super().__init__(
            f"This is a Citus database, but {named} not distributed: run “python -m app "
            "distribute” first."
        )


class DatabaseAheadError(MigrationError):
    def __init__(self, *, version: int) -> None:
        super().__init__(
            f"The database is newer than this program: it has migration {version:04}, unknown here."
        )


class EditedMigrationError(MigrationError):
    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"Migration {name} was edited after it was applied to this database: restore the file."
        )


class TablesInUseError(MigrationError):
    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"Migration {name} did not get its locks in {LOCK_TRIES} tries: another transaction "
            "keeps the tables, a backup for example. Run it again when that has ended."
        )


class OldPostgresError(MigrationError):
    def __init__(self, *, version: int) -> None:
        super().__init__(
            f"This is PostgreSQL {version}; version {OLDEST_POSTGRESQL} or newer is needed."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    version: int
    name: str
    """The file's name without ".sql": "0001_organization"."""
    sql: str
    checksum: str
    """SHA-256 of the file, in hexadecimal."""

    @property
    def is_one_transaction(self) -> bool:
        """Whether the whole file is one; otherwise each statement is committed by itself."""
        return not self.sql.startswith(_EACH_STATEMENT)

    @property
    def statements(self) -> list[str]:
        """Those of the file, in order. A semicolon at the end of a line ends one, except in a
        comment or within `$$`.
        """
        found: list[str] = []
        lines: list[str] = []
        for line in self.sql.splitlines():
            is_comment = line.lstrip().startswith("--")
            if lines or (line.strip() and not is_comment):
                lines.append(line)
            if line.rstrip().endswith(";") and not is_comment:
                text = "\n".join(lines)
                if text.count("$$") % 2 == 0:
                    found.append(text)
                    lines.clear()
        return [*found, "\n".join(lines)] if lines else found

    @property
    def altered(self) -> list[str]:
        """The tables that the file alters or creates and alters, each once, in order."""
        return list(dict.fromkeys(_ALTERED.findall("\n".join(self.statements))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    version: int
    name: str
    checksum: str


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The files in order; a gap, a repeated number or an odd name is an error."""
    migrations: list[Migration] = []
    for path in sorted((folder or sql_folder() / "migrations").glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != len(migrations) + 1:
            raise MigrationError(
                f"{path.name} breaks the sequence 0001_subject.sql, 0002_subject.sql …"
            )
        content = path.read_bytes()
        migrations.append(
            Migration(
                version=int(match[1]),
                name=path.stem,
                sql=content.decode(),
                checksum=hashlib.sha256(content).hexdigest(),
            )
        )
    return migrations


@cache
def own_migrations() -> tuple[Migration, ...]:
    """Those of this process, read once: files that are replaced under a running program are not yet
    its own.
    """
    return tuple(read_migrations())


def pending(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """The migrations still to apply; raises if the database's applied migrations are not the first
    of these files.
    """
    known = {migration.version: migration for migration in migrations}
    for row in applied:
        migration = known.get(row.version)
        if migration is None:
            raise DatabaseAheadError(version=row.version)
        if migration.checksum != row.checksum:
            raise EditedMigrationError(name=row.name)
    done = {row.version for row in applied}
    return [migration for migration in migrations if migration.version not in done]


async def check(pool: Pool, *, folder: Path | None = None) -> Engine:
    """What the database runs on, if it has exactly this program's schema version and, with Citus,
    is distributed; else raises a `MigrationError`.
    """

    async def read(sql: str) -> list[Record]:
        return await pool.fetch(sql, ())

    engine = await _engine(read)
    left = pending(read_migrations(folder) if folder else own_migrations(), await _applied(read))
    if left:
        raise UnmigratedError(pending=len(left))
    missing = await undistributed(read) if engine.is_citus else []
    if missing:
        raise UndistributedError(tables=len(missing))
    return engine


async def migrate(
    database_url: str,
    *,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> list[Migration]:
    """Applies what is missing and returns it; `progress` gets a line for each file.

    Safe to run twice and at once. A file that fails leaves everything before it, and nothing of
    itself unless it is committed by statements: then the next run repeats it from its start. What
    is new in a distributed database is distributed.
    """
    migrations = read_migrations(folder)
    # The end of the connection releases the advisory lock, however this goes.
    async with connected_once(database_url, application_name="slotwright-migrate") as connection:
        engine = await _engine(connection.fetch)
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        await connection.execute(_CREATE_TABLE)
        left = pending(migrations, await _applied(connection.fetch))
        is_distributed = engine.is_citus and await is_begun(connection.fetch)
        if is_distributed:
            await prepare_session(connection)
        for migration in left:
            progress(f"migrating: {migration.name}")
            await _apply(connection, migration)
        if is_distributed and left:
            await distribute_all(connection, progress)
        return left


async def distribute(
    database_url: str, *, progress: Callable[[str], None] = lambda _line: None
) -> list[str]:
    """Distributes a migrated Citus database, empty or full, and returns the tables that were not
    distributed before. Safe to run twice and at once, but not while the program runs: a table whose
    turn it is can't be read.
    """
    async with connected_once(database_url, application_name="slotwright-distribute") as connection:
        engine = await _engine(connection.fetch)
        if not engine.is_citus:
            raise NoCitusError
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        left = pending(own_migrations(), await _applied(connection.fetch))
        if left:
            raise UnmigratedError(pending=len(left))
        return await distribute_all(connection, progress)


async def _apply(connection: Connection, migration: Migration) -> None:
    async def whole(statements: Sequence[str]) -> None:
        until = monotonic() + LOCKING_MS / 1000
        await connection.execute(_RECORD, migration.version, migration.name, migration.checksum)
        altered = await connection.fetch(_THERE, migration.altered)
        locks = [f"LOCK TABLE {row['name']} IN ACCESS EXCLUSIVE MODE" for row in altered]
        for statement in [*locks, *statements]:
            left = int((until - monotonic()) * 1000)
            await connection.execute(
                f"SET LOCAL lock_timeout = {max(1, min(left, LOCK_TIMEOUT_MS))}"
            )
            await connection.execute(statement)

    if migration.is_one_transaction:
        await _locking(connection, migration, whole, migration.statements)
        return
    for statement in migration.statements:
        await _step(connection, migration, statement)
    await connection.execute(_RECORD, migration.version, migration.name, migration.checksum)


async def _step(connection: Connection, migration: Migration, statement: str) -> None:
    prepared = await connection.prepare(statement)
    arguments: Sequence[object] = [None] * len(prepared.get_parameters())
    if not arguments:
        # It waits for others, concurrently or for a weak lock, and nobody waits for it.
        await connection.execute(statement)
        return

    async def batch(*arguments: object) -> Record | None:
        return await prepared.fetchrow(*arguments)

    while True:
        row = await _locking(connection, migration, batch, *arguments)
        if row is None:
            return
        arguments = tuple(row.values())


async def _locking(
    connection: Connection,
    migration: Migration,
    work: Callable[..., Awaitable[T]],
    *arguments: object,
) -> T:
    """The work's result, in a transaction of its own; retried if a lock is not available soon."""
    for _ in range(LOCK_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                return await work(*arguments)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
    raise TablesInUseError(name=migration.name)


async def _engine(read: Read) -> Engine:
    engine = await engine_of(read)
    if engine.version < OLDEST_POSTGRESQL:
        raise OldPostgresError(version=engine.version)
    return engine


async def _applied(read: Read) -> list[Applied]:
    if not (await read(_TABLE_EXISTS))[0]["it_exists"]:
        return []
    rows = await read(_APPLIED)
    return [
        Applied(version=row["version"], name=row["name"], checksum=row["checksum"]) for row in rows
    ]
