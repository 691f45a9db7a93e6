"""Whole answers: a request that was answered before is answered with the same bytes, for the same
viewer, while the stamps of all that the answer is made of stand and the time changes nothing.

They are found by the bytes of the request, so a known answer costs no parsing, no coercion and no
context: it costs one look at the stamps, which concurrent requests share. They are kept with the
listings, under their bound and by their rule, compressed as well once a client has taken them so.
Answers with errors are never kept, nor any that are made of something else than what stamps vouch
for (`MadeOf`).
"""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from operator import attrgetter
from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.api.transport.bodies import Body, compressed
from app.api.transport.known import KnownAnswer
from app.core.viewer import Viewer
from app.free_times.shared import SeenStamps

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from app.api.execution.operations import Operation
    from app.api.operation.context import Context
    from app.api.transport.requests import RequestInfo
    from app.free_times.listings import Kept, Listings
    from app.usecases.listing.dates import Minutes
    from app.usecases.resources import Resources

LONGEST_REQUEST: Final = 16 * 1024
"""In bytes. The answers to longer requests are not kept."""

_NO_RIGHTS: Final = {"address", "expires_at", "token_id"}
"""Of a viewer: where the request came from, and which token it has."""
_RIGHTS: Final = attrgetter(*(each.name for each in fields(Viewer) if each.name not in _NO_RIGHTS))

_FIXED_BYTES: Final = 2_500
"""Of the key with its viewer, and of objects."""


class _Answer(NamedTuple):
    stamps: SeenStamps
    minutes: Minutes
    cost: int
    fields: tuple[str, ...]
    body: Body


class _Key(NamedTuple):
    """All that an answer depends on, besides what it is made of: the viewer counts with every right
    and every claim.
    """

    said: bytes
    rights: tuple[Hashable, ...]
    language: str


class KeptAnswers:
    """The answers of this process to whole requests. `resources` gives those that are open."""

    def __init__(self, resources: Callable[[], Resources]) -> None:
        self._resources = resources

    def find(self, said: bytes, viewer: Viewer, info: RequestInfo) -> KnownAnswer | None:
        """The answer to the same bytes for the same viewer."""
        key = _Key(said, _RIGHTS(viewer), info.language)
        kept: Kept[_Answer] | None = self._listings.peek(key)
        if kept is None:
            return None
        answer = kept.listing
        return KnownAnswer(
            answer.cost, answer.fields, partial(self._confirm, key, kept, info.takes_gzip)
        )

    @property
    def _listings(self) -> Listings[Any]:
        return self._resources().accelerator.listings

    async def _confirm(
        self,
        key: _Key,
        kept: Kept[_Answer],
        takes_gzip: bool,  # noqa: FBT001  the client's
    ) -> Body | None:
        answer = kept.listing
        shared = self._resources().accelerator.shared
        if (
            not await shared.still_count(answer.stamps)
            or not answer.minutes.include(self._resources().clock())
            or not kept.is_fresh
        ):
            return None
        if not takes_gzip:
            return answer.body
        body = await compressed(answer.body)
        if body is not answer.body:
            answer = answer._replace(body=body)
            put(self._listings, key, answer, kept.until)
        return body

    async def keep(
        self,
        said: bytes,
        operation: Operation,
        viewer: Viewer,
        info: RequestInfo,
        context: Context,
        plain: bytes,
    ) -> Body:
        """The body of an answer without errors, kept if stamps vouch for all of it."""
        made_of, body = context.made_of, Body(plain)
        if not made_of.is_vouched_for or made_of.minutes is None or len(said) > LONGEST_REQUEST:
            return body
        stamps = SeenStamps.of(viewer.organization_id, made_of.stamps)
        if stamps is None:
            return body
        if info.takes_gzip:
            body = await compressed(body)
        key = _Key(said, _RIGHTS(viewer), info.language)
        answer = _Answer(stamps, made_of.minutes, operation.cost, operation.fields, body)
        put(self._listings, key, answer, made_of.until)
        return body


def put(
    listings: Listings[Any],
    key: _Key,
    answer: _Answer,
    until: float,
) -> None:
    """Keep it, with all that it and its key keep alive, until then by `time.monotonic`."""
    size = _FIXED_BYTES + getsizeof(key.said) + answer.stamps.size_bytes + answer.body.size
    listings.keep(key, (), answer, seconds=until - monotonic(), size_bytes=size)
