"""Services of which a visit took more than one provider, or seats, when this process last booked
one.

A hint: a wish for one of their providers is then chosen for at once, instead of after a try that
finds out; and of those with seats, a standing session is looked for first. Either way books the
same, so nothing has to be invalidated.
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
"""The ids of an organization and of a service, a number and a flag."""


class TakingMore:
    """The services known to take more."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: WeightedCache[tuple[OrganizationId, ServiceId], tuple[float, bool]] = (
            WeightedCache(
                "services taking more",
                most_bytes=MOST_BYTES,
                weigh=lambda _key, _seen: _BYTES,
                is_over=lambda seen: monotonic() >= seen[0],
            )
        )

    def add(
        self, organization_id: OrganizationId, service_id: ServiceId, *, has_seats: bool = False
    ) -> None:
        """A visit of this service was just seen to take more; and whether it has seats."""
        self._until.put((organization_id, service_id), (monotonic() + LIFETIME_SECONDS, has_seats))

    def has(self, organization_id: OrganizationId, service_id: ServiceId) -> bool:
        """Whether that was seen lately."""
        return monotonic() < self._seen(organization_id, service_id)[0]

    def has_seats(self, organization_id: OrganizationId, service_id: ServiceId) -> bool:
        """Whether the service was lately seen to have seats."""
        until, has_seats = self._seen(organization_id, service_id)
        return has_seats and monotonic() < until

    def _seen(self, organization_id: OrganizationId, service_id: ServiceId) -> tuple[float, bool]:
        return self._until.get((organization_id, service_id), (0.0, False))
