"""Answer a booking or a move: what its transaction left behind, and what the caller gets for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.appointment import ManageLink
from app.core.refusals import InvalidInput
from app.core.sentences import say
from app.identity.manage import ManageClaims
from app.store.appointments import appointments_by_ids
from app.usecases.events.publish import change_for_retry

if TYPE_CHECKING:
    from app.core.appointment import Appointment
    from app.core.changes import Change
    from app.core.ids import AppointmentId, OrganizationId
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

EXTERNAL_ID_TAKEN: Final = InvalidInput(
    field="external_id", message=say("Another appointment has this external id already.")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An appointment as a transaction left it, and the changes to publish after the commit."""

    appointment: Appointment
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """The appointment, and the secret with which someone without an account can see, move or cancel
    it.
    """

    appointment: Appointment
    manage_token: str


async def written_before(
    tx: Transaction, organization_id: OrganizationId, appointment_id: AppointmentId
) -> Written:
    """The answer to a request that comes again: what it made, with its fields as of now."""
    found = await appointments_by_ids(tx, organization_id, [appointment_id])
    return unchanged(organization_id, found[appointment_id])


def unchanged(organization_id: OrganizationId, appointment: Appointment) -> Written:
    """The appointment as an earlier request left it. Its changes are published again: that request
    may have died before it could.
    """
    return Written(
        appointment=appointment, changes=(change_for_retry(organization_id, appointment),)
    )


def confirmation(
    resources: Resources, organization_id: OrganizationId, appointment: Appointment
) -> Booked:
    """The appointment with its manage token."""
    link = ManageLink(appointment.id, appointment.manage_generation)
    claims = ManageClaims(organization_id=organization_id, link=link)
    return Booked(appointment=appointment, manage_token=resources.manage_tokens.sign(claims))
