"""Correct what was given for an appointment, and replace its manage link. Its time stays.

Later messages go to the new address. The old one gets a single notice, so that nobody can take over
an appointment unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app.core.appointment import Appointment
from app.core.changes import AppointmentChangeKind
from app.core.events import Author
from app.core.external_ids import ExternalType
from app.core.lifecycle import Actor, corrected, with_new_link
from app.core.refusals import InvalidInput, NotAllowed, NotFound, VersionConflict
from app.core.sentences import say
from app.core.validation import (
    ContactForm,
    valid_contact,
    valid_external_id,
    valid_notes,
    valid_staff_notes,
    valid_time_zone,
)
from app.store.appointments import correct_appointment as store_correction
from app.store.customers import customer_remains
from app.store.external_ids import external_id_is_taken
from app.store.locks import lock_external_ids
from app.store.organizations import organization_by_id
from app.store.pool import transaction
from app.usecases.booking.answer import EXTERNAL_ID_TAKEN, Booked, Written, confirmation, unchanged
from app.usecases.booking.limit_guests import counted_origin
from app.usecases.booking.open_appointment import open_appointment, opened_by
from app.usecases.events.publish import publish
from app.usecases.events.record import record_change
from app.usecases.messages.vouch_for_phone import vouch_for_phone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.core.appointment import Contact, ManageLink
    from app.core.ids import AppointmentId
    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionForm:
    """A correction as typed. `changes` has the fields that are named: `contact` (a `ContactForm`),
    `notes`, `customer_time_zone`, `staff_notes` and `external_id`; None where null was sent.
    """

    appointment_id: AppointmentId
    changes: Changes
    expected_version: int | None
    manage_token: str | None


Refusal: TypeAlias = InvalidInput | NotAllowed | NotFound | VersionConflict

_ERASED: Final = NotAllowed(
    message=say("The customer was erased. Nothing is recorded about them any more.")
)
_STAFF_ONLY: Final = NotAllowed(
    message=say("Only staff write notes of the staff, and set external ids.")
)
_LINK_STAYS: Final = NotAllowed(
    message=say("Only staff and the signed-in customer replace a manage link.")
)


async def correct_appointment(
    resources: Resources, viewer: Viewer, form: CorrectionForm
) -> Appointment | Refusal:
    """Correct the named fields; the others stay. Its staff, its customer, and its manage token.

    A correction that changes nothing makes no version.
    """
    changes = _valid(form.changes)
    if isinstance(changes, InvalidInput):
        return changes
    opened = opened_by(resources, viewer, form.appointment_id, form.manage_token)
    if isinstance(opened, NotAllowed):
        return opened
    async with transaction(resources.pool) as tx:
        answer = await _correct(resources, viewer, tx, form, opened, changes)
    if not isinstance(answer, Written):
        return answer
    await publish(resources, *answer.changes)
    return answer.appointment


async def _correct(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    form: CorrectionForm,
    opened: ManageLink | None,
    changes: Changes,
) -> Written | Refusal:
    organization_id = viewer.organization_id
    found = await open_appointment(resources, viewer, tx, form.appointment_id, opened)
    if isinstance(found, NotFound):
        return found
    appointment, actor = found
    if {"staff_notes", "external_id"} & set(changes) and not actor.is_providers_side:
        return _STAFF_ONLY
    if not await customer_remains(tx, organization_id, appointment.customer_id):
        return _ERASED
    if form.expected_version not in {None, appointment.version}:
        return VersionConflict(current_version=appointment.version)
    wanted = {
        "contact": appointment.contact,
        "notes": appointment.notes,
        "customer_time_zone": appointment.customer_time_zone,
        "staff_notes": appointment.staff_notes,
        "external_id": appointment.external_id,
        **changes,
    }
    after = corrected(appointment, **wanted)
    if replace(after, version=appointment.version) == appointment:
        return unchanged(organization_id, appointment)
    if after.external_id not in {None, appointment.external_id}:
        await lock_external_ids(tx, organization_id)
        if await external_id_is_taken(
            tx,
            organization_id,
            ExternalType.APPOINTMENT,
            after.external_id,
            but_by=appointment.id,
        ):
            return EXTERNAL_ID_TAKEN
    now = resources.clock()
    if after.contact.phone != appointment.contact.phone:
        await vouch_for_phone(
            tx, viewer, after.contact.phone, now, instead_of=appointment.contact.phone
        )
    return await _written(resources, viewer, tx, appointment, after, actor)


async def renew_manage_token(
    resources: Resources, viewer: Viewer, appointment_id: AppointmentId
) -> Booked | NotAllowed | NotFound:
    """Give the appointment a new manage link; those before it stop working at once, everywhere.

    Holders of a link may not: a stray link must not lock the customer out.
    """
    if viewer.manages is not None:
        return _LINK_STAYS
    async with transaction(resources.pool) as tx:
        found = await open_appointment(resources, viewer, tx, appointment_id, None)
        if isinstance(found, NotFound):
            return found
        appointment, actor = found
        written = await _written(
            resources, viewer, tx, appointment, with_new_link(appointment), actor
        )
    await publish(resources, *written.changes)
    return confirmation(resources, viewer.organization_id, written.appointment)


async def _written(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    before: Appointment,
    after: Appointment,
    actor: Actor,
) -> Written:
    store_correction(tx, viewer.organization_id, after)
    organization = await organization_by_id(tx, viewer.organization_id)
    changed = record_change(
        resources,
        tx,
        viewer.organization_id,
        before,
        after,
        AppointmentChangeKind.CORRECTED,
        author=Author(
            actor=actor, subject=viewer.subject, origin=counted_origin(resources, viewer)
        ),
        now=resources.clock(),
        reminders=() if organization is None else organization.reminder_minutes_before,
    )
    return Written(appointment=after, changes=(changed,))


def _valid(changes: Changes) -> Changes | InvalidInput:
    """The same changes, checked."""
    checked: Changes = {}
    for field, value in changes.items():
        checked[field] = valid = _CHECKS[field](value)
        if isinstance(valid, InvalidInput):
            return valid
    return checked


def _valid_contact(form: ContactForm | None) -> Contact | InvalidInput:
    if form is None:
        return InvalidInput(field="contact", message=say("This can't be null."))
    contact = valid_contact(form)
    if isinstance(contact, InvalidInput):
        return replace(contact, field=contact.field.replace("customer.", "contact."))
    return contact


_CHECKS: Final[Mapping[str, Callable[[Any], object]]] = {
    "contact": _valid_contact,
    "notes": valid_notes,
    "customer_time_zone": partial(valid_time_zone, "customer_time_zone"),
    "staff_notes": valid_staff_notes,
    "external_id": valid_external_id,
}
"""What checks each field that may be corrected."""
