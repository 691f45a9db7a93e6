"""History, outbox, idempotency answers and events are written in one place: by no other statement,
and no other caller.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import app
from app.store.sql import catalogue, sql_folder

APP = Path(app.__file__).parent
RECORDED = ("appointment_history", "message_outbox", "idempotency_key", "event", "event_epoch")
WRITES = re.compile(rf"\bINSERT INTO ({'|'.join(RECORDED)})\b")
CHANGES_STATUS = re.compile(r"\bUPDATE appointment\s+SET status\b")


def names_in(file: str) -> set[str]:
    text = (sql_folder() / "queries" / file).read_text(encoding="utf-8")
    return set(re.findall(r"^-- name: (\w+)", text, re.MULTILINE))


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(APP.rglob("*.py")):
        name = ".".join(path.relative_to(APP.parent).with_suffix("").parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def queries_bound_in(source: ast.Module) -> set[str]:
    return {
        node.args[0].value
        for node in ast.walk(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "query"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def imported_in(source: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_the_statements_of_the_record_write_what_happened() -> None:
    writing = {name for name, query in catalogue().items() if WRITES.search(query.sql)}
    # One records by a function; messages end with their events, written by the record's fragments.
    assert writing == names_in("record.sql") - {"record_events"} | {"close_messages"}
    written = {found for name in writing for found in WRITES.findall(catalogue()[name].sql)}
    assert written == set(RECORDED), "each of them is written by one"


def test_only_one_module_of_the_store_runs_them_and_only_one_use_case_calls_it() -> None:
    names = names_in("record.sql")
    binding = {module for module, source in sources() if queries_bound_in(source) & names}
    assert binding == {"app.store.record"}
    callers = {module for module, source in sources() if "app.store.record" in imported_in(source)}
    assert callers == {"app.usecases.events.record"}


def test_only_two_statements_change_a_status_and_their_callers_record_it() -> None:
    changing = {name for name, query in catalogue().items() if CHANGES_STATUS.search(query.sql)}
    assert changing == {"update_appointment", "complete_appointments"}
    writers = {f"app.store.appointments.{name}" for name in changing} | {
        "app.store.appointments.insert_appointment"
    }
    for module, source in sources():
        if imported_in(source) & writers:
            recorded = {
                name
                for name in imported_in(source)
                if name.startswith("app.usecases.events.record.")
            }
            assert recorded, f"{module} changes appointments and records nothing"
