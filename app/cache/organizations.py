"""Organizations that this process has read, by slug and by id. Both are for ever; a name may be a
minute old.
"""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.core.ids import OrganizationId
    from app.core.provider import Organization

MOST_ORGANIZATIONS: Final = 10_000
LIFETIME_SECONDS: Final = 60.0


class Organizations:
    """The organizations known. That there is none is asked again every time."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[str | OrganizationId, tuple[Organization, float]] = OrderedDict()

    async def find(
        self, key: str | OrganizationId, read: Callable[[], Awaitable[Organization | None]]
    ) -> Organization | None:
        """The organization with this slug or id; read where it is not known."""
        known = self._known.get(key)
        if known is not None and monotonic() < known[1]:
            return known[0]
        found = await read()
        if found is not None:
            self._known[key] = (found, monotonic() + LIFETIME_SECONDS)
            self._known.move_to_end(key)
            while len(self._known) > MOST_ORGANIZATIONS:
                self._known.popitem(last=False)
        return found
