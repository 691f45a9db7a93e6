"""The organization's own ids of things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from uuid import UUID

    from app.core.external_ids import ExternalType
    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor

_BY_EXTERNAL_ID = query("id_by_external_id")


async def id_by_external_id(
    on: Executor, organization_id: OrganizationId, type_: ExternalType, external_id: str
) -> UUID | None:
    """The id of the thing of this type that has this external id, if there is one."""
    row = await _BY_EXTERNAL_ID.maybe(on, organization_id, type_, external_id)
    if row is None:
        return None
    found: UUID = row["id"]
    return found


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
