"""Close an appointment: the provider's side says that it took place, or that nobody came; the
program, that it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.appointment import Appointment, AppointmentStatus
from app.core.changes import AppointmentChanged, AppointmentChangeKind
from app.core.history import history_entry
from app.core.lifecycle import Unchanged, decide_closing
from app.core.refusals import InvalidTransition, NotAllowed, NotFound, VersionConflict
from app.store.appointments import appointments_to_complete, complete_ended
from app.store.appointments import close_appointment as store_closing
from app.store.history import insert_history
from app.store.pool import transaction
from app.usecases.booking.book_appointment import appointment_changed
from app.usecases.booking.open_appointment import open_appointment
from app.usecases.events.tell import tell

if TYPE_CHECKING:
    from app.core.ids import AppointmentId
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

Refusal: TypeAlias = InvalidTransition | NotAllowed | NotFound | VersionConflict

BATCH_SIZE: Final = 500
_KINDS: Final = {
    AppointmentStatus.COMPLETED: AppointmentChangeKind.COMPLETED,
    AppointmentStatus.NO_SHOW: AppointmentChangeKind.NO_SHOW,
}


async def close_appointment(
    resources: Resources,
    viewer: Viewer,
    appointment_id: AppointmentId,
    status: AppointmentStatus,
    *,
    expected_version: int | None,
) -> Appointment | Refusal:
    """Make it COMPLETED or NO_SHOW, or say why not. What is so already is the answer, unchanged."""
    if not viewer.is_staff:
        return NotAllowed(
            message="Only the provider and administrators say how an appointment ended."
        )
    async with transaction(resources.pool) as tx:
        found = await open_appointment(resources, viewer, tx, appointment_id, None)
        if isinstance(found, NotFound):
            return found
        appointment, actor = found
        now = resources.clock()
        decision = decide_closing(appointment, status, now, expected_version=expected_version)
        if isinstance(decision, Unchanged):
            return appointment
        if not isinstance(decision, AppointmentStatus):
            return decision
        closed = await store_closing(tx, viewer.organization_id, appointment.id, decision)
        entry = history_entry(
            appointment,
            closed,
            kind=_KINDS[decision],
            occurred_at=now,
            actor=actor,
            actor_subject=viewer.subject,
        )
        insert_history(tx, viewer.organization_id, entry)
    await tell(resources, appointment_changed(viewer.organization_id, closed, _KINDS[decision]))
    return closed


async def complete_what_ended(resources: Resources) -> int:
    """Complete every confirmed appointment that has ended; how many there were.

    Safe to run twice and on several workers: each statement completes only what is still confirmed.
    """
    completed = 0
    now = resources.clock()
    while batch := await appointments_to_complete(
        resources.pool, ended_by=now, batch_size=BATCH_SIZE
    ):
        for organization_id, ids in batch.items():
            done = await complete_ended(resources.pool, organization_id, ids, ended_by=now)
            completed += len(done)
            changes = (
                AppointmentChanged(
                    organization_id=each.organization_id,
                    appointment_id=each.appointment_id,
                    provider_id=each.provider_id,
                    customer_id=each.customer_id,
                    kind=AppointmentChangeKind.COMPLETED,
                    version=each.version,
                )
                for each in done
            )
            await tell(resources, *changes)
    return completed
