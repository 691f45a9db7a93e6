"""Read free days of any number of providers: the states that a question goes through. See the
package's docstring.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from time import monotonic
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NamedTuple,
    TypeAlias,
    TypeVar,
    cast,
)

from app.admission.gate import RETRY_AFTER_SECONDS
from app.core.free_days import (
    FreeDay,
    compute_free_days,
    compute_resource_days,
    compute_visit_days,
    free_starts_at,
    load_of,
    releases_after,
)
from app.core.limits import (
    UNCOUNTED,
    Counted,
    dates_that_count,
    full_for,
    instants_that_count,
    loads,
)
from app.core.needs import Needs, Offering
from app.core.party import Counting, Party, ResourceUse
from app.core.provider import Calendar
from app.core.refusals import NotFound, TemporarilyUnavailable
from app.core.resource import ResourceCalendar
from app.core.seating import rooms_of
from app.core.slots import bookable_by_date, claims_span
from app.core.zones import DAY_MINUTES, dates_between, day_number, instant_of
from app.free_times.calendars import KnownCalendar
from app.free_times.keys import DAY_LIFETIME_MS, visits
from app.free_times.shared import Fill, Question
from app.store.calendars import (
    load_calendars,
    load_claims,
    load_led_claims,
    load_resource_calendars,
)
from app.store.needs import load_offerings
from app.store.sessions import standing_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from app.core.ids import (
        AppointmentId,
        OrganizationId,
        OwnerId,
        ProviderId,
        ResourceId,
        ServiceId,
        SubjectId,
    )
    from app.core.rules import Rules
    from app.core.seating import StandingSession
    from app.core.slots import Claim
    from app.core.zones import Minute
    from app.free_times.accelerator import Accelerator, CalendarKey, DaysKey, SessionFlight
    from app.free_times.calendars import Known, SourceKey
    from app.free_times.shared import Stamp
    from app.free_times.single_flight import Flight
    from app.store.pool import Pool
    from app.store.sql import Executor

RULES_MARGIN: Final = timedelta(days=4)
"""Exceptions are read for so many dates around those asked for: a visit of a day may need the hours
of the next two.
"""

CALENDAR_MARGIN: Final = timedelta(days=67)
"""And for so many after them where the calendar is kept: the next page of the client's calendar
needs them.
"""

MOST_DAYS: Final = 20_000
"""Provider-days that one question may keep; larger ones are rare, and computed each time."""

FRESH_SECONDS: Final = 15.0
"""A calendar older than this is read again before days are computed from it: they live as much
shorter as it is old.
"""

TRIES: Final = 3
"""How often a question is asked of the caches before it is computed from PostgreSQL alone."""

KEEP_AFTER_SECONDS: Final = 0.02
"""How much later a computed day is packed and sent: the callers who wait for it go first."""

YIELD_AFTER: Final = 25
"""Providers computed in a row (some 1 ms) before others get their turn."""

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})

LocalDates: TypeAlias = "Callable[[str], tuple[date, date]]"
"""From a provider's zone to the dates that are wanted there, inclusive."""


Source = TypeVar("Source", bound=Calendar | ResourceCalendar | Offering)


class FreeDays(NamedTuple, Generic[Source]):
    """Free days by their local date: every date wanted, ascending; a service has none."""

    calendar: Source
    days: Mapping[date, FreeDay]
    stamp: Stamp | None = None
    """The stamp under which this is true; None where it was computed without the caches."""
    fresh_seconds: float = 0.0
    """How long this may be given again under the same stamp; 0 where it was just computed."""
    counted: Counted = UNCOUNTED
    """What the limits of a provider's calendar count."""

    @property
    def has_holds(self) -> bool:
        """Whether it depends on the end of a hold."""
        return self.counted.has_holds or any(day.held for day in self.days.values())

    def expiries_after(self, now: datetime) -> Iterator[datetime]:
        """When each hold expires on which it depends, of those in force now."""
        yield from self.counted.expiries_after(now)
        for day in self.days.values():
            if day.held:
                yield from releases_after(day, now)


Answer: TypeAlias = FreeDays[Calendar] | NotFound | TemporarilyUnavailable

Wanted: TypeAlias = "Party | Counting | ResourceUse | ServiceId"
"""Days of a provider or of a resource; what a provider's limits count; or a service's needs."""

Dated: TypeAlias = Calendar | ResourceCalendar
"""What days are computed from."""

AnyAnswer: TypeAlias = FreeDays[Any] | NotFound | TemporarilyUnavailable


async def read_free_days(
    accelerator: Accelerator,
    pool: Pool,
    organization_id: OrganizationId,
    wanted: Iterable[Party],
    first: date,
    last: date,
    dates: LocalDates,
    stamps: Mapping[ProviderId, Stamp] | None = None,
) -> dict[Party, Answer]:
    """The days of each; `first` and `last` enclose what `dates` gives for any zone.

    `stamps` are those of providers that were seen since the question came.
    """
    reading = _Reading(accelerator, pool, organization_id, first, last, dates)
    return await reading.answer_parties(list(dict.fromkeys(wanted)), stamps)


class ServiceDays(NamedTuple):
    """A service, and the free days of all that a visit of it could take. Who is missing does not
    exist, or no longer offers the service.
    """

    offering: Offering
    providers: Mapping[ProviderId, FreeDays[Calendar]]
    resources: Mapping[ResourceUse, FreeDays[ResourceCalendar]]
    stamps: tuple[Stamp, ...] | None = None
    """Those of the service, its providers and its resources, in this order, under which this is
    true; None where something was computed without the caches.
    """
    fresh_seconds: float = 0.0
    """How long this may be given again under the same stamps; 0 where something was just
    computed.
    """
    sessions: Sequence[StandingSession] = ()
    """Those of a service with seats that start on the dates wanted of UTC."""
    others: Mapping[ResourceId, ResourceCalendar] = _NONE
    """The calendars of what they take and the service needs no more."""

    def until(self, now: datetime) -> datetime | None:
        """When the next hold expires on which it depends; None where there is none."""
        days: list[FreeDays[Any]] = [*self.providers.values(), *self.resources.values()]
        expiries = list(chain.from_iterable(each.expiries_after(now) for each in days))
        for session in self.sessions:
            expiries += session.expiries_after(now)
        return min(expiries, default=None)


class SessionsRead(NamedTuple):
    """The sessions of a service, and the calendars of what they take and it needs no more."""

    sessions: Sequence[StandingSession]
    others: Mapping[ResourceId, ResourceCalendar] = _NONE


ServiceAnswer: TypeAlias = ServiceDays | NotFound | TemporarilyUnavailable


async def read_service_days(
    accelerator: Accelerator,
    pool: Pool,
    organization_id: OrganizationId,
    service_ids: Iterable[ServiceId],
    first: date,
    last: date,
    dates: LocalDates,
    stamps: Mapping[OwnerId, Stamp] | None = None,
) -> dict[ServiceId, ServiceAnswer]:
    """What each of these services could take, on the dates that `read_free_days` would give of it.

    The needs come first; then the providers, since their rules say for which shapes the resources
    are asked; and last the sessions of services with seats. So the number of statements does not
    depend on how many there are of any of these.
    """
    reading = _Reading(accelerator, pool, organization_id, first, last, dates)
    services = list(dict.fromkeys(service_ids))
    await reading.answer(services, stamps)
    needs = {each: reading.needs_of(each) for each in services}
    parties = {
        each: [Party(provider_id, each) for provider_id in of_service.provider_ids]
        for each, of_service in needs.items()
    }
    await reading.answer_parties(list(chain.from_iterable(parties.values())), stamps)
    uses = {
        each: [
            ResourceUse(resource_id, shape)
            for shape in reading.shapes_of(parties[each])
            for resource_id in of_service.resource_ids
        ]
        for each, of_service in needs.items()
    }
    await reading.answer(list(chain.from_iterable(uses.values())), stamps)
    found = {each: reading.of_service(each, parties[each], uses[each]) for each in services}
    return await reading.with_sessions(found)


def known_offering(
    accelerator: Accelerator, organization_id: OrganizationId, service_id: ServiceId
) -> Offering | None:
    """What this process has read of the service, be it still true or not."""
    known = accelerator.calendars.find(organization_id, service_id)
    return None if known is None else known.calendar


def bookable_days(found: FreeDays[Calendar], now: datetime) -> dict[date, tuple[Minute, ...]]:
    """The starts that can be booked at this instant: the grid, notice, horizon, limits and the end
    of holds are applied here.
    """
    calendar = found.calendar
    step = calendar.rules.step_minutes
    starts = {day: free_starts_at(free, step, now) for day, free in found.days.items()}
    if calendar.limits:
        taking, leading = full_for(calendar, found.counted, found.days, now)
        starts |= dict.fromkeys(taking | leading, ())
    return bookable_by_date(calendar.hours, calendar.rules, starts, now)


def count(
    calendar: Calendar, claims: Iterable[Claim], led: Iterable[Claim], first: date, last: date
) -> Counted:
    """What the calendar's limits count on these dates: of all its claims, and of those led."""
    zone = calendar.hours.time_zone
    return Counted(
        taken=loads(zone, claims, first, last) if calendar.provider.limits else {},
        led=loads(zone, led, first, last) if calendar.service_limits else {},
    )


async def led_claims_on(
    on: Executor,
    organization_id: OrganizationId,
    calendars: Iterable[Calendar],
    first: date,
    last: date,
    *,
    without: AppointmentId | None = None,
) -> dict[Party, list[Claim]]:
    """The claims that limits of services count on these dates, but for those of one appointment, in
    one statement; none, where there are no such limits.
    """
    zones = {
        Party(each.provider.id, each.service.id): each.hours.time_zone
        for each in calendars
        if each.service is not None and each.service.limits
    }
    instants = [
        interval
        for zone in set(zones.values())
        for interval in instants_that_count(zone, first, last)
    ]
    if not instants:
        return {}
    return await load_led_claims(
        on,
        organization_id,
        list(zones),
        min(begin for begin, _ in instants),
        max(until for _, until in instants),
        without=without,
    )


async def claims_around(
    on: Executor,
    organization_id: OrganizationId,
    calendars: Sequence[Calendar],
    first: date,
    last: date,
    *,
    without: AppointmentId | None = None,
) -> dict[ProviderId, list[Claim]]:
    """All claims that matter for starts on these provider-local dates, but for those of one
    appointment, in one statement for all calendars.
    """
    subjects = [(each.provider.id, each.hours.time_zone, each.rules) for each in calendars]
    return await claims_on(on, organization_id, subjects, first, last, without=without)


Subject = TypeVar("Subject", bound="SubjectId")


async def claims_on(
    on: Executor,
    organization_id: OrganizationId,
    subjects: Sequence[tuple[Subject, str, Rules]],
    first: date,
    last: date,
    *,
    without: AppointmentId | None = None,
) -> dict[Subject, list[Claim]]:
    """As `claims_around`, of any subjects: each with its zone and a visit's rules."""
    if not subjects:
        return {}
    spans = [claims_span(zone, rules, first, last) for _, zone, rules in dict.fromkeys(subjects)]
    return await load_claims(
        on,
        organization_id,
        list(dict.fromkeys(subject_id for subject_id, _, _ in subjects)),
        min(span[0] for span in spans),
        max(span[1] for span in spans),
        without=without,
    )


@dataclass(slots=True, kw_only=True)
class _Standing:
    """A calendar that counts, the stamp, and the days that were found under it."""

    wanted: Wanted
    known: Known
    question: Question
    stamp: Stamp
    days: Mapping[date, FreeDay]
    age_seconds: float

    @property
    def is_complete(self) -> bool:
        return len(self.days) == len(self.question.dates)

    def missing(self) -> tuple[date, date]:
        """From the first date that is missing to the last."""
        dates = self.question.dates
        if self.days:
            dates = [day for day in dates if day not in self.days]
        return dates[0], dates[-1]


class _Claims(NamedTuple):
    """All of each subject, and those with which providers lead a service."""

    of_subjects: Mapping[SubjectId, Sequence[Claim]]
    led: Mapping[Party, Sequence[Claim]]


class _Work(NamedTuple):
    standing: _Standing
    flight: Flight[DaysKey, Mapping[date, FreeDay]]


class _Reading:
    """One question, on its way to its answers."""

    __slots__ = (
        "_accelerator",
        "_answers",
        "_dates",
        "_dates_by_zone",
        "_first",
        "_last",
        "_organization_id",
        "_pool",
    )

    def __init__(
        self,
        accelerator: Accelerator,
        pool: Pool,
        organization_id: OrganizationId,
        first: date,
        last: date,
        dates: LocalDates,
    ) -> None:
        self._accelerator = accelerator
        self._pool = pool
        self._organization_id = organization_id
        self._first, self._last = first, last
        self._dates = dates
        self._dates_by_zone: dict[str, tuple[date, ...]] = {}
        self._answers: dict[Wanted, AnyAnswer] = {}

    async def answer(
        self, wanted: Sequence[Wanted], stamps: Mapping[Any, Stamp] | None
    ) -> dict[Wanted, AnyAnswer]:
        """What is wanted, besides what was answered before."""
        left = [each for each in wanted if each not in self._answers]
        is_kept = len(wanted) * ((self._last - self._first).days + 1) <= MOST_DAYS
        for _ in range(TRIES if is_kept else 0):
            standings = await self._look(left, stamps)
            if standings is None:
                break
            await self._fill([standing for standing in standings if not self._serve(standing)])
            left = [each for each in left if each not in self._answers]
            if not left:
                return self._answers
            stamps = None  # They were seen before the question was asked again.
        if left:
            await self._compute_alone(left)
        return self._answers

    async def answer_parties(
        self, parties: Sequence[Party], stamps: Mapping[Any, Stamp] | None
    ) -> dict[Party, Answer]:
        """As `answer`, together with what the limits of those who have some count."""
        left: Sequence[Party] = parties
        for _ in range(TRIES):
            await self.answer(left, stamps)
            countings = {
                party: several
                for party in left
                if (several := _countings(party, self.found(party)))
            }
            if countings:
                await self.answer(list(chain.from_iterable(countings.values())), stamps)
            left = [
                party for party, several in countings.items() if not self._count(party, several)
            ]
            if not left:
                break
            # Their limits changed in between: other dates count now.
            for party in left:
                del self._answers[party]
                for each in countings[party]:
                    del self._answers[each]
            stamps = None
        self._refuse(left)
        return cast("dict[Party, Answer]", {party: self._answers[party] for party in parties})

    def _count(self, party: Party, countings: Sequence[Counting]) -> bool:
        """Complete a party's answer with what its limits count; False where they were read under
        other limits.
        """
        found = cast("FreeDays[Calendar]", self._answers[party])
        for each in countings:
            days = self._answers[each]
            if not isinstance(days, FreeDays):
                self._answers[party] = days
                return True
            if days.calendar.limits != found.calendar.limits:
                return False
            by_date = {day: load_of(visits) for day, visits in days.days.items()}
            counted = found.counted
            found = found._replace(
                stamp=found.stamp if found.stamp == days.stamp else None,
                fresh_seconds=min(found.fresh_seconds, days.fresh_seconds),
                counted=counted._replace(led=by_date)
                if each.is_led
                else counted._replace(taken=by_date),
            )
        self._answers[party] = found
        return True

    def found(self, wanted: Wanted) -> FreeDays[Any] | None:
        """What was answered; None for a refusal."""
        answer = self._answers[wanted]
        return answer if isinstance(answer, FreeDays) else None

    def _dates_of(self, wanted: Wanted, calendar: Dated) -> tuple[date, ...]:
        """The dates that are wanted; of what is counted, all of the periods that they are in."""
        asked = self._asked(calendar.hours.time_zone)
        if isinstance(wanted, Counting) and isinstance(calendar, Calendar):
            limits = calendar.service_limits if wanted.is_led else calendar.provider.limits
            return dates_between(*dates_that_count(limits, asked[0], asked[-1]))
        return asked

    def _asked(self, zone: str) -> tuple[date, ...]:
        """The dates that are wanted in this zone."""
        dates = self._dates_by_zone.get(zone)
        if dates is None:
            dates = self._dates_by_zone[zone] = dates_between(*self._dates(zone))
        return dates

    def _serve(self, standing: _Standing) -> bool:
        """Answer it, if all of its days are there."""
        if not standing.is_complete:
            return False
        known = standing.known
        age = max(standing.age_seconds, known.age_seconds)
        self._answers[standing.wanted] = FreeDays(
            known.calendar, standing.days, standing.stamp, DAY_LIFETIME_MS / 1000 - age
        )
        return True

    def _refuse(self, wanted: Iterable[Wanted], flights: Iterable[Flight[Any, Any]] = ()) -> None:
        """There is too much to do for these, and for all who wait for the flights."""
        for each in wanted:
            self._accelerator.shared.counts.refused += 1
            self._answers[each] = TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        for flight in flights:
            flight.is_refused = True

    # ------------------------------------------------------------ looking

    async def _look(
        self, wanted: Sequence[Wanted], stamps: Mapping[Any, Stamp] | None
    ) -> list[_Standing] | None:
        """How each stands; None where Redis can't be asked. Answers those that do not exist or are
        refused.
        """
        calendars = self._accelerator.calendars
        known = {each: calendars.find(self._organization_id, _source(each)) for each in wanted}
        seen = await self._standings(known, stamps)
        if seen is None:
            return None
        standings: list[_Standing] = []
        unknown: dict[Wanted, Stamp] = {}
        for each, (stamp, standing) in seen.items():
            if standing is not None and (standing.is_complete or self._is_fit(standing.known)):
                standings.append(standing)
            else:
                unknown[each] = stamp
        if unknown:
            read = await self._read_calendars(unknown)
            again = await self._standings(read, None)
            if again is None:
                return None
            standings += [standing for _, standing in again.values() if standing is not None]
        return standings

    async def _standings(
        self, known: Mapping[Wanted, Known | None], stamps: Mapping[Any, Stamp] | None
    ) -> dict[Wanted, tuple[Stamp, _Standing | None]] | None:
        """The stamp of each, and how it stands where its calendar counts under that stamp."""
        questions = [self._question(each, calendar) for each, calendar in known.items()]
        seen = await self._accelerator.shared.look(questions, stamps) if questions else []
        if seen is None:
            return None
        found: dict[Wanted, tuple[Stamp, _Standing | None]] = {}
        for (each, calendar), question, there in zip(known.items(), questions, seen, strict=True):
            standing = None
            if calendar is not None and calendar.rules_part == there.stamp.rules:
                standing = _Standing(
                    wanted=each,
                    known=calendar,
                    question=question,
                    stamp=there.stamp,
                    days=there.days,
                    age_seconds=there.age_seconds,
                )
            found[each] = (there.stamp, standing)
        return found

    def _question(self, wanted: Wanted, known: Known | None) -> Question:
        """What is asked of the caches; the stamp alone where the rules are not known, and of a
        service.
        """
        if known is None or isinstance(known.calendar, Offering):
            return Question(self._organization_id, _owner(wanted))
        calendar = known.calendar
        return Question(
            self._organization_id,
            _owner(wanted),
            _kind(wanted, calendar),
            known.rules_part,
            self._dates_of(wanted, calendar),
        )

    def _is_fit(self, known: Known) -> bool:
        """Whether days may be computed from it. Days that are there are served under an older one,
        too.
        """
        return (
            known.age_seconds < FRESH_SECONDS
            and known.first <= self._first - RULES_MARGIN
            and self._last + RULES_MARGIN <= known.last
        )

    async def _read_calendars(self, stamps: Mapping[Wanted, Stamp]) -> dict[Wanted, Known]:
        """The calendars under stamps that were seen before; those that are being read here are
        waited for. What nobody brought is left out.
        """
        flights = self._accelerator.calendar_flights
        read: dict[Wanted, Known] = {}
        mine: dict[Wanted, Flight[CalendarKey, Known | NotFound]] = {}
        others: dict[Wanted, Flight[CalendarKey, Known | NotFound]] = {}
        first, last = self._first - RULES_MARGIN, self._last + CALENDAR_MARGIN
        for each, stamp in stamps.items():
            # It may have been read while the stamp was asked for.
            known = self._accelerator.calendars.find(self._organization_id, _source(each))
            if known is not None and known.rules_part == stamp.rules and self._is_fit(known):
                read[each] = known
                continue
            key = (self._organization_id, _source(each), stamp.rules)
            flight = flights.find(key, first, self._last + RULES_MARGIN)
            if flight is None:
                mine[each] = flights.begin(key, first, last)
            else:
                others[each] = flight
        if mine:
            try:
                await self._load_calendars(mine, stamps, first, last)
            finally:
                flights.end(mine.values())
        for each, flight in (mine | others).items():
            found = flight.result if each in mine else await flight.wait()
            if isinstance(found, NotFound):
                self._answers[each] = found
            elif found is not None:
                read[each] = found
            elif flight.is_refused and each in others:
                self._refuse([each])
        return read

    async def _load_calendars(
        self,
        mine: Mapping[Wanted, Flight[CalendarKey, Known | NotFound]],
        stamps: Mapping[Wanted, Stamp],
        first: date,
        last: date,
    ) -> None:
        """In one statement for each kind, into the flights' results; kept in this process."""
        async with self._accelerator.gate.place() as admitted:
            if not admitted:
                self._refuse(mine, mine.values())
                return
            read_at = monotonic()
            calendars = await self._load(mine, first, last)
        for each, flight in mine.items():
            calendar = calendars.get(_source(each))
            if calendar is None:
                flight.result = _not_found(each)
                continue
            known = KnownCalendar(
                calendar=calendar,
                rules_part=stamps[each].rules,
                first=date.min if isinstance(calendar, Offering) else first,
                last=date.max if isinstance(calendar, Offering) else last,
                read_at=read_at,
            )
            flight.result = cast("Known", known)
            self._accelerator.calendars.keep(self._organization_id, flight.result)

    async def _load(
        self, wanted: Iterable[Wanted], first: date, last: date
    ) -> Mapping[SourceKey, Calendar | ResourceCalendar | Offering]:
        """From PostgreSQL: those that exist."""
        found: dict[Any, Calendar | ResourceCalendar | Offering] = {}
        parties: list[Party] = []
        resource_ids: dict[ResourceId, None] = {}
        service_ids: list[ServiceId] = []
        for each in wanted:
            match each:
                case Party():
                    parties.append(each)
                case Counting(party=party):
                    parties.append(party)
                case ResourceUse():
                    resource_ids[each.resource_id] = None
                case _:
                    service_ids.append(each)
        place = (self._pool, self._organization_id)
        if parties:
            several = list(dict.fromkeys(parties))
            found.update(await load_calendars(*place, several, first, last))
        if resource_ids:
            found.update(await load_resource_calendars(*place, list(resource_ids), first, last))
        if service_ids:
            found.update(await load_offerings(*place, service_ids))
        return found

    # ------------------------------------------------------------ computing

    async def _fill(self, incomplete: Sequence[_Standing]) -> None:
        """Compute what nobody here computes yet under the same stamp, and wait for the rest."""
        flights = self._accelerator.flights
        mine: list[_Work] = []
        others: list[_Work] = []
        for standing in incomplete:
            first, last = standing.missing()
            key = (standing.question.stamp_key, standing.question.shape, bytes(standing.stamp))
            flight = flights.find(key, first, last)
            if flight is None:
                mine.append(_Work(standing, flights.begin(key, first, last)))
            else:
                others.append(_Work(standing, flight))
        if mine:
            try:
                await self._compute(mine)
            finally:
                flights.end(work.flight for work in mine)
        for standing, flight in others:
            computed = await flight.wait()
            if computed is not None:
                self._take(standing, computed)
            elif flight.is_refused:
                self._refuse([standing.wanted])

    def _take(self, standing: _Standing, computed: Mapping[date, FreeDay]) -> None:
        """Answer it with what was found and what was computed."""
        dates = standing.question.dates
        days = {**computed, **standing.days}
        if len(days) != len(dates) or standing.days:
            days = {day: days[day] for day in dates}
        self._answers[standing.wanted] = FreeDays(standing.known.calendar, days, standing.stamp)

    async def _compute(self, mine: Sequence[_Work]) -> None:
        """From one statement, into the flights' results, and answer; or refuse."""
        started = monotonic()
        async with self._accelerator.gate.place() as admitted:
            if not admitted:
                self._refuse(
                    (work.standing.wanted for work in mine), (work.flight for work in mine)
                )
                return
            claims = await self._claims(
                [
                    (work.standing.wanted, cast("Dated", work.standing.known.calendar))
                    for work in mine
                ],
                min(work.flight.first for work in mine),
                max(work.flight.last for work in mine),
            )
            fills: list[Fill] = []
            for index, (standing, flight) in enumerate(mine):
                if index % YIELD_AFTER == YIELD_AFTER - 1:
                    await asyncio.sleep(0)
                known = standing.known
                flight.result = days = _compute(
                    standing.wanted,
                    cast("Dated", known.calendar),
                    claims,
                    flight.first,
                    flight.last,
                )
                fills.append(
                    Fill(standing.question, standing.stamp, days, min(started, known.read_at))
                )
                self._take(standing, days)
        self._accelerator.shared.keep_here(fills)
        self._accelerator.tasks.start(self._keep(fills))

    async def _claims(
        self, wanted: Sequence[tuple[Wanted, Dated]], first: date, last: date
    ) -> _Claims:
        """The claims that days of these are computed from, on these dates: in one statement for all
        subjects, and one for what providers lead.
        """
        led = [
            calendar
            for each, calendar in wanted
            if isinstance(each, Counting) and each.is_led and isinstance(calendar, Calendar)
        ]
        subjects = [
            _subject(each, calendar)
            for each, calendar in wanted
            if not (isinstance(each, Counting) and each.is_led)
        ]
        place = (self._pool, self._organization_id)
        return _Claims(
            of_subjects=await claims_on(*place, subjects, first, last),
            led=await led_claims_on(*place, led, first, last),
        )

    async def _keep(self, fills: Sequence[Fill]) -> None:
        """Keep what was computed for other processes; in this one it counts already."""
        with suppress(asyncio.CancelledError):  # We shut down: then at once.
            await asyncio.sleep(KEEP_AFTER_SECONDS)
        await self._accelerator.shared.keep(fills)

    # ------------------------------------------------------------ without the caches

    async def _compute_alone(self, wanted: Sequence[Wanted]) -> None:
        """From PostgreSQL alone, for this question only: Redis can't be used, or the question is
        too wide to keep.
        """
        async with self._accelerator.gate.place() as admitted:
            if not admitted:
                self._refuse(wanted)
                return
            calendars = await self._load(
                wanted, self._first - RULES_MARGIN, self._last + RULES_MARGIN
            )
            found = {each: calendars.get(_source(each)) for each in wanted}
            asked = {
                each: (calendar, self._dates_of(each, calendar))
                for each, calendar in found.items()
                if isinstance(calendar, Dated)
            }
            claims = await self._claims(
                [(each, calendar) for each, (calendar, _) in asked.items()],
                min((dates[0] for _, dates in asked.values()), default=self._first),
                max((dates[-1] for _, dates in asked.values()), default=self._last),
            )
            for index, (each, calendar) in enumerate(found.items()):
                if index % YIELD_AFTER == YIELD_AFTER - 1:
                    await asyncio.sleep(0)
                match calendar:
                    case None:
                        self._answers[each] = _not_found(each)
                    case Offering():
                        self._answers[each] = FreeDays(calendar, {})
                    case _:
                        _, dates = asked[each]
                        days = _compute(each, calendar, claims, dates[0], dates[-1])
                        self._answers[each] = FreeDays(calendar, days)

    # ------------------------------------------------------------ services

    def needs_of(self, service_id: ServiceId) -> Needs:
        """What was answered for the service; nobody and nothing where that is a refusal."""
        found = self.found(service_id)
        return Needs(provider_ids=()) if found is None else found.calendar.needs

    def shapes_of(self, parties: Iterable[Party]) -> list[Rules]:
        """Those of visits with these as leads, each once."""
        found = [self.found(each) for each in parties]
        return list(dict.fromkeys(each.calendar.rules.shape for each in found if each is not None))

    def of_service(
        self, service_id: ServiceId, parties: Sequence[Party], uses: Sequence[ResourceUse]
    ) -> ServiceAnswer:
        """The answers for the service together, after each was given."""
        offering = self._answers[service_id]
        if not isinstance(offering, FreeDays):
            return offering
        wanted: tuple[Wanted, ...] = (service_id, *parties, *uses)
        found: list[FreeDays[Any]] = []
        stamps: dict[OwnerId, Stamp] = {}
        is_settled = True
        for each in wanted:
            answer = self._answers[each]
            if isinstance(answer, TemporarilyUnavailable):
                return answer
            if isinstance(answer, FreeDays):
                found.append(answer)
            stamp = answer.stamp if isinstance(answer, FreeDays) else None
            # A resource is asked for under each lead's shape, in this very moment perhaps.
            if stamp is None or stamps.setdefault(_owner(each), stamp) != stamp:
                is_settled = False
        return ServiceDays(
            offering=offering.calendar,
            providers={
                party.provider_id: days
                for party in parties
                if (days := self.found(party)) is not None
            },
            resources={use: days for use in uses if (days := self.found(use)) is not None},
            stamps=tuple(stamps.values()) if is_settled else None,
            fresh_seconds=min(each.fresh_seconds for each in found),
        )

    # ------------------------------------------------------------ sessions

    async def with_sessions(
        self, found: Mapping[ServiceId, ServiceAnswer]
    ) -> dict[ServiceId, ServiceAnswer]:
        """The same answers, those for services with seats with their sessions. Taking seats and
        giving them back changes the stamps of all that the session takes; these were seen before.
        """
        wanted = {
            each: answer
            for each, answer in found.items()
            if isinstance(answer, ServiceDays) and answer.offering.needs.seats > 1
        }
        read = await self._sessions_of(wanted) if wanted else {}
        first, last = self._dates("UTC")
        begin, end = day_number(first) * DAY_MINUTES, (day_number(last) + 1) * DAY_MINUTES
        answers = dict(found)
        for each, answer in wanted.items():
            if each in read:
                sessions, others = read[each]
                answers[each] = answer._replace(
                    # Another question may have asked for more dates.
                    sessions=[session for session in sessions if begin <= session.start < end],
                    others=others,
                    # Nobody looked at the stamps of the others.
                    stamps=None if others else answer.stamps,
                )
            else:
                self._accelerator.shared.counts.refused += 1
                answers[each] = TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        return answers

    async def _sessions_of(
        self, wanted: Mapping[ServiceId, ServiceDays]
    ) -> dict[ServiceId, SessionsRead]:
        """Those that nobody here reads yet under the same stamps are read, the rest is waited for.
        What is missing was refused.
        """
        flights = self._accelerator.session_flights
        mine: dict[ServiceId, SessionFlight] = {}
        others: dict[ServiceId, SessionFlight] = {}
        first, last = self._dates("UTC")
        for each, answer in wanted.items():
            # Without stamps, nobody else may take what is read here.
            under = object() if answer.stamps is None else tuple(map(bytes, answer.stamps))
            key = (self._organization_id, each, under)
            flight = flights.find(key, first, last)
            if flight is None:
                mine[each] = flights.begin(key, first, last)
            else:
                others[each] = flight
        read: dict[ServiceId, SessionsRead] = {}
        if mine:
            try:
                read = await self._read_sessions({each: wanted[each] for each in mine})
                for each, flight in mine.items():
                    flight.is_refused = each not in read
                    # The calendars of others count only for those who asked before they were read.
                    if each in read and not read[each].others:
                        flight.result = read[each].sessions
            finally:
                flights.end(mine.values())
        alone: dict[ServiceId, ServiceDays] = {}
        for each, flight in others.items():
            sessions = await flight.wait()
            if sessions is not None:
                read[each] = SessionsRead(sessions)
            elif not flight.is_refused:
                alone[each] = wanted[each]
        return read | await self._read_sessions(alone) if alone else read

    async def _read_sessions(
        self, wanted: Mapping[ServiceId, ServiceDays]
    ) -> dict[ServiceId, SessionsRead]:
        """In one statement, and one for what these services need no more; nothing where the gate is
        full.
        """
        first, last = self._dates("UTC")
        async with self._accelerator.gate.place() as admitted:
            if not admitted:
                return {}
            found = await standing_sessions(
                self._pool,
                self._organization_id,
                list(wanted),
                instant_of(day_number(first) * DAY_MINUTES),
                instant_of((day_number(last) + 1) * DAY_MINUTES),
            )
            gone: dict[ServiceId, list[ResourceId]] = {}
            for each, sessions in found.items():
                needed = wanted[each].offering.needs.resource_ids
                gone[each] = [room for room in rooms_of((), sessions) if room not in needed]
            others: Mapping[ResourceId, ResourceCalendar] = {}
            if any(gone.values()):
                others = await load_resource_calendars(
                    self._pool,
                    self._organization_id,
                    list(dict.fromkeys(chain.from_iterable(gone.values()))),
                    self._first - RULES_MARGIN,
                    self._last + RULES_MARGIN,
                )
        return {
            each: SessionsRead(
                sessions, {room: others[room] for room in gone[each] if room in others}
            )
            for each, sessions in found.items()
        }


# ---------------------------------------------------------------- what is wanted


def _owner(wanted: Wanted) -> OwnerId:
    """Whose stamp it counts under."""
    match wanted:
        case Party():
            return wanted.provider_id
        case Counting(party=party):
            return party.provider_id
        case ResourceUse():
            return wanted.resource_id
        case _:
            return wanted


def _source(wanted: Wanted) -> SourceKey:
    """What it is computed from, besides claims."""
    match wanted:
        case ResourceUse(resource_id=resource_id):
            return resource_id
        case Counting(party=party):
            return party
        case _:
            return wanted


def _kind(wanted: Wanted, calendar: Dated) -> Rules | str:
    """What its days are kept as: by the rules that they depend on, or as visits."""
    if isinstance(wanted, Counting):
        return visits(wanted.party.service_id if wanted.is_led else None)
    return _rules(wanted, calendar)


def _countings(party: Party, found: FreeDays[Calendar] | None) -> list[Counting]:
    """What limits count for it."""
    if found is None or not found.calendar.limits:
        return []
    kinds = ((found.calendar.provider.limits, False), (found.calendar.service_limits, True))
    return [Counting(party, is_led) for limits, is_led in kinds if limits]


def _rules(wanted: Wanted, calendar: Dated) -> Rules:
    if isinstance(calendar, Calendar):
        return calendar.rules
    return cast("ResourceUse", wanted).shape


def _subject(wanted: Wanted, calendar: Dated) -> tuple[SubjectId, str, Rules]:
    """Whose claims matter, in which zone and by which rules."""
    return cast("SubjectId", _owner(wanted)), calendar.hours.time_zone, _rules(wanted, calendar)


def _compute(
    wanted: Wanted,
    calendar: Dated,
    claims: _Claims,
    first: date,
    last: date,
) -> dict[date, FreeDay]:
    of_subjects = claims.of_subjects
    if isinstance(wanted, Counting):
        party, is_led = wanted
        counted = claims.led[party] if is_led else of_subjects[party.provider_id]
        return compute_visit_days(calendar.hours.time_zone, counted, first, last)
    rules = _rules(wanted, calendar)
    match calendar:
        case Calendar(provider=provider):
            return compute_free_days(calendar.hours, rules, of_subjects[provider.id], first, last)
        case ResourceCalendar(resource=resource):
            units = resource.bookable_units
            return compute_resource_days(
                calendar.hours, rules, units, of_subjects[resource.id], first, last
            )


def _not_found(wanted: Wanted) -> NotFound:
    match wanted:
        case Party(service_id=None) | Counting(party=Party(service_id=None)):
            return NotFound(what="provider")
        case _:
            return NotFound(what="service")
