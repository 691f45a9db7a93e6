"""A session as staff see it: one start of a service with seats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import ProviderId, ResourceId, ServiceId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session, with the seats that appointments and unexpired holds took at the instant at which
    it was read. Its `providers` have the lead first. `ended_at` is when its last seat was given
    back. `version` rises with every change of it, `time_version` whenever its start or providers
    change.
    """

    id: SessionId
    service_id: ServiceId
    providers: tuple[ProviderId, ...]
    resources: tuple[ResourceId, ...]
    starts_at: datetime
    ends_at: datetime
    seats_taken: int
    ended_at: datetime | None
    is_cancelled: bool
    version: int
    time_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Those that start from `from_start` on and before `until_start`; of these services and with
    any of these providers (None: of all). `taken_by` is a provider who must take part.
    """

    from_start: datetime
    until_start: datetime
    service_ids: Sequence[ServiceId] | None = None
    provider_ids: Sequence[ProviderId] | None = None
    taken_by: ProviderId | None = None

    @property
    def parameters(self) -> tuple[object, ...]:
        """As the statements of the list take them."""
        return (
            self.from_start,
            self.until_start,
            self.service_ids,
            self.provider_ids,
            self.taken_by,
        )
