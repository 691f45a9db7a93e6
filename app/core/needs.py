"""What a service needs for one visit: providers, and units of resources.

A resource is in at most one group of a service, so counting the possible units of each group is
exact: no choice for one group takes anything from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import ProviderId, ResourceId
    from app.core.provider import Service

MOST_SEATS: Final = 1000
"""Largest number of seats that a start of a service can have."""


class Assignment(StrEnum):
    """In which order a service's providers are tried for a visit that names none of them. Ties go
    to the order in which the service names its providers.
    """

    PRIORITY = "PRIORITY"
    """The order in which the service names them."""
    LEAST_BUSY = "LEAST_BUSY"
    """Fewest booked minutes in the ISO week of the start, in each provider's own zone."""
    LONGEST_IDLE = "LONGEST_IDLE"
    """Longest time since this service last assigned them a visit; never assigned comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceGroup:
    """A visit takes `count` units of these resources, the first possible ones in this order.

    `count` is at least 1; `resource_ids` has no duplicates and at least one member.
    """

    name: str
    count: int
    resource_ids: tuple[ResourceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a visit of a service takes."""

    provider_ids: tuple[ProviderId, ...]
    """Those who offer the service, in its order; possibly nobody. The needs of new visits have
    no archived ones.
    """
    providers_needed: int | None = 1
    """How many of them, at least 1; None: all of them."""
    assignment: Assignment = Assignment.PRIORITY
    groups: tuple[ResourceGroup, ...] = ()
    seats: int = 1
    """How many seats a start of the service has, from 1 to `MOST_SEATS`. With more than one, a
    start is a session, which several parties share.
    """

    @property
    def how_many(self) -> int:
        """The number of providers that a visit takes. It may exceed the number of those who
        offer the service; then no visit is possible.
        """
        return len(self.provider_ids) if self.providers_needed is None else self.providers_needed

    def how_many_with(self, named: Sequence[ProviderId]) -> int:
        """The number of providers that a visit takes which takes all of those named: at least one.
        They may be more than the service needs, or no longer offer it, where the visit is moved;
        a service that needs all of its providers then needs these as well.
        """
        if self.providers_needed is None:
            return max(len({*self.provider_ids, *named}), 1)
        return max(self.providers_needed, len(named), 1)

    @property
    def is_plain(self) -> bool:
        """A visit takes one provider and nothing else, and one customer has it alone."""
        return self.how_many == 1 and not self.groups and self.seats == 1

    @property
    def resource_ids(self) -> tuple[ResourceId, ...]:
        """The resources of all groups, in order."""
        return tuple(resource_id for group in self.groups for resource_id in group.resource_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """A service, and what a visit of it takes."""

    service: Service
    needs: Needs
