"""Headers of every response, from any handler."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from app.settings import Settings
from tests.builders import Api, running

ORIGIN = "https://shop.example"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("GET", "/graphql"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/nothing"),
        ("PUT", "/livez"),
    ],
)
async def test_nothing_is_sniffed_framed_or_sent_to_other_sites(
    api: Api, method: str, path: str
) -> None:
    response = await api.http.request(method, path)
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert "strict-transport-security" not in response.headers
    assert len(response.headers["x-request-id"]) >= 8
    assert len(response.headers.get_list("x-request-id")) == 1
    assert len(response.headers.get_list("x-content-type-options")) == 1


async def test_a_sane_request_id_is_kept_and_another_is_not(api: Api) -> None:
    for given, kept in (
        ("0123456789abcdef", True),
        ("x", False),
        ("a b c d e f g", False),
        ("<script>alert(1)", False),
    ):
        for path in ("/livez", "/graphql"):
            response = await api.http.get(path, headers={"x-request-id": given})
            assert (response.headers["x-request-id"] == given) == kept, (path, given)


async def test_pages_keep_their_own_policy(environment: dict[str, str]) -> None:
    settings = replace(
        Settings.from_environment(environment), booking_page=True, hsts_seconds=31_536_000
    )
    async with running(settings) as own:
        page = await own.http.get("/", headers={"accept": "text/html"})
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert len(page.headers.get_list("content-security-policy")) == 1
        assert page.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


async def test_other_sites_call_only_where_they_are_listed(environment: dict[str, str]) -> None:
    settings = replace(Settings.from_environment(environment), cors_origins=(ORIGIN,))
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,slotwright-organization",
    }
    async with running(settings) as own:
        allowed = await own.http.options("/graphql", headers={"origin": ORIGIN, **asked})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert "slotwright-organization" in allowed.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in allowed.headers
        refused = await own.http.options(
            "/graphql", headers={"origin": "https://evil.example", **asked}
        )
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        answered = await own.http.post("/graphql", json=SHORT, headers={"origin": ORIGIN})
        assert answered.headers["access-control-allow-origin"] == ORIGIN


async def test_without_a_list_no_other_site_calls(api: Api) -> None:
    response = await api.http.post(
        "/graphql", json={"query": "{ viewer { role } }"}, headers={"origin": ORIGIN}
    )
    assert "access-control-allow-origin" not in response.headers


USUAL = (
    "apollographql-client-name",
    "apollographql-client-version",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "traceparent",
    "tracestate",
    "idempotency-key",
)


@pytest.mark.parametrize("name", [*USUAL, "x-tenant", "x-other"])
async def test_pages_may_send_what_usual_clients_send_and_what_the_settings_add(
    environment: dict[str, str], name: str
) -> None:
    settings = replace(
        Settings.from_environment(environment | {"SLOTWRIGHT_CORS_HEADERS": "X-Tenant, x-b3"}),
        cors_origins=(ORIGIN,),
    )
    asked = {"access-control-request-method": "POST", "access-control-request-headers": name}
    async with running(settings) as own:
        answer = await own.http.options("/graphql", headers={"origin": ORIGIN, **asked})
    assert answer.status_code == (400 if name == "x-other" else 200)


LONG = {"query": "{ __schema { types { name description } } }"}
SHORT = {"query": "{ viewer { role } }"}


@pytest.mark.parametrize(
    ("query", "accepts", "encoding"),
    [
        (LONG, "gzip, deflate, br", "gzip"),
        (LONG, "identity", None),
        (LONG, "br;q=1, GZIP ;q=0.5", "gzip"),
        (LONG, "gzip;q=0", None),
        (LONG, "br, gzip; q=0.000 , *", None),
        (LONG, "", None),
        (SHORT, "gzip", None),
    ],
)
async def test_large_answers_are_compressed_where_the_client_takes_that(
    api: Api, query: dict[str, str], accepts: str, encoding: str | None
) -> None:
    request = api.http.build_request(
        "POST",
        "/graphql",
        json=query,
        headers={"accept-encoding": accepts, "slotwright-organization": api.organization.slug},
    )
    answer = await api.http.send(request, stream=True)
    raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert int(answer.headers["content-length"]) == len(raw)
    assert "data" in json.loads(gzip.decompress(raw) if encoding else raw)
    varies = {part.strip().lower() for part in answer.headers["vary"].split(",")}
    assert varies == {"accept", "accept-language"} | ({"accept-encoding"} if encoding else set())


@pytest.mark.parametrize("accepts", ["gzip", "gzip;q=0", "br"])
async def test_caches_keep_what_may_be_kept_apart_by_encoding(
    environment: dict[str, str], accepts: str
) -> None:
    """A cache that got the compressed script must not give it to a client that can't read it."""
    settings = replace(Settings.from_environment(environment), booking_page=True)
    async with running(settings) as own:
        page = await own.http.get("/", headers={"accept": "text/html"})
        version = page.text.partition("/static/")[2].partition("/")[0]
        script = await own.http.get(
            f"/static/{version}/booking.js", headers={"accept-encoding": accepts}
        )
    assert script.status_code == 200
    assert "accept-encoding" in script.headers["vary"].lower()
    assert script.headers.get("content-encoding") == ("gzip" if accepts == "gzip" else None)


async def test_event_streams_are_never_compressed(api: Api) -> None:
    answer = await api.http.post(
        "/graphql",
        json=LONG,
        headers={
            "accept": "text/event-stream",
            "accept-encoding": "gzip",
            "slotwright-organization": api.organization.slug,
        },
    )
    assert "content-encoding" not in answer.headers
    assert answer.text.startswith("event: next\ndata: {")


@pytest.mark.parametrize("path", ["/graphql/", "/livez/", "/readyz/", "/unsubscribe/x/"])
async def test_no_address_redirects_to_another_scheme(api: Api, path: str) -> None:
    answer = await api.http.post(
        path, json=SHORT, headers={"slotwright-organization": api.organization.slug}
    )
    assert answer.status_code == (200 if path == "/graphql/" else 404)
    assert "location" not in answer.headers
