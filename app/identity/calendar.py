"""Calendar tokens: the signed secret in the address of a calendar feed. It reads, and changes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.appointment import ManageLink
from app.core.ids import AppointmentId, CalendarFeedId, OrganizationId
from app.identity.signed_ids import SignedIds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.calendar_feed import FeedAddress

AUDIENCE: Final = "calendar"
APPOINTMENT_AUDIENCE: Final = "appointment-calendar"


class CalendarTokens:
    """Signs and verifies calendar tokens, with the keys of manage tokens. They are valid for as
    long as their key is; what they name may have ended before.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._feeds = SignedIds(keys, audience=AUDIENCE)
        self._appointments = SignedIds(keys, audience=APPOINTMENT_AUDIENCE)

    def sign(self, organization_id: OrganizationId, names: FeedAddress) -> str:
        """The token of a feed, or of the one appointment that a manage link opens."""
        if isinstance(names, ManageLink):
            return self._appointments.sign_ids(
                organization_id, names.appointment_id, names.generation
            )
        return self._feeds.sign_ids(organization_id, names)

    def verify(self, token: str) -> tuple[OrganizationId, FeedAddress] | None:
        """What the token names; None if it is invalid."""
        feed = self._feeds.verify_ids(token)
        if feed is not None:
            return OrganizationId(feed.organization_id), CalendarFeedId(feed.thing_id)
        named = self._appointments.verify_ids(token)
        if named is None:
            return None
        link = ManageLink(AppointmentId(named.thing_id), named.generation)
        return OrganizationId(named.organization_id), link
