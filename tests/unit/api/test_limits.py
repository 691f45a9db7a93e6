"""Limits of a document: measured before anything runs, in a time that no document can stretch."""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
import contextlib
import gc
import re
import time
import weakref
from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from app.api.execution.cost import Cost, measure
from app.api.execution.limits import Limits, check_variables
from app.api.execution.operations import OperationRefused, Operations, Spent
from app.api.words.errors import (
    BadUserInput,
    Code,
    TooComplex,
)
from app.api.words.relay import Connection, PageInfo

SERVICES = 3
SIZES = Limits(page_size=4, list_size=2)
INFO = PageInfo(has_next_page=False, has_previous_page=False, start_cursor=None, end_cursor=None)


@strawberry.type
class Service:
    name: str

    @strawberry.field
    def providers(self) -> list["Provider"]:
        return [Provider(name="Ann")] * SIZES.list_size


@strawberry.type
class Provider:
    name: str

    services: list[Service] = strawberry.field(
        resolver=lambda: [Service(name="cut")] * SERVICES, metadata={"list_size": SERVICES}
    )

    @strawberry.field
    def friend(self) -> "Provider":
        return self

    @strawberry.field
    def colleagues(
        self, first: int | None = None, last: int | None = None
    ) -> "Connection[Provider]":
        size = first or last or SIZES.page_size
        return Connection(nodes=[self] * size, cursors=lambda: ["x"] * size, page_info=INFO)


@strawberry.enum
class Color(Enum):
    GREEN = "green"


@strawberry.input
class Wish:
    shade: int


@strawberry.type
class Query(Provider):
    @strawberry.field
    def nodes(self, ids: list[strawberry.ID]) -> list[Provider | None]:
        return [self for _ in ids]

    @strawberry.field
    def paint(self, color: Color, wish: Wish | None = None) -> str:
        return f"{color} {wish}"

    @strawberry.field
    def next_slots(self, first: int = 5) -> list[Provider]:
        return [self] * first


schema = strawberry.Schema(query=Query)


def cost(query: str, variables: dict[str, Any] | None = None, limits: Limits = SIZES) -> Cost:
    document = parse(query)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return measure(schema._schema, document, operation, variables or {}, limits)


def prepare(query: str, limits: Limits = Limits(), **variables: object) -> int:  # noqa: B008  frozen
    operations = Operations(schema, limits=limits, introspection=True)
    return operations.prepare(query, variables).cost


def refusal(query: str, limits: Limits = Limits(), **variables: object) -> str:  # noqa: B008  frozen
    """The message of what must be too complex."""
    with pytest.raises(OperationRefused) as refused:
        prepare(query, limits, **variables)
    (error,) = refused.value.errors
    assert (error.extensions or {})["code"] == Code.QUERY_TOO_COMPLEX
    return error.message


# ---------------------------------------------------------------- cost


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("{name}", 1),
        ("{friend {name}}", 2),
        ("{services {name}}", 1 + 3),
        ("{services {providers {name}}}", 1 + 3 * (1 + 2)),
        ("{colleagues {nodes {name}}}", 1 + (1 + 4)),
        ("{colleagues(first: 100) {nodes {name friend {name}}}}", 1 + (1 + 100 * 3)),
        (
            "{colleagues(last: 7) {edges {cursor node {name}} pageInfo {endCursor}}}",
            1 + (1 + 7 * 3) + 2,
        ),
        (
            "{colleagues(first: 2) {nodes {colleagues(first: 3) {nodes {name}}}}}",
            1 + 1 + 2 * (1 + 1 + 3),
        ),
        ("{nextSlots {name}}", 1 + 5),
        ("{nextSlots(first: 9) {name}}", 1 + 9),
        ('{nodes(ids: ["a", "b"]) {name}}', 1 + 2),
        ("{...A ...A} fragment A on Query {services {name}}", 2 * (1 + 3)),
        ("{... {name} ... on Query {friend {name}}}", 3),
    ],
)
def test_an_answer_costs_its_fields_as_often_as_they_may_come(query: str, fields: int) -> None:
    assert cost(query).fields == fields


def test_page_sizes_may_come_as_variables() -> None:
    query = (
        "query($n: Int = 50, $ids: [ID!]!) {colleagues(first: $n) {nodes {name}} nodes(ids: "
        "$ids) {name}}"
    )
    assert cost(query, {"ids": ["a"]}).fields == 1 + 1 + 50 + 1 + 1
    measured = cost(query, {"n": 7, "ids": ["a", "b", "c"]})
    assert (measured.fields, measured.sizes) == (1 + 1 + 7 + 1 + 3, ("ids", "n"))


@pytest.mark.parametrize("size", ["x", None, True, 2.5, [], {}])
def test_a_size_of_the_wrong_type_is_left_to_the_check_of_types(size: object) -> None:
    cost("query($n: Int) {colleagues(first: $n) {nodes {name}}}", {"n": size})


def test_a_size_beyond_all_bounds_is_too_much() -> None:
    for size in ("9" * 400, "-2147483648"):
        with pytest.raises(TooComplex):
            cost("{colleagues(first: " + size + ") {nodes {name}}}")
    with pytest.raises(TooComplex):
        cost("query($n: Int) {colleagues(first: $n) {nodes {name}}}", {"n": 2**62})


def test_a_document_that_is_known_is_measured_again_where_its_size_is_a_variable() -> None:
    operations = Operations(schema, limits=Limits(), introspection=True)
    query = "query($n: Int!) {colleagues(first: $n) {nodes {services {name}}}}"
    for n, fields in ((1, 1 + 1 + (1 + 3)), (10, 1 + 1 + 10 * (1 + 3)), (1, 1 + 1 + (1 + 3))):
        assert operations.prepare(query, {"n": n}).cost == fields
    with pytest.raises(OperationRefused):
        operations.prepare(query, {"n": 10**6})


@st.composite
def selection(draw: st.DrawFn, of: str, depth: int) -> str:
    """Fields of a type, each once and under an alias of its own."""
    simple = {
        "Provider": ["name"],
        "Service": ["name"],
        "Connection": ["pageInfo {hasNextPage}"],
        "Edge": ["cursor"],
    }
    deep = {
        "Provider": [("services", "Service"), ("friend", "Provider"), ("colleagues", "Connection")],
        "Service": [("providers", "Provider")],
        "Connection": [("nodes", "Provider"), ("edges", "Edge")],
        "Edge": [("node", "Provider")],
    }
    parts = [draw(st.sampled_from(simple[of]))]
    if depth:
        for number, (name, inner) in enumerate(
            draw(st.lists(st.sampled_from(deep[of]), max_size=2))
        ):
            arguments = ""
            if name == "colleagues":
                arguments = draw(st.sampled_from(["", "(first: 1)", "(first: 3)", "(last: 2)"]))
            below = draw(selection(inner, depth - 1))
            parts.append(f"a{number}: {name}{arguments} {below}")
    return "{" + " ".join(parts) + "}"


def fields_in(answer: object) -> int:
    if isinstance(answer, list):
        return sum(map(fields_in, answer))
    return sum(1 + fields_in(value) for value in answer.values()) if isinstance(answer, dict) else 0


@given(selection("Provider", 5))
def test_the_cost_is_what_an_answer_with_lists_of_the_reckoned_sizes_has(query: str) -> None:
    reckoned = cost(query, limits=Limits(page_size=4, list_size=2, cost=10**12, depth=100)).fields
    if reckoned < 5_000:
        result = schema.execute_sync(query, root_value=Provider(name="Ann"))
        assert result.errors is None
        assert fields_in(result.data) == reckoned


def test_the_reads_that_the_api_is_made_for_pass() -> None:
    assert (
        prepare(
            "{colleagues(first: 100) {nodes {services {name} friend {colleagues {nodes {name}}} }}}"
        )
        < 20_000
    )


# ---------------------------------------------------------------- shape


def test_depth_is_counted_in_fields_through_fragments() -> None:
    deep = "{" + "friend {" * 11 + "name" + "}" * 12
    assert prepare(deep) == 12
    assert (
        refusal("{friend " + deep + "}")
        == "The operation has 13 levels of fields; at most 12 are allowed."
    )
    spread = (
        "{friend {...A}} fragment A on Provider {friend {...B}} fragment B on Provider "
        + deep.replace("name", "name")
    )
    assert "levels of fields" in refusal(spread)


def test_introspection_as_tools_send_it_passes_and_deeper_does_not() -> None:
    options: dict[str, bool] = dict.fromkeys(
        (
            "specified_by_url",
            "directive_is_repeatable",
            "schema_description",
            "input_value_deprecation",
        ),
        True,
    )
    assert prepare(get_introspection_query(**options)) > 0
    types = "ofType {" * 20 + "name" + "}" * 20
    assert "introspection" in refusal("{__schema {types {fields {type {" + types + "}}}}}")
    types = "ofType {" * 8 + "name" + "}" * 8
    whole = "__schema {types {fields {args {name type {" + types + "}}}}}"
    assert "The answer may have" in refusal(
        "{" + " ".join(f"a{n}: {whole}" for n in range(19)) + "}"
    )


def test_aliases_are_counted_where_they_are_written() -> None:
    thirty = " ".join(f"a{n}: name" for n in range(10))
    fine = (
        "{friend {"
        + thirty
        + "} services {"
        + thirty
        + "} colleagues {nodes {...F}}} fragment F on Provider {"
        + thirty
        + "}"
    )
    assert prepare(fine) > 0
    assert prepare(fine.replace("{nodes {...F}}", "{nodes {...F friend {...F}}}")) > 0
    assert (
        refusal(fine.replace("{friend", "{x: friend"))
        == "The operation has 31 aliases; at most 30 are allowed."
    )


def test_root_fields_are_counted_by_their_names_in_the_answer() -> None:
    assert prepare("{" + "name " * 30 + "...F} fragment F on Query {" + "name " * 5 + "}") > 0
    many = " ".join(f"a{n}: name" for n in range(21))
    assert "21 root fields" in refusal("{...F} fragment F on Query {" + many + "}")


@pytest.mark.parametrize(
    "query",
    [
        "{name %s}",
        "query %s {name}",
        "query($a: Int %s) {colleagues(first: $a) {nodes {name}}}",
        "{... %s {name}}",
        "{...F %s} fragment F on Query {name}",
        "{...F} fragment F on Query %s {name}",
    ],
)
def test_directives_are_counted_at_every_place(query: str) -> None:
    assert "6 directives" in refusal(query % ("@skip(if: false) " * 6))


def test_a_field_may_not_be_repeated_without_end_at_one_place() -> None:
    """Validation compares each with each: 2,000 of them take a second."""
    for repeated in (
        "{" + "name " * 51 + "}",
        "{" + "... {name} " * 51 + "}",
        "{friend {" + "name " * 51 + "}}",
        "{"
        + " ".join(f"...F{n}" for n in range(51))
        + "}"
        + "".join(f"fragment F{n} on Query {{name}}" for n in range(51)),
        "{name} fragment Unused on Query {" + "name " * 51 + "}",
    ):
        assert "more than 50 times" in refusal(repeated)
    assert prepare("{" + "name " * 50 + "}") > 0


def test_validation_compares_a_bounded_number_of_fields() -> None:
    """However the repetitions are spread over places: 45 × 45 pairs of places, each with 36 fields."""
    thirty_six = " ".join(["name"] * 36)
    assert "same fields too often" in refusal(
        "{" + f"friend {{{thirty_six}}} " * 45 + "}", limits=Limits(tokens=10_000)
    )
    below = "{" + "services { providers { friend { name } } }" * 12 + "}"
    assert "same fields too often" in refusal(below, limits=Limits(comparisons=500))
    assert prepare(below)


def test_components_may_ask_for_the_same_fields() -> None:
    """A dozen fragments that overlap in every field pass the check of comparisons."""
    fragments = [
        f"fragment F{number} on Provider {{name friend {{name services {{name}}}}}}"
        for number in range(12)
    ]
    spreads = " ".join(f"...F{number}" for number in range(12))
    assert prepare("{friend {" + spreads + "}}" + " ".join(fragments))


def test_conflicts_are_still_found() -> None:
    for query in ("{x: name x: friend {name}}", "{friend {x: name} friend {x: services {name}}}"):
        with pytest.raises(OperationRefused) as refused:
            prepare(query)
        assert {(error.extensions or {})["code"] for error in refused.value.errors} == {
            Code.GRAPHQL_VALIDATION_FAILED
        }


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("{%s: name}", 64),
        ("{%s}", 64),
        ("query %s {name}", 256),
        ("query ($%s: Int) {nextSlots(first: $%s) {name}}", 256),
        ("{...%s} fragment %s on Query {name}", 256),
        ("{friend {... on Provider {%s: name}}}", 64),
    ],
)
def test_names_have_an_end(query: str, most: int) -> None:
    assert f"at most {most} are allowed" in refusal(query.replace("%s", "x" * (most + 1)))
    if query != "{%s}":
        assert prepare(query.replace("%s", "x" * most))


def test_a_long_response_name_costs_as_much_as_the_fields_it_takes_the_place_of() -> None:
    assert cost("{%s: name}" % ("x" * 31)).fields == 1
    assert cost("{%s: name}" % ("x" * 32)).fields == 2
    assert cost("{services {%s: name}}" % ("x" * 64)).fields == 1 + 3 * 3


def test_a_document_has_few_operations() -> None:
    many = " ".join(f"query Q{number} {{name}}" for number in range(21))
    with pytest.raises(OperationRefused) as refused:
        Operations(schema, limits=Limits(), introspection=True).prepare(many, {}, "Q0")
    assert refused.value.errors[0].message.startswith("The document has 21 operations")


def test_objects_have_an_end_in_documents_and_in_variables() -> None:
    """Each unknown field is an error that quotes the whole object."""
    written = " ".join(f"a{number}: 1" for number in range(101))
    assert "more than 100 fields" in refusal("{nodes(ids: [{" + written + "}]) {name}}")
    many: dict[str, object] = {f"a{number}": 1 for number in range(101)}
    for variables in ({"x": many}, {"x": [{"y": many}]}):
        with pytest.raises(BadUserInput, match="more than 100 fields"):
            check_variables(variables, Limits())


def test_variables_have_an_end_together() -> None:
    rows = [[0] * 400] * 24
    check_variables({"x": rows}, Limits())
    with pytest.raises(BadUserInput, match="more than 10000 values"):
        check_variables({"x": [*rows, [0] * 400]}, Limits())


def test_tokens_length_comments_and_nesting_have_an_end() -> None:
    for endless in (
        "{" + "name " * 2_000 + "}",
        "{name" + "," * 40_000 + "}",
        "#\n" * 2_001 + "{name}",
        "{" + "friend {" * 250 + "name" + "}" * 251,
        '{nodes(ids: ["' + "x" * 40_000 + '"]) {name}}',
        "{nodes(ids: " + "[" * 250 + "]" * 250 + ") {name}}",
    ):
        assert "Parsing aborted" in refusal(endless)


def test_lists_have_an_end_in_documents_and_in_variables() -> None:
    items = '"x" ' * 501
    assert "501" not in refusal("{nodes(ids: [" + items + "]) {name}}")
    assert "500" in refusal("query($ids: [ID!]! = [" + items + "]) {nodes(ids: $ids) {name}}")
    for variables, field in (
        ({"ids": ["x"] * 501}, "ids"),
        ({"input": {"hours": [{"days": [0] * 501}]}}, "input.hours.days"),
        ({"a": [[[[[0] * 501]]]]}, "a"),
    ):
        with pytest.raises(BadUserInput) as refused:
            check_variables(variables, Limits())
        assert (refused.value.extensions or {})["field"] == field
    check_variables({"ids": ["x"] * 500, "deep": {"a": {"b": [{"c": 1}] * 500}}}, Limits())


def nested(levels: int) -> str:
    """Each fragment spreads the next one twice."""
    spreads = "".join(
        f" fragment F{n} on Provider {{friend {{...F{n + 1}}} a: friend {{...F{n + 1}}}}}"
        for n in range(levels)
    )
    return "{friend {...F0}}" + spreads + f" fragment F{levels} on Provider {{name}}"


def doubled(levels: int) -> str:
    spreads = "".join(f" fragment F{n} on Query {{...F{n + 1} ...F{n + 1}}}" for n in range(levels))
    return "{...F0}" + spreads + f" fragment F{levels} on Query {{name}}"


@pytest.mark.parametrize("query", [doubled(25), doubled(150), nested(25), nested(60)])
def test_a_kilobyte_of_doubled_spreads_is_instant(query: str) -> None:
    started = time.perf_counter()
    refusal(query)
    assert time.perf_counter() - started < 10  # it takes minutes where spreads are not remembered


@pytest.mark.parametrize(
    "query",
    [
        "{...A} fragment A on Query {...A}",
        "{...A} fragment A on Query {...B name} fragment B on Query {...A name}",
        "{friend {...A}} fragment A on Provider {friend {...A}}",
        "{...Missing}",
        "{...A} fragment A on Nothing {name}",
        "{nothing {at {all}}}",
    ],
)
def test_what_is_invalid_is_left_to_validation_which_says_it_better(query: str) -> None:
    with pytest.raises(OperationRefused) as refused:
        prepare(query)
    codes = {(error.extensions or {})["code"] for error in refused.value.errors}
    assert codes == {Code.GRAPHQL_VALIDATION_FAILED}


@given(st.text(alphabet='{}()[]:!$@.," \n#abFq\u00e9123', max_size=60) | st.text(max_size=40))
def test_no_text_makes_it_stumble(query: str) -> None:
    """It is refused with a code, or it is a document."""
    operations = Operations(schema, limits=Limits(), introspection=False)
    codes: list[object] = []
    try:
        operations.prepare(query)
    except OperationRefused as refused:
        codes = [(error.extensions or {}).get("code") for error in refused.errors] or [None]
    assert set(codes) <= set(Code)


# ---------------------------------------------------------------- the cache of documents


def test_documents_are_parsed_once_and_forgotten_by_their_weight() -> None:
    operations = Operations(schema, limits=Limits(document_bytes=100_000), introspection=True)
    for number in range(500):
        operations.prepare(f"{{a{number}: name}}")
        operations.prepare("{name}")
    assert "{name}" in operations._documents
    assert 5 < len(operations._documents) < 40
    assert len(operations._texts) == len(operations._documents)
    operations.prepare('{nodes(ids: ["' + "x" * 30_000 + '"]) {name}}')
    assert len(operations._texts) == len(operations._documents)


async def test_a_document_is_read_off_the_event_loop_the_first_time() -> None:
    """Validating a large one takes long enough to be noticed by everybody else."""
    operations = Operations(schema, limits=Limits(), introspection=True)
    new = asyncio.create_task(operations.read("{name}"))
    await asyncio.sleep(0)
    assert not new.done()
    await new
    known = asyncio.create_task(operations.read("{name}"))
    await asyncio.sleep(0)
    assert known.done()


async def test_an_abandoned_document_is_still_charged() -> None:
    operations = Operations(schema, limits=Limits(), introspection=True)
    spent = Spent()
    reading = asyncio.create_task(
        operations.read("{ name " + "nope " * 500 + "}", None, None, spent)
    )
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert spent.seconds > 0


@pytest.mark.parametrize("document", ["{next: name}", "{next: nope}"])
def test_validating_a_document_leaves_little_to_the_garbage_collector(document: str) -> None:
    """A collection stops the process for everybody, and new documents come in thousands: the rules'
    own cycles would be some 1,400 objects for each.
    """
    operations = Operations(schema, limits=Limits(), introspection=True)
    with contextlib.suppress(OperationRefused):
        operations.prepare(document.replace("next", "first"))
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(OperationRefused):
            operations.prepare(document)
        unreachable = gc.collect()
    finally:
        gc.enable()
    assert unreachable < 400


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ("{ name(", None),
        ('{ name "a token that is refused', None),
        ("{ nope }", None),
        (f"{{ {' '.join(f'a{number}: name' for number in range(21))} }}", None),
        ("query A {name} query B {name}", None),
        ("query ($size: Int!) {nextSlots(first: $size) {name}}", "many"),
        ("query ($size: Int!) {nextSlots(first: $size) {name}}", 2**40),
        ("query ($sizes: [Int!]!) {nextSlots(first: 1) {name}}", ["many"] * 30),
    ],
    ids=["syntax", "token", "invalid", "limit", "ambiguous", "value", "range", "values"],
)
@pytest.mark.parametrize("is_known", [False, True])
async def test_what_is_refused_leaves_nothing_of_the_request_to_the_garbage_collector(
    document: str, size: object, *, is_known: bool
) -> None:
    """Cycles are collected after some tens of thousands of objects: a hundred frames of a refusal
    could keep a body of 256 KiB for each.
    """
    operations = Operations(schema, limits=Limits(), introspection=True)
    if is_known:
        with contextlib.suppress(OperationRefused):
            await operations.read(document, {"size": 1, "sizes": [1]})
    given = {"size": size, "sizes": size}

    async def refused() -> str:
        try:
            await operations.read(document, given)
        except OperationRefused as refusal:
            return refusal.errors[0].message
        return "not refused"

    first = await refused()
    assert first != "not refused"
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert await refused() == first
        gc.collect()
        kept = {type(each).__name__ for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not kept & {"frame", "traceback", "Token", "Source", "DocumentNode"}


def test_what_was_prepared_goes_with_its_document() -> None:
    """It refers to all of the document, which would live on."""
    operations = Operations(schema, limits=Limits(document_bytes=100_000), introspection=True)
    first = weakref.ref(operations.prepare("{first: name}").document.node)
    for number in range(500):
        operations.prepare(f"{{a{number}: name}}")
        assert len(operations._prepared) == len(operations._documents)
    gc.collect()
    assert first() is None


def test_a_document_does_not_list_what_is_no_longer_prepared() -> None:
    operations = Operations(schema, limits=Limits(prepared_bytes=100_000), introspection=True)
    query = "query ($size: Int!) {nextSlots(first: $size) {name}}"
    operation = operations.prepare(query, {"size": 1})
    for size in range(100):
        operation = operations.prepare(query, {"size": size})
    assert 1 < len(operations._prepared) < 20
    assert len(operation.document.prepared) == len(operations._prepared)


def test_a_document_that_is_too_heavy_leaves_nothing_behind() -> None:
    operations = Operations(schema, limits=Limits(document_bytes=1_000), introspection=True)
    assert operations.prepare("{name}").cost == 1
    assert (len(operations._documents), len(operations._texts), len(operations._prepared)) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{nam}", {}),
        ("{friend}", {}),
        ("{nodes {name}}", {}),
        ("{nodes(id: 1, ids: []) {name}}", {}),
        ("query ($x: Provide) {name}", {}),
        ("{paint(color: GREE)}", {}),
        ("{paint(color: GREEN, wish: {})}", {}),
        ("{paint(color: GREEN, wish: {shad: 1})}", {}),
        ("query ($color: Color!) {paint(color: $color)}", {"color": "GREE"}),
        ("query ($wish: Wish!) {paint(color: GREEN, wish: $wish)}", {"wish": {}}),
        ("query ($wish: Wish!) {paint(color: GREEN, wish: $wish)}", {"wish": {"shad": 1}}),
    ],
)
def test_without_suggestions_no_message_reveals_what_was_not_asked(
    query: str, variables: dict[str, object]
) -> None:
    with pytest.raises(OperationRefused) as refused:
        Operations(schema, limits=Limits(), introspection=False).prepare(query, variables)
    messages = " ".join(error.message for error in refused.value.errors)
    assert "Did you mean" not in messages
    assert not {"ids:", "'name'", "'GREEN'", "'shade'"} & set(re.split(r"[ ?.,()]", messages))
    assert "Query.nodes(ids" not in messages


def test_an_invalid_document_is_not_kept() -> None:
    operations = Operations(schema, limits=Limits(), introspection=True)
    for query in ("{nothing}", "{", "{" + "name " * 60 + "}"):
        with pytest.raises(OperationRefused):
            operations.prepare(query)
    assert not operations._documents
