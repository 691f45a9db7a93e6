"""Find slots: the next bookable ones of each provider, the earliest over many, and the nearest to a
wish.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.core.lifecycle import Actor
from app.core.party import Party, ServiceParty
from app.core.provider import Offer, OfferedSlot
from app.core.refusals import TemporarilyUnavailable
from app.core.slots import ALTERNATIVES, nearest
from app.core.zones import (
    DAY_MINUTES,
    day_number,
    instant_of,
    is_supported_date,
    minute_at_or_after,
    minute_of,
)
from app.free_times.read import FreeDays, bookable_days, read_free_days
from app.usecases.listing.dates import circumstances_of
from app.usecases.listing.list_moves import MoveQuestion, Moves, find_moves
from app.usecases.listing.list_service import (
    FoundSlot,
    days_of_service,
    earliest_of_service,
    listed_starts,
    next_of_services,
)
from app.usecases.listing.look_ahead import TooMuchToDoError, last_bookable_date, stretches_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.appointment import Appointment
    from app.core.booking import Wanted
    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.core.provider import Calendar
    from app.core.zones import Minute
    from app.free_times.read import Answer
    from app.free_times.shared import Stamp
    from app.usecases.resources import Resources

ALTERNATIVES_WITHIN: Final = (timedelta(days=3), timedelta(days=31))
"""How far around a wish alternatives are looked for: first near by, then, where there are too few,
over a month.
"""


async def next_slots(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Sequence[Party],
    after: datetime | None,
) -> dict[Party, OfferedSlot]:
    """The first bookable start at or after `after` (None: now) for each of those that have one."""
    found: dict[Party, OfferedSlot] = {}
    open_questions = list(dict.fromkeys(wanted))
    leading: dict[ServiceParty, Calendar] = {}
    async for stretch in _stretches(resources, organization_id, open_questions, after, count=1):
        for key, (calendar, starts) in stretch.found.items():
            if calendar.service is not None and not calendar.is_plain:
                leading[ServiceParty(calendar.service.id, (key.provider_id,))] = calendar
                open_questions.remove(key)
            elif starts:
                found[key] = OfferedSlot(calendar, starts[0])
                open_questions.remove(key)
    if leading:
        next_ones = await next_of_services(resources, organization_id, list(leading), after)
        found |= {
            Party(wish.named[0], wish.service_id): OfferedSlot(
                leading[wish], next_one.start, next_one.listed.at(next_one.start)
            )
            for wish, next_one in next_ones.items()
        }
    return found


async def earliest_slots(
    resources: Resources,
    organization_id: OrganizationId,
    provider_ids: Sequence[ProviderId],
    service_id: ServiceId | None,
    *,
    after: datetime | None,
    count: int,
) -> tuple[list[FoundSlot], dict[ProviderId, Calendar]]:
    """The `count` earliest bookable starts over all these providers, in order; and the providers'
    calendars.
    """
    found: list[FoundSlot] = []
    known: dict[ProviderId, Calendar] = {}
    questions = [Party(provider_id, service_id) for provider_id in dict.fromkeys(provider_ids)]
    async for stretch in _stretches(resources, organization_id, questions, after, count=count):
        known |= {key.provider_id: first.calendar for key, first in stretch.found.items()}
        if service_id is not None and not all(each.is_plain for each in known.values()):
            found = await earliest_of_service(
                resources, organization_id, service_id, after=after, count=count, leads=known.keys()
            )
            return found, known
        found = _earliest(found, stretch.found, count)
        if len(found) == count and found[-1].start < stretch.complete_until:
            break
    return found, known


def _earliest(
    before: Sequence[FoundSlot], found: Mapping[Party, _FirstStarts], count: int
) -> list[FoundSlot]:
    """The `count` earliest of these, those of the same start by the provider's id."""
    lists = [each.starts for each in found.values()]
    minutes = sorted(chain([each.start for each in before], *lists))[:count]
    latest = minutes[-1] if minutes else 0
    # Numbers are compared much faster than ids, and often everybody is free at the same start.
    slots = [(each.start, each.provider_id.int, each.provider_id) for each in before]
    slots += [
        (start, key.provider_id.int, key.provider_id)
        for key, first in found.items()
        for start in first.starts
        if start <= latest
    ]
    return [FoundSlot(start, provider_id) for start, _, provider_id in sorted(slots)[:count]]


Bookable: TypeAlias = "tuple[Iterable[Minute], Callable[[Minute], OfferedSlot]]"
"""Starts, and what is offered at each of them."""


async def nearest_visits(
    resources: Resources, organization_id: OrganizationId, wanted: Wanted, wish: datetime
) -> Offer | None:
    """Up to five bookable starts nearest to a wish that was refused; None where there is no such
    calendar, or the server is too busy to look.
    """
    party, service_id = wanted.party, wanted.service_id
    is_plain = True

    async def with_provider(first: date, last: date) -> Bookable | None:
        nonlocal is_plain
        assert party is not None  # noqa: S101  looked at below
        found = (await _days(resources, organization_id, [party], first, last))[party]
        if not isinstance(found, FreeDays):
            return None
        is_plain = found.calendar.is_plain
        # Of another service, what is free decides nothing.
        return _of_calendar(resources, found) if is_plain else None

    async def of_service(first: date, last: date) -> Bookable | None:
        assert service_id is not None  # noqa: S101  looked at below
        found = await days_of_service(resources, organization_id, service_id, first, last)
        if found is None:
            return None
        now = resources.clock()
        listed = listed_starts(found, wanted.named, wanted.seats, now)

        def offered(start: Minute) -> OfferedSlot:
            lead = listed.leads[start][0]
            at = listed.at(start)
            if at is not None and not wanted.named:
                # It is offered with this lead, and so are the seats.
                at = listed_starts(found, (lead,), wanted.seats, now).at(start)
            return OfferedSlot(found.providers[lead].calendar, start, at)

        return listed.leads, offered

    if party is not None and wanted.seats == 1:
        offer = await _nearest(resources, with_provider, wish)
        if is_plain:
            return offer
    return None if service_id is None else await _nearest(resources, of_service, wish)


async def nearest_slots_for_move(
    resources: Resources,
    organization_id: OrganizationId,
    appointment: Appointment,
    wish: datetime,
    *,
    seats: int | None = None,
) -> Offer | None:
    """Up to five starts nearest to a refused wish to which the appointment could move instead, with
    so many seats (None: as many as it has), by the rule of the move.
    """

    async def read(first: date, last: date) -> Bookable | None:
        question = MoveQuestion(appointment, Actor.SYSTEM, (), first, last, "UTC", seats)
        found = (await find_moves(resources, organization_id, [question]))[question]
        if not isinstance(found, Moves):
            return None
        listed, calendars = found.listed, found.calendars
        return listed.leads, lambda start: OfferedSlot(
            calendars[listed.leads[start][0]], start, listed.at(start)
        )

    return await _nearest(resources, read, wish, instead_of=minute_of(appointment.starts_at))


def _of_calendar(resources: Resources, found: FreeDays[Calendar]) -> Bookable:
    by_date = bookable_days(found, resources.clock())
    starts = chain.from_iterable(by_date.values())
    return starts, lambda start: OfferedSlot(found.calendar, start)


async def _nearest(
    resources: Resources,
    read: Callable[[date, date], Awaitable[Bookable | None]],
    wish: datetime,
    *,
    instead_of: Minute | None = None,
) -> Offer | None:
    around = instant_of(max(minute_of(wish), minute_of(resources.clock())))
    if not is_supported_date(around.date()):
        return None
    offer: Offer | None = None
    # The conflict may be newer than the days that were read, so the wish is left out by hand.
    excluded = {minute_of(wish), instead_of}
    for reach in ALTERNATIVES_WITHIN:
        first, last = around - reach, around + reach
        if not is_supported_date(first.date()) or not is_supported_date(last.date()):
            return None
        bookable = await read(first.date(), last.date())
        if bookable is None:
            # A server that is too busy refuses without alternatives.
            return offer
        minutes, offered = bookable
        starts = nearest((each for each in minutes if each not in excluded), wish)
        offer = Offer(slots=tuple(map(offered, starts)))
        if len(starts) == ALTERNATIVES:
            break
    return offer


async def _days(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Sequence[Party],
    first: date,
    last: date,
    stamps: Mapping[ProviderId, Stamp] | None = None,
) -> dict[Party, Answer]:
    """The same dates of each provider, each in its own zone."""
    return await read_free_days(
        resources.accelerator,
        resources.pool,
        organization_id,
        wanted,
        first,
        last,
        lambda _zone: (first, last),
        stamps,
    )


class _FirstStarts(NamedTuple):
    """The first bookable starts of a provider on some dates, ascending."""

    calendar: Calendar
    starts: tuple[Minute, ...]


class _FirstStartsQuestion(NamedTuple):
    """The first starts at or after an instant (None: now), `most` of them at most."""

    party: Party
    first: date
    last: date
    after: datetime | None
    most: int


class _Stretch(NamedTuple):
    """What each provider has on some dates; before `complete_until` no date is missing."""

    found: Mapping[Party, _FirstStarts]
    complete_until: Minute


async def _stretches(
    resources: Resources,
    organization_id: OrganizationId,
    parties: Sequence[Party],
    after: datetime | None,
    *,
    count: int,
) -> AsyncIterator[_Stretch]:
    """Look ahead in growing stretches of dates, of each of which `count` starts matter.

    The caller may take parties out of the list that it gave, once they are answered. Ends at the
    horizon of the most patient rules.
    """
    now = resources.clock()
    begin = max(now, after) if after else now
    # A day early, because the provider's date may still be the one before.
    for first, last in stretches_from(begin.date() - timedelta(days=1)):
        if not parties:
            return
        questions = [_FirstStartsQuestion(each, first, last, after, count) for each in parties]
        found = await _first_starts(resources, organization_id, questions, now)
        # The next stretch begins a day later in every zone; what it can add starts after the last
        # date's last minute.
        yield _Stretch(found, complete_until=day_number(last) * DAY_MINUTES)
        horizon = last_bookable_date(
            (each.calendar for key, each in found.items() if key in parties), now
        )
        if horizon is None or last >= horizon:
            return


async def _first_starts(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[_FirstStartsQuestion],
    now: datetime,
) -> dict[Party, _FirstStarts]:
    """The answers for those that exist, all questions being about the same dates. What this process
    has answered before is given again while the provider's stamp stands and the minute lasts.
    """
    listings = resources.accelerator.listings
    asked_before = [each for each in questions if (organization_id, each) in listings]
    stamps = await resources.accelerator.shared.stamps(
        organization_id, [each.party.provider_id for each in asked_before]
    )
    found: dict[Party, _FirstStarts] = {}
    circumstances = circumstances_of(now)
    for each in asked_before:
        stamp = stamps.get(each.party.provider_id)
        if stamp is not None:
            known = listings.find((organization_id, each), (stamp, *circumstances))
            if known is not None:
                found[each.party] = known
    left = {each.party: each for each in questions if each.party not in found}
    if not left:
        return found
    first, last = questions[0].first, questions[0].last
    answers = await _days(resources, organization_id, list(left), first, last, stamps)
    for party, answer in answers.items():
        if isinstance(answer, TemporarilyUnavailable):
            raise TooMuchToDoError
        if not isinstance(answer, FreeDays):
            continue
        question = left[party]
        starts = _starts_from(answer, now, question)
        found[party] = _FirstStarts(answer.calendar, starts)
        if answer.stamp is not None and answer.fresh_seconds > 0 and not answer.has_holds:
            listings.keep(
                (organization_id, question),
                (answer.stamp, *circumstances),
                found[party],
                seconds=answer.fresh_seconds,
                size_bytes=400 + 40 * len(starts),
            )
    return found


def _starts_from(
    found: FreeDays[Calendar], now: datetime, question: _FirstStartsQuestion
) -> tuple[Minute, ...]:
    """Dates are computed one after the other, until there are enough starts."""
    earliest = minute_at_or_after(max(now, question.after) if question.after else now)
    count = question.most
    starts: list[Minute] = []
    for day, free in found.days.items():
        if max(free.stretches[1::3], default=0) <= earliest:
            continue
        # Where clocks are turned back past midnight, a date has starts before the last ones of the
        # date before.
        if len(starts) >= count and min(free.stretches[::3]) > starts[count - 1]:
            break
        several = bookable_days(found._replace(days={day: free}), now)[day]
        starts = sorted(starts + list(several[bisect_left(several, earliest) :]))
    return tuple(starts[:count])
