"""Commits: changes that are one statement each, and so a transaction. Those that are made side by
side in a process are committed together.

While PostgreSQL writes some of them, the next ones gather. They follow one another over one
connection, in one round trip, so each statement finds its code, its plans and its pages where the
one before has left them: a booking costs PostgreSQL a third less. A change that is alone waits for
nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from app.batches import Batches
from app.store.pool import DatabaseUnavailableError
from app.telemetry.tracing import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.store.pool import Pool, Writes

MOST_TOGETHER: Final = 8
"""Changes of one transaction, which holds the locks of all of them until it ends."""

PATIENCE_SECONDS: Final = 0.03
"""How long the next ones wait for a transaction that takes long: it may have to wait for others."""

OVERTAKEN: Final = "SW001"
"""The SQLSTATE with which functions of ours refuse to write; see migration 0087."""

Arguments: TypeAlias = "Sequence[object]"


class OvertakenError(Exception):
    """A statement that writes only what was decided on what it finds again has found something
    else, and has written nothing. Its argument is a word: LOCKED, CHANGED or TAKEN.
    """


class Commits:
    """The changes that wait, by their statement. A statement that gives a text as the first column
    of its row has written nothing, and says why.
    """

    __slots__ = ("_pool", "_waiting")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[str, Batches[Arguments, Exception | None]] = {}

    async def commit(self, writes: Writes) -> None:
        """Send all of these writes as one statement; once it has run, they are committed. Raises
        OvertakenError where nothing was written, and DatabaseUnavailableError where that is not
        known.
        """
        sql, arguments = writes.taken_one_by_one() if writes.is_distributed else writes.taken()
        with span("transaction"):
            if self._pool.is_distributed:
                # Several organizations in one transaction would be several nodes in it.
                [failure] = await self._commit(sql, [arguments])
            else:
                failure = await self._of(sql).ask(arguments)
        if failure is not None:
            raise failure

    def _of(self, sql: str) -> Batches[Arguments, Exception | None]:
        waiting = self._waiting.get(sql)
        if waiting is None:
            waiting = self._waiting[sql] = Batches(
                partial(self._commit, sql), most=MOST_TOGETHER, patience_seconds=PATIENCE_SECONDS
            )
        return waiting

    async def _commit(self, sql: str, changes: Sequence[Arguments]) -> list[Exception | None]:
        """Why each of them was not written, if it was not."""
        try:
            rows = await self._pool.fetch_together(sql, changes)
        except DatabaseUnavailableError as error:
            return [error] * len(changes)
        except Exception as error:  # noqa: BLE001  raised where the change is made
            if len(changes) == 1:
                return [self._overtaken(error) or error]
            # It is the failure of one of them, which has undone the others.
            return [(await self._commit(sql, [each]))[0] for each in changes]
        return [OvertakenError(row[0]) if isinstance(row[0], str) else None for row in rows]

    def _overtaken(self, error: Exception) -> OvertakenError | None:
        """What the failure of a statement means, if it only means that it was overtaken."""
        match error:
            case asyncpg.ExclusionViolationError():
                return OvertakenError("TAKEN")
            case asyncpg.LockNotAvailableError():
                return OvertakenError("LOCKED")
            case asyncpg.DeadlockDetectedError() if self._pool.is_distributed:
                # With the move of a shard.
                return OvertakenError("LOCKED")
            case asyncpg.PostgresError(sqlstate=sqlstate) if sqlstate == OVERTAKEN:
                return OvertakenError(error.args[0])
            case _:
                return None
