"""Find providers: in the calendars cached here, if they are unchanged, else in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.providers import providers_by_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import OrganizationId, ProviderId
    from app.core.provider import Calendar, Provider
    from app.free_times.calendars import KnownCalendar
    from app.free_times.shared import Stamp
    from app.usecases.resources import Resources


async def find_providers(
    resources: Resources,
    organization_id: OrganizationId,
    provider_ids: Sequence[ProviderId],
    stamps: dict[ProviderId, Stamp],
) -> dict[ProviderId, Provider]:
    """Those that exist. The stamps seen on the way are added to `stamps`, which belongs to one
    operation.
    """
    known = await known_calendars(resources, organization_id, provider_ids, stamps)
    found = {provider_id: each.calendar.provider for provider_id, each in known.items()}
    missing = [provider_id for provider_id in provider_ids if provider_id not in found]
    return found | (
        await providers_by_ids(resources.pool, organization_id, missing) if missing else {}
    )


async def known_calendars(
    resources: Resources,
    organization_id: OrganizationId,
    provider_ids: Sequence[ProviderId],
    stamps: dict[ProviderId, Stamp],
) -> dict[ProviderId, KnownCalendar[Calendar]]:
    """Of providers who were read here before, and have not changed since. Stamps are added as
    above.
    """
    calendars = resources.accelerator.calendars
    known = {
        provider_id: calendar
        for provider_id in provider_ids
        if (calendar := calendars.latest(organization_id, provider_id)) is not None
    }
    if not known:
        return {}
    seen = await resources.accelerator.shared.stamps(organization_id, known)
    stamps |= seen
    return {
        provider_id: known[provider_id]
        for provider_id, stamp in seen.items()
        if stamp.rules == known[provider_id].rules_part
    }
