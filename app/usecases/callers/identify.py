"""Identify a caller: from a bearer token and an organization's name to a viewer, or a refusal. An
invalid token is never treated as another identity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.core.viewer import Role, Viewer
from app.identity.manage import is_manage_token
from app.store.customers import customer_by_subject
from app.store.providers import provider_id_by_subject
from app.usecases.callers.revoke_token import is_revoked
from app.usecases.practice.find_organization import organization_named, organization_of_slug

if TYPE_CHECKING:
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class NotIdentified:
    """The token is not valid. It is never treated like a missing one."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOrganization:
    """The caller names no organization, or one that does not exist."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherOrganization:
    """The organization that the caller names is not their token's."""

    message: str = (
        "The Slotwright-Organization header names another organization than the token. "
        "Send one of the two."
    )


async def identify(
    resources: Resources,
    *,
    authorization: str | None,
    organization: str | None,
    address: str | None = None,
) -> Viewer | NotIdentified | NoOrganization | OtherOrganization:
    """The caller behind an `Authorization` value, an organization's slug and a network address,
    each None where not known.
    """
    if authorization is None:
        return await _anonymous(resources, organization or resources.default_organization, address)
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return NotIdentified(message="Send the token as: Authorization: Bearer <token>.")
    token = token.strip()
    viewer = await (_manager if is_manage_token(token) else _signed_in)(resources, token, address)
    if isinstance(viewer, Viewer) and organization is not None:
        named = await organization_named(resources, organization)
        if named is None or named.id != viewer.organization_id:
            return OtherOrganization()
    return viewer


async def _anonymous(
    resources: Resources, slug: str | None, address: str | None
) -> Viewer | NoOrganization:
    if slug is None:
        return NoOrganization(
            message="Name the organization in the Slotwright-Organization header, by its slug."
        )
    found = await organization_of_slug(resources, slug)
    if found is None:
        return NoOrganization(
            message=(
                "There is no organization of this name. Check the Slotwright-Organization header."
            )
        )
    return Viewer(organization_id=found.id, address=address)


async def _manager(resources: Resources, token: str, address: str | None) -> Viewer | NotIdentified:
    claims = resources.manage_tokens.verify(token)
    if claims is None:
        return NotIdentified(message="The manage token is not valid.")
    return Viewer(organization_id=claims.organization_id, manages=claims.link, address=address)


async def _signed_in(
    resources: Resources, token: str, address: str | None
) -> Viewer | NotIdentified:
    claims = await resources.access_tokens.verify(token)
    if isinstance(claims, str):
        return NotIdentified(message=claims)
    organization = await organization_named(resources, claims.organization)
    if organization is None:
        return NotIdentified(message="The access token is for an organization that does not exist.")
    if claims.token_id is not None and await is_revoked(
        resources, organization.id, claims.token_id
    ):
        return NotIdentified(message="The access token has been revoked. Sign in again.")
    viewer = Viewer(
        organization_id=organization.id,
        role=claims.role,
        subject=claims.subject,
        name=claims.name,
        email=claims.email,
        verified_phone=claims.verified_phone,
        expires_at=claims.expires_at,
        token_id=claims.token_id,
        address=address,
    )
    return await with_records(resources, viewer)


async def with_records(resources: Resources, viewer: Viewer) -> Viewer:
    """The signed-in viewer, with the current provider's or customer's record of their subject."""
    if viewer.subject is None:
        return viewer
    if viewer.role is Role.PROVIDER:
        provider_id = await provider_id_by_subject(
            resources.pool, viewer.organization_id, viewer.subject
        )
        return replace(viewer, provider_id=provider_id)
    if viewer.role is Role.CUSTOMER:
        customer = await customer_by_subject(resources.pool, viewer.organization_id, viewer.subject)
        return replace(viewer, customer_id=None if customer is None else customer.id)
    return viewer
