"""Limit bookings: so many open ones of one contact, so many from one network, open ones and made on
a day, and so many open ones of one signed-in customer.

Guests do not sign in to book, so without these a program could fill a calendar, or send mail in our
name to any address. A signed-in customer is known and gets more. Staff are not limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.addresses import same_mailbox
from app.core.network import network_of
from app.core.refusals import BookingLimitReached
from app.core.sentences import say
from app.core.viewer import Role
from app.store.locks import customer_name

if TYPE_CHECKING:
    from app.core.booking import BookingWish
    from app.core.viewer import Viewer
    from app.store.bookings import BeforeBooking
    from app.usecases.resources import Resources

ORIGIN_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingLimits:
    """How many open bookings at once; 0 is no limit."""

    per_contact: int
    """Of guests, in one organization."""
    per_network: int
    """Of guests, in one organization; at 0 networks are not counted at all."""
    made_per_network: int
    """By guests, in one organization on one day, whatever becomes of them."""
    per_customer: int
    """Of a signed-in customer, in one organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A booker whose bookings are counted. `origin` is a guest's network, hashed; None where it is
    not known, or not counted.

    `names` are what is locked while their bookings are counted.
    """

    is_guest: bool
    origin: bytes | None = None
    names: tuple[str, ...] = ()


def limited_booker(resources: Resources, viewer: Viewer, wish: BookingWish) -> Limited | None:
    """The booker whose limits this booking counts against; None for staff."""
    limits = resources.booking_limits
    if viewer.role is Role.CUSTOMER:
        # Locked whatever is counted here: `limit_customers` decides under the same lock.
        return Limited(is_guest=False, names=(customer_name(str(viewer.subject)),))
    if viewer.role is not Role.ANONYMOUS or wish.contact is None:
        return None
    contact = same_mailbox(wish.contact.email) if wish.contact.email else wish.contact.phone
    origin = counted_origin(resources, viewer)
    return Limited(
        is_guest=True,
        origin=origin,
        names=(
            *((f"contact:{contact}",) if limits.per_contact else ()),
            *(() if origin is None else (f"origin:{origin.hex()}",)),
        ),
    )


def counted_origin(resources: Resources, viewer: Viewer) -> bytes | None:
    """`origin_of` a caller without a token, where networks are counted; else None."""
    if viewer.role is not Role.ANONYMOUS or not resources.booking_limits.per_network:
        return None
    return origin_of(resources, viewer)


def origin_of(resources: Resources, viewer: Viewer) -> bytes | None:
    """A keyed hash of the caller's network: tells two networks apart, and nothing else
    about them.
    """
    if viewer.address is None:
        return None
    text = f"{viewer.organization_id}\x1f{network_of(viewer.address)}"
    return resources.hashes.of(text.encode())[:ORIGIN_BYTES]


def limit_reached(
    resources: Resources, booker: Limited, before: BeforeBooking
) -> BookingLimitReached | None:
    """The refusal where the booker has reached one of their limits, by what was counted under the
    locks of their names.
    """
    limits = resources.booking_limits
    if not booker.is_guest:
        if not _is_reached(most := limits.per_customer, before.open_of_customer):
            return None
        message = say(
            "You may have at most {count} open bookings. Cancel one of them, or call the provider.",
            count=most,
        )
    elif _is_reached(most := limits.per_contact, before.open_of_customer):
        message = say(
            "One contact may have at most {count} open bookings. Cancel one of them, or call the "
            "provider.",
            count=most,
        )
    elif _is_reached(most := limits.per_network, before.open_of_network):
        message = say(
            "One network may have at most {count} open bookings. Sign in, or call the provider.",
            count=most,
        )
    elif _is_reached(most := limits.made_per_network, before.made_of_network):
        message = say(
            "One network may make at most {count} bookings a day. Sign in, or call the provider.",
            count=most,
        )
    else:
        return None
    return BookingLimitReached(limit=most, message=message)


def _is_reached(most: int, so_far: int) -> bool:
    return 0 < most <= so_far
