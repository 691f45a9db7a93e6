"""List free times: what can be booked on the dates asked for, for any number of providers side by
side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from app.cache.written import WrittenLists
from app.core.party import Party
from app.core.refusals import InvalidDateRange, InvalidInput, NotFound, TemporarilyUnavailable
from app.core.slots import bookable_alike_until, by_viewer_date, dates_of_viewer
from app.core.validation import valid_time_zone
from app.core.zones import minute_at_or_after
from app.free_times.read import FreeDays, bookable_days, read_free_days
from app.free_times.sources import RULES_MARGIN
from app.store.calendars import load_calendars
from app.usecases.listing.dates import ZONES_APART, Minutes, valid_dates
from app.usecases.listing.list_service import ServiceQuestion, ServiceTimes, list_services

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.core.listed import ListedStarts
    from app.core.provider import Calendar
    from app.core.zones import Minute
    from app.free_times.listings import Kept
    from app.free_times.shared import Stamp
    from app.store.sql import Executor
    from app.usecases.resources import Resources


class SlotQuestion(NamedTuple):
    """Free times of a provider on the dates from first to last, inclusive, in a zone (None: the
    provider's).
    """

    provider_id: ProviderId
    service_id: ServiceId | None
    first: date
    last: date
    time_zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeTimes:
    """The answer: every date asked for with its bookable starts, ascending, in `time_zone`."""

    calendar: Calendar
    time_zone: str
    starts_by_date: Mapping[date, tuple[Minute, ...]]
    listed: ListedStarts | None = None
    """What is listed of each start, of a service that takes more than the provider."""
    written: WrittenLists = field(compare=False, repr=False)
    """Its lists as they were shown before."""
    identity: object = field(default=None, compare=False, repr=False)
    """Identifies this answer in keys, without keeping it alive, where there are seats."""


Listed: TypeAlias = FreeTimes | InvalidDateRange | InvalidInput | NotFound | TemporarilyUnavailable


def known_listing(
    resources: Resources,
    organization_id: OrganizationId,
    question: SlotQuestion,
    stamps: Mapping[ProviderId, Stamp],
) -> Kept[FreeTimes] | None:
    """The answer that was given before, where the provider's stamp was seen since the question
    came, and vouches for it. Its circumstances are the stamp, and the minutes in which it is the
    same.
    """
    stamp = stamps.get(question.provider_id)
    if stamp is None:
        return None
    kept: Kept[FreeTimes] | None = resources.accelerator.listings.peek((organization_id, question))
    if kept is None:
        return None
    known_stamp, minutes = cast("tuple[Stamp, Minutes]", kept.circumstances)
    is_true = known_stamp == stamp and minutes.include(resources.clock()) and kept.is_fresh
    return kept if is_true else None


async def list_availability(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[SlotQuestion],
    stamps: dict[ProviderId, Stamp] | None = None,
) -> list[Listed]:
    """The answer to each question, in order. Questions with the same dates are answered together.

    `stamps` are those that were seen since the questions came: what this process keeps under them
    is current. Those seen on the way are added.
    """
    answers: dict[SlotQuestion, Listed] = {}
    groups: dict[tuple[date, date], list[SlotQuestion]] = {}
    if stamps is None:
        stamps = {}
    await _see_stamps(resources, organization_id, questions, stamps)
    for question in dict.fromkeys(questions):
        refusal = valid_dates(question.first, question.last)
        zone = (
            None if question.time_zone is None else valid_time_zone("time_zone", question.time_zone)
        )
        if refusal is not None:
            answers[question] = refusal
        elif isinstance(zone, InvalidInput):
            answers[question] = zone
        elif (known := known_listing(resources, organization_id, question, stamps)) is not None:
            answers[question] = known.listing
        else:
            groups.setdefault((question.first, question.last), []).append(question)
    for (first, last), group in groups.items():
        answers |= await _answer(resources, organization_id, group, first, last, stamps)
    return [answers[question] for question in questions]


async def _see_stamps(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[SlotQuestion],
    stamps: dict[ProviderId, Stamp],
) -> None:
    """Add the stamps of providers who have been listed before: where none has changed, nothing else
    is asked.
    """
    unseen = {
        question.provider_id
        for question in questions
        if question.provider_id not in stamps
        and (organization_id, question) in resources.accelerator.listings
    }
    stamps |= await resources.accelerator.shared.stamps(organization_id, unseen)


async def _answer(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[SlotQuestion],
    first: date,
    last: date,
    stamps: dict[ProviderId, Stamp],
) -> dict[SlotQuestion, Listed]:
    zones = {question.time_zone for question in questions}

    def dates(zone: str) -> tuple[date, date]:
        asked = [dates_of_viewer(zone, viewer_zone or zone, first, last) for viewer_zone in zones]
        return min(each.first for each in asked), max(each.last for each in asked)

    found = await read_free_days(
        resources.accelerator,
        resources.pool,
        organization_id,
        [Party(question.provider_id, question.service_id) for question in questions],
        first - ZONES_APART,
        last + ZONES_APART,
        dates,
        stamps,
    )
    now = resources.clock()
    answers: dict[SlotQuestion, Listed] = {}
    leading: dict[SlotQuestion, Calendar] = {}
    for question in questions:
        answer = found[Party(question.provider_id, question.service_id)]
        if not isinstance(answer, FreeDays):
            answers[question] = answer
            continue
        if not answer.calendar.is_plain:
            leading[question] = answer.calendar
            continue
        listed = answers[question] = free_times(answer, question, now)
        if answer.stamp is not None and answer.fresh_seconds > 0 and not answer.has_holds:
            stamps[question.provider_id] = answer.stamp
            resources.accelerator.listings.keep(
                (organization_id, question),
                (answer.stamp, _same_minutes(answer, listed, now)),
                listed,
                seconds=answer.fresh_seconds,
                size_bytes=_size(listed),
            )
    if leading:
        answers |= await _with_leads(resources, organization_id, leading, stamps)
    return answers


async def _with_leads(
    resources: Resources,
    organization_id: OrganizationId,
    leading: Mapping[SlotQuestion, Calendar],
    stamps: Mapping[ProviderId, Stamp],
) -> dict[SlotQuestion, Listed]:
    """What can be booked with each of these providers as lead, of a service that takes others or
    resources as well, or has seats: a part of what the service lists.
    """
    asked = {
        question: ServiceQuestion(
            service_id=calendar.service.id,
            named=(question.provider_id,) if calendar.seats > 1 else (),
            first=question.first,
            last=question.last,
            time_zone=question.time_zone or calendar.hours.time_zone,
        )
        for question, calendar in leading.items()
        if calendar.service is not None
    }
    several = list(dict.fromkeys(asked.values()))
    found = dict(
        zip(several, await list_services(resources, organization_id, several, stamps), strict=True)
    )
    answers: dict[SlotQuestion, Listed] = {}
    for question, of_service in asked.items():
        listed = found[of_service]
        if not isinstance(listed, ServiceTimes):
            answers[question] = listed
            continue
        leads = listed.listed.leads
        starts = {
            day: tuple(start for start in each if question.provider_id in leads[start])
            for day, each in listed.starts_by_date.items()
        }
        answers[question] = FreeTimes(
            calendar=leading[question],
            time_zone=listed.time_zone,
            starts_by_date=starts,
            listed=listed.listed,
            identity=object(),
            written=WrittenLists(_room(starts)),
        )
    return answers


def free_times(found: FreeDays[Calendar], question: SlotQuestion, now: datetime) -> FreeTimes:
    """The starts that can be booked right now, by their date in the zone asked for."""
    calendar = found.calendar
    own_zone = calendar.hours.time_zone
    zone = question.time_zone or own_zone
    starts = bookable_days(found, now)
    if zone != own_zone:
        in_order = [minute for day in starts.values() for minute in day]
        starts = by_viewer_date(in_order, zone, question.first, question.last)
    elif len(starts) != (question.last - question.first).days + 1:
        # The batch has a question for the same dates in another zone, and so one date more.
        starts = {
            day: minutes
            for day, minutes in starts.items()
            if question.first <= day <= question.last
        }
    return FreeTimes(
        calendar=calendar,
        time_zone=zone,
        starts_by_date=starts,
        written=WrittenLists(_room(starts)),
    )


def _same_minutes(found: FreeDays[Calendar], listed: FreeTimes, now: datetime) -> Minutes:
    """The minutes in which these times are listed. What limits allow is asked again each minute."""
    calendar, this = found.calendar, minute_at_or_after(now)
    first = next((starts[0] for starts in listed.starts_by_date.values() if starts), None)
    until = bookable_alike_until(calendar.hours, calendar.rules, first, max(found.days), now)
    return Minutes(this, min(this, until) if calendar.limits else until)


def _room(starts: Mapping[date, Sequence[Minute]]) -> int:
    """The bytes that a few lists of an answer take as they are written: one of all slots with
    their usual fields, and shorter ones.
    """
    return 4_000 + 200 * sum(map(len, starts.values()))


def _size(found: FreeTimes) -> int:
    """The bytes that an answer keeps alive, with its lists as they are written."""
    count = sum(map(len, found.starts_by_date.values()))
    return 500 + 150 * len(found.starts_by_date) + 45 * count + _room(found.starts_by_date)


async def load_calendar(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Party,
    around: date,
    *,
    with_withdrawn: bool = False,
) -> Calendar | NotFound:
    """One calendar, with the exceptions that can matter for a visit on this date.

    `with_withdrawn` also finds a service that the provider no longer offers, and what is archived.
    """
    calendars = await calendars_around(
        on, organization_id, [wanted], around, with_withdrawn=with_withdrawn
    )
    return calendars if isinstance(calendars, NotFound) else calendars[0]


async def calendars_around(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Sequence[Party],
    around: date,
    *,
    with_withdrawn: bool = False,
) -> list[Calendar] | NotFound:
    """The calendars of all those wanted, in order, as `load_calendar` gives one of them. They
    decide over new time.
    """
    calendars = await load_calendars(
        on,
        organization_id,
        wanted,
        around - RULES_MARGIN,
        around + RULES_MARGIN,
        with_withdrawn=with_withdrawn,
    )
    for each in wanted:
        if each not in calendars:
            return NotFound(
                what="provider" if each.service_id is None else "provider with this service"
            )
    return [calendars[each].for_new_time for each in wanted]
