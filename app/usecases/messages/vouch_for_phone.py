"""Vouch for a phone number: it gets text messages once staff set it, or a customer's token calls it
verified.

No code is sent: the staff who talk to its owner, or the identity provider, know whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.validation import valid_phone
from app.store.verified_phones import distrust_phone, verify_phone

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.viewer import Viewer
    from app.store.pool import Transaction


async def vouch_for_phone(
    tx: Transaction,
    viewer: Viewer,
    phone: str | None,
    now: datetime,
    *,
    instead_of: str | None = None,
) -> None:
    """Mark the customer's number as verified if this caller can vouch for it. Lock the customer's
    row before.

    The number that staff replaced loses its mark: they found it wrong, or somebody else's by now.
    """
    vouched = phone if phone is not None and vouches(viewer, phone) else None
    replaced = instead_of if viewer.is_staff and instead_of != phone else None
    # one order for all who do so
    for each in sorted(number for number in (vouched, replaced) if number is not None):
        if each == vouched:
            await verify_phone(tx, viewer.organization_id, each, now)
        else:
            await distrust_phone(tx, viewer.organization_id, each)


def vouches(viewer: Viewer, phone: str) -> bool:
    """Whether this caller can vouch for the number."""
    return viewer.is_staff or (
        viewer.verified_phone is not None and valid_phone(viewer.verified_phone) == phone
    )
