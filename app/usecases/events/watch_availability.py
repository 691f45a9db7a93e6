"""Watch free times: every requested date of every requested provider, or of a service, as it is
now, and again whenever it changes.

Readings bypass the cache and go to PostgreSQL: the reading after an event sees its change, and no
later reading sees less.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.core.free_days import compute_free_days, compute_resource_days
from app.core.limits import UNCOUNTED, dates_that_count
from app.core.party import Party, ServiceParty
from app.core.refusals import InvalidDateRange, InvalidInput, NotFound
from app.core.seating import rooms_of
from app.core.sentences import say
from app.core.slots import dates_of_viewer
from app.core.validation import valid_seats, valid_time_zone
from app.core.zones import DAY_MINUTES, dates_between, day_number, instant_of, local_date
from app.free_times.sources import RULES_MARGIN, YIELD_AFTER, ClaimsRead, count, load_claims_on
from app.live.board import DayShown, Reading
from app.live.rulebooks import ProviderDay, ProviderRulebook, ServiceDay, ServiceRulebook
from app.live.topic import Found, ServiceWatch
from app.store.calendars import load_calendars, load_resource_calendars
from app.store.changes import commit_position
from app.store.needs import load_offerings
from app.store.pool import snapshot
from app.store.sessions import active_sessions
from app.usecases.listing.dates import ZONES_APART, valid_dates
from app.usecases.listing.list_service import valid_names

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from datetime import date

    from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId, SubjectId
    from app.core.limits import Counted
    from app.core.needs import Offering
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.live.topic import Subject
    from app.store.pool import Pool, Transaction
    from app.usecases.resources import Resources

MOST_PROVIDERS: Final = 20
"""In one subscription: as many as one page shows."""
MOST_PROVIDER_DAYS: Final = 400
"""In one subscription: each is kept in memory while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchForm:
    """The request: which dates to watch, from first to last, inclusive, in a zone (None: each
    provider's).
    """

    provider_ids: Sequence[ProviderId]
    service_id: ServiceId | None
    first: date
    last: date
    time_zone: str | None


Refusal: TypeAlias = InvalidDateRange | InvalidInput | NotFound


async def watch_availability(
    resources: Resources, organization_id: OrganizationId, form: WatchForm
) -> AsyncGenerator[DayShown | Refusal, None]:
    """A snapshot of every provider-day, then each again when it changed; or one refusal, and
    nothing more.
    """
    provider_ids = tuple(dict.fromkeys(form.provider_ids))
    refusal = _refusal(form, len(provider_ids))
    if refusal is not None:
        yield refusal
        return
    dates = dates_between(form.first, form.last)
    parties = [Party(provider_id, form.service_id) for provider_id in provider_ids]
    async with resources.feed.watch(organization_id, parties, form.time_zone, dates) as watch:
        if any(topic.rulebook is None for topic, _ in watch.pages):
            yield NotFound(
                what="provider" if form.service_id is None else "provider with this service"
            )
            return
        async for shown in watch.changes():
            yield shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWatchForm:
    """The request: a service with the providers named (none: any free provider), on the dates from
    first to last, inclusive, in a zone.
    """

    service_id: ServiceId
    named: tuple[ProviderId, ...]
    first: date
    last: date
    time_zone: str
    seats: int = 1


async def watch_service(
    resources: Resources, organization_id: OrganizationId, form: ServiceWatchForm
) -> AsyncGenerator[DayShown | Refusal, None]:
    """A snapshot of every date, then each again when it changed; or one refusal, and
    nothing more. Where the service comes to need fewer providers than are named, or one of these no
    longer offers it, nothing can be booked.
    """
    refusal = valid_dates(form.first, form.last)
    zone = valid_time_zone("time_zone", form.time_zone)
    if refusal is not None:
        yield refusal
        return
    if isinstance(zone, InvalidInput):
        yield zone
        return
    seats = valid_seats(form.seats)
    if isinstance(seats, InvalidInput):
        yield seats
        return
    subject = ServiceWatch(ServiceParty(form.service_id, form.named, seats), zone)
    dates = dates_between(form.first, form.last)
    async with resources.feed.watch(organization_id, [subject], None, dates) as watch:
        rulebook = watch.pages[0][0].rulebook
        if not isinstance(rulebook, ServiceRulebook):
            yield NotFound(what="service")
            return
        wrong = valid_names(rulebook.offering.needs, form.named)
        if wrong is not None:
            yield wrong
            return
        async for shown in watch.changes():
            yield shown


def _refusal(form: WatchForm, providers: int) -> InvalidDateRange | InvalidInput | None:
    if not 1 <= providers <= MOST_PROVIDERS:
        return InvalidInput(
            field="provider_ids", message=say("Name 1 to {count} providers.", count=MOST_PROVIDERS)
        )
    refusal = valid_dates(form.first, form.last)
    if refusal is not None:
        return refusal
    if providers * ((form.last - form.first).days + 1) > MOST_PROVIDER_DAYS:
        message = say(
            "Watch at most {count} days of all providers together. Ask for fewer dates.",
            count=MOST_PROVIDER_DAYS,
        )
        return InvalidDateRange(message=message)
    zone = None if form.time_zone is None else valid_time_zone("time_zone", form.time_zone)
    return zone if isinstance(zone, InvalidInput) else None


# ---------------------------------------------------------------- what boards read


async def read_days(
    pool: Pool, organization_id: OrganizationId, wanted: Mapping[Subject, Sequence[date]]
) -> Reading:
    """These dates of these topics, each sequence ascending; all as of the same commits. The number
    of statements does not depend on how many there are.
    """
    asked = {each: dates for each, dates in wanted.items() if dates}
    async with snapshot(pool) as tx:
        position = await commit_position(tx, organization_id)
        if not asked:
            return Reading(position=position, found={})
        sources = await _sources(tx, organization_id, asked)
        claims = await _claims(tx, organization_id, sources, asked)
    found: dict[Subject, Found] = {}
    for each, dates in asked.items():
        match sources.rulebook(each):
            case ProviderRulebook(calendar=calendar) as rulebook:
                free: dict[date, ProviderDay] = {}
                for first, last in _runs(dates):
                    free |= _provider_days(calendar, claims[each], first, last)
                found[each] = Found(rulebook, free)
            case ServiceRulebook() as book:
                days: dict[date, ServiceDay] = {}
                for first, last in _runs(dates):
                    days |= _service_days(book, sources, claims[each], first, last)
                found[each] = Found(book, days)
                await asyncio.sleep(0)
            case None:
                pass
        if len(found) % YIELD_AFTER == YIELD_AFTER - 1:
            await asyncio.sleep(0)
    return Reading(position=position, found=found)


class _Sources(NamedTuple):
    """What days are computed from, besides claims."""

    offerings: Mapping[ServiceId, Offering]
    calendars: Mapping[Party, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]
    sessions: Mapping[ServiceId, Sequence[ActiveSession]]
    """Of the services with seats."""

    def rulebook(self, watched: Subject) -> ProviderRulebook | ServiceRulebook | None:
        """That of a provider or a service; None where there is no such thing. For a service that
        takes more than the provider, or has seats, a provider's is the service's with them as lead.
        """
        if isinstance(watched, ServiceWatch):
            return self._of_service(watched.party, watched.time_zone)
        calendar = self.calendars.get(watched)
        if calendar is None:
            return None
        if calendar.is_plain or watched.service_id is None:
            return ProviderRulebook(calendar)
        party = ServiceParty(watched.service_id, (watched.provider_id,))
        return self._of_service(party, calendar.hours.time_zone)

    def _of_service(self, party: ServiceParty, time_zone: str) -> ServiceRulebook | None:
        offering = self.offerings.get(party.service_id)
        if offering is None:
            return None
        needs = offering.needs
        return ServiceRulebook(
            offering=offering,
            named=party.named,
            seats=party.seats,
            time_zone=time_zone,
            calendars={
                each: calendar
                for each in needs.provider_ids
                if (calendar := self.calendars.get(Party(each, party.service_id))) is not None
            },
            resources={
                each: self.resources[each] for each in needs.resource_ids if each in self.resources
            },
            others=[
                each
                for each in rooms_of((), self.sessions.get(party.service_id, ()))
                if each not in needs.resource_ids and each in self.resources
            ],
        )

    def leads(self, watched: Subject) -> list[Calendar]:
        """The calendars of those who can lead it."""
        match self.rulebook(watched):
            case ProviderRulebook(calendar=calendar):
                return [calendar]
            case ServiceRulebook(calendars=calendars):
                return list(calendars.values())
            case None:
                return []

    def subjects(self, watched: Subject) -> list[tuple[SubjectId, str, Rules]]:
        """Whose claims matter for it, in which zone and by which rules."""
        subjects = [_by_own_rules(each) for each in self.leads(watched)]
        book = self.rulebook(watched)
        if isinstance(book, ServiceRulebook):
            subjects += [
                (each, calendar.hours.time_zone, shape)
                for each, calendar in book.resources.items()
                for shape in book.shapes
            ]
        return subjects


def _by_own_rules(calendar: Calendar) -> tuple[SubjectId, str, Rules]:
    return calendar.provider.id, calendar.hours.time_zone, calendar.rules


async def _sources(
    tx: Transaction, organization_id: OrganizationId, asked: Mapping[Subject, Sequence[date]]
) -> _Sources:
    first = min(dates[0] for dates in asked.values()) - ZONES_APART
    last = max(dates[-1] for dates in asked.values()) + ZONES_APART
    with_exceptions = first - RULES_MARGIN, last + RULES_MARGIN
    parties = [each for each in asked if isinstance(each, Party)]
    calendars: dict[Party, Calendar] = {}
    if parties:
        calendars = await load_calendars(tx, organization_id, parties, *with_exceptions)
    service_ids = [each.party.service_id for each in asked if isinstance(each, ServiceWatch)]
    service_ids += [
        each.service_id
        for each, calendar in calendars.items()
        if each.service_id is not None and not calendar.is_plain
    ]
    if not service_ids:
        return _Sources(offerings={}, calendars=calendars, resources={}, sessions={})
    offerings = await load_offerings(tx, organization_id, list(dict.fromkeys(service_ids)))
    others = [
        party
        for service_id, offering in offerings.items()
        for provider_id in offering.needs.provider_ids
        if (party := Party(provider_id, service_id)) not in calendars
    ]
    if others:
        calendars |= await load_calendars(tx, organization_id, others, *with_exceptions)
    seated = [each for each, offering in offerings.items() if offering.needs.seats > 1]
    sessions: Mapping[ServiceId, Sequence[ActiveSession]] = {}
    if seated:
        sessions = await active_sessions(
            tx,
            organization_id,
            seated,
            instant_of(day_number(first) * DAY_MINUTES),
            instant_of((day_number(last) + 1) * DAY_MINUTES),
        )
    resource_ids = rooms_of(
        chain.from_iterable(each.needs.resource_ids for each in offerings.values()),
        chain.from_iterable(sessions.values()),
    )
    return _Sources(
        offerings=offerings,
        calendars=calendars,
        resources=await load_resource_calendars(tx, organization_id, resource_ids, *with_exceptions)
        if resource_ids
        else {},
        sessions=sessions,
    )


async def _claims(
    tx: Transaction,
    organization_id: OrganizationId,
    sources: _Sources,
    asked: Mapping[Subject, Sequence[date]],
) -> dict[Subject, ClaimsRead]:
    """The claims that matter for each. Those that begin in the same month are read together."""
    months: dict[tuple[int, int], list[Subject]] = {}
    for each in asked:
        first = asked[each][0]
        months.setdefault((first.year, first.month), []).append(each)
    found: dict[Subject, ClaimsRead] = {}
    for together in months.values():
        apart = (
            ZONES_APART
            if any(isinstance(sources.rulebook(each), ServiceRulebook) for each in together)
            else timedelta(0)
        )
        calendars = list(chain.from_iterable(map(sources.leads, together)))
        first, last = dates_that_count(
            [limit for calendar in calendars for limit in calendar.limits],
            min(asked[each][0] for each in together) - apart,
            max(asked[each][-1] for each in together) + apart,
        )
        subjects = chain.from_iterable(map(sources.subjects, together))
        claims = await load_claims_on(tx, organization_id, subjects, calendars, first, last)
        found |= dict.fromkeys(together, claims)
    return found


def _counted(
    calendar: Calendar, party: Party, claims: ClaimsRead, first: date, last: date
) -> Counted:
    """What limits count around these dates."""
    return count(
        calendar,
        claims.of_subjects[party.provider_id],
        claims.led.get(party, ()),
        *dates_that_count(calendar.limits, first, last),
    )


def _provider_days(
    calendar: Calendar, claims: ClaimsRead, first: date, last: date
) -> dict[date, ProviderDay]:
    service = calendar.service
    party = Party(calendar.provider.id, None if service is None else service.id)
    claimed = claims.of_subjects[party.provider_id]
    counted = _counted(calendar, party, claims, first, last) if calendar.limits else UNCOUNTED
    free = compute_free_days(calendar.hours, calendar.rules, claimed, first, last)
    return {day: ProviderDay(each, counted) for day, each in free.items()}


def _service_days(
    book: ServiceRulebook, sources: _Sources, claims: ClaimsRead, first: date, last: date
) -> dict[date, ServiceDay]:
    """The dates of the topic from first to last, each with the free days around it, and the
    sessions on it.
    """
    sessions: dict[date, list[ActiveSession]] = {}
    for session in sources.sessions.get(book.offering.service.id, ()):
        sessions.setdefault(local_date(book.time_zone, session.start), []).append(session)
    zones = {each.hours.time_zone for each in book.calendars.values()}
    zones |= {each.hours.time_zone for each in book.resources.values()}
    around = {
        (zone, day): dates_between(reach.first, reach.last)
        for zone in zones
        for day in dates_between(first, last)
        for reach in (dates_of_viewer(zone, book.time_zone, day, day),)
    }
    whole = {zone: (around[zone, first][0], around[zone, last][-1]) for zone in zones}
    providers = {
        each: compute_free_days(
            calendar.hours,
            calendar.rules,
            claims.of_subjects[each],
            *whole[calendar.hours.time_zone],
        )
        for each, calendar in book.calendars.items()
    }
    counted = {
        each: _counted(
            calendar,
            Party(each, book.offering.service.id),
            claims,
            *whole[calendar.hours.time_zone],
        )
        for each, calendar in book.calendars.items()
        if calendar.limits
    }
    resources = {
        (each, shape): compute_resource_days(
            calendar.hours,
            shape,
            calendar.resource.bookable_units,
            claims.of_subjects[each],
            *whole[calendar.hours.time_zone],
        )
        for each, calendar in book.resources.items()
        for shape in book.shapes
    }
    return {
        day: ServiceDay(
            day=day,
            read_with=book,
            providers={
                each: {
                    local: free[local]
                    for local in around[book.calendars[each].hours.time_zone, day]
                }
                for each, free in providers.items()
            },
            resources={
                (each, shape): {
                    local: free[local]
                    for local in around[book.resources[each].hours.time_zone, day]
                }
                for (each, shape), free in resources.items()
            },
            counted=counted,
            sessions=sessions.get(day, ()),
            others={each: sources.resources[each] for each in book.others},
        )
        for day in dates_between(first, last)
    }


def _runs(dates: Sequence[date]) -> list[tuple[date, date]]:
    """The stretches of consecutive dates, each by its first and last."""
    runs: list[tuple[date, date]] = []
    for each in dates:
        if runs and (each - runs[-1][1]).days == 1:
            runs[-1] = (runs[-1][0], each)
        else:
            runs.append((each, each))
    return runs
