"""Hold tokens: the signed secret with which a hold is booked or released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.ids import HoldId
from app.identity.signed_ids import SignedIds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.ids import OrganizationId

AUDIENCE: Final = "hold"


class HoldTokens:
    """Signs and verifies hold tokens, with the keys of manage tokens: a hold is over long before a
    key is.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._signed = SignedIds(keys, audience=AUDIENCE)

    def sign(self, organization_id: OrganizationId, hold_id: HoldId) -> str:
        """The token of this hold."""
        return self._signed.sign_ids(organization_id, hold_id)

    def verify(self, organization_id: OrganizationId, token: str) -> HoldId | None:
        """The hold that the token names; None if it is invalid, or for another organization."""
        named = self._signed.verify_ids(token)
        return (
            HoldId(named.thing_id)
            if named is not None and named.organization_id == organization_id
            else None
        )
