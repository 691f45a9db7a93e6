"""Organizations that this process has read, by slug and by id. Both are for ever; a name may be a
minute old.
"""

from __future__ import annotations

from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.core.ids import OrganizationId
    from app.core.provider import Organization

MOST_BYTES: Final = 8 * 1024 * 1024
"""Some 10,000 organizations."""
LIFETIME_SECONDS: Final = 60.0
_FIXED_BYTES: Final = 250


class Organizations:
    """The organizations known. That there is none is asked again every time."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: WeightedCache[str | OrganizationId, tuple[Organization, float]] = (
            WeightedCache(
                "organizations",
                most_bytes=MOST_BYTES,
                weigh=_weigh,
                is_over=lambda known: monotonic() >= known[1],
            )
        )

    async def find(
        self, key: str | OrganizationId, read: Callable[[], Awaitable[Organization | None]]
    ) -> Organization | None:
        """The organization with this slug or id; read where it is not known."""
        known = self._known.get(key)
        if known is not None and monotonic() < known[1]:
            return known[0]
        found = await read()
        if found is not None:
            self._known.put(key, (found, monotonic() + LIFETIME_SECONDS))
        return found


def _weigh(key: str | OrganizationId, known: tuple[Organization, float]) -> int:
    found = known[0]
    texts = (found.slug, found.name, found.phone, found.email, found.url)
    return _FIXED_BYTES + getsizeof(key) + sum(map(getsizeof, filter(None, texts)))
