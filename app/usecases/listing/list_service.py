"""List the free times of services with any free provider: when a visit can start, and with whom it
can be booked then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from app.cache.written import WrittenLists
from app.core.limits import full_for
from app.core.listed import list_starts
from app.core.party import ServiceParty
from app.core.refusals import InvalidDateRange, InvalidInput, NotFound, TemporarilyUnavailable
from app.core.sentences import say
from app.core.slots import by_viewer_date, dates_of_viewer
from app.core.validation import valid_seats, valid_time_zone
from app.core.zones import DAY_MINUTES, day_number, minute_at_or_after
from app.free_times.services import ServiceDays, known_offering, read_service_days
from app.usecases.listing.dates import ZONES_APART, circumstances_of, valid_dates
from app.usecases.listing.look_ahead import TooMuchToDoError, last_bookable_date, stretches_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from datetime import date, datetime

    from app.core.ids import OrganizationId, OwnerId, ProviderId, ServiceId
    from app.core.listed import ListedStarts
    from app.core.needs import Needs
    from app.core.provider import Service
    from app.core.seating import SeatsAt
    from app.core.zones import Minute
    from app.free_times.shared import Stamp
    from app.usecases.resources import Resources


class ServiceQuestion(NamedTuple):
    """Free times of a service on the dates from first to last, inclusive, in a zone: with all
    providers named, the first of whom leads; with any free provider if none is named.
    """

    service_id: ServiceId
    named: tuple[ProviderId, ...]
    first: date
    last: date
    time_zone: str
    seats: int = 1
    """How many seats the party takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServiceTimes:
    """The answer: every date asked for with its bookable starts, ascending, in `time_zone`; and
    what is `listed` of each of them. `service` is None where an appointment without one is to be
    moved.
    """

    service: Service | None
    time_zone: str
    starts_by_date: Mapping[date, tuple[Minute, ...]]
    listed: ListedStarts
    true_until: datetime | None = None
    """When a hold expires on which it depends; None where there is none."""
    written: WrittenLists = field(repr=False)
    """Its lists as they were shown before."""
    identity: object = field(default_factory=object, repr=False)
    """Identifies this answer in keys, without keeping it alive."""


ServiceListed: TypeAlias = (
    ServiceTimes | InvalidDateRange | InvalidInput | NotFound | TemporarilyUnavailable
)


async def list_services(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[ServiceQuestion],
    stamps: Mapping[ProviderId, Stamp] | None = None,
) -> list[ServiceListed]:
    """The answer to each question, in order. Questions with the same dates are answered together.

    `stamps` are those that were seen since the questions came. All others that may matter are
    looked at in one go; an answer that was given before is given again if none has changed.
    """
    answers: dict[ServiceQuestion, ServiceListed] = {}
    asked: list[ServiceQuestion] = []
    for question in dict.fromkeys(questions):
        refusal = valid_dates(question.first, question.last)
        zone = valid_time_zone("time_zone", question.time_zone)
        seats = valid_seats(question.seats)
        if refusal is not None:
            answers[question] = refusal
        elif isinstance(zone, InvalidInput):
            answers[question] = zone
        elif isinstance(seats, InvalidInput):
            answers[question] = seats
        else:
            asked.append(question)
    owners = {each: _owners(resources, organization_id, each) for each in asked}
    unseen = {each for of_question in owners.values() for each in of_question} - (
        stamps or {}
    ).keys()
    seen: dict[Any, Stamp] = dict(stamps or {})
    seen |= await resources.accelerator.shared.stamps(organization_id, unseen)
    now = resources.clock()
    groups: dict[tuple[date, date], list[ServiceQuestion]] = {}
    for question in asked:
        known: ServiceTimes | None = resources.accelerator.listings.find(
            (organization_id, question),
            (tuple(seen.get(each) for each in owners[question]), *circumstances_of(now)),
        )
        if known is None or (known.true_until is not None and known.true_until <= now):
            groups.setdefault((question.first, question.last), []).append(question)
        else:
            answers[question] = known
    for (first, last), group in groups.items():
        answers |= await _answer(resources, organization_id, group, first, last, seen)
    return [answers[question] for question in questions]


def _owners(
    resources: Resources, organization_id: OrganizationId, question: ServiceQuestion
) -> tuple[OwnerId, ...]:
    """Whose stamps the answer depends on: the service, its providers and its resources, as far as
    they are known here.
    """
    offering = known_offering(resources.accelerator, organization_id, question.service_id)
    if offering is None:
        return (question.service_id,)
    needs = offering.needs
    return (question.service_id, *needs.provider_ids, *needs.resource_ids)


async def _answer(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[ServiceQuestion],
    first: date,
    last: date,
    stamps: Mapping[OwnerId, Stamp],
) -> dict[ServiceQuestion, ServiceListed]:
    zones = {question.time_zone for question in questions}

    def dates(zone: str) -> tuple[date, date]:
        asked = [dates_of_viewer(zone, viewer_zone, first, last) for viewer_zone in zones]
        return min(each.first for each in asked), max(each.last for each in asked)

    found = await read_service_days(
        resources.accelerator,
        resources.pool,
        organization_id,
        [question.service_id for question in questions],
        first - ZONES_APART,
        last + ZONES_APART,
        dates,
        stamps,
    )
    now = resources.clock()
    answers: dict[ServiceQuestion, ServiceListed] = {}
    for question in questions:
        answer = found[question.service_id]
        if not isinstance(answer, ServiceDays):
            answers[question] = answer
            continue
        refusal = valid_names(answer.offering.needs, question.named)
        if refusal is not None:
            answers[question] = refusal
            continue
        listed = answers[question] = _times(answer, question, now)
        if answer.stamps is not None and answer.fresh_seconds > 0:
            resources.accelerator.listings.keep(
                (organization_id, question),
                (answer.stamps, *circumstances_of(now)),
                listed,
                seconds=answer.fresh_seconds,
                size_bytes=_size(listed),
            )
    return answers


def valid_names(needs: Needs, named: Sequence[ProviderId]) -> InvalidInput | NotFound | None:
    """What is wrong with the providers that a wish names; None where nothing is."""
    if len(set(named)) < len(named):
        return InvalidInput(field="provider_ids", message=say("Name each provider once."))
    if not set(named) <= set(needs.provider_ids):
        return NotFound(what="provider with this service")
    if len(named) > needs.how_many:
        return InvalidInput(
            field="provider_ids",
            message=say("The service takes {count} providers. Name no more.", count=needs.how_many),
        )
    return None


def listed_starts(
    found: ServiceDays, named: Sequence[ProviderId], seats: int, now: datetime
) -> ListedStarts:
    """What a party of so many seats can book at this instant."""
    full = {
        each: full_for(days.calendar, days.counted, days.days, now)
        for each, days in found.providers.items()
        if days.calendar.limits
    }
    return list_starts(
        found.offering,
        named,
        seats,
        {each: (days.calendar, days.days) for each, days in found.providers.items()},
        {(use.resource_id, use.shape): days.days for use, days in found.resources.items()},
        now,
        full,
        rooms={
            **found.others,
            **{use.resource_id: days.calendar for use, days in found.resources.items()},
        },
        sessions=found.sessions,
    )


def _times(found: ServiceDays, question: ServiceQuestion, now: datetime) -> ServiceTimes:
    return service_times(
        listed_starts(found, question.named, question.seats, now),
        service=found.offering.service,
        time_zone=question.time_zone,
        first=question.first,
        last=question.last,
        true_until=found.until(now),
    )


def service_times(
    listed: ListedStarts,
    *,
    service: Service | None,
    time_zone: str,
    first: date,
    last: date,
    true_until: datetime | None = None,
) -> ServiceTimes:
    """Those of the starts that are on these dates in the zone."""
    starts = by_viewer_date(listed.leads, time_zone, first, last)
    return ServiceTimes(
        service=service,
        time_zone=time_zone,
        starts_by_date=starts,
        listed=listed,
        true_until=true_until,
        written=WrittenLists(_room(starts)),
    )


def _room(starts: Mapping[date, Sequence[Minute]]) -> int:
    """As in `list_availability`; the slots have an end on the zone's clock, too."""
    return 4_000 + 250 * sum(map(len, starts.values()))


def _size(found: ServiceTimes) -> int:
    """The bytes that an answer keeps alive, with its lists as they are written: the text of a slot
    names all of its leads.
    """
    count = sum(map(len, found.starts_by_date.values()))
    leads = sum(map(len, found.listed.leads.values()))
    return (
        500
        + 150 * len(found.starts_by_date)
        + 45 * count
        + 200 * len(found.listed.leads)
        + 200 * len(found.listed.joinable)
        + 8 * leads
        + _room(found.starts_by_date)
    )


# ---------------------------------------------------------------- the next ones


class NextStart(NamedTuple):
    """A start that can be booked, and what is listed of it."""

    found: ServiceDays
    start: Minute
    listed: ListedStarts


@dataclass(frozen=True, slots=True, order=True)
class FoundSlot:
    """A bookable start of a provider; ordered by time. `at` is None where the service has no
    seats.
    """

    start: Minute
    provider_id: ProviderId
    at: SeatsAt | None = field(default=None, compare=False)


async def next_of_services(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Sequence[ServiceParty],
    after: datetime | None,
) -> dict[ServiceParty, NextStart]:
    """The first bookable start at or after `after` (None: now) for each of those that have one."""
    found: dict[ServiceParty, NextStart] = {}
    open_questions = list(dict.fromkeys(wanted))
    async for stretch in _service_stretches(resources, organization_id, open_questions, after):
        for question in tuple(open_questions):
            listed = stretch.listed(question)
            if listed is not None and listed.leads:
                start = next(iter(listed.leads))
                found[question] = NextStart(stretch.found[question.service_id], start, listed)
                open_questions.remove(question)
    return found


async def earliest_of_service(
    resources: Resources,
    organization_id: OrganizationId,
    service_id: ServiceId,
    *,
    after: datetime | None,
    count: int,
    leads: Collection[ProviderId],
) -> list[FoundSlot]:
    """The `count` earliest bookable starts with one of these as lead, in order."""
    found: list[FoundSlot] = []
    any_of_them = ServiceParty(service_id)
    async for stretch in _service_stretches(resources, organization_id, [any_of_them], after):
        wishes = [any_of_them]
        if stretch.has_seats(service_id):
            # How many seats are left depends on the lead.
            wishes = [ServiceParty(service_id, (lead,)) for lead in leads]
        found += sorted(
            FoundSlot(start, lead, listed.at(start))
            for wish in wishes
            if (listed := stretch.listed(wish)) is not None
            for start, those in listed.leads.items()
            for lead in those
            if lead in leads
        )
        if len(found) >= count:
            break
    return found[:count]


class _Stretch(NamedTuple):
    """The days of services, and the starts on them that are in question: from `earliest` on, and
    before `until`.
    """

    found: Mapping[ServiceId, ServiceDays]
    now: datetime
    earliest: Minute
    until: Minute

    def has_seats(self, service_id: ServiceId) -> bool:
        """Whether starts of the service have more than one seat."""
        found = self.found.get(service_id)
        return found is not None and found.offering.needs.seats > 1

    def listed(self, wish: ServiceParty) -> ListedStarts | None:
        """What can be booked; None where the wish can't be granted at all."""
        found = self.found.get(wish.service_id)
        if found is None or valid_names(found.offering.needs, wish.named) is not None:
            return None
        listed = listed_starts(found, wish.named, wish.seats, self.now)
        leads = {
            start: leads
            for start, leads in listed.leads.items()
            if self.earliest <= start < self.until
        }
        return replace(listed, leads=leads)


async def _service_stretches(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[ServiceParty],
    after: datetime | None,
) -> AsyncIterator[_Stretch]:
    """Walk ahead in growing stretches of UTC dates. Nothing is missing between two stretches.

    The caller may take questions out of the list that it gave, once they are answered. Ends at the
    horizon of the most patient rules.
    """
    now = resources.clock()
    begin = max(now, after) if after else now
    earliest = minute_at_or_after(begin)
    for first, last in stretches_from(begin.date()):
        if not questions:
            return
        until = (day_number(last) + 1) * DAY_MINUTES
        found = await _days_of(resources, organization_id, questions, first, last)
        yield _Stretch(found, now, earliest, until)
        horizon = last_bookable_date(
            (
                days.calendar
                for each in questions
                if each.service_id in found
                for days in found[each.service_id].providers.values()
            ),
            now,
        )
        # The provider's date may be the next one already.
        if horizon is None or last > horizon:
            return


async def days_of_service(
    resources: Resources,
    organization_id: OrganizationId,
    service_id: ServiceId,
    first: date,
    last: date,
) -> ServiceDays | None:
    """For these dates in UTC; None where there is no such service, or too much to do."""
    try:
        found = await _days_of(resources, organization_id, [ServiceParty(service_id)], first, last)
    except TooMuchToDoError:
        return None
    return found.get(service_id)


async def _days_of(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[ServiceParty],
    first: date,
    last: date,
) -> dict[ServiceId, ServiceDays]:
    """Of those services that exist, for these dates in UTC."""

    def dates(zone: str) -> tuple[date, date]:
        asked = dates_of_viewer(zone, "UTC", first, last)
        return asked.first, asked.last

    answers = await read_service_days(
        resources.accelerator,
        resources.pool,
        organization_id,
        [each.service_id for each in questions],
        first - ZONES_APART,
        last + ZONES_APART,
        dates,
    )
    if any(isinstance(answer, TemporarilyUnavailable) for answer in answers.values()):
        raise TooMuchToDoError
    return {each: answer for each, answer in answers.items() if isinstance(answer, ServiceDays)}
