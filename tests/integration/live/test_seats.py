"""Live free times of services with seats: as parties join and leave, and holds of seats end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeAlias

from app.api.graph.subscriptions import AvailabilityChange, ServiceAvailabilityChange
from app.core.refusals import InvalidInput
from app.live.board import DayShown
from app.live.rulebooks import ServiceRulebook
from tests.builders import TODAY, Api, Json, a_provider, a_resource, a_service, made, weekly
from tests.integration.live.subscriber import WATCHFUL, Subscriber, a_process, joined
from tests.integration.live.test_availability import DAYS, UPDATE_SERVICE, change, instants
from tests.lives import cancel, move
from tests.visits import a_visit, try_hold

Watching: TypeAlias = Callable[..., Subscriber]

HOURS = weekly("09:00", "11:00")
NINE, TEN = "2026-01-12T09:00:00Z", "2026-01-12T10:00:00Z"

OF_SERVICE = """
    query ($id: ID!, $day: Date!, $zone: TimeZone!, $seats: Int) {
        node(id: $id) { ... on Service {
            availability(from: $day, to: $day, timeZone: $zone, seats: $seats) {
                ... on ServiceAvailability { slots { startsAt endsAt localEnd seatsLeft providerIds } }
            }
        } }
    }
"""
OF_PROVIDER = """
    query ($id: ID!, $serviceId: ID!, $day: Date!, $zone: TimeZone) {
        provider(id: $id) {
            availability(from: $day, to: $day, timeZone: $zone, serviceId: $serviceId) {
                ... on Availability { slots { startsAt endsAt localStart seatsLeft } }
            }
        }
    }
"""


def left(shown: DayShown) -> dict[str, int]:
    """How many seats are left, by start."""
    return dict(zip(instants(shown), (each.left for each in shown.content.at), strict=True))


async def until(subscriber: Subscriber, seats: dict[str, int]) -> None:
    """Until that is the last word about today."""
    while not any(left(shown) == seats for shown in subscriber.lasts(TODAY)):
        await subscriber.next()


async def test_seats_that_are_taken_and_given_back_elsewhere_are_changes(
    api: Api, watching: Watching, watching_service: Watching
) -> None:
    ada, bea = [await a_provider(api, weeklyHours=HOURS) for _ in range(2)]
    yoga = await a_service(api, ada, bea, durationMinutes=60, seats=4)
    async with a_process(api, WATCHFUL) as here:
        anybody = watching_service(here, yoga)
        three = watching_service(here, yoga, ada, seats=3)
        of_ada = watching(here, ada, service=yoga)
        everything = (anybody, three, of_ada)
        for subscriber in everything:
            await until(subscriber, {NINE: 4, TEN: 4})
        await joined(here, api)
        booked = await a_visit(api, yoga, NINE, ada)
        await until(three, {NINE: 3, TEN: 4})
        await until(of_ada, {NINE: 3, TEN: 4})
        await anybody.hears_nothing()
        await a_visit(api, yoga, NINE, bea, seats=2)
        await until(anybody, {NINE: 3, TEN: 4})
        hold = made(await try_hold(api, yoga, NINE, ada, seats=2), "Hold")
        await until(anybody, {NINE: 2, TEN: 4})
        await until(of_ada, {NINE: 1, TEN: 4})
        await until(three, {TEN: 4})
        expires_at = datetime.fromisoformat(hold["expiresAt"])
        api.clock.set(expires_at - timedelta(microseconds=1))
        for subscriber in everything:
            await subscriber.hears_nothing()
        api.clock.set(expires_at)
        await until(anybody, {NINE: 3, TEN: 4})
        await until(of_ada, {NINE: 3, TEN: 4})
        await until(three, {NINE: 3, TEN: 4})
        await move(api, booked, TEN)
        await until(of_ada, {NINE: 4, TEN: 3})
        await until(three, {NINE: 4, TEN: 3})
        await cancel(api, booked)
        await until(of_ada, {NINE: 4, TEN: 4})
        await change(api, UPDATE_SERVICE, id=yoga["id"], seats=2)
        await until(of_ada, {NINE: 2, TEN: 2})
        await until(three, {})


async def test_a_watched_provider_of_a_team_shows_what_can_be_booked_with_them_as_lead(
    api: Api, watching: Watching
) -> None:
    """Also as the service comes to need others, and no longer does."""
    ada, bea = [await a_provider(api, weeklyHours=HOURS) for _ in range(2)]
    room = await a_resource(api)
    service = await a_service(api, ada, bea, durationMinutes=60)
    async with a_process(api) as here:
        subscriber = watching(here, ada, service=service)
        await subscriber.until(["09:00", "10:00"])
        await joined(here, api)
        busy = await a_visit(api, await a_service(api, bea, durationMinutes=60), NINE)
        await change(api, UPDATE_SERVICE, id=service["id"], providersNeeded=2)
        await subscriber.until(["10:00"])
        await cancel(api, busy)
        await subscriber.until(["09:00", "10:00"])
        needs = [{"name": "room", "resourceIds": [room["id"]]}]
        await change(api, UPDATE_SERVICE, id=service["id"], providersNeeded=1, needs=needs)
        other = await a_service(api, bea, durationMinutes=60, needs=needs)
        await a_visit(api, other, TEN)
        await subscriber.until(["09:00"])
        await change(api, UPDATE_SERVICE, id=service["id"], needs=[])
        await subscriber.until(["09:00", "10:00"])


async def test_so_many_seats_can_not_be_watched(api: Api, watching_service: Watching) -> None:
    yoga = await a_service(api, await a_provider(api), seats=4)
    async with a_process(api) as here:
        for seats in (0, 1_001):
            refusal = await watching_service(here, yoga, seats=seats).refused()
            assert isinstance(refusal, InvalidInput)
            assert refusal.field == "seats"


class Parties:
    """Book, hold and give back seats at random."""

    def __init__(self, api: Api, services: list[Json], chance: random.Random) -> None:
        self.api = api
        self.services = services
        self.chance = chance
        self.booked: list[Json] = []

    async def act(self) -> None:
        api, chance = self.api, self.chance
        service, seats, wish = (
            chance.choice(self.services),
            chance.choice([1, 1, 2]),
            chance.random(),
        )
        if self.booked and wish < 0.3:
            await cancel(api, self.booked.pop(chance.randrange(len(self.booked))))
            return
        if wish > 0.9:
            api.clock.set(api.clock.now + timedelta(minutes=4))
        free = await listed(api, service, chance.choice(DAYS), "UTC", seats)
        if not free:
            return
        start = chance.choice(free)["startsAt"]
        if wish < 0.5:
            made(await try_hold(api, service, start, seats=seats), "Hold")
        else:
            self.booked.append(await a_visit(api, service, start, seats=seats))


async def listed(api: Api, service: Json, day: date, zone: str, seats: int) -> list[Json]:
    asked: Json = {"id": service["id"], "day": str(day), "zone": zone, "seats": seats}
    found: list[Json] = (await api.ask(OF_SERVICE, **asked))["node"]["availability"]["slots"]
    return found


async def listed_of(
    api: Api, provider: Json, service: Json, day: date, zone: str | None
) -> list[Json]:
    asked: Json = {"id": provider["id"], "serviceId": service["id"], "day": str(day), "zone": zone}
    data = await api.ask(OF_PROVIDER, **asked)
    found: list[Json] = data["provider"]["availability"]["slots"]
    return found


async def test_whatever_happens_to_seats_the_last_word_is_what_is_listed(
    api: Api, watching: Watching, watching_service: Watching
) -> None:
    """Of services and of providers, through several processes, in any zone."""
    chance = random.Random(20_260_114)
    providers = [
        await a_provider(api, timeZone=zone, weeklyHours=weekly("09:00", "13:00"))
        for zone in ("UTC", "Europe/Berlin")
    ]
    yoga = await a_service(api, *providers, durationMinutes=60, seats=3)
    duet = await a_service(api, *providers, providersNeeded=2, durationMinutes=45, seats=2)
    async with a_process(api, WATCHFUL) as one, a_process(api, WATCHFUL) as two:
        of_services = [
            (service, zone, seats, watching_service(process, service, **dates(), **party))
            for service, process in ((yoga, one), (duet, two))
            for zone in ("UTC", "Asia/Kathmandu")
            for seats in (1, 2)
            for party in ({"time_zone": zone, "seats": seats},)
        ]
        of_providers = [
            (service, zone, provider, watching(process, provider, **dates(), **of))
            for service, process in ((yoga, two), (duet, one))
            for zone in (None, "Asia/Kathmandu")
            for provider in providers
            for of in ({"time_zone": zone, "service": service},)
        ]
        subscribers = [each[-1] for each in (*of_services, *of_providers)]
        for subscriber in subscribers:
            await subscriber.snapshot(len(DAYS))
        await joined(one, api, processes=2)
        parties = Parties(api, [yoga, duet], chance)
        for _ in range(25):
            await parties.act()
            await asyncio.gather(
                *(each.next_within(0.01) for each in chance.sample(subscribers, 3))
            )
        for day in DAYS:
            for service, zone, seats, subscriber in of_services:
                truth = await listed(api, service, day, zone, seats)
                while of_service(subscriber.lasts(day)[0]) != truth:
                    await subscriber.next()
            for service, own_zone, provider, subscriber in of_providers:
                truth = await listed_of(api, provider, service, day, own_zone)
                while of_provider(subscriber.lasts(day)[0]) != truth:
                    await subscriber.next()
        for subscriber in subscribers:
            assert len(subscriber.received) > len(DAYS)


def dates() -> dict[str, date]:
    return {"first": DAYS[0], "last": DAYS[-1]}


def of_service(shown: DayShown) -> list[Json]:
    """The slots as the API shows them."""
    assert isinstance(shown.rulebook, ServiceRulebook)
    slots = ServiceAvailabilityChange.of(shown, "").slots()
    return [
        {
            "startsAt": each.starts_at,
            "endsAt": each.ends_at,
            "localEnd": each.local_end,
            "seatsLeft": each.seats_left,
            "providerIds": each.provider_ids,
        }
        for each in slots
    ]


def of_provider(shown: DayShown) -> list[Json]:
    slots = AvailabilityChange.of(shown).slots()
    return [
        {
            "startsAt": each.starts_at,
            "endsAt": each.ends_at,
            "localStart": each.local_start,
            "seatsLeft": each.seats_left,
        }
        for each in slots
    ]
