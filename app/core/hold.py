"""Holds: a time claimed for some minutes while somebody fills in a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.taken import Taken

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import HoldId, ServiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Taken):
    """A hold. From `expires_at` on it is as if it were not there; `ended_at` is when it was
    released or used, or its expiry once the sweep has recorded that.

    It takes what the appointment that it becomes takes.
    """

    id: HoldId
    service_id: ServiceId | None
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    def is_active_at(self, now: datetime) -> bool:
        """Whether it still keeps its time at this instant."""
        return self.ended_at is None and now < self.expires_at
