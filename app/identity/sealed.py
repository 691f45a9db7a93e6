"""Secrets that the program has to read again, encrypted: the database alone does not reveal them.

The keys are derived from those that sign manage links, and rotate with them: the first encrypts,
each decrypts. Fernet (AES-128-CBC and HMAC-SHA-256) is what the cryptography library offers for
this.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Mapping

_PURPOSE: Final = b"slotwright sealed secrets"
"""Keeps these keys apart from the signing keys that they are derived from."""


class Seal:
    """Encrypts short texts. `keys` maps key ids to secrets."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        fernets = [_fernet(secret) for secret in keys.values()]
        self._first = fernets[0]
        self._all = MultiFernet(fernets)

    def close(self, text: str) -> str:
        """The text, encrypted; another result each time."""
        return self._first.encrypt(text.encode()).decode("ascii")

    def open(self, sealed: str) -> str | None:
        """The text; None where it was encrypted with a key that is no longer known."""
        try:
            return self._all.decrypt(sealed).decode()
        except InvalidToken:
            return None

    def is_current(self, sealed: str) -> bool:
        """Whether the first key encrypted it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True


def _fernet(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
