"""A keyed hash is the HMAC of the standard, whatever was hashed before."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from app.identity.keyed_hashes import KeyedHashes


@given(st.binary(max_size=200), st.lists(st.binary(max_size=300), max_size=10))
def test_it_is_the_hmac(key: bytes, said: list[bytes]) -> None:
    hashes = KeyedHashes(key)
    for text in said:
        assert hashes.of(text) == hmac.digest(key, text, hashlib.sha256)
