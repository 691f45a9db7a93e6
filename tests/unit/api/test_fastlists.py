"""A list of rows has the same answer as a list of objects: for every selection, at every place."""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
import gc
import weakref
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import strawberry
from graphql import GraphQLError, parse, validate
from graphql.execution import execute_root_selection_set, execute_subscription_event
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig

from app.api.execution.fastlists import (
    KnownRows,
    Leaves,
    RowExecutor,
    Rows,
    Shape,
    _compile,
    _is_owned,
    written,
)
from app.api.words.relay import global_id
from app.api.words.scalars import (
    SCALARS,
    format_date,
    format_date_time,
)
from app.cache.written import WrittenLists
from app.weighted_cache import instances

START = datetime(2026, 3, 8, 14, tzinfo=UTC)
IDS = [global_id("Provider", UUID(int=number)) for number in range(3)]
NEVER = "never shown: what the field answers depends on its argument"
made = {"slots": 0}


@strawberry.type
class Provider:
    id: strawberry.ID
    name: str


@strawberry.type
class Slot:
    provider_id: strawberry.ID
    starts_at: datetime
    local_start: str
    note: str | None
    seats: int

    def __post_init__(self) -> None:
        made["slots"] += 1

    @strawberry.field
    def provider(self) -> Provider:
        return Provider(id=self.provider_id, name="Ann")

    @strawberry.field
    async def later(self) -> int:
        await asyncio.sleep(0)
        return self.seats

    @strawberry.field
    def with_argument(self, times: int = 2) -> int:
        return self.seats * times


@strawberry.type
class Day:
    date: date
    slots: list[Slot]
    start_times: list[datetime]


def slot_of(*, with_argument: str, **columns: Any) -> Slot:  # noqa: ANN401  of many types
    assert with_argument == NEVER
    return Slot(**columns)


SLOT = Shape(
    columns=("provider_id", "starts_at", "local_start", "note", "seats", "with_argument"),
    item=slot_of,
)
DAY = Shape(columns=("date", "slots", "start_times"), item=Day, nested={"slots": SLOT})


def slots(number: int) -> list[Slot]:
    return [
        Slot(
            provider_id=IDS[n % 3],
            starts_at=START + timedelta(hours=n),
            local_start=f'"{n}"',
            note=None if n % 2 else f"é\n{n}",
            seats=n,
        )
        for n in range(number)
    ]


def slot_rows(number: int) -> list[tuple[Any, ...]]:
    return [
        (s.provider_id, format_date_time(s.starts_at), s.local_start, s.note, s.seats, NEVER)
        for s in slots(number)
    ]


def days(numbers: list[int]) -> list[Day]:
    return [
        Day(
            date=date(2026, 3, 1) + timedelta(days=n), slots=slots(size), start_times=[START] * size
        )
        for n, size in enumerate(numbers)
    ]


def day_rows(numbers: list[int]) -> list[tuple[Any, ...]]:
    return [
        (
            format_date(date(2026, 3, 1) + timedelta(days=n)),
            slot_rows(size),
            [format_date_time(START)] * size,
        )
        for n, size in enumerate(numbers)
    ]


@strawberry.type
class Query:
    """With `context` true the resolvers return rows, otherwise objects."""

    @strawberry.field
    def slots(self, info: strawberry.Info[bool, None], number: int) -> list[Slot]:
        return Rows(SLOT, slot_rows(number)) if info.context else slots(number)  # type: ignore[return-value]

    @strawberry.field
    async def slots_later(
        self, info: strawberry.Info[bool, None], number: int
    ) -> list[Slot] | None:
        await asyncio.sleep(0)
        return Rows(SLOT, slot_rows(number)) if info.context else slots(number)  # type: ignore[return-value]

    @strawberry.field
    def days(self, info: strawberry.Info[bool, None], numbers: list[int]) -> list[Day]:
        return Rows(DAY, day_rows(numbers)) if info.context else days(numbers)  # type: ignore[return-value]

    @strawberry.field
    def times(self, info: strawberry.Info[bool, None], number: int) -> list[datetime]:
        return Leaves([format_date_time(START)] * number) if info.context else [START] * number


schema = strawberry.Schema(
    query=Query, config=StrawberryConfig(scalar_map=SCALARS), execution_context_class=RowExecutor
)


def both(query: str, variables: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """What rows are answered with, and what objects are."""
    assert validate(schema._schema, parse(query)) == []

    async def run(*, rows: bool) -> object:
        result = await schema.execute(query, variables, context_value=rows)
        assert result.errors is None
        return orjson.loads(orjson.dumps(result.data))

    return asyncio.run(run(rows=True)), asyncio.run(run(rows=False))


# ---------------------------------------------------------------- any selection

LEAVES = ["providerId", "startsAt", "localStart", "note", "seats", "__typename"]
SLOW = ["provider { id name __typename }", "later", "withArgument", "withArgument(times: 3)"]
CONDITIONS = [
    "",
    "@include(if: $yes)",
    "@skip(if: $yes)",
    "@include(if: $no)",
    "@skip(if: $no)",
    "@skip(if: true)",
]


@st.composite
def selections(
    draw: st.DrawFn,
    leaves: list[str],
    of: str,
    nested: st.SearchStrategy[str] | None,
    depth: int = 2,
) -> str:
    """A selection set on the type `of`; aliases name their field, so that no two of
    them conflict.
    """
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        condition = draw(st.sampled_from(CONDITIONS))
        kind = draw(st.integers(0, 9))
        if kind == 0 and depth:
            inner = draw(selections(leaves, of, nested, depth - 1))
            parts.append(f"... {draw(st.sampled_from(['', f'on {of}']))} {condition} {inner}")
        elif kind == 1 and of == "Slot":
            parts.append(f"...SlotParts {condition}")
        elif kind == 2 and nested is not None:
            parts.append(f"n{draw(st.integers(0, 3))}: slots {condition} {draw(nested)}")
        elif kind == 3 and of == "Slot" and draw(st.booleans()):
            number = draw(st.integers(0, len(SLOW) - 1))
            parts.append(f"s{number}: {SLOW[number]}")
        else:
            name = draw(st.sampled_from(leaves))
            alias = draw(
                st.sampled_from(["", f"a{leaves.index(name)}: ", f"_{leaves.index(name)}: "])
            )
            parts.append(f"{alias}{name} {condition}")
    return "{ " + " ".join(parts) + " }"


of_slot = selections(LEAVES, "Slot", None)
of_day = selections(["date", "startTimes", "__typename"], "Day", of_slot)


@given(of_slot, of_day, st.integers(0, 4), st.lists(st.integers(0, 3), max_size=3))
def test_rows_and_objects_are_answered_alike_whatever_is_asked_for(
    slot: str, day: str, number: int, numbers: list[int]
) -> None:
    query = f"""
        query Q($number: Int!, $numbers: [Int!]!, $yes: Boolean! = true, $no: Boolean! = false) {{
            slots(number: $number) {slot}
            again: slots(number: $number) {{
                ...SlotParts a: __typename @include(if: $no) b: __typename @skip(if: $yes)
            }}
            slotsLater(number: $number) {slot}
            days(numbers: $numbers) {day}
            times(number: $number)
        }}
        fragment SlotParts on Slot {{ part: startsAt seats localStart @skip(if: $no) }}
    """
    fast, ordinary = both(query, {"number": number, "numbers": numbers})
    assert fast == ordinary


# ---------------------------------------------------------------- what is fast, and what is not


def test_a_selection_of_columns_makes_no_objects() -> None:
    rows = slot_rows(50)
    made["slots"] = 0
    query = "{slots(number: 3) {startsAt note} days(numbers: [2, 3]) {date slots {startsAt}}}"

    async def run() -> int:
        before = made["slots"]
        result = await schema.execute(query, context_value=True)
        assert result.errors is None
        return made["slots"] - before

    # The demo's own rows are made from objects: eight of them; no more come of answering.
    assert asyncio.run(run()) == 3 + 2 + 3
    assert len(Rows(SLOT, rows)) == 50


def test_a_selection_is_compiled_once() -> None:
    query = "{slots(number: 3) {onlyHere: startsAt}}"
    both(query)
    (compiled,) = [each for each in instances() if each.name == "compiled lists"]
    before = len(compiled)
    both(query)
    assert len(compiled) == before > 0


@pytest.mark.parametrize("name", ["__proto__", "_", "None", "r0", "rows", "lambda", "x" * 500])
def test_a_response_name_is_only_ever_a_name(name: str) -> None:
    fast, ordinary = both("{slots(number: 1) {" + f"{name}: startsAt" + "}}")
    assert fast == ordinary == {"slots": [{name: "2026-03-08T14:00:00Z"}]}


def test_what_is_remembered_of_a_selection_is_shared_and_does_not_grow() -> None:
    """By the events of a subscription, and by all who ask the same."""
    query = "{slots(number: 1) {startsAt} days(numbers: [1]) {slots {startsAt}}}"
    executor = RowExecutor.build(schema._schema, parse(query), context_value=True)
    assert isinstance(executor, RowExecutor)
    sizes = set()
    for _ in range(3):
        execute_subscription_event(executor.build_per_event_executor(None))
        execute_root_selection_set(executor.again(True))  # noqa: FBT003  the demo's context
        sizes.add(
            (
                len(executor._root_fields),
                len(executor._relevant_sub_fields),
                len(executor._builders),
            )
        )
    assert sizes == {(1, 3, 2)}


def test_who_asks_again_shares_no_context_and_no_errors() -> None:
    executor = RowExecutor.build(schema._schema, parse("{slots(number: 1) {startsAt}}"))
    assert isinstance(executor, RowExecutor)
    first, second = executor.again("first"), executor.again("second")
    first.collected_errors.add(GraphQLError("only the first's"), None)
    assert (first.context_value, second.context_value) == ("first", "second")
    assert (second.collected_errors.errors, executor.collected_errors.errors) == ([], [])


def test_nothing_of_an_execution_waits_for_the_garbage_collector() -> None:
    executor = RowExecutor.build(schema._schema, parse("{slots(number: 1) {startsAt}}"))
    assert isinstance(executor, RowExecutor)
    again = executor.again(True)  # noqa: FBT003  the demo's context
    gone = weakref.ref(again)
    execute_root_selection_set(again)
    gc.disable()
    try:
        del again
        assert gone() is None
    finally:
        gc.enable()


async def test_nothing_that_was_prepared_waits_for_the_garbage_collector() -> None:
    """Every question with other variables is prepared again: thousands a second may be forgotten
    again.
    """
    executor = RowExecutor.build(
        schema._schema, parse("{slots(number: 1) {startsAt}}"), context_value=True
    )
    assert isinstance(executor, RowExecutor)
    again = executor.again(True)  # noqa: FBT003  the demo's context
    execute_root_selection_set(again)
    gone = weakref.ref(executor)
    gc.disable()
    try:
        del executor
        assert gone() is None
    finally:
        gc.enable()
    assert await again.async_helpers.gather([asyncio.sleep(0, 1), asyncio.sleep(0, 2)]) == [1, 2]


OWNED = Shape(columns=("owner", "number"), item=dict, owned=frozenset({"owner"}))


@pytest.mark.parametrize(
    ("plan", "made_for"),
    [
        ((("number", 1, None),), [[1, 2], [3]]),
        ((("owner", 0, None), ("number", 1, None)), [[1, 2], [1, 3], [2]]),
    ],
)
def test_a_row_is_written_once_for_all_owners_unless_it_shows_what_is_theirs(
    plan: Any,  # noqa: ANN401  nested
    made_for: list[list[int]],
) -> None:
    builder, asked = _compile(plan, _is_owned(plan, OWNED)), []

    def answer(owner: str, keys: list[int]) -> list[dict[str, object]]:
        def make(keys: Sequence[int], _columns: object) -> list[tuple[object, ...]]:
            asked.append(list(keys))
            return [(owner, key) for key in keys]

        rows = KnownRows(OWNED, keys, tuple, make, kind=0, owner=owner, written=WrittenLists(0))
        shown: list[dict[str, object]] = orjson.loads(written(builder, rows))
        ordinary: list[dict[str, object]] = builder.build(rows.rows)
        asked.pop()
        assert shown == ordinary
        return shown

    assert [row["number"] for row in answer("Ann", [1, 2])] == [1, 2]
    assert [row["number"] for row in answer("Bob", [1, 3])] == [1, 3]
    assert [row["number"] for row in answer("Bob", [3, 2, 3])] == [3, 2, 3]
    assert asked == made_for


@pytest.mark.parametrize(
    ("plan", "read"),
    [
        ((("number", 1, None),), {"number"}),
        ((("kind", "Slot", None), ("n", 1, None), ("o", 0, None)), {"owner", "number"}),
    ],
)
def test_only_columns_that_are_selected_are_made(plan: Any, read: set[str]) -> None:  # noqa: ANN401  nested
    asked: list[object] = []

    def make(keys: Sequence[int], columns: object) -> list[tuple[object, ...]]:
        asked.append(columns)
        return [("Ann", key) for key in keys]

    builder = _compile(plan, _is_owned(plan, OWNED))
    rows = KnownRows(OWNED, [1], tuple, make, kind=1, owner="Ann", written=WrittenLists(0))
    written(builder, rows)
    assert asked == [read]


def test_a_list_is_kept_as_it_was_written_with_its_source_for_each_selection_and_owner() -> None:
    number, both = (("number", 1, None),), (("owner", 0, None), ("number", 1, None))
    read: list[WrittenLists] = []

    def answer(kept: WrittenLists, plan: Any, owner: str) -> object:  # noqa: ANN401  nested
        def keys(of: list[int]) -> list[int]:
            read.append(kept)
            return of

        def make(keys: Sequence[int], _columns: object) -> list[tuple[object, ...]]:
            return [(owner, key) for key in keys]

        builder = _compile(plan, _is_owned(plan, OWNED))
        rows = KnownRows(OWNED, [1, 2], keys, make, kind="once", owner=owner, written=kept)
        return orjson.loads(written(builder, rows))

    one, full = WrittenLists(100_000), WrittenLists(10)
    for _ in range(3):
        read.clear()
        for kept in (one, full):
            assert answer(kept, number, "Ann") == [{"number": 1}, {"number": 2}]
            for owner in ("Ann", "Bob"):
                assert answer(kept, both, owner) == [
                    {"owner": owner, "number": 1},
                    {"owner": owner, "number": 2},
                ]
    assert one not in read
    assert read.count(full) >= 3, "what does not fit is written each time"
    assert full.bytes_left == 10


def test_rows_are_a_sequence_of_their_objects() -> None:
    rows = Rows(DAY, day_rows([1, 2]))
    assert [day.date for day in rows] == ["2026-03-01", "2026-03-02"]
    assert rows[1].slots[0].seats == 0
    assert [len(day.slots) for day in rows[1:]] == [2]
