"""What a statement's cardinality promises, on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from app.store.one_call import as_text
from app.store.pool import Pool, transaction
from app.store.sql import Query, UnexpectedRowCountError, parse


def numbers(cardinality: str) -> Query:
    header = (
        f"-- name: numbers :{cardinality}\n-- As many as asked for.\n-- params: how_many integer\n"
    )
    (query,) = parse(header + "SELECT n FROM generate_series(1, $1) AS n;", source="here")
    return query


async def test_many_gives_all_rows(pool: Pool) -> None:
    assert [row["n"] for row in await numbers("many").many(pool, 3)] == [1, 2, 3]
    assert await numbers("many").many(pool, 0) == []


async def test_one_gives_exactly_one(pool: Pool) -> None:
    assert (await numbers("one").one(pool, 1))["n"] == 1
    for count in (0, 2):
        with pytest.raises(UnexpectedRowCountError):
            await numbers("one").one(pool, count)


async def test_maybe_gives_one_or_none(pool: Pool) -> None:
    found = await numbers("maybe").maybe(pool, 1)
    assert found is not None
    assert found["n"] == 1
    assert await numbers("maybe").maybe(pool, 0) is None
    with pytest.raises(UnexpectedRowCountError):
        await numbers("maybe").maybe(pool, 2)


async def test_exec_gives_the_number_of_rows(pool: Pool) -> None:
    async with transaction(pool) as tx:
        assert await numbers("exec").exec(tx, 3) == 3


async def test_a_statement_is_called_as_what_it_is(pool: Pool) -> None:
    with pytest.raises(TypeError, match="numbers is :many, but was called as :one"):
        await numbers("many").one(pool, 1)


ODD = ["", "NULL", "null", 'a "word"', "a\\b", "it's", "100 %", "a, b", "{}", " ", "ü\n", None]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("text", each) for each in ODD),
        ("text[]", ODD),
        ("text[]", []),
        ("boolean[]", [True, False, None]),
        ("bigint", -(2**63)),
        ("integer[]", [0, -1, None]),
        ("uuid[]", [UUID(int=1), None]),
        ("bytea", b"\\\0\xff'"),
        ("bytea[]", [b"\\x", b"", None]),
        ("date", date(1, 2, 3)),
        ("timestamptz", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("timestamptz[]", [datetime(1, 2, 3, tzinfo=UTC), None]),
    ],
)
async def test_a_value_is_the_same_as_text_and_as_a_literal(
    pool: Pool, kind: str, value: object
) -> None:
    (row,) = await pool.fetch(
        f"SELECT $1::text::{kind} AS back, format('%L', $1)", (as_text(value),)
    )
    assert row["back"] == value
    (row,) = await pool.fetch(f"SELECT {row['format']}::{kind} AS back", ())
    assert row["back"] == value


def test_a_value_of_an_unknown_type_has_no_text() -> None:
    with pytest.raises(TypeError):
        as_text(object())
