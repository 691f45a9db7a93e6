"""List moves: where and when appointments can be moved to, by the law of the move itself.

An appointment's own time counts as free, and whom it has may stay without offering its service any
more. Neither is true of cached days, so all is read from PostgreSQL: the same number of statements
for any number of appointments.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from app.admission.gate import RETRY_AFTER_SECONDS
from app.core.booking import Wanted, visit_of
from app.core.free_days import compute_free_days, compute_resource_days
from app.core.lifecycle import refuse_move
from app.core.limits import dates_that_count, full_for
from app.core.listed import ListedStarts
from app.core.party import Party
from app.core.refusals import InvalidInput, NotFound, TemporarilyUnavailable
from app.core.seating import OwnSeats, SeatsTaken, rooms_of
from app.core.sentences import say
from app.core.service_starts import seated_starts, service_starts
from app.core.slots import dates_of_viewer
from app.core.validation import NAMED_TWICE, valid_seats, valid_time_zone
from app.core.visits import Candidate, ResourceCandidate, Start
from app.core.zones import DAY_MINUTES, dates_between, day_number, instant_of, local_date
from app.free_times.sources import RULES_MARGIN, ClaimsRead, count, load_claims_on
from app.store.calendars import (
    claims_of_appointments,
    load_calendars,
    load_resource_calendars,
)
from app.store.needs import load_needs
from app.store.sessions import active_sessions, sessions_by_id
from app.usecases.booking.choose_visit import candidates_for, needs_for
from app.usecases.listing.dates import ZONES_APART, valid_dates
from app.usecases.listing.list_service import service_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from app.core.appointment import Appointment
    from app.core.booking import Claims
    from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId, SessionId, SubjectId
    from app.core.lifecycle import Actor
    from app.core.limits import Counted, FullDates
    from app.core.needs import Needs
    from app.core.provider import Calendar
    from app.core.refusals import InvalidDateRange
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.core.slots import Claim
    from app.usecases.listing.list_service import ServiceListed
    from app.usecases.resources import Resources


class MoveQuestion(NamedTuple):
    """Where an actor can move an appointment to, on the dates from first to last, inclusive, in a
    zone, with so many seats (None: as many as it has). Who was named stays, unless the provider's
    side names others.
    """

    appointment: Appointment
    actor: Actor
    named: tuple[ProviderId, ...]
    first: date
    last: date
    time_zone: str
    seats: int | None = None

    @property
    def wanted(self) -> Wanted:
        """The wish of such a move."""
        appointment = self.appointment
        kept = appointment.providers[: appointment.named]
        seats = appointment.seats if self.seats is None else self.seats
        return Wanted(self.named or kept, appointment.service_id, seats)


class Moves(NamedTuple):
    """The starts that an appointment can be moved to, on the dates asked for at least."""

    calendars: Mapping[ProviderId, Calendar]
    listed: ListedStarts


async def list_moves(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[MoveQuestion]
) -> list[ServiceListed | None]:
    """The answer to each question, in order; None where the actor may not move the appointment at
    all.
    """
    now = resources.clock()
    refusals = {question: _refuse(question) for question in questions}
    asked = [
        question
        for question, refusal in refusals.items()
        if refusal is None
        and refuse_move(question.appointment, question.actor, now, expected_version=None) is None
    ]
    found = await find_moves(resources, organization_id, asked)
    return [
        refusals[question] or (_listed(question, found[question]) if question in found else None)
        for question in questions
    ]


def _refuse(question: MoveQuestion) -> InvalidDateRange | InvalidInput | None:
    refusal = valid_dates(question.first, question.last)
    if refusal is not None:
        return refusal
    zone = valid_time_zone("time_zone", question.time_zone)
    if isinstance(zone, InvalidInput):
        return zone
    seats = valid_seats(question.wanted.seats)
    if isinstance(seats, InvalidInput):
        return seats
    if len(set(question.named)) < len(question.named):
        return InvalidInput(field="provider_ids", message=NAMED_TWICE)
    if question.named and not question.actor.is_providers_side:
        return InvalidInput(
            field="provider_ids",
            message=say("Only the provider, reception and administrators name other providers."),
        )
    return None


def _listed(
    question: MoveQuestion, found: Moves | NotFound | InvalidInput | TemporarilyUnavailable
) -> ServiceListed:
    if not isinstance(found, Moves):
        return found
    some = next(iter(found.calendars.values()))
    return service_times(
        found.listed,
        service=some.service,
        time_zone=question.time_zone,
        first=question.first,
        last=question.last,
    )


# ---------------------------------------------------------------- reading


class _Choices(NamedTuple):
    """What a move could take, and what the appointment has: claims, or seats in a session. The
    other `sessions` are those of the service on these dates.
    """

    needs: Needs
    calendars: Mapping[ProviderId, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]
    own: Claims | OwnSeats
    sessions: Sequence[ActiveSession]

    @property
    def shapes(self) -> list[Rules]:
        """Those of visits with any of them as lead, each once."""
        return list(dict.fromkeys(each.rules.shape for each in self.calendars.values()))

    @property
    def subjects(self) -> list[tuple[SubjectId, str, Rules]]:
        """Whose claims matter, in which zone and by which rules."""
        subjects: list[tuple[SubjectId, str, Rules]] = [
            (each, calendar.hours.time_zone, calendar.rules)
            for each, calendar in self.calendars.items()
        ]
        return subjects + [
            (each, calendar.hours.time_zone, shape)
            for each, calendar in self.resources.items()
            for shape in self.shapes
        ]


async def find_moves(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[MoveQuestion]
) -> dict[MoveQuestion, Moves | NotFound | InvalidInput | TemporarilyUnavailable]:
    """The times each of these appointments can be moved to now. Does not check who may move it."""
    if not questions:
        return {}
    async with resources.accelerator.gate.place() as admitted:
        if not admitted:
            resources.accelerator.shared.counts.refused += 1
            busy = TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
            return dict.fromkeys(questions, busy)
        choices = await _load_choices(resources, organization_id, questions)
        known = {each: one for each, one in choices.items() if isinstance(one, _Choices)}
        calendars = list(chain.from_iterable(each.calendars.values() for each in known.values()))
        dates = dates_that_count(
            [limit for each in calendars for limit in each.limits],
            min(each.first for each in questions) - ZONES_APART,
            max(each.last for each in questions) + ZONES_APART,
        )
        place = (resources.pool, organization_id)
        subjects = list(chain.from_iterable(each.subjects for each in known.values()))
        claims = await load_claims_on(*place, subjects, calendars, *dates)
    now = resources.clock()
    return {
        question: _moves(question, one, claims, dates, now) if isinstance(one, _Choices) else one
        for question, one in choices.items()
    }


async def _load_choices(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[MoveQuestion]
) -> dict[MoveQuestion, _Choices | NotFound | InvalidInput]:
    place = (resources.pool, organization_id)
    first = min(each.first for each in questions) - ZONES_APART - RULES_MARGIN
    last = max(each.last for each in questions) + ZONES_APART + RULES_MARGIN
    own = await claims_of_appointments(*place, [each.appointment.id for each in questions])
    service_ids = {each.wanted.service_id for each in questions} - {None}
    of_services = await load_needs(
        *place, [each for each in service_ids if each is not None], with_archived=True
    )
    needs = {each: needs_for(each.wanted, of_services, each.appointment) for each in questions}
    parties = {
        each: [
            Party(provider_id, each.wanted.service_id)
            for provider_id in candidates_for(found, each.wanted, each.appointment.providers)
        ]
        for each, found in needs.items()
        if not isinstance(found, NotFound | InvalidInput)
    }
    calendars = await load_calendars(
        *place,
        list(dict.fromkeys(chain.from_iterable(parties.values()))),
        first,
        last,
        with_withdrawn=True,
    )
    sessions = await _load_sessions(resources, organization_id, questions, of_services)
    own_ids = {each.appointment.session_id for each in questions} - {None}
    own_sessions = await sessions_by_id(*place, [each for each in own_ids if each is not None])
    resource_ids = rooms_of(
        chain.from_iterable(each.resource_ids for each in of_services.values()),
        chain.from_iterable(sessions.values()),
    )
    rooms = await load_resource_calendars(*place, resource_ids, first, last)
    choices: dict[MoveQuestion, _Choices | NotFound | InvalidInput] = {}
    for question, found in needs.items():
        if isinstance(found, NotFound | InvalidInput):
            choices[question] = found
            continue
        appointment = question.appointment
        here = [] if appointment.service_id is None else sessions.get(appointment.service_id, [])
        session = _own_seats(appointment, own_sessions)
        claimed = own[appointment.id] if session is None else session.session.claims
        choices[question] = _Choices(
            needs=found,
            calendars={
                party.provider_id: calendars[party].for_new_time
                for party in parties[question]
                if party in calendars
            },
            resources={
                each: rooms[each]
                for each in rooms_of(found.resource_ids, here if found.seats > 1 else ())
                # An archived one may stay.
                if each in rooms and (not rooms[each].resource.is_archived or each in claimed)
            },
            own=claimed if session is None else session,
            sessions=[each for each in here if session is None or each.id != session.session.id],
        )
    return choices


async def _load_sessions(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[MoveQuestion],
    needs: Mapping[ServiceId, Needs],
) -> dict[ServiceId, list[ActiveSession]]:
    """The sessions around these dates, of services with seats."""
    service_ids = [each for each, found in needs.items() if found.seats > 1]
    if not service_ids:
        return {}
    first = day_number(min(each.first for each in questions) - ZONES_APART)
    last = day_number(max(each.last for each in questions) + ZONES_APART)
    return await active_sessions(
        resources.pool,
        organization_id,
        service_ids,
        instant_of(first * DAY_MINUTES),
        instant_of((last + 1) * DAY_MINUTES),
    )


def _own_seats(
    appointment: Appointment, sessions: Mapping[SessionId, ActiveSession]
) -> OwnSeats | None:
    """The appointment's seats in one of these sessions, and the other parties there; None where it
    has none.
    """
    if appointment.session_id is None or appointment.session_id not in sessions:
        return None
    session = sessions[appointment.session_id]
    parties = list(session.parties)
    party = SeatsTaken(appointment.seats)
    # It may have moved since it was read.
    if party in parties:
        parties.remove(party)
    return OwnSeats(session=replace(session, parties=tuple(parties)), seats=appointment.seats)


# ---------------------------------------------------------------- deciding


def _moves(
    question: MoveQuestion,
    choices: _Choices,
    seen: ClaimsRead,
    dates: tuple[date, date],
    now: datetime,
) -> Moves:
    """Where it can be moved to; all claims on these dates, from the first to the last, were
    seen.
    """
    own = choices.own.claims(now) if isinstance(choices.own, OwnSeats) else choices.own
    # No two claims on a unit overlap, so its own are recognized by what they are.
    subjects: tuple[SubjectId, ...] = (*choices.calendars, *choices.resources)
    claims = {
        each: [claim for claim in seen.of_subjects[each] if claim not in own.get(each, ())]
        for each in subjects
    }
    led = {
        each: [
            claim
            for claim in seen.led.get(Party(each, question.wanted.service_id), ())
            if claim not in own.get(each, ())
        ]
        for each in choices.calendars
    }
    counted = {
        each: count(calendar, claims[each], led[each], *dates)
        for each, calendar in choices.calendars.items()
        if calendar.limits
    }
    needs, wanted = choices.needs, question.wanted
    seated = seated_starts(
        _leads(question, choices, own, claims, counted, now),
        needs,
        wanted.named,
        choices.calendars,
        choices.resources,
        now,
        seats=wanted.seats,
        sessions=choices.sessions,
    )
    leads, joinable = dict(seated.leads), dict(seated.joinable)
    before = choices.own.session.claims if isinstance(choices.own, OwnSeats) else own
    if before:
        # At its own start it may stay as it is, whatever the rules are by now.
        start = visit_of(before)[0]
        leads.pop(start, None)
        joinable.pop(start, None)
        at_start = Start(
            needs,
            wanted.named,
            {
                each: Candidate(
                    calendar=calendar,
                    claims=claims[each],
                    led=led[each],
                    leads_own=each == question.appointment.provider_id,
                )
                for each, calendar in choices.calendars.items()
            },
            {
                each: ResourceCandidate(calendar=calendar, claims=claims[each])
                for each, calendar in choices.resources.items()
            },
            instant_of(start),
            now,
            own=choices.own,
            seats=wanted.seats,
            sessions=choices.sessions,
        )
        staying = at_start.possible_leads()
        has_seats = needs.seats > 1 or isinstance(choices.own, OwnSeats)
        at = at_start.seats_left() if has_seats else None
        if staying:
            leads = dict(sorted((*leads.items(), (start, staying))))
        if at is not None:
            joinable[start] = at
    some = next(iter(choices.calendars.values()))
    return Moves(
        choices.calendars,
        ListedStarts(
            leads=leads,
            duration_minutes=some.rules.duration_minutes,
            seats=needs.seats,
            joinable=joinable,
        ),
    )


def _leads(
    question: MoveQuestion,
    choices: _Choices,
    own: Claims,
    claims: Mapping[SubjectId, Sequence[Claim]],
    counted: Mapping[ProviderId, Counted],
    now: datetime,
) -> dict[int, tuple[ProviderId, ...]]:
    def dates(zone: str) -> tuple[date, date]:
        asked = dates_of_viewer(zone, question.time_zone, question.first, question.last)
        return asked.first, asked.last

    def full(each: ProviderId) -> FullDates:
        calendar = choices.calendars[each]
        zone = calendar.hours.time_zone
        before = None
        if each in own:
            start, end = visit_of(own)
            before = local_date(zone, start), end - start
        return full_for(
            calendar,
            counted[each],
            dates_between(*dates(zone)),
            now,
            taken_before=before,
            led_before=before if each == question.appointment.provider_id else None,
        )

    return service_starts(
        choices.needs,
        question.wanted.named,
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
                calendar.resource.bookable_units,
                claims[each],
                *dates(calendar.hours.time_zone),
            )
            for each, calendar in choices.resources.items()
            for shape in choices.shapes
        },
        now,
        {each: full(each) for each in counted},
    )
