"""GraphiQL, used as a person uses it, on a small schema with one provider and one token."""

# No `from __future__ import annotations`: strawberry reads annotations when the classes are made.
import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import strawberry
import uvicorn
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.types import Info

from app.web import pages
from tests.e2e.browser.conftest import Windows

TOKEN = "a-token-the-server-knows"


@strawberry.type
class Named:
    name: str


@strawberry.type
class Viewer:
    role: str
    provider: Named | None = None
    customer: Named | None = None


@strawberry.type
class Slot:
    starts_at: str
    local_start: str


@strawberry.type
class Need:
    name: str


@strawberry.type
class Service:
    id: strawberry.ID
    name: str
    duration_minutes: int
    seats: int
    needs: list[Need]

    @strawberry.field
    def next_available_slot(self, time_zone: str) -> Slot:
        return Slot(
            starts_at="2027-03-02T09:00:00Z", local_start=f"2027-03-02T09:00:00 {time_zone}"
        )


@strawberry.type
class Services:
    nodes: list[Service]


CHECK_UP = Service(
    id=strawberry.ID("s"),
    name="Check-up",
    duration_minutes=30,
    seats=1,
    needs=[Need(name="Room")],
)


@strawberry.type
class Provider:
    id: strawberry.ID
    name: str
    time_zone: str
    services: list[Service]
    next_available_slot: Slot | None


@strawberry.type
class Providers:
    nodes: list[Provider]


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self, info: Info) -> Viewer:
        headers = info.context["request"].headers
        if headers.get("authorization") == f"Bearer {TOKEN}":
            return Viewer(
                role="PROVIDER",
                provider=Named(name=f"Dr Grace of {headers['slotwright-organization']}"),
            )
        if "authorization" in headers:
            raise ValueError("The token is not valid.")
        return Viewer(role="ANONYMOUS")

    @strawberry.field
    def providers(self, first: int) -> Providers:
        slot = Slot(starts_at="2027-03-01T09:00:00Z", local_start="2027-03-01T10:00:00+01:00")
        ada = Provider(
            id=strawberry.ID("p-ada"),
            name="Ada",
            time_zone="UTC",
            services=[CHECK_UP],
            next_available_slot=slot,
        )
        return Providers(nodes=[ada][:first])

    @strawberry.field
    def services(self, first: int) -> Services:
        return Services(nodes=[CHECK_UP][:first])


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def availability_changes(
        self, info: Info, provider_ids: list[strawberry.ID]
    ) -> AsyncGenerator[str, None]:
        yield f"{provider_ids[0]} {json.dumps(info.context['connection_params'], sort_keys=True)}"


SCHEMA = strawberry.Schema(Query, subscription=Subscription)
ENDPOINT = GraphQL[None, None](SCHEMA, graphql_ide=None)


class Endpoint:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = scope["type"] == "http" and scope["method"] == "GET"
        await (pages.graphiql_page(Request(scope)) if shown else ENDPOINT)(scope, receive, send)


@pytest.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    """Where a server listens that has this schema and our pages."""
    app = Starlette(
        routes=[
            Route("/graphql", Endpoint()),
            WebSocketRoute("/graphql", Endpoint()),
            *pages.routes(),
        ]
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def _open(windows: Windows, address: str) -> Page:
    page = await windows.open()
    await page.goto(f"{address}/graphql")
    await expect(page.locator(".graphiql-query-editor .CodeMirror")).to_be_visible()
    return page


async def _write(page: Page, name: str, query: str) -> None:
    """Puts a query into the editor, and waits until GraphiQL has read its name."""
    editor = page.locator(".graphiql-query-editor .CodeMirror")
    await editor.evaluate("(editor, query) => editor.CodeMirror.setValue(query)", query)
    await expect(page.get_by_role("tab", selected=True)).to_contain_text(name)


async def test_it_opens_with_examples_that_name_somebody_who_is_free(
    windows: Windows, address: str
) -> None:
    page = await _open(windows, address)
    await expect(page.get_by_role("tab")).to_contain_text(
        [
            "Providers",
            "Services",
            "Availability",
            "AnyFreeProvider",
            "NextFreeTimes",
            "ExplainTime",
            "Book",
            "LiveTimes",
            "Viewer",
            "Appointments",
            "PreviewClosedDate",
            "Stranded",
            "Resources",
        ]
    )
    await page.get_by_role("tab", name="Book").click()
    await expect(page.locator(".graphiql-editor-tool")).to_contain_text('"providerId": "p-ada"')
    await expect(page.locator(".graphiql-editor-tool")).to_contain_text("2027-03-01T09:00:00Z")


async def test_it_breaks_no_policy_and_fetches_nothing_from_elsewhere(
    windows: Windows, address: str
) -> None:
    page = await _open(windows, address)
    for dialog in ("Open short keys dialog", "Open settings dialog"):
        await page.get_by_label(dialog).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
    for pane in ("Show Documentation Explorer", "Show History"):
        await page.get_by_label(pane).click()
    await page.get_by_label("Execute query").click()
    await expect(page.locator(".result-window")).not_to_be_empty()
    assert windows.complaints == []
    host = address.removeprefix("http://")
    assert {one.split("/")[2] for one in windows.addresses if not one.startswith("data:")} == {host}


async def test_a_pasted_token_signs_in_and_signing_out_forgets_it(
    windows: Windows, address: str
) -> None:
    page = await _open(windows, address)
    await expect(page.locator("#viewer")).to_have_text("Anonymous")
    await page.get_by_label("Token").fill(f"Authorization: Bearer {TOKEN}")
    await page.get_by_label("Organization").fill("acme")
    await page.get_by_role("button", name="Use").click()
    await expect(page.locator("#viewer")).to_have_text("Provider · Dr Grace of acme")
    await page.reload()
    await expect(page.locator("#viewer")).to_have_text("Provider · Dr Grace of acme")
    assert await page.evaluate("JSON.stringify([localStorage, document.cookie])") == '[{},""]'
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#viewer")).to_have_text("Anonymous")
    assert TOKEN not in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_a_refused_token_is_said_to_be_refused(windows: Windows, address: str) -> None:
    page = await _open(windows, address)
    await page.get_by_label("Token").fill("nonsense")
    await page.get_by_role("button", name="Use").click()
    await expect(page.locator("#viewer")).to_have_text("The token is not valid.")


async def test_queries_and_subscriptions_carry_the_token_and_the_organization(
    windows: Windows, address: str
) -> None:
    page = await _open(windows, address)
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_label("Organization").fill("acme")
    await page.get_by_role("button", name="Use").click()
    await page.get_by_role("button", name="Add tab").click()
    await _write(page, "Me", "query Me { viewer { provider { name } } }")
    await page.get_by_label("Execute query").click()
    await expect(page.locator(".result-window")).to_contain_text("Dr Grace of acme")
    await page.get_by_role("button", name="Add tab").click()
    await _write(page, "Times", 'subscription Times { availabilityChanges(providerIds: ["p"]) }')
    await page.get_by_label("Execute query").click()
    await expect(page.locator(".result-window")).to_contain_text(f"Bearer {TOKEN}")
    await expect(page.locator(".result-window")).to_contain_text("acme")
    assert windows.complaints == []


async def test_tabs_outlive_a_reload_and_the_examples_come_back(
    windows: Windows, address: str
) -> None:
    page = await _open(windows, address)
    await _write(page, "Mine", "query Mine { viewer { role } }")
    async with asyncio.timeout(20):
        while "Mine" not in await page.evaluate("sessionStorage['graphiql:tabState'] ?? ''"):  # noqa: ASYNC110 (it is the browser that is waited for)
            await asyncio.sleep(0.05)
    await page.reload()
    await expect(page.get_by_role("tab").first).to_contain_text("Mine")
    await page.get_by_role("button", name="Restore examples").click()
    await expect(page.get_by_role("tab").nth(1)).to_contain_text("Services")
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("query Providers")
    await expect(page.get_by_role("tab").first).to_contain_text("Providers")
