"""Sessions as staff read them: by id, in pages, and with their appointments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import ProviderId, ResourceId, ServiceId, SessionId
from app.core.session import Session
from app.store.appointments import appointment_from
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.ids import OrganizationId
    from app.core.keyset import Keyset
    from app.core.session import SessionFilter
    from app.store.sql import Executor, Record

_BY_IDS = query("session_by_ids")
_PAGE_FORWARD = query("session_page_forward")
_PAGE_BACKWARD = query("session_page_backward")
_COUNT = query("count_sessions")
_APPOINTMENTS_FORWARD = query("appointments_of_sessions_forward")
_APPOINTMENTS_BACKWARD = query("appointments_of_sessions_backward")
_COUNT_APPOINTMENTS = query("count_appointments_of_sessions")


def _session(row: Record) -> Session:
    providers = row["provider_ids"] or (row["provider_id"],)
    return Session(
        id=SessionId(row["id"]),
        service_id=ServiceId(row["service_id"]),
        providers=tuple(map(ProviderId, providers)),
        resources=tuple(map(ResourceId, row["resource_ids"] or ())),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        seats_taken=row["seats_taken"],
        ended_at=row["ended_at"],
        is_cancelled=row["is_cancelled"],
        version=row["version"],
        time_version=row["time_version"],
    )


async def sessions_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[SessionId], now: datetime
) -> dict[SessionId, Session]:
    """The existing ones of these sessions, by id."""
    rows = await _BY_IDS.many(on, organization_id, now, ids)
    return {SessionId(row["id"]): _session(row) for row in rows}


async def session_page(
    on: Executor,
    organization_id: OrganizationId,
    which: SessionFilter,
    keyset: Keyset,
    now: datetime,
) -> list[Session]:
    """A page of sessions in the order of (starts_at, id)."""
    page = _PAGE_BACKWARD if keyset.backward else _PAGE_FORWARD
    rows = await page.many(
        on, organization_id, now, *which.parameters, *keyset.bounds, keyset.limit
    )
    return [_session(row) for row in rows]


async def count_sessions(
    on: Executor, organization_id: OrganizationId, which: SessionFilter, now: datetime
) -> int:
    """The total number of sessions in that list."""
    row = await _COUNT.one(on, organization_id, now, *which.parameters)
    total: int = row["total"]
    return total


async def appointments_of_sessions(
    on: Executor, organization_id: OrganizationId, ids: Sequence[SessionId], keyset: Keyset
) -> dict[SessionId, list[Appointment]]:
    """The same page of each session's appointments, in the order of (starts_at, id), in one
    statement.
    """
    pages: dict[SessionId, list[Appointment]] = {session_id: [] for session_id in ids}
    page = _APPOINTMENTS_BACKWARD if keyset.backward else _APPOINTMENTS_FORWARD
    for row in await page.many(on, organization_id, *keyset.bounds, keyset.limit, list(pages)):
        pages[SessionId(row["session_id"])].append(appointment_from(row))
    return pages


async def count_appointments_of_sessions(
    on: Executor, organization_id: OrganizationId, ids: Sequence[SessionId]
) -> dict[SessionId, int]:
    """How many appointments each of these sessions has; absent where there are none."""
    rows = await _COUNT_APPOINTMENTS.many(on, organization_id, ids)
    return {SessionId(row["session_id"]): row["total"] for row in rows}
