"""Every statement of sql/queries/ is what its header says, is used, and stays within one
organization.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import asyncpg
import pytest

import app.store
from app.store.sql import Query, bound, catalogue, parse_fragments, sql_folder, together

QUERIES = sorted(catalogue().values(), key=lambda query: query.name)
STORE = Path(app.store.__file__).parent
WITH_STATEMENTS_OF_THEIR_OWN = {"migrations.py", "distribution.py"}
"""They read PostgreSQL's catalogs, and the migrations' own table, before there are statements."""


def store_modules() -> list[str]:
    return [f"app.store.{module.name}" for module in pkgutil.iter_modules([str(STORE)])]


def test_every_statement_is_bound_by_a_module_of_the_store() -> None:
    for name in store_modules():
        importlib.import_module(name)
    assert set(catalogue()) - bound() == set(), "nobody runs these"


def test_every_file_has_only_statements() -> None:
    for path in sorted((sql_folder() / "queries").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(("-- name: ", "-- fragment: ")), (
            f"{path.name} has something before its first statement"
        )
    for parsed in QUERIES:
        assert ";" not in re.sub(r"'[^']*'|--[^\n]*", "", parsed.sql), (
            f"{parsed.name} is more than one statement"
        )


def test_every_fragment_is_included_by_several_statements() -> None:
    """Otherwise it hides what one statement reads."""
    texts = [path.read_text(encoding="utf-8") for path in (sql_folder() / "queries").glob("*.sql")]
    fragments = {name for text in texts for name in parse_fragments(text, source="")}
    assert fragments
    for name in fragments:
        assert sum(text.count(f"{{{{{name}}}}}") for text in texts) > 1, name


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_statement_names_its_organization(query: Query) -> None:
    if query.all_organizations:
        return
    assert query.params
    assert query.params[0].name == "organization_id", "the organization leads the parameters"
    assert query.params[0].type == "uuid"
    assert re.search(r"\borganization_id\b", query.sql), "the statement filters by organization"
    assert "$1" in query.sql


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
async def test_a_statement_takes_and_gives_what_it_says(
    query: Query, migrated: asyncpg.Connection
) -> None:
    statement = await migrated.prepare(query.sql)
    said = [
        await migrated.fetchval("SELECT $1::text::regtype::oid::bigint", parameter.type)
        for parameter in query.params
    ]
    assert [parameter.oid for parameter in statement.get_parameters()] == said, (
        "the parameters' types"
    )
    columns = [attribute.name for attribute in statement.get_attributes()]
    assert len(columns) == len(set(columns)), "two columns of one name hide each other"
    assert "?column?" not in columns, "a column without a name"
    records = [each.name for each in statement.get_attributes() if "record" in each.type.name]
    assert records == [], "rows of an anonymous type: give arrays of plain types"
    if query.cardinality != "exec":
        assert columns, f"a :{query.cardinality} statement gives rows"


async def test_what_is_read_is_fetched_and_what_is_fetched_is_read(
    migrated: asyncpg.Connection,
) -> None:
    """Compares the columns of each statement with the keys and names by which the store's functions
    read them.
    """
    fetched = {
        query.name: [
            attribute.name for attribute in (await migrated.prepare(query.sql)).get_attributes()
        ]
        for query in QUERIES
        if query.cardinality != "exec"
    }
    every_column = {column for columns in fetched.values() for column in columns}
    sources = [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in STORE.glob("*.py")
        if path.name not in WITH_STATEMENTS_OF_THEIR_OWN
    ]
    read = {key for source in sources for key in subscripts(source)}
    texts = {text for source in sources for text in constants(source)}
    unpacked = [names for source in sources for names in unpackings(source)]
    prefixes = {text for text in texts if text.endswith("_")} | {""}

    assert {
        key for key in read if not any(prefix + key in every_column for prefix in prefixes)
    } == set()
    assert [names for names in unpacked if names not in fetched.values()] == [], (
        "unpacked in the statement's order"
    )
    known = texts | {name for names in unpacked for name in names}
    unread = {
        f"{name}.{column}"
        for name, columns in fetched.items()
        for column in columns
        if len(columns) > 1 and not any(column.removeprefix(prefix) in known for prefix in prefixes)
    }
    assert unread == set()


async def test_what_rows_name_without_a_foreign_key_is_never_deleted(
    migrated: asyncpg.Connection,
) -> None:
    """So there is nothing that such a key would refuse, and a booking does not check it."""
    unchecked = {
        "appointment": {"appointment_history", "idempotency_key", "message_outbox"},
        "organization": {"customer"},
    }
    functions = await migrated.fetch("SELECT prosrc FROM pg_proc WHERE prosrc LIKE '%BEGIN%'")
    texts = [query.sql for query in QUERIES] + [row["prosrc"] for row in functions]
    deleting = re.compile(rf"\b(?:DELETE FROM|TRUNCATE) (?:{'|'.join(unchecked)})\b")
    assert [text for text in texts if deleting.search(text)] == []
    checked = await migrated.fetch(
        """SELECT confrelid::regclass::text AS named, conrelid::regclass::text AS naming
        FROM pg_constraint
        WHERE contype = 'f' AND confrelid = ANY ($1::text[]::regclass[])""",
        list(unchecked),
    )
    assert not any(row["naming"] in unchecked[row["named"]] for row in checked)


def waiting() -> list[str]:
    """The statements that may wait for the transaction's next one: those that some module of the
    store calls with `later` or `once`.
    """
    found: set[str] = set()
    for path in STORE.glob("*.py"):
        source = ast.parse(path.read_text(encoding="utf-8"))
        bindings = {
            target.id: node.value.args[0].value
            for node in source.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Name)
            and node.value.func.id == "query"
            and isinstance(node.value.args[0], ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        found |= {
            str(bindings[node.value.id])
            for node in ast.walk(source)
            if isinstance(node, ast.Attribute)
            and node.attr in {"later", "once"}
            and isinstance(node.value, ast.Name)
            and node.value.id in bindings
        }
    return sorted(found)


def test_there_are_statements_that_wait() -> None:
    """Otherwise nothing would be compared below."""
    assert {"insert_appointment", "insert_claims", "insert_events", "begin_epoch"} <= {*waiting()}


@pytest.mark.parametrize("name", waiting())
async def test_a_statement_that_waits_can_be_sent_with_others(
    name: str, migrated: asyncpg.Connection
) -> None:
    """What waits is sent as one statement: all but the last are subqueries of its WITH. There a
    statement can't have a WITH that writes. Which of them comes last is decided at run time, so
    each is prepared in both places.
    """
    sql = catalogue()[name].sql
    assert catalogue()[name].cardinality == "exec"
    await migrated.prepare(together((sql, sql)))


@pytest.mark.parametrize("name", ["leave_session", "cancel_session"])
async def test_a_statement_with_a_with_of_its_own_cannot_be_sent_before_others(
    name: str, migrated: asyncpg.Connection
) -> None:
    """The law above finds what it forbids."""
    sql = catalogue()[name].sql
    plain = catalogue()["free_appointment_time"].sql
    with pytest.raises((asyncpg.PostgresSyntaxError, asyncpg.FeatureNotSupportedError)):
        await migrated.prepare(together((sql, plain)))


async def test_the_last_of_several_statements_may_have_a_with_of_its_own(
    migrated: asyncpg.Connection,
) -> None:
    """Its parameters follow those of the others."""
    names = ("insert_appointment", "insert_claims", "move_as_seen")
    queries = [catalogue()[name] for name in names]
    together_with = await migrated.prepare(together(tuple(query.sql for query in queries)))
    assert len(together_with.get_parameters()) == sum(len(query.params) for query in queries)


@pytest.mark.parametrize(
    "query", [each for each in QUERIES if each.in_place_of], ids=lambda query: query.name
)
def test_a_statement_takes_parameters_of_those_alone_that_it_stands_for(query: Query) -> None:
    """And with their types."""
    taken = [each for each in query.params if "." in each.name]
    assert taken
    for parameter in taken:
        name, _, of = parameter.name.partition(".")
        assert name in query.in_place_of
        assert {of: parameter.type}.items() <= {
            each.name: each.type for each in catalogue()[name].params
        }.items()


def unpackings(source: ast.Module) -> list[list[str]]:
    """The names in `one, two = row`."""
    return [
        [name.id for name in target.elts if isinstance(name, ast.Name)]
        for node in ast.walk(source)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"row", "record"}
        for target in node.targets
        if isinstance(target, ast.Tuple)
    ]


def subscripts(source: ast.Module) -> set[str]:
    """The keys in row["key"]."""
    return {
        node.slice.value
        for node in ast.walk(source)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"row", "record"}
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    }


def constants(source: ast.Module) -> set[str]:
    return {
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
