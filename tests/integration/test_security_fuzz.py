"""Any input to any mutation gets an answer of the schema, or an error with one of the caller's
codes.

The inputs are made from the schema: values of the right type in odd sizes and forms, known ids
among them, and values of the wrong type. Never a failure of ours, never a word of the inside.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from hypothesis import HealthCheck, given, settings

from tests.builders import Answer, Api
from tests.integration.security_world import SCHEMA, World, a_world

EXAMPLES: Final = 15 if settings.default is None or settings.default.max_examples <= 100 else 300
"""Of each mutation: a sample each time, many with `make test-full`."""

OURS: Final = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"}
INSIDE: Final = re.compile(
    r"asyncpg|psycopg|Traceback|File \"|\.py\b|SELECT |INSERT |UPDATE .* SET|relation \"|violates|strawberry|NoneType"
    r"|object at 0x|KeyError|TypeError|ValueError|redis",
    re.IGNORECASE,
)

TEXTS: Final = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "a\x00b",
            "\u202e\u202d",
            "x" * 3_000,
            "'; DROP TABLE appointment; --",
            "{{ 7 * 7 }}",
            "{% for x in",
            "é" * 256,
        ]
    ),
)
NUMBERS: Final = st.one_of(
    st.integers(-(2**31), 2**31 - 1), st.sampled_from([-1, 0, 1, 30, 1_440, 2**31 - 1])
)
INSTANTS: Final = st.sampled_from(
    [
        "2026-01-13T10:00:00Z",
        "2026-01-14T09:30:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-03-29T02:30:00+01:00",
        "soon",
    ]
)
DATES: Final = st.sampled_from(["2026-01-20", "0001-01-01", "9999-12-31", "2026-02-30", "today"])
TIMES: Final = st.sampled_from(["00:00", "09:00", "17:00", "24:00", "25:61", "9"])
READINGS: Final = st.sampled_from(
    ["2026-01-20T09:00", "2026-01-21T24:00", "0001-01-01T00:00", "9999-12-31T23:59", "today"]
)
ZONES: Final = st.sampled_from(["UTC", "Europe/Berlin", "Mars/Olympus", "../../etc/passwd", ""])
ODD: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
"""Of the wrong type, more often than not."""


def values(type_: GraphQLInputType, ids: list[str]) -> st.SearchStrategy[Any]:
    """What may be sent for this type, and now and then what may not."""
    if is_non_null_type(type_):
        return _mostly(values(type_.of_type, ids), ODD)
    if is_list_type(type_):
        return _mostly(st.lists(values(type_.of_type, ids), max_size=4), ODD)
    if isinstance(type_, GraphQLInputObjectType):
        fields = {name: values(field.type, ids) for name, field in type_.fields.items()}
        needed = {
            name: fields[name]
            for name, field in type_.fields.items()
            if is_required_input_field(field)
        }
        left = {name: strategy for name, strategy in fields.items() if name not in needed}
        return st.fixed_dictionaries(needed, optional=left)
    if isinstance(type_, GraphQLEnumType):
        return _mostly(st.sampled_from(sorted(type_.values)), st.just("NO_SUCH_VALUE"))
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "ID": st.one_of(st.sampled_from(ids), TEXTS),
        "String": TEXTS,
        "Int": NUMBERS,
        "Boolean": st.booleans(),
        "DateTime": INSTANTS,
        "Date": DATES,
        "LocalTime": TIMES,
        "LocalDateTime": READINGS,
        "TimeZone": ZONES,
    }
    return scalars[str(type_)]


def _mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 19).flatmap(lambda chance: odd if chance == 0 else usual)


@pytest.fixture
async def world(api: Api) -> World:
    return await a_world(api)


@pytest.mark.parametrize(
    "field", sorted(SCHEMA.mutation_type.fields if SCHEMA.mutation_type else ())
)
async def test_no_input_breaks_a_mutation_or_brings_the_inside_out(
    field: str, world: World
) -> None:
    assert SCHEMA.mutation_type is not None
    type_ = SCHEMA.mutation_type.fields[field].args["input"].type
    ids = [thing for things in world.things.values() for thing in things]
    tokens = [world.upcoming["manageToken"], *ids]
    document = f"""
        mutation ($input: {type_}) {{ answer: {field}(input: $input) {{ __typename ... on UserError {{ code message }} }} }}
    """
    callers = [world.callers[name] for name in ("anonymous", "robin", "ada", "admin", "link")]
    loop = asyncio.get_running_loop()

    async def send(value: object, caller: int) -> Answer:
        return await world.api.send(document, caller=callers[caller], input=value)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(value=values(type_, [*ids, *tokens]), caller=st.integers(0, len(callers) - 1))
    def answered(value: Any, caller: int) -> None:  # noqa: ANN401  anything is the point
        answer = asyncio.run_coroutine_threadsafe(send(value, caller), loop).result(60)
        assert answer.status < 500, answer
        assert not OURS & set(answer.codes), answer
        assert all(answer.codes), answer
        said = [error["message"] for error in answer.body.get("errors", ())]
        said.append(((answer.body.get("data") or {}).get("answer") or {}).get("message", ""))
        assert not any(INSIDE.search(text) for text in said), answer

    await asyncio.to_thread(answered)
