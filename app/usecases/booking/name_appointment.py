"""The organization's own id of an appointment, unique among appointments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.external_ids import ExternalType
from app.core.refusals import InvalidInput
from app.core.sentences import say
from app.store.external_ids import id_by_external_id

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
    owner = await id_by_external_id(tx, organization_id, ExternalType.APPOINTMENT, external_id)
    return owner not in {None, but_by}
