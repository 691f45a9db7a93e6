"""Free days of any number of providers: from the cache where they stand, else computed from two
statements, and kept.

An answer is never older than its question: what stands in the cache was not made untrue by any
change that has been answered, and what is computed is read after the question came. Booking does
not come here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import compress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from app.admission.gate import RETRY_AFTER_SECONDS
from app.core.free_days import FreeDay, compute_free_days, free_starts_at
from app.core.refusals import NotFound, TemporarilyUnavailable
from app.core.slots import bookable_by_date, claims_span
from app.core.zones import dates_between
from app.free_times.accelerator import Computed
from app.free_times.calendars import KnownCalendar, ReadCalendar
from app.free_times.keys import LEASE_LIFETIME_MS
from app.free_times.shared import Fill, Question
from app.store.calendars import load_calendars, load_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from app.admission.gate import Gate
    from app.core.appointment import Appointment
    from app.core.ids import AppointmentId, OrganizationId, ProviderId
    from app.core.provider import Calendar
    from app.core.slots import Claim
    from app.core.zones import Minute
    from app.free_times.accelerator import FlightKey
    from app.free_times.calendars import CalendarKey
    from app.free_times.shared import Stamp
    from app.free_times.single_flight import Flight
    from app.store.calendars import Wanted
    from app.store.sql import Executor
    from app.usecases.resources import Resources

RULES_MARGIN: Final = timedelta(days=4)
"""Exceptions are read for so many dates around those asked for: a visit of a day may need the hours
of the next two.
"""

CALENDAR_MARGIN: Final = timedelta(days=67)
"""And for so many after them where the calendar is kept: the next page of the client's calendar
needs them.
"""

MOST_DAYS: Final = 20_000
"""Provider-days that one question may keep in Redis; larger ones are rare, and computed each time.
"""

FRESH_SECONDS: Final = 15.0
"""A calendar older than this is read again before days are computed from it: they live as much
shorter as it is old.
"""

REFRESH_AFTER_SECONDS: Final = 45.0
"""Days and calendars in demand are computed again from this age on, before they expire and
everybody has to wait.
"""

HOT_USES: Final = 10
"""Readings of a calendar in one process within its minute that make it one in demand."""

ROUNDS: Final = 6
"""How often a question looks; between two looks it waits for others who compute the same. Changes
may make each of them too old; after the last look it computes on its own.
"""

POLL_SECONDS: Final = 0.005
"""First pause before looking again whether another process has computed; doubled each time."""

KEEP_AFTER_SECONDS: Final = 0.02
"""What was computed is packed and sent so much later: whoever asked for it is answered first."""

YIELD_AFTER: Final = 25
"""Providers computed in a row (some 1 ms) before others get their turn."""

LocalDates: TypeAlias = "Callable[[str], tuple[date, date]]"
"""From a provider's zone to the dates that are wanted there, inclusive."""


class FreeDays(NamedTuple):
    """Free days by their provider-local date: every date wanted, ascending."""

    calendar: Calendar
    days: Mapping[date, FreeDay]
    stamp: Stamp | None = None
    """The provider's stamp under which this is true; None where the cache had no part in it."""
    fresh_seconds: float = 0.0
    """How long this may be given again under the same stamp."""


Answer: TypeAlias = FreeDays | NotFound | TemporarilyUnavailable


@dataclass(slots=True, kw_only=True)
class _Standing:
    """How a question stands: its calendar, the stamp that was seen, and the days that are there."""

    wanted: Wanted
    known: KnownCalendar
    stamp: Stamp
    question: Question
    days: Mapping[date, FreeDay] = field(default_factory=dict)
    age_seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        return len(self.days) == len(self.question.dates)

    def missing(self) -> Question:
        """What is to be computed: from the first date that is not there to the last."""
        asked = self.question
        if not self.days:
            return asked
        dates = [day for day in asked.dates if day not in self.days]
        return Question(
            asked.organization_id,
            asked.provider_id,
            asked.rules,
            dates_between(dates[0], dates[-1]),
        )


class _Work(NamedTuple):
    """What is computed here, and the flight that others wait for."""

    standing: _Standing
    question: Question
    flight: Flight[FlightKey, Computed]


async def free_days(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Iterable[Wanted],
    first: date,
    last: date,
    dates: LocalDates,
    stamps: Mapping[ProviderId, Stamp] | None = None,
) -> dict[Wanted, Answer]:
    """The days of each; `first` and `last` enclose what `dates` gives for any zone.

    `stamps` are those of providers that were seen since the question came.
    """
    asking = _Asking(resources, organization_id, first, last, dates)
    return await asking.answer(list(dict.fromkeys(wanted)), stamps)


async def free_days_for_move(
    resources: Resources,
    organization_id: OrganizationId,
    appointment: Appointment,
    first: date,
    last: date,
) -> Answer:
    """The days on which this appointment could take place instead, past the cache: its own time
    counts as free, and its provider need not offer its service any more.
    """
    wanted = (appointment.provider_id, appointment.service_id)
    async with resources.accelerator.gate.place() as admitted:
        if not admitted:
            resources.accelerator.slots.counts.refused += 1
            return TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        calendars = await load_calendars(
            resources.pool,
            organization_id,
            [wanted],
            first - RULES_MARGIN,
            last + RULES_MARGIN,
            with_withdrawn=True,
        )
        calendar = calendars.get(wanted)
        if calendar is None:
            return _not_found(wanted)
        claims = await claims_around(
            resources.pool, organization_id, [calendar], first, last, without=appointment.id
        )
    days = compute_free_days(calendar.hours, calendar.rules, claims[wanted[0]], first, last)
    return FreeDays(calendar, days)


def bookable_days(found: FreeDays, now: datetime) -> dict[date, tuple[Minute, ...]]:
    """What of the days can be booked at this instant: the grid, notice, horizon and the end
    of holds are applied here.
    """
    calendar = found.calendar
    step = calendar.rules.step_minutes
    starts = {day: free_starts_at(free, step, now) for day, free in found.days.items()}
    return bookable_by_date(calendar.hours, calendar.rules, starts, now)


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
    if not calendars:
        return {}
    spans = [
        claims_span(calendar.hours.time_zone, calendar.rules, first, last) for calendar in calendars
    ]
    provider_ids = list(dict.fromkeys(calendar.provider.id for calendar in calendars))
    return await load_claims(
        on,
        organization_id,
        provider_ids,
        min(span[0] for span in spans),
        max(span[1] for span in spans),
        without=without,
    )


class _Asking:
    """One question, on its way to its answers."""

    __slots__ = (
        "_accelerator",
        "_answers",
        "_dates",
        "_dates_by_zone",
        "_first",
        "_gate",
        "_last",
        "_organization_id",
        "_patient_until",
        "_pool",
        "_resources",
    )

    def __init__(
        self,
        resources: Resources,
        organization_id: OrganizationId,
        first: date,
        last: date,
        dates: LocalDates,
        *,
        gate: Gate | None = None,
    ) -> None:
        self._resources = resources
        self._gate = gate or resources.accelerator.gate
        self._pool = resources.pool
        self._accelerator = resources.accelerator
        self._organization_id = organization_id
        self._first, self._last = first, last
        self._dates = dates
        self._dates_by_zone: dict[str, tuple[date, ...]] = {}
        self._answers: dict[Wanted, Answer] = {}
        self._patient_until = 0.0

    async def answer(
        self, wanted: list[Wanted], stamps: Mapping[ProviderId, Stamp] | None
    ) -> dict[Wanted, Answer]:
        is_kept = len(wanted) * ((self._last - self._first).days + 1) <= MOST_DAYS
        for left in reversed(range(ROUNDS if is_kept else 0)):
            standings = await self._look(
                [each for each in wanted if each not in self._answers], stamps
            )
            stamps = None  # What was seen before is only good for the first look.
            if standings is None:
                break
            incomplete = []
            for standing in standings:
                if standing.is_complete:
                    self._serve(standing)
                else:
                    incomplete.append(standing)
            if incomplete and left:
                await self._fill(incomplete)
            if len(self._answers) == len(wanted):
                return self._answers
        await self._compute_alone([each for each in wanted if each not in self._answers])
        return self._answers

    def _asked(self, zone: str) -> tuple[date, ...]:
        """The dates that are wanted in this zone."""
        dates = self._dates_by_zone.get(zone)
        if dates is None:
            dates = self._dates_by_zone[zone] = dates_between(*self._dates(zone))
        return dates

    def _refuse(self, wanted: Iterable[Wanted], flights: Iterable[Flight[Any, Any]] = ()) -> None:
        """There is too much to do for these, and for all who wait for the flights."""
        for each in wanted:
            self._accelerator.slots.counts.refused += 1
            self._answers[each] = TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        for flight in flights:
            # What is refreshed has a gate of its own, which says nothing about those who wait.
            flight.is_refused = self._gate is self._accelerator.gate

    def _refuse_work(self, works: Sequence[_Work]) -> None:
        self._refuse((work.standing.wanted for work in works), (work.flight for work in works))

    # ------------------------------------------------------------ looking

    async def _look(
        self, wanted: Sequence[Wanted], stamps_seen: Mapping[ProviderId, Stamp] | None
    ) -> list[_Standing] | None:
        """How each stands; the cache can't be used where None. Answers those that do not exist or
        can't be read.
        """
        calendars = self._accelerator.calendars
        known = {each: calendars.find(self._organization_id, each) for each in wanted}
        seen = await self._standings(known, stamps_seen)
        if seen is None:
            return None
        standings: list[_Standing] = []
        stamps: dict[Wanted, Stamp] = {}
        unknown: list[Wanted] = []
        for each, (stamp, standing) in seen.items():
            if standing is not None and (standing.is_complete or self._is_fit(standing.known)):
                standings.append(standing)
            elif stamp is not None:
                stamps[each] = stamp
            else:
                unknown.append(each)
        if unknown:
            begun = await self._accelerator.slots.begin(
                [(self._organization_id, each[0]) for each in unknown]
            )
            if begun is None:
                return None
            stamps |= zip(unknown, begun, strict=True)
        if not stamps:
            return standings
        again = await self._standings(await self._read_calendars(stamps))
        if again is None:
            return None
        return standings + [standing for _, standing in again.values() if standing is not None]

    def _is_fit(self, known: KnownCalendar) -> bool:
        """Whether days may be computed from it; those that are there already are shown under an
        older one, too.
        """
        return known.age_seconds < FRESH_SECONDS and self._covers(known)

    def _question(self, wanted: Wanted, known: KnownCalendar | None) -> Question:
        """What is asked of the cache; the stamp alone where the rules are not known."""
        if known is None:
            return Question(self._organization_id, wanted[0])
        calendar = known.calendar
        return Question(
            self._organization_id, wanted[0], calendar.rules, self._asked(calendar.hours.time_zone)
        )

    async def _standings(
        self,
        known: Mapping[Wanted, KnownCalendar] | Mapping[Wanted, KnownCalendar | None],
        stamps: Mapping[ProviderId, Stamp] | None = None,
    ) -> dict[Wanted, tuple[Stamp | None, _Standing | None]] | None:
        """The stamp of each, and how it stands where its calendar counts under that stamp."""
        questions = [self._question(each, calendar) for each, calendar in known.items()]
        seen = await self._accelerator.slots.look(questions, stamps) if questions else []
        if seen is None:
            return None
        found: dict[Wanted, tuple[Stamp | None, _Standing | None]] = {}
        for (each, calendar), question, there in zip(known.items(), questions, seen, strict=True):
            standing = None
            if (
                calendar is not None
                and there.stamp is not None
                and calendar.generation == there.stamp.generation
            ):
                standing = _Standing(
                    wanted=each,
                    known=calendar,
                    stamp=there.stamp,
                    question=question,
                    days=there.days,
                    age_seconds=there.age_seconds,
                )
            found[each] = (there.stamp, standing)
        return found

    async def _read_calendars(self, stamps: Mapping[Wanted, Stamp]) -> dict[Wanted, KnownCalendar]:
        """The calendars under stamps that were seen before; those that others here are reading are
        waited for.

        A calendar may be taken from whoever read it under the same generation: had it changed
        since, so had that.
        """
        read: dict[Wanted, KnownCalendar] = {}
        flights = self._accelerator.calendar_flights
        first, last = self._first - RULES_MARGIN, self._last + CALENDAR_MARGIN
        while stamps:
            mine: dict[Wanted, Flight[CalendarKey, ReadCalendar]] = {}
            others: dict[Wanted, Flight[CalendarKey, ReadCalendar]] = {}
            for each, stamp in stamps.items():
                # It may have been read while the stamp was asked for.
                known = self._accelerator.calendars.find(self._organization_id, each)
                if (
                    known is not None
                    and known.generation == stamp.generation
                    and self._is_fit(known)
                ):
                    read[each] = known
                    continue
                key = (self._organization_id, *each)
                flight = next(filter(self._covers, flights.flying(key, first, last)), None)
                if flight is None:
                    mine[each] = flights.take_off(key, first, last)
                else:
                    others[each] = flight
            if mine:
                try:
                    read |= await self._read_calendars_here(mine, stamps, first, last)
                finally:
                    flights.land(mine.values())
            again: dict[Wanted, Stamp] = {}
            for each, flight in others.items():
                found = await flight.landed(can_take=True)
                if flight.is_refused:
                    self._refuse([each])
                elif found is None or found.generation != stamps[each].generation:
                    again[each] = stamps[each]
                elif found.known is None:
                    self._answers[each] = _not_found(each)
                else:
                    read[each] = found.known
            stamps = again
        return read

    def _covers(self, known: KnownCalendar | Flight[CalendarKey, ReadCalendar]) -> bool:
        return known.first <= self._first - RULES_MARGIN and self._last + RULES_MARGIN <= known.last

    async def _read_calendars_here(
        self,
        mine: Mapping[Wanted, Flight[CalendarKey, ReadCalendar]],
        stamps: Mapping[Wanted, Stamp],
        first: date,
        last: date,
    ) -> dict[Wanted, KnownCalendar]:
        """The calendars, in one statement; kept in this process. Answers those that do
        not exist.
        """
        async with self._gate.place() as admitted:
            if not admitted:
                self._refuse(mine, mine.values())
                return {}
            read_at = monotonic()
            calendars = await load_calendars(
                self._pool, self._organization_id, list(mine), first, last
            )
        read: dict[Wanted, KnownCalendar] = {}
        for each, flight in mine.items():
            calendar, generation = calendars.get(each), stamps[each].generation
            if calendar is None:
                self._answers[each] = _not_found(each)
            else:
                read[each] = KnownCalendar(
                    calendar=calendar,
                    generation=generation,
                    first=first,
                    last=last,
                    read_at=read_at,
                )
                self._accelerator.calendars.keep(self._organization_id, read[each])
            flight.cargo = ReadCalendar(generation, read.get(each))
        return read

    def _serve(self, standing: _Standing) -> None:
        known = standing.known
        age = max(standing.age_seconds, known.age_seconds)
        fresh_seconds = REFRESH_AFTER_SECONDS - age
        self._answers[standing.wanted] = FreeDays(
            known.calendar, standing.days, standing.stamp, fresh_seconds
        )
        if known.uses >= HOT_USES and age > REFRESH_AFTER_SECONDS:
            flights, about = self._accelerator.flights, self._about(standing.question)
            if not flights.flying(*about):
                self._accelerator.start(self._refresh(standing, flights.take_off(*about)))

    # ------------------------------------------------------------ filling

    async def _fill(self, incomplete: Sequence[_Standing]) -> None:
        """Compute what nobody computes yet and answer it; wait for what others compute."""
        flights = self._accelerator.flights
        mine: list[_Work] = []
        others: list[tuple[_Standing, list[tuple[Flight[FlightKey, Computed], bool]]]] = []
        for standing in incomplete:
            missing = standing.missing()
            about = self._about(missing)
            beside = flights.flying(*about)
            if beside:
                others.append((standing, [(flight, not flight.is_reading) for flight in beside]))
            else:
                mine.append(_Work(standing, missing, flights.take_off(*about)))
        if mine:
            try:
                await self._fly(mine)
            finally:
                flights.land(work.flight for work in mine)
        for standing, waited_for in others:
            for flight, can_take in waited_for:
                computed = await flight.landed(can_take=can_take)
                if computed is not None:
                    self._take(standing, computed)
            if standing.wanted not in self._answers and any(
                flight.is_refused for flight, _ in waited_for
            ):
                self._refuse([standing.wanted])

    def _about(self, question: Question) -> tuple[FlightKey, date, date]:
        """What a flight is about that computes these days."""
        key = (self._organization_id, question.provider_id, question.rule_set)
        return key, question.dates[0], question.dates[-1]

    def _take(self, standing: _Standing, computed: Computed) -> None:
        """Another's days, if they are all that is missing, and computed under the rules that stand
        now.
        """
        if computed.known.generation != standing.stamp.generation:
            return
        dates = standing.question.dates
        days = computed.days
        if tuple(days) != dates:
            found = {**days, **standing.days}
            if not all(day in found for day in dates):
                return
            days = {day: found[day] for day in dates}
        self._answers[standing.wanted] = FreeDays(standing.known.calendar, days)

    async def _fly(self, mine: Sequence[_Work]) -> None:
        """Compute what nobody computes elsewhere, and wait for the rest."""
        slots = self._accelerator.slots
        questions = [work.question for work in mine]
        if self._gate.is_full:
            elsewhere = await slots.leased(questions)
            self._refuse_work(
                [work for work, is_theirs in zip(mine, elsewhere, strict=True) if not is_theirs]
            )
        else:
            elsewhere = await self._compute_ours(mine)
        if any(elsewhere):
            slots.counts.waited_for_others += 1
            await self._wait_for_leases(list(compress(questions, elsewhere)))

    async def _compute_ours(self, mine: Sequence[_Work]) -> list[bool]:
        """Compute what can be leased, and have it kept; whether each of them is
        computed elsewhere.
        """
        slots = self._accelerator.slots
        questions = [work.question for work in mine]
        try:
            leased = await slots.lease(questions)
            ours = list(compress(mine, leased))
            fills = await self._compute(ours) if ours else []
        except BaseException:
            self._accelerator.start(slots.release(questions))
            raise
        # Near it counts already: nobody here waits for what is computed elsewhere, or for its being
        # kept.
        self._accelerator.flights.land(work.flight for work in ours)
        if fills:
            self._accelerator.start(self._keep(fills))
        return [not is_ours for is_ours in leased]

    async def _keep(self, fills: Sequence[Fill]) -> None:
        """Keep what was computed for other processes, which wait for it; near it counts already."""
        with suppress(asyncio.CancelledError):  # We leave: then at once.
            await asyncio.sleep(KEEP_AFTER_SECONDS)
        await self._accelerator.slots.keep(fills)

    async def _wait_for_leases(self, questions: list[Question]) -> None:
        """Until they are kept or given up, or have taken as long as any may; that is the longest
        for all rounds together.
        """
        self._patient_until = self._patient_until or monotonic() + LEASE_LIFETIME_MS / 1000
        pause = POLL_SECONDS
        while monotonic() < self._patient_until and any(
            await self._accelerator.slots.leased(questions)
        ):
            await asyncio.sleep(pause)
            pause = min(pause * 2, 16 * POLL_SECONDS)

    async def _compute(self, ours: Sequence[_Work]) -> list[Fill]:
        """Compute and answer; or refuse, where there is too much to do. What it gives is to be
        kept.
        """
        slots = self._accelerator.slots
        started = monotonic()
        async with self._gate.place() as admitted:
            if not admitted:
                await slots.release([work.question for work in ours])
                self._refuse_work(ours)
                return []
            for work in ours:
                work.flight.is_reading = True
            claims = await claims_around(
                self._pool,
                self._organization_id,
                [work.standing.known.calendar for work in ours],
                min(work.question.dates[0] for work in ours),
                max(work.question.dates[-1] for work in ours),
            )
            fills = []
            for index, (standing, question, flight) in enumerate(ours):
                if index % YIELD_AFTER == YIELD_AFTER - 1:
                    await asyncio.sleep(0)
                known, dates = standing.known, question.dates
                calendar = known.calendar
                days = compute_free_days(
                    calendar.hours,
                    calendar.rules,
                    claims[question.provider_id],
                    dates[0],
                    dates[-1],
                )
                flight.cargo = Computed(known, days)
                fills.append(Fill(question, standing.stamp, days, min(started, known.read_at)))
                self._take(standing, flight.cargo)
            slots.keep_near(fills)
        return fills

    async def _refresh(self, standing: _Standing, flight: Flight[FlightKey, Computed]) -> None:
        """Read and compute again what is in demand, before it expires; meanwhile it is served as it
        is.
        """
        try:
            again = _Asking(
                self._resources,
                self._organization_id,
                self._first,
                self._last,
                self._dates,
                gate=self._accelerator.refreshing,
            )
            calendars = await again._read_calendars({standing.wanted: standing.stamp})
            calendar = calendars.get(standing.wanted)
            if calendar is None:
                return
            question = again._question(standing.wanted, calendar)
            renewed = _Standing(
                wanted=standing.wanted, known=calendar, stamp=standing.stamp, question=question
            )
            if self._about(question) == self._about(standing.question):
                elsewhere = await again._compute_ours([_Work(renewed, question, flight)])
                self._accelerator.slots.counts.refreshed_early += not any(elsewhere)
        finally:
            self._accelerator.flights.land([flight])

    # ------------------------------------------------------------ without the cache

    async def _compute_alone(self, wanted: Sequence[Wanted]) -> None:
        """From PostgreSQL alone, for this question only: Redis can't be used, or the question is
        too wide to keep.
        """
        async with self._gate.place() as admitted:
            if not admitted:
                self._refuse(wanted)
                return
            calendars = await load_calendars(
                self._pool,
                self._organization_id,
                wanted,
                self._first - RULES_MARGIN,
                self._last + RULES_MARGIN,
            )
            claims = await claims_around(
                self._pool, self._organization_id, list(calendars.values()), self._first, self._last
            )
            for index, each in enumerate(wanted):
                if index % YIELD_AFTER == YIELD_AFTER - 1:
                    await asyncio.sleep(0)
                calendar = calendars.get(each)
                if calendar is None:
                    self._answers[each] = _not_found(each)
                else:
                    dates = self._asked(calendar.hours.time_zone)
                    days = compute_free_days(
                        calendar.hours, calendar.rules, claims[each[0]], dates[0], dates[-1]
                    )
                    self._answers[each] = FreeDays(calendar, days)


def _not_found(wanted: Wanted) -> NotFound:
    return NotFound(what="provider" if wanted[1] is None else "service")
