"""Reschedule an appointment: the same one at another time, in one transaction. Where the target is
taken, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.appointment import Appointment, AppointmentStatus
from app.core.booking import visit_of
from app.core.changes import AppointmentChangeKind
from app.core.events import Author
from app.core.lifecycle import moved, refuse_move
from app.core.party import Party
from app.core.refusals import (
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotReschedulable,
    SlotUnavailable,
    VersionConflict,
)
from app.core.slots import UnbookableReason, explain
from app.core.validation import valid_idempotency_key
from app.core.zones import instant_of
from app.store.appointments import update_appointment
from app.store.calendars import claims_of_appointment, free_appointment_time, take_time
from app.store.pool import transaction
from app.usecases.booking.answer import Booked, Written, confirmation, written_before
from app.usecases.booking.idempotency import earlier_answer, key_scope, request_key
from app.usecases.booking.limit_guests import counted_origin
from app.usecases.booking.lock_calendar import (
    Sight,
    lock_and_look,
    times_changed,
)
from app.usecases.booking.open_appointment import open_appointment, opened_by
from app.usecases.events.record import record_change
from app.usecases.events.tell import tell
from app.usecases.listing.find_next_slots import nearest_slots_for_move

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import AppointmentId
    from app.core.viewer import Viewer
    from app.store.idempotency import RequestKey
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

MUTATION: Final = "rescheduleAppointment"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveForm:
    """A move as typed; the instant is in UTC."""

    appointment_id: AppointmentId
    starts_at: datetime
    expected_version: int | None
    idempotency_key: str
    manage_token: str | None


Refusal: TypeAlias = (
    SlotUnavailable
    | NotReschedulable
    | InvalidInput
    | NotAllowed
    | NotFound
    | VersionConflict
    | IdempotencyKeyReused
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The target can't be had; the search for alternatives needs the appointment."""

    refusal: SlotUnavailable
    appointment: Appointment


async def reschedule_appointment(
    resources: Resources, viewer: Viewer, form: MoveForm
) -> Booked | Refusal:
    """Move it, or say why not. The same key with the same request gives the same
    appointment again.
    """
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    opened = opened_by(resources, viewer, form.appointment_id, form.manage_token)
    if isinstance(opened, NotAllowed):
        return opened
    scope = key_scope(viewer, MUTATION, key, opened=opened)
    # The token only says who asks, and the key is no part of the request.
    request = replace(form, manage_token=None, idempotency_key="")
    used_key = request_key(resources, scope, request)
    async with transaction(resources.pool) as tx:
        answer = await _move(resources, viewer, tx, used_key, form, opened)
        if not isinstance(answer, Written):
            tx.roll_back()
    if isinstance(answer, _Taken):
        nearest = await nearest_slots_for_move(
            resources, viewer.organization_id, answer.appointment, form.starts_at
        )
        return replace(answer.refusal, alternatives=nearest)
    if not isinstance(answer, Written):
        return answer
    await tell(resources, *answer.changes)
    return confirmation(resources, viewer.organization_id, answer.appointment)


async def _move(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    key: RequestKey,
    form: MoveForm,
    opened: AppointmentId | None,
) -> Written | _Taken | Refusal:
    organization_id = viewer.organization_id
    earlier = await earlier_answer(tx, key)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None and earlier.appointment_id is not None:
        return await written_before(tx, organization_id, earlier.appointment_id)

    found = await open_appointment(resources, viewer, tx, form.appointment_id, opened)
    if isinstance(found, NotFound):
        return found
    appointment, actor = found
    if appointment.status is AppointmentStatus.CANCELLED:
        # It has no time that could be locked; neither does the refusal depend on any.
        refusal = refuse_move(
            appointment, actor, resources.clock(), expected_version=form.expected_version
        )
        return refusal or NotFound(what="appointment")
    own = await claims_of_appointment(tx, organization_id, appointment.id)
    wanted = [Party(appointment.provider_id, appointment.service_id)]
    sight = await lock_and_look(
        resources, tx, organization_id, wanted, form.starts_at, moving=(appointment.id, own)
    )
    now = sight.now if isinstance(sight, Sight) else resources.clock()
    refused = refuse_move(appointment, actor, now, expected_version=form.expected_version)
    if refused is not None:
        return refused
    if isinstance(sight, NotFound):
        return sight
    if isinstance(sight, SlotUnavailable):
        return _Taken(refusal=sight, appointment=appointment)
    reasons = explain(
        sight.calendar.hours,
        sight.calendar.rules,
        sight.standing[sight.lead],
        form.starts_at,
        now,
    )
    if reasons:
        return _Taken(refusal=SlotUnavailable(reasons=reasons), appointment=appointment)

    await free_appointment_time(tx, sight.lock, appointment.id)
    start, end = visit_of(sight.claims)
    after = moved(appointment, instant_of(start), instant_of(end))
    update_appointment(tx, organization_id, after)
    changed = record_change(
        resources,
        tx,
        organization_id,
        appointment,
        after,
        AppointmentChangeKind.RESCHEDULED,
        author=Author(
            actor=actor, subject=viewer.subject, origin=counted_origin(resources, viewer)
        ),
        now=now,
        key=key,
    )
    # Written with the time, in one statement.
    if not await take_time(
        tx,
        sight.lock,
        sight.claims,
        appointment.id,
        standing=sight.standing,
        now=now,
        new_id=resources.new_id,
    ):
        taken = SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))
        return _Taken(refusal=taken, appointment=appointment)
    times = times_changed(organization_id, sight.zones, own, sight.claims)
    return Written(appointment=after, changes=(*times, changed))
