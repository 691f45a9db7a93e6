"""Variables are coerced to what graphql-core makes of them, whatever they are."""

from __future__ import annotations

import random
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    OperationDefinitionNode,
    build_schema,
    is_list_type,
    is_non_null_type,
    parse,
)
from graphql.execution.values import get_variable_values
from graphql.utilities import coerce_input_value

from app.api.execution.inputs import Coercers, UnusualTypeError
from app.api.graph.schema import build_schema as build_ours

OURS = build_ours()._schema
INPUT_TYPES = sorted(
    name for name, each in OURS.type_map.items() if isinstance(each, GraphQLInputObjectType)
)
LEAVES: tuple[object, ...] = (
    "2026-01-12T09:00:00Z", "2026-01-12", "09:00", "Europe/Berlin", "UHJvdmlkZXI6MQ", "de", "a@example.com", "", 0, 1, -1,
    30, 2**40, 1.5, True, [], {}, ["MONDAY"], {"name": "x"},
)  # fmt: skip


def a_value(type_: Any, chance: random.Random) -> object:  # noqa: ANN401  a GraphQL type
    """Of this type, more often than not."""
    if is_non_null_type(type_):
        type_ = type_.of_type
    elif chance.random() < 0.1:
        return None
    if chance.random() < 0.03:
        return chance.choice((None, *LEAVES))
    if is_list_type(type_):
        if chance.random() < 0.1:
            return a_value(type_.of_type, chance)
        return [a_value(type_.of_type, chance) for _ in range(chance.randrange(3))]
    if isinstance(type_, GraphQLInputObjectType):
        given = {
            name: a_value(field.type, chance)
            for name, field in type_.fields.items()
            if chance.random() < 0.8
        }
        return given | ({"unknown": 1} if chance.random() < 0.02 else {})
    if isinstance(type_, GraphQLEnumType):
        return chance.choice([*type_.values, "NONE"])
    if type_.name in {"Int", "Float"}:
        return chance.choice([1, 30, 2**40, "1"])
    if type_.name == "Boolean":
        return chance.choice([True, False, 1])
    return chance.choice(LEAVES)


@pytest.mark.parametrize("name", INPUT_TYPES)
def test_a_value_of_any_of_our_input_types_becomes_what_the_library_makes_of_it(name: str) -> None:
    type_ = OURS.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)
    coerce = Coercers(OURS).coerce(type_)
    chance = random.Random(name)
    for _ in range(100):
        value = a_value(type_, chance)
        expected, found = coerce_input_value(value, type_), coerce(value)
        assert found == expected
        if isinstance(expected, dict):
            assert list(found) == list(expected)


def variables_of(
    text: str, given: dict[str, Any], sdl: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What we make of variables, and what the library does; None where it is left to the library,
    or refused by it.
    """
    there = build_schema(sdl)
    operation = parse(text).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    ours = Coercers(there).of(operation)
    values = None if ours is None else ours.values(given)
    library = get_variable_values(there, operation.variable_definitions or (), given)
    return (
        None if values is None else values.coerced,
        None if isinstance(library, list) else library.coerced,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": None}, {"a": 1, "b": None}),
        ({"a": 1, "b": ["x", None]}, {"a": 1, "b": ["x", None]}),
        ({"a": 1, "b": "x"}, {"a": 1, "b": ["x"]}),
        ({"a": 1, "c": 2, "more": 3}, {"a": 1}),
    ],
)
def test_variables_that_are_left_out_are_left_out(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    sdl = "type Query { f(a: Int, b: [String]): Int }"
    ours, library = variables_of("query ($a: Int!, $b: [String]) { f(a: $a, b: $b) }", given, sdl)
    assert ours == library == expected


@pytest.mark.parametrize("given", [{}, {"a": None}, {"a": "1"}, {"a": [1]}])
def test_what_is_wrong_is_left_to_the_library(given: dict[str, Any]) -> None:
    ours, library = variables_of(
        "query ($a: Int!) { f(a: $a) }", given, "type Query { f(a: Int): Int }"
    )
    assert ours is None
    assert library is None


def test_a_default_that_is_needed_is_left_to_the_library() -> None:
    sdl, text = "type Query { f(a: Int): Int }", "query ($a: Int = 3) { f(a: $a) }"
    assert variables_of(text, {}, sdl) == (None, {"a": 3})
    assert variables_of(text, {"a": 4}, sdl) == ({"a": 4}, {"a": 4})


@pytest.mark.parametrize(
    "sdl", ["input A { a: A, b: [A] } type Query { f(a: A): Int }", "input A @oneOf { a: Int } type Query { f(a: A): Int }"]
)  # fmt: skip
def test_types_that_contain_themselves_and_choices_are_left_to_the_library(sdl: str) -> None:
    there = build_schema(sdl)
    type_ = there.type_map["A"]
    assert isinstance(type_, GraphQLInputObjectType)
    with pytest.raises(UnusualTypeError):
        Coercers(there).coerce(type_)
    ours, library = variables_of("query ($a: A) { f(a: $a) }", {"a": {"a": None}}, sdl)
    assert ours is None
    assert library is None or library == {"a": {"a": None}}
