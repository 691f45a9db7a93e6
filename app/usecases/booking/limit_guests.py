"""Limit guests: so many open bookings for one contact with one provider, and so many from one
network.

Nobody signs in to book, so without these a program could fill a calendar, or send mail in our name
to whomever it likes. Signed-in customers and staff are known, and not counted here.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.network import network_of
from app.core.refusals import BookingLimitReached
from app.core.viewer import Role

if TYPE_CHECKING:
    from app.core.booking import BookingWish
    from app.core.viewer import Viewer
    from app.store.bookings import BeforeBooking
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
    """Who books without signing in. `origin` is where from, hashed; None where that is not known,
    or not counted.

    `names` are what is locked while their bookings are counted.
    """

    origin: bytes | None
    names: tuple[str, ...]


def guest_of(resources: Resources, viewer: Viewer, wish: BookingWish) -> Guest | None:
    """The guest whose booking this is; None where somebody who is known books."""
    if viewer.role is not Role.ANONYMOUS or wish.contact is None:
        return None
    limits = resources.guest_limits
    names: list[str] = []
    if limits.per_contact:
        names.append(
            f"contact:{wish.provider_id}:{(wish.contact.email or wish.contact.phone or '').lower()}"
        )
    origin = origin_of(resources, viewer) if limits.per_network else None
    if origin is not None:
        names.append(f"origin:{origin.hex()}")
    return Guest(origin=origin, names=tuple(names))


def origin_of(resources: Resources, viewer: Viewer) -> bytes | None:
    """A keyed hash of the caller's network: tells two networks apart, and nothing else
    about them.
    """
    if viewer.address is None:
        return None
    text = f"{viewer.organization_id}\x1f{network_of(viewer.address)}"
    return hmac.digest(resources.hash_secret, text.encode(), hashlib.sha256)[:ORIGIN_BYTES]


def limit_reached(resources: Resources, before: BeforeBooking) -> BookingLimitReached | None:
    """The refusal where a guest has reached one of the limits, by what was counted under the locks
    of their names.
    """
    limits = resources.guest_limits
    if 0 < limits.per_contact <= before.open_of_customer:
        return BookingLimitReached(
            message=(
                "There are too many open bookings with this contact. Cancel one of them, or "
                "call the provider."
            )
        )
    if 0 < limits.per_network <= before.open_of_network:
        return BookingLimitReached(
            message=(
                "There are too many open bookings from your network. Sign in, or call the provider."
            )
        )
    return None
