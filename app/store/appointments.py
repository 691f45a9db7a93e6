"""Appointments and the claims through which they take their time, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict, TypeVar
from uuid import UUID

from app.core.appointment import Appointment, AppointmentFilter, AppointmentStatus, Contact
from app.core.ids import (
    AppointmentId,
    CustomerId,
    OrganizationId,
    ProviderId,
    ResourceId,
    ServiceId,
    SessionId,
)
from app.core.money import CancellationPolicy, LateCancellation
from app.core.overrides import RuleSetAside
from app.store.providers import channels, money
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from app.core.hold import Hold
    from app.core.ids import SubjectId
    from app.core.keyset import Keyset
    from app.store.pool import Transaction, Writes
    from app.store.sql import Executor, Record

Id = TypeVar("Id", bound=UUID)

_BY_IDS = query("appointment_by_ids")
_INSERT = query("insert_appointment")
_FOR_UPDATE = query("appointment_for_update")
_SHARE = query("share_appointments")
_UPDATE = query("update_appointment")
_CORRECT = query("correct_appointment")
_TO_COMPLETE = query("appointments_to_complete")
_ENDED = query("ended_for_update")
_OF_SESSION = query("appointments_of_session_for_update")
_COMPLETE = query("complete_appointments")
_PAGES = {
    (whose, backward): query(f"appointments_{whose}_{'backward' if backward else 'forward'}")
    for whose in (
        "of_organization",
        "of_subjects",
        "of_services",
        "of_customers",
        "of_people",
        "of_many_people",
        "by_creation",
        "of_customers_by_creation",
        "of_subjects_by_creation",
    )
    for backward in (False, True)
}
_COUNT_OF_ORGANIZATION = query("count_appointments_of_organization")
_COUNT_OF_SUBJECTS = query("count_appointments_of_subjects")
_COUNT_OF_SERVICES = query("count_appointments_of_services")
_COUNT_OF_CUSTOMERS = query("count_appointments_of_customers")
_UNBOUNDED: Final = (None, None, None, None, None)


class Taken(TypedDict):
    """The fields of an appointment or a hold that say what it takes besides its lead, how many of
    its providers were named, its seats, and what was set aside for it.
    """

    others: tuple[ProviderId, ...]
    named: int
    resources: tuple[ResourceId, ...]
    session_id: SessionId | None
    seats: int
    ignored: frozenset[RuleSetAside]


def taken_from(row: Record) -> Taken:
    """From `provider_ids`, `named` and `resource_ids`, null where it takes its lead alone, who was
    named; and from `session_id`, `seats` and `ignored`.
    """
    provider_ids = row["provider_ids"]
    return Taken(
        others=() if provider_ids is None else tuple(map(ProviderId, provider_ids[1:])),
        named=1 if provider_ids is None else row["named"],
        resources=() if provider_ids is None else tuple(map(ResourceId, row["resource_ids"])),
        session_id=None if row["session_id"] is None else SessionId(row["session_id"]),
        seats=row["seats"],
        ignored=rules_set_aside(row["ignored"]),
    )


def taken_values(of: Appointment | Hold) -> tuple[object, ...]:
    """The six columns that `taken_from` reads."""
    several = (None, None, None) if of.is_plain else (of.providers, of.named, of.resources)
    return (*several, of.session_id, of.seats, sorted(of.ignored) or None)


def rules_set_aside(stored: Sequence[str] | None) -> frozenset[RuleSetAside]:
    """The rules in a column that is null where there are none."""
    return frozenset() if stored is None else frozenset(map(RuleSetAside, stored))


def appointment_from(row: Record) -> Appointment:
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
            channels=channels(row["contact_channels"]),
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
            grace_minutes=row["policy_grace_minutes"],
            charges_no_show=row["policy_charges_no_show"],
        ),
        created_at=row["created_at"],
        cancelled_at=row["cancelled_at"],
        cancellation_reason=row["cancellation_reason"],
        cancellation_fee=money(row["cancellation_fee_minor"], row["cancellation_fee_currency"]),
        staff_notes=row["staff_notes"],
        external_id=row["external_id"],
        manage_generation=row["manage_generation"],
        **taken_from(row),
    )


async def appointments_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[AppointmentId]
) -> dict[AppointmentId, Appointment]:
    """The existing ones of these appointments, by id."""
    return {
        AppointmentId(row["id"]): appointment_from(row)
        for row in await _BY_IDS.many(on, organization_id, ids)
    }


async def appointment_page(
    on: Executor,
    organization_id: OrganizationId,
    which: AppointmentFilter,
    keyset: Keyset,
    *,
    by_creation: bool = False,
) -> list[Appointment]:
    """A page of the organization's appointments, in the order of (starts_at, id) or
    (created_at, id).
    """
    page = _PAGES["by_creation" if by_creation else "of_organization", keyset.backward]
    rows = await page.many(on, organization_id, *keyset.bounds, keyset.limit, *which.parameters)
    return [appointment_from(row) for row in rows]


async def count_appointments(
    on: Executor, organization_id: OrganizationId, which: AppointmentFilter
) -> int:
    """How many appointments that list holds in all."""
    row = await _COUNT_OF_ORGANIZATION.one(on, organization_id, *_UNBOUNDED, *which.parameters)
    total: int = row["total"]
    return total


async def pages_of_subjects(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Sequence[SubjectId],
    which: AppointmentFilter,
    keyset: Keyset,
) -> dict[SubjectId, list[Appointment]]:
    """The same page of the appointments of each provider or resource, in the order of
    (starts_at, id), in one statement.
    """
    return await _pages("of_subjects", on, organization_id, subject_ids, which, keyset)


async def pages_of_services(
    on: Executor,
    organization_id: OrganizationId,
    service_ids: Sequence[ServiceId],
    which: AppointmentFilter,
    keyset: Keyset,
) -> dict[ServiceId, list[Appointment]]:
    """The same page of the appointments for each service, in the order of (starts_at, id)."""
    return await _pages("of_services", on, organization_id, service_ids, which, keyset)


async def page_of_subjects_by_creation(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Sequence[UUID],
    which: AppointmentFilter,
    keyset: Keyset,
    *,
    few: int,
) -> list[Appointment]:
    """A page of the appointments of these providers, resources or services together, in the order
    of (created_at, id). Where they have more than `few`, whatever the page, the organization's
    list is read.
    """
    page = _PAGES["of_subjects_by_creation", keyset.backward]
    rows = await page.many(
        on,
        organization_id,
        *keyset.bounds,
        keyset.limit,
        *which.parameters,
        subject_ids,
        few,
    )
    return [appointment_from(row) for row in rows]


async def page_of_people(
    on: Executor,
    organization_id: OrganizationId,
    customer_ids: Sequence[CustomerId],
    which: AppointmentFilter,
    keyset: Keyset,
    *,
    many: bool,
) -> list[Appointment]:
    """A page of the appointments of these customers together, in the order of (starts_at, id);
    where they are many, from the organization's list.
    """
    whose = "of_many_people" if many else "of_people"
    rows = await _PAGES[whose, keyset.backward].many(
        on, organization_id, *keyset.bounds, keyset.limit, *which.parameters, customer_ids
    )
    return [appointment_from(row) for row in rows]


async def pages_of_customers(
    on: Executor,
    organization_id: OrganizationId,
    customer_ids: Sequence[CustomerId],
    which: AppointmentFilter,
    keyset: Keyset,
    *,
    by_creation: bool = False,
) -> dict[CustomerId, list[Appointment]]:
    """The same page of each customer's appointments, in the order of (starts_at, id) or
    (created_at, id), in one statement.
    """
    whose = "of_customers_by_creation" if by_creation else "of_customers"
    return await _pages(whose, on, organization_id, customer_ids, which, keyset)


async def _pages(
    whose: str,
    on: Executor,
    organization_id: OrganizationId,
    ids: Sequence[Id],
    which: AppointmentFilter,
    keyset: Keyset,
) -> dict[Id, list[Appointment]]:
    pages: dict[Id, list[Appointment]] = {each: [] for each in ids}
    for row in await _PAGES[whose, keyset.backward].many(
        on, organization_id, *keyset.bounds, keyset.limit, *which.parameters, list(pages)
    ):
        pages[row["wanted_id"]].append(appointment_from(row))
    return pages


async def count_appointments_of_subjects(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Sequence[SubjectId],
    which: AppointmentFilter,
) -> tuple[dict[SubjectId, int], int]:
    """How many appointments each of those lists holds in all, absent where there are none; and all
    together, in which nothing counts twice.
    """
    rows = await _COUNT_OF_SUBJECTS.many(
        on, organization_id, *_UNBOUNDED, *which.parameters, subject_ids
    )
    counts: dict[SubjectId | None, int] = {row["wanted_id"]: row["total"] for row in rows}
    return {each: counts[each] for each in subject_ids if each in counts}, counts[None]


async def count_appointments_of_services(
    on: Executor,
    organization_id: OrganizationId,
    service_ids: Sequence[ServiceId],
    which: AppointmentFilter,
) -> int:
    """How many appointments those lists hold in all."""
    row = await _COUNT_OF_SERVICES.one(
        on, organization_id, *_UNBOUNDED, *which.parameters, service_ids
    )
    total: int = row["total"]
    return total


async def count_appointments_of_customers(
    on: Executor,
    organization_id: OrganizationId,
    customer_ids: Sequence[CustomerId],
    which: AppointmentFilter,
) -> dict[CustomerId, int]:
    """How many appointments each of those lists holds in all; absent where there are none."""
    rows = await _COUNT_OF_CUSTOMERS.many(
        on, organization_id, *_UNBOUNDED, *which.parameters, customer_ids
    )
    return {CustomerId(row["wanted_id"]): row["total"] for row in rows}


def insert_appointment(
    writes: Writes,
    organization_id: OrganizationId,
    appointment: Appointment,
    *,
    guest_origin: bytes | None,
) -> None:
    """Store a confirmed appointment, at the transaction's next statement; its time is taken with
    it, by `take_time`.
    """
    policy, price = appointment.cancellation_policy, appointment.price
    _INSERT.later(
        writes,
        organization_id,
        appointment.id,
        appointment.provider_id,
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
        appointment.contact.channels,
        appointment.created_at,
        guest_origin,
        *taken_values(appointment),
        policy.grace_minutes,
        policy.charges_no_show,
        appointment.external_id,
    )


async def share_appointments(
    tx: Transaction, organization_id: OrganizationId, appointment_ids: Iterable[AppointmentId]
) -> None:
    """No change of these appointments, and no erasure of their customers, commits until the
    transaction ends. Taken before their outbox and their messages.
    """
    await _SHARE.exec(tx, organization_id, list(appointment_ids))


async def appointment_for_update(
    tx: Transaction, organization_id: OrganizationId, appointment_id: AppointmentId
) -> Appointment | None:
    """The appointment as it is now, locked until the transaction ends: its changes go one after the
    other.
    """
    row = await _FOR_UPDATE.maybe(tx, organization_id, appointment_id)
    return None if row is None else appointment_from(row)


def update_appointment(writes: Writes, organization_id: OrganizationId, after: Appointment) -> None:
    """Store a locked appointment in its next version, at the transaction's next statement. Its time
    is taken and freed apart.
    """
    fee = after.cancellation_fee
    _UPDATE.later(
        writes,
        organization_id,
        after.id,
        after.status,
        after.starts_at,
        after.ends_at,
        after.version,
        after.time_version,
        after.cancelled_at,
        after.cancellation_reason,
        fee and fee.amount_minor,
        fee and fee.currency,
        after.provider_id,
        *taken_values(after),
        after.price and after.price.amount_minor,
    )


def correct_appointment(
    tx: Transaction, organization_id: OrganizationId, after: Appointment
) -> None:
    """Store what was corrected of a locked appointment, and the generation of its manage links, in
    its next version, at the transaction's next statement.
    """
    contact = after.contact
    _CORRECT.later(
        tx,
        organization_id,
        after.id,
        after.version,
        after.time_version,
        contact.name,
        contact.email,
        contact.phone,
        contact.locale,
        contact.channels,
        after.notes,
        after.customer_time_zone,
        after.staff_notes,
        after.manage_generation,
        after.external_id,
    )


async def appointments_to_complete(
    on: Executor, *, ended_by: datetime, batch_size: int
) -> dict[OrganizationId, list[AppointmentId]]:
    """A batch of confirmed appointments that have ended, by organization. Nothing is locked."""
    found: dict[OrganizationId, list[AppointmentId]] = {}
    for row in await _TO_COMPLETE.many(on, ended_by, batch_size):
        found.setdefault(OrganizationId(row["organization_id"]), []).append(
            AppointmentId(row["id"])
        )
    return found


async def appointments_of_session_for_update(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> list[Appointment]:
    """The confirmed appointments in the session, locked until the transaction ends."""
    rows = await _OF_SESSION.many(tx, organization_id, session_id)
    return [appointment_from(row) for row in rows]


async def ended_for_update(
    tx: Transaction,
    organization_id: OrganizationId,
    ids: Sequence[AppointmentId],
    *,
    ended_by: datetime,
) -> list[Appointment]:
    """Those that are still confirmed and have ended, locked until the transaction ends."""
    return [appointment_from(row) for row in await _ENDED.many(tx, organization_id, ids, ended_by)]


def complete_appointments(
    tx: Transaction, organization_id: OrganizationId, ids: Sequence[AppointmentId]
) -> None:
    """Store that these locked appointments took place, at the transaction's next statement."""
    _COMPLETE.later(tx, organization_id, ids)
