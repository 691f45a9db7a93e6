"""Pages by keyset: a page is the rows strictly between two sort keys, so that it never shifts when
rows come and go.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """At most `limit` rows after `after` and before `before`, each a (value, id) or None where
    nothing bounds.

    Where `backward`, the last such rows, in descending order.
    """

    limit: int
    backward: bool = False
    after: tuple[object, ...] | None = None
    before: tuple[object, ...] | None = None

    @property
    def bounds(self) -> tuple[object, ...]:
        """The two keys as the four parameters of a page's statement."""
        return *(self.after or (None, None)), *(self.before or (None, None))

    @property
    def reversed(self) -> Keyset:
        """The same rows of a list, where the list is the other one read from its end."""
        return Keyset(
            limit=self.limit, backward=not self.backward, after=self.before, before=self.after
        )
