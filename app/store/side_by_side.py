"""Statements that are made side by side in a process are sent together: they run one after the
other over one connection, in one round trip and one transaction.

While PostgreSQL runs some of them, the next ones gather. Each finds the code, the plans and the
pages of its statement in the processor's caches, where the one before has left them: a booking
costs PostgreSQL a third less, and a process needs few connections. A statement that is alone does
not wait.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from app.batches import Batches
from app.store.pool import DatabaseUnavailableError
from app.store.sql import UnexpectedRowCountError
from app.telemetry.tracing import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.store.pool import Pool, Writes
    from app.store.sql import Record

MOST_TOGETHER: Final = 8
"""Statements of one transaction, which holds the locks of all of them until it ends."""

AT_ONCE: Final = 4
"""How many transactions of one statement run at the same time: another one begins beside them once
enough statements wait to fill two.
"""

PATIENCE_SECONDS: Final = 0.02
"""Where fewer wait, how long they wait for a transaction that runs: it may be waiting itself, for a
row, the disk, the network or a processor.
"""

OVERTAKEN: Final = "SW001"
"""The SQLSTATE with which functions of ours refuse to write; see migration 0087."""

Arguments: TypeAlias = "Sequence[object]"


class OvertakenError(Exception):
    """The statement has written nothing, because what it found is not what the decision was based
    on. The argument is a word: LOCKED, CHANGED or TAKEN.
    """


class SideBySide:
    """Sends each statement together with others of the same text. Each gives one row, and has an
    outcome of its own.
    """

    __slots__ = ("_pool", "_waiting", "_writes")

    def __init__(self, pool: Pool, *, writes: bool) -> None:
        self._pool = pool
        self._writes = writes
        self._waiting: dict[str, Batches[Arguments, Record | Exception]] = {}

    async def row(self, sql: str, arguments: Arguments) -> Record:
        """Raises what this statement raises. Where it writes and its connection breaks, nobody
        knows whether it did: DatabaseUnavailableError.
        """
        if self._pool.is_distributed:
            # Several organizations in one transaction would be several nodes in it.
            [outcome] = await self._send(sql, [arguments])
        else:
            outcome = await self._of(sql).ask(arguments)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _of(self, sql: str) -> Batches[Arguments, Record | Exception]:
        waiting = self._waiting.get(sql)
        if waiting is None:
            waiting = self._waiting[sql] = Batches(
                partial(self._send, sql),
                at_once=AT_ONCE,
                most=MOST_TOGETHER,
                crowd=2 * MOST_TOGETHER,
                patience_seconds=PATIENCE_SECONDS,
            )
        return waiting

    async def _send(self, sql: str, several: Sequence[Arguments]) -> list[Record | Exception]:
        try:
            rows = await self._pool.fetch_together(sql, several, writes=self._writes)
        except DatabaseUnavailableError as error:
            return [error] * len(several)
        except Exception as error:  # noqa: BLE001  raised where the statement was asked for
            if len(several) == 1:
                return [error]
            # One of them has failed, and all were rolled back.
            return [(await self._send(sql, [each]))[0] for each in several]
        if len(rows) != len(several):
            return [UnexpectedRowCountError(sql, len(rows))] * len(several)
        return [*rows]


class Looks:
    """Reads of one row. They are run once more where their connection turns out to be dead."""

    __slots__ = ("_side_by_side",)

    def __init__(self, pool: Pool) -> None:
        self._side_by_side = SideBySide(pool, writes=False)

    async def fetch(self, sql: str, arguments: Arguments) -> list[Record]:
        return [await self._side_by_side.row(sql, arguments)]


class Commits:
    """Changes that are one statement each. A statement that returns a text has written nothing, and
    the text says why.
    """

    __slots__ = ("_pool", "_side_by_side")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._side_by_side = SideBySide(pool, writes=True)

    async def commit(self, writes: Writes) -> None:
        """Send all of these writes as one statement; once it has run, they are committed. Raises
        OvertakenError where nothing was written, and DatabaseUnavailableError where that is not
        known.
        """
        sql, arguments = writes.taken_one_by_one() if writes.is_distributed else writes.taken()
        try:
            with span("transaction"):
                row = await self._side_by_side.row(sql, arguments)
        except asyncpg.PostgresError as error:
            overtaken = self._overtaken(error)
            if overtaken is None:
                raise
            raise overtaken from error
        if isinstance(row[0], str):
            raise OvertakenError(row[0])

    def _overtaken(self, error: asyncpg.PostgresError) -> OvertakenError | None:
        """What it means, if it only means that somebody else was faster."""
        match error:
            case asyncpg.ExclusionViolationError():
                return OvertakenError("TAKEN")
            case asyncpg.LockNotAvailableError():
                return OvertakenError("LOCKED")
            case asyncpg.DeadlockDetectedError() if self._pool.is_distributed:
                # With the move of a shard.
                return OvertakenError("LOCKED")
            case _:
                return OvertakenError(error.args[0]) if error.sqlstate == OVERTAKEN else None
