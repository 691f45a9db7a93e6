"""Whom a question about time is about: one value from the request to the caches and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from app.core.ids import ProviderId, ResourceId, ServiceId
    from app.core.rules import Rules


class Party(NamedTuple):
    """A provider, by the rules in force for a service: its own where it has some, else the
    provider's. Without a service, the provider's rules are in force.
    """

    provider_id: ProviderId
    service_id: ServiceId | None = None


class ServiceParty(NamedTuple):
    """A service with all providers named, the first of whom leads; with any of its free providers
    if none is named. It is for a party that takes so many seats.
    """

    service_id: ServiceId
    named: tuple[ProviderId, ...] = ()
    seats: int = 1


class ResourceUse(NamedTuple):
    """A resource, for visits of a shape (`Rules.shape`): that of the visit's lead."""

    resource_id: ResourceId
    shape: Rules
