"""What an answer is made of, as far as stamps vouch for it: an answer that is made of nothing else
may be given again, as it was sent, while they stand and the minute lasts.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Hashable

    from app.core.ids import OwnerId, ProviderId
    from app.free_times.listings import Kept
    from app.free_times.shared import Stamp
    from app.usecases.listing.list_availability import FreeTimes


class MadeOf:
    """Those whose stamps vouch for the answer, what it depends on of the present, and how long it
    may be given. It may not be kept as soon as it is made of anything else, or of what was
    seen at two times that differ.
    """

    __slots__ = ("_is_broken", "circumstances", "stamps", "until")

    def __init__(self) -> None:
        self._is_broken = False
        self.circumstances: tuple[Hashable, ...] = ()
        self.until = inf
        """By `time.monotonic`."""
        self.stamps: dict[OwnerId, Stamp] = {}

    @property
    def is_vouched_for(self) -> bool:
        """Whether stamps vouch for all of it, so far."""
        return not self._is_broken

    @property
    def may_be_kept(self) -> bool:
        """Only with a listing: nothing else says how long it is true."""
        return not self._is_broken and self.until < inf

    def add_anything(self) -> None:
        """Something that no stamp vouches for."""
        self._is_broken = True

    def add(self, owner_id: OwnerId, stamp: Stamp) -> None:
        """Something of theirs, as it is under this stamp."""
        if self.stamps.setdefault(owner_id, stamp) != stamp:
            self._is_broken = True

    def add_listing(self, provider_id: ProviderId, kept: Kept[FreeTimes]) -> None:
        """A listing of a provider."""
        stamp, *circumstances = kept.circumstances
        self.add(provider_id, cast("Stamp", stamp))
        if self.until < inf and self.circumstances != tuple(circumstances):
            self._is_broken = True
        self.circumstances = tuple(circumstances)
        self.until = min(self.until, kept.until)
