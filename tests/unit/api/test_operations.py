"""Operations: what executions of one document share, and what they don't."""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
from typing import Any

import strawberry

from app.api.execution.limits import Limits
from app.api.execution.operations import Operations


@strawberry.type
class Room:
    name: str
    floor: int = 3


@strawberry.type
class Query:
    @strawberry.field
    def room(self, name: str) -> Room:
        return Room(name=name)


def answers(text: str, *variables: dict[str, Any]) -> tuple[list[Any], set[int]]:
    """The answers of the document with each of these variables in turn, and by which selections
    they were made.
    """
    operations = Operations(strawberry.Schema(query=Query), limits=Limits(), introspection=True)
    found, selections = [], []
    for each in variables:
        operation = operations.prepare(text, each)
        result = asyncio.run(operations.run(operation, None))
        assert not result.errors
        found.append(result.data)
        selections.append(operation.executor._relevant_sub_fields)
    return found, {id(each) for each in selections}


def test_selections_are_collected_once_for_all_variables() -> None:
    text = "query ($name: String!) {room(name: $name) {name ... on Room {floor}}}"
    found, selections = answers(text, {"name": "A"}, {"name": "B"})
    assert found == [{"room": {"name": "A", "floor": 3}}, {"room": {"name": "B", "floor": 3}}]
    assert len(selections) == 1


def test_variables_of_directives_decide_each_time_what_is_selected() -> None:
    text = 'query ($high: Boolean!) {room(name: "A") {name floor @include(if: $high)}}'
    found, selections = answers(text, {"high": True}, {"high": False}, {"high": True})
    with_floor, without = {"room": {"name": "A", "floor": 3}}, {"room": {"name": "A"}}
    assert found == [with_floor, without, with_floor]
    assert len(selections) == 2  # the first is ready to run when it comes again
