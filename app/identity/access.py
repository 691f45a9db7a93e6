"""Access tokens: JWTs (RFC 7519, HS256) that say who calls, for which organization and in which role.

Claims: `sub`, `organization` (the slug or the id), `role` (admin, provider or customer) and `exp` are required; `name` and
`email` are taken over into a customer's record at their first booking. Expiry is judged by the real clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import jwt

from app.core.validation import SUBJECT_LENGTH, is_subject
from app.core.viewer import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "slotwright"
"""A token may name no audience, or this one."""
_ROLES: Final = {"admin": Role.ADMIN, "provider": Role.PROVIDER, "customer": Role.CUSTOMER}
_LONGEST_TOKEN: Final = 8_192
"""Characters: what fits into any server's header limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What a good token says. `organization` is a slug or an id."""

    subject: str
    organization: str
    role: Role
    expires_at: datetime
    name: str | None = None
    email: str | None = None


class AccessTokens:
    """Signs and verifies access tokens: the first secret signs, every one verifies, so that secrets can be rotated."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def sign(self, claims: AccessClaims) -> str:
        """The token that says this."""
        payload = {
            "sub": claims.subject,
            "organization": claims.organization,
            "role": claims.role.lower(),
            "exp": int(claims.expires_at.timestamp()),
            "aud": AUDIENCE,
        }
        payload |= {key: value for key, value in (("name", claims.name), ("email", claims.email)) if value is not None}
        return jwt.encode(payload, self._secrets[0], algorithm=ALGORITHM)

    def verify(self, token: str) -> AccessClaims | str:
        """What the token says; or, where it is no good, the sentence that says why."""
        if len(token) > _LONGEST_TOKEN:
            return "The access token is too long."
        for secret in self._secrets:
            try:
                payload = jwt.decode(
                    token,
                    secret,
                    algorithms=[ALGORITHM],
                    options={"require": ["exp", "sub"], "verify_aud": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                return "The access token has expired. Sign in again."
            except jwt.InvalidTokenError:
                return "The access token is not valid."
            return _claims(payload)
        return "The access token is not signed by this server's key."


def _claims(payload: dict[str, object]) -> AccessClaims | str:
    if payload.get("aud", AUDIENCE) != AUDIENCE:
        return "The access token is for another audience."
    role = payload.get("role")
    organization = payload.get("organization")
    subject = payload.get("sub")
    expires = payload.get("exp")
    if not isinstance(role, str) or role not in _ROLES:
        return "The access token names no known role: it is one of admin, provider and customer."
    if not isinstance(organization, str) or not organization:
        return "The access token names no organization."
    if not isinstance(subject, str) or not is_subject(subject):
        return f"The access token's subject is not a printable text of 1 to {SUBJECT_LENGTH} characters."
    try:
        expires_at = datetime.fromtimestamp(int(str(expires)), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return "The access token's expiry is no date."
    name, email = payload.get("name"), payload.get("email")
    return AccessClaims(
        subject=subject,
        organization=organization,
        role=_ROLES[role],
        expires_at=expires_at,
        name=name if isinstance(name, str) else None,
        email=email if isinstance(email, str) else None,
    )
