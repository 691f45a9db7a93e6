"""Persisted documents: registered by their hash for every process, or listed by the operator, and
then no others run.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from app.api.transport import Limits, UnfitDocumentsError, read_list
from app.cache.documents import LIFETIME_SECONDS, RegisteredDocuments, document_key, index_key
from app.free_times.connection import open_redis
from app.redis_client import RedisClient
from tests.integration.transport.demo import World, endpoint
from tests.integration.transport.wire import (
    EVENT_STREAM,
    JSON,
    RESPONSE_JSON,
    Served,
    events_of,
    serving,
)

HELLO = "{hello}"
GREETED = {"data": {"hello": "hello world"}}


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    """What Apollo's clients send instead of the document, or with it to register it."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}}


async def send(served: Served, accept: str = JSON, **body: object) -> httpx.Response:
    return await served.client.post("/graphql", json=body, headers={"accept": accept})


def code_of(response: httpx.Response) -> object:
    body = response.json()
    assert "data" not in body
    return body["errors"][0]["extensions"]["code"]


@asynccontextmanager
async def processes(redis: RedisClient, number: int = 1) -> AsyncIterator[list[Served]]:
    """Servers that have nothing in common but this Redis."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serving(shared=RegisteredDocuments(lambda: redis)))
            for _ in range(number)
        ]


# ---------------------------------------------------------------- registered by callers


async def test_a_document_sent_to_one_process_runs_by_its_hash_on_every_other(
    redis: RedisClient,
) -> None:
    async with processes(redis, 2) as (one, other):
        for accept, status in ((JSON, 200), (RESPONSE_JSON, 400)):
            response = await send(one, accept, **persisted(HELLO))
            assert (response.status_code, code_of(response)) == (
                status,
                "PERSISTED_QUERY_NOT_FOUND",
            )
            # urql compares this
            assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"
            assert response.headers["cache-control"] == "no-store"
        assert (await send(one, query=HELLO, **persisted(HELLO))).json() == GREETED
        for served in (one, other):
            assert (await send(served, **persisted(HELLO))).json() == GREETED
            assert (await send(served, documentId=f"sha256:{hash_of(HELLO)}")).json() == GREETED
            assert (await send(served, documentId=hash_of(HELLO))).json() == GREETED
    assert LIFETIME_SECONDS - 60 < await redis.ttl(document_key(hash_of(HELLO))) <= LIFETIME_SECONDS
    assert LIFETIME_SECONDS - 60 < await redis.ttl(index_key()) <= LIFETIME_SECONDS


async def test_variables_and_the_operations_name_come_with_the_hash(redis: RedisClient) -> None:
    text = "query A($name: String!) {hello(name: $name)} query B {viewer}"
    async with processes(redis, 2) as (one, other):
        assert (await send(one, query=text, operationName="B", **persisted(text))).json() == {
            "data": {"viewer": "nobody"}
        }
        answer = await send(other, operationName="A", variables={"name": "é"}, **persisted(text))
        assert answer.json() == {"data": {"hello": "hello é"}}


async def test_a_hash_runs_over_sockets_and_event_streams_too(redis: RedisClient) -> None:
    text = "subscription {count(to: 2) {number}}"
    async with processes(redis, 2) as (one, other):
        async with one.socket(init={}) as socket:
            await socket.send({"type": "subscribe", "id": "1", "payload": persisted(text)})
            message = await socket.receive()
            assert (message["type"], message["payload"][0]["message"]) == (
                "error",
                "PersistedQueryNotFound",
            )
            assert len(await socket.run("1", text, **persisted(text))) == 3
        async with other.socket(init={}) as socket:
            # graphql-ws wants a query in every message
            assert len(await socket.run("2", "", **persisted(text))) == 3
        events = events_of((await send(other, EVENT_STREAM, **persisted(text))).text)
        assert [name for name, _ in events] == ["next", "next", "complete"]


@pytest.mark.parametrize("hashed", ["{viewer}", "", "{hello} "])
async def test_a_hash_of_something_else_is_refused_and_not_remembered(
    redis: RedisClient, hashed: str
) -> None:
    async with processes(redis) as (served,):
        response = await send(served, query=HELLO, **persisted(hashed))
        assert code_of(response) == "BAD_REQUEST"
        assert response.json()["errors"][0]["message"] == "provided sha does not match query"
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{nothing}", "GRAPHQL_VALIDATION_FAILED"),
        ("{" + "hello " * 51 + "}", "QUERY_TOO_COMPLEX"),
        ("{hello} #" + "x" * 40_000, "QUERY_TOO_COMPLEX"),
    ],
)
async def test_what_may_not_run_is_not_remembered(redis: RedisClient, text: str, code: str) -> None:
    async with processes(redis) as (served,):
        assert code_of(await send(served, query=text, **persisted(text))) == code
        assert code_of(await send(served, **persisted(text))) == "PERSISTED_QUERY_NOT_FOUND"
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ('mutation {bump(why: "Kim Xyzzy")}', False),
        ('mutation {bump(why: """Kim Xyzzy""")}', False),
        ('mutation ($why: String = "Kim Xyzzy") {bump(why: $why)}', False),
        ('query A {hello(name: "Kim Xyzzy")} mutation B {bump}', False),
        ("mutation ($why: String) {bump(why: $why)}", True),
        ('query {hello(name: "the world")}', True),
    ],
)
async def test_what_a_mutation_quotes_outlives_its_request_nowhere(
    redis: RedisClient,
    text: str,
    is_kept: bool,  # noqa: FBT001  pytest passes it by name
) -> None:
    """It runs, also where its client means to register it, and is neither in Redis nor in any
    process afterwards.
    """
    name = "A" if "query A" in text else None
    async with processes(redis) as (served,):
        for _ in range(2):
            answer = await send(served, query=text, operationName=name, **persisted(text))
            assert "errors" not in answer.json()
        again = await send(served, operationName=name, **persisted(text))
        if is_kept:
            assert "errors" not in again.json()
        else:
            assert code_of(again) == "PERSISTED_QUERY_NOT_FOUND"
    assert (await redis.get(document_key(hash_of(text))) is not None) == is_kept


async def test_a_document_that_was_changed_in_redis_is_not_believed(redis: RedisClient) -> None:
    async with processes(redis) as (served,):
        await redis.set(document_key(hash_of(HELLO)), "mutation {bump}")
        assert code_of(await send(served, **persisted(HELLO))) == "PERSISTED_QUERY_NOT_FOUND"
        assert served.world.bumping == 0


@pytest.mark.parametrize(
    "name", ["x", "é", "0" * 63, "0" * 65, "G" * 64, "A" * 64, hash_of(HELLO) + "\n"]
)
async def test_a_name_that_is_no_hash_is_not_found(redis: RedisClient, name: str) -> None:
    async with processes(redis) as (served,):
        assert code_of(await send(served, documentId=name)) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": 5},
        {"documentId": ""},
        {"documentId": "x" * 256},
        {"query": HELLO, "documentId": ["x"]},
        {"extensions": {"persistedQuery": 5}},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": None}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 5}}},
        {"query": "", "extensions": {"persistedQuery": None}, "documentId": None, "variables": 5},
    ],
)
async def test_a_malformed_name_is_a_bad_request(
    redis: RedisClient, body: dict[str, object]
) -> None:
    async with processes(redis) as (served,):
        for accept in (JSON, RESPONSE_JSON):
            response = await send(served, accept, **body)
            assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_without_redis_nothing_is_found_or_remembered_and_nobody_waits_or_fails() -> None:
    redis = open_redis("redis://127.0.0.1:1/0", timeout_seconds=0.5)
    async with processes(redis, 2) as (one, other):
        began = monotonic()
        for _ in range(5):
            assert code_of(await send(other, **persisted(HELLO))) == "PERSISTED_QUERY_NOT_FOUND"
            assert (await send(one, query=HELLO, **persisted(HELLO))).json() == GREETED
            assert (await send(one, query=HELLO)).json() == GREETED
        assert monotonic() - began < 6  # half a second for each that waits would be more
    await redis.aclose()


async def test_no_more_documents_are_kept_than_allowed_and_those_used_last_are(
    redis: RedisClient,
) -> None:
    documents = RegisteredDocuments(lambda: redis, most=10)
    texts = [f"{{a{number}: hello}}" for number in range(30)]
    for text in texts:
        await documents.keep(hash_of(text), text)
        assert await documents.find(hash_of(texts[0])) == texts[0]
    kept = [text for text in texts if await redis.exists(document_key(hash_of(text)))]
    assert kept == [texts[0], *texts[-9:]]
    assert await redis.zcard(index_key()) == 10
    assert len(await redis.keys("*")) == 11


async def test_where_nothing_is_shared_a_client_is_asked_to_send_documents(served: Served) -> None:
    response = await send(served, **persisted(HELLO))
    assert code_of(response) == "PERSISTED_QUERY_NOT_SUPPORTED"
    assert response.json()["errors"][0]["message"] == "PersistedQueryNotSupported"
    assert (await send(served, query=HELLO, **persisted(HELLO))).json() == GREETED


# ---------------------------------------------------------------- listed by the operator

# `@graphql-codegen/client-preset` 6.2.0 writes names and documents like these; before, its names
# were a bare SHA-1.
COUNT = "fragment F on Event { number } subscription Count($to: Int!) { count(to: $to) { ...F } }"
COUNT_NAME = "sha256:" + hash_of(COUNT)
SHA1_OF_HELLO = "c0a079a9e7e0b59f2520356ce7edc7b7b8d1f4dc"


@pytest.fixture
def listed(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "persisted-documents.json"
    path.write_text(
        json.dumps({SHA1_OF_HELLO: HELLO, COUNT_NAME: COUNT, hash_of("{viewer}"): "{viewer}"})
    )
    return read_list(path)


async def test_a_listed_document_runs_by_its_name_by_its_hash_and_in_full(
    listed: dict[str, str], redis: RedisClient
) -> None:
    async with serving(listed=listed, shared=RegisteredDocuments(lambda: redis)) as served:
        for body in (
            {"documentId": SHA1_OF_HELLO},
            {"documentId": hash_of(HELLO)},
            {"documentId": f"sha256:{hash_of(HELLO)}"},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": SHA1_OF_HELLO}}},
            persisted(HELLO),
            {"query": HELLO},
            {"query": HELLO, **persisted("something else")},
        ):
            assert (await send(served, **body)).json() == GREETED
        assert (await send(served, documentId=hash_of("{viewer}"))).json() == {
            "data": {"viewer": "nobody"}
        }
        async with served.socket(init={}) as socket:
            assert len(await socket.run("1", "", documentId=COUNT_NAME, variables={"to": 2})) == 3
            extensions = {"persistedQuery": {"version": 1, "sha256Hash": COUNT_NAME}}
            assert len(await socket.run("2", "", extensions=extensions, variables={"to": 2})) == 3
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{hello hello}"}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": "{"}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": "{__typename}", **persisted("{__typename}")}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": "{__typename}", "documentId": SHA1_OF_HELLO}, "QUERY_NOT_IN_SAFELIST"),
        (persisted("{__typename}"), "PERSISTED_QUERY_NOT_IN_LIST"),
        ({"documentId": "x"}, "PERSISTED_QUERY_NOT_IN_LIST"),
    ],
)
async def test_any_other_document_is_refused_and_cannot_be_registered(
    listed: dict[str, str], redis: RedisClient, body: dict[str, object], code: str
) -> None:
    async with serving(listed=listed, shared=RegisteredDocuments(lambda: redis)) as served:
        for accept, status in ((JSON, 200), (RESPONSE_JSON, 400)):
            response = await send(served, accept, **body)
            assert (response.status_code, code_of(response)) == (status, code)
        async with served.socket(init={}) as socket:
            await socket.send({"type": "subscribe", "id": "1", "payload": body})
            message = await socket.receive()
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "can't be read: No such file or directory."),
        ("{", "is not JSON."),
        ("[]", "must be a JSON object"),
        ("{}", "must be a JSON object"),
        ('{"a": 5}', "must be a JSON object"),
        (json.dumps({hash_of("{viewer}"): HELLO}), f"has another hash, {hash_of(HELLO)}."),
    ],
)
def test_a_list_that_cannot_be_used_says_why(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "list.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UnfitDocumentsError) as refused:
        read_list(path)
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Syntax Error"),
        ("{nothing}", "Cannot query field 'nothing' on type 'Query'."),
        ("fragment F on Query {hello}", "has no operation"),
        ("query A {hello} query B {" + "hello " * 51 + "}", "more than 50 times"),
        (
            "{providers(first: 1) {nodes {"
            + "services {providers {" * 6
            + "number"
            + "}}" * 6
            + "}}}",
            "levels of fields",
        ),
    ],
)
def test_a_document_that_could_never_run_is_found_at_the_start(text: str, reason: str) -> None:
    with pytest.raises(UnfitDocumentsError) as refused:
        endpoint(World(), listed={"abc": text})
    assert str(refused.value).startswith("The document abc can't run: ")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_document_whose_cost_depends_on_its_variables_may_be_listed() -> None:
    text = "query($n: Int = 20) {providers(first: $n) {nodes {services {name}}}}"
    endpoint(World(), limits=Limits(cost=100), listed={"abc": text})
    with pytest.raises(UnfitDocumentsError, match="fields; at most 20 are allowed"):
        endpoint(World(), limits=Limits(cost=20), listed={"abc": text})
