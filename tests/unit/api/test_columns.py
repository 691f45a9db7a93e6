"""A list of objects has the same answer field by field as object by object: for every selection,
and for every failure.
"""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
from collections import Counter
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Annotated, Any, TypeAlias

import pytest
import strawberry
from graphql import parse, validate
from graphql.execution import execute_root_selection_set
from hypothesis import given
from hypothesis import strategies as st
from strawberry.dataloader import DataLoader
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.api.execution.columns import ColumnExecutor

NUMBERS = range(4)


@dataclass(kw_only=True)
class World:
    """Who keeps whom, by their numbers, and what fails; even numbers are cats, odd ones
    are dogs.
    """

    kept: dict[int, list[int | None]]
    failing: frozenset[tuple[int, str]] = frozenset()
    calls: Counter[tuple[int, str]] = field(default_factory=Counter)
    weights: DataLoader[int, int] | None = None

    def has_called(self, number: int, name: str) -> None:
        self.calls[number, name] += 1
        if (number, name) in self.failing:
            raise ValueError(f"{name} of {number}")


Errors: TypeAlias = list[tuple[tuple[str | int, ...], str]]
Info = strawberry.Info[Any, None]


def animal(number: int | None) -> "Cat | Dog | None":
    if number is None:
        return None
    return Cat(number=number) if number % 2 == 0 else Dog(number=number)


@strawberry.interface
class Animal:
    number: int

    @strawberry.field
    def name(self, info: Info, greeting: str = "I am") -> str:
        info.context.has_called(self.number, "name")
        return f"{greeting} {self.number}"

    @strawberry.field
    def nickname(self, info: Info) -> str | None:
        info.context.has_called(self.number, "nickname")
        return f"Nick {self.number}" if self.number else None

    @strawberry.field
    async def age(self, info: Info) -> int:
        await asyncio.sleep(0)
        info.context.has_called(self.number, "age")
        return self.number

    @strawberry.field
    async def weight(self, info: Info) -> int | None:
        info.context.has_called(self.number, "weight")
        found: int = await info.context.weights.load(self.number)
        return found

    @strawberry.field
    def names(self, info: Info) -> list[str | None] | None:
        info.context.has_called(self.number, "names")
        return [None, f"one of {self.number}"] if self.number else None

    @strawberry.field
    def pets(self, info: Info) -> list[Annotated["Cat | Dog", strawberry.union("Pet")] | None]:
        info.context.has_called(self.number, "pets")
        return [animal(number) for number in info.context.kept.get(self.number, [])]

    @strawberry.field
    async def first(self, info: Info) -> Annotated["Cat | Dog", strawberry.union("Pet")] | None:
        info.context.has_called(self.number, "first")
        return animal(next(iter(info.context.kept.get(self.number, [])), None))

    @strawberry.field
    def any(self, info: Info) -> "Animal | None":
        info.context.has_called(self.number, "any")
        return animal(next(iter(info.context.kept.get(self.number, [])), None))

    @strawberry.field
    def must(self, info: Info) -> "Cat":
        """Null for some, though it must not be."""
        info.context.has_called(self.number, "must")
        return Cat(number=self.number) if self.number else None  # type: ignore[return-value]


@strawberry.type
class Cat(Animal):
    @strawberry.field
    def dogs(self, info: Info) -> "list[Dog]":
        info.context.has_called(self.number, "dogs")
        return [
            Dog(number=number)
            for number in info.context.kept.get(self.number, [])
            if number is not None
        ]


@strawberry.type
class Dog(Animal):
    @strawberry.field
    async def cats(self, info: Info) -> "list[Cat] | None":
        info.context.has_called(self.number, "cats")
        await asyncio.sleep(0)
        return [
            Cat(number=number)
            for number in info.context.kept.get(self.number, [])
            if number is not None
        ]


@strawberry.type
class Query:
    @strawberry.field
    def cats(self) -> list[Cat]:
        return [Cat(number=number) for number in NUMBERS]

    @strawberry.field
    def dogs(self) -> list[Dog] | None:
        return [Dog(number=number) for number in NUMBERS]

    @strawberry.field
    async def maybe(self) -> list[Cat | None]:
        return [Cat(number=0), None, Cat(number=1)]

    @strawberry.field
    def nobody(self) -> list[Cat]:
        return []


schema = strawberry.Schema(query=Query, types=[Cat, Dog])._schema


async def _answered(
    by: type[StrawberryGraphQLCoreExecutionContext], query: str, world: World
) -> tuple[object, Errors]:
    executor = by.build(schema, parse(query), context_value=world)
    assert isinstance(executor, by)
    result = execute_root_selection_set(executor)
    found = await result if isawaitable(result) else result
    while executor.background_futures:  # what others waited for when something failed
        await asyncio.wait(list(executor.background_futures))
    return found.data, [(tuple(error.path or ()), error.message) for error in found.errors or ()]


def nulled(data: object, errors: Errors) -> set[tuple[str | int, ...]]:
    """The places where errors left null. Which of those below such a place come to be told is a
    matter of time.
    """
    places = set()
    for path, _ in errors:
        here: Any = data
        depth = 0
        while here is not None:
            here = here[path[depth]]
            depth += 1
        places.add(path[:depth])
    return places


def answered(
    by: type[StrawberryGraphQLCoreExecutionContext], query: str, world: World
) -> tuple[object, Errors]:
    assert validate(schema, parse(query)) == []
    return asyncio.run(_answered(by, query, world))


# ---------------------------------------------------------------- every selection, and every failure

LEAVES = ["number", "name", 'hi: name(greeting: "Hi,")', "nickname", "age", "names", "__typename"]
OBJECTS = {
    "Cat": {"pets": "Pet", "first": "Pet", "any": "Animal", "must": "Cat", "dogs": "Dog"},
    "Dog": {"pets": "Pet", "first": "Pet", "any": "Animal", "must": "Cat", "cats": "Cat"},
    "Animal": {"pets": "Pet", "any": "Animal"},
}
FAILING = ["name", "nickname", "age", "names", "pets", "first", "any", "must", "dogs", "cats"]


@st.composite
def selections(draw: st.DrawFn, kind: str, depth: int = 2) -> str:
    if kind == "Pet":
        cat, dog = draw(selections("Cat", depth)), draw(selections("Dog", depth))
        return f"{{ __typename ... on Cat {{ cat: any {cat_only(cat)} }} ... on Dog {dog} }}"
    parts = draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3, unique=True))
    for name, inner in OBJECTS[kind].items() if depth else ():
        if draw(st.integers(0, 2)) == 0:
            parts.append(f"{kind}{depth}{name}: {name} {draw(selections(inner, depth - 1))}")
    return f"{{ {' '.join(draw(st.permutations(parts)))} }}"


def cat_only(selection: str) -> str:
    """The same for every animal."""
    return f"{{ ... on Cat {selection} }}"


worlds = st.builds(
    World,
    kept=st.dictionaries(
        st.sampled_from(NUMBERS),
        st.lists(st.sampled_from([None, *NUMBERS]), max_size=3),
        max_size=len(NUMBERS),
    ),
    failing=st.frozensets(
        st.tuples(st.sampled_from(NUMBERS), st.sampled_from(FAILING)), max_size=3
    ),
)


@given(selections("Cat"), selections("Dog"), worlds)
def test_field_by_field_and_object_by_object_the_answer_is_the_same(
    cat: str, dog: str, world: World
) -> None:
    query = f"{{ cats {cat} dogs {dog} maybe {cat} nobody {cat} }}"
    ordinary, ordinary_errors = answered(StrawberryGraphQLCoreExecutionContext, query, world)
    data, errors = answered(ColumnExecutor, query, world)
    assert data == ordinary
    assert nulled(data, errors) == nulled(ordinary, ordinary_errors)


# ---------------------------------------------------------------- what it is for


def test_a_resolver_is_called_once_for_each_object() -> None:
    world = World(kept={})
    answered(ColumnExecutor, "{ cats { name age pets { __typename } } }", world)
    assert world.calls == {
        (number, name): 1 for number in NUMBERS for name in ("name", "age", "pets")
    }


def test_what_is_looked_up_at_any_depth_of_equal_lists_is_looked_up_at_once() -> None:
    """Some lists are long, some short, some empty: still all of a level go together."""

    async def run() -> list[list[int]]:
        batches: list[list[int]] = []

        async def load(numbers: list[int]) -> list[int]:
            batches.append(numbers)
            return numbers

        world = World(kept={0: [0], 1: [1, 2, 3], 2: [], 3: [2, 3]}, weights=DataLoader(load))
        query = "{ cats { dogs { cats { weight } } } dogs { cats { dogs { weight } } } }"
        data, errors = await _answered(ColumnExecutor, query, world)
        assert errors == []
        assert data is not None
        return [sorted(batch) for batch in batches]

    assert asyncio.run(run()) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("name", ["name", "age"])
def test_a_failure_deep_in_lists_of_lists_is_looked_for_twice_at_most(name: str) -> None:
    """Not twice for each list that contains it."""
    query = f"{{ cats {{ dogs {{ cats {{ dogs {{ must {{ {name} }} }} }} }} }} }}"
    calls = []
    for failing in (frozenset[tuple[int, str]](), frozenset({(2, name)})):
        world = World(kept={number: [0, 2] for number in NUMBERS}, failing=failing)
        answered(ColumnExecutor, query, world)
        calls.append(sum(world.calls.values()))
    assert calls[1] <= 2 * calls[0]


def test_what_failed_while_it_was_tried_and_then_succeeded_is_no_failure() -> None:
    """A field inside fails only once, and another one always: the list is completed once more, and
    only that counts.
    """

    class Once(World):
        def has_called(self, number: int, name: str) -> None:
            super().has_called(number, name)
            if name == "nickname" and self.calls[number, name] == 1:
                raise ValueError("the first time")

    world = Once(kept={1: [2]}, failing=frozenset({(1, "weight")}))
    data, errors = answered(
        ColumnExecutor, "{ dogs { weight cats { nickname } } nobody { number } }", world
    )
    assert [path for path, _ in errors if path[-1] == "nickname"] == []
    assert data["dogs"][1] == {"weight": None, "cats": [{"nickname": "Nick 2"}]}  # type: ignore[index]


@pytest.mark.parametrize("name", ["name", "age"])
def test_after_a_failure_what_succeeded_is_there_and_the_failure_is_said_once(name: str) -> None:
    world = World(kept={}, failing=frozenset({(2, name)}))
    data, errors = answered(
        ColumnExecutor, f"{{ dogs {{ number {name} }} nobody {{ number }} }}", world
    )
    assert data == {"dogs": None, "nobody": []}
    assert errors == [(("dogs", 2, name), f"{name} of 2")]
