"""The life of an appointment: what may become of it, when, at whose hand, and what cancelling
costs.

`CONFIRMED → CANCELLED | COMPLETED | NO_SHOW`. Nothing leaves CANCELLED; the provider's side may
exchange COMPLETED and NO_SHOW. From its start on nothing is cancelled or moved; before it nothing
is completed or a no-show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core.appointment import AppointmentStatus
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
    from datetime import datetime

    from app.core.appointment import Appointment


class Actor(StrEnum):
    """Who changes an appointment. PROVIDER and ADMIN are the provider's side."""

    GUEST = "GUEST"
    MANAGE_TOKEN = "MANAGE_TOKEN"  # noqa: S105  an actor, no secret
    CUSTOMER = "CUSTOMER"
    PROVIDER = "PROVIDER"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"

    @property
    def is_providers_side(self) -> bool:
        """Whose cancellations cost nothing, who moves always, and who says how a visit ended."""
        return self in {Actor.PROVIDER, Actor.ADMIN}


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


def quote_cancellation(
    appointment: Appointment, actor: Actor, now: datetime
) -> CancellationQuote | None:
    """What cancelling at this instant would cost this actor; None once it can't be cancelled."""
    if appointment.status is not AppointmentStatus.CONFIRMED or now >= appointment.starts_at:
        return None
    policy = appointment.cancellation_policy
    free_until = appointment.starts_at - timedelta(minutes=policy.free_until_minutes_before)
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


def decide_cancellation(
    appointment: Appointment,
    actor: Actor,
    now: datetime,
    *,
    accept_fee_minor: int,
    expected_version: int | None,
) -> Cancellation | NotCancellable | CancellationFeeNotAccepted | VersionConflict:
    """Whether the appointment, which is not cancelled yet, may be at this instant, for a fee of at
    most so much.
    """
    if expected_version not in {None, appointment.version}:
        return VersionConflict(current_version=appointment.version)
    if appointment.status is not AppointmentStatus.CONFIRMED:
        return NotCancellable(reason=NotChangeableReason.ALREADY_CLOSED)
    quote = quote_cancellation(appointment, actor, now)
    if quote is None:
        return NotCancellable(reason=NotChangeableReason.ALREADY_STARTED)
    if not quote.allowed:
        return NotCancellable(reason=NotChangeableReason.TOO_LATE)
    if quote.fee is not None and quote.fee.amount_minor > accept_fee_minor:
        return CancellationFeeNotAccepted(quote=quote)
    return Cancellation(fee=quote.fee)


def refuse_move(
    appointment: Appointment, actor: Actor, now: datetime, *, expected_version: int | None
) -> NotReschedulable | VersionConflict | None:
    """Why the appointment may not be moved at this instant, wherever to; None where it may."""
    if expected_version not in {None, appointment.version}:
        return VersionConflict(current_version=appointment.version)
    if appointment.status is AppointmentStatus.CANCELLED:
        return NotReschedulable(reason=NotChangeableReason.ALREADY_CANCELLED)
    if appointment.status is not AppointmentStatus.CONFIRMED:
        return NotReschedulable(reason=NotChangeableReason.ALREADY_CLOSED)
    quote = quote_cancellation(appointment, actor, now)
    if quote is None:
        return NotReschedulable(reason=NotChangeableReason.ALREADY_STARTED)
    # Who could cancel for nothing may move: a move is no way around a fee, nor around a refusal.
    if not quote.allowed or quote.fee is not None:
        return NotReschedulable(reason=NotChangeableReason.TOO_LATE)
    return None


def decide_closing(
    appointment: Appointment, to: AppointmentStatus, now: datetime, *, expected_version: int | None
) -> AppointmentStatus | Unchanged | InvalidTransition | VersionConflict:
    """Whether the provider's side may say that the visit took place, or that nobody came: from its
    start on.
    """
    if appointment.status is to:
        return Unchanged()
    if expected_version not in {None, appointment.version}:
        return VersionConflict(current_version=appointment.version)
    if appointment.status is AppointmentStatus.CANCELLED or now < appointment.starts_at:
        return InvalidTransition(from_status=appointment.status, to_status=to)
    return to
