"""Locations: where visits take place, and how to reach the practice there.

A visit is where its service says; where that says nothing, where its lead provider does. What the
place says about reaching the practice goes before what the organization says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.core.ids import LocationId
    from app.core.provider import Organization, Provider, Service

MOST_LOCATIONS: Final = 200
"""Of one organization, archived ones included: they are listed whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place of the practice. `directions` say how to find it; `time_zone` is the one it lies in.

    An archived one is given to no provider or service any more; those that have it keep it.
    `external_id` is the organization's own id.
    """

    id: LocationId
    name: str
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    url: str | None = None
    directions: str | None = None
    time_zone: str | None = None
    is_archived: bool = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """How customers reach the practice. `phone` is in E.164 form."""

    phone: str | None = None
    email: str | None = None
    url: str | None = None


NOT_SAID: Final = Reachable()
"""The practice says nothing of how to reach it."""


def location_of_visit(service: Service | None, lead: Provider) -> LocationId | None:
    """Where a visit for this service, led by this provider, takes place; None where nobody says."""
    if service is not None and service.location_id is not None:
        return service.location_id
    return lead.location_id


def reachable(organization: Organization, location: Location | None) -> Reachable:
    """How to reach the practice about a visit at this location."""
    there = location or NOT_SAID
    return Reachable(
        phone=there.phone or organization.phone,
        email=there.email or organization.email,
        url=there.url or organization.url,
    )
