"""Connections: no client keeps the server waiting, and no address takes all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from app.standins.embedded import Servers
from tests.e2e.program import Running, running
from tests.e2e.served import a_database, environment_on, free_ports

PATIENCE_SECONDS = 30
PACE_SECONDS = 0.2
"""Between two bytes of a peer that drips."""

ATTACKER, OTHER = "127.0.0.2", "127.0.0.3"
SHORT = {
    "SLOTWRIGHT_HEADER_SECONDS": "1",
    "SLOTWRIGHT_BODY_SECONDS": "1",
    "SLOTWRIGHT_UNREAD_SECONDS": "1",
    "SLOTWRIGHT_KEEP_ALIVE_SECONDS": "1",
    "SLOTWRIGHT_INTROSPECTION": "on",
    "SLOTWRIGHT_BOOKING_PAGE": "on",
    "SLOTWRIGHT_DEFAULT_ORGANIZATION": "practice",
}
PATIENT = {"SLOTWRIGHT_HEADER_SECONDS": "600"}

IDS = "0190b5a0-0000-7000-8000-000000000000/0190b5a0-0000-7000-8000-000000000001"
JSON = b"content-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
LENGTH = b"content-length: 100\r\n"
LIVEZ = b"GET /livez HTTP/1.1\r\nhost: x\r\n"
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n"
)


def post(path: str, headers: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: x\r\n%b" % (path.encode(), headers)


class Served:
    """A server process, and its port."""

    def __init__(self, process: Running, port: int) -> None:
        self.process = process
        self.port = port

    @contextlib.asynccontextmanager
    async def peer(self, address: str = ATTACKER) -> AsyncIterator[Peer]:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        try:
            made.bind((address, 0))
        except OSError:
            made.close()
            pytest.skip("this machine has one loopback address")
        made.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        try:
            yield Peer(made)
        finally:
            made.close()

    async def status_of(self, request: bytes, address: str = OTHER) -> bytes:
        async with self.peer(address) as peer:
            await peer.send(request + b"connection: close\r\n\r\n")
            return (await peer.rest()).split(b" ")[1]


class Peer:
    """A client that says what it likes, when it likes."""

    def __init__(self, made: socket.socket) -> None:
        self._made = made
        self.port: int = made.getsockname()[1]

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.get_running_loop().sock_sendall(self._made, data)

    @property
    def has_an_answer(self) -> bool:
        """Whether something of it can be read now."""
        try:
            return bool(self._made.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    async def some(self) -> bytes:
        """The first bytes that can be read."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.get_running_loop().sock_recv(self._made, 65_536)

    async def beginning(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.get_running_loop().sock_recv(self._made, size)

    async def rest(self, drip: bytes = b"") -> bytes:
        """What comes until the server ends the connection; one byte is sent now and then."""
        loop, said = asyncio.get_running_loop(), b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    try:
                        async with asyncio.timeout(PACE_SECONDS if drip else None):
                            chunk = await loop.sock_recv(self._made, 65_536)
                    except TimeoutError:
                        await loop.sock_sendall(self._made, drip)
                        continue
                    if not chunk:
                        break
                    said += chunk
        return said


@contextlib.contextmanager
def serving(
    environment: dict[str, str], log: Path, *, files: int | None = None
) -> Iterator[Served]:
    """A server with so many descriptors."""
    (port,) = free_ports(1)
    program = (sys.executable, "-m", "app")
    command = (
        program if files is None else ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *program)
    )
    with running(
        "serve", "--port", str(port), env=environment, log=log, command=command
    ) as process:
        process.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        yield Served(process, port)
        assert "Traceback" not in process.said


@pytest.fixture(scope="module")
async def impatient(
    servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """A server that waits for a second."""
    name = f"slotwright_test_{os.getpid()}_connections"
    async with a_database(servers, template_database, name) as database:
        environment = environment_on(servers, database) | SHORT
        connection = await asyncpg.connect(environment["DATABASE_URL"])
        await connection.execute(
            "INSERT INTO organization (id, slug, name, created_at)"
            " VALUES (gen_random_uuid(), 'practice', 'Practice', now())"
        )
        await connection.close()
        with serving(environment, tmp_path_factory.mktemp("served") / "log") as served:
            yield served


WAITING = {
    "nothing": b"",
    "half a target": b"GET /gr",
    "half a head": LIVEZ + b"x: y",
    "an empty line after a request": LIVEZ + b"\r\n\r\n",
    "a request and half another": LIVEZ + b"\r\nGET /livez HTTP/1.1\r\nho",
    "no body to /livez": LIVEZ + LENGTH + b"\r\n",
    "no body to /graphql": post("/graphql", LENGTH + JSON) + b"\r\n",
    "no body after a refusal": post("/graphql", LENGTH) + b"\r\n",
    "half a callback": post(f"/callbacks/sms/{IDS}", LENGTH) + b"\r\n{",
    "half an unsubscription": post("/unsubscribe", LENGTH) + b"\r\nt",
    "half a body to a page": post("/manage", LENGTH) + b"\r\nt",
    "no body to no route": post("/nowhere", LENGTH) + b"\r\n",
    "half a chunk": post("/graphql", CHUNKED + JSON) + b"\r\n5\r\nab",
    "half a trailer": post("/livez", CHUNKED) + b"\r\n0\r\nx: y",
    "half a handshake": UPGRADE,
}


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["silent", "dripping"])
async def test_a_client_that_keeps_the_server_waiting_is_cut_off(
    impatient: Served, drip: bytes
) -> None:
    async def wait(said: bytes) -> str:
        async with impatient.peer() as peer:
            await peer.send(said)
            try:
                await peer.rest(drip)
            except TimeoutError:
                return "open"
            return "cut off"

    ended = await asyncio.gather(*map(wait, WAITING.values()))
    assert dict(zip(WAITING, ended, strict=True)) == dict.fromkeys(WAITING, "cut off")


async def test_a_handshake_that_the_library_does_not_take_leaves_no_connection(
    impatient: Served,
) -> None:
    async with impatient.peer() as peer:
        await peer.send(UPGRADE + b"x: " + b"y" * 9_000 + b"\r\n\r\n")
        assert await peer.rest() == b""


INTROSPECTION = json.dumps(
    {
        "query": "{ __schema { types { name description fields { name description args { name } } } } }"
    }
).encode()


def asked(accept: bytes) -> bytes:
    length = b"content-length: %d\r\n" % len(INTROSPECTION)
    return post("/graphql", JSON + length + b"accept: %b\r\n\r\n" % accept) + INTROSPECTION


def frame(text: bytes) -> bytes:
    """A text message of a client, masked with zeros."""
    size = bytes([0x80 | 127]) + len(text).to_bytes(8)
    return b"\x81" + size + bytes(4) + text


MOST_SENT_UNREAD_BYTES = 32 * 1024 * 1024
"""More than the buffers of both sockets can hold."""

PING = frame(json.dumps({"type": "ping", "payload": {"x": "y" * 100_000}}).encode())


@pytest.mark.parametrize(
    ("first", "again", "status"),
    [
        pytest.param(asked(b"application/json"), asked(b"application/json"), b"200", id="http"),
        pytest.param(
            asked(b"text/event-stream"), asked(b"text/event-stream"), b"200", id="event stream"
        ),
        pytest.param(UPGRADE + b"\r\n", PING, b"101", id="websocket"),
    ],
)
async def test_a_client_that_does_not_read_is_cut_off(
    impatient: Served, first: bytes, again: bytes, status: bytes
) -> None:
    """Its answers are long, so that they soon fill what the network takes for it. What it sends
    meanwhile is not kept either: the rest waits in the client's own system.
    """
    sent = 0
    async with impatient.peer() as peer:
        await peer.send(first)
        assert await peer.beginning(13) == b"HTTP/1.1 " + status + b" "
        with pytest.raises(ConnectionError):
            while True:
                await peer.send(again)
                sent += len(again)
    assert sent < MOST_SENT_UNREAD_BYTES


@pytest.mark.parametrize("path", [f"/callbacks/sms/{IDS}", "/graphql", "/unsubscribe/x"])
async def test_a_client_that_leaves_in_the_middle_of_a_body_causes_no_traceback(
    impatient: Served, path: str
) -> None:
    async with impatient.peer() as peer:
        await peer.send(post(path, LENGTH + JSON) + b"\r\n{")
    assert await impatient.status_of(LIVEZ) == b"200"
    assert "Traceback" not in impatient.process.said


async def test_an_idle_connection_is_closed(impatient: Served) -> None:
    async with impatient.peer() as peer:
        await peer.send(LIVEZ + b"\r\n")
        assert (await peer.rest()).startswith(b"HTTP/1.1 200 ")


async def test_a_slow_reader_gets_the_whole_answer(impatient: Served) -> None:
    async with impatient.peer() as peer:
        await peer.send(b"".join([LIVEZ + b"\r\n"] * 100 + [LIVEZ + b"connection: close\r\n\r\n"]))
        assert (await peer.rest()).count(b"HTTP/1.1 200 ") == 101


def operation(text: str, headers: bytes = b"") -> bytes:
    body = json.dumps({"query": text}).encode()
    length = b"content-length: %d\r\n\r\n" % len(body)
    return post("/graphql", JSON + b"accept: application/json\r\n" + headers + length) + body


def headers_of(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    assert len({line.partition(":")[0].lower() for line in lines}) == len(lines)
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def bodies_of(answers: bytes) -> list[bytes]:
    """Those of answers that follow each other, by their lengths."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(headers_of(head)["content-length"])
        found.append(rest[:length])
        answers = rest[length:]
    return found


VARYING = {"date", "x-request-id", "content-length"}
VIEWER = "{ viewer { role } }"
CLOSE = b"connection: close\r\n"


async def test_an_answer_sent_as_a_whole_has_the_headers_of_one_sent_in_messages(
    impatient: Served,
) -> None:
    said = []
    for asked_for in (
        operation(VIEWER, CLOSE),
        b"PUT /graphql HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n",
    ):
        async with impatient.peer() as peer:
            await peer.send(asked_for)
            said.append(headers_of(await peer.rest()))
    whole, in_messages = said
    assert in_messages.pop("allow")
    assert whole.keys() == in_messages.keys() >= VARYING | {"content-security-policy"}
    assert whole["connection"] == "close"
    for name in whole.keys() - VARYING:
        assert whole[name] == in_messages[name], name


async def test_answers_to_requests_sent_at_once_come_whole_and_in_their_order(
    impatient: Served,
) -> None:
    names = [f"n{number}" for number in range(20)]
    requests = [operation(f"{{ {name}: viewer {{ role }} }}") for name in names]
    requests.insert(10, LIVEZ + b"\r\n")
    async with impatient.peer() as peer:
        await peer.send(b"".join(requests) + operation(VIEWER, CLOSE))
        bodies = bodies_of(await peer.rest())
    del bodies[10]
    found = [next(iter(json.loads(body)["data"])) for body in bodies]
    assert found == [*names, "viewer"]


async def test_a_client_that_keeps_no_connection_gets_its_answer_and_the_end(
    impatient: Served,
) -> None:
    async with impatient.peer() as peer:
        await peer.send(operation(VIEWER).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = await peer.rest()
    assert headers_of(answer)["connection"] == "close"
    assert "data" in json.loads(*bodies_of(answer))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(LIVEZ + b"x: " + b"y" * 60_000 + b"\r\n\r\n", b"200", id="a large header"),
        pytest.param(LIVEZ + b"x: " + b"y" * 70_000 + b"\r\n\r\n", b"431", id="too large a header"),
        pytest.param(LIVEZ + b"x: " + b"y" * 700_000, b"431", id="a header without end"),
        pytest.param(LIVEZ + b"x: y\r\n" * 12_000 + b"\r\n", b"431", id="too many headers"),
        pytest.param(b"GET /livez?" + b"y" * 70_000, b"431", id="too long a target"),
        pytest.param(
            post("/livez", CHUNKED) + b"\r\n0\r\n" + b"x: y\r\n" * 12_000 + b"\r\n",
            b"431",
            id="too many trailers",
        ),
        pytest.param(
            post("/livez", CHUNKED) + b"\r\n5;" + b"y" * 300_000,
            b"431",
            id="a chunk's extension without end",
        ),
    ],
)
async def test_a_head_has_64_kib(impatient: Served, request_: bytes, status: bytes) -> None:
    async with impatient.peer() as peer:
        with contextlib.suppress(ConnectionError):
            await peer.send(request_)
        statuses = [
            line.split(b" ")[1]
            for line in (await peer.rest()).split(b"\r\n")
            if line.startswith(b"HTTP/1.1 ")
        ]
    # Where the server closes before everything was read, the answer may be lost with a reset.
    assert status in statuses or (status == b"431" and b"200" not in statuses)


async def test_one_address_cannot_take_all_connections(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with serving(environment | PATIENT, tmp_path / "log", files=300) as served:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(300):
                await stack.enter_async_context(served.peer(ATTACKER))
            for _ in range(20):
                assert await served.status_of(LIVEZ) == b"200"
            assert await served.status_of(LIVEZ.replace(b"livez", b"readyz")) == b"200"
        async with asyncio.timeout(PATIENCE_SECONDS):  # and its places are free when they are left
            while True:
                with contextlib.suppress(IndexError):
                    if await served.status_of(LIVEZ, ATTACKER) == b"200":
                        break


async def test_who_opens_many_connections_at_once_delays_nobody_else(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with serving(environment | PATIENT, tmp_path / "log") as served:
        process = psutil.Process(served.process.process.pid)
        async with contextlib.AsyncExitStack() as stack:
            process.suspend()  # so that all of them wait to be accepted
            stack.callback(process.resume)
            many = [await stack.enter_async_context(served.peer(ATTACKER)) for _ in range(100)]
            for peer in many:
                await peer.send(LIVEZ + b"\r\n")
            async with served.peer(OTHER) as other:
                await other.send(LIVEZ + b"connection: close\r\n\r\n")
                process.resume()
                assert (await other.rest()).startswith(b"HTTP/1.1 200 ")
            assert sum(peer.has_an_answer for peer in many) < 75
            for peer in many:  # all of them have their turn
                assert (await peer.some()).startswith(b"HTTP/1.1 200 ")


async def test_behind_a_proxy_all_connections_are_counted_together(
    environment: dict[str, str], tmp_path: Path
) -> None:
    env = environment | PATIENT | {"SLOTWRIGHT_TRUSTED_HOPS": "1", "SLOTWRIGHT_CONNECTIONS": "10"}
    env["SLOTWRIGHT_CONNECTIONS_PER_ADDRESS"] = "1"
    with serving(env, tmp_path / "log") as served:
        async with contextlib.AsyncExitStack() as stack:
            held = [await stack.enter_async_context(served.peer(ATTACKER)) for _ in range(10)]
            for peer in held:  # each has its place when it is answered
                await peer.send(LIVEZ + b"\r\n")
                assert await asyncio.get_running_loop().sock_recv(peer._made, 9) == b"HTTP/1.1 "
            async with served.peer(OTHER) as one_more:
                assert await one_more.rest() == b""


async def test_a_process_without_descriptors_sheds_connections_and_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with serving(environment | PATIENT, tmp_path / "log") as served:
        process = psutil.Process(served.process.process.pid)
        usual = process.rlimit(psutil.RLIMIT_NOFILE)
        async with contextlib.AsyncExitStack() as stack:
            process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), usual[1]))
            for _ in range(20):  # every descriptor that became free is taken
                await stack.enter_async_context(served.peer())
            before = sum(process.cpu_times()[:2])
            shed = 0
            while shed < 20:
                peer = await stack.enter_async_context(served.peer())
                try:
                    async with asyncio.timeout(2):
                        assert await peer.rest() == b""
                except TimeoutError:
                    continue  # it has a descriptor that became free meanwhile
                shed += 1
            assert sum(process.cpu_times()[:2]) - before < 1
        process.rlimit(psutil.RLIMIT_NOFILE, usual)
        assert await served.status_of(LIVEZ) == b"200"
