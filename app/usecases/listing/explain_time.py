"""Explain a time: every reason why an instant can't be booked right now, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.party import Party
from app.core.refusals import NotFound
from app.core.slots import UnbookableReason, explain
from app.core.zones import local_date, minute_of, nearest_supported_date
from app.free_times.read import claims_around
from app.usecases.listing.list_availability import load_calendar

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import OrganizationId, ProviderId, ServiceId
    from app.usecases.resources import Resources


async def explain_time(
    resources: Resources,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    service_id: ServiceId | None,
    starts_at: datetime,
) -> tuple[UnbookableReason, ...] | NotFound:
    """Why the instant can't be booked, in the contract's order; empty where it can."""
    # Outside the supported years nobody keeps hours, but who is asked about must exist all the
    # same.
    around = nearest_supported_date(starts_at.date())
    calendar = await load_calendar(
        resources.pool, organization_id, Party(provider_id, service_id), around
    )
    if isinstance(calendar, NotFound):
        return calendar
    if around != starts_at.date():
        past = starts_at < resources.clock()
        return (UnbookableReason.IN_THE_PAST if past else UnbookableReason.BEYOND_HORIZON,)
    day = local_date(calendar.hours.time_zone, minute_of(starts_at))
    claims = await claims_around(resources.pool, organization_id, [calendar], day, day)
    return explain(
        calendar.hours, calendar.rules, claims[provider_id], starts_at, resources.clock()
    )
