"""Read free days of any number of providers and resources: the states that a question goes through.
See the package's docstring.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain, islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

from app.admission.gate import RETRY_AFTER_SECONDS
from app.core.free_days import FreeDay, free_starts_at, load_of, releases_after
from app.core.limits import UNCOUNTED, Counted, full_for
from app.core.needs import Offering
from app.core.party import Party
from app.core.provider import Calendar
from app.core.refusals import NotFound, TemporarilyUnavailable
from app.core.resource import ResourceCalendar
from app.core.slots import bookable_by_date
from app.core.zones import dates_between
from app.free_times.calendars import KnownCalendar
from app.free_times.keys import DAY_LIFETIME_MS
from app.free_times.shared import Fill, Question
from app.free_times.sources import (
    RULES_MARGIN,
    YIELD_AFTER,
    Part,
    compute_part,
    key_of,
    load_claims_on,
    load_sources,
    owner_of,
    parts_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId, ProviderId, SubjectId
    from app.core.rules import Rules
    from app.core.zones import Minute
    from app.free_times.accelerator import Accelerator
    from app.free_times.calendars import Known
    from app.free_times.shared import Stamp
    from app.free_times.single_flight import Flight
    from app.free_times.sources import Source, Wanted
    from app.store.pool import Pool

CALENDAR_MARGIN: Final = timedelta(days=67)
"""Exceptions are read for so many dates after those asked for where the calendar is kept: the next
page of the client's calendar needs them.
"""

MOST_DAYS: Final = 20_000
"""Provider-days that one question may keep; larger ones are rare, and computed each time."""

FRESH_SECONDS: Final = 15.0
"""A calendar older than this is read again before days are computed from it: they live as much
shorter as it is old.
"""

LocalDates: TypeAlias = "Callable[[str], tuple[date, date]]"
"""From a provider's zone to the dates that are wanted there, inclusive."""

Of = TypeVar("Of", bound=Calendar | ResourceCalendar)


class FreeDays(NamedTuple, Generic[Of]):
    """Free days by their local date: every date wanted, ascending."""

    calendar: Of
    days: Mapping[date, FreeDay]
    stamp: Stamp | None = None
    """The stamp under which this is true; None where it was computed without the caches."""
    fresh_seconds: float = 0.0
    """How long this may be given again under the same stamp; 0 where its age is not known."""
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

Computed: TypeAlias = "Mapping[date, FreeDay] | TemporarilyUnavailable"


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
    reading = Reading(accelerator, pool, organization_id, first, last, dates)
    return await reading.free_days(list(dict.fromkeys(wanted)), stamps)


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


class Read(NamedTuple):
    """A source, with the days of its parts in their order."""

    source: Any
    parts: Sequence[Part]
    days: Sequence[Mapping[date, FreeDay]]
    stamp: Stamp | None
    fresh_seconds: float

    def of_part(self, at: int) -> FreeDays[Any]:
        """The days of one of its parts."""
        return FreeDays(self.source, self.days[at], self.stamp, self.fresh_seconds)

    def of_provider(self) -> FreeDays[Calendar]:
        """The free days of a provider, with what its limits count."""
        found: FreeDays[Calendar] = self.of_part(0)
        for part, days in zip(self.parts[1:], self.days[1:], strict=True):
            loads = {day: load_of(visits) for day, visits in days.items()}
            counts = {"led" if part.is_led else "taken": loads}
            found = found._replace(counted=found.counted._replace(**counts))
        return found


@dataclass(slots=True)
class _State:
    """A source on its way to an answer, with the days of each part that were found under `stamp`,
    which was seen before anything else was read. Where no cache is used it is None, and there are
    no `questions`.
    """

    source: Any
    read_at: float
    stamp: Stamp | None
    parts: Sequence[Part]
    questions: Sequence[Question]
    days: list[Mapping[date, FreeDay]]
    age_seconds: float = 0.0
    """That of the oldest day found."""
    is_own: bool = True
    """Whether nothing was computed for an earlier question, so that its age is known."""

    @property
    def is_complete(self) -> bool:
        return all(
            len(days) == len(part.dates) for part, days in zip(self.parts, self.days, strict=True)
        )

    def take_days_of(self, other: _State) -> bool:
        """Take what was found under the same stamp. Not where the parts differ: the rules have
        changed since, and have another shape.
        """
        if [(part.name, part.dates) for part in self.parts] != [
            (part.name, part.dates) for part in other.parts
        ]:
            return False
        self.days, self.age_seconds = other.days, other.age_seconds
        return True

    def complete(self, at: int, computed: Mapping[date, FreeDay], *, is_own: bool) -> None:
        """Add what was computed of a part, for this question or for an earlier one, on all dates
        that were missing.
        """
        dates, found = self.parts[at].dates, self.days[at]
        days = {**computed, **found}
        if found or len(days) != len(dates):
            days = {day: days[day] for day in dates}
        self.days[at] = days
        self.is_own = self.is_own and is_own

    def read(self) -> Read:
        fresh_seconds = 0.0
        if self.is_own:
            age = max(self.age_seconds, monotonic() - self.read_at)
            fresh_seconds = DAY_LIFETIME_MS / 1000 - age
        return Read(self.source, self.parts, self.days, self.stamp, fresh_seconds)


_Looked: TypeAlias = "_State | NotFound | TemporarilyUnavailable"

BUSY: Final = TemporarilyUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)


@dataclass(frozen=True, slots=True)
class Reading:
    """One question about several sources; `first` and `last` enclose the dates in any zone."""

    accelerator: Accelerator
    pool: Pool
    organization_id: OrganizationId
    first: date
    last: date
    dates: LocalDates
    _dates_by_zone: dict[str, tuple[date, ...]] = field(init=False, default_factory=dict)

    async def free_days(
        self, parties: Sequence[Party], stamps: Mapping[Any, Stamp] | None
    ) -> dict[Party, Answer]:
        """The free days of these, and what their limits count."""
        found = await self.read(parties, stamps)
        return {
            party: read.of_provider() if isinstance(read, Read) else read
            for party, read in zip(parties, found, strict=True)
        }

    async def read(
        self, wanted: Sequence[Wanted], stamps: Mapping[Any, Stamp] | None
    ) -> list[Read | NotFound | TemporarilyUnavailable]:
        """What is wanted, in order, each of another source."""
        looked: Mapping[Wanted, _Looked] | None = None
        if len(wanted) * ((self.last - self.first).days + 1) <= MOST_DAYS:
            looked = await self._look(wanted, stamps)
        if looked is None:
            looked = await self._read_alone(wanted)
        incomplete = {
            each: state
            for each, state in looked.items()
            if isinstance(state, _State) and not state.is_complete
        }
        refused = await self._fill(incomplete) if incomplete else ()
        answers: list[Read | NotFound | TemporarilyUnavailable] = []
        for each in wanted:
            state = BUSY if each in refused else looked[each]
            if state is BUSY:
                self.accelerator.shared.counts.refused += 1
            answers.append(state.read() if isinstance(state, _State) else state)
        return answers

    # ------------------------------------------------------------ looking

    async def _look(
        self, wanted: Sequence[Wanted], stamps: Mapping[Any, Stamp] | None
    ) -> dict[Wanted, _Looked] | None:
        """Each with a calendar from which days may be computed under its stamp, and the days that
        are there; None where Redis can't be asked.
        """
        calendars = self.accelerator.calendars
        known = {each: calendars.find(self.organization_id, key_of(each)) for each in wanted}
        seen = await self._see(known, stamps)
        if seen is None:
            return None
        looked: dict[Wanted, _Looked] = {}
        unknown: dict[Wanted, Stamp] = {}
        found: dict[Wanted, _State] = {}
        for each, (stamp, state) in seen.items():
            calendar = known[each]
            # Days that are there are served under an older calendar, too.
            if state is not None and (state.is_complete or self._is_fit(calendar)):
                looked[each] = state
                continue
            unknown[each] = stamp
            if state is not None:
                found[each] = state
        return looked | await self._read_calendars(unknown, found) if unknown else looked

    async def _see(
        self, known: Mapping[Wanted, Known | None], stamps: Mapping[Any, Stamp] | None
    ) -> dict[Wanted, tuple[Stamp, _State | None]] | None:
        """The stamp of each, and its state where its calendar counts under that stamp."""
        states = {
            each: None if calendar is None else self._state(each, calendar)
            for each, calendar in known.items()
        }
        questions = {
            each: (state and state.questions) or [Question(self.organization_id, owner_of(each))]
            for each, state in states.items()
        }
        asked = list(chain.from_iterable(questions.values()))
        seen = await self.accelerator.shared.look(asked, stamps) if asked else []
        if seen is None:
            return None
        answers = iter(seen)
        found: dict[Wanted, tuple[Stamp, _State | None]] = {}
        for each, calendar in known.items():
            there = list(islice(answers, len(questions[each])))
            stamp, state = there[0].stamp, states[each]
            if state is not None and calendar is not None and calendar.rules_part == stamp.rules:
                state.stamp = stamp
                if state.parts:
                    state.days = [part.days if part.stamp == stamp else {} for part in there]
                    state.age_seconds = max(part.age_seconds for part in there)
            else:
                state = None
            found[each] = stamp, state
        return found

    def _state(self, wanted: Wanted, known: Known, stamp: Stamp | None = None) -> _State:
        """That of a source of which no days are found yet."""
        parts = self._parts(wanted, known.calendar)
        owner = owner_of(wanted)
        return _State(
            source=known.calendar,
            read_at=known.read_at,
            stamp=stamp,
            parts=parts,
            questions=[
                Question(self.organization_id, owner, part.name, part.dates) for part in parts
            ],
            days=[{} for _ in parts],
        )

    def _parts(self, wanted: Wanted, source: Source) -> list[Part]:
        if isinstance(source, Offering):
            return []
        zone = source.hours.time_zone
        dates = self._dates_by_zone.get(zone)
        if dates is None:
            dates = self._dates_by_zone[zone] = dates_between(*self.dates(zone))
        return parts_of(wanted, source, dates)

    def _is_fit(self, known: Known | None) -> bool:
        """Whether days may be computed from it."""
        return (
            known is not None
            and known.age_seconds < FRESH_SECONDS
            and known.first <= self.first - RULES_MARGIN
            and self.last + RULES_MARGIN <= known.last
        )

    async def _read_calendars(
        self, stamps: Mapping[Wanted, Stamp], found: Mapping[Wanted, _State]
    ) -> dict[Wanted, _Looked]:
        """The calendars under stamps that were seen before, and then the days under them. What was
        `found` was looked for already, under a calendar that is too old or does not reach far
        enough to compute from.
        """
        first, last = self.first - RULES_MARGIN, self.last + RULES_MARGIN
        since, until = first, self.last + CALENDAR_MARGIN
        calendars = self.accelerator.calendars
        read: dict[Wanted, Known | NotFound | TemporarilyUnavailable] = {}
        unread: dict[Wanted, tuple[Hashable, date, date]] = {}
        for each, stamp in stamps.items():
            # It may have been read while the stamp was asked for.
            known = calendars.find(self.organization_id, key_of(each))
            if known is not None and known.rules_part == stamp.rules and self._is_fit(known):
                read[each] = known
            else:
                unread[each] = (self.organization_id, key_of(each), stamp.rules), first, last
                if known is not None and known.may_grow:
                    since, until = min(since, known.first), max(until, known.last)

        async def load(
            mine: Mapping[Wanted, Flight],
        ) -> Mapping[Wanted, Known | NotFound | TemporarilyUnavailable]:
            rules_parts = {each: stamps[each].rules for each in mine}
            loaded = await self._load(rules_parts, since, until)
            for calendar in loaded.values():
                if isinstance(calendar, KnownCalendar):
                    calendars.keep(self.organization_id, calendar)
            return loaded

        if unread:
            read |= await self.accelerator.flights.run(unread, load, since=since, until=until)
        return await self._look_again(read, stamps, found)

    async def _look_again(
        self,
        read: Mapping[Wanted, Known | NotFound | TemporarilyUnavailable],
        stamps: Mapping[Wanted, Stamp],
        found: Mapping[Wanted, _State],
    ) -> dict[Wanted, _Looked]:
        """The days under calendars that were just read, where they were not looked for before."""
        states = {
            each: self._state(each, known, stamps[each])
            for each, known in read.items()
            if isinstance(known, KnownCalendar)
        }
        unseen: dict[Wanted, Known] = {}
        for each, state in states.items():
            if each in found and state.take_days_of(found[each]):
                continue
            if state.parts:
                unseen[each] = cast("Known", read[each])
        # Where the rules have changed again, the calendar still counts under the stamp that was
        # seen before it.
        seen = (await self._see(unseen, None) if unseen else None) or {}
        states |= {each: state for each, (_, state) in seen.items() if state is not None}
        return {each: states.get(each) or cast("_Looked", answer) for each, answer in read.items()}

    async def _read_alone(self, wanted: Sequence[Wanted]) -> dict[Wanted, _Looked]:
        """The calendars for this question only: Redis can't be used, or the question is too wide to
        keep.
        """
        first, last = self.first - RULES_MARGIN, self.last + RULES_MARGIN
        read = await self._load(dict.fromkeys(wanted, b""), first, last)
        return {
            each: self._state(each, known) if isinstance(known, KnownCalendar) else known
            for each, known in read.items()
        }

    async def _load(
        self, rules_parts: Mapping[Wanted, bytes], first: date, last: date
    ) -> dict[Wanted, Known | NotFound | TemporarilyUnavailable]:
        """From PostgreSQL, in one statement for each kind, with the exceptions on these dates."""
        async with self.accelerator.gate.place() as admitted:
            if not admitted:
                return dict.fromkeys(rules_parts, BUSY)
            read_at = monotonic()
            found = await load_sources(self.pool, self.organization_id, rules_parts, first, last)
        read: dict[Wanted, Known | NotFound | TemporarilyUnavailable] = {}
        for each, rules_part in rules_parts.items():
            source = found.get(key_of(each))
            if source is None:
                is_provider = isinstance(each, Party) and each.service_id is None
                read[each] = NotFound(what="provider" if is_provider else "service")
                continue
            is_dated = not isinstance(source, Offering)
            read[each] = cast(
                "Known",
                KnownCalendar(
                    calendar=source,
                    rules_part=rules_part,
                    first=first if is_dated else date.min,
                    last=last if is_dated else date.max,
                    read_at=read_at,
                ),
            )
        return read

    # ------------------------------------------------------------ computing

    async def _fill(self, states: Mapping[Wanted, _State]) -> set[Wanted]:
        """Complete these, each day computed once at a time in this process; those that were
        refused.
        """
        missing: dict[_Place, tuple[Hashable, date, date]] = {}
        for each, state in states.items():
            for at, (part, days) in enumerate(zip(state.parts, state.days, strict=True)):
                if len(days) == len(part.dates):
                    continue
                dates = [day for day in part.dates if day not in days] if days else part.dates
                key: Hashable = object()
                if state.stamp is not None:
                    key = (state.questions[at].stamp_key, part.name, bytes(state.stamp))
                missing[_Place(each, at)] = key, dates[0], dates[-1]

        own: set[_Place] = set()

        async def compute(mine: Mapping[_Place, Flight]) -> Mapping[_Place, Computed]:
            own.update(mine)
            return await self._compute(states, mine)

        refused: set[Wanted] = set()
        computed = await self.accelerator.flights.run(missing, compute)
        for place, result in computed.items():
            if isinstance(result, TemporarilyUnavailable):
                refused.add(place.wanted)
            else:
                states[place.wanted].complete(place.at, result, is_own=place in own)
        return refused

    async def _compute(
        self, states: Mapping[Wanted, _State], mine: Mapping[_Place, Flight]
    ) -> Mapping[_Place, Computed]:
        """Free days from one statement, and what limits count from one for each kind of them."""
        started = monotonic()
        computed: dict[_Place, dict[date, FreeDay]] = {}
        async with self.accelerator.gate.place() as admitted:
            if not admitted:
                return dict.fromkeys(mine, BUSY)
            for counts in (False, True):
                those = {
                    place: flight
                    for place, flight in mine.items()
                    if states[place.wanted].parts[place.at].counts is counts
                }
                if those:
                    computed |= await self._compute_from_claims(states, those)
        fills = [
            Fill(state.questions[at], state.stamp, days, min(started, state.read_at))
            for (each, at), days in computed.items()
            if (state := states[each]).stamp is not None
        ]
        if fills:
            self.accelerator.keeper.keep(fills)
        return computed

    async def _compute_from_claims(
        self, states: Mapping[Wanted, _State], mine: Mapping[_Place, Flight]
    ) -> dict[_Place, dict[date, FreeDay]]:
        subjects: list[tuple[SubjectId, str, Rules]] = []
        leads: list[Calendar] = []
        for each, at in mine:
            calendar, part = states[each].source, states[each].parts[at]
            if part.is_led:
                leads.append(calendar)
            else:
                subject_id = cast("SubjectId", owner_of(each))
                subjects.append((subject_id, calendar.hours.time_zone, part.rules))
        claims = await load_claims_on(
            self.pool,
            self.organization_id,
            subjects,
            leads,
            min(flight.first for flight in mine.values()),
            max(flight.last for flight in mine.values()),
        )
        computed: dict[_Place, dict[date, FreeDay]] = {}
        for index, (place, flight) in enumerate(mine.items()):
            if index % YIELD_AFTER == YIELD_AFTER - 1:
                await asyncio.sleep(0)
            state = states[place.wanted]
            part = state.parts[place.at]
            computed[place] = compute_part(state.source, part, claims, flight.first, flight.last)
        return computed


class _Place(NamedTuple):
    """A part, by its place among those of what is wanted."""

    wanted: Wanted
    at: int
