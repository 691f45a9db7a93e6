"""Keyed hashes: HMAC-SHA-256 (RFC 2104) under a key of the process."""

from __future__ import annotations

import hashlib
import hmac


class KeyedHashes:
    """Under one key, which is taken in once: to look the algorithm up and to take the key in costs
    more than all the rest.
    """

    __slots__ = ("_begun",)

    def __init__(self, key: bytes) -> None:
        self._begun = hmac.new(key, digestmod=hashlib.sha256)

    def of(self, said: bytes) -> bytes:
        """The hash of what was said, 32 bytes."""
        own = self._begun.copy()
        own.update(said)
        return own.digest()
