"""Tokens against a running server: two secrets, an identity provider, and revocation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.refusals import InvalidInput, NotFound
from app.core.viewer import Role
from app.identity import revocations
from app.identity.access import AccessClaims, AccessTokens
from app.process.clock import system_clock
from app.settings import Settings, TokenSettings
from app.usecases.callers.revoke_token import revoke_token
from tests.builders import Api, Caller, running

VIEWER = "{ viewer { role } }"


@asynccontextmanager
async def an_api(environment: dict[str, str], tokens: TokenSettings) -> AsyncIterator[Api]:
    settings = replace(Settings.from_environment(environment), tokens=tokens)
    async with running(settings) as own:
        yield await own.api()


def a_token(api: Api, secret: str, *, token_id: str | None = None) -> Caller:
    claims = AccessClaims(
        subject="somebody",
        organization=api.organization.slug,
        role=Role.ADMIN,
        expires_at=system_clock() + timedelta(minutes=5),
        token_id=token_id,
    )
    return Caller(token=AccessTokens((secret,), clock=system_clock).sign(claims))


async def test_while_secrets_change_both_are_good(environment: dict[str, str]) -> None:
    old = "the secret that was in use until this morning"
    async with an_api(environment, TokenSettings(previous_secret=old)) as api:
        for secret in (environment["SLOTWRIGHT_TOKEN_SECRET"], old):
            assert (await api.ask(VIEWER, caller=a_token(api, secret)))["viewer"]["role"] == "ADMIN"
        assert (
            await api.send(VIEWER, caller=a_token(api, "a secret that nobody ever has used here"))
        ).status == 401


async def test_an_identity_provider_that_is_away_is_unavailable_not_a_refusal(
    environment: dict[str, str],
) -> None:
    """503: a client that were told 401 would throw a good token away."""
    tokens = TokenSettings(
        jwks_url="http://127.0.0.1:1/keys", audience="bookings", issuer="https://id.example"
    )
    async with an_api(environment, tokens) as api:
        # {"alg":"RS256"} . {} . nothing
        answer = await api.send(VIEWER, caller=Caller(token="eyJhbGciOiJSUzI1NiJ9.e30.AA"))
        assert (answer.status, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])


async def test_a_revoked_token_is_refused_in_its_organization_and_no_other_token_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a secret of the tests of at least thirty-two bytes"
    one, two = (a_token(api, secret, token_id=name) for name in ("one", "two"))
    other = await api.another_organization()
    for token in (one, two):
        await api.ask(VIEWER, caller=token)
    # What was asked some seconds ago is asked again.
    monkeypatch.setattr(revocations, "KNOWN_SECONDS", -1.0)
    assert (
        await revoke_token(
            api.resources, organization=other.organization.slug, token_id="one", expires_at=None
        )
        is None
    )
    await api.ask(VIEWER, caller=one)
    for _ in range(2):
        done = await revoke_token(
            api.resources, organization=api.organization.slug, token_id="one", expires_at=None
        )
        assert done is None
        refused = await api.send(VIEWER, caller=one)
        assert (refused.status, refused.codes) == (401, ["UNAUTHENTICATED"])
    await api.ask(VIEWER, caller=two)
    await api.ask(VIEWER, caller=a_token(api, secret))


async def test_revoking_needs_an_organization_and_an_id_that_can_be(api: Api) -> None:
    for organization in ("nobody-knows-it", "\x00", "00000000-0000-7000-8000-000000000000"):
        refused = await revoke_token(
            api.resources, organization=organization, token_id="one", expires_at=None
        )
        assert isinstance(refused, NotFound)
    for token_id in ("", "a\x00b", "x" * 256):
        refused = await revoke_token(
            api.resources, organization=api.organization.slug, token_id=token_id, expires_at=None
        )
        assert isinstance(refused, InvalidInput)


async def test_the_longer_memory_of_a_revocation_counts(api: Api) -> None:
    soon, later = (system_clock() + timedelta(hours=hours) for hours in (1, 2))
    for expiries, kept in (
        ((soon, later), later),
        ((later, soon), later),
        ((None, soon), None),
        ((soon, None), None),
    ):
        token_id = f"{expiries}"
        for expires_at in expiries:
            await revoke_token(
                api.resources,
                organization=str(api.organization.id),
                token_id=token_id,
                expires_at=expires_at,
            )
        rows = await api.rows(
            "SELECT expires_at FROM revoked_token WHERE organization_id = $1 AND token_id = $2",
            api.organization.id,
            token_id,
        )
        assert [row["expires_at"] for row in rows] == [kept]


def test_what_is_known_of_a_token_is_forgotten_after_seconds_but_for_a_revocation() -> None:
    seconds = [100.0]
    known = revocations.Revocations(seconds=lambda: seconds[0])
    organization = "an organization"
    known.remember(organization, "good", known.asked_at(), revoked=False)  # type: ignore[arg-type]
    known.remember(organization, "bad", known.asked_at(), revoked=True)  # type: ignore[arg-type]
    seconds[0] += 10
    assert known.known(organization, "good") is False  # type: ignore[arg-type]
    seconds[0] += 0.1
    assert known.known(organization, "good") is None  # type: ignore[arg-type]
    assert known.known(organization, "bad") is True  # type: ignore[arg-type]
