"""What an answer is made of, as far as stamps vouch for it: an answer that is made of nothing else
may be given again, as it was sent, while they stand and the time changes nothing.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from app.core.ids import OwnerId, ProviderId
    from app.free_times.listings import Kept
    from app.free_times.shared import Stamp
    from app.usecases.listing.dates import Minutes
    from app.usecases.listing.list_availability import FreeTimes


class MadeOf:
    """Those whose stamps vouch for the answer, the minutes in which it is the same, and how long it
    may be given. It may not be kept as soon as it is made of anything else, or of something under
    two stamps.
    """

    __slots__ = ("_is_broken", "minutes", "stamps", "until")

    def __init__(self) -> None:
        self._is_broken = False
        self.minutes: Minutes | None = None
        """None without a listing: then nothing says how long it is true, and it may not be kept."""
        self.until = inf
        """By `time.monotonic`."""
        self.stamps: dict[OwnerId, Stamp] = {}

    @property
    def is_vouched_for(self) -> bool:
        """Whether stamps vouch for all of it, so far."""
        return not self._is_broken

    def add_anything(self) -> None:
        """Something that no stamp vouches for."""
        self._is_broken = True

    def add(self, owner_id: OwnerId, stamp: Stamp, *, until: float = inf) -> None:
        """Something of theirs, as it is under this stamp: to be given until then."""
        self.until = min(self.until, until)
        if self.stamps.setdefault(owner_id, stamp) != stamp:
            self._is_broken = True

    def add_listing(self, provider_id: ProviderId, kept: Kept[FreeTimes]) -> None:
        """A listing of a provider."""
        stamp, minutes = cast("tuple[Stamp, Minutes]", kept.circumstances)
        self.add(provider_id, stamp, until=kept.until)
        self.minutes = minutes if self.minutes is None else minutes.within(self.minutes)
