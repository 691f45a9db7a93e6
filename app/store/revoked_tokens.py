"""Revoked tokens, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.store.sql import Executor

_IS_REVOKED = query("token_is_revoked")
_INSERT = query("insert_revoked_token")


async def token_is_revoked(on: Executor, organization_id: OrganizationId, token_id: str) -> bool:
    """Whether the organization's token of this id was revoked."""
    row = await _IS_REVOKED.one(on, organization_id, token_id)
    revoked: bool = row["revoked"]
    return revoked


async def insert_revoked_token(
    on: Executor,
    organization_id: OrganizationId,
    token_id: str,
    *,
    revoked_at: datetime,
    expires_at: datetime | None,
) -> None:
    """Revoke it; nothing more happens where it was revoked before. `expires_at` None: remembered
    for good.
    """
    await _INSERT.exec(on, organization_id, token_id, revoked_at, expires_at)
