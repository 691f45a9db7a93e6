"""Headers of every response, whoever made it."""

from __future__ import annotations

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
async def test_nothing_is_sniffed_framed_or_told_to_other_sites(
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


async def test_without_a_list_no_other_site_calls(api: Api) -> None:
    response = await api.http.post(
        "/graphql", json={"query": "{ viewer { role } }"}, headers={"origin": ORIGIN}
    )
    assert "access-control-allow-origin" not in response.headers
