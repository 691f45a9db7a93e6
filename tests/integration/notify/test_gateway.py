"""Text messages through a gateway that speaks Twilio's API over real HTTP: sent once, found again
after a crash.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.notify.outcome import NeverReceived, PermanentFailure, Sent, TemporaryFailure, Unknown
from app.notify.sms import TextMessage, TwilioSender, TwilioSettings, read_form
from tests.unit.notify.facts import utc

ACCOUNT, TOKEN = "AC0123456789", "s3cret"
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
TEXT = TextMessage(
    to="+491701234567",
    body="Salon Müller: Confirmed - “Haircut”",
    status_callback="https://b.example/sms/1",
)
NOW = utc(2026, 3, 28, 7)


@dataclass(slots=True, kw_only=True)
class Gateway:
    """Keeps what is posted, as the real one does; `answer` replaces its answer, `stall` withholds
    it.
    """

    port: int = 0
    now: datetime = NOW
    forms: list[dict[str, str]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    listed: int = 0
    answer: Response | None = None
    list_answer: Response | None = None
    stall: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    authorizations: set[str] = field(default_factory=set)

    def keep(self, to: str, body: str, **changes: object) -> dict[str, Any]:
        resource = {
            "sid": f"SM{len(self.resources):032x}",
            "to": to,
            "body": body,
            "status": "queued",
            "error_code": None,
            "date_created": format_datetime(self.now),
            **changes,
        }
        self.resources.append(resource)
        return resource

    async def post(self, request: Request) -> Response:
        self.authorizations.add(request.headers["Authorization"])
        self.forms.append(dict(read_form(await request.body())))
        if self.answer is not None:
            return self.answer
        kept = self.keep(self.forms[-1]["To"], self.forms[-1]["Body"])
        if self.stall:
            await self.released.wait()
        return JSONResponse(kept, 201)

    async def list(self, request: Request) -> Response:
        self.listed += 1
        self.authorizations.add(request.headers["Authorization"])
        if self.list_answer is not None:
            return self.list_answer
        size, page = (
            int(request.query_params["PageSize"]),
            int(request.query_params.get("Page", "0")),
        )
        to = request.query_params["To"]
        found = [resource for resource in reversed(self.resources) if resource["to"] == to]
        more = len(found) > (page + 1) * size
        following = (
            str(request.url.include_query_params(Page=page + 1)).removeprefix(str(request.base_url))
            if more
            else None
        )
        return JSONResponse(
            {
                "messages": found[page * size : (page + 1) * size],
                "next_page_uri": f"/{following}" if following else None,
            }
        )


@contextlib.asynccontextmanager
async def a_gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    app = Starlette(
        routes=[
            Route(PATH, gateway.post, methods=["POST"]),
            Route(PATH, gateway.list, methods=["GET"]),
        ],
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", ws="none", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to await
        await asyncio.sleep(0.005)
    gateway.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        gateway.released.set()
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def a_sender(port: int, **changes: Any) -> AsyncIterator[TwilioSender]:  # noqa: ANN401 - any setting
    values: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "from_number": "+15005550006",
        "base_url": f"http://127.0.0.1:{port}",
        "timeout_seconds": 2.0,
    }
    sender = TwilioSender(TwilioSettings(**{**values, **changes}))
    try:
        yield sender
    finally:
        await sender.aclose()


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


# ---------------------------------------------------------------- sending


async def test_a_message_is_handed_over() -> None:
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        assert await sender.send(TEXT) == Sent(provider_message_id=f"SM{0:032x}")
    assert gateway.forms == [
        {
            "To": TEXT.to,
            "Body": TEXT.body,
            "From": "+15005550006",
            "StatusCallback": "https://b.example/sms/1",
        }
    ]
    assert gateway.authorizations == {_basic(ACCOUNT, TOKEN)}


async def test_a_service_and_a_key_may_replace_number_and_token() -> None:
    settings = {
        "from_number": None,
        "messaging_service_sid": "MG1",
        "api_key_sid": "SK1",
        "api_key_secret": "k3y",
    }
    async with a_gateway() as gateway, a_sender(gateway.port, **settings) as sender:
        assert isinstance(await sender.send(TextMessage(to="+1", body="x")), Sent)
    assert gateway.forms == [{"To": "+1", "Body": "x", "MessagingServiceSid": "MG1"}]
    assert gateway.authorizations == {_basic("SK1", "k3y")}


def _error(
    code: int | None, message: str = f"The 'To' number {TEXT.to} is not valid"
) -> dict[str, Any]:
    return {"code": code, "message": message, "status": 400}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (JSONResponse(_error(21211), 400), PermanentFailure(detail="http 400, error 21211")),
        (JSONResponse(_error(21610), 400), PermanentFailure(detail="http 400, error 21610")),
        (JSONResponse(_error(21606), 400), TemporaryFailure(detail="http 400, error 21606")),
        (JSONResponse(_error(20003), 401), TemporaryFailure(detail="http 401, error 20003")),
        (JSONResponse(_error(20404), 404), TemporaryFailure(detail="http 404, error 20404")),
        (
            JSONResponse(_error(20429), 429, headers={"Retry-After": "7"}),
            TemporaryFailure(detail="http 429, error 20429", retry_after_seconds=7),
        ),
        (Response("moved", 302, headers={"Location": "http://evil.example/"}), TemporaryFailure(detail="http 302")),
        (Response("<html>oops", 500), Unknown(detail="http 500")),
        (JSONResponse({}, 503), Unknown(detail="http 503")),
        (Response("not json", 201), Unknown(detail="the gateway's answer could not be read")),
        (JSONResponse([], 201), Unknown(detail="the gateway's answer could not be read")),
        (
            JSONResponse({"sid": "SM1", "status": "failed", "error_code": 30006}, 201),
            PermanentFailure(detail="gateway: failed, error 30006"),
        ),
    ],
)  # fmt: skip
async def test_an_answer_is_an_outcome(answer: Response, outcome: object) -> None:
    """Without the number in it, though the gateway quotes it."""
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        gateway.answer = answer
        assert await sender.send(TEXT) == outcome
    assert len(gateway.forms) == 1


async def test_nobody_listening_is_temporary(closed_port: int) -> None:
    async with a_sender(closed_port) as sender:
        assert await sender.send(TEXT) == TemporaryFailure(
            detail="no connection to the gateway (ConnectError)"
        )
        assert isinstance(await sender.look_up(TEXT, since=NOW), Unknown)


# ---------------------------------------------------------------- looking up


async def test_a_lost_answer_is_unknown_and_can_be_looked_up() -> None:
    """The gateway took the message and the answer never came: it is found, and not sent again."""
    async with a_gateway() as gateway:
        gateway.stall = True
        async with a_sender(gateway.port, timeout_seconds=0.3) as sender:
            assert await sender.send(TEXT) == Unknown(
                detail="the gateway's answer was lost (ReadTimeout)"
            )
            assert await sender.look_up(TEXT, since=NOW) == Sent(provider_message_id=f"SM{0:032x}")
        assert len(gateway.resources) == 1


async def test_a_message_that_never_came_may_be_sent() -> None:
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        assert await sender.look_up(TEXT, since=NOW) == NeverReceived()
        gateway.keep(TEXT.to, "other words")
        gateway.keep("+491700000000", TEXT.body)
        assert await sender.look_up(TEXT, since=NOW) == NeverReceived()


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("queued", Sent(provider_message_id=f"SM{0:032x}")),
        ("delivered", Sent(provider_message_id=f"SM{0:032x}")),
        ("undelivered", PermanentFailure(detail="gateway: undelivered, error 30003")),
    ],
)
async def test_a_found_message_has_its_fate(status: str, fate: object) -> None:
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        gateway.keep(
            TEXT.to, TEXT.body, status=status, error_code=30003 if status == "undelivered" else None
        )
        assert await sender.look_up(TEXT, since=NOW) == fate


async def test_the_same_words_of_another_time_are_another_message() -> None:
    """Sent before on purpose, or accounted for already: neither is this one."""
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        gateway.now = NOW - timedelta(hours=1)
        gateway.keep(TEXT.to, TEXT.body)
        assert await sender.look_up(TEXT, since=NOW) == NeverReceived()
        gateway.now = NOW
        known = gateway.keep(TEXT.to, TEXT.body)["sid"]
        assert await sender.look_up(TEXT, since=NOW, known={known}) == NeverReceived()
        assert await sender.look_up(TEXT, since=NOW + timedelta(seconds=90)) == Sent(
            provider_message_id=known
        )


async def test_the_gateways_own_typography_is_recognized() -> None:
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        gateway.keep(
            TEXT.to, 'Sent from your Twilio trial account - Salon Müller: Confirmed - "Haircut"'
        )
        assert isinstance(await sender.look_up(TEXT, since=NOW), Sent)


async def test_a_long_list_is_read_page_by_page() -> None:
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        wanted = gateway.keep(TEXT.to, TEXT.body)["sid"]
        for number in range(120):
            gateway.keep(TEXT.to, f"another {number}")
        assert await sender.look_up(TEXT, since=NOW) == Sent(provider_message_id=wanted)
        assert gateway.listed == 3
        for number in range(200):
            gateway.keep(TEXT.to, f"yet another {number}")
        assert isinstance(await sender.look_up(TEXT, since=NOW), Unknown)  # too much to be sure


@pytest.mark.parametrize(
    "answer",
    [
        Response("oops", 500),
        Response("not json", 200),
        JSONResponse({"messages": [{"sid": "SM1"}], "next_page_uri": None}),
        JSONResponse({"messages": {}, "next_page_uri": "http://evil.example/steal"}),
        JSONResponse({"messages": [], "next_page_uri": "//evil.example/steal"}),
        JSONResponse([1]),
        JSONResponse(
            {
                "messages": [
                    {
                        "sid": "S",
                        "to": TEXT.to,
                        "body": TEXT.body,
                        "status": "sent",
                        "date_created": "yesterday",
                    }
                ]
            }
        ),
    ],
)
async def test_what_cannot_be_read_is_unknown(answer: Response) -> None:
    """And no page elsewhere is asked for, with our credentials."""
    async with a_gateway() as gateway, a_sender(gateway.port) as sender:
        gateway.list_answer = answer
        assert isinstance(await sender.look_up(TEXT, since=NOW), Unknown)
        assert gateway.listed == 1
