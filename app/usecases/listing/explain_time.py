"""Explain a time: every reason why an instant can't be booked right now, or none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from app.core.ids import ProviderId
from app.core.limits import dates_that_count
from app.core.needs import Needs
from app.core.party import Party
from app.core.refusals import NotFound
from app.core.seating import Join, rooms_of
from app.core.slots import UnbookableReason
from app.core.visits import Candidate, ResourceCandidate, Start, Visit
from app.core.zones import local_date, minute_at_or_after, minute_of, nearest_supported_date
from app.free_times.sources import RULES_MARGIN, load_claims_on
from app.store.busy import busy_sources_at
from app.store.calendars import load_calendars, load_resource_calendars
from app.store.needs import load_needs
from app.store.sessions import active_sessions
from app.usecases.listing.count_visits import load_led

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from app.core.busy import BusySource
    from app.core.ids import OrganizationId, ResourceId, ServiceId, SubjectId
    from app.core.provider import Calendar, Provider
    from app.core.resource import Resource, ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.core.zones import Interval
    from app.store.sql import Executor
    from app.usecases.resources import Resources


class MemberReasons(NamedTuple):
    """Everything against taking this provider or resource; nothing where a visit could. The source
    is the first one that keeps them busy then, where BUSY_ELSEWHERE is a reason.
    """

    who: Provider | Resource
    reasons: tuple[UnbookableReason, ...]
    busy_source: BusySource | None = None


class Explanation(NamedTuple):
    """Why an instant can't be booked, in the contract's order, empty where it can; and the reasons
    of everybody and everything that the visit could take.
    """

    reasons: tuple[UnbookableReason, ...]
    members: tuple[MemberReasons, ...]


class _Candidates(NamedTuple):
    needs: Needs
    providers: Mapping[ProviderId, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]
    sessions: Sequence[ActiveSession] = ()
    """Those of a service with seats that start at this instant."""


async def explain_time(
    resources: Resources,
    organization_id: OrganizationId,
    provider_id: ProviderId | None,
    service_id: ServiceId | None,
    starts_at: datetime,
    seats: int = 1,
) -> Explanation | NotFound:
    """Of a provider, of a service with any free provider, or of a service with a given lead, for a
    party of so many seats: by the same pure functions that decide over bookings.
    """
    # Outside the supported years nobody keeps hours, but who is asked about must exist all the
    # same.
    around = nearest_supported_date(starts_at.date())
    named = () if provider_id is None else (provider_id,)
    found = await _candidates(resources.pool, organization_id, named, service_id, around, starts_at)
    if isinstance(found, NotFound):
        return found
    if around != starts_at.date():
        past = starts_at < resources.clock()
        reasons = (UnbookableReason.IN_THE_PAST if past else UnbookableReason.BEYOND_HORIZON,)
        everybody = (each.provider for each in found.providers.values())
        return Explanation(reasons, tuple(MemberReasons(each, reasons) for each in everybody))
    first, last = _dates_around(found, starts_at)
    limits = [limit for each in found.providers.values() for limit in each.provider.limits]
    dates = dates_that_count(limits, first, last)
    claims, _ = await load_claims_on(resources.pool, organization_id, _subjects(found), (), *dates)
    led = await load_led(resources.pool, organization_id, found.providers.values(), [starts_at])
    start = Start(
        found.needs,
        named,
        {
            each: Candidate(calendar=calendar, claims=claims[each], led=led.get(each, ()))
            for each, calendar in found.providers.items()
        },
        {
            each: ResourceCandidate(calendar=calendar, claims=claims[each])
            for each, calendar in found.resources.items()
        },
        starts_at,
        resources.clock(),
        seats=seats,
        sessions=found.sessions,
    )
    visit = start.decide()
    who: dict[SubjectId, Provider | Resource] = {
        each: calendar.provider for each, calendar in found.providers.items()
    }
    who |= {each: calendar.resource for each, calendar in found.resources.items()}
    members = start.members()
    busy = [each for each, reasons in members if UnbookableReason.BUSY_ELSEWHERE in reasons]
    sources: Mapping[SubjectId, BusySource] = {}
    if busy:
        of_resources = start.rules_for_resources()
        rules = {each: calendar.rules for each, calendar in found.providers.items()}
        sources = await busy_sources_at(
            resources.pool,
            organization_id,
            {each: _reach(rules.get(ProviderId(each), of_resources), starts_at) for each in busy},
        )
    return Explanation(
        () if isinstance(visit, Join | Visit) else visit,
        tuple(MemberReasons(who[each], reasons, sources.get(each)) for each, reasons in members),
    )


def _reach(rules: Rules, starts_at: datetime) -> Interval:
    """The visit there, with its buffers."""
    return (
        minute_of(starts_at) - rules.buffer_before_minutes,
        minute_at_or_after(starts_at) + rules.duration_minutes + rules.buffer_after_minutes,
    )


async def _candidates(
    on: Executor,
    organization_id: OrganizationId,
    named: tuple[ProviderId, ...],
    service_id: ServiceId | None,
    around: date,
    starts_at: datetime,
) -> _Candidates | NotFound:
    needs = Needs(provider_ids=named)
    if service_id is not None:
        found = (await load_needs(on, organization_id, [service_id])).get(service_id)
        if found is None:
            return NotFound(what="service")
        needs = found
    parties = [Party(each, service_id) for each in dict.fromkeys((*named, *needs.provider_ids))]
    first, last = around - RULES_MARGIN, around + RULES_MARGIN
    calendars = await load_calendars(on, organization_id, parties, first, last)
    providers = {each.provider_id: calendar for each, calendar in calendars.items()}
    if not providers.keys() >= set(named):
        return NotFound(what="provider" if service_id is None else "provider with this service")
    sessions: Sequence[ActiveSession] = ()
    if service_id is not None and needs.seats > 1:
        until = starts_at + timedelta(microseconds=1)
        several = await active_sessions(on, organization_id, [service_id], starts_at, until)
        sessions = several[service_id]
    resource_ids = rooms_of(needs.resource_ids, sessions)
    if not resource_ids:
        return _Candidates(needs, providers, {}, sessions)
    rooms = await load_resource_calendars(on, organization_id, resource_ids, first, last)
    return _Candidates(needs, providers, rooms, sessions)


def _subjects(found: _Candidates) -> list[tuple[SubjectId, str, Rules]]:
    """Whose claims matter: those of resources by the rules of any lead."""
    subjects: list[tuple[SubjectId, str, Rules]] = [
        (each, calendar.hours.time_zone, calendar.rules)
        for each, calendar in found.providers.items()
    ]
    shapes = dict.fromkeys(each.rules.shape for each in found.providers.values())
    return subjects + [
        (each, calendar.hours.time_zone, shape)
        for each, calendar in found.resources.items()
        for shape in shapes
    ]


def _dates_around(found: _Candidates, starts_at: datetime) -> tuple[date, date]:
    """The dates that everybody's clock reads then."""
    zones = {each.hours.time_zone for each in found.providers.values()}
    zones |= {each.hours.time_zone for each in found.resources.values()}
    dates = [local_date(zone, minute_of(starts_at)) for zone in zones] or [starts_at.date()]
    return min(dates), max(dates)
