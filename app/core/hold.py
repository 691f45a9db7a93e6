"""Holds: a time claimed for some minutes while somebody fills in a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import HoldId, ProviderId, ResourceId, ServiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold. From `expires_at` on it is as if it were not there; `ended_at` is when it was
    released or used, or its expiry once the sweep has recorded that.

    `provider_id`, `others`, `named` and `resources` are those of the appointment that it becomes.
    """

    id: HoldId
    provider_id: ProviderId
    service_id: ServiceId | None
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    others: tuple[ProviderId, ...] = ()
    named: int = 1
    resources: tuple[ResourceId, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it keeps the time of one provider, who was named, and nothing else."""
        return not self.others and self.named == 1 and not self.resources

    @property
    def providers(self) -> tuple[ProviderId, ...]:
        """All providers whose time it keeps, the lead first."""
        return (self.provider_id, *self.others)

    def stands_at(self, now: datetime) -> bool:
        """Whether it still keeps its time at this instant."""
        return self.ended_at is None and now < self.expires_at
