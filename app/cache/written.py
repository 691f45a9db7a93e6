"""Serialized lists of an answer, kept with that answer for exactly as long as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

TEXT_BYTES: Final = 1_000
"""What a text takes besides itself: its key keeps alive what wrote it."""


class WrittenLists:
    """Texts by what they were written for, as many as fit. An answer reserves their maximum size in
    advance, and counts with it in the cache that keeps it.
    """

    __slots__ = ("_texts", "bytes_left")

    def __init__(self, most_bytes: int) -> None:
        self.bytes_left = most_bytes
        self._texts: dict[Hashable, bytes] = {}

    def get(self, key: Hashable) -> bytes | None:
        """The text that was written for this."""
        return self._texts.get(key)

    def keep(self, key: Hashable, text: bytes) -> None:
        """Keep the text, if it fits."""
        size = len(text) + TEXT_BYTES
        if size <= self.bytes_left:
            self.bytes_left -= size
            self._texts[key] = text
