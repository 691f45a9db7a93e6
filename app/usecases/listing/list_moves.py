"""List moves: where and when an appointment can be moved to, by the law of the move itself.

Its own time counts as free, and whom it has may stay without offering its service any more. Neither
is true of cached days, so all is read from PostgreSQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.admission.gate import RETRY_AFTER_SECONDS
from app.core.booking import Wanted, visit_of
from app.core.free_days import compute_free_days, compute_resource_days
from app.core.lifecycle import refuse_move
from app.core.refusals import InvalidInput, NotFound, TemporarilyUnavailable
from app.core.sentences import say
from app.core.service_starts import service_starts
from app.core.slots import dates_of_viewer
from app.core.validation import NAMED_TWICE, valid_time_zone
from app.core.visits import Candidate, ResourceCandidate, leads_at
from app.core.zones import instant_of
from app.free_times.read import claims_on
from app.store.calendars import claims_of_appointment
from app.usecases.booking.choose_visit import Choices, load_choices
from app.usecases.booking.lock_calendar import Moving
from app.usecases.listing.dates import ZONES_APART, valid_dates
from app.usecases.listing.list_service import service_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from app.core.appointment import Appointment
    from app.core.ids import OrganizationId, ProviderId, SubjectId
    from app.core.rules import Rules
    from app.core.slots import Claim
    from app.core.viewer import Viewer
    from app.core.zones import Minute
    from app.usecases.listing.list_service import Leads, ServiceListed
    from app.usecases.resources import Resources


async def list_moves(
    resources: Resources,
    viewer: Viewer,
    appointment: Appointment,
    named: Sequence[ProviderId],
    first: date,
    last: date,
    time_zone: str,
) -> ServiceListed | None:
    """The starts to which the caller, who sees the appointment, may move it on the dates from first
    to last, inclusive, in the zone; None where they may not move it at all.

    Who was named stays, unless the provider's side names others.
    """
    actor = viewer.actor_on(appointment)
    zone = valid_time_zone("time_zone", time_zone)
    refusal = valid_dates(first, last)
    if refusal is not None:
        return refusal
    if isinstance(zone, InvalidInput):
        return zone
    if len(set(named)) < len(named):
        return InvalidInput(field="provider_ids", message=NAMED_TWICE)
    if named and not actor.is_providers_side:
        return InvalidInput(
            field="provider_ids",
            message=say("Only the provider and administrators name other providers."),
        )
    if refuse_move(appointment, actor, resources.clock(), expected_version=None) is not None:
        return None
    wanted = Wanted(
        tuple(named) or appointment.providers[: appointment.named], appointment.service_id
    )
    found = await moves_on(
        resources, viewer.organization_id, appointment, wanted, first, last, zone
    )
    if not isinstance(found, tuple):
        return found
    choices, leads = found
    some = next(iter(choices.calendars.values()))
    return service_times(
        leads,
        service=some.service,
        duration_minutes=some.rules.duration_minutes,
        time_zone=zone,
        first=first,
        last=last,
    )


async def moves_on(
    resources: Resources,
    organization_id: OrganizationId,
    appointment: Appointment,
    wanted: Wanted,
    first: date,
    last: date,
    zone: str,
) -> tuple[Choices, Leads] | NotFound | InvalidInput | TemporarilyUnavailable:
    """What a move could take, and the starts that are possible for it on these dates at least, each
    with those who can lead it.
    """
    pool = resources.pool
    async with resources.accelerator.gate.place() as admitted:
        if not admitted:
            resources.accelerator.shared.counts.refused += 1
            return TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        own = await claims_of_appointment(pool, organization_id, appointment.id)
        choices = await load_choices(
            pool,
            organization_id,
            wanted,
            first - ZONES_APART,
            until=last + ZONES_APART,
            moving=Moving(appointment, own),
        )
        if not isinstance(choices, Choices):
            return choices
        claims = await claims_on(
            pool,
            organization_id,
            _subjects(choices),
            first - ZONES_APART,
            last + ZONES_APART,
            without=appointment.id,
        )
    now = resources.clock()
    leads = _leads(choices, claims, first, last, zone, now)
    at_its_own = visit_of(own)[0] if own else None
    if at_its_own is not None:
        # There it may stay as it is, whatever the rules are by now.
        leads.pop(at_its_own, None)
        staying = leads_at(
            choices.needs,
            wanted.named,
            {
                each: Candidate(calendar=calendar, claims=claims[each])
                for each, calendar in choices.calendars.items()
            },
            {
                each: ResourceCandidate(calendar=calendar, claims=claims[each])
                for each, calendar in choices.resources.items()
            },
            instant_of(at_its_own),
            now,
            own=own,
        )
        if staying:
            leads = dict(sorted((*leads.items(), (at_its_own, staying))))
    return choices, leads


def _shapes(choices: Choices) -> list[Rules]:
    """Those of visits with any of them as lead, each once."""
    return list(dict.fromkeys(each.rules.shape for each in choices.calendars.values()))


def _subjects(choices: Choices) -> list[tuple[SubjectId, str, Rules]]:
    subjects: list[tuple[SubjectId, str, Rules]] = [
        (each, calendar.hours.time_zone, calendar.rules)
        for each, calendar in choices.calendars.items()
    ]
    return subjects + [
        (each, calendar.hours.time_zone, shape)
        for each, calendar in choices.resources.items()
        for shape in _shapes(choices)
    ]


def _leads(
    choices: Choices,
    claims: Mapping[SubjectId, Sequence[Claim]],
    first: date,
    last: date,
    zone: str,
    now: datetime,
) -> dict[Minute, tuple[ProviderId, ...]]:
    def dates(own_zone: str) -> tuple[date, date]:
        asked = dates_of_viewer(own_zone, zone, first, last)
        return asked.first, asked.last

    return service_starts(
        choices.needs,
        choices.wanted.named,
        {
            each: (
                calendar,
                compute_free_days(
                    calendar.hours, calendar.rules, claims[each], *dates(calendar.hours.time_zone)
                ),
            )
            for each, calendar in choices.calendars.items()
        },
        {
            (each, shape): compute_resource_days(
                calendar.hours,
                shape,
                # An archived one is among them if the appointment has it, and may stay.
                calendar.resource.units,
                claims[each],
                *dates(calendar.hours.time_zone),
            )
            for each, calendar in choices.resources.items()
            for shape in _shapes(choices)
        },
        now,
    )
