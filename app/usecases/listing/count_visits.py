"""Count visits: what has to be read where limits are in force. Without any, nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.limits import instants_counted
from app.core.party import Party
from app.core.zones import minute_of
from app.store.calendars import load_led_claims

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from app.core.ids import AppointmentId, OrganizationId, ProviderId
    from app.core.provider import Calendar
    from app.core.slots import Claim
    from app.core.zones import Interval
    from app.store.sql import Executor


def instants_to_count(
    calendars: Iterable[Calendar], starts: Collection[datetime]
) -> list[Interval]:
    """When visits start that the providers' own limits count for visits at these starts."""
    return [
        interval
        for each in calendars
        if each.provider.limits
        for start in starts
        for interval in instants_counted(
            each.provider.limits, each.hours.time_zone, minute_of(start)
        )
    ]


async def load_led(
    on: Executor,
    organization_id: OrganizationId,
    calendars: Iterable[Calendar],
    starts: Collection[datetime],
    *,
    without: AppointmentId | None = None,
) -> dict[ProviderId, list[Claim]]:
    """The claims that a service's limits count for visits at these starts, of each provider that it
    has limits for: those of its visits that the provider leads, but for those of one appointment.
    """
    parties: list[Party] = []
    instants: list[Interval] = []
    for each in calendars:
        service, zone = each.service, each.hours.time_zone
        if service is not None and service.limits:
            parties.append(Party(each.provider.id, service.id))
            for start in starts:
                instants += instants_counted(service.limits, zone, minute_of(start))
    if not instants:
        return {}
    found = await load_led_claims(
        on,
        organization_id,
        parties,
        min(first for first, _ in instants),
        max(until for _, until in instants),
        without=without,
    )
    return {party.provider_id: claims for party, claims in found.items()}
