"""What this process knows about the revocation of tokens, for some seconds each."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.ids import OrganizationId

KNOWN_SECONDS: Final = 10.0
"""How long an answer is believed: a revoked token is refused everywhere after so long at most."""

MOST_KNOWN: Final = 20_000
"""Answers kept at once, some 200 bytes each; the ones given longest ago go first."""


class Revocations:
    """Whether tokens were revoked, as PostgreSQL said lately. A revocation is never taken back, so
    it is kept.
    """

    __slots__ = ("_known", "_seconds")

    def __init__(self, *, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._known: OrderedDict[tuple[OrganizationId, str], tuple[bool, float]] = OrderedDict()

    def known(self, organization_id: OrganizationId, token_id: str) -> bool | None:
        """Whether the token is revoked; None where that has to be asked."""
        found = self._known.get((organization_id, token_id))
        if found is None or (not found[0] and self._seconds() - found[1] > KNOWN_SECONDS):
            return None
        return found[0]

    def asked_at(self) -> float:
        """To be taken before asking, and given to `remember`."""
        return self._seconds()

    def remember(
        self, organization_id: OrganizationId, token_id: str, asked_at: float, *, revoked: bool
    ) -> None:
        """What PostgreSQL said when it was asked."""
        key = (organization_id, token_id)
        self._known[key] = (revoked, asked_at)
        self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
