"""The law of visits written simply: go through every minute, try every assignment, apply the
sentences.

It shares no code with the engine, only its types. Open time and reasons of one provider come from
the walk of `oracle`; whom and what a visit takes is found by trying all combinations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import combinations

from app.core.ids import ProviderId, ResourceId
from app.core.limits import BookingLimit, LimitPeriod
from app.core.needs import Assignment, Needs, ResourceGroup
from app.core.provider import Calendar
from app.core.rules import Rules
from app.core.slots import Claim
from app.core.visits import Candidate, ResourceCandidate
from tests.unit.core.oracle import Moment, Walk, open_dates, wall_clock

Units = tuple[tuple[ResourceId, int], ...]

OF_THE_START = {"NOT_ON_GRID", "IN_THE_PAST", "TOO_SHORT_NOTICE", "BEYOND_HORIZON"}


def instant(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment * 60, UTC)


def claimed(rules: Rules, moment: Moment) -> tuple[Moment, Moment, Moment, Moment]:
    end = moment + rules.duration_minutes
    return moment - rules.buffer_before_minutes, end + rules.buffer_after_minutes, moment, end


class VisitOracle:
    """Everything about the starts of one service on a date in UTC. `own` are the claims of the
    appointment that moves, by subject.
    """

    def __init__(
        self,
        needs: Needs,
        named: Sequence[ProviderId],
        candidates: Mapping[ProviderId, Candidate],
        resources: Mapping[ResourceId, ResourceCandidate],
        day: date,
        now: datetime,
        own: Mapping[ProviderId | ResourceId, Sequence[Claim]] | None = None,
    ) -> None:
        self.needs, self.named = needs, tuple(named)
        self.candidates, self.resources = candidates, resources
        self.now, self.own = now, own or {}
        self.heedless = False
        """Whether limits play no part."""
        self.walks = {
            each: Walk(candidate.calendar.hours, candidate.calendar.rules, day, day, 1)
            for each, candidate in candidates.items()
        }
        self._is_open: dict[tuple[ResourceId, Moment], bool] = {}
        self._reasons: dict[tuple[ProviderId, Moment], set[str]] = {}

    # ------------------------------------------------------------ one subject

    def keeps_start(self, moment: Moment) -> bool:
        return any(each.visit_from == moment for claims in self.own.values() for each in claims)

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
            found.add("LIMIT_REACHED")
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
                if period(limit, claim.visit_from) == here
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
        is_open = all(
            self.is_open(resource_id, minute) for minute in range(visit_from, visit_until)
        )
        resource = candidate.calendar.resource
        for unit in range(1, resource.units + 10):
            is_kept = self.keeps_start(moment) and any(
                tuple(each[:4]) == claimed(rules, moment) and each.unit == unit
                for each in self.own.get(resource_id, ())
            )
            taken = {
                minute
                for claim in candidate.claims
                if claim.unit == unit and (claim.expires_at is None or claim.expires_at > self.now)
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
        """Whom and what a visit takes; None if it can't be had."""
        for team in self.teams(moment):
            units = self.units(team[0], moment)
            if units is not None:
                return team, units
        return None

    def leads(self, moment: Moment) -> tuple[ProviderId, ...]:
        """All with whom as lead the visit can be had, in the service's order."""
        leads = {team[0] for team in self.teams(moment)}
        able = {each for each in leads if self.units(each, moment) is not None}
        return tuple(each for each in self.in_the_services_order() if each in able)

    def refusal(self, moment: Moment) -> set[str]:
        """Why a visit that can't be had can't be had."""
        found: set[str] = set()
        if len(self.named) == 1:
            found |= self.reasons_to_lead(self.named[0], moment)
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
        found = {moment: self.leads(moment) for moment in sorted(asked)}
        return {moment: leads for moment, leads in found.items() if leads}
