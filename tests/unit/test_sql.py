"""The format of sql/queries/, and what is refused in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.store.pool import Writes
from app.store.sql import (
    Parameter,
    QueryFileError,
    UnexpectedWriteError,
    catalogue,
    load,
    parse,
    query,
    together,
)

TWO = """\
-- name: provider_by_ids :many
-- The providers with these ids,
-- in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id -- a comment
FROM provider
WHERE organization_id = $1 AND id = ANY($2);

-- name: purge :exec
-- Forgets all.
-- params: none
-- scope: all organizations
DELETE FROM provider;
"""


def test_a_file_holds_statements_under_their_headers() -> None:
    first, second = parse(TWO, source="two.sql")
    assert (first.name, first.cardinality, first.all_organizations) == (
        "provider_by_ids",
        "many",
        False,
    )
    assert first.sentence == "The providers with these ids, in no particular order."
    assert first.params == (
        Parameter(name="organization_id", type="uuid"),
        Parameter(name="ids", type="uuid[]"),
    )
    assert first.sql.startswith("SELECT id -- a comment\n")
    assert first.sql.endswith("ANY($2)")
    assert (second.name, second.cardinality, second.params) == ("purge", "exec", ())
    assert second.all_organizations


@pytest.mark.parametrize(
    "text",
    [
        "-- name: Purge :exec\n-- S.\n-- params: none\nDELETE FROM x;",
        "-- name: purge\n-- S.\n-- params: none\nDELETE FROM x;",
        "-- name: purge :all\n-- S.\n-- params: none\nDELETE FROM x;",
        "-- name: purge :exec\n-- params: none\nDELETE FROM x;",
        "-- name: purge :exec\n-- S.\nDELETE FROM x;",
        "-- name: purge :exec\n-- S.\n-- params: none\nDELETE FROM x",
        "-- name: purge :exec\n-- S.\n-- params: none\n",
        "-- name: purge :exec\n-- S.\n-- params: uuid\nDELETE FROM x;",
        (
            "-- name: purge :exec\n-- S.\n-- params: none\n-- scope: some organizations\nDELETE FROM "
            "x;"
        ),
    ],
)
def test_a_header_that_lacks_something_is_refused_with_its_file(text: str) -> None:
    with pytest.raises(QueryFileError, match=r"^odd\.sql: "):
        parse(text, source="odd.sql")


def test_a_fragment_is_included_by_statements_of_any_file(tmp_path: Path) -> None:
    fragment = "-- fragment: thing_columns\n-- What a thing is.\nid,\nname;\n\n"
    by_name = (
        "-- name: {} :many\n-- S.\n-- params: none\nSELECT {{{{thing_columns}}}} FROM thing;\n"
    )
    (tmp_path / "a.sql").write_text(by_name.format("first"))
    (tmp_path / "b.sql").write_text(fragment + by_name.format("second"))
    found = load(tmp_path)
    assert [found[name].sql for name in ("first", "second")] == [
        "SELECT id,\nname FROM thing",
        "SELECT id,\nname FROM thing",
    ]
    (tmp_path / "c.sql").write_text(fragment)
    with pytest.raises(
        QueryFileError, match=r"c\.sql: the fragment thing_columns is defined twice"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "-- fragment: thing_columns\nid",
        "-- fragment: thing_columns\n;",
        "-- fragment: Thing\nid;",
        "-- fragment: one\nid;\n-- fragment: one\nid;",
        "-- fragment: one\n{{other}};\n-- fragment: other\nid;",
        "-- name: things :many\n-- S.\n-- params: none\nSELECT {{thing_columns}} FROM thing;",
    ],
)
def test_a_fragment_that_lacks_something_is_refused_with_its_file(text: str) -> None:
    with pytest.raises(QueryFileError, match=r"^odd\.sql: "):
        parse(text, source="odd.sql")


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(TWO)
    (tmp_path / "b.sql").write_text(TWO)
    with pytest.raises(QueryFileError, match=r"b\.sql: provider_by_ids is defined twice"):
        load(tmp_path)


def test_a_name_that_is_nowhere_is_refused_where_it_is_bound() -> None:
    with pytest.raises(QueryFileError, match="no “nowhere”"):
        query("nowhere")


def test_writes_go_together_with_their_parameters_one_after_the_other() -> None:
    one = "INSERT INTO one (a, b, c) VALUES ($1, $2, $1)"
    ten = f"INSERT INTO ten VALUES ({', '.join(f'${number}' for number in range(1, 11))})"
    assert together((one,)) == one
    assert together((one, ten, one)).splitlines() == [
        (
            "WITH write_0 AS (INSERT INTO one (a, b, c) VALUES ($1, $2, $1)), "
            "write_1 AS (INSERT INTO ten VALUES ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12))"
        ),
        "INSERT INTO one (a, b, c) VALUES ($13, $14, $13)",
    ]


def test_a_statement_goes_in_the_place_of_others_with_the_parameters_that_it_names() -> None:
    """Null are those of a statement that does not wait, and its own come in their order."""
    call = catalogue()["book_as_seen"]
    names = [each.name for each in call.params]
    history = catalogue()["insert_history"]
    writes = Writes()
    history.later(writes, *(each.name for each in history.params))
    own = [name for name in names if "." not in name]
    call.instead(writes, *own)
    assert writes.withdrawn() == [
        (
            call.sql,
            [
                name.removeprefix("insert_history.")
                if "." not in name or name.startswith("insert_history.")
                else None
                for name in names
            ],
        )
    ]
    assert writes.withdrawn() == []


def test_a_statement_goes_in_the_place_of_none_but_those_that_it_names_each_once() -> None:
    """Otherwise a write would be lost."""
    call = catalogue()["book_as_seen"]
    for waiting in (["upsert_subjects"], ["insert_history", "insert_history"]):
        writes = Writes()
        for name in waiting:
            query = catalogue()[name]
            query.later(writes, *(each.name for each in query.params))
        with pytest.raises(UnexpectedWriteError, match="book_as_seen"):
            call.instead(writes)
