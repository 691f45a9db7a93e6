"""Appointments and the claims through which they take their time, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.appointment import Appointment, AppointmentStatus, Contact
from app.core.ids import AppointmentId, CustomerId, ProviderId, ServiceId
from app.core.money import CancellationPolicy, LateCancellation
from app.core.zones import instant_of
from app.store.providers import money
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import ClaimId, OrganizationId
    from app.core.slots import Claim
    from app.store.keyset import Keyset
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("appointment_by_ids")
_INSERT = query("insert_appointment")
_INSERT_CLAIM = query("insert_claim")
_PAGES = {
    (whose, backward): query(f"appointments_of_{whose}_{'backward' if backward else 'forward'}")
    for whose in ("organization", "provider", "customer")
    for backward in (False, True)
}
_COUNTS = {whose: query(f"count_appointments_of_{whose}") for whose in ("organization", "provider", "customer")}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentFilter:
    """Which appointments: of one provider, of one customer, or (both None) of the whole organization.

    `from_start` is inclusive, `until_start` exclusive; None bounds nothing.
    """

    provider_id: ProviderId | None = None
    customer_id: CustomerId | None = None
    from_start: datetime | None = None
    until_start: datetime | None = None
    statuses: tuple[AppointmentStatus, ...] | None = None

    @property
    def whose(self) -> tuple[str, tuple[object, ...]]:
        """Which of the three lists this is, and whose."""
        if self.provider_id is not None:
            return "provider", (self.provider_id,)
        if self.customer_id is not None:
            return "customer", (self.customer_id,)
        return "organization", ()


def _appointment(row: Record) -> Appointment:
    return Appointment(
        id=AppointmentId(row["id"]),
        provider_id=ProviderId(row["provider_id"]),
        service_id=None if row["service_id"] is None else ServiceId(row["service_id"]),
        customer_id=CustomerId(row["customer_id"]),
        status=AppointmentStatus(row["status"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        customer_time_zone=row["customer_time_zone"],
        contact=Contact(
            name=row["contact_name"],
            email=row["contact_email"],
            phone=row["contact_phone"],
            locale=row["contact_locale"],
        ),
        notes=row["notes"],
        version=row["version"],
        time_version=row["time_version"],
        price=money(row["price_minor"], row["price_currency"]),
        cancellation_policy=CancellationPolicy(
            free_until_minutes_before=row["policy_free_until_minutes_before"],
            late_cancellation=LateCancellation(row["policy_late_cancellation"]),
            late_fee=money(row["policy_late_fee_minor"], row["policy_late_fee_currency"]),
            late_fee_percent=row["policy_late_fee_percent"],
        ),
        created_at=row["created_at"],
        cancelled_at=row["cancelled_at"],
        cancellation_reason=row["cancellation_reason"],
        cancellation_fee=money(row["cancellation_fee_minor"], row["cancellation_fee_currency"]),
    )


async def appointments_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[AppointmentId]
) -> dict[AppointmentId, Appointment]:
    """Those of these appointments that exist, by id."""
    return {AppointmentId(row["id"]): _appointment(row) for row in await _BY_IDS.many(on, organization_id, ids)}


async def appointment_page(
    on: Executor,
    organization_id: OrganizationId,
    which: AppointmentFilter,
    keyset: Keyset,
) -> list[Appointment]:
    """A page of appointments in the order of (starts_at, id)."""
    whose, owner = which.whose
    rows = await _PAGES[whose, keyset.backward].many(
        on,
        organization_id,
        *keyset.bounds,
        keyset.limit,
        which.from_start,
        which.until_start,
        which.statuses,
        *owner,
    )
    return [_appointment(row) for row in rows]


async def count_appointments(on: Executor, organization_id: OrganizationId, which: AppointmentFilter) -> int:
    """How many appointments the list holds in all."""
    whose, owner = which.whose
    row = await _COUNTS[whose].one(
        on, organization_id, which.from_start, which.until_start, which.statuses, *owner
    )
    total: int = row["total"]
    return total


async def insert_appointment(
    tx: Transaction, lock: CalendarLock, appointment: Appointment, claim_id: ClaimId, claim: Claim
) -> Appointment | None:
    """Store a confirmed appointment and take its time; None where somebody has some of that time already.

    The caller shows that it holds the calendar's lock. On None the transaction must roll back: the appointment's row
    is written, its claim is not.
    """
    policy, price = appointment.cancellation_policy, appointment.price
    row = await _INSERT.one(
        tx,
        lock.organization_id,
        appointment.id,
        lock.provider_id,
        appointment.service_id,
        appointment.customer_id,
        appointment.starts_at,
        appointment.ends_at,
        appointment.customer_time_zone,
        appointment.contact.name,
        appointment.contact.email,
        appointment.contact.phone,
        appointment.contact.locale,
        appointment.notes,
        price and price.amount_minor,
        price and price.currency,
        policy.free_until_minutes_before,
        policy.late_cancellation,
        policy.late_fee and policy.late_fee.amount_minor,
        policy.late_fee and policy.late_fee.currency,
        policy.late_fee_percent,
        appointment.created_at,
    )
    taken = await _INSERT_CLAIM.maybe(
        tx,
        lock.organization_id,
        claim_id,
        lock.provider_id,
        appointment.id,
        instant_of(claim.claimed_from),
        instant_of(claim.claimed_until),
        instant_of(claim.visit_from),
        instant_of(claim.visit_until),
    )
    return None if taken is None else _appointment(row)
