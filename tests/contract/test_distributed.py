"""What a database that is distributed by organization asks of the schema and the statements, read
from both: it needs no Citus.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import asyncpg
import pytest

import app
from app.store.distribution import ALONE, BY_ORGANIZATION, ON_EVERY_NODE
from app.store.migrations import Migration, read_migrations
from app.store.sql import Query, catalogue

OF_ONE = sorted(
    (query for query in catalogue().values() if not query.all_organizations),
    key=lambda query: query.name,
)
LATER = [each for each in read_migrations() if each.version >= 23]
"""Those that a distributed database may still have to run."""

NOISE = re.compile(
    r"--[^\n]*|'[^']*'|DISTINCT FROM|DO UPDATE|FOR (?:NO KEY )?UPDATE(?: OF)?", re.IGNORECASE
)
READS = re.compile(rf"\b(?:FROM|JOIN|UPDATE|USING)\s+({'|'.join(BY_ORGANIZATION)})\b(?!\s*\()")
BOUND = re.compile(r"\borganization_id = (?:\$1\b|\w+\.organization_id\b)")
INSERTS = re.compile(r"INSERT INTO \w+\s*\([^)]*\)\s*SELECT\s+(.*)", re.DOTALL)

WRITES_IN_WITH = re.compile(r"\bAS (?:MATERIALIZED )?\(\s*(?:INSERT|UPDATE|DELETE)\b")
INSERTS_LAST = re.compile(r"^INSERT INTO \w+\s*\([^)]*\)\s*SELECT\b", re.MULTILINE)

OF_ONE_POSTGRES = {"close_messages", "move_as_seen"}
"""Where the database is distributed, others do the same."""

PLACED_BY_THEIR_READ = {"begin_epoch", "insert_events", "close_messages"}
"""What they write is where and when their read runs: the transaction's id, and the server's start.
Where the database is distributed, record_events does the same as the first two.
"""


def plain(sql: str) -> str:
    return NOISE.sub("", sql)


async def test_every_table_has_its_place_and_none_comes_before_one_that_it_refers_to(
    migrated: asyncpg.Connection,
) -> None:
    order = [*ON_EVERY_NODE, *BY_ORGANIZATION]
    tables = await migrated.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert sorted(order) == sorted(row["tablename"] for row in tables)
    references = await migrated.fetch(
        "SELECT conrelid::regclass::text AS own, confrelid::regclass::text AS other "
        "FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    assert len(references) > len(BY_ORGANIZATION)
    assert [
        (row["own"], row["other"])
        for row in references
        if order.index(row["own"]) <= order.index(row["other"])
    ] == []


async def test_the_organization_is_in_every_row_and_leads_every_key(
    migrated: asyncpg.Connection,
) -> None:
    rows = await migrated.fetch(
        "SELECT attrelid::regclass::text AS name FROM pg_attribute "
        "JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r' "
        "WHERE attname = 'organization_id' AND atttypid = 'uuid'::regtype AND attnotnull"
    )
    assert sorted(row["name"] for row in rows) == sorted(BY_ORGANIZATION)
    keys = await migrated.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid, 1, true) AS leads "
        "FROM pg_index WHERE (indisunique OR indisexclusion) AND indrelid = ANY($1::regclass[])",
        list(BY_ORGANIZATION),
    )
    references = await migrated.fetch(
        "SELECT conname AS name, attname AS leads FROM pg_constraint "
        "JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1] "
        "WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    assert len(keys) > len(BY_ORGANIZATION)
    assert [row["name"] for row in (*keys, *references) if row["leads"] != "organization_id"] == []


@pytest.mark.parametrize("query", OF_ONE, ids=lambda query: query.name)
def test_a_statement_binds_each_table_to_its_organization(query: Query) -> None:
    sql = plain(query.sql)
    assert len(READS.findall(sql)) <= len(BOUND.findall(sql))


def test_the_law_of_bound_tables_finds_what_it_forbids() -> None:
    join = "SELECT FROM appointment JOIN customer ON customer.id = customer_id"
    one = f"{join} WHERE appointment.organization_id = $1"
    both = f"{one} AND customer.organization_id = appointment.organization_id"
    assert [len(READS.findall(sql)) - len(BOUND.findall(sql)) for sql in (join, one, both)] == [
        2,
        1,
        0,
    ]


@pytest.mark.parametrize("query", OF_ONE, ids=lambda query: query.name)
def test_rows_are_inserted_from_a_row_of_the_organization(query: Query) -> None:
    """From arrays alone, they would be computed on the node that is asked, and the write would be a
    transaction of two nodes. So they would be with an organization that is not the row's.
    """
    for selected in INSERTS.findall(plain(query.sql)):
        assert READS.search(selected), "it reads no table of the organization"
        if query.name not in PLACED_BY_THEIR_READ:
            assert re.match(r"\w+\.organization_id,", selected), "the organization is not the row's"


@pytest.mark.parametrize("query", OF_ONE, ids=lambda query: query.name)
def test_what_a_statement_inserts_from_a_read_is_all_that_it_writes(query: Query) -> None:
    """Citus does not find the shard of another table that it writes to in a WITH."""
    if query.name not in OF_ONE_POSTGRES:
        sql = plain(query.sql)
        assert not (WRITES_IN_WITH.search(sql) and INSERTS_LAST.search(sql))


async def test_a_function_that_a_statement_calls_says_where_it_runs(
    migrated: asyncpg.Connection,
) -> None:
    """One that reads or locks takes the organization first; by that it is distributed."""
    functions = await migrated.fetch(
        "SELECT proname, proargnames[1] AS leads, prosrc, prorettype::regtype::text AS gives, "
        "proargmodes::text[] AS modes FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')"
    )
    texts = "\n".join(query.sql for query in catalogue().values())
    placed = {row["proname"] for row in functions if row["leads"] == "organization_id"}
    reading = {
        row["proname"]
        for row in functions
        if re.search(rf"\b{row['proname']}\(", texts)
        and (READS.search(plain(row["prosrc"])) or "pg_advisory" in row["prosrc"])
    }
    assert {"circumstances_of_booking", "claims_under_lock", "try_to_book"} <= reading
    assert reading - placed == set()
    assert {*ALONE} <= placed
    assert [
        row["proname"]
        for row in functions
        if row["gives"] == "record" and "t" not in (row["modes"] or ())
    ] == [], "rows of an anonymous type"


async def test_no_function_writes_in_a_with_or_joins_what_its_trigger_is_given(
    migrated: asyncpg.Connection,
) -> None:
    bodies = await migrated.fetch("SELECT proname, prosrc FROM pg_proc WHERE prosrc LIKE '%BEGIN%'")
    writing = re.compile(r"\bAS (?:MATERIALIZED )?\(\s*(?:INSERT|UPDATE|DELETE)\b")
    joining = re.compile(r"\(\s*SELECT[^)]*\bFROM written\b|\bJOIN written\b")
    assert [
        row["proname"]
        for row in bodies
        if writing.search(row["prosrc"]) or joining.search(row["prosrc"])
    ] == []


def subcommands(statement: str) -> int:
    """Of an ALTER TABLE: they are parted by commas outside of brackets."""
    depth = parts = 0
    for letter in plain(statement):
        depth += (letter in "([") - (letter in ")]")
        parts += letter == "," and depth == 0
    return parts + 1


@pytest.mark.parametrize("migration", LATER, ids=lambda migration: migration.name)
def test_an_alter_table_has_one_subcommand(migration: Migration) -> None:
    """Citus refuses some of several."""
    altering = [each for each in migration.statements if each.startswith("ALTER TABLE")]
    assert [each for each in altering if subcommands(each) > 1] == []


def test_the_law_of_subcommands_finds_what_it_forbids() -> None:
    assert subcommands("ALTER TABLE a ADD COLUMN b integer, ADD CHECK (b IN (1, 2))") == 2
    assert subcommands("ALTER TABLE a ADD CHECK (b IN (1, 2))") == 1


def test_nothing_is_decided_by_the_name_of_a_constraint() -> None:
    """A distributed database gives none, or that of a shard: the SQLSTATE has to say it."""
    folder = Path(app.__file__).parent
    assert [
        f"{path.relative_to(folder)}:{node.lineno}"
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "constraint_name"
    ] == []
