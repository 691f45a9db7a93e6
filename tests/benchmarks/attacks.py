"""What a hostile caller does to a server: sixteen connections from one address, at full speed.

Each attack is an asynchronous function that goes on until its time is over; `carry_out` runs one in
a process of its own, so that it does not slow down the clients that are measured meanwhile. Every
attack ends by itself, and everything stays on the loopback interface.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count, cycle, repeat
from time import monotonic
from typing import Final

from tests.benchmarks.booking import BOOK, kind_of
from tests.benchmarks.clients import request

CONNECTIONS: Final = 16
ANSWER_SECONDS: Final = 10.0
"""For one answer; then the attacker gives its connection up."""
RETRY_SECONDS: Final = 0.005
"""After a connection that was cut or refused."""

DOCUMENTS: Final = 10_000
"""Distinct ones, in one round."""
HELD_CONNECTIONS: Final = 600
"""More than two processes give to one address."""
DRIP_SECONDS: Final = 1.0
FULL_RECEIVE_BUFFER: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an attack goes, from which address, and what it knows."""

    port: int
    address: str
    seconds: float
    seed: int
    """A new one for each round: requests that have to be distinct are distinct in all of them."""
    providers: tuple[str, ...]
    """Those whose working hours are in Europe; the others' week is the first one's."""
    monday: date
    token: str
    """An administrator's of another organization."""
    rate: float | None = None
    """Requests or connections a second; None: as many as possible."""


@dataclass(slots=True, kw_only=True)
class Got:
    """What an attacker got: how often it tried, and what came of it."""

    tries: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.tries / self.seconds


Attack = Callable[[Target, Got], Awaitable[None]]


def carry_out(name: str, target: Target) -> Got:
    """Runs the attack of this name until its time is over."""
    got = Got()

    async def until_the_end() -> None:
        started = monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(target.seconds):
                await ATTACKS[name](target, got)
        got.seconds = monotonic() - started
        if (unanswered := got.tries - got.answers.total()) > 0:
            got.answers["unanswered"] = unanswered

    asyncio.run(until_the_end())
    return got


# ---------------------------------------------------------------- requests at full speed


async def _ask(target: Target, got: Got, requests: Iterator[bytes]) -> None:
    """All connections ask, each as soon as it is answered, or at the target's rate; they share the
    requests.
    """
    started = monotonic()
    sent = count()

    async def asking() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", target.port, local_addr=(target.address, 0)
                )
                try:
                    while True:
                        if target.rate is not None:
                            due = started + next(sent) / target.rate
                            await asyncio.sleep(max(0.0, due - monotonic()))
                        following = next(requests, None)
                        if following is None:
                            return
                        got.tries += 1
                        writer.write(following)
                        answer = await _answer(reader)
                        got.answers[answer] += 1
                        if answer in _ENDS:
                            break
                finally:
                    writer.transport.abort()
            await asyncio.sleep(RETRY_SECONDS)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(asking())


_ENDS: Final = frozenset({"cut", "no answer"})


async def _answer(reader: asyncio.StreamReader) -> str:
    """Its status, and its code or type where it has one."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"content-length:")
            body = (
                await reader.readexactly(int(length.split(b"\r", 1)[0]))
                if length
                else await reader.read()
            )
    except TimeoutError:
        return "no answer"
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return "cut"
    kind = kind_of(body)
    return head[9:12].decode() + ("" if kind == "unknown" else f" {kind}")


async def harmless(target: Target, got: Got) -> None:
    """The calm that attacks are compared with."""
    await _ask(target, got, repeat(request("{ __typename }")))


# ---------------------------------------------------------------- attacks

_FIELDS: Final = (
    "id name timeZone serviceDurationMinutes bufferMinutes slotIntervalMinutes minNoticeMinutes "
    "maxAdvanceBookingDays email phone locale channels subject "
    "weeklyHours { weekday start end } breaks { weekday start end } "
    "services { id name durationMinutes } "
)
"""Some 36 of them, those in between included."""


async def repeated_fields(target: Target, got: Got) -> None:
    """Invalid documents whose fields are repeated: validation compares them in pairs. Some exceed
    the bound on pairs, others come close to it.
    """

    def documents() -> Iterator[bytes]:
        for number in count():
            fields = _FIELDS * (45 if number % 2 else 18)
            yield request(f'{{ provider(id: "{target.seed}-{number}") {{ {fields}}} nope }}')

    await _ask(target, got, documents())


async def big_answers(target: Target, got: Got) -> None:
    """Lists of lists up to the cost that is allowed, with the longest response names."""
    week = f'from: "{target.monday}", to: "{target.monday + timedelta(days=6)}"'
    long_names = " ".join(f"{f'a{number}':x<64}: name" for number in range(25))
    asked = (
        f"{{ providers(first: 100) {{ nodes {{ {long_names} }} }} }}",
        (
            f"{{ providers(first: 40) {{ nodes {{ availability({week}) {{ ... on Availability {{ "
            f"slots {{ {'s':x<64}: startsAt {'e':x<64}: endsAt localStart }} }} }} }} }} }}"
        ),
        (
            f"{{ providers(first: 100) {{ nodes {{ availability({week}) {{ ... on Availability {{ "
            "days { date slots { startsAt } } } } } } }"
        ),
    )
    await _ask(target, got, cycle(map(request, asked)))


async def many_documents(target: Target, got: Got) -> None:
    """Valid documents that nobody asked before, for every cache of documents."""
    documents = (
        request(
            f"query Q{target.seed}x{number} ($id: ID!) {{ provider(id: $id) {{ id name }} }}",
            id=target.providers[0],
        )
        for number in range(DOCUMENTS)
    )
    await _ask(target, got, documents)


_PREVIEW: Final = """query ($words: MessageWordsInput) { previewMessage(kind: BOOKED, words: $words) {
    subject problem { part line } } }"""
_SET: Final = """mutation ($input: SetMessageTemplateInput!) { answer: setMessageTemplate(input: $input) {
    __typename } }"""


async def templates(target: Target, got: Got) -> None:
    """Templates as large and as deep as they may be, no two alike."""

    def words(number: int) -> str:
        value = f"{'w' * 120} {{{{ contact|upper }}}} "
        nested = "{% if price %}" * 6 + value * 200 + "{% endif %}" * 6
        return f"{target.seed}-{number} {nested}{value * 40}"

    def asked() -> Iterator[bytes]:
        for number in count():
            parts = {"text": words(number), "html": words(number + 1_000_000)}
            kept = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "en", **parts}
            yield request(_SET, token=target.token, input=kept)
            yield request(_PREVIEW, token=target.token, words=parts)

    await _ask(target, got, asked())


_HOLD: Final = (
    """mutation ($input: HoldSlotInput!) { answer: holdSlot(input: $input) { __typename } }"""
)


async def bookings(target: Target, got: Got) -> None:
    """Bookings and holds, half of them with the provider whose week the others ask for."""
    chance = random.Random(target.seed)

    def asked() -> Iterator[bytes]:
        for number in count():
            start = datetime(
                target.monday.year, target.monday.month, target.monday.day, 9, tzinfo=UTC
            ) + timedelta(days=chance.randrange(28), minutes=20 * chance.randrange(6))
            key = f"{target.seed}-{number}"
            wanted = {
                "providerId": chance.choice((target.providers[0], chance.choice(target.providers))),
                "startsAt": start.isoformat(),
                "idempotencyKey": key,
            }
            customer = {"name": "A Guest", "email": f"guest-{key}@example.com"}
            yield request(_HOLD, input=wanted)
            yield request(
                BOOK, input={**wanted, "customer": customer, "customerTimeZone": "Europe/Berlin"}
            )

    await _ask(target, got, asked())


async def malformed(target: Target, got: Got) -> None:
    """Deep and large variables, large heads, and bytes that are no HTTP."""
    chance = random.Random(target.seed)
    ask = "query ($value: [ID!]) { providers(ids: $value) { nodes { id } } }"
    deep: object = "x"
    for _ in range(400):
        deep = [deep]
    very_deep = json.dumps({"query": ask}).encode()[:-1]
    very_deep += b', "variables": {"value": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
    head = b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    asked = (
        request(ask, value=deep),
        request(ask, value=["x" * 20] * 9_000),
        request(ask, value={f"k{number}": number for number in range(5_000)}),
        head + b"Content-Length: %d\r\n\r\n" % len(very_deep) + very_deep,
        request("{ __typename }").replace(b"\r\n", b"\r\nX-Padding: " + b"x" * 60_000 + b"\r\n", 1),
        head + b"X-Padding: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % each for each in range(5_000)),
        chance.randbytes(4_000),
        head + b"Content-Length: -1\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    )
    await _ask(target, got, cycle(asked))


_UPGRADE: Final = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_HEAD: Final = b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


async def slow_connections(target: Target, got: Got) -> None:
    """Connections that say nothing, never finish a head, send a body byte by byte, never read what
    they asked for, and idle WebSockets: as many as one address gets, and more.
    """
    week = f'from: "{target.monday}", to: "{target.monday + timedelta(days=6)}"'
    unread = request(
        f"{{ providers(first: 20) {{ nodes {{ availability({week}) {{ ... on Availability {{ "
        "slots { startsAt endsAt } } } } } }"
    )
    ways: tuple[tuple[str, bytes, bytes], ...] = (
        ("silent", b"", b""),
        ("head", b"GET /livez HTTP/1.1\r\nX: ", b"x"),
        ("body", _HEAD + b"Content-Length: 200000\r\n\r\n{", b" "),
        ("unread", unread * 20, b""),
        ("socket", _UPGRADE, b""),
    )
    following = cycle(ways)

    async def hold() -> None:
        while True:
            name, opening, drip = next(following)
            got.tries += 1
            try:
                await _held(target, opening, drip, reads=name != "unread")
                got.answers[f"{name} ended"] += 1
            except OSError:
                got.answers[f"{name} cut"] += 1
            except asyncio.CancelledError:
                got.answers[f"{name} held"] += 1
                raise
            await asyncio.sleep(RETRY_SECONDS)

    async with asyncio.TaskGroup() as group:
        for _ in range(HELD_CONNECTIONS):
            group.create_task(hold())
            await asyncio.sleep(0)


async def _held(target: Target, opening: bytes, drip: bytes, *, reads: bool) -> None:
    """One connection, until the server ends it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FULL_RECEIVE_BUFFER)
        peer.bind((target.address, 0))
        peer.setblocking(False)  # noqa: FBT003
        await loop.sock_connect(peer, ("127.0.0.1", target.port))
        if opening:
            await loop.sock_sendall(peer, opening)
        while True:
            if not reads:
                await asyncio.sleep(DRIP_SECONDS)
                # an abort shows as an error; what was sent stays unread
                if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise ConnectionResetError
                continue
            try:
                async with asyncio.timeout(DRIP_SECONDS if drip else None):
                    if not await loop.sock_recv(peer, 65_536):
                        return
            except TimeoutError:
                await loop.sock_sendall(peer, drip)


ATTACKS: Final[dict[str, Attack]] = {
    "harmless": harmless,
    "repeated fields": repeated_fields,
    "big answers": big_answers,
    "10,000 documents": many_documents,
    "slow connections": slow_connections,
    "templates": templates,
    "bookings and holds": bookings,
    "malformed": malformed,
}
