"""Resources: rooms, chairs, devices. Whatever besides a provider has time that a visit takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.hours import ALWAYS_OPEN, Hours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from app.core.hours import DayException, Span, WeeklyRange
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


def hours_in_force(
    resource: Resource,
    weekly: tuple[WeeklyRange, ...],
    breaks: tuple[WeeklyRange, ...],
    exceptions: Mapping[date, DayException],
    time_off: tuple[Span, ...],
) -> Hours:
    """The hours that the resource keeps: those given, or all of every date, less its time off."""
    if resource.is_always_open:
        return Hours(
            time_zone=resource.time_zone, weekly=ALWAYS_OPEN, exceptions={}, time_off=time_off
        )
    return Hours(
        time_zone=resource.time_zone,
        weekly=weekly,
        breaks=breaks,
        exceptions=exceptions,
        time_off=time_off,
    )
