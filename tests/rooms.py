"""Services whose visits take teams and rooms, for the tests of listing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.core.changes import RulesChanged
from app.core.ids import OwnerId, ResourceId, ServiceId
from app.core.needs import ResourceGroup
from app.store.needs import load_needs, replace_needs
from app.store.pool import transaction
from app.usecases.events.tell import tell
from tests.builders import Api, Json, a_service, key_in


async def a_team_service(
    api: Api,
    *providers: Json,
    needed: int | None = 1,
    rooms: Sequence[Json] = (),
    of_rooms: int = 1,
    **changes: str | int,
) -> Json:
    """A service of these providers in this order, which takes so many of them and of the rooms."""
    service = await a_service(api, *providers, **changes)  # type: ignore[arg-type]  # values of its input
    await needs_now(api, service, needed=needed, rooms=rooms, of_rooms=of_rooms)
    return service


async def needs_now(
    api: Api,
    service: Json,
    *,
    needed: int | None = 1,
    rooms: Sequence[Json] = (),
    of_rooms: int = 1,
) -> None:
    """From now on the service needs so many providers and rooms."""
    service_id, organization_id = ServiceId(key_in(service["id"])), api.organization.id
    resource_ids = tuple(ResourceId(key_in(room["id"])) for room in rooms)
    async with transaction(api.resources.pool) as tx:
        before = (await load_needs(tx, organization_id, [service_id]))[service_id]
        groups = (ResourceGroup(name="room", count=of_rooms, resource_ids=resource_ids),)
        needs = replace(before, providers_needed=needed, groups=groups if rooms else ())
        await replace_needs(tx, organization_id, service_id, needs)
    changed: tuple[OwnerId, ...] = (service_id, *before.provider_ids)
    await tell(api.resources, RulesChanged(organization_id=organization_id, ids=changed))
