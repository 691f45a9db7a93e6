"""The law of visits written simply: go through every minute, try every assignment, apply the
sentences.

It shares no code with the engine, only its types. Open time and reasons of one provider come from
the walk of `oracle`; whom and what a visit takes is found by trying all combinations, and how large
a party finds room by trying all sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import combinations

from app.core.ids import ProviderId, ResourceId
from app.core.limits import BookingLimit, LimitPeriod
from app.core.needs import Assignment, Needs, ResourceGroup
from app.core.provider import Calendar
from app.core.rules import Rules
from app.core.seating import ActiveSession, OwnSeats, SeatsTaken
from app.core.slots import Claim, ClaimKind
from app.core.visits import Candidate, ResourceCandidate
from tests.unit.core.oracle import Moment, Walk, open_dates, wall_clock

Units = tuple[tuple[ResourceId, int], ...]

LARGEST_PARTY = 12
"""Larger than any that finds room in the worlds of the tests."""

CLOCK = {"IN_THE_PAST", "TOO_SHORT_NOTICE", "BEYOND_HORIZON"}
OF_THE_START = {"NOT_ON_GRID", *CLOCK}
SHUT = {"OUTSIDE_HOURS", "BREAK", "EXCEPTION", "TIME_OFF"}
OVERRIDES = {
    "HOURS": {*SHUT, "DOES_NOT_FIT"},
    "GRID": {"NOT_ON_GRID"},
    "NOTICE": {"TOO_SHORT_NOTICE"},
    "HORIZON": {"BEYOND_HORIZON"},
    "LIMITS": {"LIMIT_REACHED"},
    "BUSY_ELSEWHERE": {"BUSY_ELSEWHERE"},
}
"""The reasons that each rule gives, where it is not ignored."""


def instant(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment * 60, UTC)


def claimed(rules: Rules, moment: Moment) -> tuple[Moment, Moment, Moment, Moment]:
    end = moment + rules.duration_minutes
    return moment - rules.buffer_before_minutes, end + rules.buffer_after_minutes, moment, end


class VisitOracle:
    """Everything about the starts of one service on a date in UTC, for a party of so many seats.
    `own` are the claims of the appointment that moves, by subject, or its seats in a session. Rules
    that are `ignored` are so for everybody and everything, or for one provider alone.
    """

    def __init__(
        self,
        needs: Needs,
        named: Sequence[ProviderId],
        candidates: Mapping[ProviderId, Candidate],
        resources: Mapping[ResourceId, ResourceCandidate],
        day: date,
        now: datetime,
        own: Mapping[ProviderId | ResourceId, Sequence[Claim]] | OwnSeats | None = None,
        *,
        seats: int = 1,
        sessions: Sequence[ActiveSession] = (),
        ignored: Collection[str] = (),
        ignored_for: ProviderId | None = None,
    ) -> None:
        self.ignored, self.ignored_for = ignored, ignored_for
        self.needs, self.named = needs, tuple(named)
        self.now, self.seats, self.sessions = now, seats, sessions
        self.own_seats = own if isinstance(own, OwnSeats) else None
        before = own.session.claims if isinstance(own, OwnSeats) else own or {}
        self.start_before = {each.visit_from for claims in before.values() for each in claims}
        self.own = before
        if self.own_seats is not None:
            session = self.own_seats.session
            is_shared = bool(self.seats_taken(session.parties))
            self.own = {} if is_shared else before
            lead = session.providers[0]
            candidates = {
                each: replace(
                    one,
                    claims=self._with_own(each, one.claims, stays=is_shared),
                    led=self._with_own(each, one.led, stays=is_shared and each == lead),
                )
                for each, one in candidates.items()
            }
            resources = {
                each: replace(one, claims=self._with_own(each, one.claims, stays=is_shared))
                for each, one in resources.items()
            }
        self.candidates, self.resources = candidates, resources
        self.heedless = False
        """Whether limits play no part."""
        self.walks = {
            each: Walk(candidate.calendar.hours, candidate.calendar.rules, day, day, 1)
            for each, candidate in candidates.items()
        }
        self._is_open: dict[tuple[ResourceId, Moment], bool] = {}
        self._reasons: dict[tuple[ProviderId, Moment], set[str]] = {}

    # ------------------------------------------------------------ overrides

    def counting(self, reasons: set[str], subject_id: ProviderId | ResourceId) -> set[str]:
        """Those of the reasons against this subject that no override names."""
        if self.ignored_for not in {None, subject_id}:
            return reasons
        return {each for each in reasons if not any(each in OVERRIDES[one] for one in self.ignored)}

    # ------------------------------------------------------------ sessions

    def _with_own(
        self, subject_id: ProviderId | ResourceId, claims: Sequence[Claim], *, stays: bool
    ) -> list[Claim]:
        """With the claims of the session that the appointment leaves, if these stay."""
        assert self.own_seats is not None
        own = self.own_seats.session.claims.get(subject_id, ())
        return [each for each in claims if each not in own] + (list(own) if stays else [])

    def seats_taken(self, parties: Sequence[SeatsTaken]) -> int:
        return sum(
            seats for seats, expires_at in parties if expires_at is None or self.now < expires_at
        )

    def active_sessions(self, moment: Moment) -> list[ActiveSession]:
        """Others' sessions at this start that have whom the wish names."""
        found = []
        for session in self.sessions:
            minutes = {each.visit_from for claims in session.claims.values() for each in claims}
            is_own = self.own_seats is not None and self.own_seats.session.id == session.id
            if (
                minutes == {moment}
                and not is_own
                and self.seats_taken(session.parties)
                and self.is_as_named(session)
            ):
                found.append(session)
        return found

    def is_as_named(self, session: ActiveSession) -> bool:
        """Whether the first named leads it and all others named take part."""
        return session.providers[0] in (self.named[:1] or session.providers) and all(
            each in session.providers for each in self.named
        )

    def reasons_of(self, session: ActiveSession) -> dict[ProviderId | ResourceId, set[str]]:
        """Why nobody may sit down there, of each subject that has a reason."""
        found: dict[ProviderId | ResourceId, set[str]] = {}
        for subject_id, claims in session.claims.items():
            reasons: set[str] = set()
            for claim in claims:
                minutes = range(claim.visit_from, claim.visit_until)
                if subject_id in session.providers:
                    reasons |= self._of_teacher(ProviderId(subject_id), minutes)
                else:
                    reasons |= self._of_unit(ResourceId(subject_id), claim.unit, minutes)
            reasons = self.counting(reasons, subject_id)
            if reasons:
                found[subject_id] = reasons
        return found

    def _of_teacher(self, provider_id: ProviderId, minutes: range) -> set[str]:
        if provider_id not in self.candidates:
            return {"NOBODY_FREE"}
        calendar = self.candidates[provider_id].calendar
        walk = self.walks[provider_id]
        found = (
            set()
            if self.keeps_start(minutes[0])
            else walk.reasons((), instant(minutes[0]), self.now) & CLOCK
        )
        shut = [at for at in minutes if not open_dates(calendar.hours, at)]
        if minutes[0] in shut:
            found |= walk.reasons((), instant(minutes[0]), self.now) & SHUT
        elif shut:
            found.add("DOES_NOT_FIT")
        return found

    def _of_unit(self, resource_id: ResourceId, unit: int, minutes: range) -> set[str]:
        candidate = self.resources.get(resource_id)
        if candidate is None or candidate.calendar.resource.is_archived:
            return {"GONE"}
        if unit > candidate.calendar.resource.units:
            return {"GONE"}
        return set() if all(self.is_open(resource_id, at) for at in minutes) else {"OUTSIDE_HOURS"}

    def rooms(self, moment: Moment) -> list[tuple[ActiveSession, int]]:
        """The sessions that lack nothing but seats, the preferred one first, and how large a party
        may join.
        """
        order = self.in_the_services_order()
        open_ones = [each for each in self.active_sessions(moment) if not self.reasons_of(each)]
        found = [
            (each, max(0, self.needs.seats - self.seats_taken(each.parties))) for each in open_ones
        ]
        found.sort(key=lambda pair: order.index(pair[0].providers[0]))
        found.sort(key=lambda pair: -self.seats_taken(pair[0].parties))
        own = self.own_seats
        if own is not None and self.keeps_start(moment) and self.is_as_named(own.session):
            left = self.needs.seats - self.seats_taken(own.session.parties)
            found.insert(0, (own.session, max(own.seats, left)))
        return found

    def joined(self, moment: Moment) -> ActiveSession | None:
        """The session that the party joins, if any."""
        return next((each for each, left in self.rooms(moment) if self.seats <= left), None)

    def seats_left(self, moment: Moment) -> int:
        """The largest party that finds room."""
        asked = self.seats
        found = 0
        for self.seats in range(1, LARGEST_PARTY):
            if self.joined(moment) is not None or self.chosen(moment) is not None:
                found = self.seats
        self.seats = asked
        return found

    def end(self, moment: Moment) -> Moment:
        """When the visit of the party ends, which finds room."""
        session, chosen = self.joined(moment), self.chosen(moment)
        if session is not None:
            return next(each.visit_until for of in session.claims.values() for each in of)
        assert chosen is not None
        return moment + self.candidates[chosen[0][0]].calendar.rules.duration_minutes

    # ------------------------------------------------------------ one subject

    def keeps_start(self, moment: Moment) -> bool:
        return moment in self.start_before

    def reasons(self, provider_id: ProviderId, moment: Moment) -> set[str]:
        known = self._reasons.get((provider_id, moment))
        if known is not None:
            return known
        candidate = self.candidates[provider_id]
        calendar = candidate.calendar
        mine = self.own.get(provider_id, ())
        found = self.walks[provider_id].reasons(candidate.claims, instant(moment), self.now)
        if self.is_limited(calendar, calendar.provider.limits, candidate.claims, mine, moment):
            found.add("LIMIT_REACHED")
        if self.keeps_start(moment):
            found -= OF_THE_START
            if any(tuple(each[:4]) == claimed(calendar.rules, moment) for each in mine):
                found = set()
        found = self.counting(found, provider_id)
        self._reasons[provider_id, moment] = found
        return found

    def reasons_to_lead(self, provider_id: ProviderId, moment: Moment) -> set[str]:
        candidate = self.candidates[provider_id]
        calendar = candidate.calendar
        found = set(self.reasons(provider_id, moment))
        mine = [each for claims in self.own.values() for each in claims]
        mine = mine[:1] if candidate.leads_own else []
        limits = calendar.service.limits if calendar.service else ()
        if self.is_limited(calendar, limits, candidate.led, mine, moment):
            found |= self.counting({"LIMIT_REACHED"}, provider_id)
        return found

    def is_limited(
        self,
        calendar: Calendar,
        limits: Sequence[BookingLimit],
        claims: Sequence[Claim],
        mine: Sequence[Claim],
        moment: Moment,
    ) -> bool:
        """Whether the visit makes some period fuller than it is, and fuller than allowed."""

        def period(limit: BookingLimit, at: Moment) -> object:
            day, _ = wall_clock(calendar.hours.time_zone, at)
            if limit.period is LimitPeriod.DAY:
                return day
            if limit.period is LimitPeriod.WEEK:
                return day.isocalendar()[:2]
            return day.year, day.month

        for limit in () if self.heedless else limits:
            here = period(limit, moment)
            others = [
                claim.visit_until - claim.visit_from
                for claim in claims
                if claim.kind is not ClaimKind.BUSY
                and period(limit, claim.visit_from) == here
                and (claim.expires_at is None or claim.expires_at > self.now)
            ]
            before = others + [
                claim.visit_until - claim.visit_from
                for claim in mine
                if period(limit, claim.visit_from) == here
            ]
            after = [*others, calendar.rules.duration_minutes]
            visits, minutes = limit.max_visits, limit.max_minutes
            if visits is not None and len(after) > max(visits, len(before)):
                return True
            if minutes is not None and sum(after) > max(minutes, sum(before)):
                return True
        return False

    def is_open(self, resource_id: ResourceId, moment: Moment) -> bool:
        if (resource_id, moment) not in self._is_open:
            dates = open_dates(self.resources[resource_id].calendar.hours, moment)
            self._is_open[resource_id, moment] = bool(dates)
        return self._is_open[resource_id, moment]

    def possible_units(
        self, resource_id: ResourceId, rules: Rules, moment: Moment
    ) -> Iterator[int]:
        candidate = self.resources[resource_id]
        start, end, visit_from, visit_until = claimed(rules, moment)
        is_open = not self.counting({"OUTSIDE_HOURS"}, resource_id) or all(
            self.is_open(resource_id, minute) for minute in range(visit_from, visit_until)
        )
        resource = candidate.calendar.resource
        busy_counts = bool(self.counting({"BUSY_ELSEWHERE"}, resource_id))
        for unit in range(1, resource.units + 10):
            is_kept = self.keeps_start(moment) and any(
                tuple(each[:4]) == claimed(rules, moment) and each.unit == unit
                for each in self.own.get(resource_id, ())
            )
            taken = {
                minute
                for claim in candidate.claims
                if (
                    busy_counts
                    if claim.kind is ClaimKind.BUSY
                    else claim.unit == unit
                    and (claim.expires_at is None or claim.expires_at > self.now)
                )
                for minute in range(claim.claimed_from, claim.claimed_until)
            }
            is_free = not any(minute in taken for minute in range(start, end))
            is_there = unit <= resource.units and not resource.is_archived
            if is_kept or (is_there and is_open and is_free):
                yield unit

    # ------------------------------------------------------------ all assignments

    def in_the_services_order(self) -> list[ProviderId]:
        offering = [each for each in self.needs.provider_ids if each in self.candidates]
        return offering + [each for each in self.candidates if each not in offering]

    def in_order_of_assignment(self) -> list[ProviderId]:
        order = self.in_the_services_order()
        ranked: list[tuple[object, int, ProviderId]] = []
        for place, each in enumerate(order):
            candidate = self.candidates[each]
            rank: object = 0
            if self.needs.assignment is Assignment.LEAST_BUSY:
                rank = candidate.booked_minutes
            if self.needs.assignment is Assignment.LONGEST_IDLE:
                at = candidate.last_assigned_at
                rank = -1.0 if at is None else at.timestamp()
            ranked.append((rank, place, each))
        return [each for _, _, each in sorted(ranked, key=lambda item: item[:2])]

    def needed(self) -> int:
        if self.needs.providers_needed is not None:
            return max(self.needs.providers_needed, len(self.named), 1)
        left = [each for each in self.named if each not in self.needs.provider_ids]
        return max(len(self.needs.provider_ids) + len(left), 1)

    def teams(self, moment: Moment) -> Iterator[tuple[ProviderId, ...]]:
        """Every team that could be taken, the lead first, better ones first."""
        order = self.in_order_of_assignment()
        needed = self.needed()
        leads = self.named[:1] or order
        for lead in leads:
            if self.reasons_to_lead(lead, moment):
                continue
            head = self.named or (lead,)
            rest = [each for each in order if each not in head]
            for others in combinations(rest, needed - len(head)):
                team = (*head, *others)
                if all(self.reasons(each, moment) <= {"NOT_ON_GRID"} for each in team):
                    yield team

    def units(self, lead: ProviderId, moment: Moment) -> Units | None:
        found: Units = ()
        for group in self.needs.groups:
            best = self._best_of(group, self.candidates[lead].calendar.rules, moment)
            if best is None:
                return None
            found += best
        return found

    def _best_of(self, group: ResourceGroup, rules: Rules, moment: Moment) -> Units | None:
        every = [
            (resource_id, unit)
            for resource_id in group.resource_ids
            if resource_id in self.resources
            for unit in self.possible_units(resource_id, rules, moment)
        ]
        return next(combinations(every, group.count), None)

    # ------------------------------------------------------------ answers

    def chosen(self, moment: Moment) -> tuple[tuple[ProviderId, ...], Units] | None:
        """Whom and what a visit of its own takes; None if it can't be had."""
        for team in self.teams(moment):
            units = self.units(team[0], moment)
            if units is not None:
                return (team, units) if self.seats <= self.needs.seats else None
        return None

    def leads(self, moment: Moment) -> tuple[ProviderId, ...]:
        """All with whom as lead the visit can be had, in the service's order."""
        leads = {team[0] for team in self.teams(moment)}
        able = {each for each in leads if self.units(each, moment) is not None}
        if self.seats > self.needs.seats:
            able = set()
        able |= {each.providers[0] for each, left in self.rooms(moment) if self.seats <= left}
        return tuple(each for each in self.in_the_services_order() if each in able)

    def refusal(self, moment: Moment) -> set[str]:
        """Why a visit that can't be had can't be had."""
        if self.seats > self.needs.seats or self.rooms(moment):
            return {"NO_SEATS_LEFT"}
        found: set[str] = set()
        if len(self.named) == 1:
            found |= self.reasons_to_lead(self.named[0], moment)
            for session in self.active_sessions(moment):
                for subject_id, reasons in self.reasons_of(session).items():
                    if subject_id == self.named[0]:
                        found |= reasons
                    else:
                        is_somebody = subject_id in session.providers
                        found.add("NOBODY_FREE" if is_somebody else "RESOURCE_TAKEN")
        if not self.is_staffed(moment):
            found.add("NOBODY_FREE")
            self.heedless, self._reasons = True, {}
            if self.is_staffed(moment):
                found.add("LIMIT_REACHED")
            self.heedless, self._reasons = False, {}
        order = self.in_order_of_assignment()
        leads = [each for each in order if not self.reasons_to_lead(each, moment)]
        asked = self.named[:1] or leads or order
        if asked and all(self.units(each, moment) is None for each in asked):
            found.add("RESOURCE_TAKEN")
        return found

    def can_all_lead(self, moment: Moment) -> bool:
        """Whether the first named can lead and all others named can be taken."""
        return not self.reasons_to_lead(self.named[0], moment) and all(
            self.reasons(each, moment) <= {"NOT_ON_GRID"} for each in self.named[1:]
        )

    def is_staffed(self, moment: Moment) -> bool:
        """Whether there are enough providers; whether the only one named can lead is another
        question.
        """
        order = self.in_order_of_assignment()
        needed = self.needed()
        if self.named:
            others = [
                each
                for each in order
                if each not in self.named and self.reasons(each, moment) <= {"NOT_ON_GRID"}
            ]
            is_enough = len(others) >= needed - len(self.named)
            return is_enough and (len(self.named) == 1 or self.can_all_lead(moment))
        return any(True for _ in self.teams(moment))

    def starts_between(self, begin: Moment, end: Moment) -> dict[Moment, tuple[ProviderId, ...]]:
        """The starts that are listed, with those who can lead them."""
        asked = {
            moment
            for each in self.candidates
            for moment in self.walks[each].on_grid
            if begin <= moment < end
        }
        asked |= {
            claim.visit_from
            for session in self.sessions
            for claims in session.claims.values()
            for claim in claims
            if begin <= claim.visit_from < end
        }
        found = {moment: self.leads(moment) for moment in sorted(asked)}
        return {moment: leads for moment, leads in found.items() if leads}
