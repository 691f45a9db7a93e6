"""Close an appointment: the provider's side says that it took place, or that nobody came; the
program, that it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.appointment import Appointment, AppointmentStatus
from app.core.changes import AppointmentChangeKind
from app.core.events import PROGRAM, Author
from app.core.lifecycle import CLOSING_KINDS, Unchanged, closed, decide_closing
from app.core.refusals import InvalidTransition, NotAllowed, NotFound, VersionConflict
from app.core.sentences import say
from app.store.appointments import (
    appointments_to_complete,
    complete_appointments,
    ended_for_update,
    update_appointment,
)
from app.store.pool import transaction
from app.usecases.booking.open_appointment import open_appointment
from app.usecases.events.publish import publish
from app.usecases.events.record import record_change, record_changes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.changes import Change
    from app.core.ids import AppointmentId, OrganizationId
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

Refusal: TypeAlias = InvalidTransition | NotAllowed | NotFound | VersionConflict

BATCH_SIZE: Final = 500


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
            message=say(
                "Only the provider, reception and administrators say how an appointment ended."
            )
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
        after = closed(appointment, CLOSING_KINDS[decision])
        update_appointment(tx, viewer.organization_id, after)
        changed = record_change(
            resources,
            tx,
            viewer.organization_id,
            appointment,
            after,
            CLOSING_KINDS[decision],
            author=Author(actor=actor, subject=viewer.subject),
            now=now,
        )
    await publish(resources, changed)
    return after


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
            changes = await _complete(resources, organization_id, ids, now)
            completed += len(changes)
            await publish(resources, *changes)
    return completed


async def _complete(
    resources: Resources,
    organization_id: OrganizationId,
    ids: Sequence[AppointmentId],
    now: datetime,
) -> Sequence[Change]:
    async with transaction(resources.pool) as tx:
        ended = await ended_for_update(tx, organization_id, ids, ended_by=now)
        if not ended:
            return ()
        complete_appointments(tx, organization_id, [each.id for each in ended])
        return record_changes(
            resources,
            tx,
            organization_id,
            [(each, closed(each, AppointmentChangeKind.COMPLETED)) for each in ended],
            AppointmentChangeKind.COMPLETED,
            author=PROGRAM,
            now=now,
        )
