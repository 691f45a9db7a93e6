"""GraphQL over HTTP: every mistake has its status and its code, and nothing internal is revealed."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from types import FrameType

import httpx
import pytest
from graphql import get_introspection_query

from app.admission import shedding as load_shedding
from app.admission.shedding import CROWD, RETRY_AFTER_SECONDS, Shedding
from app.api.transport import Credentials, Limits
from tests.integration.transport.demo import SECRET
from tests.integration.transport.wire import (
    EVENT_STREAM,
    JSON,
    PATIENCE_SECONDS,
    RESPONSE_JSON,
    Served,
    events_of,
    serving,
    until,
)


def code_of(response: httpx.Response) -> object:
    assert response.headers["content-type"].startswith("application/")
    body = response.json()
    assert "data" not in body
    return body["errors"][0]["extensions"]["code"]


# ---------------------------------------------------------------- media types


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (RESPONSE_JSON, RESPONSE_JSON),
        (f"{RESPONSE_JSON};charset=utf-8, {JSON};q=0.9", RESPONSE_JSON),  # Apollo Client 4
        (f"{JSON};q=0.5, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0, {JSON}", JSON),
        # urql
        (
            f"{RESPONSE_JSON}, application/graphql+json, {JSON}, {EVENT_STREAM}, multipart/mixed",
            RESPONSE_JSON,
        ),
        (f"{JSON}, {EVENT_STREAM};q=nonsense", JSON),
        (f"text/html, {JSON}", JSON),
        (EVENT_STREAM, EVENT_STREAM),
        (f"{EVENT_STREAM}, multipart/mixed", EVENT_STREAM),  # urql's subscriptions
        (f"{EVENT_STREAM}, {JSON};q=0.9", EVENT_STREAM),
    ],
)
async def test_the_answer_has_the_type_that_is_preferred(
    served: Served, accept: str | None, content_type: str
) -> None:
    request = served.client.build_request("POST", "/graphql", json={"query": "{hello}"})
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    response = await served.client.send(request)
    assert (response.status_code, response.headers["content-type"]) == (
        200,
        f"{content_type}; charset=utf-8",
    )


async def test_accepting_none_of_the_types_is_refused(served: Served) -> None:
    response = await served.post("{hello}", accept="text/plain")
    assert response.status_code == 406
    assert code_of(response) == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ __schema { } }"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{nothing}"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{hello(name: 5)}"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": '{probe(input: {at: "2026"})}'}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "type Query { a: Int }"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query a {hello} query b {hello}"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query a {hello}", "operationName": "b"}, "OPERATION_RESOLUTION_FAILURE"),
        (
            {"query": "query a {hello} query a {hello}", "operationName": "a"},
            "OPERATION_RESOLUTION_FAILURE",
        ),
        ({"query": "subscription {count(to: 1) {number}}"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query($n: Int!) {atLeast(number: $n)}"}, "BAD_USER_INPUT"),
        (
            {"query": "query($n: Int!) {atLeast(number: $n)}", "variables": {"n": "5"}},
            "BAD_USER_INPUT",
        ),
        (
            {"query": "query($n: Int!) {atLeast(number: $n)}", "variables": {"n": 10**12}},
            "BAD_USER_INPUT",
        ),
        ({"query": "{" + "a: hello " * 51 + "}"}, "QUERY_TOO_COMPLEX"),
    ],
)
async def test_a_request_that_cannot_run_is_400_in_the_new_type_and_200_in_the_old(
    served: Served, body: dict[str, object], code: str
) -> None:
    for accept, status in ((RESPONSE_JSON, 400), (JSON, 200)):
        response = await served.client.post("/graphql", json=body, headers={"accept": accept})
        assert (response.status_code, code_of(response)) == (status, code)


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"x"',
        b"true",
        b"[]",
        b'[{"query":"{hello}"}]',
        b"{",
        b"\xff\xfe",
        b'{"query":"{hello(name:\\"\xff\\")}"}',
        b'{"query":"\\ud800"}',
        b"[" * 100_000,
        b'{"query":' * 20_000,
        b"9" * 5_000,
        b'{"query":"{hello}","variables":{"n":' + b"9" * 5_000 + b"}}",
        b'{"query":"{hello}","variables":{"n":NaN}}',
        b"{}",
        b'{"query":null}',
        b'{"query":5}',
        b'{"query":["{hello}"]}',
        b'{"query":"{hello}","variables":[]}',
        b'{"query":"{hello}","variables":"{}"}',
        b'{"query":"{hello}","operationName":5}',
        b'{"query":"{hello}","operationName":{}}',
        b'{"query":"{hello}","extensions":[]}',
        b'{"query":"{hello}","extensions":"x"}',
    ],
)
async def test_a_malformed_body_is_400_in_both_types(served: Served, body: bytes) -> None:
    for accept in (JSON, RESPONSE_JSON):
        response = await served.client.post(
            "/graphql", content=body, headers={"accept": accept, "content-type": "application/json"}
        )
        assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_null_means_left_out(served: Served) -> None:
    response = await served.post(
        "{hello}", variables=None, operationName=None, extensions=None, unknown=5
    )
    assert response.json() == {"data": {"hello": "hello world"}}


async def test_a_body_beyond_the_limit_is_413_whether_declared_or_not(served: Served) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    contents: list[bytes | AsyncIterator[bytes]] = [b" " * (256 * 1024 + 1), drip()]
    for content in contents:
        response = await served.client.post(
            "/graphql", content=content, headers={"content-type": JSON}
        )
        assert (response.status_code, code_of(response)) == (413, "BAD_REQUEST")


async def test_a_body_that_trickles_is_given_up() -> None:
    async with serving(Limits(body_seconds=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
        )
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonx",
        "text/plain; application/json",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
    ],
)
async def test_only_json_in_utf_8_is_read(served: Served, content_type: str | None) -> None:
    """Forms and plain text may be posted across origins without asking (CSRF)."""
    headers = {} if content_type is None else {"content-type": content_type}
    response = await served.client.post("/graphql", content=b'{"query":"{hello}"}', headers=headers)
    assert (response.status_code, code_of(response)) == (415, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", 'application/json ; charset="UTF-8"']
)
async def test_json_is_json_however_it_is_spelled(served: Served, content_type: str) -> None:
    response = await served.client.post(
        "/graphql",
        content='{"query":"{hello(name:\\"é\\")}"}'.encode(),
        headers={"content-type": content_type},
    )
    assert response.json() == {"data": {"hello": "hello é"}}


async def test_a_compressed_body_is_refused(served: Served) -> None:
    headers = {"content-type": JSON, "content-encoding": "gzip"}
    assert (await served.client.post("/graphql", content=b"x", headers=headers)).status_code == 415


# ---------------------------------------------------------------- methods


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_405_with_allow(served: Served, method: str) -> None:
    response = await served.client.request(method, "/graphql", params={"query": "{hello}"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert code_of(response) == "BAD_REQUEST"


async def test_a_query_in_the_address_is_never_run(served: Served) -> None:
    response = await served.client.get(
        "/graphql", params={"query": "mutation{bump}"}, headers={"accept": JSON}
    )
    assert (response.status_code, served.world.bumps) == (405, 0)


async def test_browsers_get_the_page_and_programs_do_not(served: Served) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert "an IDE" in (await served.client.get("/graphql", headers={"accept": browser})).text
    for accept in ("*/*", JSON, f"{JSON}, text/html;q=0.9"):
        assert (await served.client.get("/graphql", headers={"accept": accept})).status_code == 405


# ---------------------------------------------------------------- callers


async def test_credentials_come_from_headers(served: Served) -> None:
    headers = {"authorization": "Bearer ok-ann", "slotwright-organization": "demo"}
    response = await served.client.post(
        "/graphql", json={"query": "{viewer transport}"}, headers=headers
    )
    assert response.json() == {"data": {"viewer": "ok-ann", "transport": "http"}}
    assert served.world.identified == [
        Credentials(authorization="Bearer ok-ann", organization="demo", address="127.0.0.1")
    ]


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("Bearer bad", 401, "UNAUTHENTICATED"),
        ("Bearer elsewhere", 403, "FORBIDDEN"),
        ("Bearer crash", 500, "INTERNAL_SERVER_ERROR"),
        ("Bearer ok-without-context", 500, "INTERNAL_SERVER_ERROR"),
    ],
)
@pytest.mark.parametrize("accept", [JSON, RESPONSE_JSON])
async def test_an_unidentified_caller_is_refused_by_status_and_code(
    served: Served, token: str, status: int, code: str, accept: str
) -> None:
    headers = {"authorization": token, "accept": accept}
    response = await served.client.post("/graphql", json={"query": "{hello}"}, headers=headers)
    assert (response.status_code, code_of(response)) == (status, code)
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert SECRET not in response.text


async def test_when_the_database_is_gone_the_answer_is_503_quick_and_says_nothing(
    served: Served,
) -> None:
    served.world.database_gone = True
    response = await served.post("{hello}")
    assert (response.status_code, code_of(response)) == (503, "SERVICE_UNAVAILABLE")
    assert SECRET not in response.text


async def test_every_operation_has_a_context_of_its_own(served: Served) -> None:
    numbers = [
        (await served.post("{contextNumber}")).json()["data"]["contextNumber"] for _ in range(3)
    ]
    assert len(set(numbers)) == 3


async def test_what_is_remembered_of_a_request_answers_no_other(served: Served) -> None:
    """To Python 1, 1.0 and true are equal; to GraphQL they are not. And who asks again is answered
    anew.
    """
    query = "query($n: Int!) {atLeast(number: $n) contextNumber}"
    answers = [(await served.post(query, variables={"n": n})).json() for n in (1, True, 1, 2)]
    codes = [
        answer["errors"][0]["extensions"]["code"] if "errors" in answer else None
        for answer in answers
    ]
    assert codes == [None, "BAD_USER_INPUT", None, None]
    assert [answers[place]["data"]["atLeast"] for place in (0, 2, 3)] == [1, 1, 2]
    assert len({answers[place]["data"]["contextNumber"] for place in (0, 2, 3)}) == 3


async def test_variables_too_deep_to_be_written_again_are_read_all_the_same(served: Served) -> None:
    deep: object = 1
    for _ in range(300):
        deep = {"a": deep}
    response = await served.post(
        "query($n: Int!) {atLeast(number: $n)}", variables={"n": 5, "other": deep}
    )
    assert response.json() == {"data": {"atLeast": 5}}


# ---------------------------------------------------------------- errors of fields


async def test_what_a_field_raises_is_masked_and_logged_with_the_id_that_the_caller_gets(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"x-request-id": "request-0123456789"}
    query = (
        'query Named($secret: String!) {boom hello(name: $secret) other: hello(name: "literally")}'
    )
    body = {"query": query, "variables": {"secret": "ann@example.org"}}
    response = await served.client.post("/graphql", json=body, headers=headers)
    answer = response.json()
    assert answer["data"] == {
        "boom": None,
        "hello": "hello ann@example.org",
        "other": "hello literally",
    }
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["boom"], "INTERNAL_SERVER_ERROR")
    assert SECRET not in response.text
    (record,) = [
        record
        for record in caplog.records
        if record.levelno >= logging.INFO and record.name.startswith("app")
    ]
    text = record.getMessage()
    assert record.levelno == logging.ERROR
    assert error["extensions"]["id"] in text
    assert "request-0123456789" in text
    assert "ValueError" in text
    for private in (SECRET, "ann@example.org", "literally"):
        assert private not in text


async def test_an_error_below_what_may_not_be_null_is_masked_too(served: Served) -> None:
    response = await served.post("{boomLater}", accept=RESPONSE_JSON)
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert SECRET not in response.text


async def test_the_executors_own_complaints_about_us_are_masked(served: Served) -> None:
    (error,) = (await served.post("{noList}")).json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "Iterable" not in error["message"]


async def test_a_database_that_goes_while_a_field_runs_has_its_own_code(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    response = await served.post("{gone}")
    assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert SECRET not in response.text
    assert [record.levelno for record in caplog.records if record.name.startswith("app")] == [
        logging.WARNING
    ]


async def test_failures_that_are_meant_for_the_caller_arrive_whole_and_unlogged(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    refused, limited = (await served.post("{refuse limited}")).json()["errors"]
    assert (refused["message"], refused["extensions"]) == (
        "Not like this.",
        {"code": "BAD_USER_INPUT", "field": "name"},
    )
    assert limited["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 3}
    assert (refused["path"], limited["path"]) == (["refuse"], ["limited"])
    assert [record for record in caplog.records if record.name.startswith("app")] == []


async def test_a_variable_that_turns_out_null_is_the_callers_mistake(served: Served) -> None:
    response = await served.post("query($n: Int) {atLeast(number: $n)}", variables={"n": None})
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await served.post("query($n: Int) {atLeast(number: $n)}")).json() == {
        "data": {"atLeast": 3}
    }


async def test_every_wrong_variable_is_named_by_its_place(served: Served) -> None:
    variables = {
        "input": {
            "at": "2026-03-08T09:00:00",
            "zone": "x" * 65,
            "ranges": [{"start": "09:00", "end": "24:00"}, {"start": "9:00"}],
            "number": 2**40,
            "extra": 1,
        }
    }
    response = await served.post(
        "query($input: ProbeInput!) {probe(input: $input)}", variables=variables
    )
    errors = response.json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}
    assert {error["extensions"]["field"] for error in errors} == {
        "input",
        "input.at",
        "input.zone",
        "input.ranges.1.start",
        "input.ranges.1",
        "input.number",
    }


async def test_good_variables_arrive(served: Served) -> None:
    variables = {
        "input": {"at": "2026-03-08T09:00:00-05:00", "ranges": [{"start": "09:00", "end": "24:00"}]}
    }
    response = await served.post(
        "query($input: ProbeInput!) {probe(input: $input)}", variables=variables
    )
    at = datetime(2026, 3, 8, 14, tzinfo=UTC)
    assert response.json() == {"data": {"probe": f"{at.isoformat()} 1 5"}}


async def test_what_json_cannot_say_is_a_masked_500(served: Served) -> None:
    response = await served.post("{unspeakable}")
    assert (response.status_code, code_of(response)) == (500, "INTERNAL_SERVER_ERROR")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{" + "x" * 30_000 + "}", "QUERY_TOO_COMPLEX"),
        (
            'subscription { count(to: "' + "y" * 30_000 + '") { number } }',
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ],
    ids=["a name", "a value"],
)
async def test_an_error_message_is_never_long(document: str, code: str, served: Served) -> None:
    response = await served.post(document)
    assert code_of(response) == code
    assert len(response.content) < 1_000


# ---------------------------------------------------------------- introspection


async def test_introspection_as_graphiql_sends_it_passes(served: Served) -> None:
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    response = await served.post(query, operationName="IntrospectionQuery")
    assert "errors" not in response.json()


async def test_without_introspection_nothing_reveals_the_schema() -> None:
    async with serving(introspection=False) as served:
        for query in ("{__schema {types {name}}}", '{__type(name: "Query") {name}}'):
            assert code_of(await served.post(query)) == "GRAPHQL_VALIDATION_FAILED"
        for query, variables in (
            ("{helo}", {}),
            ('{hello(nam: "x")}', {}),
            ("query($i: ProbInput) {hello}", {}),
            (
                "query($i: ProbeInput!) {probe(input: $i)}",
                {"i": {"att": 1, "at": "2026-03-08T09:00:00Z"}},
            ),
            ('{probe(input: {at: "2026-03-08T09:00:00Z", numbr: 1})}', {}),
        ):
            response = await served.post(query, variables=variables)
            assert code_of(response) in {"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}
            assert "Did you mean" not in response.text
        assert (await served.post("{__typename}")).json() == {"data": {"__typename": "Query"}}


async def test_with_introspection_a_slip_is_helped(served: Served) -> None:
    assert "Did you mean 'hello'" in (await served.post("{helo}")).text


# ---------------------------------------------------------------- request ids


async def test_every_response_has_a_request_id_and_a_sane_one_is_kept(served: Served) -> None:
    given = {"x-request-id": "0123456789abcdef"}
    bad = {"x-request-id": "with spaces\tand <tags>"}
    for headers, same in ((given, True), (bad, False), ({}, False)):
        for method in ("POST", "GET"):
            response = await served.client.request(
                method, "/graphql", json={"query": "{hello}"}, headers=headers
            )
            found = response.headers["x-request-id"]
            assert len(found) >= 16
            assert (found == headers.get("x-request-id")) == same


async def test_every_log_line_of_an_operation_has_its_request_id(served: Served) -> None:
    for accept in (JSON, EVENT_STREAM):
        headers = {"accept": accept, "x-request-id": "0123456789abcdef"}
        response = await served.client.post(
            "/graphql", json={"query": "{requestId}"}, headers=headers
        )
        assert '"requestId":"0123456789abcdef"' in response.text


# ---------------------------------------------------------------- time


async def test_a_query_that_takes_too_long_is_given_up() -> None:
    async with serving(Limits(operation_seconds=0.1)) as served:
        response = await served.post("{sleep(seconds: 60)}")
        assert (response.status_code, code_of(response)) == (503, "SERVICE_UNAVAILABLE")


async def test_a_caller_who_takes_too_long_to_identify_is_asked_to_come_again() -> None:
    async with serving(Limits(operation_seconds=0.1)) as served:
        headers = {"authorization": "Bearer slow"}
        response = await served.client.post("/graphql", json={"query": "{hello}"}, headers=headers)
        assert (response.status_code, code_of(response)) == (503, "SERVICE_UNAVAILABLE")
        async with served.socket() as socket:
            await socket.send({"type": "connection_init", "payload": headers})
            assert (await socket.closed())[0] == 1013


async def test_a_mutation_that_takes_too_long_is_answered_and_finished() -> None:
    """It may have been committed: its subscribers must get the event."""
    async with serving(Limits(operation_seconds=0.1)) as served:
        served.world.bump_seconds = 0.3
        assert (await served.post("mutation {bump}")).status_code == 503
        await served.endpoint.close_all(PATIENCE_SECONDS)
        assert served.world.bumps == 1


# ---------------------------------------------------------------- load


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_while_too_many_queries_are_under_way_others_are_shed_and_mutations_are_not() -> None:
    clock = Clock()
    shedding = Shedding(seconds=clock)
    async with serving(shedding=shedding) as served, served.socket(init={}) as socket:
        assert (await served.post("{hello}")).status_code == 200
        with ExitStack() as others:
            for _ in range(CROWD):
                others.enter_context(shedding.query())
            assert (await served.post("{hello}")).status_code == 200
            clock.now += load_shedding.PATIENCE_SECONDS + 0.1
            shed = await served.post("{hello}")
            assert (shed.status_code, code_of(shed)) == (503, "SERVICE_UNAVAILABLE")
            assert shed.headers["retry-after"] == str(RETRY_AFTER_SECONDS)
            (error,) = await socket.run("a query", "{hello}")
            assert error["payload"][0]["extensions"] == {
                "code": "SERVICE_UNAVAILABLE",
                "retryAfterSeconds": RETRY_AFTER_SECONDS,
            }
            # What is wrong with a document is said, whatever the load.
            wrong = await served.post("{hello}", operationName="none")
            assert code_of(wrong) == "OPERATION_RESOLUTION_FAILURE"
            bumped = await served.post("mutation {bump}")
            assert bumped.json() == {"data": {"bump": 1}}
            streamed = await served.post(
                "subscription {count(to: 1) {number}}", accept=EVENT_STREAM
            )
            assert [event for event, _ in events_of(streamed.text)] == ["next", "complete"]
        assert (await served.post("{hello}")).status_code == 200


async def test_a_query_is_under_way_until_it_has_ended() -> None:
    shedding = Shedding()
    async with serving(shedding=shedding) as served:
        query = asyncio.create_task(served.post("{sleep(seconds: 0.3)}"))
        await until(lambda: shedding.under_way == 1)
        assert (await served.post("{boom}")).status_code == 200
        assert (await query).status_code == 200
        assert shedding.under_way == 0


async def test_a_field_that_is_refused_leaves_nothing_to_the_garbage_collector() -> None:
    """Frames of the executor, and with them the request, would stay until a collection."""
    async with serving() as served:
        assert "BAD_USER_INPUT" in (await served.post("{refuse}")).text
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await served.post("{refuse}")
            gc.collect()
            frames = [each for each in gc.garbage if type(each) is FrameType]  # not by a proxy
            kept = {frame.f_code.co_qualname for frame in frames}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not [name for name in kept if name.startswith(("Service.", "PlainExecutor."))]


# ---------------------------------------------------------------- event streams


async def test_a_subscription_is_streamed_with_line_feeds_and_completes(served: Served) -> None:
    response = await served.post(
        "subscription {count(to: 2) {number contextNumber}}", accept=EVENT_STREAM
    )
    assert response.status_code == 200
    assert response.headers["x-accel-buffering"] == "no"
    assert "\r" not in response.text
    events = events_of(response.text)
    assert [event for event, _ in events] == ["next", "next", "complete"]
    answers = [data["data"]["count"] for event, data in events if event == "next"]
    assert [answer["number"] for answer in answers] == [0, 1]
    assert answers[0]["contextNumber"] != answers[1]["contextNumber"]


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("{hello transport}", {"hello": "hello world", "transport": "sse"}),
        ("mutation {bump}", {"bump": 1}),
    ],
)
async def test_queries_and_mutations_are_streamed_as_one_event(
    served: Served, query: str, data: object
) -> None:
    assert events_of((await served.post(query, accept=EVENT_STREAM)).text) == [
        ("next", {"data": data}),
        ("complete", None),
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{nothing}", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) {count(to: $n) {number}}", "BAD_USER_INPUT"),
        ("subscription {count(to: -1) {number}}", "BAD_USER_INPUT"),
        ("query a {hello} query b {hello}", "OPERATION_RESOLUTION_FAILURE"),
    ],
)
async def test_an_operation_that_cannot_run_is_refused_in_the_stream(
    served: Served, query: str, code: str
) -> None:
    (first, payload), last = events_of((await served.post(query, accept=EVENT_STREAM)).text)
    assert (first, payload["errors"][0]["extensions"]["code"], last) == (
        "next",
        code,
        ("complete", None),
    )


async def test_a_source_that_breaks_ends_its_stream_with_a_masked_error(served: Served) -> None:
    response = await served.post("subscription {breaks {number}}", accept=EVENT_STREAM)
    events = events_of(response.text)
    assert [event for event, _ in events] == ["next", "next", "complete"]
    assert events[1][1]["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"authorization": "Bearer bad"}, b'{"query":"{hello}"}', 401),
        ({"authorization": "Bearer elsewhere"}, b'{"query":"{hello}"}', 403),
        ({}, b"null", 400),
        ({"content-type": "text/plain"}, b'{"query":"{hello}"}', 415),
    ],
)
async def test_a_stream_that_never_begins_is_refused_in_json(
    served: Served, headers: dict[str, str], content: bytes, status: int
) -> None:
    headers = {"content-type": JSON, **headers, "accept": EVENT_STREAM}
    response = await served.client.post("/graphql", content=content, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (
        status,
        f"{JSON}; charset=utf-8",
    )


async def test_a_silent_stream_is_kept_alive_and_ends_its_source_when_the_caller_goes() -> None:
    async with serving(Limits(keep_alive_seconds=0.05)) as served:
        body = {"query": "subscription {count(to: 5, every: 60) {number}}"}
        headers = {"accept": EVENT_STREAM}
        async with served.client.stream("POST", "/graphql", json=body, headers=headers) as response:
            chunks = response.aiter_text()
            assert [await anext(chunks) for _ in range(3)] == [":\n\n"] * 3
            assert served.world.sources_open == 1
        await until(lambda: not served.world.sources_open)


@pytest.mark.parametrize("token", ["Bearer brief", "Bearer over"])
async def test_a_stream_ends_when_its_token_does(served: Served, token: str) -> None:
    body = {"query": "subscription {count(to: 5, every: 60) {number}}"}
    headers = {"accept": EVENT_STREAM, "authorization": token}
    async with asyncio.timeout(5):
        response = await served.client.post("/graphql", json=body, headers=headers)
    (first, payload), last = events_of(response.text)
    assert (first, payload["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
    assert last == ("complete", None)


async def test_a_stream_ends_when_its_caller_is_good_no_longer() -> None:
    body = {"query": "subscription {count(to: 5, every: 60) {number}}"}
    headers = {"accept": EVENT_STREAM, "authorization": "Bearer ok-ann"}
    async with serving(Limits(recheck_seconds=0.02, keep_alive_seconds=0.01)) as served:
        received = ""
        async with served.client.stream("POST", "/graphql", json=body, headers=headers) as response:
            async for text in response.aiter_text():
                served.world.withdrawn.add("Bearer ok-ann")
                received += text
        (first, payload), last = events_of(received)
        assert (first, payload["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
        assert last == ("complete", None)
        await until(lambda: not served.world.sources_open)


async def test_at_the_end_of_the_server_a_stream_ends_without_complete(served: Served) -> None:
    """Its client then connects again, to the server that comes after."""
    body = {"query": "subscription {count(to: 500, every: 0.02) {number}}"}
    received = ""
    async with served.client.stream(
        "POST", "/graphql", json=body, headers={"accept": EVENT_STREAM}
    ) as response:
        async for text in response.aiter_text():
            if not received:
                await served.endpoint.close_all(PATIENCE_SECONDS)
            received += text
    assert {event for event, _ in events_of(received)} == {"next"}


async def test_a_stream_that_is_not_read_is_given_up_and_holds_little() -> None:
    async with serving(Limits(send_seconds=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        body = json.dumps({"query": "subscription {big(kilobytes: 256)}"}).encode()
        head = (
            f"POST /graphql HTTP/1.1\r\nhost: x\r\naccept: {EVENT_STREAM}\r\ncontent-type: "
            f"{JSON}\r\n"
        )
        writer.write(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert served.world.sources_open == 1
        await until(lambda: not served.world.sources_open)
        assert (await served.post("{hello}")).status_code == 200
        writer.transport.abort()
