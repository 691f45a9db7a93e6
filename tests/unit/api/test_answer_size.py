"""An answer that grows too large is refused while it is being made, however it is made."""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
from typing import Any

import pytest
import strawberry

from app.api.execution.fastlists import Leaves, Rows, Shape
from app.api.execution.limits import Limits
from app.api.execution.operations import Operations
from app.api.words.errors import Code

TEXT = "x" * 1_000
MADE: dict[str, int] = {}


@strawberry.type
class Row:
    name: str


SHAPE = Shape(columns=("name",), item=Row)


@strawberry.type
class Thing:
    @strawberry.field
    def text(self) -> str:
        MADE["texts"] = MADE.get("texts", 0) + 1
        return TEXT

    @strawberry.field
    async def late(self) -> str:
        await asyncio.sleep(0)
        MADE["texts"] = MADE.get("texts", 0) + 1
        return TEXT

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError

    @strawberry.field
    def things(self) -> list["Thing"]:
        return [Thing()] * 10

    @strawberry.field
    def rows(self, number: int) -> list[Row]:
        return Rows(SHAPE, [("short",)] * number)  # type: ignore[return-value]

    @strawberry.field
    def leaves(self, number: int) -> list[str]:
        return Leaves(["2026-03-08T14:00:00Z"] * number)


@strawberry.type
class Query(Thing):
    pass


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> Thing:
        MADE["changes"] = MADE.get("changes", 0) + 1
        return Thing()


SCHEMA = strawberry.Schema(query=Query, mutation=Mutation)


def answer(query: str, most: int, *, plain: bool = False) -> Any:  # noqa: ANN401  an answer
    MADE.clear()
    operations = Operations(
        SCHEMA, limits=Limits(answer_bytes=most), introspection=True, plain=plain
    )
    return asyncio.run(operations.run(operations.prepare(query), None))


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("{a: text b: text c: text d: text}", 4_000),
        ("{things {text}}", 10_000),
        ("{things {late}}", 10_000),
        ("{things {things {text}}}", 100_000),
        ("{things {things {late}}}", 100_000),
        ("{things {broken text}}", 10_000),
        ("mutation {change {text late}}", 1_500),
        ("{leaves(number: 500)}", 8_000),
    ],
)
def test_an_answer_beyond_the_limit_is_refused(query: str, most: int, *, plain: bool) -> None:
    result = answer(query, most, plain=plain)
    assert result.data is None
    assert [error.extensions["code"] for error in result.errors] == [Code.ANSWER_TOO_LARGE]
    assert result.errors[0].extensions["mostBytes"] == most
    assert answer(query, 2 * most, plain=plain).data is not None


def test_the_work_ends_with_the_answer() -> None:
    answer("{things {things {things {text}}}}", 20_000)
    assert MADE["texts"] <= 1_000  # columns resolve all of a field at once
    answer("{things {things {things {text}}}}", 20_000, plain=True)
    assert MADE["texts"] <= 20


def test_the_names_in_an_answer_count() -> None:
    name = "n" * 60
    query = f"{{things {{{name}: __typename}}}}"
    assert answer(query, 600).errors[0].extensions["code"] == Code.ANSWER_TOO_LARGE
    assert answer(query, 1_000).errors is None


def test_rows_are_refused_before_they_are_built() -> None:
    query = "{rows(number: 1000) {name}}"
    assert answer(query, 10_000).errors[0].extensions["code"] == Code.ANSWER_TOO_LARGE
    assert answer(query, 60_000).errors is None


def test_what_was_tried_in_vain_is_not_counted() -> None:
    """A list is answered object by object where a field of it failed."""
    result = answer("{things {broken text}}", 12_000)
    assert len(result.errors) == 10
    assert len(result.data["things"]) == 10


def test_a_mutation_was_carried_out_all_the_same() -> None:
    assert answer("mutation {change {text late}}", 1_500).data is None
    assert MADE["changes"] == 1
