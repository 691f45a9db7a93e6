"""Live free times of services: after every change of time, hours or rules of a provider or
resource, and of the service's needs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

from app.api.words.relay import global_id
from app.core.refusals import InvalidDateRange, InvalidInput, NotFound
from app.live.board import DayShown
from tests.builders import TODAY, Api, a_provider, a_resource, a_service, unknown, weekly
from tests.integration.live.subscriber import (
    PATIENCE_SECONDS,
    SUSPICIOUS,
    WATCHFUL,
    Subscriber,
    a_process,
    joined,
    until,
)
from tests.integration.live.test_availability import (
    DAYS,
    UPDATE_PROVIDER,
    UPDATE_SERVICE,
    WEEKLY,
    Customers,
    change,
    instants,
)
from tests.integration.live.test_outages import cancel_without_a_word
from tests.integration.test_service_availability import needing, offered
from tests.lives import booked, cancel, held, move
from tests.visits import ids_of

Watching: TypeAlias = Callable[..., Subscriber]

HOURS = weekly("09:00", "12:00")
UPDATE_RESOURCE = """
    mutation ($input: UpdateResourceInput!) {
        answer: updateResource(input: $input) { __typename ... on UserError { message } }
    }
"""


def leads(shown: DayShown) -> dict[str, list[str]]:
    """Who can lead, by start."""
    return {
        start: [str(global_id("Provider", each)) for each in several]
        for start, several in zip(instants(shown), shown.content.leads, strict=True)
    }


async def test_a_date_comes_again_when_others_can_lead_at_the_same_starts(
    api: Api, watching_service: Watching
) -> None:
    ada, bea = [await a_provider(api, weeklyHours=HOURS) for _ in range(2)]
    service = await a_service(api, ada, bea, durationMinutes=60)
    async with a_process(api) as here:
        subscriber = watching_service(here, service, last=TODAY + timedelta(days=2))
        first, *_ = await subscriber.snapshot(3)
        assert leads(first) == await offered(api, service)
        await joined(here, api)
        appointment = await booked(api, ada, "2026-01-12T10:00Z")
        second = await subscriber.next()
        assert instants(second) == instants(first)
        assert leads(second)["2026-01-12T10:00:00Z"] == [bea["id"]]
        await booked(api, bea, "2026-01-12T10:00Z")
        await subscriber.until(["09:00", "11:00"])
        await move(api, appointment, "2026-01-13T09:00Z")
        await subscriber.until(["09:00", "10:00", "11:00"])
        tomorrow = subscriber.lasts(TODAY + timedelta(days=1))[0]
        if leads(tomorrow)["2026-01-13T09:00:00Z"] != [bea["id"]]:
            tomorrow = await subscriber.next()
        assert leads(tomorrow)["2026-01-13T09:00:00Z"] == [bea["id"]]
        await cancel(api, appointment)
        assert leads(await subscriber.next())["2026-01-13T09:00:00Z"] == ids_of([ada, bea])
        await subscriber.hears_nothing()


async def test_rooms_and_needs_are_changes(api: Api, watching_service: Watching) -> None:
    ada, bea = [await a_provider(api, weeklyHours=HOURS) for _ in range(2)]
    room = await a_resource(api, alwaysOpen=False, weeklyHours=weekly("10:00", "14:00"))
    service = await a_service(api, ada, bea, needs=needing(room), durationMinutes=60)
    async with a_process(api) as here:
        subscriber = watching_service(here, service)
        await subscriber.until(["10:00", "11:00"])
        await joined(here, api)
        await change(api, WEEKLY, resourceId=room["id"], hours=weekly("09:00", "11:00"))
        await subscriber.until(["09:00", "10:00"])
        await change(api, UPDATE_RESOURCE, id=room["id"], alwaysOpen=True)
        await subscriber.until(["09:00", "10:00", "11:00"])
        await change(api, UPDATE_RESOURCE, id=room["id"], units=2)
        await change(api, UPDATE_SERVICE, id=service["id"], needs=needing(room, count=2))
        await subscriber.hears_nothing()
        await change(api, UPDATE_RESOURCE, id=room["id"], units=1)
        await subscriber.until([])
        await change(api, UPDATE_SERVICE, id=service["id"], needs=needing(room))
        await subscriber.until(["09:00", "10:00", "11:00"])
        await booked(api, bea, "2026-01-12T10:00Z")
        await change(api, UPDATE_SERVICE, id=service["id"], providersNeeded=2, needs=[])
        await subscriber.until(["09:00", "11:00"])


async def test_time_alone_changes_it_by_anybodys_notice_and_at_the_end_of_a_hold(
    api: Api, watching_service: Watching
) -> None:
    """The clock reads eight; who only takes part wants an hour's notice."""
    ada = await a_provider(api, weeklyHours=HOURS)
    bea = await a_provider(api, weeklyHours=weekly("08:30", "12:30"), minNoticeMinutes=60)
    service = await a_service(api, ada, bea, providersNeeded=2, durationMinutes=60)
    async with a_process(api, WATCHFUL) as here:
        subscriber = watching_service(here, service, ada)
        await subscriber.until(["09:00", "10:00", "11:00"])
        api.clock.set("2026-01-12T08:00:00.000001Z")
        await subscriber.until(["10:00", "11:00"])
        await joined(here, api)
        hold = await held(api, bea, "2026-01-12T11:30Z")
        await subscriber.until(["10:00"])
        expires_at = datetime.fromisoformat(hold["expiresAt"])
        api.clock.set(expires_at - timedelta(microseconds=1))
        await subscriber.hears_nothing()
        api.clock.set(expires_at)
        await subscriber.until(["10:00", "11:00"])


async def test_a_change_without_an_event_is_found_and_the_cached_list_invalidated(
    api: Api, watching_service: Watching
) -> None:
    ada, bea = [await a_provider(api, weeklyHours=HOURS) for _ in range(2)]
    service = await a_service(api, ada, bea, providersNeeded=2, durationMinutes=60)
    appointment = await booked(api, bea, "2026-01-12T10:00Z")
    async with a_process(api, SUSPICIOUS) as here:
        subscriber = watching_service(here, service)
        await subscriber.until(["09:00", "11:00"])
        for _ in range(3):
            assert len(await offered(api, service)) == 2
        await joined(here, api)
        await cancel_without_a_word(here, api, appointment)
        await subscriber.until(["09:00", "10:00", "11:00"])
        await until(lambda: here.feed.counts.repaired > 0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(await offered(api, service)) != 3:
                pass


async def test_what_can_not_be_watched_is_refused_by_name(
    api: Api, watching_service: Watching
) -> None:
    ada, bea = [await a_provider(api) for _ in range(2)]
    service = await a_service(api, ada)
    async with a_process(api) as here:
        for subscriber, refusal in (
            (watching_service(here, {"id": unknown("Service")}), NotFound),
            (watching_service(here, service, bea), NotFound),
            (watching_service(here, service, ada, ada), InvalidInput),
            (watching_service(here, service, last=TODAY + timedelta(days=62)), InvalidDateRange),
            (watching_service(here, service, time_zone="Mars/Olympus"), InvalidInput),
        ):
            assert isinstance(await subscriber.refused(), refusal)


async def test_whatever_happens_the_last_word_is_what_the_service_lists(
    api: Api, watching_service: Watching
) -> None:
    """Through several processes, in any zone, at any speed."""
    chance = random.Random(20_260_113)
    providers = [
        await a_provider(api, timeZone=zone, weeklyHours=weekly("09:00", "15:00"), bufferMinutes=15)
        for zone in ("UTC", "Europe/Berlin", "Africa/Lagos")
    ]
    services = [
        await a_service(api, *providers, durationMinutes=45),
        await a_service(api, *providers, providersNeeded=2, durationMinutes=45),
    ]
    async with a_process(api) as one, a_process(api) as two:
        subscribers = [
            (service, zone, watching_service(process, service, last=DAYS[-1], time_zone=zone))
            for service in services
            for zone in ("UTC", "Asia/Kathmandu")
            for process in (one, two)
        ]
        for _, _, subscriber in subscribers:
            await subscriber.snapshot(len(DAYS))
        await joined(one, api, processes=2)
        customers = Customers(api, providers, chance)
        for _ in range(15):
            await asyncio.gather(
                *(customers.act() for _ in range(3)),
                *(
                    subscriber.next_within(0.01)
                    for _, _, subscriber in chance.sample(subscribers, 3)
                ),
            )
        for service, zone, subscriber in subscribers:
            for day in DAYS:
                listed = await offered(api, service, day, zone=zone)
                while leads(subscriber.lasts(day)[0]) != listed:
                    await subscriber.next()
        for _, _, subscriber in subscribers:
            await subscriber.hears_nothing()
        assert sum(len(subscriber.received) for _, _, subscriber in subscribers) > 60


async def test_a_watched_friday_closes_with_a_booking_on_monday_and_opens_as_a_hold_expires(
    api: Api, watching_service: Watching
) -> None:
    """By a limit on the week."""
    friday = TODAY + timedelta(days=4)
    ada = await a_provider(api, weeklyHours=HOURS, limits=[{"period": "WEEK", "maxVisits": 2}])
    service = await a_service(api, ada, durationMinutes=60)
    async with a_process(api, WATCHFUL) as here:
        subscriber = watching_service(here, service, first=friday, last=friday)
        await subscriber.until(["09:00", "10:00", "11:00"], friday)
        await joined(here, api)
        monday = await booked(api, ada, "2026-01-12T09:00Z")
        hold = await held(api, ada, "2026-01-12T10:00Z")
        await subscriber.until([], friday)
        api.clock.set(hold["expiresAt"])
        await subscriber.until(["09:00", "10:00", "11:00"], friday)
        await change(
            api, UPDATE_PROVIDER, id=ada["id"], limits=[{"period": "WEEK", "maxVisits": 1}]
        )
        await subscriber.until([], friday)
        await move(api, monday, "2026-01-19T09:00Z")
        await subscriber.until(["09:00", "10:00", "11:00"], friday)
