"""What a service needs, and resources with their hours: as they are stored, for any number at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.core.external_ids import ExternalType
from app.core.hours import ALWAYS_OPEN, ClockRange, DayException, WeeklyRange
from app.core.ids import ProviderId, ResourceId, ServiceId
from app.core.keyset import Keyset
from app.core.needs import Assignment, Needs, ResourceGroup
from app.core.resource import Resource
from app.store.calendars import load_resource_calendars, time_zones
from app.store.external_ids import external_id_is_taken
from app.store.hours import replace_exception, replace_weekly_hours
from app.store.needs import load_needs, replace_needs
from app.store.pool import Pool, transaction
from app.store.resources import (
    count_resources,
    insert_resource,
    resource_page,
    resources_by_ids,
    update_resource,
)
from tests.builders import NOW, Api, a_provider, a_service, key_in

MONDAY = date(2026, 1, 12)


async def a_room(
    api: Api,
    name: str = "Room 1",
    *,
    time_zone: str = "UTC",
    units: int = 1,
    is_always_open: bool = True,
    external_id: str | None = None,
) -> Resource:
    room = Resource(
        id=ResourceId(uuid4()),
        name=name,
        kind="room",
        time_zone=time_zone,
        units=units,
        is_always_open=is_always_open,
        external_id=external_id,
    )
    async with transaction(api.resources.pool) as tx:
        assert await insert_resource(tx, api.organization.id, room, NOW)
    return room


async def needs_of(api: Api, service_id: ServiceId) -> Needs:
    return (await load_needs(api.resources.pool, api.organization.id, [service_id]))[service_id]


async def keep(api: Api, service_id: ServiceId, needs: Needs) -> None:
    async with transaction(api.resources.pool) as tx:
        await replace_needs(tx, api.organization.id, service_id, needs)


async def test_needs_are_read_as_they_were_written(api: Api) -> None:
    """Providers, groups and their resources keep the order that they were named in, which is
    neither that of their ids nor of their names.
    """
    providers = [ProviderId(key_in((await a_provider(api))["id"])) for _ in range(3)]
    service_id = ServiceId(key_in((await a_service(api))["id"]))
    one, two, three = [await a_room(api, name) for name in ("Z", "A", "M")]
    team = Needs(
        provider_ids=(providers[2], providers[0], providers[1]),
        providers_needed=2,
        assignment=Assignment.LEAST_BUSY,
        groups=(
            ResourceGroup(name="room", count=1, resource_ids=(three.id, one.id)),
            ResourceGroup(name="device", count=3, resource_ids=(two.id,)),
        ),
    )
    await keep(api, service_id, team)
    assert await needs_of(api, service_id) == team

    everybody = Needs(provider_ids=tuple(reversed(team.provider_ids)), providers_needed=None)
    await keep(api, service_id, everybody)
    assert await needs_of(api, service_id) == everybody


async def test_a_service_of_an_earlier_version_takes_one_provider(api: Api) -> None:
    """What earlier programs write says nothing of needs: one provider, in the order of ids."""
    providers = sorted([key_in((await a_provider(api))["id"]) for _ in range(3)])
    service_id = uuid4()
    await api.rows(
        """
        INSERT INTO service (organization_id, id, name, duration_minutes, created_at)
        VALUES ($1, $2, 'Old', 30, $3) RETURNING id
        """,
        api.organization.id, service_id, NOW,
    )  # fmt: skip
    for provider in reversed(providers):
        await api.rows(
            """
            INSERT INTO service_provider (organization_id, service_id, provider_id)
            VALUES ($1, $2, $3) RETURNING provider_id
            """,
            api.organization.id, service_id, provider,
        )  # fmt: skip
    needs = await needs_of(api, ServiceId(service_id))
    assert needs == Needs(provider_ids=tuple(ProviderId(each) for each in providers))
    assert needs.is_plain


class Counting:
    """A pool that counts the statements."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.statements = 0

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[asyncpg.Record]:
        self.statements += 1
        return await self._pool.fetch(sql, arguments)

    async def execute(self, sql: str, arguments: Sequence[object]) -> int:
        self.statements += 1
        return await self._pool.execute(sql, arguments)


async def test_needs_of_many_services_are_one_statement(api: Api) -> None:
    services = [ServiceId(key_in((await a_service(api))["id"])) for _ in range(4)]
    room = await a_room(api)
    group = ResourceGroup(name="room", count=1, resource_ids=(room.id,))
    for service_id in services[:2]:
        await keep(api, service_id, Needs(provider_ids=(), groups=(group,)))
    counting = Counting(api.resources.pool)
    found = await load_needs(counting, api.organization.id, [*services, ServiceId(uuid4())])
    assert counting.statements == 1
    assert found.keys() == set(services)
    assert [bool(found[service_id].groups) for service_id in services] == [True, True, False, False]


async def test_a_resource_is_in_one_group_of_a_service_only(api: Api) -> None:
    """The database refuses what the checks of the input would have to let through."""
    service_id = ServiceId(key_in((await a_service(api))["id"]))
    room = await a_room(api)
    twice = tuple(
        ResourceGroup(name=name, count=1, resource_ids=(room.id,)) for name in ("one", "two")
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await keep(api, service_id, Needs(provider_ids=(), groups=twice))


async def test_resource_calendars_hold_the_hours_in_force(api: Api) -> None:
    """Hours of a resource that is always open are kept, and have no effect until it is not."""
    kept = await a_room(api, "kept", is_always_open=False, time_zone="Europe/Berlin", units=3)
    always = await a_room(api, "always")
    weekly, pause = WeeklyRange(0, 540, 1020), WeeklyRange(0, 720, 780, MONDAY, None)
    closed = DayException(date=MONDAY, is_blocked=True)
    other_day = MONDAY.replace(day=20)
    async with transaction(api.resources.pool) as tx:
        for room in (kept, always):
            await replace_weekly_hours(
                tx, api.organization.id, room.id, hours=[weekly], breaks=[pause], new_id=uuid4
            )
            for exception in (
                closed,
                DayException(date=other_day, is_blocked=False, ranges=(ClockRange(60, 120),)),
            ):
                await replace_exception(
                    tx, api.organization.id, room.id, exception, reason=None, new_id=uuid4
                )

    async def load(*ids: ResourceId) -> dict[ResourceId, Any]:
        return await load_resource_calendars(
            api.resources.pool, api.organization.id, ids, MONDAY, MONDAY
        )

    found = await load(kept.id, always.id, ResourceId(uuid4()))
    assert found.keys() == {kept.id, always.id}
    assert found[kept.id].resource == kept
    hours = found[kept.id].hours
    assert (hours.time_zone, hours.weekly, hours.breaks) == ("Europe/Berlin", (weekly,), (pause,))
    assert hours.exceptions == {MONDAY: closed}
    hours = found[always.id].hours
    assert (hours.time_zone, hours.weekly, hours.breaks) == ("UTC", ALWAYS_OPEN, ())
    assert hours.exceptions == {}

    async with transaction(api.resources.pool) as tx:
        opened = Resource(
            id=always.id, name="now", kind="room", time_zone="UTC", is_always_open=False
        )
        await update_resource(tx, api.organization.id, opened)
    assert (await load(always.id))[always.id].hours.weekly == (weekly,)


async def test_a_resource_is_found_in_its_organization_only(api: Api) -> None:
    provider = ProviderId(key_in((await a_provider(api, timeZone="Asia/Tokyo"))["id"]))
    room = await a_room(api, time_zone="America/Havana")
    other = (await api.another_organization()).organization.id
    pool = api.resources.pool
    assert await resources_by_ids(pool, api.organization.id, [room.id]) == {room.id: room}
    assert await resources_by_ids(pool, other, [room.id]) == {}
    assert await load_resource_calendars(pool, other, [room.id], MONDAY, MONDAY) == {}
    assert await time_zones(pool, api.organization.id, [room.id, provider]) == {
        room.id: "America/Havana",
        provider: "Asia/Tokyo",
    }
    assert await time_zones(pool, other, [room.id, provider]) == {}


async def test_resources_are_listed_by_name_as_people_sort(api: Api) -> None:
    rooms = [await a_room(api, name) for name in ("zebra", "Émile", "anna", "Zoo")]
    by_name = [rooms[2], rooms[1], rooms[0], rooms[3]]

    pool, organization_id = api.resources.pool, api.organization.id
    first = (by_name[0].name, by_name[0].id)
    for keyset, ids, search, expected in (
        (Keyset(limit=10), None, None, by_name),
        (Keyset(limit=2, after=first), None, None, by_name[1:3]),
        (Keyset(limit=2, backward=True), None, None, by_name[:1:-1]),
        (Keyset(limit=10), None, "Z", [rooms[0], rooms[3]]),
        (Keyset(limit=10), [rooms[3].id], None, [rooms[3]]),
    ):
        page = await resource_page(pool, organization_id, keyset=keyset, ids=ids, search=search)
        assert page == expected
    assert await count_resources(pool, organization_id, ids=None, search=None) == 4
    assert await count_resources(pool, organization_id, ids=None, search="mil") == 1
    assert await count_resources(pool, organization_id, ids=[rooms[0].id], search=None) == 1


async def test_an_external_id_names_one_resource_of_an_organization(api: Api) -> None:
    room = await a_room(api, external_id="room-1")
    twin = Resource(
        id=ResourceId(uuid4()), name="twin", kind="room", time_zone="UTC", external_id="room-1"
    )
    other = (await api.another_organization()).organization.id
    async with transaction(api.resources.pool) as tx:
        assert not await insert_resource(tx, api.organization.id, twin, NOW)
        tx.roll_back()
    async with transaction(api.resources.pool) as tx:
        assert await insert_resource(tx, other, twin, NOW)
    for organization_id, resource_id, is_taken in (
        (api.organization.id, twin.id, True),
        (api.organization.id, room.id, False),
        (other, room.id, True),
    ):
        async with transaction(api.resources.pool) as tx:
            taken = await external_id_is_taken(
                tx, organization_id, ExternalType.RESOURCE, "room-1", but_by=resource_id
            )
            assert taken is is_taken
