"""Services of which a visit took more than one provider when this process last booked one.

A hint: a wish for one of their providers is then chosen for at once, instead of after a try that
finds out. Either way books the same, so nothing has to be invalidated.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from app.core.ids import OrganizationId, ServiceId

MOST_BYTES: Final = 1024 * 1024
"""Some 2,000 services."""
LIFETIME_SECONDS: Final = 600.0
"""A service that needs no more is booked by the shorter way after this."""
_BYTES: Final = 270
"""The ids of an organization and of a service, and a number."""


class TakingMore:
    """The services known to take more."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: WeightedCache[tuple[OrganizationId, ServiceId], float] = WeightedCache(
            "services taking more",
            most_bytes=MOST_BYTES,
            weigh=lambda _key, _until: _BYTES,
            is_over=lambda until: monotonic() >= until,
        )

    def add(self, organization_id: OrganizationId, service_id: ServiceId) -> None:
        """A visit of this service was just seen to take more."""
        self._until.put((organization_id, service_id), monotonic() + LIFETIME_SECONDS)

    def has(self, organization_id: OrganizationId, service_id: ServiceId) -> bool:
        """Whether that was seen lately."""
        return monotonic() < self._until.get((organization_id, service_id), 0.0)
