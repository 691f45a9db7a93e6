"""Requests to others are bounded in time and size, and keep the name while the address is pinned."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.outgoing.client import FEED_LIMITS, Answer, Limits, Outgoing, Purpose, Reason, Unanswered
from tests.unit.outgoing.servers import Server, Talk, answer, certified, redirect, served, silent

AUTHORITIES = ssl.create_default_context()

HERE = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

SHORT = Limits(
    purpose=Purpose.FEED,
    connect_seconds=0.2,
    first_byte_seconds=0.2,
    whole_seconds=0.5,
    most_bytes=1_000,
)
PATIENT = replace(FEED_LIMITS, connect_seconds=60, first_byte_seconds=60, whole_seconds=120)


@asynccontextmanager
async def client() -> AsyncIterator[Outgoing]:
    made = Outgoing(HERE, tls=AUTHORITIES)
    try:
        yield made
    finally:
        await made.close()


async def fetched(talk: Talk, limits: Limits = PATIENT) -> Answer | Unanswered:
    async with served(talk) as server, client() as outgoing:
        return await outgoing.get(server.url, headers={}, limits=limits)


def body_of(got: Answer | Unanswered) -> bytes:
    assert isinstance(got, Answer), got
    return got.body


async def test_an_answer_is_returned_with_its_status_and_headers() -> None:
    got = await fetched(answer(b"hello", status="404 Not Found", headers=('ETag: "one"',)))
    assert isinstance(got, Answer)
    assert (got.status, got.body, got.is_cut) == (404, b"hello", False)
    assert got.headers["etag"] == '"one"'


async def test_a_post_sends_its_body_and_follows_no_redirect() -> None:
    async with served(redirect("/elsewhere")) as server, client() as outgoing:
        headers = {"Content-Type": "application/json", "webhook-id": "msg_1"}
        got = await outgoing.post(server.url, headers=headers, body=b"[1]", limits=PATIENT)
        assert isinstance(got, Answer)
        assert got.status == 302
        assert server.connections == 1
        assert server.bodies == [b"[1]"]
        assert "webhook-id: msg_1" in server.heads[0]
        assert f"Host: 127.0.0.1:{server.port}" in server.heads[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_get_follows_redirects(status: int) -> None:
    async with served(answer(b"here")) as server:
        got = await fetched(redirect(server.url, status=f"{status} Moved"))
        assert body_of(got) == b"here"


async def test_redirects_end() -> None:
    async with served(redirect("/again")) as server, client() as outgoing:
        got = await outgoing.get(server.url, headers={}, limits=PATIENT)
        assert isinstance(got, Unanswered)
        assert got.problem == "The server redirects too often."
        assert server.connections == 6


async def test_connections_are_kept() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await reader.readuntil(b"\r\n\r\n")

    async with served(talk) as server, client() as outgoing:
        for _ in range(3):
            got = await outgoing.get(server.url, headers={}, limits=PATIENT)
            assert body_of(got) == b"ok"
        assert server.connections == 1


# ---------------------------------------------------------------- deadlines


async def test_a_silent_server_is_late() -> None:
    got = await fetched(silent, SHORT)
    assert isinstance(got, Unanswered)
    assert got.reason is Reason.LATE


async def test_a_server_that_never_ends_its_head_is_late() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    got = await fetched(talk, replace(SHORT, whole_seconds=60))
    assert isinstance(got, Unanswered)
    assert got.reason is Reason.LATE


async def test_a_server_that_never_ends_its_body_is_late() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    got = await fetched(talk, SHORT)
    assert isinstance(got, Unanswered)
    assert got.reason is Reason.LATE


async def test_a_tls_handshake_that_never_comes_is_late() -> None:
    async with served(silent) as server, client() as outgoing:
        url = f"https://127.0.0.1:{server.port}/"
        got = await outgoing.get(url, headers={}, limits=SHORT)
        assert isinstance(got, Unanswered)
        assert got.reason is Reason.LATE


@asynccontextmanager
async def with_silent_names() -> AsyncIterator[Outgoing]:
    """A client for which names that begin with "silent" are never resolved, and others lead here."""
    is_over = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        if host.startswith("silent"):
            is_over.wait()
        return ("127.0.0.1",)

    outgoing = Outgoing(HERE, resolve=resolve, tls=AUTHORITIES)
    try:
        yield outgoing
    finally:
        is_over.set()
        await outgoing.close()


async def late(outgoing: Outgoing, names: Iterable[str]) -> None:
    """All of these names are asked for at once, in vain."""
    urls = [f"https://{name}.example/" for name in names]
    for got in await asyncio.gather(*(outgoing.get(url, headers={}, limits=SHORT) for url in urls)):
        assert isinstance(got, Unanswered)
        assert got.reason is Reason.LATE


async def test_a_name_server_that_is_silent_is_late() -> None:
    async with with_silent_names() as outgoing:
        await late(outgoing, ["silent"])


async def test_silent_name_servers_of_feeds_keep_no_webhook_waiting() -> None:
    async with with_silent_names() as outgoing, served(answer(b"here")) as server:
        await late(outgoing, [f"silent-{number}" for number in range(80)])
        url = f"http://hooks.example:{server.port}/"
        limits = replace(PATIENT, purpose=Purpose.WEBHOOK)
        got = await outgoing.post(url, headers={}, body=b"event", limits=limits)
        assert body_of(got) == b"here"


async def test_names_that_were_silent_before_keep_no_other_waiting() -> None:
    async with with_silent_names() as outgoing, served(answer(b"here")) as server:
        few = [f"silent-{number}" for number in range(3)]
        await late(outgoing, few)
        await late(outgoing, few * 30)
        url = f"http://feeds.example:{server.port}/"
        assert body_of(await outgoing.get(url, headers={}, limits=PATIENT)) == b"here"


async def test_the_next_address_of_a_name_is_tried() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        return ("::1", "127.0.0.3", "127.0.0.1")

    async with served(answer(b"here")) as server:
        outgoing = Outgoing(HERE, resolve=resolve, tls=AUTHORITIES)
        try:
            url = f"http://feeds.example:{server.port}/"
            assert body_of(await outgoing.get(url, headers={}, limits=PATIENT)) == b"here"
        finally:
            await outgoing.close()


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with client() as outgoing:
        got = await outgoing.get(f"http://127.0.0.1:{port}/", headers={}, limits=PATIENT)
        assert got == Unanswered(reason=Reason.UNREACHABLE, problem="The connection failed.")


# ---------------------------------------------------------------- sizes


async def test_a_long_body_is_cut() -> None:
    got = await fetched(answer(b"x" * 50_000), replace(PATIENT, most_bytes=1_000))
    assert isinstance(got, Answer)
    assert (got.body, got.is_cut) == (b"x" * 1_000, True)
    whole = await fetched(answer(b"x" * 1_000), replace(PATIENT, most_bytes=1_000))
    assert isinstance(whole, Answer)
    assert (len(whole.body), whole.is_cut) == (1_000, False)


async def test_an_endless_body_is_cut() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    got = await fetched(talk)
    assert isinstance(got, Answer)
    assert (len(got.body), got.is_cut) == (PATIENT.most_bytes, True)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
async def test_a_compressed_body_is_unpacked(encoding: str) -> None:
    packed = zlib.compress(b"hello") if encoding == "deflate" else gzip.compress(b"hello")
    got = await fetched(answer(packed, headers=(f"Content-Encoding: {encoding}",)))
    assert body_of(got) == b"hello"


async def test_a_bomb_costs_no_more_than_the_limit() -> None:
    packed = gzip.compress(b"\0" * 100_000_000, compresslevel=1)
    assert len(packed) < PATIENT.most_bytes
    bomb = answer(packed, headers=("Content-Encoding: gzip",))
    async with served(bomb) as server, client() as outgoing:
        tracemalloc.start()
        try:
            got = await outgoing.get(server.url, headers={}, limits=PATIENT)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(got, Answer)
    assert (len(got.body), got.is_cut) == (PATIENT.most_bytes, True)
    assert peak < 6 * PATIENT.most_bytes


@pytest.mark.parametrize(
    "broken",
    [
        answer(b"no gzip", headers=("Content-Encoding: gzip",)),
        answer(gzip.compress(b"hello")[:-4], headers=("Content-Encoding: gzip",)),
        answer(gzip.compress(b"hello") + b"more", headers=("Content-Encoding: gzip",)),
        answer(b"what", headers=("Content-Encoding: br",)),
        answer(b"short", length=False, headers=("Content-Length: 10",)),
        answer(b"", headers=("X-Long: " + "x" * 200_000,)),
        answer(b"", status="what 200"),
    ],
    ids=["not gzip", "cut", "followed", "other", "short", "long head", "not http"],
)
async def test_an_answer_that_is_broken_is_none(broken: Talk) -> None:
    got = await fetched(broken)
    assert isinstance(got, Unanswered)
    assert got.reason is Reason.BROKEN


# ---------------------------------------------------------------- TLS


@asynccontextmanager
async def protected(folder: Path, name: str) -> AsyncIterator[tuple[Server, Outgoing, list[str]]]:
    """A server for `name`, and a client for which every name leads to it."""
    theirs, ours = certified(folder, name)
    asked: list[str] = []
    theirs.sni_callback = lambda _socket, sent, _context: asked.append(str(sent))

    def resolve(host: str, port: int) -> Sequence[str]:
        return ("127.0.0.1",)

    async with served(answer(b"private"), tls=theirs) as server:
        outgoing = Outgoing(HERE, resolve=resolve, tls=ours)
        try:
            yield server, outgoing, asked
        finally:
            await outgoing.close()


async def test_the_name_is_kept_while_the_address_is_pinned(tmp_path: Path) -> None:
    async with protected(tmp_path, "feeds.example") as (server, outgoing, asked):
        url = f"https://feeds.example:{server.port}/a%20b?c=d"
        assert body_of(await outgoing.get(url, headers={}, limits=PATIENT)) == b"private"
        assert asked == ["feeds.example"]
        assert server.heads[0].startswith("GET /a%20b?c=d HTTP/1.1\r\n")
        assert f"Host: feeds.example:{server.port}\r\n" in server.heads[0]


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async with protected(tmp_path, "feeds.example") as (server, outgoing, _):
        url = f"https://other.example:{server.port}/"
        got = await outgoing.get(url, headers={}, limits=PATIENT)
        assert got == Unanswered(
            reason=Reason.UNREACHABLE, problem="The server's certificate is not valid."
        )
        assert server.heads == []


async def test_a_server_without_tls_is_not_asked() -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        writer.close()

    async with client() as outgoing:
        listening = await asyncio.start_server(greet, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        got = await outgoing.get(f"https://127.0.0.1:{port}/", headers={}, limits=PATIENT)
        listening.close()
        assert got == Unanswered(reason=Reason.UNREACHABLE, problem="The TLS handshake failed.")


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(answer(b"proxy")) as proxy, served(answer(b"server")) as server:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with client() as outgoing:
            got = await outgoing.get(server.url, headers={}, limits=PATIENT)
        assert body_of(got) == b"server"
        assert proxy.connections == 0
