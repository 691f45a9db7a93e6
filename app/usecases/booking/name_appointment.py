"""The organization's own id of an appointment, unique among appointments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.external_ids import ExternalType
from app.core.refusals import InvalidInput
from app.core.sentences import say
from app.usecases.practice.own_ids import external_id_is_taken as is_taken

if TYPE_CHECKING:
    from app.core.ids import AppointmentId, OrganizationId
    from app.store.pool import Transaction

EXTERNAL_ID_TAKEN: Final = InvalidInput(
    field="external_id", message=say("Another appointment has this external id already.")
)


async def external_id_is_taken(
    tx: Transaction,
    organization_id: OrganizationId,
    external_id: str,
    *,
    but_by: AppointmentId | None = None,
) -> bool:
    """Whether an appointment has this external id already, but for one; ask under
    `lock_external_ids`.
    """
    return await is_taken(tx, organization_id, ExternalType.APPOINTMENT, external_id, but_by=but_by)
