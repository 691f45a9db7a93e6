"""Access tokens: which keys may sign them, which claims they need, and when they are valid."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.viewer import Role
from app.identity.access import AccessClaims, AccessTokens, TokenRules, unverified_claims
from app.identity.jwks import KeySet, KeysUnavailableError
from tests.unit.identity.provider import ADDRESS, IdentityProvider

NOW = datetime(2026, 1, 12, 8, tzinfo=UTC)
SECRET = "the present secret, of at least thirty-two bytes"
PREVIOUS = "the previous secret, of at least thirty-two bytes"
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey | str
RULES = TokenRules(audience="bookings", issuer="https://id.example", leeway=timedelta(seconds=10))


def public(key: RSAPrivateKey | EllipticCurvePrivateKey, **parts: object) -> dict[str, Any]:
    """The key as a provider publishes it."""
    algorithm: Any = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(key, RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "use": "sig", **parts}


def payload(**changes: object) -> dict[str, object]:
    said: dict[str, object] = {
        "sub": "robin",
        "organization": "salon",
        "role": "customer",
        "exp": int(NOW.timestamp()) + 60,
        "iss": "https://id.example",
        "aud": "bookings",
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


def signed(
    key: PrivateKey, *, algorithm: str, headers: Mapping[str, str] | None = None, **changes: object
) -> str:
    return jwt.encode(payload(**changes), key, algorithm=algorithm, headers=dict(headers or {}))


def tokens(
    keys: KeySet | None = None,
    *,
    rules: TokenRules = RULES,
    secrets: tuple[str, ...] = (SECRET, PREVIOUS),
) -> AccessTokens:
    return AccessTokens(secrets, clock=lambda: NOW, keys=keys, rules=rules)


async def test_the_present_secret_signs_and_both_check() -> None:
    claims = AccessClaims(
        subject="robin",
        organization="salon",
        role=Role.CUSTOMER,
        expires_at=NOW + timedelta(minutes=1),
        token_id="a-token",
    )
    signed_now = tokens().sign(claims)
    assert await tokens(secrets=(SECRET,)).verify(signed_now) == AccessClaims(
        subject="robin",
        organization="salon",
        role=Role.CUSTOMER,
        expires_at=NOW + timedelta(minutes=1) + RULES.leeway,
        token_id="a-token",
    )
    signed_before = signed(PREVIOUS, algorithm="HS256")
    assert isinstance(await tokens().verify(signed_before), AccessClaims)
    refused = await tokens(secrets=(SECRET,)).verify(signed_before)
    assert refused == "The access token is not signed by a key that this server knows."


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ({"phone_number": "+49 170 1234567", "phone_number_verified": True}, "+49 170 1234567"),
        ({"phone_number": "+491701234567"}, None),
        ({"phone_number": "+491701234567", "phone_number_verified": False}, None),
        ({"phone_number": "+491701234567", "phone_number_verified": "true"}, None),
        ({"phone_number": "+491701234567", "phone_number_verified": 1}, None),
        ({"phone_number": 491701234567, "phone_number_verified": True}, None),
        ({"phone_number_verified": True}, None),
    ],
)
async def test_a_number_is_believed_where_the_token_calls_it_verified(
    said: dict[str, object], believed: str | None
) -> None:
    claims = await tokens().verify(jwt.encode(payload(**said), SECRET, algorithm="HS256"))
    assert isinstance(claims, AccessClaims)
    assert claims.verified_phone == believed
    again = await tokens().verify(tokens().sign(claims))
    assert isinstance(again, AccessClaims)
    assert again.verified_phone == believed


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"exp": int(NOW.timestamp()) - 9}, None),
        ({"exp": int(NOW.timestamp()) - 10}, "has expired"),
        ({"exp": None}, "expiry is no date"),
        ({"exp": "tomorrow"}, "expiry is no date"),
        ({"exp": True}, "expiry is no date"),
        ({"exp": 10**30}, "expiry is no date"),
        ({"exp": float(NOW.timestamp()) + 0.5}, None),
        ({"nbf": int(NOW.timestamp()) + 10}, None),
        ({"nbf": int(NOW.timestamp()) + 11}, "not valid yet"),
        ({"nbf": "yesterday"}, "not valid yet"),
        ({"iat": int(NOW.timestamp()) + 10_000}, None),
        ({"aud": ["else", "bookings"]}, None),
        ({"aud": ["else"]}, "another audience"),
        ({"aud": "slotwright"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": {"bookings": 1}}, "another audience"),
        ({"iss": "https://id.example/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"role": "root"}, "no known role"),
        ({"role": ["admin"]}, "no known role"),
        ({"organization": ""}, "no organization"),
        ({"organization": 7}, "no organization"),
        ({"sub": ""}, "subject is not"),
        ({"sub": "a\x00b"}, "subject is not"),
        ({"sub": None}, "subject is not"),
        ({"jti": "x" * 255}, None),
        ({"jti": "x" * 256}, "id is not"),
        ({"jti": "a\x00b"}, "id is not"),
        ({"jti": 7}, "id is not"),
        ({"name": 7, "email": []}, None),
    ],
)
async def test_what_a_token_has_to_say(changes: dict[str, object], why: str | None) -> None:
    body = payload(**changes)
    # By hand, as PyJWT refuses to write some of these.
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    text = head + b"." + base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        text, SECRET.encode()
    )
    answer = await tokens().verify(
        (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
    )
    if why is None:
        assert isinstance(answer, AccessClaims), answer
    else:
        assert isinstance(answer, str)
        assert why in answer


@pytest.mark.parametrize("audience", [None, "slotwright", ["slotwright"]])
async def test_without_settings_a_token_names_no_audience_or_ours(audience: object) -> None:
    plain = tokens(rules=TokenRules())
    assert isinstance(
        await plain.verify(signed(SECRET, algorithm="HS256", aud=audience)), AccessClaims
    )
    assert isinstance(await plain.verify(signed(SECRET, algorithm="HS256", aud="else")), str)


async def test_each_algorithm_has_its_own_kind_of_key() -> None:
    """The classic: a public key, which everybody has, is used as the secret of HS256."""
    async with IdentityProvider(public(RSA_KEY, kid="r"), public(EC_KEY, kid="e")) as provider:
        judge = tokens(provider.keys)
        good = [
            signed(RSA_KEY, algorithm="RS256", headers={"kid": "r"}),
            signed(EC_KEY, algorithm="ES256", headers={"kid": "e"}),
            # without an id there is one key of the kind, so no choice
            signed(RSA_KEY, algorithm="RS256"),
            signed(SECRET, algorithm="HS256", headers={"kid": "r"}),
        ]
        for token in good:
            assert isinstance(await judge.verify(token), AccessClaims)
        pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head, body, _ = signed(SECRET, algorithm="HS256", headers={"kid": "r"}).split(".")
        confused = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
            f"{head}.{body}".encode(), pem
        )
        bad = [
            f"{head}.{body}.{base64.urlsafe_b64encode(confused).rstrip(b'=').decode()}",
            signed(OTHER_RSA_KEY, algorithm="RS256", headers={"kid": "r"}),
            signed(OTHER_RSA_KEY, algorithm="RS256", headers={"kid": "e"}),
            signed(RSA_KEY, algorithm="RS512", headers={"kid": "r"}),
            signed(RSA_KEY, algorithm="PS256", headers={"kid": "r"}),
            signed("", algorithm="none"),
            signed(SECRET * 2, algorithm="HS512"),
            "",
            "a.b.c",
            "x" * 9_000,
            "\ud800",
        ]
        for token in bad:
            assert isinstance(await judge.verify(token), str), token
        assert provider.fetches == 1


async def test_without_an_identity_provider_its_algorithms_are_no_good() -> None:
    assert isinstance(await tokens().verify(signed(RSA_KEY, algorithm="RS256")), str)


async def test_without_a_secret_only_the_identity_provider_signs() -> None:
    async with IdentityProvider(public(EC_KEY, kid="e")) as provider:
        judge = tokens(provider.keys, secrets=())
        assert isinstance(
            await judge.verify(signed(EC_KEY, algorithm="ES256", headers={"kid": "e"})),
            AccessClaims,
        )
        assert isinstance(await judge.verify(signed(SECRET, algorithm="HS256")), str)


@pytest.mark.parametrize(
    "entry",
    [
        public(rsa.generate_private_key(public_exponent=65_537, key_size=1_024), kid="k"),  # noqa: S505  that is the point
        public(ec.generate_private_key(ec.SECP384R1()), kid="k"),
        public(RSA_KEY, kid="k", use="enc"),
        public(RSA_KEY, kid="k", alg="RS512"),
        public(RSA_KEY, kid=7),
        {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "k"},
        {"kty": "RSA", "kid": "k", "n": "AQAB"},
        {"kty": "EC", "kid": "k", "crv": "P-256", "x": "!", "y": "!"},
        "no object",
    ],
    ids=[
        "weak",
        "another curve",
        "encrypts",
        "another algorithm",
        "odd id",
        "secret",
        "half",
        "broken",
        "text",
    ],
)
async def test_keys_that_do_not_check_our_signatures_are_left_out_and_the_rest_are_used(
    entry: object,
) -> None:
    async with IdentityProvider(entry, public(EC_KEY, kid="e")) as provider:
        judge = tokens(provider.keys)
        assert isinstance(
            await judge.verify(signed(EC_KEY, algorithm="ES256", headers={"kid": "e"})),
            AccessClaims,
        )
        for algorithm in ("RS256", "ES256"):
            assert await provider.keys.key("k", algorithm) is None


async def test_a_token_decides_nothing_about_what_is_fetched() -> None:
    async with IdentityProvider(public(RSA_KEY, kid="r")) as provider:
        elsewhere = {
            "kid": "r",
            "jku": "https://evil.example/jwks",
            "x5u": "https://evil.example/cert",
        }
        assert isinstance(
            await tokens(provider.keys).verify(
                signed(RSA_KEY, algorithm="RS256", headers=elsewhere)
            ),
            AccessClaims,
        )
        embedded = {"kid": "unknown", "jwk": public(OTHER_RSA_KEY)}
        token = jwt.encode(payload(), OTHER_RSA_KEY, algorithm="RS256", headers=embedded)
        assert isinstance(await tokens(provider.keys).verify(token), str)
        assert set(provider.asked) == {ADDRESS}


async def test_made_up_key_ids_cause_no_storm_and_a_new_key_is_found() -> None:
    async with IdentityProvider(public(RSA_KEY, kid="old")) as provider:
        keys = provider.keys
        assert await keys.key("old", "RS256") is not None
        for number in range(100):
            assert await keys.key(f"made-up-{number}", "RS256") is None
        assert provider.fetches == 1
        provider.publishes = [public(RSA_KEY, kid="old"), public(EC_KEY, kid="new")]
        provider.seconds += 29
        assert await keys.key("new", "ES256") is None
        provider.seconds += 1
        assert await keys.key("new", "ES256") is not None
        assert provider.fetches == 2


async def test_a_withdrawn_key_ends_within_minutes_and_nobody_waits_for_it() -> None:
    async with IdentityProvider(public(RSA_KEY, kid="r")) as provider:
        keys = provider.keys
        assert await keys.key("r", "RS256") is not None
        provider.publishes = [public(EC_KEY, kid="e")]
        provider.seconds += 300
        assert await keys.key("r", "RS256") is not None
        provider.seconds += 1
        assert (
            await keys.key("r", "RS256") is not None
        )  # the new set is being read in the background
        await provider.read()
        assert await keys.key("r", "RS256") is None
        assert provider.fetches == 2


async def test_while_the_provider_is_away_its_last_keys_are_believed_for_hours_not_for_ever() -> (
    None
):
    async with IdentityProvider(public(RSA_KEY, kid="r")) as provider:
        keys = provider.keys
        assert await keys.key("r", "RS256") is not None
        provider.status = 503
        provider.seconds += 6 * 3_600
        assert await keys.key("r", "RS256") is not None
        await provider.read()
        provider.seconds += 31
        with pytest.raises(KeysUnavailableError):
            await keys.key("r", "RS256")
        provider.status = 200
        provider.seconds += 31
        assert await keys.key("r", "RS256") is not None


@pytest.mark.parametrize(
    "trouble", ["status", "redirect", "not json", "no set", "too many", "too large", "away"]
)
async def test_what_is_no_set_of_keys_is_unavailable_never_no(trouble: str) -> None:
    """A client that is told “not valid” throws its token away."""
    async with IdentityProvider(public(RSA_KEY, kid="r")) as provider:
        provider.trouble = trouble
        with pytest.raises(KeysUnavailableError):
            await tokens(provider.keys).verify(
                signed(RSA_KEY, algorithm="RS256", headers={"kid": "r"})
            )
        assert provider.asked == [ADDRESS]
        # Our own tokens need nobody.
        assert isinstance(
            await tokens(provider.keys).verify(signed(SECRET, algorithm="HS256")), AccessClaims
        )


async def test_many_who_need_the_keys_at_once_fetch_them_once() -> None:
    async with IdentityProvider(public(RSA_KEY, kid="r")) as provider:
        token = signed(RSA_KEY, algorithm="RS256", headers={"kid": "r"})
        judge = tokens(provider.keys)
        answers = await asyncio.gather(*(judge.verify(token) for _ in range(50)))
        assert all(isinstance(answer, AccessClaims) for answer in answers)
        assert provider.fetches == 1


def test_what_a_token_says_can_be_read_without_a_key() -> None:
    expired = signed(SECRET, algorithm="HS256", exp=1, jti="a")
    said = unverified_claims(expired)
    assert said is not None
    assert said["jti"] == "a"
    assert unverified_claims("nonsense") is None


LAST_SECOND = 253_402_300_799
"""Of the year 9999, after which there are no dates."""


@pytest.mark.parametrize("claim", ["exp", "nbf"])
@pytest.mark.parametrize(
    "number",
    [LAST_SECOND, LAST_SECOND + 1, 10**18, 10**400, 1e308, float("nan"), float("inf"), -(10**400)],
)
async def test_a_time_beyond_all_dates_makes_no_good_token(claim: str, number: float) -> None:
    """The leeway must not carry the last second of all into an error of ours."""
    changes: dict[str, Any] = {claim: number}
    token = signed(SECRET, algorithm="HS256", **changes)
    assert isinstance(await tokens().verify(token), str)


ALG = '{"alg": "HS256"}'


def encoded(part: str) -> str:
    return base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")


async def test_what_is_nested_too_deeply_is_no_token() -> None:
    deep = "[" * 5_000
    token = f"{encoded(deep)}.e30.AAAA"
    assert await tokens().verify(token) == "The access token is not valid."
    assert unverified_claims(f"{encoded(ALG)}.{encoded(deep)}.AAAA") is None
