"""Rate limits, as callers see them: a code, a status, seconds to wait; other callers are not
affected.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any

import httpx
import pytest
from graphql import ExecutionResult, OperationType

from app.admission.shedding import Shedding
from app.api.edge import throttle
from app.api.execution import operations
from app.api.operation.context import Context
from app.process.asgi import create_app
from app.settings import LimitSettings, Settings
from tests.builders import BOOK, Api, Caller, a_booking, a_provider, running

VIEWER = "{ viewer { role } }"
RELEASE = """mutation { releaseHold(input: {holdToken: "none"}) { __typename } }"""
LIMITS = LimitSettings(
    guest_bookings_per_address=0,
    points_per_minute=1_000,
    guest_bookings_per_minute=3,
    trusted_hops=1,
)


@pytest.fixture(autouse=True)
def _no_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparing an operation takes no time here, however busy the machine is."""
    for clock in ("thread_time", "perf_counter"):
        monkeypatch.setattr(operations, clock, lambda: 0.0)


@pytest.fixture
async def throttled(environment: dict[str, str]) -> AsyncIterator[Api]:
    """Ten of the smallest operations a minute, three tries to book; behind a proxy.

    Time repays: by the time of the last one that is served, a little of the first is left over,
    which lets one more in.
    """
    async with running(replace(Settings.from_environment(environment), limits=LIMITS)) as own:
        yield await own.api()


async def send(
    api: Api,
    document: str,
    *,
    address: str = "192.0.2.7",
    caller: Caller | None = None,
    accept: str = "application/json",
    **variables: object,
) -> httpx.Response:
    said = [(b"x-forwarded-for", address.encode()), (b"accept", accept.encode())]
    return await api.http.post(
        "/graphql",
        content=json.dumps({"query": document, "variables": variables}),
        headers=[*(caller or api.anonymous).headers, *said],
    )


def codes(response: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json().get("errors", ())]


async def test_a_caller_without_points_learns_when_to_retry(throttled: Api) -> None:
    statuses = [(await send(throttled, VIEWER)).status_code for _ in range(11)]
    assert statuses[:10] == [200] * 10
    refused = await send(throttled, VIEWER)
    assert (refused.status_code, codes(refused)) == (429, ["RATE_LIMITED"])
    wait = int(refused.headers["retry-after"])
    assert wait == refused.json()["errors"][0]["extensions"]["retryAfterSeconds"]
    assert 1 <= wait <= 60
    assert "data" not in refused.json()
    # Others are served: callers of another network, and signed-in callers of any.
    assert (await send(throttled, VIEWER, address="192.0.2.8")).status_code == 200
    assert (await send(throttled, VIEWER, caller=throttled.admin)).status_code == 200


async def test_an_event_stream_is_refused_before_it_begins(throttled: Api) -> None:
    """As a plain answer, with its status; errors of the document are sent in the stream."""
    answers = [await send(throttled, VIEWER, accept="text/event-stream") for _ in range(10)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["content-type"] for answer in answers} == {
        "text/event-stream; charset=utf-8"
    }
    while (
        refused := await send(throttled, "{ nothing }", accept="text/event-stream")
    ).status_code == 200:
        assert "GRAPHQL_VALIDATION_FAILED" in refused.text
    assert (refused.status_code, codes(refused)) == (429, ["RATE_LIMITED"])
    assert refused.headers["content-type"] == "application/json; charset=utf-8"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_a_subject_has_one_budget_wherever_it_comes_from(throttled: Api) -> None:
    robin = throttled.customer("robin")
    statuses = [
        (await send(throttled, VIEWER, caller=robin, address=f"192.0.2.{number}")).status_code
        for number in range(12)
    ]
    assert (statuses[:10], statuses[11]) == ([200] * 10, 429)
    assert (await send(throttled, VIEWER, caller=throttled.customer("noor"))).status_code == 200
    # Somebody of this name with a bad token spends nothing of it.
    assert (await send(throttled, VIEWER, caller=Caller(token="bad"))).status_code == 401


async def test_an_answer_costs_what_it_may_hold(throttled: Api) -> None:
    wide = "{ providers(first: 100) { nodes { id name timeZone } totalCount } }"
    assert (await send(throttled, wide)).status_code == 200
    cost_of_wide = 1 + (1 + 100 * 3) + 1
    spent = max(100, cost_of_wide)
    served, began = 0, monotonic()
    while (await send(throttled, VIEWER)).status_code == 200:
        served += 1
    repaid = (monotonic() - began) * 1_000 / 60
    assert (1_000 - spent) / 100 - 1.5 <= served <= (1_000 - spent + repaid) / 100 + 1.5


async def test_a_known_answer_costs_what_it_cost_when_it_was_made(
    throttled: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await a_provider(throttled)
    week = """query ($id: ID!, $from: Date!, $to: Date!) { provider(id: $id) {
        availability(from: $from, to: $to) { ... on Availability { days { slotCount } } } } }"""
    asked: dict[str, Any] = {"id": ada["id"], "from": "2026-01-12", "to": "2026-01-18"}
    made = 0
    run = operations.Operations.run

    async def counted(*arguments: object) -> object:
        nonlocal made
        made += 1
        return await run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(operations.Operations, "run", counted)

    async def served(address: str, *, is_known: bool) -> int:
        number = 0
        while True:
            text = week if is_known else f"# {number}\n{week}"
            answer = await send(throttled, text, address=address, **asked)
            if answer.status_code == 429:
                return number
            number += 1

    await served("192.0.2.8", is_known=True)
    before = made
    known = await served("192.0.2.9", is_known=True)
    assert made == before
    assert abs(await served("192.0.2.10", is_known=False) - known) <= 1
    assert made > before


@pytest.mark.parametrize("document", ["{", "{ nothing }", "{ " + "a: viewer { role } " * 40 + "}"])
async def test_what_is_refused_has_its_price(throttled: Api, document: str) -> None:
    statuses = [(await send(throttled, document)).status_code for _ in range(12)]
    assert 429 not in statuses[:10]
    assert statuses[11] == 429


async def test_booking_without_a_token_has_a_budget_of_its_own(throttled: Api) -> None:
    ada = await a_provider(throttled)
    twice = """
        mutation ($a: HoldSlotInput!, $b: HoldSlotInput!) {
            a: holdSlot(input: $a) { __typename } b: holdSlot(input: $b) { __typename }
        }
    """
    inputs: Mapping[str, Any] = {
        name: {
            "providerId": ada["id"],
            "startsAt": f"2026-01-13T1{hour}:00:00Z",
            "idempotencyKey": name,
        }
        for hour, name in enumerate("ab")
    }
    held = (await send(throttled, twice, **inputs)).json()
    assert [held["data"][name]["__typename"] for name in "ab"] == ["Hold", "Hold"]
    for hour in (13, 14):
        assert (
            await send(throttled, BOOK, input=a_booking(ada, f"2026-01-13T{hour}:00Z"))
        ).status_code == 200
    refused = await send(throttled, BOOK, input=a_booking(ada, "2026-01-13T15:00Z"))
    assert (refused.status_code, codes(refused)) == (429, ["RATE_LIMITED"])
    # Reading goes on, and so does booking with a token.
    assert (await send(throttled, VIEWER)).status_code == 200
    known = await send(
        throttled,
        BOOK,
        caller=throttled.customer("robin"),
        input=a_booking(ada, "2026-01-13T15:00Z"),
    )
    assert known.json()["data"]["answer"]["__typename"] == "BookingConfirmation"


async def test_a_guests_booking_delays_the_next_one_of_their_network_and_nobody_elses(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first one on: a burst of bookings would take the database from everybody."""
    monkeypatch.setattr(throttle, "TAKING_SECONDS", 100)
    async with running(replace(Settings.from_environment(environment), limits=LIMITS)) as own:
        api = await own.api()
        ada = await a_provider(api)

        async def book(hour: int, address: str = "192.0.2.7", caller: Caller | None = None) -> None:
            given = a_booking(ada, f"2026-01-13T{hour}:00Z")
            answer = (await send(api, BOOK, address=address, caller=caller, input=given)).json()
            assert answer["data"]["answer"]["__typename"] == "BookingConfirmation"

        await book(10)
        following = asyncio.create_task(book(11))
        await book(12, address="192.0.2.8")
        for hour in (13, 14):
            await book(hour, caller=api.customer("robin"))
        assert not following.done()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_sockets_spend_the_same_points(environment: dict[str, str]) -> None:
    settings = replace(
        Settings.from_environment(environment), limits=replace(LIMITS, trusted_hops=0)
    )
    async with running(settings) as own:
        api = await own.api()
        app = create_app(settings)
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        async with app.router.lifespan_context(app):
            scope = {
                "type": "websocket",
                "path": "/graphql",
                "raw_path": b"/graphql",
                "query_string": b"",
                "headers": [],
                "client": ("192.0.2.7", 1),
                "subprotocols": ["graphql-transport-ws"],
            }

            async def receive() -> dict[str, Any]:
                return await said.get()

            async def reply(message: Any) -> None:  # noqa: ANN401  ASGI's messages are of many kinds
                await sent.put(dict(message))

            def say(message: object) -> None:
                said.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

            async def hear() -> dict[str, Any]:
                message = await sent.get()
                heard: dict[str, Any] = json.loads(message["text"])
                return heard

            said.put_nowait({"type": "websocket.connect"})
            socket = asyncio.create_task(app(scope, receive, reply))
            assert (await sent.get())["type"] == "websocket.accept"
            say(
                {
                    "type": "connection_init",
                    "payload": {"authorization": f"Bearer {api.admin.token}"},
                }
            )
            assert await hear() == {"type": "connection_ack"}
            kinds = []
            message: dict[str, Any] = {}
            for number in range(12):
                say({"type": "subscribe", "id": str(number), "payload": {"query": VIEWER}})
                message = await hear()
                kinds.append(message["type"])
                if message["type"] == "next":
                    assert (await hear())["type"] == "complete"
            assert (kinds[:10], kinds[11]) == (["next"] * 10, "error")
            assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
            # The socket stays open, and waits with its client.
            say({"type": "ping"})
            assert await hear() == {"type": "pong"}
            said.put_nowait({"type": "websocket.disconnect", "code": 1000})
            await socket


async def test_without_redis_there_is_a_limit_all_the_same(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment | {"REDIS_URL": "redis://127.0.0.1:1/0"})
    async with running(replace(settings, limits=LIMITS)) as own:
        api = await own.api()
        statuses = [(await send(api, VIEWER)).status_code for _ in range(12)]
        assert (statuses[:10], statuses[11]) == ([200] * 10, 429)


@pytest.mark.parametrize(
    "document", [VIEWER, "{ nothing }", "{"], ids=["served", "invalid", "broken"]
)
async def test_processor_time_is_charged_whatever_the_answer(
    throttled: Api, monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    """Six milliseconds are 600 points: two such operations spend the budget of 1,000."""
    seconds = itertools.count(step=0.006)
    monkeypatch.setattr(operations, "thread_time", lambda: next(seconds))
    sent = [f"{document} # {number:0200}" for number in range(3)]
    statuses = [(await send(throttled, each)).status_code for each in sent]
    assert (429 in statuses[:2], statuses[2]) == (False, 429)


async def test_a_query_that_is_shed_is_charged_like_the_smallest(
    throttled: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of them would cost the process as much as any other."""
    assert (await send(throttled, VIEWER)).status_code == 200
    monkeypatch.setattr(Shedding, "sheds", lambda _shedding: True)
    statuses = [(await send(throttled, VIEWER)).status_code for _ in range(12)]
    assert (statuses[:9], statuses[11]) == ([503] * 9, 429)


async def test_a_query_that_is_ready_costs_no_processor_time(
    throttled: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=0.006)
    monkeypatch.setattr(operations, "thread_time", lambda: next(seconds))
    statuses = [(await send(throttled, VIEWER)).status_code for _ in range(4)]
    assert (statuses, next(seconds)) == ([200] * 4, 0.012)


async def test_costly_documents_have_a_budget_of_their_own(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 25 ms each, 15 exceed what a caller may take; cheap ones, and other callers, may go on."""
    limits = replace(LIMITS, points_per_minute=10_000_000)
    clock = itertools.count()
    async with running(replace(Settings.from_environment(environment), limits=limits)) as own:
        api = await own.api()
        assert {(await send(api, VIEWER)).status_code for _ in range(40)} == {200}
        monkeypatch.setattr(operations, "thread_time", lambda: next(clock) * 0.025)
        long = "{ " + "nothing " * 70 + "}"
        statuses = [(await send(api, long)).status_code for _ in range(20)]
        monkeypatch.setattr(operations, "thread_time", lambda: 0.0)
        assert statuses[:15] == [200] * 15
        assert statuses[17:] == [429] * 3
        assert (await send(api, VIEWER)).status_code == 429
        assert (await send(api, VIEWER, address="192.0.2.8")).status_code == 200


async def test_a_pause_of_the_process_is_not_charged_to_the_caller_of_a_short_document(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A garbage collection of a second may fall into any caller's time."""
    limits = replace(LIMITS, points_per_minute=10_000_000)
    clock = itertools.count()
    async with running(replace(Settings.from_environment(environment), limits=limits)) as own:
        api = await own.api()
        monkeypatch.setattr(operations, "thread_time", lambda: float(next(clock)))
        statuses = [(await send(api, "{ nothing }")).status_code for _ in range(20)]
        assert statuses == [200] * 20


async def test_a_costly_operation_delays_its_callers_next_ones_and_nobody_elses(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "PAUSE", 100_000)
    limits = replace(LIMITS, points_per_minute=10_000_000)
    async with running(replace(Settings.from_environment(environment), limits=limits)) as own:
        api = await own.api()
        assert (await send(api, VIEWER)).status_code == 200
        following = asyncio.create_task(send(api, VIEWER))
        assert (await send(api, VIEWER, address="192.0.2.8")).status_code == 200
        assert (await send(api, VIEWER, caller=api.admin)).status_code == 200
        assert not following.done()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_compiling_templates_delays_the_next_one_and_nobody_else(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one is a tenth of a second of processor time."""
    monkeypatch.setattr(throttle, "COMPILING_SECONDS", 100)
    preview = '{ previewMessage(kind: BOOKED, words: {subject: "Hello"}) { subject } }'
    limits = replace(LIMITS, points_per_minute=10_000_000)
    async with running(replace(Settings.from_environment(environment), limits=limits)) as own:
        api = await own.api()
        assert (await send(api, preview, caller=api.admin)).status_code == 200
        following = asyncio.create_task(send(api, preview, caller=api.admin))
        assert (await send(api, VIEWER)).status_code == 200
        assert not following.done()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_slow_queries_of_one_caller_wait_for_each_other_and_nobody_else_does(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have half of the pool's connections."""
    started = 0
    is_over, are_as_many_as_may = asyncio.Event(), asyncio.Event()
    run = operations.Operations.run

    async def run_slowly(
        self: operations.Operations, operation: operations.Operation, context: Context
    ) -> ExecutionResult:
        nonlocal started
        is_query = operation.kind is OperationType.QUERY
        if is_query and context.viewer.address == "192.0.2.7":
            started += 1
            if started == 2:
                are_as_many_as_may.set()
            await is_over.wait()
        return await run(self, operation, context)

    monkeypatch.setattr(operations.Operations, "run", run_slowly)
    limits = replace(LIMITS, points_per_minute=10_000_000)
    settings = replace(Settings.from_environment(environment), limits=limits, pool_size=4)
    async with running(settings) as own:
        api = await own.api()
        slow = [asyncio.create_task(send(api, VIEWER)) for _ in range(5)]
        for _ in range(3):
            other = await send(api, VIEWER, address="192.0.2.8")
            assert other.status_code == 200
        async with asyncio.timeout(10):
            await are_as_many_as_may.wait()
        released = await send(api, RELEASE)  # a mutation waits for no place
        assert "NotFoundError" in released.text
        assert started == 2
        is_over.set()
        assert {answer.status_code for answer in await asyncio.gather(*slow)} == {200}
        assert started == 5
