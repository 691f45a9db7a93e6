"""Whom and what a visit of a service takes, at one start: its lead, other providers, and units of
resources.

Everything rests on whether the start is *possible* for a subject. For a provider, `explain` finds
no reason against it, the grid left out, and no limit of the provider's is reached. For a unit of a
resource, the visit lies in the resource's open time and, with the lead's buffers, overlaps no claim
on that unit and no busy time of the resource; notice and horizon play no part. A start can be
booked if a provider can *lead* (it is possible, on that provider's grid, and no limit of the
service's is reached) and enough other providers and units are possible. Each group is counted for
itself, since no subject is in two of them.

Where the service has seats, the start is a session (`app.core.seating`). An active one is joined
if it matches the wish, can be joined and has as many seats left as the party takes; of several, the
fullest. Only if there is none, a new one is made, as above.

A move counts the appointment's own claims as free. Where it keeps the start, grid, notice and
horizon play no part, and a claim that stays as it is is not checked again. The claims of a session
are the moving appointment's own if nobody else has seats in it. At its own start the appointment
stays in its session if it can; then only the number of seats is checked.

What staff set aside (`app.core.overrides`) is no reason against a start; nobody else's bookings,
and no listing, are asked with an override.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from app.core.booking import claim_for, refuse_duration, visit_of
from app.core.limits import is_full
from app.core.needs import Assignment, Needs
from app.core.overrides import NO_OVERRIDE
from app.core.refusals import SlotUnavailable
from app.core.seating import Join, OwnSeats, SeatsAt, why_not_join
from app.core.slots import (
    EVERY_UNIT,
    UnbookableReason,
    explain,
    in_order,
    why_not_free,
    why_not_open,
)
from app.core.zones import instant_of, minute_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from app.core.booking import Claims
    from app.core.ids import ProviderId, ResourceId, SubjectId
    from app.core.limits import BookingLimit
    from app.core.needs import ResourceGroup
    from app.core.overrides import Override
    from app.core.provider import Calendar
    from app.core.refusals import InvalidInput
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.core.slots import Claim


_GRID: Final = frozenset({UnbookableReason.NOT_ON_GRID})
_OF_THE_START: Final = _GRID | {
    UnbookableReason.IN_THE_PAST,
    UnbookableReason.TOO_SHORT_NOTICE,
    UnbookableReason.BEYOND_HORIZON,
}
"""Reasons that play no part in a move that keeps the start."""
_NO_SEATS: Final = frozenset({UnbookableReason.NO_SEATS_LEFT})
_LIMIT: Final = frozenset({UnbookableReason.LIMIT_REACHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A provider whom the visit could take, by the rules in force for the service.

    `claims` are all that could be in the visit's way, and where the provider has limits, all that
    count in a period of the start. `led` are those that count for the service's limits, where it
    has some. Both are without the moving appointment's own; `leads_own` is whether they lead that
    appointment. `booked_minutes` counts for LEAST_BUSY only, `last_assigned_at` for LONGEST_IDLE
    only: None if the service never assigned them.
    """

    calendar: Calendar
    claims: Sequence[Claim] = ()
    led: Sequence[Claim] = ()
    leads_own: bool = False
    booked_minutes: int = 0
    last_assigned_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceCandidate:
    """A resource of which the visit could take units; `claims` are those on any of its units. Of an
    archived one, and beyond the number of units, only a claim that stays as it is can be had.
    """

    calendar: ResourceCalendar
    claims: Sequence[Claim] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a visit takes. `providers` has the lead first; the first `named` of them were named, in
    this order, the others assigned. `claims` are on all of it.
    """

    lead: ProviderId
    providers: tuple[ProviderId, ...]
    named: int
    units: tuple[tuple[ResourceId, int], ...]
    claims: Claims


class Member(NamedTuple):
    """Whom or what a visit could take, and every reason why it can't take them: none if it can.
    Those of a provider are the reasons against leading it.
    """

    subject_id: SubjectId
    reasons: tuple[UnbookableReason, ...]


def _in_the_services_order(
    needs: Needs, candidates: Mapping[ProviderId, Candidate]
) -> list[ProviderId]:
    order = [each for each in needs.provider_ids if each in candidates]
    return order + [each for each in candidates if each not in needs.provider_ids]


def _in_order_of_assignment(
    needs: Needs, candidates: Mapping[ProviderId, Candidate]
) -> list[ProviderId]:
    order = _in_the_services_order(needs, candidates)
    match needs.assignment:
        case Assignment.PRIORITY:
            return order
        case Assignment.LEAST_BUSY:
            return sorted(order, key=lambda each: candidates[each].booked_minutes)
        case Assignment.LONGEST_IDLE:
            never = [each for each in order if candidates[each].last_assigned_at is None]
            before = [
                (at, each)
                for each in order
                if (at := candidates[each].last_assigned_at) is not None
            ]
            return never + [each for _, each in sorted(before, key=lambda pair: pair[0])]
        case _:
            assert_never(needs.assignment)


class _Session(NamedTuple):
    """An active session that matches the wish, how large a party may join it, and why none may, by
    subject.
    """

    session: ActiveSession
    left: int
    against: Mapping[SubjectId, frozenset[UnbookableReason]]


def _as_named(named: ProviderId, session: _Session) -> frozenset[UnbookableReason]:
    """Why nobody may join it, as said to who names this provider."""
    found = session.against.get(named, frozenset())
    if any(each != named for each in session.against if each in session.session.providers):
        found |= {UnbookableReason.NOBODY_FREE}
    if any(each not in session.session.providers for each in session.against):
        found |= {UnbookableReason.RESOURCE_TAKEN}
    return found


def _beside(
    own: OwnSeats,
    candidates: Mapping[ProviderId, Candidate],
    resources: Mapping[ResourceId, ResourceCandidate],
    now: datetime,
) -> tuple[dict[ProviderId, Candidate], dict[ResourceId, ResourceCandidate]]:
    """The same with the claims of the session that an appointment leaves, if others stay there, and
    else without. No two claims on a unit overlap, so they are recognized by what they are.
    """
    session = own.session
    stays = bool(session.taken(now))

    def seen(subject_id: SubjectId, claims: Sequence[Claim]) -> Sequence[Claim]:
        own_claims = session.claims.get(subject_id, ())
        others = [each for each in claims if each not in own_claims]
        return [*others, *own_claims] if stays else others

    found = {
        each: replace(candidate, claims=seen(each, candidate.claims))
        for each, candidate in candidates.items()
    }
    lead = session.providers[0]
    if lead in found:
        found[lead] = replace(found[lead], led=seen(lead, found[lead].led))
    return found, {
        each: replace(candidate, claims=seen(each, candidate.claims))
        for each, candidate in resources.items()
    }


class Start:
    """A start of a service, to decide upon for one wish.

    The first of those `named` leads, and all of them are taken, even if the service needs fewer by
    now. Each further provider is the first possible one in the order of the service's assignment;
    so is the lead where nobody is named. Everybody named is among `candidates`. Candidates whom the
    service does not name (any more) come after those whom it does. Only those in `candidates` and
    `resources` are taken, so a decision can be restricted to what is locked.

    `own` is what the appointment that moves has, if one does: its claims, or its seats in a
    session. Whether the claims of that session are among those of the candidates plays no part.

    The party takes so many `seats`, at least 1: all of them in one of the `sessions`, of this
    service, or in a new one. Only a session all of whose providers and resources are among
    `candidates` and `resources` is joined, and only one that starts at this instant.

    What the `override` sets aside is no reason. Without `heeds_limits`, no limit is reached.

    Each provider, and each resource by each lead's rules, is looked at once, and only when somebody
    asks.
    """

    def __init__(
        self,
        needs: Needs,
        named: Sequence[ProviderId],
        candidates: Mapping[ProviderId, Candidate],
        resources: Mapping[ResourceId, ResourceCandidate],
        starts_at: datetime,
        now: datetime,
        *,
        own: Claims | OwnSeats | None = None,
        seats: int = 1,
        sessions: Iterable[ActiveSession] = (),
        override: Override = NO_OVERRIDE,
        heeds_limits: bool = True,
    ) -> None:
        self._own_seats = own if isinstance(own, OwnSeats) else None
        if self._own_seats is not None:
            candidates, resources = _beside(self._own_seats, candidates, resources, now)
        self._everything = (needs, named, candidates, resources, starts_at, now)
        self._given = own
        self._seats = seats
        self._override = override
        self._heeds_limits = heeds_limits
        self._needs = needs
        self._named = tuple(named)
        self._candidates = candidates
        self._resources = resources
        self._starts_at = starts_at
        self._now = now
        self._own: Claims = own.claims(now) if isinstance(own, OwnSeats) else own or {}
        before = own.session.claims if isinstance(own, OwnSeats) else self._own
        self._keeps_start = bool(before) and instant_of(visit_of(before)[0]) == starts_at
        self._order = _in_order_of_assignment(needs, candidates)
        self._sessions = self._in_order_of_preference(sessions)
        self._against: dict[ProviderId, frozenset[UnbookableReason]] = {}
        self._units: dict[Rules, tuple[tuple[ResourceId, int], ...] | None] = {}

    # ------------------------------------------------------------ what is decided

    def decide(self) -> Join | Visit | tuple[UnbookableReason, ...]:
        """What a visit at this start takes, or every reason why it can't be had, in the contract's
        order.

        Where one provider is named, the reasons against the start are theirs; otherwise NOBODY_FREE
        replaces all reasons of providers, and LIMIT_REACHED is added if there were enough of them
        without their limits. RESOURCE_TAKEN is given where no lead, or failing that no provider at
        all, can have the units that the service needs, or where one provider is named and their
        session can't keep its units. NO_SEATS_LEFT is given alone.
        """
        return self._taken() or self._refusal()

    def possible_leads(self) -> tuple[ProviderId, ...]:
        """With whom as lead the start can be booked, in the service's order; nobody if, and only
        if, `decide` refuses it.
        """
        found: set[ProviderId] = set()
        if self._seats <= self._needs.seats:
            found = {lead for lead in self._leads() if self._completed(lead) is not None}
        found |= {session.providers[0] for session in self._joinable()}
        order = _in_the_services_order(self._needs, self._candidates)
        return tuple(each for each in order if each in found)

    def seats_left(self) -> SeatsAt | None:
        """The largest party that finds room here with this wish, and when the visit of this party
        ends; None if, and only if, `decide` refuses it.
        """
        taken = self._taken()
        if taken is None:
            return None
        left = [each.left for each in self._sessions if not each.against]
        if any(self._completed(lead) is not None for lead in self._leads()):
            left.append(self._needs.seats)
        return SeatsAt(max(left, default=0), visit_of(taken.claims)[1])

    def members(self) -> tuple[Member, ...]:
        """The reasons of every provider and resource that the service could take, in its order.

        A resource has reasons if none of its units is possible, by `rules_for_resources`. The lead
        of a session that takes the party has no reasons, and neither have its resources;
        NO_SEATS_LEFT is the only one of a lead whose session lacks nothing but seats.
        """
        order = _in_the_services_order(self._needs, self._candidates)
        members = [Member(each, in_order(self.reasons(each))) for each in order]
        if order:
            rules = self.rules_for_resources()
            members += [
                Member(each, in_order(self._reasons_of_resource(each, rules)))
                for each in self._needs.resource_ids
                if each in self._resources
                and not self._resources[each].calendar.resource.is_archived
            ]
        in_sessions = self._reasons_in_sessions()
        return tuple(
            Member(each, in_order(in_sessions.get(each, reasons))) for each, reasons in members
        )

    def rules_for_resources(self) -> Rules:
        """By which provider's rules `members` asks about resources: by those of the first who is
        named, else of the first who can lead, else of the first. There is at least one.
        """
        order = _in_the_services_order(self._needs, self._candidates)
        lead = self._named[0] if self._named else next(self._leads(), order[0])
        return self._candidates[lead].calendar.rules

    def _taken(self) -> Join | Visit | None:
        return self._joined() or self._visit()

    # ------------------------------------------------------------ sessions

    def _in_order_of_preference(self, sessions: Iterable[ActiveSession]) -> list[_Session]:
        """The sessions here that match the wish: the appointment's own, then the fullest."""
        found: list[_Session] = []
        calendars = {each: candidate.calendar for each, candidate in self._candidates.items()}
        rooms = {each: candidate.calendar for each, candidate in self._resources.items()}
        for session in sessions:
            is_own = self._own_seats is not None and session.id == self._own_seats.session.id
            if (
                not is_own
                and instant_of(session.start) == self._starts_at
                and session.taken(self._now)
                and session.matches(self._named)
            ):
                against = why_not_join(
                    session,
                    calendars,
                    rooms,
                    self._now,
                    heeds_clock=not self._keeps_start,
                    override=self._override,
                )
                found.append(_Session(session, session.seats_left(self._needs, self._now), against))
        if len(found) > 1:
            places = {
                each: place
                for place, each in enumerate(_in_the_services_order(self._needs, self._candidates))
            }
            found.sort(
                key=lambda each: (each.left, places.get(each.session.providers[0], len(places)))
            )
        own = self._own_seats
        if own is not None and self._keeps_start and own.session.matches(self._named):
            left = max(own.session.seats_left(self._needs, self._now), own.seats)
            found.insert(0, _Session(own.session, left, {}))
        return found

    def _joinable(self) -> Iterator[ActiveSession]:
        """The sessions that take the party, the preferred one first."""
        return (
            each.session for each in self._sessions if not each.against and each.left >= self._seats
        )

    def _joined(self) -> Join | None:
        """Seats in an active session; None if none takes the party."""
        session = next(self._joinable(), None)
        if session is None:
            return None
        others = (each for each in session.providers if each not in self._named)
        return Join(session=session, providers=(*self._named, *others), named=len(self._named))

    def _reasons_in_sessions(self) -> dict[SubjectId, frozenset[UnbookableReason]]:
        """The reasons of those who lead sessions that could be joined if there were seats, and of
        the resources of those that can be joined.
        """
        found: dict[SubjectId, frozenset[UnbookableReason]] = {}
        for session, left, against in self._sessions:
            if against:
                continue
            is_full = left < self._seats
            found[session.providers[0]] = _NO_SEATS if is_full else frozenset()
            if not is_full:
                found |= {each: frozenset() for each, _ in session.units}
        return found

    # ------------------------------------------------------------ one subject

    def reasons(self, provider_id: ProviderId) -> frozenset[UnbookableReason]:
        """Everything that keeps this provider from leading the visit."""
        found = self._against_taking(provider_id)
        candidate = self._candidates[provider_id]
        service = candidate.calendar.service
        if service is not None and service.limits:
            moving = self._moving_claim() if candidate.leads_own else None
            found |= self._of_limits(candidate, service.limits, candidate.led, moving)
        return found

    def _is_possible(self, provider_id: ProviderId) -> bool:
        return self._against_taking(provider_id) <= _GRID

    def _against_taking(self, provider_id: ProviderId) -> frozenset[UnbookableReason]:
        """Everything that keeps this provider out of the visit, and the grid, which does not."""
        found = self._against.get(provider_id)
        if found is None:
            found = self._against[provider_id] = self._look_at(provider_id)
        return found

    def _look_at(self, provider_id: ProviderId) -> frozenset[UnbookableReason]:
        candidate = self._candidates[provider_id]
        calendar = candidate.calendar
        if self._stays(provider_id, claim_for(calendar.rules, self._starts_at)):
            return frozenset()
        found = frozenset(
            explain(
                calendar.hours,
                calendar.rules,
                candidate.claims,
                self._starts_at,
                self._now,
                set_aside=self._override.of_provider(provider_id),
            )
        )
        if self._keeps_start:
            found -= _OF_THE_START
        limits = calendar.provider.limits
        moving = next(iter(self._own.get(provider_id, ())), None)
        return found | self._of_limits(candidate, limits, candidate.claims, moving)

    def _of_limits(
        self,
        candidate: Candidate,
        limits: Sequence[BookingLimit],
        claims: Sequence[Claim],
        moving: Claim | None,
    ) -> frozenset[UnbookableReason]:
        is_reached = self._heeds_limits and is_full(
            limits,
            candidate.calendar.hours.time_zone,
            claims,
            minute_of(self._starts_at),
            candidate.calendar.rules.duration_minutes,
            self._now,
            moving=moving,
        )
        if not is_reached:
            return frozenset()
        return _LIMIT - self._override.of_provider(candidate.calendar.provider.id)

    def _moving_claim(self) -> Claim | None:
        return next((each for claims in self._own.values() for each in claims), None)

    def _reasons_of_resource(
        self, resource_id: ResourceId, rules: Rules
    ) -> frozenset[UnbookableReason]:
        """Everything that keeps the visit from taking any unit of this resource."""
        if next(self._units_of(resource_id, rules), None) is not None:
            return frozenset()
        candidate = self._resources[resource_id]
        on_units = (
            each
            for each in candidate.claims
            if EVERY_UNIT < each.unit <= candidate.calendar.resource.units
        )
        return self._against_every_unit(candidate, rules) | why_not_free(
            rules, on_units, self._starts_at, self._now
        )

    def _against_every_unit(
        self, candidate: ResourceCandidate, rules: Rules
    ) -> frozenset[UnbookableReason]:
        """Why no unit can be taken: the resource is not open, or is busy."""
        busy = (each for each in candidate.claims if each.unit == EVERY_UNIT)
        found = why_not_open(candidate.calendar.hours, rules, self._starts_at)
        found |= why_not_free(rules, busy, self._starts_at, self._now)
        return found - self._override.of_resources

    def _units_of(self, resource_id: ResourceId, rules: Rules) -> Iterator[int]:
        """The possible units of the resource, lowest first."""
        candidate = self._resources[resource_id]
        claim = claim_for(rules, self._starts_at)
        staying = {
            each.unit
            for each in self._own.get(resource_id, ())
            if self._stays(resource_id, claim._replace(unit=each.unit))
        }
        resource = candidate.calendar.resource
        if resource.is_archived or self._against_every_unit(candidate, rules):
            yield from sorted(staying)
            return
        by_unit: dict[int, list[Claim]] = {}
        for each in candidate.claims:
            by_unit.setdefault(each.unit, []).append(each)
        for unit in sorted(staying.union(range(1, resource.units + 1))):
            claims = by_unit.get(unit)
            if (
                unit in staying
                or claims is None
                or not why_not_free(rules, claims, self._starts_at, self._now)
            ):
                yield unit

    def _stays(self, subject_id: SubjectId, claim: Claim) -> bool:
        """Whether the moving appointment has this very claim already."""
        return self._keeps_start and any(
            each[:4] == claim[:4] and each.unit == claim.unit
            for each in self._own.get(subject_id, ())
        )

    # ------------------------------------------------------------ the whole visit

    def _visit(self) -> Visit | None:
        """What a visit of its own takes, in a new session where the service has seats; None if it
        can't be had.
        """
        if self._seats > self._needs.seats:
            return None
        visits = (self._completed(lead) for lead in self._leads())
        return next((visit for visit in visits if visit is not None), None)

    def _leads(self) -> Iterator[ProviderId]:
        """Who can lead, in the order in which they are tried."""
        if not self._named:
            yield from (each for each in self._order if not self.reasons(each))
        elif not self.reasons(self._named[0]) and all(map(self._is_possible, self._named[1:])):
            yield self._named[0]

    def _completed(self, lead: ProviderId) -> Visit | None:
        """The visit with this lead; None if it lacks providers or units."""
        providers = self._providers(lead)
        rules = self._candidates[lead].calendar.rules
        units = None if providers is None else self._units_for(rules)
        if providers is None or units is None:
            return None
        claims: dict[SubjectId, tuple[Claim, ...]] = {
            each: (claim_for(self._candidates[each].calendar.rules, self._starts_at),)
            for each in providers
        }
        for resource_id, unit in units:
            claim = claim_for(rules, self._starts_at)._replace(unit=unit)
            claims[resource_id] = (*claims.get(resource_id, ()), claim)
        return Visit(
            lead=lead,
            providers=providers,
            named=len(self._named),
            units=units,
            claims=claims,
        )

    def _providers(self, lead: ProviderId) -> tuple[ProviderId, ...] | None:
        taken = self._named or (lead,)
        missing = self._needs.how_many_with(self._named) - len(taken)
        others = (each for each in self._order if each not in taken and self._is_possible(each))
        chosen = tuple(islice(others, missing))
        return (*taken, *chosen) if len(chosen) == missing else None

    def _units_for(self, rules: Rules) -> tuple[tuple[ResourceId, int], ...] | None:
        """The units that a lead with these rules takes; None if some group lacks units."""
        if rules not in self._units:
            groups = [self._units_of_group(group, rules) for group in self._needs.groups]
            is_filled = all(
                len(units) == group.count
                for units, group in zip(groups, self._needs.groups, strict=True)
            )
            self._units[rules] = tuple(pair for units in groups for pair in units)
            if not is_filled:
                self._units[rules] = None
        return self._units[rules]

    def _units_of_group(
        self, group: ResourceGroup, rules: Rules
    ) -> tuple[tuple[ResourceId, int], ...]:
        possible = (
            (resource_id, unit)
            for resource_id in group.resource_ids
            if resource_id in self._resources
            for unit in self._units_of(resource_id, rules)
        )
        return tuple(islice(possible, group.count))

    def _refusal(self) -> tuple[UnbookableReason, ...]:
        """Why there is no visit here."""
        if self._seats > self._needs.seats or any(not each.against for each in self._sessions):
            return (UnbookableReason.NO_SEATS_LEFT,)
        found: set[UnbookableReason] = set()
        if len(self._named) == 1:
            found |= self.reasons(self._named[0])
            for each in self._sessions:
                found |= _as_named(self._named[0], each)
        if not self.is_staffed():
            found.add(UnbookableReason.NOBODY_FREE)
            heedless = Start(
                *self._everything, own=self._given, override=self._override, heeds_limits=False
            )
            if heedless.is_staffed():
                found |= _LIMIT
        asked = self._named[:1] or list(self._leads()) or self._order
        if asked and all(
            self._units_for(self._candidates[each].calendar.rules) is None for each in asked
        ):
            found.add(UnbookableReason.RESOURCE_TAKEN)
        return in_order(found)

    def is_staffed(self) -> bool:
        """Whether there are enough providers for a lead. The reasons of the only provider who is
        named are given separately, so whether they can lead plays no part.
        """
        leads = self._named if len(self._named) == 1 else self._leads()
        return any(self._providers(each) is not None for each in leads)


def refuse_time(
    alone: Candidate,
    starts_at: datetime,
    duration_minutes: int | None,
    now: datetime,
    *,
    own: Claims | None = None,
    override: Override = NO_OVERRIDE,
) -> SlotUnavailable | InvalidInput | None:
    """Why a visit of this provider alone can't start there; with a duration, only if it is still
    the one that is expected. `own` are the claims of the appointment that moves, if one does. What
    the `override` sets aside is no reason.
    """
    refusal = refuse_duration(alone.calendar.rules, duration_minutes)
    if refusal is not None:
        return refusal
    lead = alone.calendar.provider.id
    needs = Needs(provider_ids=(lead,))
    start = Start(needs, (lead,), {lead: alone}, {}, starts_at, now, own=own, override=override)
    reasons = start.reasons(lead)
    return SlotUnavailable(reasons=in_order(reasons)) if reasons else None
