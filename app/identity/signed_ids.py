"""Signed ids: a JWT (RFC 7519, HS256) that names one thing of one organization, and nothing else.

It carries no expiry and no time of signing, so that a thing always has the same token under a key;
the code that reads the thing decides how long it is valid. The key id in its header keeps old
tokens valid when keys rotate; the audience and the type keep the kinds of tokens apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import jwt
import orjson
from jwt.algorithms import HMACAlgorithm
from jwt.utils import base64url_encode

from app.identity.keyed_hashes import KeyedHashes

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM: Final = "HS256"
_LONGEST_TOKEN: Final = 1_024


class SignedId(NamedTuple):
    """What a token names."""

    organization_id: UUID
    thing_id: UUID
    generation: int


class SignedIds:
    """Signs and verifies ids for one audience. `keys` maps key ids to secrets: the first signs,
    every one verifies.
    """

    def __init__(self, keys: Mapping[str, str], *, audience: str) -> None:
        self._keys = dict(keys)
        self._audience = audience
        signatures = HMACAlgorithm(HMACAlgorithm.SHA256)
        for secret in self._keys.values():
            signatures.prepare_key(secret)  # raises for one that the library refuses
        key_id, secret = next(iter(self._keys.items()))
        self._hashes = KeyedHashes(signatures.prepare_key(secret))
        header = {"alg": ALGORITHM, "kid": key_id, "typ": token_type(audience)}
        self._header = base64url_encode(orjson.dumps(header))

    def sign_ids(self, organization_id: UUID, thing_id: UUID, generation: int = 0) -> str:
        """The token of this thing, another one for each generation. Its parts are joined here (RFC
        7515, 7.1): the library would write and encode the same header with each token.
        """
        payload: dict[str, str | int] = {
            "aud": self._audience,
            "org": organization_id.hex,
            "sub": thing_id.hex,
        }
        if generation:
            payload["gen"] = generation
        signed = b".".join((self._header, base64url_encode(orjson.dumps(payload))))
        signature = self._hashes.of(signed)
        return b".".join((signed, base64url_encode(signature))).decode()

    def verify_ids(self, token: str) -> SignedId | None:
        """What the token names; None if it is invalid."""
        if len(token) > _LONGEST_TOKEN or not has_type(token, self._audience):
            return None
        try:
            secret = self._keys[str(jwt.get_unverified_header(token).get("kid"))]
            payload = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                audience=self._audience,
                options={"require": ["sub", "aud"]},
            )
            generation = payload.get("gen", 0)
            if not isinstance(generation, int):
                return None
            return SignedId(UUID(hex=payload["org"]), UUID(hex=payload["sub"]), generation)
        except (jwt.InvalidTokenError, KeyError, ValueError, AttributeError, RecursionError):
            return None


def token_type(audience: str) -> str:
    """The media type in the header of this audience's tokens."""
    return f"{audience}+jwt"


def has_type(token: str, audience: str) -> bool:
    """Whether a token claims this audience; `verify_ids` decides whether it is valid."""
    try:
        return jwt.get_unverified_header(token).get("typ") == token_type(audience)
    except (jwt.InvalidTokenError, UnicodeError, RecursionError):
        return False
