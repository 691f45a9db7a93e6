"""Watch free times: every requested date of every requested provider, as it is now, and again
whenever it changes.

Readings bypass the cache and go to PostgreSQL: the reading after an event sees its change, and no
later reading sees less.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.free_days import compute_free_days
from app.core.refusals import InvalidDateRange, InvalidInput, NotFound
from app.core.sentences import say
from app.core.validation import valid_time_zone
from app.core.zones import date_of_number, day_number
from app.free_times.read import (
    RULES_MARGIN,
    YIELD_AFTER,
    claims_around,
)
from app.live.board import DayShown, Reading
from app.live.topic import Found
from app.store.calendars import load_calendars
from app.store.changes import commit_position
from app.store.pool import snapshot
from app.usecases.listing.list_availability import valid_dates

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from datetime import date

    from app.core.free_days import FreeDay
    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.core.party import Party
    from app.core.provider import Calendar
    from app.core.slots import Claim
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
    dates = [
        date_of_number(number)
        for number in range(day_number(form.first), day_number(form.last) + 1)
    ]
    async with resources.feed.watch(
        organization_id, provider_ids, form.service_id, form.time_zone, dates
    ) as watch:
        if any(topic.calendar is None for topic, _ in watch.pages):
            yield NotFound(
                what="provider" if form.service_id is None else "provider with this service"
            )
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
    pool: Pool, organization_id: OrganizationId, wanted: Mapping[Party, Sequence[date]]
) -> Reading:
    """These dates of these providers' calendars, each sequence ascending; all as of the same
    commits.
    """
    asked = {each: dates for each, dates in wanted.items() if dates}
    async with snapshot(pool) as tx:
        position = await commit_position(tx)
        if not asked:
            return Reading(position=position, found={})
        calendars = await load_calendars(
            tx,
            organization_id,
            list(asked),
            min(dates[0] for dates in asked.values()) - RULES_MARGIN,
            max(dates[-1] for dates in asked.values()) + RULES_MARGIN,
        )
        claims = await _claims(tx, organization_id, calendars, asked)
    found: dict[Party, Found] = {}
    for index, (each, calendar) in enumerate(calendars.items()):
        if index % YIELD_AFTER == YIELD_AFTER - 1:
            await asyncio.sleep(0)
        days: dict[date, FreeDay] = {}
        for first, last in _runs(asked[each]):
            days |= compute_free_days(calendar.hours, calendar.rules, claims[each], first, last)
        found[each] = Found(calendar, days)
    return Reading(position=position, found=found)


async def _claims(
    tx: Transaction,
    organization_id: OrganizationId,
    calendars: Mapping[Party, Calendar],
    asked: Mapping[Party, Sequence[date]],
) -> dict[Party, Sequence[Claim]]:
    """The claims that matter for each. Those that begin in the same month are read together."""
    months: dict[tuple[int, int], list[Party]] = {}
    for each in calendars:
        first = asked[each][0]
        months.setdefault((first.year, first.month), []).append(each)
    found: dict[Party, Sequence[Claim]] = {}
    for together in months.values():
        first = min(asked[each][0] for each in together)
        last = max(asked[each][-1] for each in together)
        claims = await claims_around(
            tx, organization_id, [calendars[each] for each in together], first, last
        )
        found |= {each: claims[each.provider_id] for each in together}
    return found


def _runs(dates: Sequence[date]) -> list[tuple[date, date]]:
    """The stretches of consecutive dates, each by its first and last."""
    runs: list[tuple[date, date]] = []
    for each in dates:
        if runs and (each - runs[-1][1]).days == 1:
            runs[-1] = (runs[-1][0], each)
        else:
            runs.append((each, each))
    return runs
