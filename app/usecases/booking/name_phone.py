"""Name the practice's phone number in a refusal that sends the customer there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from app.core.refusals import NotCancellable, NotReschedulable
from app.store.locations import phone_of_visit

if TYPE_CHECKING:
    from app.core.appointment import Appointment
    from app.core.ids import OrganizationId
    from app.store.pool import Transaction

Refusal = TypeVar("Refusal")


async def with_phone(
    tx: Transaction, organization_id: OrganizationId, appointment: Appointment, refusal: Refusal
) -> Refusal:
    """The refusal, with the number to call about this appointment where it sends people there and
    the practice has one.
    """
    if not isinstance(refusal, NotCancellable | NotReschedulable):
        return refusal
    phone = await phone_of_visit(
        tx, organization_id, appointment.provider_id, appointment.service_id
    )
    return replace(refusal, phone=phone)
