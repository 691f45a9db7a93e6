"""Lock and look: the first half of every mutation that takes time. What comes after it decides and
writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.booking import claim_for, dates_to_lock, limits_to_lock
from app.core.changes import TimeChanged
from app.core.hold import Hold
from app.core.ids import ResourceId
from app.core.refusals import NotAllowed, NotFound, SlotUnavailable
from app.core.sentences import say
from app.core.slots import UnbookableReason
from app.core.visits import Candidate
from app.core.zones import is_supported_date, nearest_supported_date
from app.store.calendars import (
    claims_of_appointment,
    claims_of_hold,
    claims_of_session,
    lock_and_load_claims,
    time_zones,
)
from app.store.locks import lock_calendars, share_rules
from app.store.sessions import lock_session
from app.usecases.listing.count_visits import instants_to_count, load_led
from app.usecases.listing.list_availability import load_calendar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.booking import Claims
    from app.core.ids import HoldId, OrganizationId, ProviderId, SessionId, SubjectId
    from app.core.needs import Assignment
    from app.core.overrides import RuleSetAside
    from app.core.party import Party
    from app.core.provider import Calendar
    from app.core.seating import ActiveSession
    from app.core.slots import Claim
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.store.sql import Executor
    from app.usecases.resources import Resources


NOT_THEIR_CALENDAR: Final = say("A provider books into their own calendar only.")
NOT_SET_ASIDE: Final = NotAllowed(message=say("Only staff set rules aside. Leave out `ignore`."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a decision over a visit's time needs to see, and the lock under which it was seen.

    `claims` is what the visit would take, or what the session has in which it takes `seats`: a new
    one with this id, or the one that it `joins`, of which it has so many now. With `held` it takes
    those of a hold. `existing` are all claims that could be in its way, or
    count for the limits of a provider, by subject; `led` are those that count for the service's
    limits, where the visit takes its lead alone; `zones` are those of every subject whose time may
    change. The first `named` of its `providers` were named, the others chosen by the order of
    `assignment`. `ignored` are the rules that were set aside for it. `now` was read last.
    """

    lead: ProviderId
    providers: tuple[ProviderId, ...]
    named: int = 1
    assignment: Assignment | None = None
    calendars: Mapping[ProviderId, Calendar]
    zones: Mapping[SubjectId, str]
    lock: CalendarLock
    claims: Claims
    existing: Mapping[SubjectId, Sequence[Claim]]
    led: Sequence[Claim] = ()
    now: datetime
    seats: int = 1
    seats_now: int = 1
    session_id: SessionId | None = None
    joins: ActiveSession | None = None
    held: HoldId | None = None
    ignored: frozenset[RuleSetAside] = frozenset()

    def alone(self, *, leads_own: bool = False) -> Candidate:
        """The lead, to be judged where the visit takes nobody else."""
        return Candidate(
            calendar=self.calendar,
            claims=self.existing[self.lead],
            led=self.led,
            leads_own=leads_own,
        )

    @property
    def calendar(self) -> Calendar:
        """The lead's: grid, price and policy of the visit are theirs."""
        return self.calendars[self.lead]

    @property
    def resources(self) -> tuple[ResourceId, ...]:
        """The resources that are claimed, each once."""
        return tuple(ResourceId(each) for each in self.claims if each not in self.providers)


class Moving(NamedTuple):
    """An appointment that moves: its row is locked, and these are its claims, or those of its
    session.
    """

    appointment: Appointment
    claims: Claims


class Retry(Enum):
    """The transaction can't decide: it is rolled back, and another one locks more."""

    TAKES_MORE = auto()
    """A visit of this service takes more than one provider, or seats."""
    OVERTAKEN = auto()
    """The choice is no longer available, or others took it at this very moment."""


async def lock_and_look(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Party,
    starts_at: datetime,
    *,
    moving: Moving | None = None,
    rules_are_shared: bool = False,
    ignored: frozenset[RuleSetAside] = frozenset(),
) -> Sight | NotFound | SlotUnavailable | Retry:
    """For a visit that takes one provider alone: lock their rules and the dates that it would touch
    at this start; then look at the claims there.

    With `moving`, the dates of that appointment's claims are locked too, the claims count as free,
    and the provider need not offer the service any more. With `rules_are_shared` the rules' lock
    was taken before. `ignored` is kept in what was seen; it changes nothing here.
    """
    own: Claims = {} if moving is None else moving.claims
    lead = wanted.provider_id
    if not rules_are_shared:
        await share_rules(tx, organization_id, {*own, lead})
    # Outside the supported years nobody keeps hours, but who is asked for must exist all the same.
    around = nearest_supported_date(starts_at.date())
    calendar = await load_calendar(
        tx, organization_id, wanted, around, with_withdrawn=moving is not None
    )
    if isinstance(calendar, NotFound):
        return calendar
    if not calendar.is_plain:
        return Retry.TAKES_MORE
    refusal = refuse_unsupported(starts_at, resources.clock())
    if refusal is not None:
        return refusal
    zones: dict[SubjectId, str] = {lead: calendar.hours.time_zone}
    if not own.keys() <= zones.keys():
        zones |= await time_zones(tx, organization_id, own.keys() - zones.keys())
    claim = claim_for(calendar.rules, starts_at)
    claims: Claims = {lead: (claim,)}
    without = None if moving is None else moving.appointment.id
    # A start between two minutes reaches into the next.
    spans = [(claim.claimed_from, claim.claimed_until + 1)]
    spans += instants_to_count([calendar], [starts_at])
    subjects: list[SubjectId] = [lead]
    lock, existing = await lock_and_load_claims(
        tx,
        organization_id,
        dates_to_lock(zones, claims, own),
        limits_to_lock([calendar], claims),
        subjects,
        min(first for first, _ in spans),
        max(until for _, until in spans),
        without=without,
    )
    led = await load_led(tx, organization_id, [calendar], [starts_at], without=without)
    now = resources.clock()
    return Sight(
        lead=lead,
        providers=(lead,),
        calendars={lead: calendar},
        zones=zones,
        lock=lock,
        claims=claims,
        existing=existing,
        led=led.get(lead, ()),
        now=now,
        ignored=ignored,
    )


def refuse_unsupported(starts_at: datetime, now: datetime) -> SlotUnavailable | None:
    """The refusal of a start outside the supported years, in which nobody keeps hours."""
    if is_supported_date(starts_at.date()):
        return None
    past = starts_at < now
    return SlotUnavailable(
        reasons=(UnbookableReason.IN_THE_PAST if past else UnbookableReason.BEYOND_HORIZON,)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTime:
    """The time that an appointment has, and the lock under which it was looked at; `now` was read
    last.
    """

    zones: Mapping[SubjectId, str]
    lock: CalendarLock
    claims: Claims
    now: datetime


async def claims_taken_by(
    on: Executor, organization_id: OrganizationId, taken: Appointment | Hold
) -> Claims:
    """The time that an appointment or a hold has, or its session; empty where it was freed."""
    if taken.session_id is not None:
        return await claims_of_session(on, organization_id, taken.session_id)
    if isinstance(taken, Hold):
        return await claims_of_hold(on, organization_id, taken.id)
    return await claims_of_appointment(on, organization_id, taken.id)


async def lock_own_time(
    resources: Resources, tx: Transaction, organization_id: OrganizationId, appointment: Appointment
) -> OwnTime:
    """Lock the dates that an appointment's own time touches, and its session. Its row is locked
    already, so nobody else changes its claims.
    """
    claims = await claims_taken_by(tx, organization_id, appointment)
    return await lock_time(resources, tx, organization_id, claims, appointment.session_id)


async def lock_time(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    claims: Claims,
    session_id: SessionId | None = None,
) -> OwnTime:
    """Lock the dates that these claims touch, and then the session in which their owner has seats,
    if there is one.
    """
    await share_rules(tx, organization_id, claims)
    zones = await time_zones(tx, organization_id, claims)
    lock = await lock_calendars(tx, organization_id, dates_to_lock(zones, claims))
    if session_id is not None:
        await lock_session(tx, organization_id, session_id)
    return OwnTime(zones=zones, lock=lock, claims=claims, now=resources.clock())


def times_changed(
    organization_id: OrganizationId, zones: Mapping[SubjectId, str], *several: Claims
) -> tuple[TimeChanged, ...]:
    """That all of this time was taken or freed."""
    return tuple(
        TimeChanged(
            organization_id=organization_id,
            subject_id=subject_id,
            time_zone=zones[subject_id],
            claimed_from=each.claimed_from,
            claimed_until=each.claimed_until,
        )
        for claims in several
        for subject_id, of_subject in claims.items()
        for each in of_subject
    )
