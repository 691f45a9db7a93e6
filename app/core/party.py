"""Whom a question about time is about: one value from the request to the caches and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from app.core.ids import ProviderId, ServiceId


class Party(NamedTuple):
    """A provider, by the rules in force for a service: its own where it has some, else the
    provider's. Without a service, the provider's rules are in force.
    """

    provider_id: ProviderId
    service_id: ServiceId | None = None
