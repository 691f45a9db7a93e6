"""Choose whom and what a visit takes: for every wish but that for one provider alone.

    guess       without locks, look at all that the service could take, and choose
    take        in a transaction, lock what was chosen, look again, and decide over that alone
    take again  where something changed in between: in a new transaction, lock all that the service
                could take, look, choose, and decide

A refusal by the first or the last step means that nobody or nothing was left. A wish for one
provider is first tried without a choice, by `lock_and_look`, which finds out whether the service
takes more than the provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, assert_never

from app.core.booking import (
    Wanted,
    booked_minutes,
    claim_for,
    dates_to_lock,
    limits_to_lock,
    refuse_duration,
    visit_of,
    week_around,
)
from app.core.needs import Assignment, Needs
from app.core.party import Party
from app.core.refusals import InvalidInput, NotFound, SlotUnavailable
from app.core.sentences import say
from app.core.slots import UnbookableReason
from app.core.validation import SEVERAL_NEED_A_SERVICE
from app.core.visits import Candidate, ResourceCandidate, Visit, assign, refuse_time
from app.core.zones import instant_of, nearest_supported_date
from app.free_times.read import RULES_MARGIN
from app.store.calendars import load_claims, load_resource_calendars, time_zones
from app.store.idempotency import used_keys
from app.store.locks import lock_calendars, share_rules
from app.store.needs import load_needs
from app.store.subjects import last_assigned
from app.usecases.booking.lock_calendar import (
    Moving,
    Retry,
    Sight,
    lock_and_look,
    refuse_unsupported,
)
from app.usecases.listing.count_visits import instants_to_count, load_led
from app.usecases.listing.list_availability import calendars_around

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.appointment import Appointment
    from app.core.booking import Claims
    from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId, SubjectId
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.slots import Claim
    from app.store.idempotency import KeyScope
    from app.store.pool import Transaction
    from app.store.sql import Executor
    from app.usecases.resources import Resources

MOST_TRIES: Final = 20
"""Programs of an earlier version take time under other locks. Whenever they take what was just
chosen, the choice is made again.
"""

Answer = TypeVar("Answer")


class Way(Enum):
    """How a transaction finds what to take, where it was not chosen before."""

    NO_CHOICE = auto()
    """The one provider who is named."""
    FROM_ALL = auto()
    """Whatever is left, under the locks of everything that could be taken."""


class Shared(NamedTuple):
    """What a transaction shares the locks of before it looks."""

    service_id: ServiceId | None
    rules: tuple[SubjectId, ...]


NOTHING: Final = Shared(None, ())


def shared_first(wanted: Wanted, way: Visit | Way) -> Shared:
    """What can be locked before anything is read. The service's lock keeps its needs as they are;
    where there is no choice, the provider's is enough.
    """
    match way:
        case Visit():
            return Shared(wanted.service_id, tuple(way.claims))
        case Way.NO_CHOICE:
            return Shared(None, wanted.named)
        case Way.FROM_ALL:
            return Shared(wanted.service_id, ())
        case _:
            assert_never(way)


def lost_race(way: Visit | Way) -> SlotUnavailable | Retry:
    """What it means that the exclusion constraint objects: others were faster."""
    if way is Way.NO_CHOICE:
        return SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))
    return Retry.OVERTAKEN


async def choose_and_take(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
    scope: KeyScope,
    take: Callable[[Visit | Way], Awaitable[Answer | Retry]],
) -> Answer | NotFound | InvalidInput | SlotUnavailable:
    """What `take` answers in a transaction of its own, tried once for each step that is needed. A
    guess that finds nothing is refused without a transaction, unless the key in `scope` was used.
    """
    if wanted.party is not None and not _takes_more(resources, organization_id, wanted):
        answer = await take(Way.NO_CHOICE)
        if not isinstance(answer, Retry):
            return answer
        if wanted.service_id is not None:
            resources.accelerator.taking_more.add(organization_id, wanted.service_id)
    guess = await guess_visit(resources, organization_id, wanted, starts_at, duration_minutes)
    if isinstance(guess, Visit):
        answer = await take(guess)
        if not isinstance(answer, Retry):
            return answer
    # After the look: a key that is not there yet took nothing of what was seen to be taken.
    elif not await used_keys(resources.pool, organization_id, [scope]):
        return guess
    for _ in range(MOST_TRIES):
        answer = await take(Way.FROM_ALL)
        if not isinstance(answer, Retry):
            return answer
    return SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))


def _takes_more(resources: Resources, organization_id: OrganizationId, wanted: Wanted) -> bool:
    """Whether the service took more than one provider when this process last booked it. If that
    has changed since, the choice finds the one provider as well.
    """
    return wanted.service_id is not None and resources.accelerator.taking_more.has(
        organization_id, wanted.service_id
    )


# ---------------------------------------------------------------- what there is to choose from


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a visit could take, with all that decides over it but the claims."""

    wanted: Wanted
    needs: Needs
    calendars: Mapping[ProviderId, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]

    @property
    def zones(self) -> dict[SubjectId, str]:
        """The zones in which the dates of all of them are read."""
        zones: dict[SubjectId, str] = {
            each: calendar.hours.time_zone for each, calendar in self.calendars.items()
        }
        return zones | {each: found.hours.time_zone for each, found in self.resources.items()}

    def claims_at(self, starts_at: datetime) -> Claims:
        """All that a visit at this start could claim. A resource is claimed with the buffers of
        the lead, whichever provider that is.
        """
        leads = self.wanted.named[:1] or tuple(self.calendars)
        by_lead = [claim_for(self.calendars[lead].rules, starts_at) for lead in leads]
        claims: dict[SubjectId, tuple[Claim, ...]] = {
            each: (claim_for(calendar.rules, starts_at),)
            for each, calendar in self.calendars.items()
        }
        return claims | dict.fromkeys(self.resources, tuple(dict.fromkeys(by_lead)))

    def refuse_duration(self, expected_minutes: int | None) -> InvalidInput | None:
        """The refusal where a caller expects visits of another length."""
        some = next(iter(self.calendars.values()), None)
        return None if some is None else refuse_duration(some.rules, expected_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The claims that could be in the way of a visit, or count for the limits of a provider, by
    subject; those that count for the service's limits; and, where the order of the service's
    assignment asks for it, when each provider was assigned last.
    """

    standing: Mapping[SubjectId, Sequence[Claim]]
    led: Mapping[ProviderId, Sequence[Claim]]
    assigned: Mapping[ProviderId, datetime]


async def load_choices(
    on: Executor, organization_id: OrganizationId, wanted: Wanted, around: date
) -> Choices | NotFound | InvalidInput:
    """All that the service could take for this wish, for visits around a date."""
    needs = await _needs(on, organization_id, wanted, None)
    if not isinstance(needs, Needs):
        return needs
    providers = candidates_for(needs, wanted, ())
    return await _choices(on, organization_id, wanted, needs, providers, needs.resource_ids, around)


async def _needs(
    on: Executor, organization_id: OrganizationId, wanted: Wanted, moving: Moving | None
) -> Needs | NotFound | InvalidInput:
    """What the service needs now, as far as the wish can be granted."""
    found = (
        {}
        if wanted.service_id is None
        else await load_needs(on, organization_id, [wanted.service_id])
    )
    return needs_for(wanted, found, None if moving is None else moving.appointment)


def needs_for(
    wanted: Wanted, found: Mapping[ServiceId, Needs], moving: Appointment | None
) -> Needs | NotFound | InvalidInput:
    """What was found that the service needs, as far as the wish can be granted; with `moving`, the
    wish of its move.
    """
    if wanted.service_id is None:
        if len(wanted.named) > 1:
            return InvalidInput(field="provider_ids", message=SEVERAL_NEED_A_SERVICE)
        return Needs(provider_ids=wanted.named)
    needs = found.get(wanted.service_id)
    if needs is None:
        return NotFound(what="service")
    kept = () if moving is None else moving.providers
    if not {*wanted.named} <= {*needs.provider_ids, *kept}:
        return NotFound(what="provider with this service")
    is_kept = moving is not None and wanted.named == kept[: moving.named]
    if len(wanted.named) > needs.how_many and not is_kept:
        return InvalidInput(
            field="provider_ids",
            message=say("The service takes {count} providers. Name no more.", count=needs.how_many),
        )
    return needs


def candidates_for(
    needs: Needs, wanted: Wanted, kept: Sequence[ProviderId]
) -> tuple[ProviderId, ...]:
    """Those whom a visit could take: the named alone where nobody else is needed. A moving
    appointment may keep whom it has.
    """
    if wanted.named and len(wanted.named) == needs.how_many_with(wanted.named):
        return wanted.named
    return tuple(dict.fromkeys((*wanted.named, *needs.provider_ids, *kept)))


async def _choices(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Wanted,
    needs: Needs,
    provider_ids: Sequence[ProviderId],
    resource_ids: Sequence[ResourceId],
    around: date,
    *,
    moving: Moving | None = None,
) -> Choices | NotFound:
    parties = [Party(each, wanted.service_id) for each in provider_ids]
    calendars = await calendars_around(
        on, organization_id, parties, around, with_withdrawn=moving is not None
    )
    if isinstance(calendars, NotFound):
        return calendars
    own: Claims = {} if moving is None else moving.claims
    found = (
        await load_resource_calendars(
            on, organization_id, resource_ids, around - RULES_MARGIN, around + RULES_MARGIN
        )
        if resource_ids
        else {}
    )
    return Choices(
        wanted=wanted,
        needs=needs,
        calendars={each.provider.id: each for each in calendars},
        resources={
            each: calendar
            for each, calendar in found.items()
            if not calendar.resource.is_archived or each in own
        },
    )


async def look_at(
    on: Executor,
    organization_id: OrganizationId,
    choices: Choices,
    starts: Collection[datetime],
    *,
    in_order: bool,
    moving: Moving | None = None,
) -> Seen:
    """Look at the claims around visits at these starts, of which there is at least one; with
    `in_order`, also at what the order of assignment depends on.
    """
    wanted, needs = choices.wanted, choices.needs
    without = None if moving is None else moving.appointment.id
    calendars = choices.calendars.values()
    span = instants_to_count(calendars, starts)
    for starts_at in starts:
        span += [
            (each.claimed_from, each.claimed_until)
            for of_subject in choices.claims_at(starts_at).values()
            for each in of_subject
        ]
        if in_order and needs.assignment is Assignment.LEAST_BUSY:
            span += [
                week for each in calendars for week in week_around(each.hours.time_zone, starts_at)
            ]
    subjects: list[SubjectId] = [*choices.calendars, *choices.resources]
    standing = (
        await load_claims(
            on,
            organization_id,
            subjects,
            min(first for first, _ in span),
            # A start between two minutes reaches into the next.
            max(until for _, until in span) + 1,
            without=without,
        )
        if span
        else {}
    )
    led = await load_led(on, organization_id, calendars, starts, without=without)
    assigned: dict[ProviderId, datetime] = {}
    if in_order and needs.assignment is Assignment.LONGEST_IDLE and wanted.service_id is not None:
        assigned = await last_assigned(
            on, organization_id, wanted.service_id, list(choices.calendars)
        )
    return Seen(standing=standing, led=led, assigned=assigned)


def decide_visit(
    choices: Choices,
    seen: Seen,
    named: Sequence[ProviderId],
    starts_at: datetime,
    now: datetime,
    *,
    moving: Moving | None = None,
    resource_ids: Iterable[ResourceId] | None = None,
) -> Visit | tuple[UnbookableReason, ...]:
    """What the visit takes at this start, or why it can't be had. With `resource_ids`, only units
    of these.
    """
    by_week = choices.needs.assignment is Assignment.LEAST_BUSY
    candidates = {
        each: Candidate(
            calendar=calendar,
            claims=seen.standing[each],
            led=seen.led.get(each, ()),
            leads_own=moving is not None and moving.appointment.provider_id == each,
            booked_minutes=booked_minutes(
                calendar.hours.time_zone, seen.standing[each], starts_at, now
            )
            if by_week
            else 0,
            last_assigned_at=seen.assigned.get(each),
        )
        for each, calendar in choices.calendars.items()
    }
    some = choices.resources if resource_ids is None else {*resource_ids}
    resources = {
        each: ResourceCandidate(calendar=calendar, claims=seen.standing[each])
        for each, calendar in choices.resources.items()
        if each in some
    }
    own = None if moving is None else moving.claims
    return assign(choices.needs, named, candidates, resources, starts_at, now, own=own)


# ---------------------------------------------------------------- choosing


async def guess_visit(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
) -> Visit | NotFound | InvalidInput | SlotUnavailable:
    """What the visit would take now. Nothing is locked."""
    around = nearest_supported_date(starts_at.date())
    choices = await load_choices(resources.pool, organization_id, wanted, around)
    if not isinstance(choices, Choices):
        return choices
    refusal = choices.refuse_duration(duration_minutes) or refuse_unsupported(
        starts_at, resources.clock()
    )
    if refusal is not None:
        return refusal
    seen = await look_at(resources.pool, organization_id, choices, [starts_at], in_order=True)
    visit = decide_visit(choices, seen, wanted.named, starts_at, resources.clock())
    return visit if isinstance(visit, Visit) else SlotUnavailable(reasons=visit)


async def lock_and_decide(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
    way: Visit | Way,
) -> Sight | NotFound | InvalidInput | SlotUnavailable | Retry:
    """Lock and look at what can be had this way, and decide. What `shared_first` names is locked
    already.
    """
    match way:
        case Way.NO_CHOICE:
            alone = await lock_and_look(
                resources,
                tx,
                organization_id,
                Party(wanted.named[0], wanted.service_id),
                starts_at,
                rules_are_shared=True,
            )
            if not isinstance(alone, Sight):
                return alone
            refusal = refuse_time(alone.alone(), starts_at, duration_minutes, alone.now)
            return refusal or alone
        case Way.FROM_ALL:
            return await lock_and_choose(
                resources, tx, organization_id, wanted, starts_at, duration_minutes
            )
        case Visit():
            sight = await lock_and_choose(
                resources, tx, organization_id, wanted, starts_at, duration_minutes, chosen=way
            )
            # Whatever speaks against what was chosen, the next try says whether anything is left.
            return sight if isinstance(sight, Sight) else Retry.OVERTAKEN
        case _:
            assert_never(way)


async def lock_and_choose(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
    *,
    chosen: Visit | None = None,
    moving: Moving | None = None,
) -> Sight | NotFound | InvalidInput | SlotUnavailable | Retry:
    """Lock and look at what was `chosen`, or at all that could be taken; then decide what is. The
    service's lock is shared already.
    """
    needs = await _needs(tx, organization_id, wanted, moving)
    if not isinstance(needs, Needs):
        return needs
    own: Claims = {} if moving is None else moving.claims
    if chosen is None:
        named = wanted.named
        kept = () if moving is None else moving.appointment.providers
        providers, rooms = candidates_for(needs, wanted, kept), needs.resource_ids
        await share_rules(tx, organization_id, {*providers, *rooms, *own})
    else:
        named = providers = chosen.providers
        rooms = tuple(dict.fromkeys(each for each, _ in chosen.units))
        if len(providers) != needs.how_many:
            return Retry.OVERTAKEN
    around = nearest_supported_date(starts_at.date())
    choices = await _choices(
        tx, organization_id, wanted, needs, providers, rooms, around, moving=moving
    )
    if not isinstance(choices, Choices):
        return choices
    refusal = choices.refuse_duration(duration_minutes) or refuse_unsupported(
        starts_at, resources.clock()
    )
    if refusal is not None:
        return refusal
    zones = choices.zones
    if not own.keys() <= zones.keys():
        zones |= await time_zones(tx, organization_id, own.keys() - zones.keys())
    claims = choices.claims_at(starts_at)
    lock = await lock_calendars(
        tx,
        organization_id,
        dates_to_lock(zones, claims, own),
        limits_to_lock(choices.calendars.values(), claims),
    )
    now = resources.clock()
    seen = await look_at(
        tx,
        organization_id,
        choices,
        [starts_at],
        in_order=chosen is None and len(named) < needs.how_many,
        moving=moving,
    )
    visit = (
        decide_visit(choices, seen, named, starts_at, now)
        if moving is None
        else _decide_move(choices, seen, moving, starts_at, now)
    )
    if not isinstance(visit, Visit):
        return SlotUnavailable(reasons=visit)
    is_assigned = len(wanted.named) < len(visit.providers)
    return Sight(
        lead=visit.lead,
        providers=visit.providers,
        named=len(wanted.named),
        assignment=needs.assignment if is_assigned else None,
        calendars=dict(choices.calendars),
        zones=zones,
        lock=lock,
        claims=visit.claims,
        standing=seen.standing,
        now=now,
    )


def _decide_move(
    choices: Choices, seen: Seen, moving: Moving, starts_at: datetime, now: datetime
) -> Visit | tuple[UnbookableReason, ...]:
    """As `decide_visit`, but at its own start the visit keeps whom and what it has, as far as
    the service still needs them.
    """
    named, own = choices.wanted.named, moving.claims
    if own and instant_of(visit_of(own)[0]) == starts_at:
        kept = [each for each in moving.appointment.providers if each in choices.calendars]
        others = [each for each in kept if each not in named]
        wanted = (*named, *others)[: max(choices.needs.how_many, len(named))]
        rooms = [each for each in choices.resources if each in own]
        for resource_ids in (rooms, None):
            visit = decide_visit(
                choices, seen, wanted, starts_at, now, moving=moving, resource_ids=resource_ids
            )
            if isinstance(visit, Visit):
                return visit
    return decide_visit(choices, seen, named, starts_at, now, moving=moving)
