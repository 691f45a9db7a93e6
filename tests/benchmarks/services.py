"""Listing a service over HTTP, by any of its providers, against separate listings of all that it
could take.
"""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from statistics import median

from app.api.words.relay import global_id
from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId
from app.core.needs import Needs, ResourceGroup
from app.core.provider import Service
from app.core.resource import Resource
from app.core.validation import ServiceForm, needs_form
from app.core.viewer import Role, Viewer
from app.process.wiring import open_resources
from app.store.pool import transaction
from app.store.resources import insert_resource
from app.usecases.practice.edit_service import create_service
from app.usecases.resources import Resources
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import load, request
from tests.benchmarks.listing import rates
from tests.benchmarks.rows import Row

WEEKS = 24
MONTHS = 16
PROVIDERS = 50
TEAM, ROOMS = 8, 10

SERVICE = """query ($id: ID!, $from: Date!, $to: Date!) { node(id: $id) { ... on Service {
    availability(from: $from, to: $to, timeZone: "UTC") {
        ... on ServiceAvailability { slots { startsAt endsAt localStart providerIds } } } } } }"""
SEPARATE = """query ($ids: [ID!]!, $serviceId: ID!, $from: Date!, $to: Date!) {
    providers(first: 100, ids: $ids) { nodes {
        availability(from: $from, to: $to, timeZone: "UTC", serviceId: $serviceId) {
            ... on Availability { slots { startsAt endsAt localStart } } } } } }"""


def _dates(first: date, days: int) -> dict[str, str]:
    return {"from": first.isoformat(), "to": (first + timedelta(days=days - 1)).isoformat()}


async def new_service(
    resources: Resources,
    organization_id: OrganizationId,
    name: str,
    needs: Needs,
) -> ServiceId:
    """A service of twenty minutes, by its providers' rules else."""
    admin = Viewer(organization_id=organization_id, role=Role.ADMIN, subject="bench")
    form = ServiceForm(
        name=name,
        duration_minutes=20,
        buffer_before_minutes=0,
        buffer_after_minutes=None,
        slot_interval_minutes=None,
        min_notice_minutes=None,
        max_advance_booking_days=None,
        price=None,
        cancellation_policy=None,
    )
    answer = await create_service(resources, admin, form, needs_form(needs))
    assert isinstance(answer, Service), answer
    return answer.id


async def some_rooms(
    resources: Resources, organization_id: OrganizationId, count: int
) -> tuple[ResourceId, ...]:
    """So many, always open."""
    made = tuple(ResourceId(resources.new_id()) for _ in range(count))
    async with transaction(resources.pool) as tx:
        for number, each in enumerate(made, 1):
            room = Resource(id=each, name=f"Room {number}", kind="room", time_zone="UTC")
            await insert_resource(tx, organization_id, room, resources.clock())
    return made


def _separately(
    providers: tuple[ProviderId, ...], service_id: ServiceId, dates: dict[str, str]
) -> bytes:
    ids = [str(global_id("Provider", each)) for each in providers]
    return request(SEPARATE, ids=ids, serviceId=str(global_id("Service", service_id)), **dates)


def _together(service_id: ServiceId, dates: dict[str, str]) -> bytes:
    return request(SERVICE, id=str(global_id("Service", service_id)), **dates)


async def _cold_ms(port: int, wanted: list[tuple[bytes, bytes]]) -> tuple[float, float]:
    """Medians of the two, asked in turns, each for the first time."""
    ours: list[float] = []
    beside: list[float] = []
    for one, other in wanted:
        for document, took in ((one, ours), (other, beside)):
            done = await load(port, iter([document]), clients=1)
            took.append(done.quantile_ms(0.5))
    return median(ours[1:]), median(beside[1:])


async def measure() -> list[Row]:
    async with worlds.world() as world:
        fifty = world.providers[:PROVIDERS]
        # Nobody is in two of the groups, so nobody's days are there already.
        team = world.providers[PROVIDERS : PROVIDERS + TEAM]
        others = world.providers[100 : 100 + PROVIDERS]
        apart = world.providers[160 : 160 + TEAM + ROOMS]
        async with open_resources(world.settings) as resources:
            organization_id = world.organization_id
            anyone = await new_service(
                resources, organization_id, "Anyone", Needs(provider_ids=fifty)
            )
            each_alone = await new_service(
                resources, organization_id, "Each alone", Needs(provider_ids=others)
            )
            rooms = await some_rooms(resources, organization_id, ROOMS)
            operation = await new_service(
                resources,
                organization_id,
                "Operation",
                Needs(
                    provider_ids=team,
                    providers_needed=3,
                    groups=(ResourceGroup(name="room", count=1, resource_ids=rooms),),
                ),
            )
            eighteen = await new_service(
                resources, organization_id, "Eighteen", Needs(provider_ids=apart)
            )
        with worlds.api(world) as port:
            week = _dates(worlds.MONDAY, 7)
            cached = await rates(
                {
                    "service": (port, _together(anyone, week)),
                    "separate": (port, _separately(fifty, anyone, week)),
                }
            )
            weeks = [_dates(worlds.MONDAY + timedelta(days=7 * n), 7) for n in range(1, WEEKS)]
            cold, cold_apart = await _cold_ms(
                port,
                [
                    (_together(anyone, each), _separately(others, each_alone, each))
                    for each in weeks
                ],
            )
            months = [_dates(worlds.MONDAY + timedelta(days=31 * n), 31) for n in range(MONTHS)]
            month, month_apart = await _cold_ms(
                port,
                [
                    (_together(operation, each), _separately(apart, eighteen, each))
                    for each in months
                ],
            )
    (rate, cpu), (apart_rate, apart_cpu) = cached["service"], cached["separate"]
    return [
        Row(
            what="a service of 50 providers, any of them, a week, cached",
            ours=f"{rate:,.0f}/s, {cpu:.2f} ms of processor",
            beside=f"50 separate cached weeks in one query {apart_rate:,.0f}/s, {apart_cpu:.2f} ms",
            ratio=rate / apart_rate,
            bar=1.5,
        ),
        Row(
            what="the same, cold: time of 50 separate cold weeks, per time of the service's",
            ours=f"{cold:.1f} ms",
            beside=f"{cold_apart:.1f} ms",
            ratio=cold_apart / cold,
            bar=0.83,
        ),
        Row(
            what="3 of 8 providers and one of 10 rooms, a month, cold: time of 18 cold months, per its",
            ours=f"{month:.1f} ms",
            beside=f"{month_apart:.1f} ms",
            ratio=month_apart / month,
            bar=0.67,
        ),
    ]


def main() -> list[Row]:
    return asyncio.run(measure())
