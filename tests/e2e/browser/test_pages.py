"""How our pages are served: types, caching, compression, and a policy that allows a browser no
other origin.
"""

from __future__ import annotations

import gzip
import re

import httpx
import pytest
from graphql import OperationDefinitionNode, parse
from starlette.applications import Starlette
from starlette.routing import Route

from app.api.execution.cost import measure
from app.api.execution.limits import Limits
from app.api.graph.schema import build_schema
from app.web import assets, pages


@pytest.fixture
def client() -> httpx.AsyncClient:
    routes = [
        Route("/graphql", pages.graphiql_page),
        *pages.routes(),
        *pages.booking_routes(),
        *pages.desk_routes(),
    ]
    app = Starlette(routes=routes)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://slotwright.test")


PAGES = ("/graphql", "/", "/manage", "/desk")


async def _addresses(client: httpx.AsyncClient) -> list[str]:
    texts = [(await client.get(page)).text for page in PAGES]
    return sorted(
        {one for text in texts for one in re.findall(r'(?:src|href)="([^"]+\.\w+)"', text)}
    )


def test_what_pages_load_is_installed() -> None:
    assert assets.missing() == []
    assert assets.installed()


def test_the_lock_file_names_no_place_to_download_from() -> None:
    lock = (assets.HERE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


async def test_the_desk_knows_where_customers_manage_their_visits() -> None:
    links = []
    for given in ((), ("https://salon.example/?{appointment}&{token}",), (None,)):
        app = Starlette(routes=[*pages.routes(), *pages.desk_routes(*given)])
        transport = httpx.ASGITransport(app, root_path="/book")
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
            page = (await client.get("/book/desk")).text
        links.append(re.findall(r'data-manage="([^"]*)"', page))
    assert links == [
        ["/book/manage#appointment={appointment}&amp;token={token}"],
        ["https://salon.example/?{appointment}&amp;{token}"],
        [""],
    ]


def test_no_question_of_the_desk_costs_more_than_is_allowed() -> None:
    """Whatever it asks for: the limit counts full pages, however few rows there are."""
    schema = build_schema()._schema
    code = "".join(path.read_text() for path in sorted((pages.STATIC / "desk").glob("*.js")))
    written = re.findall(r"`((?:query|fragment) [^`$]*(?:\$\w[^`$]*)*)`", code)
    fragments = [text for text in written if text.startswith("fragment")]
    asked = [text for text in written if text.startswith("query")]
    assert len(asked) >= 8
    for text in asked:
        document = parse(text + "".join(one for one in fragments if one not in text))
        operation = document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        measure(schema, document, operation, {}, Limits())  # raises if it is too much


async def test_every_file_a_page_names_is_served_with_its_type_and_kept_for_good(
    client: httpx.AsyncClient,
) -> None:
    kinds = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
    }
    addresses = await _addresses(client)
    assert len(addresses) == 14
    for address in addresses:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == kinds[address[address.rindex(".") :]]
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_file_is_compressed_on_request_only(
    client: httpx.AsyncClient,
) -> None:
    address = next(one for one in await _addresses(client) if one.endswith("graphiql/graphiql.js"))
    async with client.stream("GET", address, headers={"accept-encoding": "br, gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        content = b"".join([part async for part in packed.aiter_raw()])
    for refused in ("identity", "gzip;q=0", "gzip;q=0.000, br"):
        plain = await client.get(address, headers={"accept-encoding": refused})
        assert "content-encoding" not in plain.headers
        assert plain.content == gzip.decompress(content)


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    for address in [*PAGES, *await _addresses(client)]:
        first = await client.get(address)
        again = await client.get(
            address, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'}
        )
        assert (again.status_code, again.content) == (304, b"")


async def test_a_page_of_another_release_is_helped_out_but_may_not_keep_what_it_got(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/static/0123456789abcdef/graphql.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["nothing.js", "..%2fpages.py", "vendor/installed", "%2e%2e/package.json", ""]
)
async def test_nothing_but_the_pages_files_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/static/x/{path}")).status_code == 404


@pytest.mark.parametrize("page", PAGES)
async def test_the_policy_lets_scripts_come_from_here_only(
    client: httpx.AsyncClient, page: str
) -> None:
    headers = (await client.get(page)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("page", ["/", "/manage", "/desk"])
async def test_pages_of_our_own_write_no_styles_into_elements(
    client: httpx.AsyncClient, page: str
) -> None:
    answer = await client.get(page)
    assert "style-src 'self';" in answer.headers["content-security-policy"]
    assert "style=" not in answer.text


async def test_behind_a_prefix_the_page_names_its_files_with_it() -> None:
    app = Starlette(routes=[Route("/graphql", pages.graphiql_page)])
    transport = httpx.ASGITransport(app, root_path="/book")
    async with httpx.AsyncClient(transport=transport, base_url="http://slotwright.test") as client:
        page = await client.get("/book/graphql")
    assert '"/book/static/' in page.text
    assert '"/static/' not in page.text
