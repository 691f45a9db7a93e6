"""Whole answers: a query that was answered before is answered with the same bytes, for the same
viewer, while the stamps of all that the answer is made of stand and the minute lasts.

They are kept among the listings, under their bound and by their rule. Answers with errors are never
kept, nor any that are made of something else than what stamps vouch for (`MadeOf`).
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from app.api.transport.bodies import Body, compressed
from app.core.viewer import Viewer
from app.usecases.listing.dates import circumstances_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from app.api.execution.operations import Operation
    from app.api.operation.context import Context
    from app.api.transport.requests import RequestInfo
    from app.core.ids import ProviderId
    from app.usecases.resources import Resources

_NO_RIGHTS: Final = {"address", "expires_at", "token_id"}
"""Of a viewer: where the request came from, and which token it has."""
_RIGHTS: Final = attrgetter(*(each.name for each in fields(Viewer) if each.name not in _NO_RIGHTS))

_FIXED_BYTES: Final = 2_500
"""Of the key with its viewer, of stamps and objects."""


class _Kept(NamedTuple):
    owners: tuple[ProviderId, ...]
    body: Body


class KeptAnswers:
    """The answers of this process to whole operations. `resources` gives those that are open."""

    def __init__(self, resources: Callable[[], Resources]) -> None:
        self._resources = resources

    async def find(self, operation: Operation, viewer: Viewer, info: RequestInfo) -> Body | None:
        """The answer to the same operation for the same viewer, if it is still true: by one look at
        the stamps.
        """
        key = _key(operation, viewer, info)
        if key is None:
            return None
        accelerator = self._resources().accelerator
        before: _Kept | None = accelerator.listings.peek(key)
        if before is None:
            return None
        seen = await accelerator.shared.stamps(viewer.organization_id, before.owners)
        stamps = tuple(seen.get(each) for each in before.owners)
        circumstances = circumstances_of(self._resources().clock())
        kept: _Kept | None = accelerator.listings.find(key, (stamps, *circumstances))
        return None if kept is None or kept.owners != before.owners else kept.body

    async def keep(
        self,
        operation: Operation,
        viewer: Viewer,
        info: RequestInfo,
        context: Context,
        plain: bytes,
    ) -> Body:
        """The body of an answer without errors, kept if stamps vouch for all of it."""
        key, made_of = _key(operation, viewer, info), context.made_of
        if key is None or not made_of.may_be_kept:
            return Body(plain)
        body = await compressed(plain)
        self._resources().accelerator.listings.keep(
            key,
            (tuple(made_of.stamps.values()), *made_of.circumstances),
            _Kept(tuple(made_of.stamps), body),
            seconds=made_of.until - monotonic(),
            size_bytes=_FIXED_BYTES
            + 200 * len(made_of.stamps)
            + body.size
            + sum(map(getsizeof, operation.key or ())),
        )
        return body


def _key(operation: Operation, viewer: Viewer, info: RequestInfo) -> Hashable | None:
    """All that an answer depends on, besides what it is made of: the viewer counts with every right
    and every claim. None where the operation is no query that is kept ready.
    """
    if operation.key is None:
        return None
    return "answer", operation.key, _RIGHTS(viewer), info.language
