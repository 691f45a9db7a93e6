"""Access tokens made by hand: for development, for operators, for tests of a deployment."""

from __future__ import annotations

from datetime import timedelta

from app.core.viewer import Role
from app.identity.access import AccessClaims, AccessTokens
from app.wiring import system_clock


def signed_token(secret: str, role: Role, subject: str, organization: str, ttl: timedelta) -> str:
    """A token that is good from now on for `ttl`; `organization` is a slug or an id."""
    claims = AccessClaims(subject=subject, organization=organization, role=role, expires_at=system_clock() + ttl)
    return AccessTokens((secret,)).sign(claims)
