"""The life of an appointment: which change is possible in which state, when, and what cancelling
costs.

`CONFIRMED → CANCELLED | COMPLETED | NO_SHOW`. Nothing leaves CANCELLED; the provider's side may
exchange COMPLETED and NO_SHOW. From its start on nothing is cancelled or moved; before it nothing
is completed or a no-show. `TRANSITIONS` says so once: every decision reads it, and the database
and the published law are compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.core.addresses import same_mailbox
from app.core.appointment import AppointmentStatus
from app.core.booking import price_of_seats
from app.core.changes import AppointmentChangeKind
from app.core.money import LateCancellation, Money
from app.core.refusals import (
    CancellationFeeNotAccepted,
    CancellationQuote,
    InvalidTransition,
    NotCancellable,
    NotChangeableReason,
    NotReschedulable,
    VersionConflict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Appointment, Contact
    from app.core.ids import ProviderId, ResourceId, SessionId
    from app.core.overrides import RuleSetAside


class Period(StrEnum):
    """When a change is possible, relative to the start of the appointment."""

    ANY_TIME = "any time"
    BEFORE_START = "before the start"
    FROM_START = "from the start on"

    def contains(self, starts_at: datetime, now: datetime) -> bool:
        """Whether `now` lies in the period; the start itself belongs to `FROM_START`."""
        match self:
            case Period.ANY_TIME:
                return True
            case Period.BEFORE_START:
                return now < starts_at
            case Period.FROM_START:
                return now >= starts_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change that the law knows; `source` is None where the appointment begins."""

    kind: AppointmentChangeKind
    source: AppointmentStatus | None
    target: AppointmentStatus
    period: Period


def _transition(
    kind: AppointmentChangeKind,
    source: AppointmentStatus | None,
    target: AppointmentStatus,
    period: Period,
) -> Transition:
    return Transition(kind=kind, source=source, target=target, period=period)


_KIND, _STATUS = AppointmentChangeKind, AppointmentStatus

TRANSITIONS: Final = (
    _transition(_KIND.BOOKED, None, _STATUS.CONFIRMED, Period.ANY_TIME),
    _transition(_KIND.RESCHEDULED, _STATUS.CONFIRMED, _STATUS.CONFIRMED, Period.BEFORE_START),
    _transition(_KIND.CANCELLED, _STATUS.CONFIRMED, _STATUS.CANCELLED, Period.BEFORE_START),
    _transition(_KIND.COMPLETED, _STATUS.CONFIRMED, _STATUS.COMPLETED, Period.FROM_START),
    _transition(_KIND.COMPLETED, _STATUS.NO_SHOW, _STATUS.COMPLETED, Period.FROM_START),
    _transition(_KIND.NO_SHOW, _STATUS.CONFIRMED, _STATUS.NO_SHOW, Period.FROM_START),
    _transition(_KIND.NO_SHOW, _STATUS.COMPLETED, _STATUS.NO_SHOW, Period.FROM_START),
    *(_transition(_KIND.CORRECTED, each, each, Period.ANY_TIME) for each in _STATUS),
)
"""Every change of an appointment that there is."""

_BY_KIND_AND_SOURCE: Final = {(each.kind, each.source): each for each in TRANSITIONS}

CLOSING_KINDS: Final = {
    each.target: each.kind
    for each in TRANSITIONS
    if each.kind in {AppointmentChangeKind.COMPLETED, AppointmentChangeKind.NO_SHOW}
}
"""The change that closes an appointment in each of these states."""


def transition_of(
    kind: AppointmentChangeKind, source: AppointmentStatus | None
) -> Transition | None:
    """The change of this kind out of this state; None where the law knows none."""
    return _BY_KIND_AND_SOURCE.get((kind, source))


def _is_possible(appointment: Appointment, kind: AppointmentChangeKind, now: datetime) -> bool:
    transition = transition_of(kind, appointment.status)
    return transition is not None and transition.period.contains(appointment.starts_at, now)


class Actor(StrEnum):
    """Who changes an appointment. PROVIDER, RECEPTION and ADMIN are the provider's side."""

    GUEST = "GUEST"
    MANAGE_TOKEN = "MANAGE_TOKEN"  # noqa: S105  an actor, no secret
    CUSTOMER = "CUSTOMER"
    PROVIDER = "PROVIDER"
    RECEPTION = "RECEPTION"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"

    @property
    def is_guest(self) -> bool:
        """Whether they act without an account: nobody knows whose address they gave."""
        return self in {Actor.GUEST, Actor.MANAGE_TOKEN}

    @property
    def is_providers_side(self) -> bool:
        """Whose cancellations cost nothing, who moves always, and who says how a visit ended."""
        return self in {Actor.PROVIDER, Actor.RECEPTION, Actor.ADMIN}

    def as_payer(self, *, at_customers_request: bool) -> Actor:
        """As whom they pay for a cancellation: the provider's side as the customer, where the
        customer asked for it.
        """
        return Actor.CUSTOMER if at_customers_request and self.is_providers_side else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """An allowed cancellation and its price, None where it is free."""

    fee: Money | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is asked for is so already."""


def late_fee(appointment: Appointment) -> Money | None:
    """What cancelling late costs, by the policy snapshotted at booking; a share is rounded half up,
    in integers.
    """
    policy, price = appointment.cancellation_policy, appointment.price
    fee = policy.late_fee
    if policy.late_fee_percent is not None and price is not None:
        share = (price.amount_minor * policy.late_fee_percent * 2 + 100) // 200
        fee = Money(amount_minor=share, currency=price.currency)
    return fee if fee is not None and fee.amount_minor > 0 else None


def no_show_fee(appointment: Appointment) -> Money | None:
    """What not coming would cost."""
    return late_fee(appointment) if appointment.cancellation_policy.charges_no_show else None


def fee_owed(appointment: Appointment) -> Money | None:
    """What is owed now: for its late cancellation, or because nobody came."""
    match appointment.status:
        case AppointmentStatus.CANCELLED:
            return appointment.cancellation_fee
        case AppointmentStatus.NO_SHOW:
            return no_show_fee(appointment)
        case AppointmentStatus.CONFIRMED | AppointmentStatus.COMPLETED:
            return None


def free_until_of(appointment: Appointment) -> datetime:
    """Until when cancelling is free, that instant included: by the time before the start, or by the
    grace after the booking, whichever is later, but never after the start.
    """
    policy = appointment.cancellation_policy
    before_start = appointment.starts_at - timedelta(minutes=policy.free_until_minutes_before)
    if policy.grace_minutes == 0:
        return before_start
    end_of_grace = appointment.created_at + timedelta(minutes=policy.grace_minutes)
    return max(before_start, min(end_of_grace, appointment.starts_at))


def quote_cancellation(
    appointment: Appointment, actor: Actor, now: datetime
) -> CancellationQuote | None:
    """What cancelling at this instant would cost this actor; None once it can't be cancelled."""
    if not _is_possible(appointment, AppointmentChangeKind.CANCELLED, now):
        return None
    policy = appointment.cancellation_policy
    free_until = free_until_of(appointment)
    is_free = (
        actor.is_providers_side
        or now <= free_until
        or policy.late_cancellation is LateCancellation.ALLOWED
    )
    return CancellationQuote(
        free_until=free_until,
        fee=None
        if is_free or policy.late_cancellation is LateCancellation.REFUSED
        else late_fee(appointment),
        allowed=is_free or policy.late_cancellation is not LateCancellation.REFUSED,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerTerms:
    """What an appointment's policy means to its customer at an instant.

    Cancelling is free until `free_until`; afterwards it costs `late_fee`, or, without one, is not
    possible. `free_until` is None where it is free until the start. `is_late`: that has passed.
    `no_show_fee` is what not coming costs.
    """

    free_until: datetime | None
    late_fee: Money | None
    is_late: bool
    may_cancel: bool
    may_move: bool
    no_show_fee: Money | None = None


def _late_quote(appointment: Appointment) -> CancellationQuote | None:
    """What cancelling costs its customer once it is no longer free; None where it is free until
    the start, or nothing can be cancelled.
    """
    too_late = free_until_of(appointment) + timedelta(microseconds=1)
    late = quote_cancellation(appointment, Actor.MANAGE_TOKEN, too_late)
    return None if late is None or (late.allowed and late.fee is None) else late


def customer_terms(appointment: Appointment, now: datetime) -> CustomerTerms | None:
    """The terms at this instant; None once the appointment can neither be cancelled nor moved
    because it is over, cancelled or has started.
    """
    quote = quote_cancellation(appointment, Actor.MANAGE_TOKEN, now)
    if quote is None:
        return None
    late = _late_quote(appointment)
    return CustomerTerms(
        free_until=None if late is None else quote.free_until,
        late_fee=None if late is None else late.fee,
        no_show_fee=no_show_fee(appointment),
        is_late=late is not None and now > quote.free_until,
        may_cancel=quote.allowed,
        may_move=refuse_move(appointment, Actor.MANAGE_TOKEN, now, expected_version=None) is None,
    )


def _refuse_change(
    appointment: Appointment,
    kind: AppointmentChangeKind,
    actor: Actor,
    now: datetime,
    *,
    expected_version: int | None,
) -> VersionConflict | NotChangeableReason | CancellationQuote:
    """Why the appointment can be neither cancelled nor moved; where it can, what cancelling costs.

    One ladder for both, as who could cancel for nothing may move.
    """
    if expected_version not in {None, appointment.version}:
        return VersionConflict(current_version=appointment.version)
    if appointment.status is AppointmentStatus.CANCELLED:
        return NotChangeableReason.ALREADY_CANCELLED
    if transition_of(kind, appointment.status) is None:
        return NotChangeableReason.ALREADY_CLOSED
    quote = quote_cancellation(appointment, actor, now)
    if quote is None:
        return NotChangeableReason.ALREADY_STARTED
    return quote if quote.allowed else NotChangeableReason.TOO_LATE


def decide_cancellation(
    appointment: Appointment,
    actor: Actor,
    now: datetime,
    *,
    accept_fee_minor: int,
    expected_version: int | None,
) -> Cancellation | NotCancellable | CancellationFeeNotAccepted | VersionConflict:
    """Whether the appointment may be cancelled at this instant, for a fee of at most so much.

    What is cancelled already is refused here; the use case answers with it before it asks.
    """
    seen = _refuse_change(
        appointment, AppointmentChangeKind.CANCELLED, actor, now, expected_version=expected_version
    )
    match seen:
        case VersionConflict():
            return seen
        case NotChangeableReason():
            return NotCancellable(reason=seen)
        case CancellationQuote():
            if seen.fee is not None and seen.fee.amount_minor > accept_fee_minor:
                return CancellationFeeNotAccepted(quote=seen)
            return Cancellation(fee=seen.fee)


def refuse_move(
    appointment: Appointment, actor: Actor, now: datetime, *, expected_version: int | None
) -> NotReschedulable | VersionConflict | None:
    """Why the appointment may not be moved at this instant, wherever to; None where it may.

    A customer may move where cancelling is free: a move is no way around a fee or a refusal.
    """
    kind = AppointmentChangeKind.RESCHEDULED
    seen = _refuse_change(appointment, kind, actor, now, expected_version=expected_version)
    match seen:
        case VersionConflict():
            return seen
        case NotChangeableReason():
            return NotReschedulable(reason=seen)
        case CancellationQuote():
            late = NotReschedulable(reason=NotChangeableReason.TOO_LATE)
            return None if seen.fee is None else late


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveQuote:
    """Whether an actor may move an appointment now, and why not. `until` is the last instant at
    which they may or might have; None where there is none any more.
    """

    until: datetime | None
    reason: NotChangeableReason | None

    @property
    def allowed(self) -> bool:
        """Whether nothing but the target can be in the way."""
        return self.reason is None


def quote_move(appointment: Appointment, actor: Actor, now: datetime) -> MoveQuote:
    """Whether this actor may move it at this instant. The same decision as that of the move."""
    refusal = refuse_move(appointment, actor, now, expected_version=None)
    if isinstance(refusal, VersionConflict):
        raise AssertionError("no version was expected")  # noqa: TRY004  a bug, not a value
    reason = None if refusal is None else refusal.reason
    if reason not in {None, NotChangeableReason.TOO_LATE}:
        return MoveQuote(until=None, reason=reason)
    is_free = actor.is_providers_side or _late_quote(appointment) is None
    return MoveQuote(
        until=appointment.starts_at if is_free else free_until_of(appointment), reason=reason
    )


def decide_closing(
    appointment: Appointment, to: AppointmentStatus, now: datetime, *, expected_version: int | None
) -> AppointmentStatus | Unchanged | InvalidTransition | VersionConflict:
    """Whether the provider's side may mark the visit as completed or as a no-show: from its start
    on.
    """
    if appointment.status is to:
        return Unchanged()
    if expected_version not in {None, appointment.version}:
        return VersionConflict(current_version=appointment.version)
    if not _is_possible(appointment, CLOSING_KINDS[to], now):
        return InvalidTransition(from_status=appointment.status, to_status=to)
    return to


# ---------------------------------------------------------------- the appointment after a change


def _after(appointment: Appointment, kind: AppointmentChangeKind) -> Appointment:
    """The next version, in the state that the table says; KeyError where it says none: a bug."""
    transition = _BY_KIND_AND_SOURCE[kind, appointment.status]
    return replace(appointment, status=transition.target, version=appointment.version + 1)


def moved(
    appointment: Appointment,
    starts_at: datetime,
    ends_at: datetime,
    *,
    providers: Sequence[ProviderId],
    named: int,
    resources: tuple[ResourceId, ...],
    session_id: SessionId | None = None,
    seats: int | None = None,
    ignored: frozenset[RuleSetAside] = frozenset(),
) -> Appointment:
    """The appointment at another time, with others, or with another number of seats (None: as many
    as it has). The price per seat stays. The time version rises only when the start moves, or the
    providers, the session or the seats change.

    `ignored` are the rules that this move sets aside. Rules that were set aside before stay so as
    long as the start does, since an unchanged claim is not checked again.
    """
    seats = appointment.seats if seats is None else seats
    lead, *others = providers
    after = replace(
        _after(appointment, AppointmentChangeKind.RESCHEDULED),
        starts_at=starts_at,
        ends_at=ends_at,
        provider_id=lead,
        others=tuple(others),
        named=named,
        resources=resources,
        session_id=session_id,
        seats=seats,
        ignored=ignored | appointment.ignored if starts_at == appointment.starts_at else ignored,
        price=price_of_seats(appointment.price, seats, paid_for=appointment.seats),
    )
    is_news = (starts_at, after.providers, after.session_id, after.seats) != (
        appointment.starts_at,
        appointment.providers,
        appointment.session_id,
        appointment.seats,
    )
    return replace(after, time_version=appointment.time_version + is_news)


def is_readdressed(before: Contact, after: Contact) -> bool:
    """Whether an address of the customer is another one, however it is spelled."""

    def addresses(contact: Contact) -> tuple[str | None, str | None]:
        email = contact.email
        return None if email is None else same_mailbox(email), contact.phone

    return addresses(before) != addresses(after)


def corrected(
    appointment: Appointment,
    *,
    contact: Contact,
    notes: str | None,
    customer_time_zone: str,
    staff_notes: str | None,
    external_id: str | None,
) -> Appointment:
    """The appointment with these in place of what was given before. The time version rises where
    an address changes: messages that were planned for the old one are not sent any more.
    """
    return replace(
        _after(appointment, AppointmentChangeKind.CORRECTED),
        contact=contact,
        notes=notes,
        customer_time_zone=customer_time_zone,
        staff_notes=staff_notes,
        external_id=external_id,
        time_version=appointment.time_version + is_readdressed(appointment.contact, contact),
    )


def with_new_link(appointment: Appointment) -> Appointment:
    """The appointment, opened by a new manage link and no longer by those before it."""
    return replace(
        _after(appointment, AppointmentChangeKind.CORRECTED),
        manage_generation=appointment.manage_generation + 1,
    )


def cancelled(
    appointment: Appointment, cancellation: Cancellation, *, reason: str | None, now: datetime
) -> Appointment:
    """The appointment, cancelled at `now` for this fee."""
    return replace(
        _after(appointment, AppointmentChangeKind.CANCELLED),
        cancelled_at=now,
        cancellation_reason=reason,
        cancellation_fee=cancellation.fee,
    )


def closed(appointment: Appointment, kind: AppointmentChangeKind) -> Appointment:
    """The appointment, completed or marked as a no-show."""
    return _after(appointment, kind)
