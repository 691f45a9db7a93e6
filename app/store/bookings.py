"""What a booking rests on besides calendars, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.core.customer_limits import CustomerVisit
from app.core.ids import CustomerId, ServiceId
from app.core.slots import LONGEST_CLAIM_MINUTES, Claim, ClaimKind
from app.core.zones import instant_of, minute_of
from app.store.appointments import appointment_from
from app.store.customers import customer_from
from app.store.idempotency import stored_answer_from
from app.store.locks import UnlockedCalendarError, lock_each, name_of_customer
from app.store.sql import query
from app.telemetry.metrics import LOCK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.core.appointment import Appointment, Contact, Customer
    from app.core.booking import Claims
    from app.core.ids import AppointmentId, OrganizationId, SubjectId
    from app.store.idempotency import KeyScope, StoredAnswer
    from app.store.locks import CalendarLock, LockKeys
    from app.store.pool import Transaction, Writes
    from app.store.sql import Reader, Record

_BEFORE = query("before_booking")
_LOOK = query("look_before_booking")
_BOOK_AS_SEEN = query("book_as_seen")
_BEFORE_MOVE = query("before_move")
_LOOK_BEFORE_CHANGE = query("look_before_change")
_VISITS = query("visits_of_customer")


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeBooking:
    """The result under the key, if any; the customer, if they have booked before; and what
    is open.

    Open are confirmed appointments that are not over: the customer's, and those of guests from one
    network.
    """

    answer: StoredAnswer | None
    customer: Customer | None
    open_of_customer: int
    open_of_network: int
    made_of_network: int
    """Bookings made on the day, in UTC, including those cancelled since."""
    allows_overlap: bool
    """Whether the organization allows customers to be in two places at once."""
    reminders: Sequence[int]
    """How many minutes before the start the organization reminds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Of what a booking asks before it is decided on. The customer is the one with this id, else
    with this subject, else the guests' record for this contact.
    """

    scope: KeyScope
    customer_id: CustomerId | None
    subject: str | None
    contact: Contact | None
    guest_origin: bytes | None
    now: datetime

    @property
    def arguments(self) -> tuple[object, ...]:
        """As the statements take them."""
        return (
            self.scope.mutation,
            self.scope.caller,
            self.scope.key,
            self.subject,
            self.contact and self.contact.email,
            self.contact and self.contact.phone,
            self.guest_origin,
            self.now,
            self.now.date(),
            self.customer_id,
        )


async def before_booking(tx: Transaction, booking: Booking, locks: LockKeys) -> BeforeBooking:
    """Take the locks, then ask. Those of the key, and of the names under which the customer's
    bookings are counted, are among them.
    """
    if tx.is_distributed:
        # The function takes them again, which is free. A transaction that waits in it before any
        # statement of Citus has no number, and then Citus sees deadlocks that are none.
        await lock_each(tx, booking.scope.organization_id, locks)
    with LOCK_SECONDS.time():
        row = await _BEFORE.one(
            tx, booking.scope.organization_id, locks.alone, locks.shared, *booking.arguments
        )
    return _before(row)


class Look(NamedTuple):
    """What was asked without locks, for a visit that would take this time of one unit of each
    subject, from a whole minute on; or what is expected of it, which nobody has asked.
    """

    before: BeforeBooking
    organization_version: int
    """Of the organization's row."""
    customer_version: int | None
    """Of the customer's row, if there is one."""
    rules_version: int
    """The sum of the versions of the subjects' rules, and of the service's."""
    is_free: bool
    """Whether there is neither a claim, not even an expired one, nor a busy time."""
    asked_at: datetime
    """The instant from which appointments were counted as open."""

    @property
    def seen(self) -> tuple[object, ...]:
        """What `book_as_seen` compares."""
        before = self.before
        return (
            self.organization_version,
            self.rules_version,
            before.customer and before.customer.id,
            self.customer_version,
            [before.open_of_customer, before.open_of_network, before.made_of_network],
        )


async def look_before_booking(
    on: Reader, booking: Booking, service_id: ServiceId | None, claims: Claims
) -> Look:
    """Ask without locks, for a decision that `book_as_seen` compares with what is there then."""
    taken = [(subject_id, each) for subject_id in sorted(claims) for each in claims[subject_id]]
    row = await _LOOK.one(
        on,
        booking.scope.organization_id,
        *booking.arguments,
        service_id,
        [subject_id for subject_id, _ in taken],
        [each.claimed_from for _, each in taken],
        [each.claimed_until for _, each in taken],
        LONGEST_CLAIM_MINUTES,
    )
    return Look(
        before=_before(row),
        organization_version=row["organization_version"],
        customer_version=row["customer_version"],
        rules_version=row["rules_version"],
        is_free=row["is_free"],
        asked_at=booking.now,
    )


def book_as_seen(
    writes: Writes,
    lock: CalendarLock,
    claims: Claims,
    *,
    new_id: Callable[[], UUID],
    first: LockKeys,
    look: Look,
) -> None:
    """Let all that waits be written with this time of one provider, by one call of a function that
    takes these locks and compares what was seen, as `Commits.commit` sends it. Nothing may wait
    after it.

    The locks are the first ones, then those of `lock`, which proves that they are asked for.
    """
    ((subject_id, (claim,)),) = claims.items()
    if subject_id not in lock.dates:
        raise UnlockedCalendarError
    _BOOK_AS_SEEN.instead(
        writes,
        lock.organization_id,
        [*first.alone, *lock.keys({})],
        first.shared,
        *look.seen,
        look.asked_at,
        look.asked_at.date(),
        claim.claimed_from,
        claim.claimed_until,
        LONGEST_CLAIM_MINUTES,
        new_id(),
        claim.unit,
        instant_of(claim.claimed_from),
        instant_of(claim.claimed_until),
        instant_of(claim.visit_from),
        instant_of(claim.visit_until),
    )


def _before(row: Record) -> BeforeBooking:
    return BeforeBooking(
        answer=None if row["request_hash"] is None else stored_answer_from(row),
        customer=None if row["id"] is None else customer_from(row),
        open_of_customer=row["of_customer"],
        open_of_network=row["open_of_network"],
        made_of_network=row["made_of_network"],
        allows_overlap=row["allows_overlap"],
        reminders=row["reminders"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeMove:
    """The result under the key, if any; the name under which the appointment's customer is locked,
    None for guests; and whether the organization allows customers to be in two places at once.
    """

    answer: StoredAnswer | None
    customer: str | None
    allows_overlap: bool
    reminders: Sequence[int]
    """How many minutes before the start the organization reminds."""


async def before_move(
    tx: Transaction, scope: KeyScope, appointment_id: AppointmentId
) -> BeforeMove:
    """Ask under the lock of the key."""
    row = await _BEFORE_MOVE.one(
        tx, scope.organization_id, scope.mutation, scope.caller, scope.key, appointment_id
    )
    customer_id = row["customer_id"]
    return BeforeMove(
        answer=None if row["request_hash"] is None else stored_answer_from(row),
        customer=None
        if customer_id is None
        else name_of_customer(CustomerId(customer_id), row["subject"]),
        allows_overlap=row["allows_overlap"],
        reminders=row["reminders"],
    )


class ChangeLook(NamedTuple):
    """An appointment that is to be cancelled or moved, and what else that rests on, as it was seen
    without locks.
    """

    appointment: Appointment
    own: Claims
    """The time of its own that it has: empty where it is cancelled or has seats in a session."""
    zones: Mapping[SubjectId, str]
    """Of the subjects that give it."""
    rules_version: int
    """The sum of the versions of those subjects' rules, and of the service's."""
    is_erased: bool
    """Whether its customer is."""
    is_limited: bool
    """Whether its customer is known, and the organization does not allow customers to be in two
    places at once.
    """
    is_used: bool
    """Whether the key is."""
    is_free: bool
    """Whether nothing else takes the first minute of the new time from the lead."""
    reminders: Sequence[int]
    """How many minutes before the start the organization reminds."""
    organization_version: int
    """Of its settings: a move rests on them."""


async def look_before_change(
    on: Reader,
    organization_id: OrganizationId,
    appointment_id: AppointmentId,
    scope: KeyScope | None = None,
    starts_at: datetime | None = None,
) -> ChangeLook | None:
    """Look without locks, for a decision that `change_as_seen` or `move_as_seen` compares with what
    is there then. A move has a key and a new start. None where there is no such appointment.
    """
    row = await _LOOK_BEFORE_CHANGE.one(
        on,
        organization_id,
        appointment_id,
        *((None, None, None) if scope is None else (scope.mutation, scope.caller, scope.key)),
        None if starts_at is None else minute_of(starts_at),
        LONGEST_CLAIM_MINUTES,
    )
    if row["id"] is None:
        return None
    claimed_ids: Sequence[SubjectId] = row["claimed_ids"] or ()
    own: dict[SubjectId, tuple[Claim, ...]] = {}
    for subject_id, values in zip(claimed_ids, row["claims"] or (), strict=True):
        claimed_from, claimed_until, visit_from, visit_until, unit = values
        claim = Claim(
            claimed_from, claimed_until, visit_from, visit_until, ClaimKind.APPOINTMENT, None, unit
        )
        own[subject_id] = (*own.get(subject_id, ()), claim)
    return ChangeLook(
        appointment=appointment_from(row),
        own=own,
        zones=dict(zip(claimed_ids, row["time_zones"] or (), strict=True)),
        rules_version=row["rules_version"] or 0,
        is_erased=row["is_erased"],
        is_limited=row["is_limited"],
        is_used=row["is_used"],
        is_free=row["is_free"],
        reminders=row["reminders"],
        organization_version=row["organization_version"],
    )


async def visits_of_customer(
    tx: Transaction,
    organization_id: OrganizationId,
    customer_id: CustomerId,
    visit: CustomerVisit,
    now: datetime,
    *,
    without: AppointmentId | None = None,
) -> list[CustomerVisit]:
    """The customer's confirmed visits of the same service that are not over, and those that overlap
    this visit; but for one appointment. Ask under the lock of the customer.
    """
    rows = await _VISITS.many(
        tx,
        organization_id,
        customer_id,
        visit.service_id,
        now,
        visit.starts_at,
        visit.ends_at,
        without,
    )
    return [
        CustomerVisit(
            service_id=None if row["service_id"] is None else ServiceId(row["service_id"]),
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
        )
        for row in rows
    ]
