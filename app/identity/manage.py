"""Manage tokens: the signed secret that lets someone without an account see, move or cancel one
appointment.

It is valid until some time after the appointment's end, even if the appointment was moved, or until
the appointment gets a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.appointment import ManageLink
from app.core.ids import AppointmentId, OrganizationId
from app.identity.signed_ids import SignedIds, has_type

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIENCE: Final = "manage"
GOOD_AFTER_END: Final = timedelta(days=30)
"""How long after an appointment's end its manage token stays valid: for a receipt or a complaint.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageClaims:
    """The one appointment that a manage token opens, while it has links of this generation."""

    organization_id: OrganizationId
    link: ManageLink


class ManageTokens:
    """Signs and verifies manage tokens. `keys` maps key ids to secrets: the first signs, every one
    verifies.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._signed = SignedIds(keys, audience=AUDIENCE)

    def sign(self, claims: ManageClaims) -> str:
        """The token of this link: always the same one under a key."""
        link = claims.link
        return self._signed.sign_ids(claims.organization_id, link.appointment_id, link.generation)

    def verify(self, token: str) -> ManageClaims | None:
        """The link that the token is, which the appointment has to know; None if it is invalid."""
        named = self._signed.verify_ids(token)
        if named is None:
            return None
        return ManageClaims(
            organization_id=OrganizationId(named.organization_id),
            link=ManageLink(AppointmentId(named.thing_id), named.generation),
        )


def is_manage_token(token: str) -> bool:
    """Whether a bearer token claims to be a manage token; `verify` decides whether it is valid."""
    return has_type(token, AUDIENCE)
