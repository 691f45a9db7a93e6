"""Look first: where many want the same times, who comes too late is refused without waiting for any
lock.

It refuses by the same decision as everybody else, and it never accepts. Those who book where nobody
contests it do not pay for it; those who wait in line are looked at together, in a few statements
for each date that they want and one for keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from app.core.booking import claim_for
from app.core.refusals import InvalidInput, NotFound, SlotUnavailable
from app.core.seating import Join
from app.core.visits import Candidate, Visit, refuse_time
from app.core.zones import is_supported_date
from app.store.calendars import load_claims
from app.store.idempotency import used_keys
from app.usecases.booking.choose_visit import Choices, decide_visit, load_choices, look_at
from app.usecases.listing.count_visits import instants_to_count, load_led
from app.usecases.listing.list_availability import load_calendar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import date, datetime

    from app.core.booking import Wanted
    from app.core.ids import OrganizationId
    from app.core.overrides import Override
    from app.core.party import Party
    from app.core.slots import UnbookableReason
    from app.store.idempotency import KeyScope
    from app.usecases.booking.choose_visit import Chosen
    from app.usecases.resources import Resources

TooLate: TypeAlias = SlotUnavailable | InvalidInput
Answer = TypeVar("Answer")

Wish: TypeAlias = "tuple[datetime, int | None]"
"""A start, and the length that is expected of the visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wants a time, and under which key: who has used it gets what they have, taken or not."""

    scope: KeyScope
    wanted: Wanted
    starts_at: datetime
    duration_minutes: int | None = None


async def in_turn(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Wanted,
    asker: Asker | None,
    attempt: Callable[[], Awaitable[Answer]],
) -> Answer | TooLate:
    """What the attempt gives when it is the asker's turn, with the provider named first or with
    the service; or what was found while they waited.

    None as an asker is never refused before.
    """
    line = wanted.named[0] if wanted.named else wanted.service_id
    look = partial(look_first, resources, organization_id)
    async with resources.accelerator.lines.turn((organization_id, line), asker, look) as turn:
        if turn.refusal is not None:
            refusal: TooLate = turn.refusal
            return refusal
        answer = await attempt()
        turn.came_too_late = isinstance(answer, SlotUnavailable)
        return answer


async def look_first(
    resources: Resources, organization_id: OrganizationId, askers: Sequence[Asker]
) -> list[TooLate | None]:
    """For each asker the refusal of a time that can't be had; None where there is more
    to find out.
    """
    by_day: dict[tuple[Wanted, date], set[Wish]] = {}
    for asker in askers:
        if is_supported_date(asker.starts_at.date()):
            wished = by_day.setdefault((asker.wanted, asker.starts_at.date()), set())
            wished.add((asker.starts_at, asker.duration_minutes))
    found: dict[tuple[Wanted, Wish], TooLate | None] = {}
    for (wanted, day), wished in by_day.items():
        refusals = await _look_at_day(resources, organization_id, wanted, day, wished)
        found |= {(wanted, wish): refusal for wish, refusal in refusals.items()}
    refused = [
        found.get((asker.wanted, (asker.starts_at, asker.duration_minutes))) for asker in askers
    ]
    # After the times: a key that is not there yet did not take any of what was seen to be taken.
    scopes = [
        asker.scope for asker, refusal in zip(askers, refused, strict=True) if refusal is not None
    ]
    used = await used_keys(resources.pool, organization_id, scopes) if scopes else frozenset()
    return [
        None if asker.scope in used else refusal
        for asker, refusal in zip(askers, refused, strict=True)
    ]


async def _look_at_day(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Wanted,
    day: date,
    wished: Collection[Wish],
) -> dict[Wish, TooLate | None]:
    if wanted.party is not None and wanted.seats == 1:
        refusals = await _look_at_provider(
            resources, organization_id, wanted.party, wanted.override, day, wished
        )
        if refusals is not None:
            return refusals
    starts = {starts_at for starts_at, _ in wished}
    choices = await load_choices(resources.pool, organization_id, wanted, day, starts)
    if not isinstance(choices, Choices):
        return {}
    seen = await look_at(resources.pool, organization_id, choices, starts, in_order=False)
    now = resources.clock()
    decided = {
        starts_at: decide_visit(choices, seen, wanted.named, starts_at, now) for starts_at in starts
    }
    return {
        (starts_at, minutes): choices.refuse_duration(minutes, decided[starts_at])
        or _refusal(decided[starts_at])
        for starts_at, minutes in wished
    }


def _refusal(decided: Chosen | tuple[UnbookableReason, ...]) -> SlotUnavailable | None:
    return None if isinstance(decided, Join | Visit) else SlotUnavailable(reasons=decided)


async def _look_at_provider(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Party,
    override: Override,
    day: date,
    wished: Collection[Wish],
) -> dict[Wish, TooLate | None] | None:
    """None where a visit takes more than the provider."""
    calendar = await load_calendar(resources.pool, organization_id, wanted, day)
    if isinstance(calendar, NotFound):
        return {}
    if not calendar.is_plain:
        return None
    starts = {starts_at for starts_at, _ in wished}
    reach = [claim_for(calendar.rules, starts_at) for starts_at in starts]
    spans = [(claim.claimed_from, claim.claimed_until + 1) for claim in reach]
    spans += instants_to_count([calendar], starts)
    lead = wanted.provider_id
    claims = await load_claims(
        resources.pool,
        organization_id,
        [lead],
        min(first for first, _ in spans),
        max(until for _, until in spans),
    )
    led = await load_led(resources.pool, organization_id, [calendar], starts)
    alone = Candidate(calendar=calendar, claims=claims[lead], led=led.get(lead, ()))
    now = resources.clock()
    return {
        (starts_at, minutes): refuse_time(alone, starts_at, minutes, now, override=override)
        for starts_at, minutes in wished
    }
