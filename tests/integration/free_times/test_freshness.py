"""Freshness: a read that starts after the answer to a change never shows the old list, on any node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from app.core.ids import ProviderId, ServiceId, SubjectId
from app.core.party import Party
from app.core.seating import SeatsAt, rooms_of
from app.core.slots import bookable_starts, free_starts
from app.core.visits import Candidate, ResourceCandidate, Start
from app.core.zones import Minute, day_number, instant_of
from app.free_times.sources import load_claims_on
from app.standins.embedded import Servers
from app.store.calendars import load_calendars, load_claims, load_resource_calendars
from app.store.needs import load_needs
from app.store.sessions import active_sessions
from app.usecases.listing.list_availability import (
    FreeTimes,
    SlotQuestion,
    list_availability,
)
from app.usecases.listing.list_service import ServiceQuestion, ServiceTimes, list_services
from tests.builders import (
    ADD_TIME_OFF,
    REMOVE_TIME_OFF,
    TODAY,
    UPDATE_TIME_OFF,
    Api,
    Json,
    a_booking,
    a_provider,
    a_resource,
    a_service,
    busy,
    key_in,
    listed,
    made,
    weekly,
)
from tests.visits import a_wish

BOOK = """
    mutation ($input: BookAppointmentInput!) {
        answer: bookAppointment(input: $input) { __typename ... on BookingConfirmation { appointment { id } } }
    }
"""
RESCHEDULE = (
    "mutation ($input: RescheduleAppointmentInput!) { answer: "
    "rescheduleAppointment(input: $input) { __typename } }"
)
CANCEL = (
    "mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) { "
    "__typename } }"
)
HOLD = """
    mutation ($input: HoldSlotInput!) { answer: holdSlot(input: $input) { __typename ... on Hold { holdToken } } }
"""
RELEASE = (
    "mutation ($input: ReleaseHoldInput!) { answer: releaseHold(input: $input) { __typename } }"
)
SET_EXCEPTION = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)
REMOVE_EXCEPTION = (
    "mutation ($input: RemoveExceptionInput!) { answer: removeException(input: "
    "$input) { __typename } }"
)
SET_HOURS = (
    "mutation ($input: SetWeeklyHoursInput!) { answer: setWeeklyHours(input: $input) { "
    "__typename } }"
)
UPDATE_PROVIDER = (
    "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: "
    "$input) "
    "{ __typename } }"
)
UPDATE_RESOURCE = (
    "mutation ($input: UpdateResourceInput!) { answer: updateResource(input: $input) { "
    "__typename } }"
)
UPDATE_SERVICE = (
    "mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) { __typename } }"
)

DAYS = 8
"""Changes and reads happen on so many dates from today on."""


class World:
    """Two providers in different zones and a service, changed at random through two nodes."""

    def __init__(self, nodes: tuple[Api, Api], seed: int) -> None:
        self.nodes = nodes
        self.chance = random.Random(seed)
        self.providers: list[Json] = []
        self.rooms: list[Json] = []
        self.away: list[str] = []
        self.archived: set[str] = set()
        self.service: Json = {}
        self.appointments: list[str] = []
        self.holds: list[str] = []
        self.did: dict[str, int] = {}

    async def make(self) -> World:
        one = self.nodes[0]
        self.providers = [
            await a_provider(one, timeZone=zone, serviceDurationMinutes=45, bufferMinutes=15)
            for zone in ("America/New_York", "Asia/Kolkata")
        ]
        self.service = await a_service(
            one, *self.providers, durationMinutes=120, bufferBeforeMinutes=30
        )
        return self

    @property
    def node(self) -> Api:
        return self.chance.choice(self.nodes)

    async def change(self) -> None:
        """Something, answered."""
        actions: list[tuple[int, Callable[[], Awaitable[Any]]]] = [
            (8, self.book),
            (3, self.cancel),
            (3, self.move),
            (2, self.hold),
            (1, self.release),
            (1, self.except_date),
            (1, self.change_time_off),
            (2, self.change_busy),
            (1, self.change_hours),
            (1, self.change_provider),
            (1, self.archive_provider),
            (1, self.change_service),
        ]
        weights, ways = zip(*actions, strict=True)
        way = self.chance.choices(ways, weights)[0]
        answer = await way()
        if answer is not None:
            kind = f"{way.__name__}: {answer['__typename']}"
            self.did[kind] = self.did.get(kind, 0) + 1

    async def ask(self, document: str, *, admin: bool = True, **values: object) -> Json:
        node = self.node
        data = await node.ask(document, caller=node.admin if admin else None, input=values)
        answer: Json = data["answer"]
        return answer

    async def start(self, provider: Json) -> datetime | None:
        """One that is free, mostly."""
        free = await truth(self.nodes[0], self.question(provider))
        starts = [start for day in free.values() for start in day]
        return instant_of(self.chance.choice(starts)) if starts else None

    def question(self, provider: Json) -> SlotQuestion:
        first = TODAY + timedelta(days=self.chance.randrange(DAYS))
        return SlotQuestion(
            provider_id=ProviderId(key_in(provider["id"])),
            service_id=ServiceId(key_in(self.service["id"]))
            if self.chance.random() < 0.3
            else None,
            first=first,
            last=first + timedelta(days=self.chance.randrange(4)),
            time_zone=self.chance.choice([None, None, None, "Europe/Berlin"]),
        )

    async def book(self) -> Json | None:
        provider = self.chance.choice(self.providers)
        start = await self.start(provider)
        if start is None:
            return None
        answer = await self.ask(BOOK, admin=False, **a_booking(provider, start))
        if answer["__typename"] == "BookingConfirmation":
            self.appointments.append(answer["appointment"]["id"])
        return answer

    async def cancel(self) -> Json | None:
        if not self.appointments:
            return None
        appointment = self.appointments.pop(self.chance.randrange(len(self.appointments)))
        return await self.ask(CANCEL, appointmentId=appointment)

    async def move(self) -> Json | None:
        start = await self.start(self.chance.choice(self.providers))
        if start is None or not self.appointments:
            return None
        appointment = self.chance.choice(self.appointments)
        return await self.ask(
            RESCHEDULE,
            appointmentId=appointment,
            startsAt=start.isoformat(),
            idempotencyKey=f"move-{self.chance.random()}",
        )

    async def hold(self) -> Json | None:
        provider = self.chance.choice(self.providers)
        start = await self.start(provider)
        if start is None:
            return None
        answer = await self.ask(
            HOLD,
            admin=False,
            providerId=provider["id"],
            startsAt=start.isoformat(),
            idempotencyKey=f"hold-{self.chance.random()}",
        )
        if answer["__typename"] == "Hold":
            self.holds.append(answer["holdToken"])
        return answer

    async def release(self) -> Json | None:
        if not self.holds:
            return None
        token = self.holds.pop(self.chance.randrange(len(self.holds)))
        return await self.ask(RELEASE, admin=False, holdToken=token)

    async def except_date(self) -> Json:
        provider = self.chance.choice(self.providers)["id"]
        day = (TODAY + timedelta(days=self.chance.randrange(DAYS))).isoformat()
        if self.chance.random() < 0.6:
            return await self.ask(REMOVE_EXCEPTION, providerId=provider, date=day)
        ranges = self.chance.choice([[], [{"start": "10:00", "end": "12:00"}]])
        return await self.ask(
            SET_EXCEPTION, providerId=provider, date=day, isBlocked=True, ranges=ranges
        )

    async def change_time_off(self) -> Json:
        """Of a provider; in `Clinic`, also of a room that is always open, or not."""
        if self.away and self.chance.random() < 0.5:
            away = self.away.pop(self.chance.randrange(len(self.away)))
            if self.chance.random() < 0.5:
                return await self.ask(REMOVE_TIME_OFF, id=away)
            self.away.append(away)
            return await self.ask(UPDATE_TIME_OFF, id=away, **self._range())
        whose = self.chance.choice(
            [{"providerId": each["id"]} for each in self.providers]
            + [{"resourceId": each["id"]} for each in self.rooms]
        )
        answer = await self.ask(ADD_TIME_OFF, **whose, **self._range())
        self.away.append(answer["id"])
        return answer

    async def change_busy(self) -> Json:
        """What one of two sources says about a window, of a provider, or in `Clinic` of a room: a
        few times, or so many that the change names no dates.
        """
        owner = self.chance.choice([*self.providers, *self.rooms])
        first = datetime.combine(TODAY, time(), UTC) + timedelta(hours=self.chance.randrange(24))
        window = self.chance.choice([12, 48, 24 * DAYS])
        count = self.chance.choice([0, 1, 2, 40])
        starts = [
            first + timedelta(minutes=self.chance.randrange(60 * window - 30)) for _ in range(count)
        ]
        until = first + timedelta(hours=window)
        longest = self.chance.choice([10, 300, 6000]) if count < 40 else 5
        times = [
            (start, min(until, start + timedelta(minutes=self.chance.randint(1, longest))))
            for start in starts
        ]
        source = self.chance.choice(["Phone", "Laptop"])
        answer = await busy(self.node, owner, source, times, first=first, to=until)
        return {"__typename": "BusySource", **answer}

    def _range(self) -> Json:
        start = datetime.combine(TODAY, time()) + timedelta(
            hours=self.chance.randrange(-24, 24 * DAYS)
        )
        end = start + timedelta(hours=self.chance.choice([1, 5, 24, 60]))
        return {"from": start.isoformat()[:16], "until": end.isoformat()[:16]}

    async def change_hours(self) -> Json:
        opening = self.chance.choice(["08:00", "09:00", "10:30"])
        closing = self.chance.choice(["16:00", "18:00", "02:00"])
        provider = self.chance.choice(self.providers)["id"]
        return await self.ask(SET_HOURS, providerId=provider, hours=weekly(opening, closing))

    async def change_provider(self) -> Json:
        value: Json = self.chance.choice(
            [
                {"bufferMinutes": self.chance.choice([0, 15, 90])},
                {"serviceDurationMinutes": self.chance.choice([30, 45])},
                {"minNoticeMinutes": self.chance.choice([0, 600])},
                {
                    "timeZone": self.chance.choice(
                        ["America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
                    )
                },
                {"slotIntervalMinutes": self.chance.choice([None, 30])},
            ]
        )
        return await self.ask(UPDATE_PROVIDER, id=self.chance.choice(self.providers)["id"], **value)

    async def archive_provider(self) -> Json:
        """One at a time; the next one when the first is back."""
        if self.archived:
            return await self.ask(UPDATE_PROVIDER, id=self.archived.pop(), isArchived=False)
        self.archived = {self.chance.choice(self.providers)["id"]}
        return await self.ask(UPDATE_PROVIDER, id=min(self.archived), isArchived=True)

    async def change_service(self) -> Json:
        value: Json = self.chance.choice(
            [
                {"durationMinutes": self.chance.choice([60, 120])},
                {
                    "providerIds": [
                        provider["id"]
                        for provider in self.chance.choice([self.providers, self.providers[:1]])
                    ]
                },
            ]
        )
        return await self.ask(UPDATE_SERVICE, id=self.service["id"], **value)

    async def compare(self) -> None:
        """What is listed, and what PostgreSQL and the law say."""
        provider = self.chance.choice(self.providers)
        question = self.question(provider)
        if (
            question.time_zone is None
            and question.service_id is None
            and provider["id"] not in self.archived
            and self.chance.random() < 0.5
        ):
            found = await listed(self.node, provider, question.first, question.last)
            by_date = await truth(self.nodes[0], question)
            assert found == [
                f"{instant_of(start):%Y-%m-%dT%H:%M:%SZ}"
                for day in by_date.values()
                for start in day
            ]
            return
        if question.time_zone is None:
            assert await shown(self.node, question) == await truth(self.nodes[0], question)
            return
        days = await shown(self.node, question)
        wide = SlotQuestion(
            provider_id=question.provider_id,
            service_id=question.service_id,
            first=question.first - timedelta(days=2),
            last=question.last + timedelta(days=2),
            time_zone=None,
        )
        free = [start for day in (await truth(self.nodes[0], wide)).values() for start in day]
        assert {start for day in days.values() for start in day} <= set(free)
        assert sum(map(len, days.values())) == sum(
            question.first <= instant_of(start + 60).date() <= question.last for start in free
        ), "Berlin is an hour ahead in January"


async def truth(api: Api, question: SlotQuestion) -> dict[date, tuple[Minute, ...]]:
    """What PostgreSQL and the law say, in the provider's zone; empty for a service that is not
    offered.
    """
    wanted = Party(question.provider_id, question.service_id)
    pool, organization_id = api.resources.pool, api.organization.id
    margin = timedelta(days=4)
    calendars = await load_calendars(
        pool, organization_id, [wanted], question.first - margin, question.last + margin
    )
    calendar = calendars.get(wanted)
    if calendar is None:
        return {}
    subject = question.provider_id, calendar.hours.time_zone, calendar.rules
    claims, _ = await load_claims_on(
        pool, organization_id, [subject], (), question.first, question.last
    )
    return bookable_starts(
        calendar.hours,
        calendar.rules,
        claims[wanted[0]],
        question.first,
        question.last,
        api.clock.now,
    )


async def shown(api: Api, question: SlotQuestion) -> dict[date, tuple[Minute, ...]]:
    """What the program lists."""
    found = (await list_availability(api.resources, api.organization.id, [question]))[0]
    return dict(found.starts_by_date) if isinstance(found, FreeTimes) else {}


class Clinic(World):
    """And a service that takes one of the two and one of two rooms, which another service takes,
    too.
    """

    async def make(self) -> Clinic:
        await super().make()
        one = self.nodes[0]
        self.rooms = [await a_resource(one, units=2), await a_resource(one, timeZone="Asia/Tokyo")]
        rooms = [each["id"] for each in self.rooms]
        self.services = [
            await a_service(
                one,
                *self.providers[:count],
                durationMinutes=45,
                needs=[{"name": "room", "resourceIds": rooms[:count]}],
                seats=seats,
            )
            for count, seats in ((2, 1), (1, 1), (2, 3))
        ]
        return self

    async def change(self) -> None:
        actions: list[tuple[int, Callable[[], Awaitable[Any]]]] = [
            (6, super().change),
            (6, self.visit),
            (1, self.change_room),
            (1, self.archive_room),
            (1, self.change_hours_of_room),
            (1, self.change_needs),
        ]
        weights, ways = zip(*actions, strict=True)
        await self.chance.choices(ways, weights)[0]()

    async def visit(self) -> None:
        service, seats = self.chance.choice(self.services), self.chance.choice([1, 1, 2])
        last = TODAY + timedelta(days=DAYS)
        free = await truth_of_service(self.nodes[0], service, TODAY, last, seats)
        if free:
            start = instant_of(self.chance.choice(list(free))).isoformat()
            wish = a_wish(service, start, seats=seats)
            answer = await self.ask(BOOK, admin=False, **wish)
            self.appointments.append(made(answer, "BookingConfirmation")["appointment"]["id"])

    async def change_room(self) -> None:
        room = self.chance.choice(self.rooms)
        value: Json = self.chance.choice(
            [
                {"units": self.chance.choice([1, 2, 3])},
                {"alwaysOpen": self.chance.random() < 0.5},
            ]
        )
        made(await self.ask(UPDATE_RESOURCE, id=room["id"], **value), "Resource")

    async def archive_room(self) -> None:
        """Or bring it back."""
        is_archived = self.chance.random() < 0.4
        made(
            await self.ask(UPDATE_RESOURCE, id=self.rooms[1]["id"], isArchived=is_archived),
            "Resource",
        )

    async def change_hours_of_room(self) -> None:
        room = self.chance.choice(self.rooms)
        hours = weekly(self.chance.choice(["09:00", "11:00"]), "19:00")
        made(await self.ask(SET_HOURS, resourceId=room["id"], hours=hours), "Resource")

    async def change_needs(self) -> None:
        # With every room there again.
        values: Json = {"id": self.rooms[1]["id"], "isArchived": False}
        made(await self.ask(UPDATE_RESOURCE, **values), "Resource")
        value: Json = self.chance.choice(
            [
                {"providersNeeded": self.chance.choice([1, 2, None])},
                {"bufferAfterMinutes": self.chance.choice([0, 30])},
                {"seats": self.chance.choice([1, 2, 5])},
                {
                    "needs": [
                        {
                            "name": "room",
                            "count": self.chance.choice([1, 2]),
                            "resourceIds": [each["id"] for each in self.rooms],
                        }
                    ]
                },
            ]
        )
        service = self.chance.choice(self.services)
        made(await self.ask(UPDATE_SERVICE, id=service["id"], **value), "Service")

    async def compare(self) -> None:
        """What both kinds of lists show, and what PostgreSQL and the law say."""
        await super().compare()
        service = self.chance.choice(self.services)
        first = TODAY + timedelta(days=self.chance.randrange(DAYS))
        last = first + timedelta(days=self.chance.randrange(3))
        seats = self.chance.choice([1, 1, 2])
        question = ServiceQuestion(
            service_id=ServiceId(key_in(service["id"])),
            named=(),
            first=first,
            last=last,
            time_zone="UTC",
            seats=seats,
        )
        node = self.node
        [found] = await list_services(node.resources, node.organization.id, [question])
        assert isinstance(found, ServiceTimes), found
        listed = found.listed
        shown = {
            start: (listed.leads[start], listed.at(start))
            for day in found.starts_by_date.values()
            for start in day
        }
        assert shown == await truth_of_service(self.nodes[0], service, first, last, seats)


async def truth_of_service(
    api: Api, service: Json, first: date, last: date, seats: int
) -> dict[Minute, tuple[tuple[ProviderId, ...], SeatsAt | None]]:
    """What PostgreSQL and the law of a single start say of these dates in UTC."""
    pool, organization_id = api.resources.pool, api.organization.id
    service_id, margin = ServiceId(key_in(service["id"])), timedelta(days=6)
    needs = (await load_needs(pool, organization_id, [service_id]))[service_id]
    parties = [Party(each, service_id) for each in needs.provider_ids]
    calendars = await load_calendars(pool, organization_id, parties, first - margin, last + margin)
    begin, end = (day_number(each) * 1440 for each in (first, last + timedelta(days=1)))
    sessions = (
        await active_sessions(
            pool, organization_id, [service_id], instant_of(begin), instant_of(end)
        )
    )[service_id]
    rooms = await load_resource_calendars(
        pool,
        organization_id,
        rooms_of(needs.resource_ids, sessions),
        first - margin,
        last + margin,
    )
    subjects: list[SubjectId] = [*needs.provider_ids, *rooms]
    claims = await load_claims(pool, organization_id, subjects, begin - 4 * 1440, end + 4 * 1440)
    candidates = {
        party.provider_id: Candidate(calendar=calendar, claims=claims[party.provider_id])
        for party, calendar in calendars.items()
    }
    resources = {
        each: ResourceCandidate(calendar=room, claims=claims[each]) for each, room in rooms.items()
    }
    on_a_grid = {
        start
        for each in calendars.values()
        for day in free_starts(
            each.hours, each.rules, (), first - timedelta(days=2), last + timedelta(days=2)
        ).values()
        for start in day
        if begin <= start < end
    }
    found: dict[Minute, tuple[tuple[ProviderId, ...], SeatsAt | None]] = {}
    for start in sorted(on_a_grid | {session.start for session in sessions}):
        asked = (needs, (), candidates, resources, instant_of(start), api.clock.now)
        leads = Start(*asked, seats=seats, sessions=sessions).possible_leads()
        if leads:
            at = Start(*asked, seats=seats, sessions=sessions).seats_left()
            found[start] = (leads, at if needs.seats > 1 else None)
    return found


async def trial(world: World) -> None:
    """A change, while both nodes are asked, so that fills race with it; after its answer, a read
    that must be right.
    """
    asking = [
        asyncio.create_task(shown(api, world.question(provider)))
        for api in world.nodes
        for provider in world.providers
        if world.chance.random() < 0.5
    ]
    await world.change()
    await world.compare()
    await asyncio.gather(*asking)


async def run(world: World, trials: int) -> None:
    for _ in range(trials):
        await trial(world)
    for api in world.nodes:
        counts = api.resources.accelerator.shared.counts
        assert counts.invalidations_lost == 0
        assert counts.days_hit > trials / 4, "the cache was of no use, so this proved nothing"
        assert counts.fills > trials / 10


async def test_after_every_answer_both_nodes_show_the_new_list(nodes: tuple[Api, Api]) -> None:
    world = await World(nodes, seed=5).make()
    await run(world, 200)


async def test_after_every_answer_both_nodes_show_the_new_list_of_a_service(
    nodes: tuple[Api, Api],
) -> None:
    """Whatever changed: a room's hours or units, a service's needs, or time that another service
    has taken.
    """
    world = await Clinic(nodes, seed=8).make()
    await run(world, 120)


@pytest.mark.full
async def test_after_ten_thousand_answers_both_nodes_show_the_new_list(
    nodes: tuple[Api, Api],
) -> None:
    for seed in range(10):
        world = await World(nodes, seed).make()
        await run(world, 1_000)
        print(world.did)


async def restarting(world: World, servers: Servers, trials: int) -> None:
    for number in range(trials):
        if number % 10 == 3:
            servers.stop_redis()
        if number % 10 == 5:
            servers.start_redis()
        await trial(world)


async def test_a_redis_that_goes_and_comes_brings_no_old_list_back(
    nodes: tuple[Api, Api], own_redis: Servers
) -> None:
    world = await World(nodes, seed=6).make()
    await restarting(world, own_redis, 60)


@pytest.mark.full
async def test_a_redis_that_goes_and_comes_a_hundred_times_brings_no_old_list_back(
    nodes: tuple[Api, Api], own_redis: Servers
) -> None:
    world = await World(nodes, seed=7).make()
    await restarting(world, own_redis, 1_000)
