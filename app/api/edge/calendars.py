"""Calendar feeds over HTTP. Calendar programs ask for them all day long, mostly to learn that
nothing has changed.

The address is the secret. No error reveals whether a token is forged or its feed has ended, nothing
here logs an address, and only the person's own program may cache the answer.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from app.api.words.errors import Failure
from app.core.network import network_of
from app.notify.feed import calendar_text
from app.usecases.practice.read_calendar_feed import read_calendar_feed

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from app.api.edge.throttle import Throttle
    from app.notify.feed import Feed
    from app.usecases.resources import Resources

POINTS_PER_EVENT: Final = 10
"""Of the caller's budget, where the events are sent: about its properties."""

_EVENTS_AT_ONCE: Final = 100
"""Written before other requests get their turn: some 5 ms."""

_RETRY_SECONDS: Final = 60

_HEADERS: Final = {
    # Kept by the program that asks and nobody in between, and asked for again every time.
    "cache-control": "private, no-cache",
    "content-disposition": 'inline; filename="appointments.ics"',
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex",
}
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


def calendar_routes(
    resources_of: Callable[[Request], Resources],
    *,
    throttle_of: Callable[[], Throttle | None],
    unavailable: tuple[type[BaseException], ...],
) -> list[BaseRoute]:
    """The one route, for GET and HEAD. `unavailable` are the exceptions of a dependency that can't
    be reached: programs are asked to try again.
    """

    async def calendar(request: Request) -> Response:
        try:
            return await _answer(request, resources_of(request), throttle_of())
        except Failure as limited:
            seconds = (limited.extensions or {}).get("retryAfterSeconds", _RETRY_SECONDS)
            return _without_body(HTTPStatus.TOO_MANY_REQUESTS, {"retry-after": str(seconds)})
        except unavailable:
            wait = {"retry-after": str(_RETRY_SECONDS)}
            return _without_body(HTTPStatus.SERVICE_UNAVAILABLE, wait)

    return [Route("/calendars/{token}.ics", calendar, methods=["GET"])]


async def _answer(request: Request, resources: Resources, throttle: Throttle | None) -> Response:
    if resources.test_clock is not None:
        await resources.test_clock.follow()
    named = resources.calendar_tokens.verify(request.path_params["token"])
    # A valid token has a budget of its own: the servers of a calendar service ask for thousands of
    # feeds from one network.
    caller = f"calendar\x1f{named}" if named is not None else _network(request)
    if throttle is not None and caller is not None:
        throttle.admit(caller, 0)
    feed = None if named is None else await read_calendar_feed(resources, *named)
    if feed is None:
        return _without_body(HTTPStatus.NOT_FOUND, {})
    headers = {**_HEADERS, "etag": f'W/"{feed.tag}"'}
    if _is_known(request.headers.get("if-none-match"), feed.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if throttle is not None and caller is not None:
        throttle.admit(caller, len(feed.events) * POINTS_PER_EVENT)
    return Response(
        await _written(feed), media_type="text/calendar; charset=utf-8", headers=headers
    )


async def _written(feed: Feed) -> bytes:
    pieces = []
    for number, piece in enumerate(calendar_text(feed)):
        pieces.append(piece)
        if number % _EVENTS_AT_ONCE == _EVENTS_AT_ONCE - 1:
            await asyncio.sleep(0)
    return b"".join(pieces)


def _is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has the feed as it is, by weak comparison (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def _network(request: Request) -> str | None:
    return None if request.client is None else network_of(request.client.host)


def _without_body(status: HTTPStatus, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={**headers, "cache-control": "no-store"})
