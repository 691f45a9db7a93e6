"""Live edits of the practice: every kind of edit reaches the staff, in every process, and nobody
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from app.api.words.relay import global_id
from app.core.events import PROGRAM
from app.core.ids import EventId, ResourceId
from app.core.refusals import NotAllowed
from app.core.viewer import Role, Viewer
from app.process.asgi import create_app
from app.process.wiring import open_resources
from app.settings import Settings
from app.store.ids import new_id
from app.store.pool import transaction
from app.store.record import insert_events
from app.usecases.events.record import resource_changed
from app.usecases.events.watch_practice import Edit, watch_practice
from app.usecases.resources import Resources
from tests.builders import (
    Api,
    Caller,
    Clock,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_organization,
    busy,
    key_in,
    time_off,
)
from tests.integration.live.subscriber import (
    BY_EVENTS,
    PATIENCE_SECONDS,
    SUSPICIOUS,
    a_process,
    joined,
)
from tests.integration.transport.wire import Socket, serving_application
from tests.lives import booked
from tests.plain_http import NO_TLS

PRACTICE: Final = """
    subscription { practiceChanges { type subject { __typename id } } }
"""
UPDATE: Final = """
    mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) { __typename } }
"""
LOCATION: Final = """
    mutation ($input: CreateLocationInput!) {
        answer: createLocation(input: $input) { ... on Location { id } }
    }
"""


@pytest.fixture
async def served(environment: dict[str, str]) -> AsyncIterator[Api]:
    """The application over real HTTP."""
    settings, clock = Settings.from_environment(environment), Clock()
    async with (
        serving_application(create_app(settings, clock=clock, real_clock=clock)) as base,
        open_resources(settings, clock=clock, real_clock=clock) as resources,
        httpx.AsyncClient(base_url=base, timeout=PATIENCE_SECONDS, verify=NO_TLS) as http,
    ):
        yield Api(http, resources, await an_organization(resources), clock)


async def watching(stack: AsyncExitStack, api: Api, caller: Caller) -> Socket:
    """A socket that watches the practice."""
    address = f"{str(api.http.base_url).replace('http', 'ws').rstrip('/')}/graphql"
    connection = await stack.enter_async_context(
        connect(address, subprotocols=[Subprotocol("graphql-transport-ws")])
    )
    socket = Socket(connection)
    token = {} if caller.token is None else {"authorization": f"Bearer {caller.token}"}
    payload = {"organization": api.organization.slug, **token}
    await socket.send({"type": "connection_init", "payload": payload})
    assert await socket.receive() == {"type": "connection_ack"}
    await socket.subscribe("practice", PRACTICE)
    return socket


async def test_every_edit_reaches_the_staff_and_nobody_else(served: Api) -> None:
    api = served
    ada = await a_provider(api)
    visit = await booked(api, ada, "2026-01-12T10:00Z")
    strangers = [api.anonymous, api.customer("robin"), Caller(token=visit["manageToken"])]
    async with AsyncExitStack() as stack:
        for caller in strangers:
            refusal = await (await watching(stack, api, caller)).receive()
            assert refusal["type"] == "error"
            assert refusal["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        staff = [
            await watching(stack, api, each)
            for each in (api.acting_for(ada), api.reception, api.admin)
        ]
        for socket in staff:
            await edited_until_it_is_seen(api, ada, socket)

        async def get(event_type: str, subject_id: str) -> None:
            for socket in staff:
                while await edit_in(socket) != (event_type, subject_id):
                    pass

        oak = await a_resource(api)
        await get("RESOURCE_CHANGED", oak["id"])
        yoga = await a_service(api, ada)
        await get("SERVICE_CHANGED", yoga["id"])
        await time_off(api, oak, "2026-01-13T09:00", "2026-01-13T12:00")
        await get("RESOURCE_CHANGED", oak["id"])
        await busy(api, ada, times=[("2026-01-13T09:00Z", "2026-01-13T10:00Z")])
        await get("PROVIDER_CHANGED", ada["id"])
        pier: Any = await api.ask(LOCATION, caller=api.admin, input={"name": "Pier 4"})
        await get("LOCATION_CHANGED", pier["answer"]["id"])
        await api.ask(UPDATE, caller=api.admin, input={"phone": "+491701234567"})
        await get("ORGANIZATION_CHANGED", global_id("Organization", api.organization.id))


async def edit_in(socket: Socket) -> tuple[str, str]:
    message = await socket.receive()
    assert message["type"] == "next", message
    change = message["payload"]["data"]["practiceChanges"]
    return change["type"], change["subject"]["id"]


async def edited_until_it_is_seen(api: Api, provider: Json, socket: Socket) -> None:
    """Nothing else says from when on a socket is subscribed."""
    receiving = asyncio.ensure_future(socket.receive())
    while not (await asyncio.wait({receiving}, timeout=0.2))[0]:
        await time_off(api, provider, "2026-01-20T09:00", "2026-01-20T12:00")
    await receiving


async def test_an_edit_in_another_process_arrives(api: Api) -> None:
    """By its message: the regular reading is an hour away. A booking is no edit."""
    ada = await a_provider(api)
    async with a_process(api, BY_EVENTS) as here, aclosing(_watch(here, api)) as edits:
        arriving = asyncio.ensure_future(anext(edits))
        await joined(here, api)
        await booked(api, ada, "2026-01-12T10:00Z")
        await time_off(api, ada, "2026-01-13T09:00", "2026-01-13T12:00")
        async with asyncio.timeout(PATIENCE_SECONDS):
            edit = await arriving
        assert isinstance(edit, Edit)
        assert (edit.happening.type, edit.happening.subject_id) == (
            "PROVIDER_CHANGED",
            key_in(ada["id"]),
        )


async def test_an_edit_whose_message_was_lost_arrives(api: Api) -> None:
    oak = ResourceId(new_id())
    async with a_process(api, SUSPICIOUS) as here, aclosing(_watch(here, api)) as edits:
        arriving = asyncio.ensure_future(anext(edits))
        await joined(here, api)
        async with transaction(api.resources.pool) as tx:
            named = [(EventId(new_id()), resource_changed(oak))]
            insert_events(
                tx, api.organization.id, named, author=PROGRAM, occurred_at=api.resources.clock()
            )
        async with asyncio.timeout(PATIENCE_SECONDS):
            edit = await arriving
        assert isinstance(edit, Edit)
        assert edit.happening.subject_id == oak


def _watch(resources: Resources, api: Api) -> AsyncGenerator[Edit | NotAllowed, None]:
    return watch_practice(resources, Viewer(organization_id=api.organization.id, role=Role.ADMIN))
