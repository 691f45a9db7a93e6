"""Limit guests: so many open bookings for one contact with one provider, and so many from one network.

Nobody signs in to book, so without these a program could fill a calendar, or send mail in our name to whomever it likes.
Signed-in customers and staff are known, and not counted here.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.network import network_of
from app.core.refusals import BookingLimitReached
from app.core.viewer import Role
from app.store.appointments import open_guest_bookings

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.booking import BookingWish
    from app.core.ids import CustomerId, ProviderId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

ORIGIN_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestLimits:
    """How many open bookings at once; 0 is no limit."""

    per_contact: int
    """With one provider."""
    per_network: int
    """In one organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Who books without signing in. `origin` is where from, hashed; None where that is not known, or not counted.

    `names` are what is locked while their bookings are counted.
    """

    provider_id: ProviderId
    origin: bytes | None
    names: tuple[str, ...]


def guest_of(resources: Resources, viewer: Viewer, wish: BookingWish) -> Guest | None:
    """The guest whose booking this is; None where somebody who is known books."""
    if viewer.role is not Role.ANONYMOUS or wish.contact is None:
        return None
    limits = resources.guest_limits
    names: list[str] = []
    if limits.per_contact:
        names.append(f"contact:{wish.provider_id}:{(wish.contact.email or wish.contact.phone or '').lower()}")
    origin = origin_of(resources, viewer) if limits.per_network else None
    if origin is not None:
        names.append(f"origin:{origin.hex()}")
    return Guest(provider_id=wish.provider_id, origin=origin, names=tuple(names))


def origin_of(resources: Resources, viewer: Viewer) -> bytes | None:
    """A keyed hash of the caller's network: tells two networks apart, and nothing else about them."""
    if viewer.address is None:
        return None
    text = f"{viewer.organization_id}\x1f{network_of(viewer.address)}"
    return hmac.digest(resources.hash_secret, text.encode(), hashlib.sha256)[:ORIGIN_BYTES]


async def limit_reached(
    resources: Resources, tx: Transaction, viewer: Viewer, guest: Guest, known_as: CustomerId | None, now: datetime
) -> BookingLimitReached | None:
    """The refusal where one of the limits is reached; asked under the locks of the guest's names.

    `known_as` is the customer that they are, if they have booked before.
    """
    limits = resources.guest_limits
    if not guest.names or (known_as is None and guest.origin is None):
        return None
    open_ones = await open_guest_bookings(tx, viewer.organization_id, guest.provider_id, known_as, guest.origin, now)
    if 0 < limits.per_contact <= open_ones.of_contact:
        return BookingLimitReached(
            message="There are too many open bookings with this contact. Cancel one of them, or call the provider."
        )
    if 0 < limits.per_network <= open_ones.of_origin:
        return BookingLimitReached(
            message="There are too many open bookings from your network. Sign in, or call the provider."
        )
    return None
