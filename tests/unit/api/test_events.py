"""An event of a subscription is not lost because its data can't be read at that moment."""

# Strawberry reads annotations at run time, so they are not postponed here.
import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest
import strawberry
from graphql import ExecutionResult

from app.api.execution import operations as module
from app.api.execution.limits import Limits
from app.api.execution.operations import Operations
from app.store.pool import DatabaseUnavailableError

outcomes: list[Exception | str] = []


@strawberry.type
class Change:
    number: int

    @strawberry.field
    async def shown(self) -> str:
        await asyncio.sleep(0)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@strawberry.type
class Query:
    name: str = ""


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def changes(self) -> AsyncGenerator[Change, None]:
        for number in range(2):
            yield Change(number=number)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "EVENT_RETRY_SECONDS", 0.0)
    yield
    outcomes.clear()


async def events() -> list[ExecutionResult]:
    operations = Operations(
        strawberry.Schema(query=Query, subscription=Subscription),
        limits=Limits(),
        introspection=True,
        unavailable=(DatabaseUnavailableError,),
    )
    operation = operations.prepare("subscription { changes { number shown } }")
    return [each async for each in await operations.subscribe(operation, object)]


async def test_an_event_is_run_again_while_something_is_unavailable() -> None:
    outcomes[:] = [DatabaseUnavailableError(), DatabaseUnavailableError(), "first", "second"]
    first, second = await events()
    assert (first.data, first.errors) == ({"changes": {"number": 0, "shown": "first"}}, None)
    assert (second.data, second.errors) == ({"changes": {"number": 1, "shown": "second"}}, None)


async def test_an_event_that_meets_a_bug_is_reported_once_as_one() -> None:
    outcomes[:] = [ValueError("a bug"), "second"]
    first, second = await events()
    assert first.data is None
    assert len(first.errors or ()) == 1
    assert (second.data, second.errors) == ({"changes": {"number": 1, "shown": "second"}}, None)
