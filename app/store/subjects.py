"""Whom and what appointments take, as stored. One without rows takes its provider alone, named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import ProviderId
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.booking import Claims
    from app.core.ids import OrganizationId, ServiceId, SubjectId
    from app.store.pool import Writes
    from app.store.sql import Executor

_UPSERT = query("upsert_subjects")
_DELETE = query("delete_subjects")
_LAST_ASSIGNED = query("last_assigned")


def insert_subjects(
    writes: Writes,
    organization_id: OrganizationId,
    appointment: Appointment,
    claims: Claims,
    now: datetime,
) -> None:
    """Store whom and what a new appointment takes, at the transaction's next statement."""
    if appointment.is_plain:
        return
    units = _units(appointment, claims)
    _UPSERT.later(
        writes,
        organization_id,
        appointment.id,
        appointment.service_id,
        appointment.starts_at,
        now,
        [subject_id for subject_id, _ in units],
        [unit for _, unit in units],
        [subject_id in appointment.providers[: appointment.named] for subject_id, _ in units],
    )


def replace_subjects(
    writes: Writes,
    organization_id: OrganizationId,
    before: Appointment,
    after: Appointment,
    claims: Claims,
    now: datetime,
) -> None:
    """Store whom and what a moved appointment takes, at the transaction's next statement. Those who
    stay keep the instant at which they were assigned.
    """
    if not before.is_plain:
        kept = [] if after.is_plain else _units(after, claims)
        _DELETE.later(
            writes,
            organization_id,
            after.id,
            [subject_id for subject_id, _ in kept],
            [unit for _, unit in kept],
        )
    insert_subjects(writes, organization_id, after, claims, now)


def _units(appointment: Appointment, claims: Claims) -> list[tuple[SubjectId, int]]:
    """The lead first, then the other providers, then resources."""
    order: tuple[SubjectId, ...] = (*appointment.providers, *appointment.resources)
    return [(subject_id, claim.unit) for subject_id in order for claim in claims[subject_id]]


async def last_assigned(
    on: Executor,
    organization_id: OrganizationId,
    service_id: ServiceId,
    provider_ids: Sequence[ProviderId],
) -> dict[ProviderId, datetime]:
    """When the service last assigned each of these providers to an appointment that still takes
    them, or took them when it was cancelled; absent: never.
    """
    rows = await _LAST_ASSIGNED.many(on, organization_id, service_id, provider_ids)
    return {ProviderId(row["subject_id"]): row["assigned_at"] for row in rows}
