"""The history of appointments, as stored: one entry for every version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.appointment import AppointmentStatus
from app.core.changes import AppointmentChangeKind
from app.core.history import Addresses, HistoryEntry
from app.core.ids import AppointmentId, ProviderId, SessionId
from app.core.lifecycle import Actor
from app.core.needs import Assignment
from app.store.appointments import rules_set_aside
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from app.core.ids import OrganizationId
    from app.store.sql import Executor

_OF_APPOINTMENTS = query("history_of_appointments")


async def history_of_appointments(
    on: Executor, organization_id: OrganizationId, appointment_ids: Sequence[AppointmentId]
) -> dict[AppointmentId, list[HistoryEntry]]:
    """The history of each of these appointments, in order."""
    found: dict[AppointmentId, list[HistoryEntry]] = {}
    providers: dict[AppointmentId, tuple[ProviderId, ...]] = {}
    sessions: dict[AppointmentId, tuple[SessionId | None, int]] = {}
    # Backwards: what an appointment takes now is known, and of each change what it took before.
    for row in reversed(await _OF_APPOINTMENTS.many(on, organization_id, appointment_ids)):
        appointment_id = AppointmentId(row["appointment_id"])
        after = providers.get(appointment_id) or _providers(row["provider_ids"])
        changed = row["from_provider_ids"]
        before = after if changed is None else _providers(changed)
        providers[appointment_id] = before
        to_session, to_seats = sessions.get(
            appointment_id, (_session(row["session_id"]), row["seats"])
        )
        from_session, from_seats = _session(row["from_session_id"]), row["from_seats"] or to_seats
        sessions[appointment_id] = from_session, from_seats
        entry = HistoryEntry(
            appointment_id=appointment_id,
            version=row["version"],
            kind=AppointmentChangeKind(row["kind"]),
            occurred_at=row["occurred_at"],
            actor=Actor(row["actor"]),
            actor_subject=row["actor_subject"],
            from_status=None
            if row["from_status"] is None
            else AppointmentStatus(row["from_status"]),
            to_status=AppointmentStatus(row["to_status"]),
            from_starts_at=row["from_starts_at"],
            to_starts_at=row["to_starts_at"],
            reason=row["reason"],
            from_providers=() if row["from_status"] is None else before,
            to_providers=after,
            assignment=None if row["assignment"] is None else Assignment(row["assignment"]),
            from_session=from_session,
            to_session=to_session,
            from_seats=from_seats,
            to_seats=to_seats,
            ignored=rules_set_aside(row["ignored"]),
            former=Addresses(row["former_email"], row["former_phone"])
            if row["is_readdressed"]
            else None,
        )
        found.setdefault(appointment_id, []).insert(0, entry)
    return found


def _session(stored: UUID | None) -> SessionId | None:
    return None if stored is None else SessionId(stored)


def _providers(stored: Sequence[UUID]) -> tuple[ProviderId, ...]:
    return tuple(map(ProviderId, stored))
