"""List free times: what can be booked on the dates asked for, for any number of providers at the price of two statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.refusals import InvalidDateRange, InvalidInput, NotFound
from app.core.slots import bookable_starts, by_viewer_date, claims_span, dates_of_viewer
from app.core.validation import valid_time_zone
from app.core.zones import is_supported_date
from app.store.calendars import load_calendars, load_claims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.core.provider import Calendar
    from app.core.slots import Claim
    from app.core.zones import Minute
    from app.store.calendars import Wanted
    from app.store.sql import Executor
    from app.usecases.resources import Resources

MOST_DATES: Final = 62
"""Two whole months: what a calendar page shows."""
RULES_MARGIN: Final = timedelta(days=4)
"""Exceptions are read for so many dates around those asked for: a visit of a day may need the hours of the next two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQuestion:
    """Free times of a provider on the dates from first to last, inclusive, in a zone (None: the provider's)."""

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


def valid_dates(first: date, last: date) -> InvalidDateRange | None:
    """What is wrong with a range of dates; None where nothing is."""
    if last < first:
        return InvalidDateRange(message="The last date is before the first. Swap from and to.")
    if (last - first).days >= MOST_DATES:
        return InvalidDateRange(message=f"Ask for at most {MOST_DATES} dates at once.")
    if not is_supported_date(first) or not is_supported_date(last):
        return InvalidDateRange(message="These dates are outside the years the calendar supports.")
    return None


async def list_slots(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[SlotQuestion]
) -> list[FreeTimes | InvalidDateRange | InvalidInput | NotFound]:
    """The answer to each question, in order. Questions with the same dates are answered by the same two statements."""
    answers: dict[SlotQuestion, FreeTimes | InvalidDateRange | InvalidInput | NotFound] = {}
    groups: dict[tuple[date, date], list[SlotQuestion]] = {}
    for question in dict.fromkeys(questions):
        refusal = valid_dates(question.first, question.last)
        zone = None if question.time_zone is None else valid_time_zone("time_zone", question.time_zone)
        if refusal is not None:
            answers[question] = refusal
        elif isinstance(zone, InvalidInput):
            answers[question] = zone
        else:
            groups.setdefault((question.first, question.last), []).append(question)
    for (first, last), group in groups.items():
        answers |= await _answer(resources, organization_id, group, first, last)
    return [answers[question] for question in questions]


async def _answer(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[SlotQuestion], first: date, last: date
) -> dict[SlotQuestion, FreeTimes | InvalidDateRange | InvalidInput | NotFound]:
    wanted = list(dict.fromkeys((question.provider_id, question.service_id) for question in questions))
    calendars = await load_calendars(
        resources.pool, organization_id, wanted, first - RULES_MARGIN, last + RULES_MARGIN
    )
    # Two zones differ by less than two days: these dates of any provider hold the instants of those of any viewer.
    claims = await claims_around(
        resources.pool, organization_id, list(calendars.values()), first - timedelta(days=2), last + timedelta(days=2)
    )
    now = resources.clock()
    answers: dict[SlotQuestion, FreeTimes | InvalidDateRange | InvalidInput | NotFound] = {}
    for question in questions:
        calendar = calendars.get((question.provider_id, question.service_id))
        if calendar is None:
            answers[question] = NotFound(what="provider" if question.service_id is None else "service")
        else:
            answers[question] = free_times(calendar, claims[question.provider_id], question, now)
    return answers


def free_times(calendar: Calendar, claims: Sequence[Claim], question: SlotQuestion, now: datetime) -> FreeTimes:
    """The starts that can be booked right now, by their date in the zone asked for."""
    zone = question.time_zone or calendar.hours.time_zone
    asked = dates_of_viewer(calendar.hours.time_zone, zone, question.first, question.last)
    starts = bookable_starts(calendar.hours, calendar.rules, claims, asked.first, asked.last, now)
    if zone != calendar.hours.time_zone:
        in_order = [minute for day in starts.values() for minute in day]
        starts = by_viewer_date(in_order, zone, question.first, question.last)
    return FreeTimes(calendar=calendar, time_zone=zone, starts_by_date=starts)


async def claims_around(
    on: Executor, organization_id: OrganizationId, calendars: Sequence[Calendar], first: date, last: date
) -> dict[ProviderId, list[Claim]]:
    """All claims that matter for starts on these provider-local dates, in one statement for all calendars."""
    if not calendars:
        return {}
    spans = [claims_span(calendar.hours.time_zone, calendar.rules, first, last) for calendar in calendars]
    provider_ids = list(dict.fromkeys(calendar.provider.id for calendar in calendars))
    return await load_claims(
        on, organization_id, provider_ids, min(span[0] for span in spans), max(span[1] for span in spans)
    )


async def load_calendar(
    on: Executor, organization_id: OrganizationId, wanted: Wanted, around: date
) -> Calendar | NotFound:
    """One calendar, with the exceptions that can matter for a visit on this date."""
    calendars = await load_calendars(on, organization_id, [wanted], around - RULES_MARGIN, around + RULES_MARGIN)
    calendar = calendars.get(wanted)
    if calendar is None:
        return NotFound(what="provider" if wanted[1] is None else "provider with this service")
    return calendar
