"""Whom and what a visit takes, as appointments and holds keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.ids import ProviderId, ResourceId, SessionId
    from app.core.overrides import RuleSetAside


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """`provider_id` is the lead; `others` are taken with the lead, in order, and so are
    `resources`. The wish named the first `named` of all providers, who stay in a move; the rest
    were assigned.

    In a session it takes `seats`, and the time of all these is the session's; otherwise it has one
    seat, and time of its own. `ignored` are the rules of time that were set aside for it.
    """

    provider_id: ProviderId
    others: tuple[ProviderId, ...] = ()
    named: int = 1
    resources: tuple[ResourceId, ...] = ()
    session_id: SessionId | None = None
    seats: int = 1
    ignored: frozenset[RuleSetAside] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Whether it takes one provider, who was named, and nothing else; seats play no part."""
        return not self.others and self.named == 1 and not self.resources

    @property
    def providers(self) -> tuple[ProviderId, ...]:
        """All providers that it takes, the lead first."""
        return (self.provider_id, *self.others)
