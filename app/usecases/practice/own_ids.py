"""The organization's own ids, each unique among the things of its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.external_ids import id_by_external_id

if TYPE_CHECKING:
    from uuid import UUID

    from app.core.external_ids import ExternalType
    from app.core.ids import OrganizationId
    from app.store.pool import Transaction


async def external_id_is_taken(
    tx: Transaction,
    organization_id: OrganizationId,
    type_: ExternalType,
    external_id: str | None,
    *,
    but_by: UUID | None = None,
) -> bool:
    """Whether another thing of this type has this external id; ask under `lock_external_ids`."""
    if external_id is None:
        return False
    owner = await id_by_external_id(tx, organization_id, type_, external_id)
    return owner not in {None, but_by}
