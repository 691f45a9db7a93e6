"""Signatures of outgoing webhooks, as Standard Webhooks specifies them: HMAC-SHA-256 over id, time
and body.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105  what every secret begins with


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one secret."""

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> Self:
        """With a secret as receivers have it: `whsec_` and base64."""
        return cls(base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True))

    def sign(self, message_id: str, now: datetime, body: bytes) -> str:
        """The signature of a message that is sent at `now`, whole seconds."""
        signed = b"%s.%d.%s" % (message_id.encode(), int(now.timestamp()), body)
        return f"v1,{base64.b64encode(hmac.digest(self.key, signed, 'sha256')).decode('ascii')}"
