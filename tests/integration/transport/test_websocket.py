"""graphql-transport-ws: an operation fails alone; what breaks the protocol closes the socket with
its code for that.
"""

from __future__ import annotations

import asyncio
import logging

import pytest

from app.api.transport import Limits
from tests.integration.transport.demo import SECRET
from tests.integration.transport.wire import (
    EVENT_STREAM,
    JSON,
    PATIENCE_SECONDS,
    Served,
    serving,
    until,
)

FOREVER = "subscription {count(to: 100, every: 60) {number}}"


async def eventually(served: Served, sources: int) -> None:
    """Waits until so many sources are open."""
    await until(lambda: served.world.sources_open == sources)


# ---------------------------------------------------------------- what works


async def test_a_query_a_mutation_and_a_subscription_run_side_by_side(served: Served) -> None:
    async with served.socket(init={}) as socket:
        await socket.subscribe("s", FOREVER)
        assert await socket.run("q", "{hello transport}") == [
            {
                "id": "q",
                "type": "next",
                "payload": {"data": {"hello": "hello world", "transport": "websocket"}},
            },
            {"id": "q", "type": "complete"},
        ]
        assert (await socket.run("m", "mutation {bump}"))[0]["payload"] == {"data": {"bump": 1}}
        *events, last = await socket.run("c", "subscription {count(to: 3) {number}}")
        assert [event["payload"]["data"]["count"]["number"] for event in events] == [0, 1, 2]
        assert last == {"id": "c", "type": "complete"}
        assert served.world.sources_open == 1


async def test_every_operation_and_every_event_has_a_context_of_its_own(served: Served) -> None:
    """One context for a whole socket would serve hours-old answers."""
    async with served.socket(init={}) as socket:
        *events, _ = await socket.run("a", "subscription {count(to: 3) {contextNumber}}")
        numbers = [event["payload"]["data"]["count"]["contextNumber"] for event in events]
        answers = [(await socket.run(key, "{contextNumber}"))[0]["payload"]["data"] for key in "bc"]
        numbers += [answer["contextNumber"] for answer in answers]
        assert len(set(numbers)) == 5


async def test_the_caller_is_identified_again_for_every_operation(served: Served) -> None:
    """A customer's record is made at their first booking, while their socket is open."""
    async with served.socket(init={"authorization": "Bearer ok-ann"}) as socket:
        for key in "ab":
            await socket.run(key, "{viewer}")
        assert len(served.world.identified) == 3


async def test_every_operation_has_a_request_id_of_its_own(served: Served) -> None:
    async with served.socket(init={}) as socket:
        answers = [
            (await socket.run(key, "{requestId}"))[0]["payload"]["data"]["requestId"]
            for key in "abc"
        ]
        assert len({*answers}) == 3
        assert None not in answers


async def test_an_id_may_be_used_again_once_its_operation_is_over(served: Served) -> None:
    async with served.socket(init={}) as socket:
        for _ in range(20):
            assert [message["type"] for message in await socket.run("1", "{hello}")] == [
                "next",
                "complete",
            ]
            assert [message["type"] for message in await socket.run("1", "{nothing}")] == ["error"]


@pytest.mark.parametrize("payload", [None, {}, {"a": [1]}])
async def test_a_ping_is_answered_before_and_after_the_acknowledgement(
    served: Served, payload: object
) -> None:
    ping = {"type": "ping"} if payload is None else {"type": "ping", "payload": payload}
    pong = {**ping, "type": "pong"}
    async with served.socket() as socket:
        await socket.send(ping)
        assert await socket.receive() == pong
        await socket.send({"type": "connection_init"})
        assert await socket.receive() == {"type": "connection_ack"}
        await socket.send({"type": "pong"})
        await socket.send(ping)
        assert await socket.receive() == pong


# ---------------------------------------------------------------- the caller


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        ({"authorization": "Bearer ok-ann", "organization": "demo"}, {}),
        ({"Authorization": "Bearer ok-ann", "Slotwright-Organization": "demo"}, {}),
        ({}, {"authorization": "Bearer ok-ann", "slotwright-organization": "demo"}),
        (
            {"authorization": "Bearer ok-ann"},
            {"authorization": "Bearer bad", "slotwright-organization": "demo"},
        ),
        (
            {"authorization": "Bearer ok-ann", "organization": None},
            {"slotwright-organization": "demo"},
        ),
    ],
)
async def test_credentials_come_with_connection_init_or_by_header(
    served: Served, payload: dict[str, object], headers: dict[str, str]
) -> None:
    async with served.socket(init=payload, headers=headers) as socket:
        assert (await socket.run("1", "{viewer}"))[0]["payload"] == {"data": {"viewer": "ok-ann"}}
    said = served.world.identified[0]
    assert (said.authorization, said.organization, said.address) == (
        "Bearer ok-ann",
        "demo",
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("Bearer bad", "The token is not valid."),
        ("Bearer elsewhere", "The token is another organization's."),
        ("Bearer long", "é" * 61),
    ],
)
async def test_one_who_is_refused_is_closed_with_4403_and_a_reason_that_fits(
    served: Served, token: str, reason: str
) -> None:
    async with served.socket() as socket:
        await socket.send({"type": "connection_init", "payload": {"authorization": token}})
        assert await socket.closed() == (4403, reason)


async def test_when_the_database_is_gone_a_socket_is_asked_to_come_again(served: Served) -> None:
    served.world.database_gone = True
    async with served.socket() as socket:
        await socket.send({"type": "connection_init"})
        code, reason = await socket.closed()
        assert code == 1013
        assert SECRET not in reason


async def test_when_the_database_goes_later_only_the_operation_fails(served: Served) -> None:
    async with served.socket(init={}) as socket:
        served.world.database_gone = True
        (error,) = await socket.run("1", "{hello}")
        assert (error["type"], error["payload"][0]["extensions"]["code"]) == (
            "error",
            "SERVICE_UNAVAILABLE",
        )
        served.world.database_gone = False
        assert (await socket.run("2", "{hello}"))[0]["type"] == "next"


async def test_a_crash_while_identifying_says_nothing(served: Served) -> None:
    async with served.socket() as socket:
        await socket.send({"type": "connection_init", "payload": {"authorization": "Bearer crash"}})
        code, reason = await socket.closed()
        assert code == 4500
        assert SECRET not in reason


@pytest.mark.parametrize("token", ["Bearer brief", "Bearer over"])
async def test_a_socket_ends_with_its_token(served: Served, token: str) -> None:
    async with served.socket() as socket:
        await socket.send({"type": "connection_init", "payload": {"authorization": token}})
        await socket.receive()
        await socket.subscribe("1", FOREVER)
        assert await socket.closed() == (4403, "The token has expired.")
    await eventually(served, sources=0)


async def test_a_socket_ends_when_its_caller_is_good_no_longer() -> None:
    """Revoked in the middle, without a message; what could not be asked meanwhile ended
    nothing.
    """
    async with (
        serving(Limits(recheck_seconds=0.02)) as served,
        served.socket(init={"authorization": "Bearer ok-ann"}) as socket,
        served.socket(init={}) as nobody,
    ):
        for each in (socket, nobody):
            await each.subscribe("1", FOREVER)
        await eventually(served, sources=2)
        served.world.database_gone = True
        asked = len(served.world.identified)
        await until(lambda: len(served.world.identified) > asked + 2)
        served.world.database_gone = False
        assert (await socket.run("2", "{viewer}"))[0]["payload"] == {"data": {"viewer": "ok-ann"}}
        served.world.withdrawn.add("Bearer ok-ann")
        assert await socket.closed() == (4403, "The token is not valid.")
        await eventually(served, sources=1)
        assert (await nobody.run("2", "{viewer}"))[0]["payload"] == {"data": {"viewer": "nobody"}}


# ---------------------------------------------------------------- what fails alone


@pytest.mark.parametrize(
    ("query", "rest", "code"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("", {}, "GRAPHQL_PARSE_FAILED"),
        ("{nothing}", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query a {hello}", {"operationName": "b"}, "OPERATION_RESOLUTION_FAILURE"),
        ("query a {hello} query b {hello}", {}, "OPERATION_RESOLUTION_FAILURE"),
        ("query($n: Int!) {atLeast(number: $n)}", {"variables": {"n": "x"}}, "BAD_USER_INPUT"),
        ("{" + "hello " * 51 + "}", {}, "QUERY_TOO_COMPLEX"),
        ("subscription {count(to: -1) {number}}", {}, "BAD_USER_INPUT"),
    ],
)
async def test_a_bad_operation_fails_alone(
    served: Served, query: str, rest: dict[str, object], code: str
) -> None:
    async with served.socket(init={}) as socket:
        await socket.subscribe("other", FOREVER)
        (error,) = await socket.run("1", query, **rest)
        assert (error["type"], error["payload"][0]["extensions"]["code"]) == ("error", code)
        assert (await socket.run("2", "{hello}"))[0]["payload"] == {
            "data": {"hello": "hello world"}
        }
        await eventually(served, sources=1)


async def test_a_field_that_fails_is_masked_in_its_event_and_the_stream_goes_on(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.socket(init={}) as socket:
        *events, last = await socket.run("1", "subscription {count(to: 2) {number boom}}")
        for number, event in enumerate(events):
            assert event["payload"]["data"]["count"] == {"number": number, "boom": None}
            (error,) = event["payload"]["errors"]
            assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            assert SECRET not in str(event)
        assert last["type"] == "complete"
    assert [record.levelno for record in caplog.records if record.name.startswith("app")] == [
        logging.ERROR
    ] * 2


async def test_a_source_that_breaks_ends_its_operation_only(served: Served) -> None:
    async with served.socket(init={}) as socket:
        event, error = await socket.run("1", "subscription {breaks {number}}")
        assert (event["type"], error["type"]) == ("next", "error")
        assert error["payload"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert SECRET not in str(error)
        assert (await socket.run("2", "{hello}"))[0]["type"] == "next"


async def test_too_many_operations_at_once_are_refused_one_by_one() -> None:
    async with serving(Limits(operations_per_socket=3)) as served, served.socket(init={}) as socket:
        for key in "abc":
            await socket.subscribe(key, FOREVER)
        (error,) = await socket.run("d", "{hello}")
        assert (error["type"], error["payload"][0]["extensions"]["code"]) == (
            "error",
            "RATE_LIMITED",
        )
        await eventually(served, sources=3)
        await socket.send({"type": "complete", "id": "a"})
        await eventually(served, sources=2)
        assert (await socket.run("d", "{hello}"))[0]["type"] == "next"


async def test_one_caller_may_have_so_many_subscriptions_over_all_sockets_and_streams() -> None:
    body = {"query": "subscription {count(to: 1) {number}}"}
    stream = {"accept": EVENT_STREAM, "authorization": "Bearer ok-ann"}
    async with (
        serving(Limits(subscriptions_per_caller=3)) as served,
        served.socket(init={"authorization": "Bearer ok-ann"}) as one,
        served.socket(init={"authorization": "Bearer ok-ann"}) as two,
        served.socket(init={"authorization": "Bearer ok-ben"}) as other,
        served.socket(init={}) as nobody,
    ):
        for socket, key in ((one, "a"), (one, "b"), (two, "a")):
            await socket.subscribe(key, FOREVER)
        await eventually(served, sources=3)
        (error,) = await two.run("b", FOREVER)
        assert (error["type"], error["payload"][0]["extensions"]["code"]) == (
            "error",
            "RATE_LIMITED",
        )
        # before its stream begins
        refused = await served.client.post("/graphql", json=body, headers=stream)
        assert (refused.status_code, refused.headers["content-type"]) == (
            429,
            f"{JSON}; charset=utf-8",
        )
        assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert (await two.run("q", "{hello}"))[0]["type"] == "next"  # queries go on
        for socket in (other, nobody):  # and so do others
            assert (await socket.run("1", body["query"]))[0]["type"] == "next"
        await one.send({"type": "complete", "id": "a"})
        await eventually(served, sources=2)
        assert (await two.run("b", body["query"]))[0]["type"] == "next"


async def test_anonymous_callers_are_counted_by_their_address() -> None:
    async with serving(Limits(subscriptions_per_caller=1)) as served, served.socket(init={}) as one:
        await one.subscribe("1", FOREVER)
        await eventually(served, sources=1)
        async with served.socket(init={}) as two:
            (error,) = await two.run("1", FOREVER)
            assert error["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_one_address_may_have_so_many_sockets_open() -> None:
    async with serving(Limits(sockets_per_address=2)) as served, served.socket(init={}) as one:
        async with served.socket():  # also where nobody has said who they are
            async with served.socket() as third:
                assert await third.closed() == (1013, "Too many sockets are open from this address")
            assert (await one.run("1", "{hello}"))[0]["type"] == "next"
        for _ in range(5):
            async with served.socket(protocol="soap") as wrong:
                assert (await wrong.closed())[0] == 4406
        async with served.socket(init={}) as third:
            assert (await third.run("1", "{hello}"))[0]["type"] == "next"


# ---------------------------------------------------------------- what ends


async def test_a_client_that_completes_ends_the_source_and_gets_no_more_of_it(
    served: Served,
) -> None:
    async with served.socket(init={}) as socket:
        await socket.subscribe("1", "subscription {count(to: 1000000) {number}}")
        await socket.receive()
        await socket.send({"type": "complete", "id": "1"})
        await socket.send({"type": "complete", "id": "never heard of"})
        await eventually(served, sources=0)
        await socket.send({"type": "ping"})
        while (message := await socket.receive())["type"] != "pong":
            assert message["type"] == "next"
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


async def test_a_client_that_leaves_or_vanishes_leaves_no_source_behind(served: Served) -> None:
    async with served.socket(init={}) as socket:
        for key in "abc":
            await socket.subscribe(key, FOREVER)
        await eventually(served, sources=3)
    await eventually(served, sources=0)
    async with served.socket(init={}) as socket:
        await socket.subscribe("a", FOREVER)
        await eventually(served, sources=1)
        socket.connection.transport.abort()
        await eventually(served, sources=0)


async def test_a_mutation_goes_on_when_its_caller_has_gone(served: Served) -> None:
    """It may have been committed: its subscribers must get the event."""
    served.world.bump_seconds = 0.1
    async with served.socket(init={}) as socket:
        await socket.subscribe("1", "mutation {bump}")
        await socket.subscribe("2", "mutation {bump}")
        await until(lambda: served.world.bumping == 2)
        await socket.send({"type": "complete", "id": "1"})
        await socket.send({"type": "ping"})
        await socket.receive()
    await served.endpoint.close_all(PATIENCE_SECONDS)
    assert served.world.bumps == 2


async def test_at_the_end_of_the_server_sockets_are_closed_with_1012(served: Served) -> None:
    async with served.socket(init={}) as socket, served.socket() as other:
        await socket.subscribe("1", FOREVER)
        await eventually(served, sources=1)
        await served.endpoint.close_all(PATIENCE_SECONDS)
        assert await socket.closed() == (1012, "The server is restarting")
        assert await other.closed() == (1012, "The server is restarting")
    await eventually(served, sources=0)


async def test_a_socket_that_never_reads_is_dropped_and_holds_little() -> None:
    async with serving(Limits(send_seconds=0.2)) as served, served.socket(init={}) as socket:
        socket.connection.transport.pause_reading()
        for key in range(5):
            await socket.subscribe(str(key), "subscription {big(kilobytes: 256)}")
        await eventually(served, sources=5)
        assert (await served.post("{hello}")).status_code == 200
        await eventually(served, sources=0)
        socket.connection.transport.abort()


# ---------------------------------------------------------------- what breaks the protocol


@pytest.mark.parametrize("protocol", [None, "graphql-ws", "soap"])
async def test_another_protocol_is_closed_with_4406(served: Served, protocol: str | None) -> None:
    async with served.socket(protocol=protocol) as socket:
        assert (await socket.closed())[0] == 4406


async def test_silence_is_closed_with_4408() -> None:
    async with serving(Limits(init_seconds=0.1)) as served:
        async with served.socket() as socket:
            assert await socket.closed() == (4408, "Connection initialisation timeout")
        async with served.socket(init={}) as socket:
            await asyncio.sleep(0.2)
            assert (await socket.run("1", "{hello}"))[0]["type"] == "next"


async def test_a_second_connection_init_is_closed_with_4429(served: Served) -> None:
    async with served.socket(init={}) as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_an_operation_before_the_acknowledgement_is_closed_with_4401(served: Served) -> None:
    async with served.socket() as socket:
        await socket.subscribe("1", "{hello}")
        assert await socket.closed() == (4401, "Unauthorized")


async def test_an_id_that_is_in_use_is_closed_with_4409(served: Served) -> None:
    async with served.socket(init={}) as socket:
        key = "é" * 200
        await socket.subscribe(key, FOREVER)
        await socket.subscribe(key, FOREVER)
        code, reason = await socket.closed()
        assert code == 4409
        assert len(reason.encode()) <= 123
    await eventually(served, sources=0)


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x01",
        b'{"type":"ping"}',
        "",
        "hello",
        "null",
        "1",
        '"ping"',
        "[]",
        '[{"type":"ping"}]',
        "{}",
        '{"type":null}',
        '{"type":5}',
        '{"type":["ping"]}',
        '{"type":"start","id":"1","payload":{"query":"{hello}"}}',  # the older protocol's
        '{"type":"connection_ack"}',
        '{"type":"ping","payload":5}',
        '{"type":"pong","payload":[]}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","id":"1"}',
        '{"type":"subscribe","id":"","payload":{"query":"{hello}"}}',
        '{"type":"subscribe","id":1,"payload":{"query":"{hello}"}}',
        '{"type":"subscribe","id":{},"payload":{"query":"{hello}"}}',
        '{"type":"subscribe","id":"1","payload":"{hello}"}',
        '{"type":"subscribe","id":"1","payload":{}}',
        '{"type":"subscribe","id":"1","payload":{"query":5}}',
        '{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":[]}}',
        '{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":"x"}}',
        '{"type":"subscribe","id":"1","payload":{"query":"{hello}","operationName":5}}',
        '{"type":"subscribe","id":"1","payload":{"query":"{hello}","extensions":5}}',
        '{"type":"complete"}',
        '{"type":"complete","id":5}',
        "[" * 10_000,
        '{"type":"ping","payload":{"a":' + "9" * 5_000 + "}}",
        '{"type":"ping","payload":{"a":"\\ud800"}}',
        '{"type":"subscribe","id":"' + "x" * 256 + '","payload":{"query":"{hello}"}}',
    ],
)
async def test_a_malformed_message_is_closed_with_4400(
    served: Served, message: str | bytes
) -> None:
    async with served.socket(init={}) as socket:
        await socket.connection.send(message)
        code, reason = await socket.closed()
        assert code == 4400
        assert 0 < len(reason.encode()) <= 123


@pytest.mark.parametrize(
    "payload", ["Bearer ok-ann", [], 5, {"authorization": 5}, {"organization": ["demo"]}]
)
async def test_a_malformed_connection_init_is_closed_with_4400(
    served: Served, payload: object
) -> None:
    async with served.socket() as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert (await socket.closed())[0] == 4400


async def test_a_message_beyond_the_limit_is_closed_with_1009(served: Served) -> None:
    async with served.socket(init={}) as socket:
        await socket.send({"type": "ping", "payload": {"a": "x" * 300 * 1024}})
        assert (await socket.closed())[0] == 1009
