"""What the booking of a guest who has not booked before rests on besides the calendar: settings of
the organization, as this process saw them last.

A hint: such a booking is written without a look, by a statement that compares all of this with what
is there. If the guess was wrong, because the guest has booked before or the settings have changed,
the look is made after all. After each wrong guess the next bookings look first: two, four, eight,
and so on; each right guess halves that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import OrganizationId

MOST_BYTES: Final = 4 * 1024 * 1024
"""Some 5,000 organizations."""
LONGEST_PAUSE: Final = 64
"""Bookings that look first after many wrong guesses."""
_BYTES: Final = 600


class Settings(NamedTuple):
    """Of an organization: those that decide over a booking, or are written with it."""

    version: int
    """Of the organization's row."""
    allows_overlap: bool
    reminders: Sequence[int]
    """At most five."""


class _Known:
    """The settings, and how guesses went."""

    __slots__ = ("left", "pause", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pause = 0
        self.left = 0


class NewGuests:
    """The organizations whose settings were seen."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: WeightedCache[OrganizationId, _Known] = WeightedCache(
            "new guests", most_bytes=MOST_BYTES, weigh=lambda _id, _known: _BYTES
        )

    def saw(self, organization_id: OrganizationId, settings: Settings) -> None:
        """A look saw these."""
        known = self._known.get(organization_id)
        if known is None:
            self._known.put(organization_id, _Known(settings))
        else:
            known.settings = settings

    def guess(self, organization_id: OrganizationId) -> Settings | None:
        """What to write by without a look; None where the next booking is to look first."""
        known = self._known.get(organization_id)
        if known is None:
            return None
        if known.left:
            known.left -= 1
            return None
        return known.settings

    def turned_out(self, organization_id: OrganizationId, *, right: bool) -> None:
        """Whether what was guessed was so."""
        known = self._known.get(organization_id)
        if known is not None:
            known.pause = known.pause // 2 if right else min(2 * known.pause or 2, LONGEST_PAUSE)
            known.left = known.pause
