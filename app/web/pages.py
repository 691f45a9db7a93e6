"""Serves our pages and the files they load. Its rule: a browser gets everything from here, and
nothing from elsewhere.

Files are read once. Their addresses carry a digest of them all, so a browser keeps them for good
and never mixes two releases.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.web import assets, zone_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
ONE_YEAR_SECONDS = 31_536_000
MANAGE = "{root}/manage#appointment={appointment}&token={token}"
"""The page where customers manage an appointment, if it is ours."""

# What each page may load: itself from here, and nothing else. `connect-src 'self'` covers
# WebSockets to the same host.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# GraphiQL's dialogs write a <style> element (react-remove-scroll), and its style sheet carries its
# fonts and images.
GRAPHIQL_POLICY = POLICY | {
    "style-src": "'self' 'unsafe-inline'",
    "font-src": "data:",
    "img-src": "'self' data:",
}
# A dialog's <form method="dialog"> counts as a form that is sent here.
BOOKING_POLICY = POLICY | {"form-action": "'self'"}


def routes() -> list[BaseRoute]:
    """The files of every page, below /static."""
    return [Route("/static/{version}/{path:path}", _file, name="static")]


def booking_routes() -> list[BaseRoute]:
    """The booking page at / and the page where a guest manages an appointment. Both need
    `routes()`, too.
    """
    return [Route("/", _booking, name="booking"), Route("/manage", _manage, name="manage")]


def desk_routes(manage_url: str | None = MANAGE) -> list[BaseRoute]:
    """The desk at /desk, where staff run the day; it also needs the routes of `routes()`.

    `manage_url` is the page where customers manage an appointment, with {token} and {appointment}
    in it; None if there is none.
    """

    async def desk(request: Request) -> Response:
        return _page(request, "desk.html", BOOKING_POLICY, {"manage": manage_url or ""})

    return [Route("/desk", desk, name="desk")]


def graphiql_page(request: Request) -> Response:
    """GraphiQL, talking to the address it is served from."""
    if assets.missing():
        sentence = (
            "GraphiQL's files are not installed on this server. The API works: POST a "
            "query "
            "to this address.\n"
        )
        return PlainTextResponse(sentence, status_code=503, headers=_headers(POLICY))
    return _page(request, "graphiql.html", GRAPHIQL_POLICY)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    content: bytes
    compressed: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    by_path: Mapping[str, _File]
    version: str  # a digest of every file; part of every address


@cache
def _files() -> _Files:
    found: dict[str, _File] = {}
    for root, prefix in ((STATIC, ""), (assets.VENDOR, "vendor/")):
        for path in sorted(root.rglob("*")):
            if path.suffix not in MEDIA_TYPES or not path.is_file():
                continue
            packed = path.with_name(path.name + ".gz")
            found[prefix + path.relative_to(root).as_posix()] = _made(
                path.read_bytes(),
                path.suffix,
                compressed=packed.read_bytes() if packed.is_file() else None,
            )
    found["zones.js"] = _made(zone_names.script().encode(), ".js")
    version = _digest("\n".join(f"{name} {file.etag}" for name, file in found.items()).encode())
    return _Files(by_path=found, version=version)


def _made(content: bytes, suffix: str, *, compressed: bytes | None = None) -> _File:
    return _File(
        content=content,
        compressed=gzip.compress(content, mtime=0) if compressed is None else compressed,
        media_type=MEDIA_TYPES[suffix],
        etag=f'"{_digest(content)}"',
    )


async def _booking(request: Request) -> Response:
    return _page(request, "booking.html", BOOKING_POLICY)


async def _manage(request: Request) -> Response:
    return _page(request, "manage.html", BOOKING_POLICY)


@cache
def _template(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


async def _file(request: Request) -> Response:
    files = _files()
    file = files.by_path.get(request.path_params["path"])
    if file is None:
        return PlainTextResponse(
            "There is no such file.\n", status_code=404, headers=_headers(POLICY)
        )
    # A page of another release, met while servers are being replaced, is helped out but must not
    # keep what it got.
    current = request.path_params["version"] == files.version
    headers = {
        "cache-control": f"public, max-age={ONE_YEAR_SECONDS}, immutable"
        if current
        else "no-cache",
        "etag": file.etag,
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
    }
    if _unchanged(request, file.etag):
        return Response(status_code=304, headers=headers)
    if _takes_gzip(request):
        return Response(
            file.compressed,
            media_type=file.media_type,
            headers=headers | {"content-encoding": "gzip"},
        )
    return Response(file.content, media_type=file.media_type, headers=headers)


def _page(
    request: Request,
    name: str,
    policy: Mapping[str, str],
    more: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """The template of that name, with `more` of its own values."""
    page = _template(name)
    for key, value in more.items():
        page = page.replace(f"{{{key}}}", escape(value))
    root = escape(request.scope.get("root_path", "").rstrip("/"))
    page = page.replace("{root}", root).replace("{static}", f"{root}/static/{_files().version}")
    etag = f'"{_digest(page.encode())}"'
    headers = _headers(policy) | {"cache-control": "no-cache", "etag": etag, "vary": "accept"}
    if _unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


def _headers(policy: Mapping[str, str]) -> dict[str, str]:
    return {
        "content-security-policy": "; ".join(
            f"{directive} {sources}" for directive, sources in policy.items()
        ),
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _unchanged(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return etag in (one.strip().removeprefix("W/") for one in known.split(","))


def _takes_gzip(request: Request) -> bool:
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight == "" or weight.strip("0.") != ""
    return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
