"""What this process knows about the revocation of tokens, for some seconds each."""

from __future__ import annotations

from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from app.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.ids import OrganizationId

KNOWN_SECONDS: Final = 10.0
"""How long an answer is cached: after this time at most, every process refuses a revoked token."""

MOST_BYTES: Final = 8 * 1024 * 1024
"""Some 15,000 answers."""

_FIXED_BYTES: Final = 250

_Key: TypeAlias = "tuple[OrganizationId, str]"


class Revocations:
    """PostgreSQL's recent answers on whether tokens were revoked. A revocation is final, so it is
    kept.
    """

    __slots__ = ("_known", "_seconds")

    def __init__(self, *, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._known: WeightedCache[_Key, tuple[bool, float]] = WeightedCache(
            "revocations", most_bytes=MOST_BYTES, weigh=_weigh, is_over=self._is_over
        )

    def known(self, organization_id: OrganizationId, token_id: str) -> bool | None:
        """Whether the token is revoked; None where PostgreSQL has to be asked."""
        found = self._known.get((organization_id, token_id))
        return None if found is None or self._is_over(found) else found[0]

    def _is_over(self, answer: tuple[bool, float]) -> bool:
        revoked, asked_at = answer
        return not revoked and self._seconds() - asked_at > KNOWN_SECONDS

    def asked_at(self) -> float:
        """To be taken before asking, and given to `remember`."""
        return self._seconds()

    def remember(
        self, organization_id: OrganizationId, token_id: str, asked_at: float, *, revoked: bool
    ) -> None:
        """Keep PostgreSQL's answer."""
        self._known.put((organization_id, token_id), (revoked, asked_at))


def _weigh(token: _Key, _answer: tuple[bool, float]) -> int:
    return _FIXED_BYTES + getsizeof(token[1])
