"""Booking visits that take more than a named provider, over HTTP: with a room, against a provider
alone; and a rush on any of five providers.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from app.api.words.relay import global_id
from app.core.ids import ProviderId, ServiceId
from app.core.needs import Needs, ResourceGroup
from app.core.zones import instant_of
from app.process.wiring import open_resources
from app.usecases.listing.list_availability import FreeTimes, SlotQuestion, list_availability
from app.usecases.listing.list_service import ServiceQuestion, ServiceTimes, list_services
from app.usecases.resources import Resources
from tests.benchmarks import world as worlds
from tests.benchmarks.booking import BOOK, RUSH_CLIENTS, RUSH_SLOTS, kind_of
from tests.benchmarks.clients import Load, load, request
from tests.benchmarks.rows import Row
from tests.benchmarks.services import new_service, some_rooms

CLIENTS: Final = 16
ROUNDS: Final = 5
SECONDS: Final = 4
PROVIDERS: Final = 20
ANY: Final = 5


class Wish(NamedTuple):
    """Nobody is named where any provider will do."""

    provider_id: ProviderId | None
    service_id: ServiceId
    starts_at: datetime


def _bookings(wishes: Sequence[Wish], numbers: Iterator[int]) -> Iterator[bytes]:
    """Guests', each with a key and an address of its own."""
    for wish, number in zip(wishes, numbers, strict=False):
        named = (
            {}
            if wish.provider_id is None
            else {"providerId": str(global_id("Provider", wish.provider_id))}
        )
        yield request(
            BOOK,
            input={
                **named,
                "serviceId": str(global_id("Service", wish.service_id)),
                "startsAt": wish.starts_at.isoformat(),
                "customer": {"name": "A Guest", "email": f"guest-{number}@example.com"},
                "customerTimeZone": "Europe/Berlin",
                "idempotencyKey": f"key-{number}",
            },
        )


async def _free(
    resources: Resources, world: worlds.World, services: dict[ProviderId, ServiceId]
) -> list[Wish]:
    """Free starts of each provider with the service, on sixty dates, in any order."""
    last = worlds.MONDAY + timedelta(days=59)
    questions = [
        SlotQuestion(
            provider_id=provider_id,
            service_id=service_id,
            first=worlds.MONDAY,
            last=last,
            time_zone=None,
        )
        for provider_id, service_id in services.items()
    ]
    found: list[Wish] = []
    answers = await list_availability(resources, world.organization_id, questions)
    for (provider_id, service_id), answer in zip(services.items(), answers, strict=True):
        assert isinstance(answer, FreeTimes), answer
        found += [
            Wish(provider_id, service_id, instant_of(start))
            for day in answer.starts_by_date.values()
            for start in day
        ]
    random.Random(3).shuffle(found)
    return found


async def measure() -> list[Row]:
    async with worlds.world() as world:
        organization_id = world.organization_id
        async with open_resources(world.settings) as resources:
            rooms = await some_rooms(resources, organization_id, PROVIDERS)
            alone = {
                provider_id: await new_service(
                    resources,
                    organization_id,
                    f"Alone {number}",
                    Needs(provider_ids=(provider_id,)),
                )
                for number, provider_id in enumerate(world.providers[10 : 10 + PROVIDERS])
            }
            with_room = {
                provider_id: await new_service(
                    resources,
                    organization_id,
                    f"With a room {number}",
                    Needs(
                        provider_ids=(provider_id,),
                        groups=(ResourceGroup(name="room", count=1, resource_ids=(room,)),),
                    ),
                )
                for number, (provider_id, room) in enumerate(
                    zip(world.providers[40 : 40 + PROVIDERS], rooms, strict=True)
                )
            }
            wishes = {
                "alone": await _free(resources, world, alone),
                "room": await _free(resources, world, with_room),
            }
            anyone = await new_service(
                resources,
                organization_id,
                "Any",
                # Of one zone.
                Needs(provider_ids=world.providers[:: len(worlds.ZONES)][:ANY]),
            )
        numbers = iter(range(10**9))
        requests = {name: _bookings(each, numbers) for name, each in wishes.items()}
        done: dict[str, list[Load]] = {name: [] for name in requests}
        with worlds.api(world) as port:
            for each in requests.values():
                await load(port, each, clients=CLIENTS, seconds=2.0)
            for _ in range(ROUNDS):
                for name, each in requests.items():
                    one = await load(port, each, clients=CLIENTS, seconds=SECONDS, kind_of=kind_of)
                    if set(one.kinds) != {"BookingConfirmation"}:
                        raise SystemExit(f"bookings of free times got {dict(one.kinds)}")
                    done[name].append(one)
            rush = await _rush(world, port, anyone)
    rates = {name: median(each.rate for each in loads) for name, loads in done.items()}
    p99 = {name: median(each.quantile_ms(0.99) for each in loads) for name, loads in done.items()}
    return [
        Row(
            what=f"bookings of a provider with a room, {CLIENTS} clients",
            ours=f"{rates['room']:,.0f}/s, p99 {p99['room']:.0f} ms",
            beside=f"of a provider alone {rates['alone']:,.0f}/s, p99 {p99['alone']:.0f} ms",
            ratio=median(
                room.rate / one.rate for room, one in zip(done["room"], done["alone"], strict=True)
            ),
            bar=0.75,
        ),
        rush,
    ]


async def _rush(world: worlds.World, port: int, service_id: ServiceId) -> Row:
    """A thousand clients want twenty starts, at each of which all five providers are free."""
    question = ServiceQuestion(
        service_id, (), worlds.MONDAY, worlds.MONDAY + timedelta(days=59), "UTC"
    )
    async with open_resources(world.settings) as resources:
        [answer] = await list_services(resources, world.organization_id, [question])
    assert isinstance(answer, ServiceTimes), answer
    starts: list[int] = []
    for start, leads in sorted(answer.listed.leads.items()):
        # Far enough apart for all of them.
        if len(leads) == ANY and (not starts or start >= starts[-1] + 60):
            starts.append(start)
    starts = starts[:RUSH_SLOTS]
    assert len(starts) == RUSH_SLOTS, "too few starts at which everybody is free"
    wishes = [
        Wish(None, service_id, instant_of(starts[at % RUSH_SLOTS])) for at in range(RUSH_CLIENTS)
    ]
    done = await load(
        port,
        _bookings(wishes, iter(range(10**9, 2 * 10**9))),
        clients=RUSH_CLIENTS,
        kind_of=kind_of,
    )
    kinds: Counter[str] = Counter(done.kinds)
    return Row(
        what=f"{RUSH_CLIENTS:,} clients at once for {RUSH_SLOTS} slots of any of {ANY} providers",
        ours=", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        + f"; p50 {done.quantile_ms(0.5):,.0f} ms, p99 {done.quantile_ms(0.99):,.0f} ms",
        beside=f"{RUSH_SLOTS * ANY} places",
        ratio=float(kinds["BookingConfirmation"]),
        bar=float(RUSH_SLOTS * ANY),
    )


def main() -> list[Row]:
    return asyncio.run(measure())
