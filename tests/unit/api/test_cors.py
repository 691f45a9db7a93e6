"""CORS headers are the same, however a server takes the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.api.edge.cors import Cors

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

LISTED = "https://shop.example"
FIELDS = [(b"content-length", b"2"), (b"vary", b"accept")]


class Taken:
    """A server's `send`: what went over the wire."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def __call__(self, message: Message) -> None:
        self.headers += message.get("headers", [])
        self.body += message.get("body", b"")

    def by_name(self) -> dict[bytes, set[bytes]]:
        """Several headers of one name say the same as one with all of their values."""
        found: dict[bytes, set[bytes]] = {}
        for name, value in self.headers:
            found.setdefault(name, set()).update(value.split(b", "))
        return found


class TakenWhole(Taken):
    async def whole(self, lines: bytes, body: bytes) -> None:
        pairs = [line.split(b": ") for line in lines.removesuffix(b"\r\n").split(b"\r\n")]
        self.headers += [(name, value) for name, value in pairs]
        self.body += body


async def answer(_scope: Scope, _receive: Receive, send: Any) -> None:  # noqa: ANN401  either kind
    if hasattr(send, "whole"):
        await send.whole(b"".join(b"%b: %b\r\n" % each for each in FIELDS), b"{}")
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [*FIELDS]})
        await send({"type": "http.response.body", "body": b"{}"})


async def sent_by(app: Any, send: Send, origin: str | None) -> None:  # noqa: ANN401  Starlette's
    given = [] if origin is None else [(b"origin", origin.encode())]
    await app({"type": "http", "method": "POST", "headers": given}, None, send)


@pytest.mark.parametrize("origin", [None, LISTED, "https://evil.example"])
@pytest.mark.parametrize("listed", [LISTED, "*"])
async def test_an_answer_as_a_whole_has_the_headers_of_one_in_messages(
    origin: str | None, listed: str
) -> None:
    app = Cors(answer, allow_origins=[listed], expose_headers=["X-Request-Id"])
    pieces, whole = Taken(), TakenWhole()
    await sent_by(app, pieces, origin)
    await sent_by(app, whole, origin)
    assert whole.by_name() == pieces.by_name()
    assert b"Origin" in whole.by_name()[b"vary"] or listed == "*"
    allowed = whole.by_name().get(b"access-control-allow-origin")
    assert (allowed is not None) == (origin == LISTED or (origin is not None and listed == "*"))
    assert whole.body == pieces.body == b"{}"


async def test_an_answer_in_messages_has_them_on_a_server_that_takes_either() -> None:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    taken = TakenWhole()
    await sent_by(Cors(refuse, allow_origins=[LISTED]), taken, LISTED)
    assert taken.headers == [
        (b"access-control-allow-origin", LISTED.encode()),
        (b"vary", b"Origin"),
    ]
    assert taken.body == b"no"
