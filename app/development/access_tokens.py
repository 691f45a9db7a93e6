"""Access tokens made by hand: for development, for operators, for tests of a deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from app.core.viewer import Role
from app.identity.access import (
    AccessClaims,
    AccessTokens,
    TokenRules,
    is_token_id,
    unverified_claims,
)
from app.process.clock import system_clock

_LAST_SECOND: Final = 253_402_300_800
"""The end of the year 9999, which is as far as dates go."""


def signed_token(
    secret: str,
    role: Role,
    subject: str,
    organization: str,
    ttl: timedelta,
    rules: TokenRules | None = None,
) -> str:
    """A token that is good from now on for `ttl`, with an id to revoke it by; `organization` is a
    slug or an id.
    """
    claims = AccessClaims(
        subject=subject,
        organization=organization,
        role=role,
        expires_at=system_clock() + ttl,
        token_id=uuid4().hex,
    )
    return AccessTokens((secret,), clock=system_clock, rules=rules).sign(claims)


def name_of_token(token: str) -> tuple[str, str, datetime | None] | None:
    """A token's organization, its id and when it ends, as it says; None where it can't be named, so
    not be revoked.
    """
    said = unverified_claims(token)
    if said is None:
        return None
    organization, token_id, expires = said.get("organization"), said.get("jti"), said.get("exp")
    if (
        not isinstance(organization, str)
        or not isinstance(token_id, str)
        or not is_token_id(token_id)
    ):
        return None
    known = isinstance(expires, int) and 0 < expires < _LAST_SECOND
    return (
        organization,
        token_id,
        datetime.fromtimestamp(int(str(expires)), tz=UTC) if known else None,
    )
