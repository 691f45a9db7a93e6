"""Asks the API in processes that kill themselves on the way: `python -m tests.e2e.dying
'[{"after": …}, …]'`.

Each plan is carried out in a child of its own, which ends itself with SIGKILL right after the
statement of that name, or, for "commit", after the transaction and before the answer. A statement
of the short way is reached that way, all others the long way. Prints how each child ended, as a
JSON list.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from app.settings import Settings
from app.store import pool as store
from app.store.sql import Record, catalogue
from app.usecases.booking import book_appointment
from tests.builders import BOOK, Caller, running


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives this")


SHORT_WAY = {
    "look_before_booking",
    "book_as_seen",
    "look_before_change",
    "change_as_seen",
    "move_as_seen",
}


async def no_short_way(*_: object) -> None:
    """The long way decides."""


def die_after(statement: str) -> None:
    """From now on this process ends right after the statement."""
    if statement not in SHORT_WAY:
        book_appointment.book_at_once = no_short_way  # type: ignore[attr-defined,assignment]  # as below
    if statement == "commit":
        transaction = book_appointment.transaction  # type: ignore[attr-defined]  # looked up by the use case as it runs

        @asynccontextmanager
        async def transaction_and_die(pool: store.Pool) -> AsyncIterator[store.Transaction]:
            async with transaction(pool) as tx:
                yield tx
            die()

        book_appointment.transaction = transaction_and_die  # type: ignore[attr-defined]  # see above
        return
    # Writes go together, as one statement: a line of theirs tells them all the same.
    fatal = _fatal(catalogue()[statement].sql)
    fetch, execute = store._fetch, store._execute

    async def fetch_and_die(
        connection: store.Connection, sql: str, arguments: Sequence[object]
    ) -> list[Record]:
        rows = await fetch(connection, sql, arguments)
        return die() if fatal in _unnumbered(sql) else rows

    async def execute_and_die(
        connection: store.Connection, sql: str, arguments: Sequence[object]
    ) -> int:
        count = await execute(connection, sql, arguments)
        return die() if fatal in _unnumbered(sql) else count

    store._fetch, store._execute = fetch_and_die, execute_and_die


def _fatal(sql: str) -> str:
    return max(_unnumbered(sql).splitlines(), key=len)


def _unnumbered(sql: str) -> str:
    """Parameters have other numbers where statements go together."""
    return re.sub(r"\$\d+", "$", sql)


async def carry_out(settings: Settings, plan: dict[str, Any]) -> None:
    async with running(settings) as application:
        caller = Caller(organization=plan["organization"])
        response = await application.http.post(
            "/graphql",
            content=json.dumps(
                {"query": plan.get("document", BOOK), "variables": {"input": plan["input"]}}
            ),
            headers=caller.headers,
        )
        print(response.text, file=sys.stderr)


def main() -> None:
    settings = Settings.of_this_process()
    endings = []
    for plan in json.loads(sys.argv[1]):
        child = os.fork()
        if child == 0:
            die_after(plan["after"])
            asyncio.run(carry_out(settings, plan))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        endings.append(os.waitstatus_to_exitcode(status))
    print(json.dumps(endings))


if __name__ == "__main__":
    main()
