"""Manage tokens: the signed secret that lets someone without an account see, move or cancel one appointment.

A token names its organization and its appointment and nothing else, so that an appointment always has the same one
under a key. It carries no expiry: it is good until some time after the appointment's end, wherever that has moved to,
and that is decided where the appointment is read. The key id in its header keeps old links alive when keys rotate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import jwt

from app.core.ids import AppointmentId, OrganizationId

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "manage"
TOKEN_TYPE: Final = "manage+jwt"  # noqa: S105  a media type, no secret
GOOD_AFTER_END: Final = timedelta(days=30)
"""How long after an appointment's end its manage token still shows it: time for a receipt or a complaint."""
_LONGEST_TOKEN: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageClaims:
    """The one appointment that a manage token opens."""

    organization_id: OrganizationId
    appointment_id: AppointmentId


class ManageTokens:
    """Signs and verifies manage tokens. `keys` maps key ids to secrets: the first signs, every one verifies."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self._signing_key_id = next(iter(self._keys))

    def sign(self, claims: ManageClaims) -> str:
        """The token of this appointment."""
        payload = {"aud": AUDIENCE, "org": claims.organization_id.hex, "sub": claims.appointment_id.hex}
        key_id = self._signing_key_id
        headers = {"kid": key_id, "typ": TOKEN_TYPE}
        return jwt.encode(payload, self._keys[key_id], algorithm=ALGORITHM, headers=headers)

    def verify(self, token: str) -> ManageClaims | None:
        """The appointment that the token opens; None where it is no good."""
        if len(token) > _LONGEST_TOKEN or not is_manage_token(token):
            return None
        try:
            secret = self._keys[str(jwt.get_unverified_header(token).get("kid"))]
            payload = jwt.decode(
                token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": ["sub", "aud"]}
            )
            return ManageClaims(
                organization_id=OrganizationId(UUID(hex=payload["org"])),
                appointment_id=AppointmentId(UUID(hex=payload["sub"])),
            )
        except (jwt.InvalidTokenError, KeyError, ValueError, AttributeError):
            return None


def is_manage_token(token: str) -> bool:
    """Whether a bearer token says that it is a manage token; whether it is a good one, `verify` says."""
    try:
        return jwt.get_unverified_header(token).get("typ") == TOKEN_TYPE
    except jwt.InvalidTokenError:
        return False
