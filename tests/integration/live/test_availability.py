"""Live free times: after every kind of change, as time passes, across processes, and without
duplicates.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import pytest

from app.api.words.relay import global_id
from app.core.ids import ProviderId
from app.core.refusals import InvalidDateRange, InvalidInput, NotFound
from app.core.zones import instant_of
from app.live.board import DayShown
from app.live.feed import TooManySubscribersError
from app.live.pace import Pace
from app.live.wire import channel_of
from app.usecases.booking.hold_slot import sweep_expired_holds
from tests.builders import (
    REMOVE_TIME_OFF,
    TODAY,
    UPDATE_TIME_OFF,
    Api,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    busy,
    listed,
    time_off,
    unknown,
    weekly,
)
from tests.integration.live.subscriber import (
    PATIENCE_SECONDS,
    WATCHFUL,
    Subscriber,
    a_process,
    joined,
    provider_id,
    times,
    until,
)
from tests.lives import booked, cancel, held, hold, move, release, try_booking

Watching: TypeAlias = Callable[..., Subscriber]

HOURS = weekly("09:00", "12:00")
TOMORROW = TODAY + timedelta(days=1)

EXCEPTIONS = """
    mutation ($input: SetExceptionInput!) {
        answer: setException(input: $input) { __typename ... on UserError { message } }
    }
"""
WEEKLY = """
    mutation ($input: SetWeeklyHoursInput!) {
        answer: setWeeklyHours(input: $input) { __typename ... on UserError { message } }
    }
"""
UPDATE_PROVIDER = """
    mutation ($input: UpdateProviderInput!) {
        answer: updateProvider(input: $input) { __typename ... on UserError { message } }
    }
"""
REMOVE_BUSY = """
    mutation ($input: RemoveBusySourceInput!) {
        answer: removeBusySource(input: $input) { __typename ... on UserError { message } }
    }
"""
UPDATE_SERVICE = """
    mutation ($input: UpdateServiceInput!) {
        answer: updateService(input: $input) { __typename ... on UserError { message } }
    }
"""


async def change(api: Api, document: str, **values: object) -> Json:
    answer: Json = (await api.ask(document, caller=api.admin, input=values))["answer"]
    assert not answer["__typename"].endswith("Error"), answer
    return answer


# ---------------------------------------------------------------- what changes


async def test_a_snapshot_of_every_day_then_each_change(api: Api, watching: Watching) -> None:
    """Booked, moved to another day, cancelled: each day that changes, and no other."""
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api) as here:
        subscriber = watching(here, ada, last=TODAY + timedelta(days=2))
        snapshot = await subscriber.snapshot(3)
        assert [shown.date for shown in snapshot] == [TODAY, TOMORROW, TODAY + timedelta(days=2)]
        assert [times(shown) for shown in snapshot] == [["09:00", "10:00", "11:00"]] * 3
        await joined(here, api)
        appointment = await booked(api, ada, "2026-01-12T10:00Z")
        await subscriber.until(["09:00", "11:00"])
        await move(api, appointment, "2026-01-13T09:00Z")
        await subscriber.until(["09:00", "10:00", "11:00"])
        await subscriber.until(["10:00", "11:00"], TOMORROW)
        await cancel(api, appointment)
        await subscriber.until(["09:00", "10:00", "11:00"], TOMORROW)
        await subscriber.hears_nothing()


async def test_a_change_reaches_days_that_buffers_and_long_visits_reach(
    api: Api, watching: Watching
) -> None:
    """A visit after midnight shuts out one before it."""
    ada = await a_provider(
        api, weeklyHours=weekly("20:00", "04:00"), serviceDurationMinutes=240, bufferMinutes=0
    )
    async with a_process(api) as here:
        subscriber = watching(here, ada)
        assert times((await subscriber.snapshot())[0]) == ["00:00", "20:00"][1:]
        await joined(here, api)
        await an_appointment(api, ada, "2026-01-13T00:00Z")
        await subscriber.hears_nothing()
        half = await a_service(api, ada, durationMinutes=180, slotIntervalMinutes=60)
        overlapping = watching(here, ada, service=half)
        assert times((await overlapping.snapshot())[0]) == ["20:00", "21:00"]


async def test_a_hold_takes_the_time_until_the_instant_it_expires(
    api: Api, watching: Watching
) -> None:
    """Swept or not; and a released one at once."""
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api, WATCHFUL) as here:
        subscriber = watching(here, ada)
        await subscriber.snapshot()
        await joined(here, api)
        hold = await held(api, ada, "2026-01-12T10:00Z")
        await subscriber.until(["09:00", "11:00"])
        expires_at = datetime.fromisoformat(hold["expiresAt"])
        api.clock.set(expires_at - timedelta(microseconds=1))
        await subscriber.hears_nothing()
        api.clock.set(expires_at)
        await subscriber.until(["09:00", "10:00", "11:00"])
        await sweep_expired_holds(api.resources)
        await subscriber.hears_nothing()
        again = await held(api, ada, "2026-01-12T10:00Z")
        await subscriber.until(["09:00", "11:00"])
        await release(api, again["holdToken"])
        await subscriber.until(["09:00", "10:00", "11:00"])


async def test_hours_exceptions_and_rules_are_changes(api: Api, watching: Watching) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    cut = await a_service(api, ada, durationMinutes=60)
    async with a_process(api) as here:
        subscriber = watching(here, ada, service=cut)
        await subscriber.snapshot()
        await joined(here, api)
        await change(api, WEEKLY, providerId=ada["id"], hours=weekly("13:00", "15:00"))
        await subscriber.until(["13:00", "14:00"])
        await change(
            api,
            EXCEPTIONS,
            providerId=ada["id"],
            date=str(TODAY),
            isBlocked=True,
            ranges=[{"start": "13:00", "end": "14:00"}],
        )
        await subscriber.until(["14:00"])
        await change(api, UPDATE_SERVICE, id=cut["id"], durationMinutes=30)
        await subscriber.until(["14:00", "14:30"])
        await change(api, UPDATE_PROVIDER, id=ada["id"], bufferMinutes=15)
        await subscriber.until(["14:00"])
        await change(api, UPDATE_PROVIDER, id=ada["id"], timeZone="America/New_York")
        await subscriber.until(["19:00"])


async def test_time_off_is_a_change(api: Api, watching: Watching) -> None:
    """Added, changed and removed; that of a resource that is always open, too."""
    ada, room = await a_provider(api, weeklyHours=HOURS), await a_resource(api)
    cut = await a_service(
        api, ada, durationMinutes=60, needs=[{"name": "room", "resourceIds": [room["id"]]}]
    )
    async with a_process(api) as here:
        subscriber = watching(here, ada, service=cut)
        await subscriber.snapshot()
        await joined(here, api)
        away = await time_off(api, ada, f"{TODAY}T00:00", f"{TODAY}T10:00")
        await subscriber.until(["10:00", "11:00"])
        await change(api, UPDATE_TIME_OFF, id=away["id"], until=f"{TODAY}T11:00")
        await subscriber.until(["11:00"])
        await change(api, REMOVE_TIME_OFF, id=away["id"])
        await subscriber.until(["09:00", "10:00", "11:00"])
        await time_off(api, room, f"{TODAY}T10:00", f"{TOMORROW}T00:00")
        await subscriber.until(["09:00"])


async def test_busy_times_are_a_change(api: Api, watching: Watching) -> None:
    """Pushed and removed, few or many at once; those of a room, too."""
    ada, room = await a_provider(api, weeklyHours=HOURS), await a_resource(api)
    cut = await a_service(
        api, ada, durationMinutes=60, needs=[{"name": "room", "resourceIds": [room["id"]]}]
    )
    today = datetime.combine(TODAY, datetime.min.time(), UTC)
    async with a_process(api) as here:
        subscriber = watching(here, ada, service=cut)
        await subscriber.snapshot()
        await joined(here, api)
        ten = today + timedelta(hours=10)
        phone = await busy(api, ada, times=[(ten, ten + timedelta(minutes=30))])
        await subscriber.until(["09:00", "11:00"])
        minutes = [ten + timedelta(minutes=2 * number) for number in range(60)]
        many = [(each, each + timedelta(minutes=1)) for each in minutes]
        await busy(api, room, "Calendar", many)
        await subscriber.until(["09:00"])
        await busy(api, room, "Calendar")
        await change(api, REMOVE_BUSY, id=phone["id"])
        await subscriber.until(["09:00", "10:00", "11:00"])


async def test_an_archived_provider_has_nothing_free(api: Api, watching: Watching) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    cut = await a_service(api, ada, durationMinutes=60)
    async with a_process(api) as here:
        subscriber = watching(here, ada, service=cut)
        await subscriber.snapshot()
        await joined(here, api)
        for document, thing in ((UPDATE_PROVIDER, ada), (UPDATE_SERVICE, cut)):
            await change(api, document, id=thing["id"], isArchived=True)
            await subscriber.until([])
            await change(api, document, id=thing["id"], isArchived=False)
            await subscriber.until(["09:00", "10:00", "11:00"])


async def test_a_service_that_is_no_longer_offered_has_nothing_free(
    api: Api, watching: Watching
) -> None:
    ada, bea = await a_provider(api, weeklyHours=HOURS), await a_provider(api)
    cut = await a_service(api, ada, durationMinutes=60)
    async with a_process(api) as here:
        subscriber = watching(here, ada, service=cut)
        await subscriber.snapshot()
        await joined(here, api)
        await change(api, UPDATE_SERVICE, id=cut["id"], providerIds=[bea["id"]])
        await subscriber.until([])
        await change(api, UPDATE_SERVICE, id=cut["id"], providerIds=[ada["id"]])
        await subscriber.until(["09:00", "10:00", "11:00"])


async def test_time_itself_is_a_change(api: Api, watching: Watching) -> None:
    """A start goes right after the instant at which notice allowed it last; a date comes at the
    provider's midnight.
    """
    ada = await a_provider(
        api,
        timeZone="America/New_York",
        weeklyHours=HOURS,
        minNoticeMinutes=30,
        maxAdvanceBookingDays=1,
    )
    async with a_process(api, WATCHFUL) as here:
        subscriber = watching(here, ada, last=TODAY + timedelta(days=2))
        today, _, beyond = await subscriber.snapshot(3)
        assert (times(today), times(beyond)) == (["14:00", "15:00", "16:00"], [])
        api.clock.set("2026-01-12T13:30Z")
        await subscriber.hears_nothing()
        api.clock.set("2026-01-12T13:30:00.000001Z")
        await subscriber.until(["15:00", "16:00"])
        api.clock.set("2026-01-13T04:59:59.999999Z")
        await subscriber.until([])
        await subscriber.hears_nothing()
        api.clock.set("2026-01-13T05:00Z")
        await subscriber.until(["14:00", "15:00", "16:00"], TODAY + timedelta(days=2))


# ---------------------------------------------------------------- dates and zones


async def test_dates_are_those_of_the_zone_asked_for(api: Api, watching: Watching) -> None:
    """Midnight in Tokyo is 15:00 UTC; a change that Tokyo's date does not hold is none for its
    subscriber.
    """
    ada = await a_provider(api, weeklyHours=weekly("13:00", "17:00"))
    async with a_process(api) as here:
        subscriber = watching(here, ada, first=TOMORROW, time_zone="Asia/Tokyo")
        (snapshot,) = await subscriber.snapshot()
        assert times(snapshot) == ["15:00", "16:00", "13:00", "14:00"]
        assert snapshot.date == TOMORROW
        await joined(here, api)
        await an_appointment(api, ada, "2026-01-12T14:00Z")
        await subscriber.hears_nothing()
        await an_appointment(api, ada, "2026-01-12T16:00Z")
        await subscriber.until(["15:00", "13:00", "14:00"], TOMORROW)


async def test_a_date_that_a_zone_left_out_is_empty(api: Api, watching: Watching) -> None:
    """Samoa had no 30 December 2011."""
    api.clock.set("2011-12-28T00:00Z")
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api) as here:
        subscriber = watching(
            here, ada, first=date(2011, 12, 29), last=date(2011, 12, 31), time_zone="Pacific/Apia"
        )
        await subscriber.snapshot(3)
        assert [len(shown.starts) for shown in subscriber.received] == [3, 0, 3]


# ---------------------------------------------------------------- what is refused


async def test_what_is_too_much_or_makes_no_sense_is_refused(api: Api, watching: Watching) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, await a_provider(api))
    nobody = {"id": unknown("Provider")}
    async with a_process(api) as here:
        many = [
            {"id": ada["id"]},
            *({"id": global_id("Provider", UUID(int=number))} for number in range(1, 21)),
        ]
        for subscriber, refusal in (
            (watching(here), InvalidInput),
            (watching(here, *many), InvalidInput),
            (watching(here, ada, last=TODAY - timedelta(days=1)), InvalidDateRange),
            (watching(here, ada, last=TODAY + timedelta(days=62)), InvalidDateRange),
            (watching(here, *many[:7], last=TODAY + timedelta(days=61)), InvalidDateRange),
            (watching(here, ada, time_zone="Mars/Olympus"), InvalidInput),
            (watching(here, ada, nobody), NotFound),
            (watching(here, ada, service=cut), NotFound),
        ):
            assert isinstance(await subscriber.refused(), refusal)
        assert here.feed.subscribers == 0


async def test_the_most_that_may_be_asked_for_is_answered(api: Api, watching: Watching) -> None:
    providers = [await a_provider(api, weeklyHours=HOURS) for _ in range(20)]
    async with a_process(api) as here:
        wide = watching(
            here, *providers, *providers, last=TODAY + timedelta(days=19), time_zone="Asia/Tokyo"
        )
        assert len(await wide.snapshot(400)) == 400
        long = watching(here, providers[0], last=TODAY + timedelta(days=61))
        assert len(await long.snapshot(62)) == 62


async def test_a_process_takes_so_many_subscribers_and_days_and_no_more(
    api: Api, watching: Watching
) -> None:
    ada = await a_provider(api)
    async with a_process(api, Pace(most_subscribers=1)) as here:
        await watching(here, ada).snapshot()
        with pytest.raises(TooManySubscribersError):
            await watching(here, ada).next()
    async with a_process(api, Pace(most_days=10)) as here:
        with pytest.raises(TooManySubscribersError):
            await watching(here, ada, last=TODAY + timedelta(days=10)).next()
        assert here.feed.subscribers == 0


# ---------------------------------------------------------------- how


async def test_days_are_read_once_a_process_however_many_watch(
    api: Api, watching: Watching
) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api) as here:
        subscribers = [
            watching(here, ada, time_zone=zone)
            for zone in ("UTC", None, "Asia/Tokyo")
            for _ in range(20)
        ]
        await asyncio.gather(*(subscriber.snapshot() for subscriber in subscribers))
        await joined(here, api)
        await until(lambda: here.feed.counts.readings)
        await subscribers[0].hears_nothing()
        before = here.feed.counts.readings
        assert before <= 4, "subscribers that come together share reads"
        await an_appointment(api, ada, "2026-01-12T10:00Z")
        changed = await asyncio.gather(*(subscriber.next() for subscriber in subscribers))
        assert here.feed.counts.readings == before + 1
        assert len({shown.revision for shown in changed}) == 1


async def test_a_slow_reader_gets_what_is_newest_and_no_queue(api: Api, watching: Watching) -> None:
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api) as here:
        slow, quick = watching(here, ada), watching(here, ada)
        await slow.snapshot()
        await quick.snapshot()
        await joined(here, api)
        for _ in range(5):
            appointment = await booked(api, ada, "2026-01-12T10:00Z")
            await quick.until(["09:00", "11:00"])
            await cancel(api, appointment)
            await quick.until(["09:00", "10:00", "11:00"])
        await booked(api, ada, "2026-01-12T11:00Z")
        await quick.until(["09:00", "10:00"])
        assert times(await slow.next()) == ["09:00", "10:00"]
        await slow.hears_nothing()


async def test_a_busy_provider_does_not_starve_the_others(api: Api, watching: Watching) -> None:
    """What changes all the time is sent between the others, not before them."""
    ada, bea = await a_provider(api, weeklyHours=HOURS), await a_provider(api, weeklyHours=HOURS)
    async with a_process(api) as here:
        slow, quick = watching(here, ada, bea), watching(here, ada, bea)
        await slow.snapshot(2)
        await quick.snapshot(2)
        await joined(here, api)
        await booked(api, bea, "2026-01-12T10:00Z")
        await quick.next()
        told = []
        for start in ("09:00", "10:00"):
            await booked(api, ada, f"2026-01-12T{start}Z")
            await quick.next()
            told.append((await slow.next()).provider_id)
        assert set(told) == {provider_id(ada), provider_id(bea)}


async def test_who_leaves_leaves_nothing_behind(api: Api, watching: Watching) -> None:
    """Reading, waiting, or gone before the first answer."""
    ada = await a_provider(api)
    async with a_process(api) as here:
        channel = channel_of(api.organization.id)
        for _ in range(3):
            subscribers = [watching(here, ada, last=TODAY + timedelta(days=30)) for _ in range(5)]
            await subscribers[0].next()
            await subscribers[1].snapshot(31)
            await subscribers[1].hears_nothing()
            early = asyncio.create_task(subscribers[2].next())
            await asyncio.sleep(0)
            early.cancel()
            await asyncio.gather(early, return_exceptions=True)
            for subscriber in subscribers:
                await subscriber.leave()
            assert here.feed.subscribers == 0
        await until(lambda: here.feed.running == 0)
        assert (await here.redis.pubsub_numsub(channel))[0][1] == 0


async def test_another_organization_gets_nothing(api: Api, watching: Watching) -> None:
    """Its providers are unknown here, and its changes no news."""
    other = await api.another_organization()
    theirs = await a_provider(api, of=other)
    ada = await a_provider(api, weeklyHours=HOURS)
    async with a_process(api) as here:
        assert isinstance(await watching(here, theirs).refused(), NotFound)
        subscriber = watching(here, ada)
        await subscriber.snapshot()
        await joined(here, api)
        await subscriber.hears_nothing()
        before = here.feed.counts.readings
        await an_appointment(api, theirs, "2026-01-12T10:00Z", caller=other.anonymous)
        await subscriber.hears_nothing()
        assert here.feed.counts.readings == before


# ---------------------------------------------------------------- the truth in the end

DAYS = [TODAY + timedelta(days=number) for number in range(4)]
ZONES = (None, "UTC", "Asia/Kathmandu", "America/Los_Angeles")


class Customers:
    """Book, move, cancel and hold free times at random."""

    def __init__(self, api: Api, providers: list[Json], chance: random.Random) -> None:
        self._api = api
        self._providers = providers
        self._chance = chance
        self._booked: list[Json] = []

    async def act(self) -> None:
        chance = self._chance
        provider = chance.choice(self._providers)
        free = await listed(self._api, provider, chance.choice(DAYS))
        wish = chance.random()
        if self._booked and wish < 0.3:
            await cancel(self._api, self._booked.pop())
        elif not free:
            return
        elif self._booked and wish < 0.5:
            await move(self._api, self._booked[-1], chance.choice(free))
        elif wish < 0.7:
            await hold(self._api, provider, chance.choice(free), caller=self._api.admin)
        else:
            answer = await try_booking(self._api, provider, chance.choice(free))
            if answer["__typename"] == "BookingConfirmation":
                self._booked.append(answer)


async def read_on(subscriber: Subscriber, chance: random.Random) -> None:
    """Read at varying speed until cancelled."""
    while True:
        await subscriber.next_within(PATIENCE_SECONDS)
        await asyncio.sleep(chance.choice((0, 0, 0.05)))


Answers: TypeAlias = dict[tuple[str | None, ProviderId, date], list[str]]
"""The starts on each day, by the time zone asked for and the provider."""


async def all_listed(api: Api, providers: list[Json], zones: Sequence[str | None]) -> Answers:
    return {
        (zone, provider_id(provider), day): await listed(api, provider, day, timeZone=zone)
        for zone in zones
        for provider in providers
        for day in DAYS
    }


def differences(subscribers: dict[tuple[str | None, int], Subscriber], truth: Answers) -> list[str]:
    """Each day of which a subscriber last heard something else than the truth."""
    found = []
    for (zone, number), subscriber in subscribers.items():
        for (asked, provider, day), starts in truth.items():
            shown = subscriber.last(provider, day)
            if asked == zone and (shown is None or instants(shown) != starts):
                found.append(f"process {number}, {zone}, {provider}: {shown}, listed {starts}")
    return found


async def test_whatever_happens_the_last_word_is_what_is_listed(
    api: Api, watching: Watching
) -> None:
    """Through several processes, in any zone, at any speed."""
    chance = random.Random(20_260_112)
    providers = [
        await a_provider(api, timeZone=zone, weeklyHours=weekly("09:00", "13:00"), bufferMinutes=15)
        for zone in ("UTC", "America/New_York", "Pacific/Chatham")
    ]
    async with a_process(api) as one, a_process(api) as two:
        subscribers = {
            (zone, number): watching(process, *providers, last=DAYS[-1], time_zone=zone)
            for zone in ZONES
            for number, process in enumerate((one, two))
        }
        for subscriber in subscribers.values():
            await subscriber.snapshot(12)
        await joined(one, api, processes=2)
        customers = Customers(api, providers, chance)
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(read_on(subscriber, chance))
                for subscriber in subscribers.values()
            ]
            for _ in range(20):
                await asyncio.gather(*(customers.act() for _ in range(3)))
            truth = await all_listed(api, providers, ZONES)
            with suppress(TimeoutError):
                await until(lambda: not differences(subscribers, truth))
            for reader in readers:
                reader.cancel()
        assert differences(subscribers, truth) == []
        assert len(subscribers["UTC", 0].received) > 30


def instants(shown: DayShown) -> list[str]:
    return [instant_of(start).strftime("%Y-%m-%dT%H:%M:%SZ") for start in shown.starts]
