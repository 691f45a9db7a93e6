"""Services of which a visit took more than one provider, or seats, when this process last booked
one.

A hint: for a wish that names one of their providers, the others are then chosen at once instead of
after a failed try; for those with seats, an active session is looked for first; and where nothing
is left to choose, the look without locks is left out. The booking is the same either way, so
nothing has to be invalidated.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from app.core.ids import OrganizationId, ResourceId, ServiceId

MOST_BYTES: Final = 1024 * 1024
"""Some 2,000 services."""
LIFETIME_SECONDS: Final = 600.0
"""A service that needs no more is booked by the shorter way after this."""
MOST_FORCED: Final = 8
"""Resources of one service: each makes the entry larger."""
_BYTES: Final = 270
"""The ids of an organization and of a service, a number and a flag."""
_FORCED_BYTES: Final = 120
"""A `Forced` without resources."""
_RESOURCE_BYTES: Final = 100


class Forced(NamedTuple):
    """What a visit takes where so many providers are named: them, and all units of these."""

    how_many: int
    resource_ids: tuple[ResourceId, ...]


class _Seen(NamedTuple):
    until: float
    has_seats: bool
    forced: Forced | None


_NEVER: Final = _Seen(0.0, has_seats=False, forced=None)


def _weigh(_key: object, seen: _Seen) -> int:
    forced = seen.forced
    if forced is None:
        return _BYTES
    return _BYTES + _FORCED_BYTES + _RESOURCE_BYTES * len(forced.resource_ids)


class TakingMore:
    """The services known to take more."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: WeightedCache[tuple[OrganizationId, ServiceId], _Seen] = WeightedCache(
            "services taking more",
            most_bytes=MOST_BYTES,
            weigh=_weigh,
            is_over=lambda seen: monotonic() >= seen.until,
        )

    def add(
        self,
        organization_id: OrganizationId,
        service_id: ServiceId,
        *,
        has_seats: bool = False,
        forced: Forced | None = None,
    ) -> None:
        """A visit of this service was just seen to take more; whether it has seats; and what it
        takes where that leaves no choice.
        """
        seen = _Seen(monotonic() + LIFETIME_SECONDS, has_seats=has_seats, forced=forced)
        self._until.put((organization_id, service_id), seen)

    def has(self, organization_id: OrganizationId, service_id: ServiceId) -> bool:
        """Whether that was seen lately."""
        return self._seen(organization_id, service_id) is not _NEVER

    def has_seats(self, organization_id: OrganizationId, service_id: ServiceId) -> bool:
        """Whether the service was lately seen to have seats."""
        return self._seen(organization_id, service_id).has_seats

    def forced(self, organization_id: OrganizationId, service_id: ServiceId) -> Forced | None:
        """What its visits were lately seen to take without a choice."""
        return self._seen(organization_id, service_id).forced

    def _seen(self, organization_id: OrganizationId, service_id: ServiceId) -> _Seen:
        seen = self._until.get((organization_id, service_id), _NEVER)
        return seen if monotonic() < seen.until else _NEVER
