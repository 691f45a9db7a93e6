"""Revoke a token by its id, and check whether one was revoked: at most one query per token in some
seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.refusals import InvalidInput, NotFound
from app.core.sentences import say
from app.core.validation import SUBJECT_LENGTH, is_subject
from app.store.revoked_tokens import insert_revoked_token, token_is_revoked
from app.usecases.practice.find_organization import organization_named

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.usecases.resources import Resources


async def is_revoked(resources: Resources, organization_id: OrganizationId, token_id: str) -> bool:
    """Whether the organization's token of this id was revoked, some seconds ago or before."""
    known = resources.revocations.known(organization_id, token_id)
    if known is not None:
        return known
    asked_at = resources.revocations.asked_at()
    revoked = await token_is_revoked(resources.pool, organization_id, token_id)
    resources.revocations.remember(organization_id, token_id, asked_at, revoked=revoked)
    return revoked


async def revoke_token(
    resources: Resources, *, organization: str, token_id: str, expires_at: datetime | None
) -> InvalidInput | NotFound | None:
    """Revoke it in this organization, named by its slug or id. None is success, also for a token
    that was revoked before.

    `expires_at` is when the token expires and its revocation may be deleted; None where that is
    unknown.
    """
    if not is_subject(token_id):
        return InvalidInput(
            field="jti",
            message=say(
                "A token's id is a printable text of 1 to {count} characters.", count=SUBJECT_LENGTH
            ),
        )
    found = await organization_named(resources, organization)
    if found is None:
        return NotFound(what="organization")
    await insert_revoked_token(
        resources.pool, found.id, token_id, revoked_at=resources.real_clock(), expires_at=expires_at
    )
    return None
