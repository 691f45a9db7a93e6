"""Resources: rooms, chairs, devices. Whatever besides a provider has time that a visit takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.core.hours import ALWAYS_OPEN

if TYPE_CHECKING:
    from app.core.hours import Hours
    from app.core.ids import ResourceId

MOST_UNITS: Final = 1000
"""Largest number of identical units of one resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """So many identical units (1 to `MOST_UNITS`), numbered from 1, each with time of its own.

    `kind` is a word of the organization, such as `room`. Hours, breaks and exceptions of a resource
    that is always open are kept and have no effect; time off has one. `external_id` is the
    organization's own id.
    """

    id: ResourceId
    name: str
    kind: str
    time_zone: str
    units: int = 1
    is_always_open: bool = True
    is_archived: bool = False
    external_id: str | None = None

    @property
    def bookable_units(self) -> int:
        """How many units a new visit may choose from: none of an archived resource."""
        return 0 if self.is_archived else self.units


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceCalendar:
    """A resource and the hours that every unit of it keeps."""

    resource: Resource
    hours: Hours


def hours_in_force(kept: Hours, *, is_always_open: bool) -> Hours:
    """The hours that a resource keeps: those that are stored for it, or all of every date; less its
    time off.
    """
    if is_always_open:
        return replace(kept, weekly=ALWAYS_OPEN, breaks=(), exceptions={})
    return kept
