"""The public keys of an identity provider, read from its JWKS (RFC 7517). Its rule: no token
decides what is fetched.

One address, from the settings; a token's `jku`, `x5u` and `jwk` are never looked at. A set is
fetched when it is first needed, again in the background every few minutes, and again where a token
names a key that is not in it: at most once in `LEAST_SECONDS_BETWEEN`, no matter which tokens
arrive. While the provider is unavailable, the keys last read are used for some hours.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH_SECONDS: Final = 300.0
"""How long a set is used before it is fetched again in the background. A withdrawn key may be
accepted for as long.
"""

BELIEVED_SECONDS: Final = 6 * 3_600.0
"""How long a set is used while the provider is unavailable."""

LEAST_SECONDS_BETWEEN: Final = 30.0
"""Between two fetches: tokens with made-up key ids cause at most two fetches a minute."""

FETCH_SECONDS: Final = 5.0
"""For the whole of a fetch; those whose token names an unknown key wait for it."""

LARGEST_SET_BYTES: Final = 256 * 1024
MOST_KEYS: Final = 100
_LEAST_RSA_BITS: Final = 2_048
"""RFC 7518, section 3.3."""

_log: Final = logging.getLogger(__name__)


class KeysUnavailableError(Exception):
    """The identity provider's keys can't be read, so a token that it may have signed can't be
    verified.
    """


class _UnusableSetError(Exception):
    """The response is not a set of keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    id: str | None
    algorithm: str
    public: Any


class KeySet:
    """The keys at one address. `client` must not follow redirects; `seconds` must be monotonic."""

    def __init__(
        self, url: str, client: httpx.AsyncClient, *, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._url = url
        self._client = client
        self._seconds = seconds
        self._keys: tuple[_Key, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: object, algorithm: str) -> object | None:
        """The public key of this id for this algorithm; None where there is none. Raises
        `KeysUnavailableError`.
        """
        if self._age() > FRESH_SECONDS:
            fetching = self._fetch()
            if fetching is not None and self._age() > BELIEVED_SECONDS:
                await asyncio.shield(fetching)
        found = self._find(key_id, algorithm)
        if found is None:
            fetching = self._fetch()
            if fetching is not None:
                await asyncio.shield(fetching)
                found = self._find(key_id, algorithm)
        if found is None and self._age() > BELIEVED_SECONDS:
            raise KeysUnavailableError
        return None if found is None else found.public

    async def close(self) -> None:
        """End the background fetch."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._client.aclose()

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._seconds() - self._read_at

    def _find(self, key_id: object, algorithm: str) -> _Key | None:
        if self._age() > BELIEVED_SECONDS:
            return None
        usable = [key for key in self._keys if key.algorithm == algorithm]
        if key_id is None:
            # Without an id, the set must have exactly one key.
            return usable[0] if len(usable) == 1 else None
        return next((key for key in usable if key.id == key_id), None)

    def _fetch(self) -> asyncio.Task[None] | None:
        """The running fetch, or a new one; None where the last one was too recent."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        now = self._seconds()
        if self._tried_at is not None and now - self._tried_at < LEAST_SECONDS_BETWEEN:
            return None
        self._tried_at = now
        self._fetching = asyncio.create_task(self._read())
        return self._fetching

    async def _read(self) -> None:
        """Replaces the keys with the provider's current ones; keeps the old ones if its response
        can't be used.
        """
        asked_at = self._seconds()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = _keys_of(await self._body())
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            TimeoutError,
            _UnusableSetError,
        ) as error:
            _log.warning("the JWKS could not be read: %s", type(error).__name__)
            return
        self._keys = keys
        self._read_at = asked_at

    async def _body(self) -> bytes:
        async with self._client.stream(
            "GET", self._url, headers={"Accept": "application/json"}
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise _UnusableSetError
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > LARGEST_SET_BYTES:
                    raise _UnusableSetError
                chunks.append(chunk)
            return b"".join(chunks)


def open_key_set(url: str) -> KeySet:
    """The key set at an address of the settings."""
    return KeySet(url, httpx.AsyncClient(follow_redirects=False, timeout=FETCH_SECONDS))


def _keys_of(body: bytes) -> tuple[_Key, ...]:
    """The keys for signatures that we accept; a provider may publish other keys too."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _UnusableSetError from None
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise _UnusableSetError
    return tuple(
        key for entry in listed if isinstance(entry, dict) and (key := _key_of(entry)) is not None
    )


def _key_of(entry: dict[str, object]) -> _Key | None:
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    key_id = entry.get("kid")
    if (
        algorithm is None
        or entry.get("use", "sig") != "sig"
        or entry.get("alg", algorithm) != algorithm
    ):
        return None
    if key_id is not None and not isinstance(key_id, str):
        return None
    # Never the private half, should a provider publish it by mistake.
    public_half: dict[str, Any] = {
        name: entry[name] for name in ("kty", "kid", "n", "e", "crv", "x", "y") if name in entry
    }
    try:
        public = jwt.PyJWK.from_dict(public_half, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    strong = (isinstance(public, RSAPublicKey) and public.key_size >= _LEAST_RSA_BITS) or (
        isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1)
    )
    return _Key(id=key_id, algorithm=algorithm, public=public) if strong else None
