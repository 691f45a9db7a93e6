"""Booking seats in existing sessions over HTTP, against plain bookings."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import count
from statistics import median

from app.api.words.relay import global_id
from app.core.ids import ProviderId, ServiceId
from app.core.needs import Needs
from app.core.validation import ContactForm
from app.core.viewer import Viewer
from app.process.wiring import open_resources
from app.usecases.booking.answer import Booked
from app.usecases.booking.book_appointment import BookingForm, book_appointment
from app.usecases.resources import Resources
from tests.benchmarks import world as worlds
from tests.benchmarks.booking import BOOK, CLIENTS, ROUNDS, SECONDS, booking, free, kind_of
from tests.benchmarks.clients import Load, load, request
from tests.benchmarks.rows import Row
from tests.benchmarks.services import new_service

CLASSES = 40
SESSIONS = 10
"""Of each class."""
SEATS = 1_000


async def _sessions(
    resources: Resources, world: worlds.World, providers: Sequence[ProviderId]
) -> list[tuple[ServiceId, datetime]]:
    """Sessions of one class of each of these, with a first party in each."""
    first: dict[ProviderId, dict[date, datetime]] = {each: {} for each in providers}
    for provider, start in sorted(await free(resources, world, providers)):
        # A provider's first start of a day is on every grid.
        first[provider].setdefault(start.date(), start)
    found: list[tuple[ServiceId, datetime]] = []
    for provider, starts in first.items():
        needs = Needs(provider_ids=(provider,), seats=SEATS)
        service = await new_service(resources, world.organization_id, f"Class {provider}", needs)
        opened = 0
        for start in starts.values():
            if opened < SESSIONS and await _open(resources, world, service, start):
                found.append((service, start))
                opened += 1
    return found


async def _open(
    resources: Resources, world: worlds.World, service: ServiceId, start: datetime
) -> bool:
    answer = await book_appointment(
        resources,
        Viewer(organization_id=world.organization_id),
        BookingForm(
            provider_id=None,
            service_id=service,
            starts_at=start,
            duration_minutes=None,
            customer=ContactForm(
                name="A Guest", email=f"first-{service}@example.com", phone=None, locale=None
            ),
            customer_time_zone="Europe/Berlin",
            notes=None,
            idempotency_key=f"{service}-{start}",
        ),
    )
    return isinstance(answer, Booked)


def _seat(service: ServiceId, start: datetime, number: int) -> bytes:
    return request(
        BOOK,
        input={
            "serviceId": str(global_id("Service", service)),
            "startsAt": start.isoformat(),
            "customer": {"name": "A Guest", "email": f"guest-{number}@example.com"},
            "customerTimeZone": "Europe/Berlin",
            "idempotencyKey": f"seat-{number}",
        },
    )


def _seats(sessions: Sequence[tuple[ServiceId, datetime]]) -> Iterator[bytes]:
    chance = random.Random(5)
    for number in count(10**9):
        yield _seat(*chance.choice(sessions), number)


async def measure() -> list[Row]:
    async with worlds.world() as world:
        async with open_resources(world.settings) as resources:
            sessions = await _sessions(resources, world, world.providers[:CLASSES])
            wanted = await free(resources, world, world.providers[CLASSES:])
        requests = {
            "seats": _seats(sessions),
            "plain": (booking(*each, number) for number, each in enumerate(wanted)),
        }
        done: dict[str, list[Load]] = {name: [] for name in requests}
        with worlds.api(world) as port:
            for each in requests.values():
                await load(port, each, clients=CLIENTS, seconds=2.0)
            for _ in range(ROUNDS):
                for name, each in requests.items():
                    found = await load(
                        port, each, clients=CLIENTS, seconds=SECONDS, kind_of=kind_of
                    )
                    if set(found.kinds) != {"BookingConfirmation"}:
                        raise SystemExit(f"{name} were answered with {dict(found.kinds)}")
                    done[name].append(found)
    rate = {name: median(each.rate for each in loads) for name, loads in done.items()}
    p99 = {name: median(each.quantile_ms(0.99) for each in loads) for name, loads in done.items()}
    return [
        Row(
            what=f"bookings of a seat in {len(sessions)} existing sessions, {CLIENTS} clients",
            ours=f"{rate['seats']:,.0f}/s, p99 {p99['seats']:.0f} ms",
            beside=f"plain bookings {rate['plain']:,.0f}/s, p99 {p99['plain']:.0f} ms",
            ratio=rate["seats"] / rate["plain"],
            bar=0.9,
        )
    ]


def main() -> list[Row]:
    return asyncio.run(measure())
