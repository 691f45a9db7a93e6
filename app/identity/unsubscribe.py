"""Unsubscribe tokens: the signed secret in a message with which its recipient stops
further ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.ids import MessageLogId, OrganizationId
from app.identity.signed_ids import SignedIds

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIENCE: Final = "unsubscribe"


class UnsubscribeTokens:
    """Signs and verifies unsubscribe tokens, with the keys of manage tokens. They are valid for as
    long as their key is.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._signed = SignedIds(keys, audience=AUDIENCE)

    def sign(self, organization_id: OrganizationId, message_id: MessageLogId) -> str:
        """The token of this message."""
        return self._signed.sign_ids(organization_id, message_id)

    def verify(self, token: str) -> tuple[OrganizationId, MessageLogId] | None:
        """The message that the token came in; None if it is invalid."""
        named = self._signed.verify_ids(token)
        if named is None:
            return None
        return OrganizationId(named.organization_id), MessageLogId(named.thing_id)
