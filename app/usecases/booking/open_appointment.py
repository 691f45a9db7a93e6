"""Open an appointment for a change: lock its row, and find out as whom the caller acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.lifecycle import Actor
from app.core.refusals import NotAllowed, NotFound
from app.core.sentences import say
from app.identity.manage import GOOD_AFTER_END
from app.store.appointments import appointment_for_update
from app.store.customers import customer_remains

if TYPE_CHECKING:
    from app.core.appointment import Appointment, ManageLink
    from app.core.ids import AppointmentId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


def opened_by(
    resources: Resources, viewer: Viewer, appointment_id: AppointmentId, manage_token: str | None
) -> ManageLink | NotAllowed | None:
    """The manage link that the caller has, if they have one; a refusal where it is to another
    appointment.
    """
    if manage_token is None:
        return viewer.manages
    claims = resources.manage_tokens.verify(manage_token)
    if claims is None or (claims.organization_id, claims.link.appointment_id) != (
        viewer.organization_id,
        appointment_id,
    ):
        return NotAllowed(
            message=say(
                "This manage token does not open this appointment. Use the link of its own message."
            )
        )
    return claims.link


async def open_appointment(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    appointment_id: AppointmentId,
    opened: ManageLink | None,
) -> tuple[Appointment, Actor] | NotFound:
    """The appointment, locked, and the caller's part in it; not found by callers who have none.

    An erased customer has no part in their appointments any more, though the caller was identified
    before: what they do would be recorded in their name.
    """
    appointment = await appointment_for_update(tx, viewer.organization_id, appointment_id)
    actor = None if appointment is None else part_in(resources, viewer, appointment, opened)
    if appointment is None or actor is None:
        return NotFound(what="appointment")
    if actor is Actor.CUSTOMER and not await customer_remains(
        tx, viewer.organization_id, appointment.customer_id
    ):
        return NotFound(what="appointment")
    return appointment, actor


def part_in(
    resources: Resources, viewer: Viewer, appointment: Appointment, opened: ManageLink | None
) -> Actor | None:
    """As whom the caller acts on the appointment; None where they have no part in it."""
    if viewer.sees(appointment) and viewer.manages is None:
        return viewer.actor_on(appointment)
    is_good = resources.real_clock() <= appointment.ends_at + GOOD_AFTER_END
    if opened is not None and opened.opens(appointment) and is_good:
        return Actor.MANAGE_TOKEN
    return None
