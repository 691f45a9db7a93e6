"""Sources: what free days are computed from, and how. Nothing here is cached.

A source is a provider's calendar for a service, a resource's calendar, or a service with its needs.
The days of a calendar come in *parts*: one for each shape of visits, and one for each kind of
visits that the calendar's limits count. A service has none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from app.core.free_days import compute_free_days, compute_resource_days, compute_visit_days
from app.core.ids import ServiceId
from app.core.limits import Counted, dates_that_count, instants_that_count, loads
from app.core.needs import Offering
from app.core.party import Party
from app.core.provider import Calendar
from app.core.resource import ResourceCalendar
from app.core.slots import claims_span
from app.core.zones import dates_between
from app.free_times.keys import shape, visits
from app.store.calendars import (
    load_calendars,
    load_claims,
    load_led_claims,
    load_resource_calendars,
)
from app.store.needs import load_offerings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from app.core.free_days import FreeDay
    from app.core.ids import OrganizationId, OwnerId, ResourceId, SubjectId
    from app.core.rules import Rules
    from app.core.slots import Claim
    from app.free_times.calendars import SourceKey
    from app.store.sql import Executor

RULES_MARGIN: Final = timedelta(days=4)
"""Exceptions are read for so many dates around those asked for: a visit of a day may need the hours
of the next two.
"""

YIELD_AFTER: Final = 25
"""Providers computed in a row (some 1 ms) before others get their turn."""

Dated: TypeAlias = Calendar | ResourceCalendar
"""What days are computed from, with claims."""

Source: TypeAlias = Dated | Offering


class ResourceShapes(NamedTuple):
    """A resource, for visits of these shapes (`Rules.shape`): those of the visits' leads."""

    resource_id: ResourceId
    shapes: tuple[Rules, ...]


Wanted: TypeAlias = Party | ResourceShapes | UUID
"""Free days of a provider or of a resource; or the needs of a service, by its id."""


def key_of(wanted: Wanted) -> SourceKey:
    """The source that it is computed from, as `calendars` knows it."""
    if isinstance(wanted, ResourceShapes):
        return wanted.resource_id
    return wanted if isinstance(wanted, Party) else ServiceId(wanted)


def owner_of(wanted: Wanted) -> OwnerId:
    """Whose stamp it counts under."""
    match wanted:
        case Party():
            return wanted.provider_id
        case ResourceShapes():
            return wanted.resource_id
        case _:
            return ServiceId(wanted)


async def load_sources(
    on: Executor,
    organization_id: OrganizationId,
    several: Iterable[Wanted],
    first: date,
    last: date,
) -> dict[SourceKey, Source]:
    """Those that exist, in one statement for each kind, with the exceptions on these dates."""
    found: dict[Any, Source] = {}
    parties: list[Party] = []
    resource_ids: list[ResourceId] = []
    service_ids: list[ServiceId] = []
    for each in several:
        match each:
            case Party():
                parties.append(each)
            case ResourceShapes():
                resource_ids.append(each.resource_id)
            case _:
                service_ids.append(ServiceId(each))
    if parties:
        found.update(await load_calendars(on, organization_id, parties, first, last))
    if resource_ids:
        found.update(await load_resource_calendars(on, organization_id, resource_ids, first, last))
    if service_ids:
        found.update(await load_offerings(on, organization_id, service_ids))
    return found


class Part(NamedTuple):
    """Days of one kind of a calendar, on dates that follow each other."""

    name: str
    """In keys: a shape, or the visits that are counted."""
    dates: Sequence[date]
    rules: Rules
    counts: bool = False
    """Whether they hold visits instead of possible starts."""
    is_led: bool = False
    """Whether only visits count that the provider leads."""


def parts_of(wanted: Wanted, source: Source, dates: Sequence[date]) -> list[Part]:
    """The parts for these dates, in order: a provider's free days, then its visits and those that
    it leads, where limits count them, on all dates of the periods; or a resource's, for each shape.
    """
    match source:
        case Offering():
            return []
        case ResourceCalendar():
            shapes = wanted.shapes if isinstance(wanted, ResourceShapes) else ()
            return [Part(shape(rules), dates, rules) for rules in shapes]
        case Calendar(rules=rules, service=service):
            parts = [Part(shape(rules), dates, rules)]
            if source.limits:
                led_of = None if service is None else service.id
                for limits, of, is_led in (
                    (source.provider.limits, None, False),
                    (source.service_limits, led_of, True),
                ):
                    if limits:
                        several = dates_between(*dates_that_count(limits, dates[0], dates[-1]))
                        parts.append(Part(visits(of), several, rules, counts=True, is_led=is_led))
            return parts


class ClaimsRead(NamedTuple):
    """All of each subject, and those with which providers lead a service that has limits."""

    of_subjects: Mapping[SubjectId, Sequence[Claim]]
    led: Mapping[Party, Sequence[Claim]]


async def load_claims_on(
    on: Executor,
    organization_id: OrganizationId,
    subjects: Iterable[tuple[SubjectId, str, Rules]],
    leads: Iterable[Calendar],
    first: date,
    last: date,
) -> ClaimsRead:
    """The claims that matter for starts on these local dates: of subjects, each with its zone and a
    visit's rules, in one statement; and those that limits of services count for these leads, in
    another one where there are such limits.
    """
    spans = {each: claims_span(each[1], each[2], first, last) for each in subjects}
    of_subjects: Mapping[SubjectId, Sequence[Claim]] = {}
    if spans:
        of_subjects = await load_claims(
            on,
            organization_id,
            list(dict.fromkeys(subject_id for subject_id, _, _ in spans)),
            min(begin for begin, _ in spans.values()),
            max(until for _, until in spans.values()),
        )
    zones = {
        Party(each.provider.id, each.service.id): each.hours.time_zone
        for each in leads
        if each.service is not None and each.service.limits
    }
    instants = [
        interval
        for zone in set(zones.values())
        for interval in instants_that_count(zone, first, last)
    ]
    if not instants:
        return ClaimsRead(of_subjects, {})
    led = await load_led_claims(
        on,
        organization_id,
        list(zones),
        min(begin for begin, _ in instants),
        max(until for _, until in instants),
    )
    return ClaimsRead(of_subjects, led)


def count(
    calendar: Calendar, claims: Iterable[Claim], led: Iterable[Claim], first: date, last: date
) -> Counted:
    """What the calendar's limits count on these dates: of all its claims, and of those led."""
    zone = calendar.hours.time_zone
    return Counted(
        taken=loads(zone, claims, first, last) if calendar.provider.limits else {},
        led=loads(zone, led, first, last) if calendar.service_limits else {},
    )


def compute_part(
    calendar: Dated, part: Part, claims: ClaimsRead, first: date, last: date
) -> dict[date, FreeDay]:
    """The part's days from first to last."""
    hours = calendar.hours
    match calendar:
        case ResourceCalendar(resource=resource):
            units, found = resource.bookable_units, claims.of_subjects[resource.id]
            return compute_resource_days(hours, part.rules, units, found, first, last)
        case Calendar(provider=provider, service=service):
            if not part.counts:
                found = claims.of_subjects[provider.id]
                return compute_free_days(hours, part.rules, found, first, last)
            if part.is_led and service is not None:
                found = claims.led[Party(provider.id, service.id)]
            else:
                found = claims.of_subjects[provider.id]
            return compute_visit_days(hours.time_zone, found, first, last)
