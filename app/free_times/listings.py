"""Listings: answers of this process, each true in the minutes that it was made for and under the
stamps of all whose times it is made of. They are given again without reading or computing anything:
lists of starts, the first starts of a provider, and whole answers to operations as they were sent.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import Hashable

Listing = TypeVar("Listing")

MOST_BYTES: Final = 64 * 1024 * 1024
"""Some 1,500 weeks, with their lists as they were shown before; with whole answers some 1,000."""


class Kept(NamedTuple, Generic[Listing]):
    """A listing, and the circumstances under which it is true until then, by `time.monotonic`."""

    circumstances: tuple[Hashable, ...]
    until: float
    listing: Listing
    bytes: int

    @property
    def is_fresh(self) -> bool:
        """Whether its time is not over."""
        return monotonic() < self.until


class Listings(Generic[Listing]):
    """By question."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: WeightedCache[Hashable, Kept[Listing]] = WeightedCache(
            "listings",
            most_bytes=MOST_BYTES,
            weigh=lambda _question, kept: 900 + kept.bytes,
            is_over=lambda kept: monotonic() >= kept.until,
        )

    def __contains__(self, question: Hashable) -> bool:
        """Whether there is one, be it still true or not."""
        return question in self._kept

    def peek(self, question: Hashable) -> Kept[Listing] | None:
        """The listing with what says that it is true, be it so still or not."""
        return self._kept.get(question)

    def find(self, question: Hashable, circumstances: tuple[Hashable, ...]) -> Listing | None:
        """The listing, if it was made under the same circumstances and its time is not over."""
        kept = self._kept.get(question)
        if kept is None or kept.circumstances != circumstances or not kept.is_fresh:
            return None
        return kept.listing

    def keep(
        self,
        question: Hashable,
        circumstances: tuple[Hashable, ...],
        listing: Listing,
        *,
        seconds: float,
        size_bytes: int,
    ) -> None:
        """For so many seconds from now on, in place of an earlier one. `size_bytes` is what the
        listing keeps alive, now and later.
        """
        until = monotonic() + seconds
        self._kept.put(question, Kept(circumstances, until, listing, size_bytes))
