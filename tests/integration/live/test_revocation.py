"""A revoked token ends its subscriptions, of every kind and over both transports; others are not
affected.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.api.transport import Limits
from app.identity import revocations
from app.process import asgi
from app.process.asgi import create_app
from app.process.wiring import open_resources
from app.settings import Settings
from app.usecases.callers.revoke_token import revoke_token
from tests.builders import Api, Caller, Clock, a_provider, an_organization
from tests.integration.transport.wire import PATIENCE_SECONDS, events_of, serving_application
from tests.plain_http import NO_TLS

DAY: Final = "2026-01-20"


@dataclass(frozen=True, slots=True)
class Watched:
    """The application over real HTTP, with all its periods short; and what can be watched in it."""

    api: Api
    documents: dict[str, str]

    async def stream(
        self, document: str, caller: Caller, open_: asyncio.Event
    ) -> list[tuple[str, Any]]:
        """Everything that comes over an event stream, to its end."""
        headers = [*caller.headers, (b"accept", b"text/event-stream")]
        said = ""
        async with self.api.http.stream(
            "POST", "/graphql", json={"query": document}, headers=headers
        ) as answer:
            assert answer.status_code == 200
            open_.set()
            async for text in answer.aiter_text():
                said += text
        return events_of(said)

    async def socket(
        self, document: str, caller: Caller, open_: asyncio.Event
    ) -> tuple[int | None, str | None]:
        """How a socket ends that says nothing after it subscribed."""
        address = f"{str(self.api.http.base_url).replace('http', 'ws').rstrip('/')}/graphql"
        async with connect(
            address, subprotocols=[Subprotocol("graphql-transport-ws")]
        ) as connection:
            init = {
                "type": "connection_init",
                "payload": {"authorization": f"Bearer {caller.token}"},
            }
            await connection.send(json.dumps(init))
            assert json.loads(await connection.recv()) == {"type": "connection_ack"}
            await connection.send(
                json.dumps({"type": "subscribe", "id": "1", "payload": {"query": document}})
            )
            open_.set()
            try:
                while True:
                    await connection.recv()
            except ConnectionClosed:
                return connection.close_code, connection.close_reason


@pytest.fixture
async def watched(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    monkeypatch.setattr(asgi, "Limits", partial(Limits, recheck_seconds=0.05))
    monkeypatch.setattr(revocations, "KNOWN_SECONDS", 0.05)
    settings, clock = Settings.from_environment(environment), Clock()
    application = create_app(settings, clock=clock, real_clock=clock)
    async with (
        serving_application(application) as base,
        open_resources(settings, clock=clock, real_clock=clock) as resources,
        httpx.AsyncClient(base_url=base, timeout=PATIENCE_SECONDS, verify=NO_TLS) as http,
    ):
        api = Api(http, resources, await an_organization(resources), clock)
        ada = await a_provider(api)
        days = f'providerIds: ["{ada["id"]}"], from: "{DAY}", to: "{DAY}"'
        yield Watched(
            api,
            {
                "free times": f"subscription {{ availabilityChanges({days}) {{ date }} }}",
                "appointments": "subscription { appointmentChanges { kind } }",
            },
        )


@pytest.mark.parametrize("what", ["free times", "appointments"])
async def test_a_revoked_token_watches_nothing_more(watched: Watched, what: str) -> None:
    api, document = watched.api, watched.documents[what]
    robin, kim = (
        api.customer("robin", token_id="a-session"),
        api.customer("robin", token_id="another-session"),
    )
    opened = [asyncio.Event() for _ in range(3)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        stream = asyncio.create_task(watched.stream(document, robin, opened[0]))
        socket = asyncio.create_task(watched.socket(document, robin, opened[1]))
        other = asyncio.create_task(watched.stream(document, kim, opened[2]))
        for each in opened:
            await each.wait()
        await asyncio.sleep(0.2)  # several looks long
        assert not stream.done()
        assert not socket.done()
        refused = await revoke_token(
            api.resources, organization=api.organization.slug, token_id="a-session", expires_at=None
        )
        assert refused is None
        *_, (event, payload), last = await stream
        assert (event, payload["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
        assert "revoked" in payload["errors"][0]["message"]
        assert last == ("complete", None)
        assert await socket == (4403, "The access token has been revoked. Sign in again.")
        assert not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
