"""Cancel an appointment: its time, or its seats, are free at once, for the price that was shown and
no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from app.core.appointment import Appointment, AppointmentStatus, ManageLink
from app.core.lifecycle import Actor, Cancellation, decide_cancellation
from app.core.refusals import (
    CancellationFeeNotAccepted,
    InvalidInput,
    NotAllowed,
    NotCancellable,
    NotFound,
    VersionConflict,
)
from app.core.validation import valid_accepted_fee, valid_reason
from app.store.calendars import free_appointment_time
from app.store.customers import customer_remains
from app.store.pool import transaction
from app.store.sessions import Sitting, leave_session
from app.usecases.booking.answer import Written, unchanged
from app.usecases.booking.change_at_once import cancel_at_once
from app.usecases.booking.lock_calendar import lock_own_time, times_changed
from app.usecases.booking.name_phone import with_phone
from app.usecases.booking.open_appointment import open_appointment, opened_by
from app.usecases.booking.write_change import write_cancellation
from app.usecases.events.publish import publish

if TYPE_CHECKING:
    from app.core.ids import AppointmentId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationForm:
    """A cancellation as typed. `accept_fee_minor` is the most the caller agrees to pay. Staff say
    with `at_customers_request` that the customer's policy applies.
    """

    appointment_id: AppointmentId
    reason: str | None
    expected_version: int | None
    accept_fee_minor: int | None
    manage_token: str | None
    at_customers_request: bool = False


Refusal: TypeAlias = (
    NotCancellable
    | CancellationFeeNotAccepted
    | InvalidInput
    | NotAllowed
    | NotFound
    | VersionConflict
)


async def cancel_appointment(
    resources: Resources, viewer: Viewer, form: CancellationForm
) -> Appointment | Refusal:
    """Cancel it, or say why not. What is cancelled already is the answer, unchanged."""
    reason = valid_reason(form.reason)
    if isinstance(reason, InvalidInput):
        return reason
    accepted = valid_accepted_fee(form.accept_fee_minor)
    if isinstance(accepted, InvalidInput):
        return accepted
    opened = opened_by(resources, viewer, form.appointment_id, form.manage_token)
    if isinstance(opened, NotAllowed):
        return opened
    answer: Written | Refusal | None = await cancel_at_once(
        resources, viewer, form, opened, reason=reason, accepted=accepted
    )
    if answer is None:
        async with transaction(resources.pool) as tx:
            answer = await _cancel(
                resources, viewer, tx, form, opened=opened, reason=reason, accepted=accepted
            )
    if not isinstance(answer, Written):
        return answer
    await publish(resources, *answer.changes)
    return answer.appointment


async def _cancel(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    form: CancellationForm,
    *,
    opened: ManageLink | None,
    reason: str | None,
    accepted: int,
) -> Written | Refusal:
    organization_id = viewer.organization_id
    found = await open_appointment(resources, viewer, tx, form.appointment_id, opened)
    if isinstance(found, NotFound):
        return found
    appointment, actor = found
    if appointment.status is AppointmentStatus.CANCELLED:
        return unchanged(organization_id, appointment)
    if actor is Actor.MANAGE_TOKEN and not await customer_remains(
        tx, organization_id, appointment.customer_id
    ):
        reason = None  # the words of somebody who was erased
    own = await lock_own_time(resources, tx, organization_id, appointment)
    decision = decide_cancellation(
        appointment,
        actor.as_payer(at_customers_request=form.at_customers_request),
        own.now,
        accept_fee_minor=accepted,
        expected_version=form.expected_version,
    )
    if not isinstance(decision, Cancellation):
        return await with_phone(tx, organization_id, appointment, decision)
    if appointment.session_id is None:
        await free_appointment_time(tx, own.lock, appointment.id)
    else:
        sitting = Sitting(appointment_id=appointment.id)
        await leave_session(tx, organization_id, appointment.session_id, sitting, own.now)
    after, changed = write_cancellation(
        resources, viewer, tx, appointment, decision, actor, reason=reason, now=own.now
    )
    freed = times_changed(organization_id, own.zones, own.claims)
    return Written(appointment=after, changes=(*freed, changed))
