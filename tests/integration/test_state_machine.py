"""The life of appointments, lived at random over two processes' worth of connections, against a
model of one page.

What is done one after the other must be answered as the model answers. What is done at once must be
answered as the model answers in some order. And however it went, the rows must keep the laws.

Two providers are booked by name, and for services: any of them who is free, both together, any of
them in the one room that there is, and any of them for a class, whose seats parties share. Limits
come and go: of a provider's or a service's visits in a day, and of what the one customer who signs
in may have. Private calendars say, by pushes and as feeds, when the providers and the room are busy
elsewhere. An administrator books, holds and moves what is not on offer, off the grid and outside
of hours too, by setting rules aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count, cycle, permutations
from random import Random
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.busy_feeds.read import ReadFeed, read_feed
from app.core.appointment import Appointment, AppointmentStatus, ManageLink
from app.core.busy import BusySource, BusyTimes
from app.core.events import PROGRAM
from app.core.hours import WeeklyRange
from app.core.ids import (
    AppointmentId,
    HoldId,
    OrganizationId,
    ProviderId,
    ResourceId,
    ServiceId,
    SubjectId,
)
from app.core.limits import BookingLimit, LimitPeriod
from app.core.money import LateCancellation, Money
from app.core.needs import Needs, ResourceGroup
from app.core.overrides import RuleSetAside
from app.core.provider import Provider, Service
from app.core.refusals import NotCancellable, NotReschedulable, VersionConflict
from app.core.resource import Resource
from app.core.rules import ServiceRules
from app.core.validation import BusyForm, ContactForm, PolicyForm, ProviderForm
from app.core.viewer import Role, Viewer
from app.core.zones import minute_of
from app.identity.manage import ManageClaims
from app.process.wiring import open_resources
from app.settings import Settings
from app.store.busy import busy_source_by_name
from app.store.needs import replace_needs
from app.store.pool import transaction
from app.store.resources import insert_resource
from app.store.services import insert_service
from app.usecases.booking.answer import Booked
from app.usecases.booking.book_appointment import (
    BookingForm,
    book_appointment,
)
from app.usecases.booking.cancel_appointment import CancellationForm, cancel_appointment
from app.usecases.booking.close_appointment import close_appointment, complete_what_ended
from app.usecases.booking.hold_slot import (
    Held,
    HoldForm,
    hold_slot,
    release_hold,
    sweep_expired_holds,
)
from app.usecases.booking.reschedule_appointment import MoveForm, reschedule_appointment
from app.usecases.busy.add_feed import add_busy_feed
from app.usecases.busy.push import set_busy_times
from app.usecases.busy.replace import replace_busy
from app.usecases.events.publish import publish
from app.usecases.listing.list_availability import (
    FreeTimes,
    SlotQuestion,
    list_availability,
)
from app.usecases.listing.list_service import ServiceQuestion, ServiceTimes, list_services
from app.usecases.practice.edit_hours import Owner
from app.usecases.practice.edit_organization import change_organization
from app.usecases.practice.edit_provider import change_provider, create_provider
from app.usecases.practice.edit_service import change_service
from app.usecases.resources import Resources
from tests.builders import NOW, Clock, an_organization
from tests.lives import broken_laws

CONFIRMED, CANCELLED = AppointmentStatus.CONFIRMED, AppointmentStatus.CANCELLED
COMPLETED, NO_SHOW = AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW
DAY = timedelta(days=1)
OPENS, CLOSES, STEP = timedelta(hours=9), timedelta(hours=13), timedelta(minutes=30)
VISIT, BUFFER = timedelta(minutes=60), timedelta(minutes=15)
STARTS_A_DAY = 7  # half-hourly; the last visit starts at 12
HORIZON_DAYS = 2
FREE_UNTIL = timedelta(minutes=60)
FEE = 500
HOLD_LASTS = timedelta(minutes=10)
HOLDS_AT_ONCE = 3
PROVIDERS = 2
ROOM = "room"
ANYONE, TOGETHER, IN_THE_ROOM, CLASS = 2, 3, 4, 5
"""What is wished, and the number of a provider."""
WISHES = 6
SERVICES = (ANYONE, TOGETHER, IN_THE_ROOM, CLASS)
SEATS = 3
"""Of a start of the class."""
CUSTOMER = 1
"""The one who books that is no guest."""

Answer = TypeVar("Answer")


class Outcome(NamedTuple):
    """What came back: its type, whose it is (a label in the model, an id in the database), and what
    it says.
    """

    type: str
    of: object = None
    says: object = None


# ---------------------------------------------------------------- the model


Takes: TypeAlias = "tuple[int | str, ...]"
"""Providers by number, the lead first, and then perhaps the room."""
Ignored: TypeAlias = "frozenset[RuleSetAside]"
NOTHING: Final[Ignored] = frozenset()
HOURS, GRID, HORIZON, LIMITS, BUSY = (
    RuleSetAside.HOURS,
    RuleSetAside.GRID,
    RuleSetAside.HORIZON,
    RuleSetAside.LIMITS,
    RuleSetAside.BUSY_ELSEWHERE,
)
Stretch: TypeAlias = "tuple[datetime, datetime]"


@dataclass(slots=True)
class Visit:
    wish: int
    takes: Takes
    start: datetime
    seats: int = 1
    of_customer: bool = False
    status: AppointmentStatus = CONFIRMED
    version: int = 0
    fee: int | None = None
    history: list[tuple[str, AppointmentStatus, datetime, Ignored]] = field(default_factory=list)

    @property
    def providers(self) -> Takes:
        return tuple(each for each in self.takes if each != ROOM)

    @property
    def has_time(self) -> bool:
        return self.status is not CANCELLED

    def becomes(
        self,
        kind: str,
        *,
        status: AppointmentStatus | None = None,
        start: datetime | None = None,
        ignored: Ignored = NOTHING,
    ) -> None:
        self.version += 1
        self.status, self.start = status or self.status, start or self.start
        self.history.append((kind, self.status, self.start, ignored))


@dataclass(slots=True)
class Holding:
    wish: int
    takes: Takes
    start: datetime
    caller: str
    expires: datetime
    seats: int = 1
    ended: bool = False
    ignored: Ignored = NOTHING


@dataclass(slots=True)
class Model:
    """What there is, by label; and what each idempotency key was used for, by mutation, caller and
    key.
    """

    now: datetime = NOW
    visits: dict[str, Visit] = field(default_factory=dict)
    holds: dict[str, Holding] = field(default_factory=dict)
    keys: dict[tuple[str, str, str], tuple[object, str]] = field(default_factory=dict)
    most_a_day: dict[int, int | None] = field(default_factory=dict)
    """Of a provider's visits, or of a service's with each lead."""
    most_open: dict[int, int | None] = field(default_factory=dict)
    """Of the customer's bookings of a service."""
    allows_overlap: bool = True
    busy: dict[tuple[int | str, str], list[Stretch]] = field(default_factory=dict)
    """What each source of a provider or the room says."""

    def is_busy(self, subject: int | str, start: datetime) -> bool:
        """Elsewhere, at some time of a visit that begins then."""
        return any(
            begin < start + VISIT + BUFFER and start < end
            for (of, _), stretches in self.busy.items()
            for begin, end in stretches
            if of == subject
        )

    def stands(self, hold: Holding) -> bool:
        return not hold.ended and self.now < hold.expires

    def is_free(self, subject: int | str, start: datetime, *, without: str = "") -> bool:
        taken = [
            visit.start
            for label, visit in self.visits.items()
            if subject in visit.takes and visit.has_time and label != without
        ]
        taken += [
            hold.start
            for hold in self.holds.values()
            if subject in hold.takes and self.stands(hold)
        ]
        return all(abs(start - other) >= VISIT + BUFFER for other in taken)

    def may_count(
        self,
        provider: int,
        start: datetime,
        *,
        service: int | None,
        without: str,
        ignored: Ignored = NOTHING,
    ) -> bool:
        """Whether one more visit on that day keeps the limit: of the provider's visits, or of the
        service's that they lead. That of a visit which moves within the day is not one more.
        """
        most = self.most_a_day.get(provider if service is None else service)
        if LIMITS in ignored:
            return True
        with_time: dict[str, Visit | Holding] = {
            label: visit for label, visit in self.visits.items() if visit.has_time
        }
        with_time |= {label: hold for label, hold in self.holds.items() if self.stands(hold)}
        # A session is one visit, and it is the moving party's own if nobody else is in it.
        counted: dict[object, list[str]] = {}
        for label, each in with_time.items():
            if each.start.date() == start.date() and (
                provider in each.takes
                if service is None
                else (each.wish, each.takes[0]) == (service, provider)
            ):
                session = (each.takes, each.start) if each.wish == CLASS else label
                counted.setdefault(session, []).append(label)
        return most is None or len(counted) < most or [without] in counted.values()

    def parties(self, start: datetime, *, without: str = "") -> dict[Takes, int]:
        """How many seats are taken in each session of the class at this start."""
        found: dict[Takes, int] = {}
        with_seats: dict[str, Visit | Holding] = {
            label: visit for label, visit in self.visits.items() if visit.has_time
        }
        with_seats |= {label: hold for label, hold in self.holds.items() if self.stands(hold)}
        for label, each in with_seats.items():
            if (each.wish, each.start) == (CLASS, start) and label != without:
                found[each.takes] = found.get(each.takes, 0) + each.seats
        return found

    def join(
        self, start: datetime, seats: int, *, without: str, ignored: Ignored = NOTHING
    ) -> Takes | None:
        """The fullest session of the class that has room for the party; it may be off the grid."""
        if not self.is_on_offer(start, ignored | {GRID}):
            return None
        sessions = self.parties(start, without=without)
        with_room = [takes for takes, taken in sessions.items() if taken + seats <= SEATS]
        return min(with_room, key=lambda takes: (-sessions[takes], takes), default=None)

    def is_on_offer(self, start: datetime, ignored: Ignored) -> bool:
        """By the clock and by the hours, which are those of both providers."""
        at = start - start.replace(hour=0, minute=0)
        is_open = OPENS <= at < CLOSES
        return (
            start >= self.now
            and (HORIZON in ignored or start.date() <= self.now.date() + HORIZON_DAYS * DAY)
            and (HOURS in ignored or (is_open and at + VISIT <= CLOSES))
            # Outside of hours there is no grid.
            and (GRID in ignored or not is_open or (at - OPENS) % STEP == timedelta(0))
        )

    def choose(
        self,
        wish: int,
        start: datetime,
        seats: int = 1,
        *,
        without: str = "",
        ignored: Ignored = NOTHING,
    ) -> Takes | None:
        """What the wish takes at this start; None where it can't be had."""
        if wish == CLASS:
            joined = self.join(start, seats, without=without, ignored=ignored)
            if joined is not None:
                return joined
        if not self.is_on_offer(start, ignored):
            return None
        possible: dict[int, list[Takes]] = {
            ANYONE: [(0,), (1,)],
            TOGETHER: [(0, 1), (1, 0)],
            IN_THE_ROOM: [(0, ROOM), (1, ROOM)],
            CLASS: [(0,), (1,)],
        }
        service = wish if wish >= PROVIDERS else None
        may_count = partial(self.may_count, start=start, without=without, ignored=ignored)
        for takes in possible.get(wish, [(wish,)]):
            if (
                all(self.is_free(each, start, without=without) for each in takes)
                and (BUSY in ignored or not any(self.is_busy(each, start) for each in takes))
                and all(may_count(each, service=None) for each in takes if isinstance(each, int))
                and (service is None or may_count(int(takes[0]), service=service))
            ):
                return takes
        return None

    def refuses_customer(self, wish: int | None, start: datetime, *, without: str = "") -> bool:
        """Whether the customer may not have this visit; with a wish, one more booking of it."""
        theirs = [
            visit
            for label, visit in self.visits.items()
            if visit.of_customer and visit.status is CONFIRMED and label != without
        ]
        still_open = sum(visit.wish == wish and visit.start + VISIT > self.now for visit in theirs)
        most = None if wish is None else self.most_open.get(wish)
        is_busy = any(abs(visit.start - start) < VISIT for visit in theirs)
        return (most is not None and still_open >= most) or (is_busy and not self.allows_overlap)

    def listed(self, wish: int) -> list[datetime]:
        """On the grid, and where the class has a session."""
        asked = {start_of(self.now, choice) for choice in range((HORIZON_DAYS + 2) * STARTS_A_DAY)}
        if wish == CLASS:
            taken: list[Visit | Holding] = [*self.visits.values(), *self.holds.values()]
            asked |= {each.start for each in taken if each.wish == CLASS}
        return [start for start in sorted(asked) if self.choose(wish, start) is not None]

    def booked(self, label: str) -> Outcome:
        visit = self.visits[label]
        said = (visit.status, visit.version, visit.start, visit.providers)
        return Outcome("Booked", label, said)

    def appointment(self, label: str) -> Outcome:
        visit = self.visits[label]
        return Outcome("Appointment", label, (visit.status, visit.version, visit.fee))

    def held(self, label: str) -> Outcome:
        hold = self.holds[label]
        providers = tuple(each for each in hold.takes if each != ROOM)
        return Outcome("Held", label, (hold.expires, providers))


def start_of(now: datetime, choice: int) -> datetime:
    """One of the starts of today and the days after it."""
    day, at = divmod(choice, STARTS_A_DAY)
    return now.replace(hour=0, minute=0, second=0) + day * DAY + OPENS + at * STEP


# ---------------------------------------------------------------- what can be done


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is behind the model's labels."""

    organization_id: OrganizationId
    providers: Sequence[ProviderId]
    services: Mapping[int, ServiceId]
    room: ResourceId
    ids: Mapping[object, UUID]

    def provider(self, wish: int) -> ProviderId | None:
        return self.providers[wish] if wish < PROVIDERS else None

    def owner(self, subject: int | str) -> Owner:
        if isinstance(subject, int):
            return Owner(provider_id=self.providers[subject])
        return Owner(resource_id=self.room)

    def numbers(self, providers: Sequence[ProviderId]) -> tuple[int, ...]:
        return tuple(self.providers.index(each) for each in providers)

    def viewer(self, caller: str) -> Viewer:
        if caller == "guest":
            return Viewer(organization_id=self.organization_id)
        return Viewer(
            organization_id=self.organization_id, role=Role[caller.upper()], subject=f"the {caller}"
        )

    def manage_token(self, resources: Resources, label: str, caller: str) -> str | None:
        """Guests come with the token of their appointment."""
        if caller != "guest":
            return None
        claims = ManageClaims(
            organization_id=self.organization_id, link=ManageLink(AppointmentId(self.ids[label]))
        )
        return resources.manage_tokens.sign(claims)

    def hold_token(self, resources: Resources, label: str) -> str:
        return resources.hold_tokens.sign(self.organization_id, HoldId(self.ids[label]))


class Deed(Protocol):
    """Something that is done in the database, and what the model says to it."""

    async def do(self, resources: Resources, world: World, /) -> Outcome: ...

    def say(self, model: Model, /) -> Outcome: ...


def outcome_of(answer: object, world: World) -> Outcome:
    match answer:
        case Booked(appointment=visit):
            providers = world.numbers(visit.providers)
            said = (visit.status, visit.version, visit.starts_at, providers)
            return Outcome("Booked", visit.id, said)
        case Appointment():
            fee = answer.cancellation_fee
            return Outcome(
                "Appointment", answer.id, (answer.status, answer.version, fee and fee.amount_minor)
            )
        case Held(hold=hold):
            return Outcome("Held", hold.id, (hold.expires_at, world.numbers(hold.providers)))
        case NotCancellable() | NotReschedulable():
            return Outcome(type(answer).__name__, None, answer.reason.value)
        case VersionConflict():
            return Outcome("VersionConflict", None, answer.current_version)
        case _:
            return Outcome(type(answer).__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Book a time; with a hold, where one is named."""

    label: str
    wish: int
    start: datetime
    who: int
    key: str
    hold: str | None = None
    seats: int | None = None
    """Left out with a hold."""
    ignored: Ignored = NOTHING

    async def do(self, resources: Resources, world: World) -> Outcome:
        form = BookingForm(
            provider_id=world.provider(self.wish),
            service_id=world.services.get(self.wish),
            starts_at=self.start,
            duration_minutes=None,
            customer=ContactForm(
                name="Guest", email=f"guest-{self.who}@example.com", phone=None, locale=None
            ),
            customer_time_zone="UTC",
            notes=None,
            idempotency_key=self.key,
            hold_token=None if self.hold is None else world.hold_token(resources, self.hold),
            seats=self.seats,
            ignore=tuple(self.ignored),
        )
        return outcome_of(await book_appointment(resources, world.viewer(self.caller), form), world)

    @property
    def caller(self) -> str:
        """One of the two guests, or the customer; an administrator, who sets something aside."""
        if self.ignored:
            return "admin"
        return "customer" if self.who == CUSTOMER else "guest"

    def say(self, model: Model) -> Outcome:
        scope = ("book", self.caller, self.key)
        request = (self.wish, self.start, self.who, self.hold, self.seats, self.ignored)
        if scope in model.keys:
            known, label = model.keys[scope]
            return model.booked(label) if known == request else Outcome("IdempotencyKeyReused")
        hold = None if self.hold is None else model.holds[self.hold]
        if hold is not None and (hold.wish, hold.start) != (self.wish, self.start):
            return Outcome("InvalidInput")
        is_used = hold is not None and model.stands(hold)
        seats = hold.seats if hold else self.seats or 1
        takes = (
            hold.takes
            if hold and is_used
            else model.choose(self.wish, self.start, seats, ignored=self.ignored)
        )
        if takes is None:
            return Outcome("SlotUnavailable" if hold is None else "HoldExpired")
        of_customer = self.caller == "customer"
        if of_customer and model.refuses_customer(self.wish, self.start):
            return Outcome("SlotUnavailable")
        if hold and is_used:
            hold.ended = True
        model.keys[scope] = (request, self.label)
        visit = model.visits[self.label] = Visit(
            self.wish, takes, self.start, seats, of_customer=of_customer
        )
        held = hold.ignored if hold and is_used else NOTHING
        visit.becomes("BOOKED", ignored=self.ignored | held)
        return model.booked(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Hold a time."""

    label: str
    wish: int
    start: datetime
    caller: str
    key: str
    seats: int = 1
    ignored: Ignored = NOTHING

    async def do(self, resources: Resources, world: World) -> Outcome:
        form = HoldForm(
            provider_id=world.provider(self.wish),
            service_id=world.services.get(self.wish),
            starts_at=self.start,
            idempotency_key=self.key,
            seats=self.seats,
            ignore=tuple(self.ignored),
        )
        return outcome_of(await hold_slot(resources, world.viewer(self.caller), form), world)

    def say(self, model: Model) -> Outcome:
        scope = ("hold", self.caller, self.key)
        request = (self.wish, self.start, self.seats, self.ignored)
        if scope in model.keys:
            known, label = model.keys[scope]
            return model.held(label) if known == request else Outcome("IdempotencyKeyReused")
        open_now = sum(
            hold.caller == self.caller and model.stands(hold) for hold in model.holds.values()
        )
        if self.caller == "customer" and open_now >= HOLDS_AT_ONCE:
            return Outcome("BookingLimitReached")
        takes = model.choose(self.wish, self.start, self.seats, ignored=self.ignored)
        if takes is None:
            return Outcome("SlotUnavailable")
        model.keys[scope] = (request, self.label)
        model.holds[self.label] = Holding(
            self.wish,
            takes,
            self.start,
            self.caller,
            model.now + HOLD_LASTS,
            self.seats,
            ignored=self.ignored,
        )
        return model.held(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give a hold up."""

    hold: str

    async def do(self, resources: Resources, world: World) -> Outcome:
        token = world.hold_token(resources, self.hold)
        return outcome_of(await release_hold(resources, world.viewer("guest"), token), world)

    def say(self, model: Model) -> Outcome:
        model.holds[self.hold].ended = True
        return model.held(self.hold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel, with the manage token or as an administrator, for a fee or not, of a
    version or any.
    """

    label: str
    caller: str
    accept: int
    version: int | None

    async def do(self, resources: Resources, world: World) -> Outcome:
        form = CancellationForm(
            appointment_id=AppointmentId(world.ids[self.label]),
            reason=None,
            expected_version=self.version,
            accept_fee_minor=self.accept,
            manage_token=world.manage_token(resources, self.label, self.caller),
        )
        viewer = world.viewer(self.caller)
        return outcome_of(await cancel_appointment(resources, viewer, form), world)

    def say(self, model: Model) -> Outcome:
        visit = model.visits[self.label]
        if visit.status is CANCELLED:
            return model.appointment(self.label)
        if self.version not in {None, visit.version}:
            return Outcome("VersionConflict", None, visit.version)
        if visit.status is not CONFIRMED:
            return Outcome("NotCancellable", None, "ALREADY_CLOSED")
        if model.now >= visit.start:
            return Outcome("NotCancellable", None, "ALREADY_STARTED")
        costs = self.caller == "guest" and model.now > visit.start - FREE_UNTIL
        if costs and self.accept < FEE:
            return Outcome("CancellationFeeNotAccepted")
        visit.becomes("CANCELLED", status=CANCELLED)
        visit.fee = FEE if costs else None
        return model.appointment(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Move, with the manage token or as an administrator; a party of the class perhaps with another
    number of seats.
    """

    label: str
    start: datetime
    caller: str
    version: int | None
    key: str
    seats: int | None = None
    ignored: Ignored = NOTHING

    async def do(self, resources: Resources, world: World) -> Outcome:
        form = MoveForm(
            appointment_id=AppointmentId(world.ids[self.label]),
            starts_at=self.start,
            expected_version=self.version,
            idempotency_key=self.key,
            manage_token=world.manage_token(resources, self.label, self.caller),
            seats=self.seats,
            ignore=tuple(self.ignored),
        )
        viewer = world.viewer(self.caller)
        return outcome_of(await reschedule_appointment(resources, viewer, form), world)

    def say(self, model: Model) -> Outcome:
        visit = model.visits[self.label]
        scope = (
            "move",
            f"the token of {self.label}" if self.caller == "guest" else self.caller,
            self.key,
        )
        request = (self.label, self.start, self.version, self.seats, self.ignored)
        if scope in model.keys:
            known, label = model.keys[scope]
            return model.booked(label) if known == request else Outcome("IdempotencyKeyReused")
        if self.version not in {None, visit.version}:
            return Outcome("VersionConflict", None, visit.version)
        if visit.status is not CONFIRMED:
            reason = "ALREADY_CANCELLED" if visit.status is CANCELLED else "ALREADY_CLOSED"
            return Outcome("NotReschedulable", None, reason)
        if model.now >= visit.start:
            return Outcome("NotReschedulable", None, "ALREADY_STARTED")
        if self.caller == "guest" and model.now > visit.start - FREE_UNTIL:
            return Outcome("NotReschedulable", None, "TOO_LATE")
        seats = visit.seats if self.seats is None else self.seats
        others = model.parties(visit.start, without=self.label).get(visit.takes, 0)
        fits = seats <= max(SEATS - others, visit.seats)
        # At its own start it keeps what it has; else neither grid nor horizon play a part there.
        ignored = self.ignored | ({GRID, HORIZON} if self.start == visit.start else NOTHING)
        takes = (
            visit.takes
            if self.start == visit.start and fits
            else model.choose(visit.wish, self.start, seats, without=self.label, ignored=ignored)
        )
        is_new = self.start != visit.start and visit.of_customer and LIMITS not in self.ignored
        if takes is None or (
            is_new and model.refuses_customer(None, self.start, without=self.label)
        ):
            return Outcome("SlotUnavailable")
        model.keys[scope] = (request, self.label)
        visit.takes, visit.seats = takes, seats
        visit.becomes("RESCHEDULED", start=self.start, ignored=self.ignored)
        return model.booked(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Complete, or say that nobody came."""

    label: str
    to: AppointmentStatus
    version: int | None

    async def do(self, resources: Resources, world: World) -> Outcome:
        closed = await close_appointment(
            resources,
            world.viewer("admin"),
            AppointmentId(world.ids[self.label]),
            self.to,
            expected_version=self.version,
        )
        return outcome_of(closed, world)

    def say(self, model: Model) -> Outcome:
        visit = model.visits[self.label]
        if visit.status is self.to:
            return model.appointment(self.label)
        if self.version not in {None, visit.version}:
            return Outcome("VersionConflict", None, visit.version)
        if visit.status is CANCELLED or model.now < visit.start:
            return Outcome("InvalidTransition")
        visit.becomes(self.to.value, status=self.to)
        return model.appointment(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitADay:
    """Limit a provider's visits, or a service's with each lead."""

    of: int
    most: int | None

    async def do(self, resources: Resources, world: World) -> Outcome:
        limit = BookingLimit(period=LimitPeriod.DAY, max_visits=self.most)
        changes = {"limits": () if self.most is None else (limit,)}
        provider_id, admin = world.provider(self.of), world.viewer("admin")
        if provider_id is not None:
            changed = await change_provider(resources, admin, provider_id, changes)
            return Outcome(type(changed).__name__)
        return Outcome(
            type(
                await change_service(resources, admin, world.services[self.of], changes, {})
            ).__name__
        )

    def say(self, model: Model) -> Outcome:
        model.most_a_day[self.of] = self.most
        return Outcome("Provider" if self.of < PROVIDERS else "Service")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOpen:
    """Limit the open bookings of a service that one customer has."""

    of: int
    most: int | None

    async def do(self, resources: Resources, world: World) -> Outcome:
        changes = {"max_open_per_customer": self.most}
        service_id = world.services[self.of]
        changed = await change_service(resources, world.viewer("admin"), service_id, changes, {})
        return Outcome(type(changed).__name__)

    def say(self, model: Model) -> Outcome:
        model.most_open[self.of] = self.most
        return Outcome("Service")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOverlap:
    """Say whether customers may be in two places at once."""

    is_allowed: bool

    async def do(self, resources: Resources, world: World) -> Outcome:
        changes = {"allows_customer_overlap": self.is_allowed}
        changed = await change_organization(resources, world.viewer("admin"), changes)
        return Outcome(type(changed).__name__)

    def say(self, model: Model) -> Outcome:
        model.allows_overlap = self.is_allowed
        return Outcome("Organization")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBusy:
    """A source replaces what it says about a window."""

    subject: int | str
    source: str
    window: Stretch
    busy: tuple[Stretch, ...]

    async def do(self, resources: Resources, world: World) -> Outcome:
        first, until = self.window
        form = BusyForm(source=self.source, first=first, until=until, busy=self.busy)
        owner = world.owner(self.subject)
        return Outcome(
            type(await set_busy_times(resources, world.viewer("admin"), owner, form)).__name__
        )

    def say(self, model: Model) -> Outcome:
        first, until = self.window
        before = model.busy.get((self.subject, self.source), [])
        kept = [
            (begin, end)
            for was_from, was_until in before
            for begin, end in ((was_from, min(was_until, first)), (max(was_from, until), was_until))
            if begin < end
        ]
        model.busy[self.subject, self.source] = [*kept, *self.busy]
        return Outcome("BusySource")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCalendar:
    """A feed has this to say now: times, whole days in no zone, and what makes nobody busy."""

    subject: int | str
    days: tuple[datetime, ...]
    times: tuple[Stretch, ...]
    transparent: tuple[Stretch, ...]
    now: datetime

    def calendar(self) -> bytes:
        dated = [
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}\r\nDTEND;VALUE=DATE:{day + DAY:%Y%m%d}"
            for day in self.days
        ]
        timed = [
            f"DTSTART:{begin:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}"
            for begin, end in self.times
        ]
        transparent = [
            f"DTSTART:{begin:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\nTRANSP:TRANSPARENT"
            for begin, end in self.transparent
        ]
        events = "".join(
            f"BEGIN:VEVENT\r\nUID:{number}\r\n{lines}\r\nEND:VEVENT\r\n"
            for number, lines in enumerate((*dated, *timed, *transparent))
        )
        return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n".encode()

    async def do(self, resources: Resources, world: World) -> Outcome:
        owner, admin = world.owner(self.subject), world.viewer("admin")
        subject_id: SubjectId = owner.provider_id or world.room
        source = await busy_source_by_name(
            resources.pool, world.organization_id, subject_id, "calendar"
        )
        if source is None:
            url = "https://calendar.example.com/private.ics"
            added = await add_busy_feed(resources, admin, owner, name="calendar", url=url)
            assert isinstance(added, BusySource)
            source = added
        window = minute_of(self.now - 2 * DAY), minute_of(self.now + 9 * DAY)
        found = read_feed(self.calendar(), first=window[0], last=window[1])
        assert isinstance(found, ReadFeed)
        said = BusyTimes(window=window, times=found.busy.instants, readings=found.busy.floating)
        async with transaction(resources.pool) as tx:
            changes = await replace_busy(
                resources, tx, world.organization_id, source, said, author=PROGRAM
            )
        assert isinstance(changes, tuple)
        await publish(resources, *changes)
        return Outcome("read")

    def say(self, model: Model) -> Outcome:
        days = [(day, day + DAY) for day in self.days]
        model.busy[self.subject, "calendar"] = [*days, *self.times]
        return Outcome("read")


@dataclass(frozen=True, slots=True)
class CompleteWhatEnded:
    """What the worker does every minute."""

    async def do(self, resources: Resources, _world: World) -> Outcome:
        return Outcome("completed", None, await complete_what_ended(resources))

    def say(self, model: Model) -> Outcome:
        ended = [
            visit
            for visit in model.visits.values()
            if visit.status is CONFIRMED and visit.start + VISIT <= model.now
        ]
        for visit in ended:
            visit.becomes("COMPLETED", status=COMPLETED)
        return Outcome("completed", None, len(ended))


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the worker does with holds that expired: nothing that anybody could see."""

    async def do(self, resources: Resources, _world: World) -> Outcome:
        await sweep_expired_holds(resources)
        return Outcome("swept")

    def say(self, _model: Model) -> Outcome:
        return Outcome("swept")


# ---------------------------------------------------------------- drawing

CHANGES: Final = ("move", "move", "move", "cancel", "complete", "no-show")
KINDS: Final = (
    "book",
    "book",
    "hold",
    "book held",
    "book held",
    "release",
    *CHANGES,
    "limit",
    "busy",
    "busy",
    "completion",
    "sweep",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A deed before it is known what there is to do it to: `which` and the others are choices among
    what there is.
    """

    kind: str
    which: int
    start: int
    caller: str
    key: int
    version: int | None
    accept: int
    elsewhere: bool
    seats: int
    ignored: Ignored
    """For administrators."""
    shift: timedelta
    """Of starts that are drawn, off the grid or out of the hours."""

    def deed(self, model: Model, label: str) -> Deed | None:
        """None where there is nothing to do it to."""
        if self.kind == "completion":
            return CompleteWhatEnded()
        if self.kind == "sweep":
            return Sweep()
        if self.kind == "limit":
            return self._limit()
        if self.kind == "busy":
            return self._busy(model)
        if self.kind in {"book", "hold"}:
            return self._take(model, label)
        things = [*(model.holds if self.kind in {"book held", "release"} else model.visits)]
        return self._change(model, things[self.which % len(things)], label) if things else None

    def _limit(self) -> Deed:
        most = {0: None, FEE - 1: 3, FEE: 2, FEE + 1: 1}[self.accept]
        if self.which < WISHES:
            return LimitADay(of=self.which, most=most)
        if self.which < WISHES + len(SERVICES):
            return LimitOpen(of=SERVICES[self.which - WISHES], most=most)
        return LimitOverlap(is_allowed=most in {None, 3})

    def _busy(self, model: Model) -> Deed:
        """Times of a day, the day, or nothing any more; of two pushing sources, or a calendar."""
        subject = (0, 1, ROOM)[self.which % 3]
        start = start_of(model.now, self.start) + self.shift
        midnight = start.replace(hour=0, minute=0)
        half_an_hour, long = (start, start + STEP), (start + 2 * STEP, start + 5 * STEP)
        busy = {0: [], FEE - 1: [half_an_hour], FEE: [half_an_hour, long], FEE + 1: [long]}
        if self.which >= 9:
            return ReadCalendar(
                subject=subject,
                days=(midnight,) if self.elsewhere else (),
                times=tuple(busy[self.accept]),
                transparent=((midnight, midnight + DAY),) if self.version is None else (),
                now=model.now,
            )
        window = (start - STEP, start + 6 * STEP) if self.seats > 1 else (midnight, midnight + DAY)
        inside = [(max(begin, window[0]), min(end, window[1])) for begin, end in busy[self.accept]]
        return PushBusy(
            subject=subject,
            source="phone" if self.caller == "guest" else "team",
            window=window,
            busy=(window,)
            if self.elsewhere
            else tuple(each for each in inside if each[0] < each[1]),
        )

    def _take(self, model: Model, label: str) -> Deed:
        wish, start = self.which % WISHES, start_of(model.now, self.start) + self.shift
        key, seats = f"key {self.key}", self.seats if wish == CLASS else 1
        if self.kind == "book":
            return Book(
                label=label,
                wish=wish,
                start=start,
                who=self.accept % 2,
                key=key,
                seats=seats,
                ignored=self.ignored,
            )
        caller = "admin" if self.caller == "admin" or self.ignored else "customer"
        return Hold(
            label=label,
            wish=wish,
            start=start,
            caller=caller,
            key=key,
            seats=seats,
            ignored=self.ignored,
        )

    def _change(self, model: Model, thing: str, label: str) -> Deed:
        if self.kind == "release":
            return Release(hold=thing)
        if self.kind == "book held":
            hold = model.holds[thing]
            start = start_of(model.now, self.start) if self.elsewhere else hold.start
            key = f"key {self.key}"
            return Book(
                label=label,
                wish=hold.wish,
                start=start,
                who=self.accept % 2,
                key=key,
                hold=thing,
                ignored=self.ignored,
            )
        version = None if self.version is None else model.visits[thing].version + self.version
        if self.kind == "cancel":
            return Cancel(label=thing, caller=self.caller, accept=self.accept, version=version)
        if self.kind == "move":
            start = start_of(model.now, self.start) + self.shift
            of_class = model.visits[thing].wish == CLASS
            return Move(
                label=thing,
                start=model.visits[thing].start if of_class and self.elsewhere else start,
                caller="admin" if self.ignored else self.caller,
                version=version,
                key=f"key {self.key}",
                seats=self.seats if of_class and self.accept else None,
                ignored=self.ignored,
            )
        return Close(
            label=thing, to=COMPLETED if self.kind == "complete" else NO_SHOW, version=version
        )


OVERRIDDEN: Final = 0.3


def draft_of(chance: Random, kinds: Sequence[str]) -> Draft:
    return Draft(
        kind=chance.choice(kinds),
        which=chance.randrange(12),
        # Many want the same few times; some want times beyond the horizon.
        start=chance.randrange(chance.choice([4, STARTS_A_DAY, (HORIZON_DAYS + 2) * STARTS_A_DAY])),
        caller=chance.choice(["guest", "guest", "admin"]),
        # Some keys come again by accident.
        key=chance.randrange(chance.choice([4, 1_000_000, 1_000_000])),
        version=chance.choice([None, None, 0, 0, -1]),
        accept=chance.choice([0, FEE - 1, FEE, FEE + 1]),
        elsewhere=chance.random() < 0.2,
        seats=chance.choice([1, 1, 2, SEATS]),
        ignored=frozenset(chance.sample([*RuleSetAside], chance.randrange(1, 6)))
        if chance.random() < OVERRIDDEN
        else NOTHING,
        shift=timedelta(minutes=chance.choice([0, 0, 0, 0, 10, -90, -180, 200])),
    )


def drafts(*kinds: str) -> st.SearchStrategy[Draft]:
    """Evenly spread: smaller would not be simpler, fewer is."""
    return st.integers(0, 2**64 - 1).map(lambda seed: draft_of(Random(seed), kinds))


# ---------------------------------------------------------------- the machine


def explained(
    model: Model, deeds: Sequence[Deed], outcomes: Sequence[Outcome], ids: Mapping[object, UUID]
) -> tuple[Model, dict[object, UUID]] | None:
    """The model, and the ids behind its labels, after these deeds in an order that explains all
    outcomes.
    """
    for order in permutations(range(len(deeds))):
        then, bound = deepcopy(model), dict(ids)
        for at in order:
            said, came = deeds[at].say(then), outcomes[at]
            if (said.type, said.says) != (came.type, came.says):
                break
            if said.of is not None and bound.setdefault(said.of, came.of) != came.of:  # type: ignore[arg-type]
                break
        else:
            if len({*bound.values()}) == len(bound):
                return then, bound
    return None


class Hosts:
    """Two processes' worth of resources on one database, and the loop that they live on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, resources: Sequence[Resources]
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.resources = resources

    def run(self, work: Coroutine[None, None, Answer]) -> Answer:
        return self.loop.run_until_complete(work)


@contextmanager
def hosts(opened: Settings) -> Iterator[Hosts]:
    loop, clock = asyncio.new_event_loop(), Clock()
    stack = AsyncExitStack()

    async def enter() -> list[Resources]:
        each = (open_resources(opened, clock=clock, real_clock=clock) for _ in range(2))
        return [await stack.enter_async_context(resources) for resources in each]

    try:
        yield Hosts(loop, clock, loop.run_until_complete(enter()))
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()


async def a_new_world(resources: Resources) -> World:
    """Two providers, their services and the room, on a database with nothing else in it."""
    await resources.pool.execute("TRUNCATE organization CASCADE", [])
    organization = await an_organization(resources)
    admin = Viewer(organization_id=organization.id, role=Role.ADMIN, subject="the admin")
    form = ProviderForm(
        name="Ada",
        time_zone="UTC",
        service_duration_minutes=VISIT // timedelta(minutes=1),
        buffer_minutes=BUFFER // timedelta(minutes=1),
        slot_interval_minutes=STEP // timedelta(minutes=1),
        min_notice_minutes=0,
        max_advance_booking_days=HORIZON_DAYS,
        email=None,
        phone=None,
        cancellation_policy=PolicyForm(
            free_until_minutes_before=FREE_UNTIL // timedelta(minutes=1),
            late_cancellation=LateCancellation.FEE,
            late_fee=Money(amount_minor=FEE, currency="EUR"),
            late_fee_percent=None,
        ),
        subject=None,
    )
    weekly = [
        WeeklyRange(day, OPENS // timedelta(minutes=1), CLOSES // timedelta(minutes=1))
        for day in range(7)
    ]
    providers = []
    for _ in range(PROVIDERS):
        provider = await create_provider(resources, admin, form, hours=weekly, breaks=[])
        assert isinstance(provider, Provider)
        providers.append(provider.id)
    room = Resource(id=ResourceId(resources.new_id()), name="Room", kind="room", time_zone="UTC")
    group = ResourceGroup(name="room", count=1, resource_ids=(room.id,))
    needs = {
        ANYONE: Needs(provider_ids=tuple(providers)),
        TOGETHER: Needs(provider_ids=tuple(providers), providers_needed=None),
        IN_THE_ROOM: Needs(provider_ids=tuple(providers), groups=(group,)),
        CLASS: Needs(provider_ids=tuple(providers), seats=SEATS),
    }
    services = {wish: ServiceId(resources.new_id()) for wish in needs}
    async with transaction(resources.pool) as tx:
        assert await insert_resource(tx, organization.id, room, NOW)
        for wish, service_id in services.items():
            service = Service(
                id=service_id,
                name="Service",
                rules=ServiceRules(duration_minutes=VISIT // timedelta(minutes=1)),
                price=None,
                cancellation_policy=None,
            )
            await insert_service(tx, organization.id, service, NOW)
            await replace_needs(tx, organization.id, service_id, needs[wish])
    return World(
        organization_id=organization.id,
        providers=providers,
        services=services,
        room=room.id,
        ids={},
    )


class Lives(RuleBasedStateMachine):
    """One run; `hosted` is set by the test."""

    hosted: Hosts

    def __init__(self) -> None:
        super().__init__()
        self.labels = count(1)
        self.model = Model()
        self.hosted.clock.set(NOW)
        self.world = self.hosted.run(a_new_world(self.hosted.resources[0]))

    def attempt(self, *drawn: Draft) -> None:
        """Do all of this at once, each over the next host; then the model must explain it."""
        possible = [draft.deed(self.model, f"#{next(self.labels)}") for draft in drawn]
        deeds = [deed for deed in possible if deed is not None]
        outcomes = self.hosted.run(self.do(deeds))
        found = explained(self.model, deeds, outcomes, self.world.ids)
        assert found is not None, "\n".join(
            f"{deed} -> {came}" for deed, came in zip(deeds, outcomes, strict=True)
        )
        self.model, ids = found
        self.world = replace(self.world, ids=ids)
        self.compare_lists()

    async def do(self, deeds: Sequence[Deed]) -> list[Outcome]:
        hosts_in_turn = cycle(self.hosted.resources)
        return await asyncio.gather(*(deed.do(next(hosts_in_turn), self.world) for deed in deeds))

    def compare_lists(self) -> None:
        """What is listed, on every host, is what the model would book."""
        today = self.model.now.date()
        for host in self.hosted.resources:
            questions = [
                SlotQuestion(
                    provider_id=provider_id,
                    service_id=None,
                    first=today,
                    last=today + (HORIZON_DAYS + 1) * DAY,
                    time_zone=None,
                )
                for provider_id in self.world.providers
            ]
            answers = self.hosted.run(
                list_availability(host, self.world.organization_id, questions)
            )
            for provider, answer in enumerate(answers):
                assert isinstance(answer, FreeTimes)
                minutes = [minute for day in answer.starts_by_date.values() for minute in day]
                epoch = datetime.fromisoformat("1970-01-01T00:00Z")
                assert [
                    epoch + timedelta(minutes=minute) for minute in minutes
                ] == self.model.listed(provider)
            self.compare_services(host)

    def compare_services(self, host: Resources) -> None:
        today = self.model.now.date()
        asked = [
            ServiceQuestion(service_id, (), today, today + (HORIZON_DAYS + 1) * DAY, "UTC")
            for service_id in self.world.services.values()
        ]
        answers = self.hosted.run(list_services(host, self.world.organization_id, asked))
        epoch = datetime.fromisoformat("1970-01-01T00:00Z")
        for wish, times in zip(self.world.services, answers, strict=True):
            assert isinstance(times, ServiceTimes)
            minutes = [minute for day in times.starts_by_date.values() for minute in day]
            starts = [epoch + timedelta(minutes=minute) for minute in minutes]
            assert starts == self.model.listed(wish)

    @initialize(drawn=st.lists(drafts("book", "hold"), min_size=2, max_size=4))
    def begin_with_something(self, drawn: list[Draft]) -> None:
        self.attempt(*drawn)

    @rule(draft=drafts("book", "hold"))
    def take_time(self, draft: Draft) -> None:
        self.attempt(draft)

    @rule(draft=drafts("book held", "release"))
    def use_or_release_a_hold(self, draft: Draft) -> None:
        self.attempt(draft)

    @rule(draft=drafts(*CHANGES))
    def change_something(self, draft: Draft) -> None:
        self.attempt(draft)

    @rule(draft=drafts("busy"))
    def be_busy_elsewhere(self, draft: Draft) -> None:
        self.attempt(draft)

    @rule(draft=drafts("limit", "completion", "sweep"))
    def work(self, draft: Draft) -> None:
        self.attempt(draft)

    @rule(drawn=st.lists(drafts(*KINDS), min_size=2, max_size=4))
    def do_several_things_at_once(self, drawn: list[Draft]) -> None:
        self.attempt(*drawn)

    @rule(draft=drafts("book", "hold", "book held", "cancel", "move"), times=st.integers(2, 4))
    def do_one_thing_many_times_at_once(self, draft: Draft, times: int) -> None:
        self.attempt(*[draft] * times)

    @rule(minutes=st.sampled_from([1, 9, 10, 45, 24 * 60]))
    def let_time_go_by(self, minutes: int) -> None:
        self.turn_to(self.model.now + timedelta(minutes=minutes))

    @rule(which=st.integers(0, 11), seconds=st.sampled_from([-1, 0, 0, 1]))
    def let_the_next_edge_come(self, which: int, seconds: int) -> None:
        """Turn the clock to where something changes by itself: a late window, a start, an end, an
        expiry.
        """
        edges = [
            visit.start + apart
            for visit in self.model.visits.values()
            for apart in (-FREE_UNTIL, timedelta(0), VISIT)
            if visit.status is CONFIRMED
        ]
        edges += [hold.expires for hold in self.model.holds.values() if not hold.ended]
        ahead = sorted(edge for edge in {*edges} if edge > self.model.now)
        if ahead:
            self.turn_to(
                max(self.model.now, ahead[which % min(3, len(ahead))] + timedelta(seconds=seconds))
            )

    def turn_to(self, now: datetime) -> None:
        self.model.now = now
        self.hosted.clock.set(now)
        self.compare_lists()

    def teardown(self) -> None:
        self.hosted.run(self.compare_rows())

    async def compare_rows(self) -> None:
        pool, organization_id = self.hosted.resources[0].pool, self.world.organization_id
        assert await broken_laws(pool, organization_id, now=self.model.now) == {}
        rows = await pool.fetch(
            "SELECT appointment_id, kind, to_status, to_starts_at, ignored FROM appointment_history"
            " WHERE organization_id = $1 ORDER BY appointment_id, version",
            [organization_id],
        )
        stored: dict[UUID, list[tuple[str, str, datetime, Ignored]]] = {}
        for appointment_id, kind, status, start, ignored in rows:
            entry = (kind, status, start, frozenset(map(RuleSetAside, ignored or ())))
            stored.setdefault(appointment_id, []).append(entry)
        visits = self.model.visits
        assert stored == {self.world.ids[label]: visit.history for label, visit in visits.items()}


def live(environment: dict[str, str], *, runs: int, steps: int) -> None:
    with hosts(Settings.from_environment(environment)) as hosted:
        machine = type("HostedLives", (Lives,), {"hosted": hosted})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=runs,
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
                deadline=None,
            ),
        )


def live_by_chance(hosted: Hosts, seed: int, *, steps: int) -> None:
    """The same machine, driven evenly: Hypothesis likes to repeat itself, and shrinks; chance goes
    everywhere.
    """
    chance = Random(seed)
    life = type("HostedLives", (Lives,), {"hosted": hosted})()
    life.attempt(*(draft_of(chance, ("book", "hold")) for _ in range(4)))
    for _ in range(steps):
        match chance.randrange(8):
            case 0:
                life.let_the_next_edge_come(chance.randrange(12), chance.choice([-1, 0, 0, 1]))
            case 1:
                life.attempt(*[draft_of(chance, KINDS)] * chance.randrange(2, 5))
            case 2 | 3:
                life.attempt(draft_of(chance, KINDS))
            case _:
                life.attempt(*(draft_of(chance, KINDS) for _ in range(chance.randrange(2, 5))))
    life.teardown()


def test_lives_drawn_by_hypothesis_go_as_the_model_says(environment: dict[str, str]) -> None:
    live(environment, runs=6, steps=30)


def test_lives_drawn_by_chance_go_as_the_model_says(environment: dict[str, str]) -> None:
    with hosts(Settings.from_environment(environment)) as hosted:
        for seed in range(6):
            live_by_chance(hosted, seed, steps=35)


@pytest.mark.full
def test_many_long_lives_drawn_by_hypothesis_go_as_the_model_says(
    environment: dict[str, str],
) -> None:
    live(environment, runs=300, steps=80)


@pytest.mark.full
def test_many_long_lives_drawn_by_chance_go_as_the_model_says(environment: dict[str, str]) -> None:
    with hosts(Settings.from_environment(environment)) as hosted:
        for seed in range(1_000, 1_200):
            live_by_chance(hosted, seed, steps=120)
