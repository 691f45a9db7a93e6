"""Access tokens: JWTs (RFC 7519) that say who calls, for which organization and in which role.

Signed with a secret of ours (HS256), or by an identity provider whose public keys are read from its
JWKS (RS256, ES256). Which key a token may be checked with follows from its algorithm, so that a
public key is never taken for a secret.

Claims: `sub`, `organization` (the slug or the id), `role` (admin, reception,
provider or customer) and `exp`
are required; `aud` and `iss` where the settings say so; `jti` is what a single token can be revoked
by; `name`, `email` and a `phone_number` that `phone_number_verified` says is verified (OpenID
Connect Core 1.0, section 5.1) are taken over into a customer's record at their first booking.
Expiry is judged by the real clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import jwt

from app.core.validation import SUBJECT_LENGTH, is_subject
from app.core.viewer import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.identity.jwks import KeySet

ALGORITHM: Final = "HS256"
PUBLIC_ALGORITHMS: Final = ("RS256", "ES256")
AUDIENCE: Final = "slotwright"
"""The audience of our own tokens. Where the settings name no audience, a token may name none, or
this one.
"""
_ROLES: Final = {
    role.lower(): role for role in (Role.ADMIN, Role.RECEPTION, Role.PROVIDER, Role.CUSTOMER)
}
_LONGEST_TOKEN: Final = 8_192
"""Characters: what fits into any server's header limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The claims of a valid token. `organization` is a slug or an id; `token_id` is the id to
    revoke it by.
    """

    subject: str
    organization: str
    role: Role
    expires_at: datetime
    token_id: str | None = None
    name: str | None = None
    email: str | None = None
    verified_phone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """The required claims, besides the caller's; `leeway` is how far two machines' clocks may be
    apart.
    """

    audience: str | None = None
    issuer: str | None = None
    leeway: timedelta = timedelta(0)


class AccessTokens:
    """Signs and verifies access tokens: the first secret signs, every one verifies, so that secrets
    can be rotated.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        clock: Callable[[], datetime],
        keys: KeySet | None = None,
        rules: TokenRules | None = None,
    ) -> None:
        self._secrets = tuple(secrets)
        self._clock = clock
        self._keys = keys
        self._rules = rules or TokenRules()

    def sign(self, claims: AccessClaims) -> str:
        """A token with these claims, signed with the first secret."""
        payload = {
            "sub": claims.subject,
            "organization": claims.organization,
            "role": claims.role.lower(),
            "exp": int(claims.expires_at.timestamp()),
            "aud": self._rules.audience or AUDIENCE,
            "iss": self._rules.issuer,
            "jti": claims.token_id,
            "name": claims.name,
            "email": claims.email,
            "phone_number": claims.verified_phone,
            "phone_number_verified": None if claims.verified_phone is None else True,
        }
        said = {key: value for key, value in payload.items() if value is not None}
        return jwt.encode(said, self._secrets[0], algorithm=ALGORITHM)

    async def verify(self, token: str) -> AccessClaims | str:
        """The token's claims; if it is not valid, a sentence that says why.

        Raises `KeysUnavailableError` where it may be valid, but the identity provider's keys are
        unavailable.
        """
        if len(token) > _LONGEST_TOKEN:
            return "The access token is too long."
        try:
            header = jwt.get_unverified_header(token)
        except _MALFORMED:
            return "The access token is not valid."
        algorithm = header.get("alg")
        keys: Sequence[Any] = ()
        if algorithm == ALGORITHM:
            keys = self._secrets
        elif algorithm in PUBLIC_ALGORITHMS and self._keys is not None:
            key = await self._keys.key(header.get("kid"), str(algorithm))
            keys = () if key is None else (key,)
        for key in keys:
            try:
                payload = jwt.decode(
                    token, key, algorithms=[str(algorithm)], options=_SIGNATURE_ALONE
                )
            except jwt.InvalidSignatureError:
                continue
            except _MALFORMED:
                return "The access token is not valid."
            return self._claims(payload)
        return "The access token is not signed by a key that this server knows."

    async def close(self) -> None:
        """End the background tasks."""
        if self._keys is not None:
            await self._keys.close()

    def _claims(self, payload: dict[str, object]) -> AccessClaims | str:
        ends_at = self._end(payload)
        if isinstance(ends_at, str):
            return ends_at
        if not self._is_for_us(payload.get("aud")):
            return "The access token is for another audience."
        if self._rules.issuer is not None and payload.get("iss") != self._rules.issuer:
            return "The access token is from another issuer."
        return _caller(payload, ends_at)

    def _end(self, payload: dict[str, object]) -> datetime | str:
        """When the token expires, the leeway included; or why it is not valid now."""
        now, leeway = self._clock(), self._rules.leeway
        ends_at = _instant(payload.get("exp"), later=leeway)
        if ends_at is None:
            return "The access token's expiry is no date."
        if ends_at <= now:
            return "The access token has expired. Sign in again."
        if "nbf" in payload:
            starts_at = _instant(payload["nbf"])
            if starts_at is None or starts_at > now + leeway:
                return "The access token is not valid yet."
        return ends_at

    def _is_for_us(self, audience: object) -> bool:
        """RFC 7519, section 4.1.3: one audience, or a list of them."""
        wanted = self._rules.audience
        if wanted is None:
            return audience in (None, AUDIENCE, [AUDIENCE])
        return audience == wanted or (isinstance(audience, list) and wanted in audience)


def _caller(payload: dict[str, object], ends_at: datetime) -> AccessClaims | str:
    """The caller that the token names."""
    role, organization, subject = (
        payload.get("role"),
        payload.get("organization"),
        payload.get("sub"),
    )
    token_id, name, email = payload.get("jti"), payload.get("name"), payload.get("email")
    phone = payload.get("phone_number") if payload.get("phone_number_verified") is True else None
    if not isinstance(role, str) or role not in _ROLES:
        return "The access token names no known role: it is one of admin, provider and customer."
    if not isinstance(organization, str) or not organization:
        return "The access token names no organization."
    if not isinstance(subject, str) or not is_subject(subject):
        return (
            f"The access token's subject is not a printable text of 1 to {SUBJECT_LENGTH} "
            "characters."
        )
    if token_id is not None and (not isinstance(token_id, str) or not is_token_id(token_id)):
        return f"The access token's id is not a printable text of 1 to {SUBJECT_LENGTH} characters."
    return AccessClaims(
        subject=subject,
        organization=organization,
        role=_ROLES[role],
        expires_at=ends_at,
        token_id=token_id,
        name=name if isinstance(name, str) else None,
        email=email if isinstance(email, str) else None,
        verified_phone=phone if isinstance(phone, str) else None,
    )


_MALFORMED: Final = (jwt.InvalidTokenError, UnicodeError, RecursionError)
"""What the library raises for invalid tokens; the last for JSON that is nested too deeply."""

_SIGNATURE_ALONE: Final[Any] = {
    "verify_signature": True,
    **dict.fromkeys(
        (
            "verify_exp",
            "verify_nbf",
            "verify_iat",
            "verify_aud",
            "verify_iss",
            "verify_sub",
            "verify_jti",
        ),
        False,
    ),
}
"""The claims are checked here, by our clock and in our words."""


def is_token_id(text: str) -> bool:
    """Whether a token can be known by this: the same form as a subject."""
    return is_subject(text)


def unverified_claims(token: str) -> dict[str, object] | None:
    """The claims of an unverified token, only to identify the token by. None where it has none."""
    try:
        said: dict[str, object] = jwt.decode(
            token, options={"verify_signature": False, "verify_exp": False}
        )
    except _MALFORMED:
        return None
    return said


def _instant(value: object, *, later: timedelta = timedelta(0)) -> datetime | None:
    """RFC 7519's NumericDate, so much later; None where that is not a date, as after the year 9999.
    A boolean is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC) + later
    except (ValueError, OverflowError, OSError):
        return None
