"""Choose whom and what a visit takes: for every wish but that for one provider alone.

    know        where it is known that there is nothing to choose, `take again` at once
    guess       without locks, look at all that the service could take, and choose; of a service
                with seats, look for an active session first
    take        in a transaction, lock what was chosen, look again, and decide over that alone
    take again  where something changed in between: in a new transaction, lock all that the service
                could take, look, choose, and decide

A refusal by the first or the last step means that nobody or nothing was left. A wish for one
provider is first tried without a choice, by `lock_and_look`, which finds out whether the service
takes more than the provider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar, assert_never

from app.cache.services import MOST_FORCED, Forced
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
from app.core.ids import SessionId
from app.core.needs import Assignment, Needs
from app.core.party import Party
from app.core.refusals import InvalidInput, NotFound, SlotUnavailable
from app.core.rules import Rules
from app.core.seating import Join, OwnSeats, join_fullest, rooms_of
from app.core.sentences import say
from app.core.slots import UnbookableReason
from app.core.validation import SEVERAL_NEED_A_SERVICE
from app.core.visits import Candidate, ResourceCandidate, Start, Visit, refuse_time
from app.core.zones import instant_of, nearest_supported_date
from app.free_times.sources import RULES_MARGIN
from app.store.calendars import load_claims, load_resource_calendars, time_zones
from app.store.idempotency import used_keys
from app.store.locks import lock_calendars, share_rules
from app.store.needs import load_needs
from app.store.sessions import (
    active_sessions,
    session_for_update,
    sessions_at,
    sessions_for_update,
)
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

    from app.core.booking import Claims
    from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId, SubjectId
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.seating import ActiveSession
    from app.core.slots import Claim
    from app.core.taken import Taken
    from app.store.idempotency import KeyScope
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.store.sql import Executor
    from app.usecases.resources import Resources

MOST_TRIES: Final = 20
"""Programs of an earlier version take time under other locks. Whenever they take what was just
chosen, the choice is made again.
"""

Answer = TypeVar("Answer")


Chosen: TypeAlias = Join | Visit
"""What a guess chose: seats in an active session, or whom and what a visit takes."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that a visit could take, as far as this process knows: it takes all of it, or there is
    none. A transaction that locks it at once looks whether that is still so.
    """

    subjects: tuple[SubjectId, ...]


class Way(Enum):
    """How a transaction finds what to take, where it was not chosen before."""

    NO_CHOICE = auto()
    """The one provider who is named."""
    FROM_ALL = auto()
    """Whatever is left, under the locks of everything that could be taken."""


Plan: TypeAlias = Chosen | Known | Way
"""How a transaction takes what is wished."""


class Shared(NamedTuple):
    """What a transaction shares the locks of before it looks."""

    service_id: ServiceId | None
    rules: tuple[SubjectId, ...]


NOTHING: Final = Shared(None, ())


def shared_first(wanted: Wanted, way: Plan) -> Shared:
    """What can be locked before anything is read. The service's lock keeps its needs as they are;
    where there is no choice, the provider's is enough.
    """
    match way:
        case Visit() | Join():
            return Shared(wanted.service_id, tuple(way.claims))
        case Known():
            return Shared(wanted.service_id, way.subjects)
        case Way.NO_CHOICE:
            return Shared(None, wanted.named)
        case Way.FROM_ALL:
            return Shared(wanted.service_id, ())
        case _:
            assert_never(way)


def lost_race(way: Plan) -> SlotUnavailable | Retry:
    """What it means that a constraint objects: others were faster."""
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
    take: Callable[[Plan], Awaitable[Answer | Retry]],
) -> Answer | NotFound | InvalidInput | SlotUnavailable:
    """What `take` answers in a transaction of its own, tried once for each step that is needed. A
    guess that finds nothing is refused without a transaction, unless the key in `scope` was used.
    """
    first = _without_a_guess(resources, organization_id, wanted)
    if first is not None:
        answer = await take(first)
        if not isinstance(answer, Retry):
            return answer
    guess = await _guess_session(
        resources, organization_id, wanted, starts_at
    ) or await guess_visit(resources, organization_id, wanted, starts_at, duration_minutes)
    if isinstance(guess, Join | Visit):
        answer = await take(guess)
        if not isinstance(answer, Retry):
            return answer
    # After the look: a key that is not there yet took nothing of what was seen to be taken.
    elif guess is not None and not await used_keys(resources.pool, organization_id, [scope]):
        return guess
    for _ in range(MOST_TRIES):
        answer = await take(Way.FROM_ALL)
        if not isinstance(answer, Retry):
            return answer
    return SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))


def _without_a_guess(
    resources: Resources, organization_id: OrganizationId, wanted: Wanted
) -> Known | Way | None:
    """How to take what is named where nothing else is chosen: by what this process saw when it last
    booked the service. If that has changed since, the transaction finds out, and retries.
    """
    if not wanted.named or wanted.seats > 1:
        return None
    service_id, taking_more = wanted.service_id, resources.accelerator.taking_more
    if service_id is None or not taking_more.has(organization_id, service_id):
        return None if wanted.party is None else Way.NO_CHOICE
    forced = taking_more.forced(organization_id, service_id)
    if forced is None or forced.how_many != len(wanted.named):
        return None
    return Known((*wanted.named, *forced.resource_ids))


def _remember(resources: Resources, organization_id: OrganizationId, choices: Choices) -> None:
    """What the service was seen to take, for the next booking of it."""
    service_id, needs = choices.wanted.service_id, choices.needs
    if service_id is None or needs.is_plain:
        return
    groups_are_forced = all(
        group.count
        == sum(
            choices.resources[each].resource.units
            for each in group.resource_ids
            if each in choices.resources
        )
        for group in needs.groups
    )
    forced = None
    if needs.seats == 1 and groups_are_forced and len(needs.resource_ids) <= MOST_FORCED:
        forced = Forced(needs.how_many, needs.resource_ids)
    resources.accelerator.taking_more.add(
        organization_id, service_id, has_seats=needs.seats > 1, forced=forced
    )


# ---------------------------------------------------------------- what there is to choose from


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a visit could take, with all that decides over it but the claims. What the `sessions`
    take, which could be joined, is among it, even if the service does not need it any more.
    """

    wanted: Wanted
    needs: Needs
    calendars: Mapping[ProviderId, Calendar]
    resources: Mapping[ResourceId, ResourceCalendar]
    sessions: Sequence[ActiveSession] = ()

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

    def refuse_duration(
        self, expected_minutes: int | None, joined: object = None
    ) -> InvalidInput | None:
        """The refusal where a caller expects visits of another length; a session that is joined
        keeps its own.
        """
        if isinstance(joined, Join):
            start, end = visit_of(joined.claims)
            return refuse_duration(Rules(duration_minutes=end - start), expected_minutes)
        some = next(iter(self.calendars.values()), None)
        return None if some is None else refuse_duration(some.rules, expected_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The claims that could be in the way of a visit, or count for the limits of a provider, by
    subject; those that count for the service's limits; where the order of the service's assignment
    asks for it, when each provider was assigned last; and the sessions that could be joined.
    """

    existing: Mapping[SubjectId, Sequence[Claim]]
    led: Mapping[ProviderId, Sequence[Claim]]
    assigned: Mapping[ProviderId, datetime]
    sessions: Sequence[ActiveSession] = ()


async def load_choices(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Wanted,
    around: date,
    starts: Collection[datetime],
) -> Choices | NotFound | InvalidInput:
    """All that the service could take for this wish, for visits at these starts around a date."""
    needs = await _needs(on, organization_id, wanted, None)
    if not isinstance(needs, Needs):
        return needs
    sessions = await _sessions_at(on, organization_id, wanted, needs, starts)
    providers, rooms = candidates_for(needs, wanted, ()), rooms_of(needs.resource_ids, sessions)
    choices = await _choices(on, organization_id, wanted, needs, providers, rooms, around)
    return replace(choices, sessions=sessions) if isinstance(choices, Choices) else choices


async def _needs(
    on: Executor, organization_id: OrganizationId, wanted: Wanted, moving: Moving | None
) -> Needs | NotFound | InvalidInput:
    """What the service needs now, as far as the wish can be granted."""
    found = (
        {}
        if wanted.service_id is None
        else await load_needs(
            on, organization_id, [wanted.service_id], with_archived=moving is not None
        )
    )
    return needs_for(wanted, found, None if moving is None else moving.appointment)


def needs_for(
    wanted: Wanted, found: Mapping[ServiceId, Needs], moving: Taken | None
) -> Needs | NotFound | InvalidInput:
    """What was found that the service needs, as far as the wish can be granted; with `moving`, the
    wish of its move: of an appointment, or of all of a session.
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
    """Those whom a visit could take: the named alone where nobody else is needed, but for a session
    that is joined, which may have more. A moving appointment may keep whom it has.
    """
    is_full = len(wanted.named) == needs.how_many_with(wanted.named)
    if wanted.named and is_full and needs.seats == 1:
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
    own: Claims | None = None,
) -> Choices | NotFound:
    """`own` are the claims of what moves, if something does."""
    parties = [Party(each, wanted.service_id) for each in provider_ids]
    calendars = await calendars_around(
        on, organization_id, parties, around, with_withdrawn=own is not None
    )
    if isinstance(calendars, NotFound):
        return calendars
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
            if not calendar.resource.is_archived or each in (own or {})
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
    sessions: Sequence[ActiveSession] | None = None,
) -> Seen:
    """Look at the claims around visits at these starts, of which there is at least one, and at the
    sessions there unless they are given; with `in_order`, also at what the order of assignment
    depends on.
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
    existing = (
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
    if sessions is None:
        sessions = choices.sessions
    return Seen(existing=existing, led=led, assigned=assigned, sessions=sessions)


async def _sessions_at(
    on: Executor,
    organization_id: OrganizationId,
    wanted: Wanted,
    needs: Needs,
    starts: Collection[datetime],
) -> Sequence[ActiveSession]:
    """Those that have not ended, at any of these starts, and some between them."""
    service_id = wanted.service_id
    if service_id is None or needs.seats == 1:
        return ()
    until = max(starts) + timedelta(microseconds=1)
    found = await active_sessions(on, organization_id, [service_id], min(starts), until)
    return found[service_id]


def decide_visit(
    choices: Choices,
    seen: Seen,
    named: Sequence[ProviderId],
    starts_at: datetime,
    now: datetime,
    *,
    moving: Moving | None = None,
    own: OwnSeats | None = None,
    resource_ids: Iterable[ResourceId] | None = None,
) -> Chosen | tuple[UnbookableReason, ...]:
    """What the visit takes at this start, or why it can't be had. `own` are the moving
    appointment's seats, if it has some in a session, or everybody's where all of the session moves.
    With `resource_ids`, only units of these.
    """
    own_lead = None if own is None else own.session.providers[0]
    if moving is not None:
        own_lead = moving.appointment.provider_id
    by_week = choices.needs.assignment is Assignment.LEAST_BUSY
    candidates = {
        each: Candidate(
            calendar=calendar,
            claims=seen.existing[each],
            led=seen.led.get(each, ()),
            leads_own=own_lead == each,
            booked_minutes=booked_minutes(
                calendar.hours.time_zone, seen.existing[each], starts_at, now
            )
            if by_week
            else 0,
            last_assigned_at=seen.assigned.get(each),
        )
        for each, calendar in choices.calendars.items()
    }
    some = choices.resources if resource_ids is None else {*resource_ids}
    resources = {
        each: ResourceCandidate(calendar=calendar, claims=seen.existing[each])
        for each, calendar in choices.resources.items()
        if each in some
    }
    return Start(
        choices.needs,
        named,
        candidates,
        resources,
        starts_at,
        now,
        own=own or (None if moving is None else moving.claims),
        seats=choices.wanted.seats,
        sessions=seen.sessions,
        override=choices.wanted.override,
    ).decide()


# ---------------------------------------------------------------- choosing


async def _guess_session(
    resources: Resources, organization_id: OrganizationId, wanted: Wanted, starts_at: datetime
) -> Join | None:
    """The session that the party would join, where the service is known to have seats: found by
    one statement. Whether it can still be joined is for the transaction to find out.
    """
    service_id, seen = wanted.service_id, resources.accelerator.taking_more
    if service_id is None or not seen.has_seats(organization_id, service_id):
        return None
    found = await sessions_at(resources.pool, organization_id, service_id, starts_at)
    if found is None:
        return None
    return join_fullest(
        found.sessions, wanted.named, wanted.seats, of=found.seats, now=resources.clock()
    )


async def guess_visit(
    resources: Resources,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
) -> Chosen | NotFound | InvalidInput | SlotUnavailable | None:
    """What the visit would take now. Nothing is locked. None where sessions there were changing
    meanwhile, so that nothing can be said against the visit.
    """
    around = nearest_supported_date(starts_at.date())
    choices = await load_choices(resources.pool, organization_id, wanted, around, [starts_at])
    if not isinstance(choices, Choices):
        return choices
    _remember(resources, organization_id, choices)
    unsupported = refuse_unsupported(starts_at, resources.clock())
    if unsupported is not None:
        return choices.refuse_duration(duration_minutes) or unsupported
    seen = await look_at(resources.pool, organization_id, choices, [starts_at], in_order=True)
    visit = decide_visit(choices, seen, wanted.named, starts_at, resources.clock())
    refusal = choices.refuse_duration(duration_minutes, visit)
    if refusal is not None:
        return refusal
    if isinstance(visit, Join | Visit):
        return visit
    # The time of a session that began after the sessions were read is seen to be taken.
    again = await _sessions_at(resources.pool, organization_id, wanted, choices.needs, [starts_at])
    return SlotUnavailable(reasons=visit) if again == choices.sessions else None


async def lock_and_decide(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
    way: Plan,
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
                ignored=wanted.override.rules,
            )
            if not isinstance(alone, Sight):
                return alone
            refusal = refuse_time(
                alone.alone(), starts_at, duration_minutes, alone.now, override=wanted.override
            )
            return refusal or alone
        case Way.FROM_ALL:
            return await lock_and_choose(
                resources, tx, organization_id, wanted, starts_at, duration_minutes
            )
        case Known():
            return await lock_and_choose(
                resources, tx, organization_id, wanted, starts_at, duration_minutes, shared=way
            )
        case Visit():
            sight = await lock_and_choose(
                resources, tx, organization_id, wanted, starts_at, duration_minutes, chosen=way
            )
            # Whatever speaks against what was chosen, the next try says whether anything is left.
            return sight if isinstance(sight, Sight) else Retry.OVERTAKEN
        case Join():
            joined = await _lock_and_join(
                resources, tx, organization_id, wanted, starts_at, duration_minutes, way.session
            )
            return joined or Retry.OVERTAKEN
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
    shared: Known | None = None,
    moving: Moving | None = None,
) -> Sight | NotFound | InvalidInput | SlotUnavailable | Retry:
    """Lock and look at what was `chosen`, or at all that could be taken; then decide what is. The
    service's lock is shared already, and so are the rules of what is `shared`.
    """
    needs = await _needs(tx, organization_id, wanted, moving)
    if not isinstance(needs, Needs):
        return needs
    own: Claims = {} if moving is None else moving.claims
    locked = await _lock_rules(
        tx, organization_id, wanted, needs, starts_at, chosen=chosen, shared=shared, moving=moving
    )
    if locked is None:
        return Retry.OVERTAKEN
    named, providers, rooms, active = locked
    around = nearest_supported_date(starts_at.date())
    choices = await _choices(
        tx,
        organization_id,
        wanted,
        needs,
        providers,
        rooms,
        around,
        own=None if moving is None else own,
    )
    if not isinstance(choices, Choices):
        return choices
    unsupported = refuse_unsupported(starts_at, resources.clock())
    if unsupported is not None:
        return choices.refuse_duration(duration_minutes) or unsupported
    zones = choices.zones
    if not own.keys() <= zones.keys():
        zones |= await time_zones(tx, organization_id, own.keys() - zones.keys())
    claims = choices.claims_at(starts_at)
    # A session whose subjects are all among these can be joined; its time is locked as it is.
    joinable = [each.claims for each in active if each.claims.keys() <= zones.keys()]
    lock = await lock_calendars(
        tx,
        organization_id,
        dates_to_lock(zones, claims, own, *joinable),
        limits_to_lock(choices.calendars.values(), claims),
    )
    now = resources.clock()
    sessions, own_seats = await _lock_sessions(tx, organization_id, choices, starts_at, moving)
    closed = {each.id for each in active if not each.claims.keys() <= zones.keys()}
    if any(each.id not in closed and _is_open_to(each, choices, lock, now) for each in sessions):
        return Retry.OVERTAKEN
    seen = await look_at(
        tx,
        organization_id,
        choices,
        [starts_at],
        in_order=chosen is None and len(named) < needs.how_many,
        moving=moving,
        sessions=sessions,
    )
    visit = (
        decide_visit(choices, seen, named, starts_at, now)
        if moving is None
        else _decide_move(choices, seen, moving, own_seats, starts_at, now)
    )
    refusal = choices.refuse_duration(duration_minutes, visit)
    if refusal is not None:
        return refusal
    if not isinstance(visit, Join | Visit):
        return SlotUnavailable(reasons=visit)
    return _sight(resources, choices, seen, visit, zones, lock, now)


class _Locked(NamedTuple):
    """What is decided on, with its rules shared."""

    named: tuple[ProviderId, ...]
    providers: tuple[ProviderId, ...]
    rooms: tuple[ResourceId, ...]
    active: Sequence[ActiveSession] = ()


async def _lock_rules(
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    needs: Needs,
    starts_at: datetime,
    *,
    chosen: Visit | None,
    shared: Known | None,
    moving: Moving | None,
) -> _Locked | None:
    """What was chosen, or all that could be taken, with its rules shared; None where what was
    chosen or known no longer is what the service needs.
    """
    if chosen is not None:
        rooms = tuple(dict.fromkeys(each for each, _ in chosen.units))
        is_enough = len(chosen.providers) == needs.how_many
        return _Locked(chosen.providers, chosen.providers, rooms) if is_enough else None
    kept = () if moving is None else moving.appointment.providers
    active = await _sessions_at(tx, organization_id, wanted, needs, [starts_at])
    providers = candidates_for(needs, wanted, kept)
    rooms = rooms_of(needs.resource_ids, active)
    if shared is None:
        own: Claims = {} if moving is None else moving.claims
        await share_rules(tx, organization_id, {*providers, *rooms, *own})
    elif not {*providers, *rooms} <= {*shared.subjects}:
        return None
    return _Locked(wanted.named, providers, rooms, active)


async def _lock_sessions(
    tx: Transaction,
    organization_id: OrganizationId,
    choices: Choices,
    starts_at: datetime,
    moving: Moving | None,
) -> tuple[list[ActiveSession], OwnSeats | None]:
    """The sessions that could be joined, and the seats that the moving appointment has; all of
    these sessions are locked.
    """
    moved = None if moving is None else moving.appointment
    own_id = None if moved is None else moved.session_id
    service_id = None if choices.needs.seats == 1 else choices.wanted.service_id
    if service_id is None and own_id is None:
        return [], None
    sessions = await sessions_for_update(
        tx,
        organization_id,
        service_id,
        starts_at,
        own=own_id,
        without=None if moved is None else moved.id,
    )
    own = next((each for each in sessions if each.id == own_id), None)
    if own is None or moved is None:
        return sessions, None
    others = [each for each in sessions if each is not own]
    return others, OwnSeats(session=own, seats=moved.seats)


def _is_open_to(
    session: ActiveSession, choices: Choices, lock: CalendarLock, now: datetime
) -> bool:
    """Whether the party could join this session, but not all of its time is locked: it was made
    since, or is not what was chosen.
    """
    named, seats = choices.wanted.named, choices.wanted.seats
    of = choices.needs.seats
    if join_fullest([session], named, seats, of=of, now=now) is None:
        return False
    if not {*session.providers} <= {*choices.needs.provider_ids}:
        return False
    zones = choices.zones
    return not session.claims.keys() <= zones.keys() or any(
        not days <= lock.dates[subject_id]
        for subject_id, days in dates_to_lock(zones, session.claims).items()
    )


async def _lock_and_join(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    duration_minutes: int | None,
    chosen: ActiveSession,
) -> Sight | InvalidInput | None:
    """Lock the time of the chosen session, and then the session, and join it if it can still be
    joined; None if not. Its service and its subjects' rules are shared already.
    """
    around = nearest_supported_date(starts_at.date())
    rooms = tuple(dict.fromkeys(each for each, _ in chosen.units))
    nobody = Needs(provider_ids=chosen.providers)
    choices = await _choices(tx, organization_id, wanted, nobody, chosen.providers, rooms, around)
    if not isinstance(choices, Choices):
        return None
    zones, lead = choices.zones, choices.calendars[chosen.providers[0]]
    if not chosen.claims.keys() <= zones.keys():
        return None  # a room of it is archived
    lock = await lock_calendars(tx, organization_id, dates_to_lock(zones, chosen.claims))
    now = resources.clock()
    session = await session_for_update(tx, organization_id, chosen.id)
    if session is None or session.place != chosen.place:
        return None
    choices = replace(choices, needs=replace(nobody, seats=lead.seats))
    # Nothing else is looked at: a new session is for the next try to find.
    seen = Seen(existing=_nothing(choices), led={}, assigned={}, sessions=[session])
    join = decide_visit(choices, seen, wanted.named, starts_at, now)
    if not isinstance(join, Join):
        return None
    refusal = choices.refuse_duration(duration_minutes, join)
    return refusal or _sight(resources, choices, seen, join, zones, lock, now)


def _nothing(choices: Choices) -> dict[SubjectId, Sequence[Claim]]:
    return dict.fromkeys((*choices.calendars, *choices.resources), ())


def _sight(
    resources: Resources,
    choices: Choices,
    seen: Seen,
    visit: Chosen,
    zones: Mapping[SubjectId, str],
    lock: CalendarLock,
    now: datetime,
) -> Sight:
    """What was decided on, as it is written."""
    wanted, needs = choices.wanted, choices.needs
    joins = visit.session if isinstance(visit, Join) else None
    # The providers of a joined session were not chosen for this party.
    is_assigned = joins is None and len(wanted.named) < len(visit.providers)
    session_id = None if joins is None else joins.id
    if joins is None and needs.seats > 1:
        session_id = SessionId(resources.new_id())
    return Sight(
        lead=visit.lead,
        providers=visit.providers,
        named=len(wanted.named),
        assignment=needs.assignment if is_assigned else None,
        calendars=dict(choices.calendars),
        zones=zones,
        lock=lock,
        claims=visit.claims,
        existing=seen.existing,
        now=now,
        seats=wanted.seats,
        seats_now=needs.seats,
        session_id=session_id,
        joins=joins,
        ignored=wanted.override.rules,
    )


def _decide_move(
    choices: Choices,
    seen: Seen,
    moving: Moving,
    own_seats: OwnSeats | None,
    starts_at: datetime,
    now: datetime,
) -> Chosen | tuple[UnbookableReason, ...]:
    """As `decide_visit`, but at its own start the visit keeps whom and what it has, as far as
    the service still needs them.
    """
    named, own = choices.wanted.named, moving.claims
    if own and own_seats is None and instant_of(visit_of(own)[0]) == starts_at:
        kept = [each for each in moving.appointment.providers if each in choices.calendars]
        others = [each for each in kept if each not in named]
        wanted = (*named, *others)[: max(choices.needs.how_many, len(named))]
        rooms = [each for each in choices.resources if each in own]
        for resource_ids in (rooms, None):
            visit = decide_visit(
                choices, seen, wanted, starts_at, now, moving=moving, resource_ids=resource_ids
            )
            if isinstance(visit, Join | Visit):
                return visit
    return decide_visit(choices, seen, named, starts_at, now, moving=moving, own=own_seats)


# ---------------------------------------------------------------- all of a session


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What a session could take instead, and the lock on that and on what it has."""

    choices: Choices
    zones: Mapping[SubjectId, str]
    lock: CalendarLock


async def lock_for_session(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    taken: Taken,
    own: Claims,
) -> Locked | NotFound | InvalidInput | SlotUnavailable:
    """Lock all that a session which takes this could take at another start, or with others. The
    service's lock is shared already.
    """
    found = {}
    if wanted.service_id is not None:
        found = await load_needs(tx, organization_id, [wanted.service_id], with_archived=True)
    needs = needs_for(wanted, found, taken)
    if not isinstance(needs, Needs):
        return needs
    providers = candidates_for(needs, wanted, taken.providers)
    await share_rules(tx, organization_id, {*providers, *needs.resource_ids, *own})
    around = nearest_supported_date(starts_at.date())
    choices = await _choices(
        tx, organization_id, wanted, needs, providers, needs.resource_ids, around, own=own
    )
    if not isinstance(choices, Choices):
        return choices
    unsupported = refuse_unsupported(starts_at, resources.clock())
    if unsupported is not None:
        return unsupported
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
    return Locked(choices=choices, zones=zones, lock=lock)


async def decide_session(
    tx: Transaction,
    organization_id: OrganizationId,
    locked: Locked,
    session: ActiveSession,
    starts_at: datetime,
    now: datetime,
) -> tuple[Chosen, Seen] | SlotUnavailable:
    """What the session takes at this start, as one visit: what it has counts as free. With no other
    wish than what it has, that is a `Join` of itself. `session` has no parties.

    At its own start it keeps whom and what it has, as far as the service still needs them.
    """
    choices, own = locked.choices, OwnSeats(session=session, seats=1)
    named = choices.wanted.named
    seen = await look_at(
        tx,
        organization_id,
        choices,
        [starts_at],
        in_order=len(named) < choices.needs.how_many,
        sessions=(),
    )
    others = [each for each in session.providers if each not in named]
    kept = tuple(each for each in (*named, *others) if each in choices.calendars)
    rooms = [each for each in choices.resources if each in session.claims]
    tries: list[tuple[Sequence[ProviderId], Sequence[ResourceId] | None]] = [(named, None)]
    if instant_of(session.start) == starts_at:
        few = kept[: max(choices.needs.how_many, len(named))]
        tries = [(few, rooms), (few, None), *tries]
    visit: Chosen | tuple[UnbookableReason, ...] = ()
    for wished, resource_ids in tries:
        visit = decide_visit(
            choices, seen, wished, starts_at, now, own=own, resource_ids=resource_ids
        )
        if isinstance(visit, Join | Visit):
            return visit, seen
    assert not isinstance(visit, Join | Visit)  # noqa: S101  the last try was refused
    return SlotUnavailable(reasons=visit)
