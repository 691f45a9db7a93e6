"""Listed means bookable, over HTTP: a start of a service is listed if, and only if, booking it
succeeds, and `explainTime` has no reason against it; and an appointment can be moved to exactly the
starts that are listed for it.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from tests.builders import (
    TODAY,
    Api,
    Json,
    a_provider,
    a_resource,
    a_service,
    instant,
    made,
    weekly,
)
from tests.lives import cancel, hold, new_key
from tests.visits import MOVE_VISIT, ids_of, try_hold, try_visit

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")

LISTING = """
    query ($id: ID!, $from: Date!, $to: Date!, $providerIds: [ID!], $seats: Int) {
        node(id: $id) { ... on Service {
            availability(from: $from, to: $to, timeZone: "UTC", providerIds: $providerIds, seats: $seats) {
                __typename
                ... on ServiceAvailability { slots { startsAt endsAt providerIds seatsLeft } }
                ... on UserError { message }
            }
        } }
    }
"""
EXPLAIN = """
    query ($serviceId: ID!, $providerId: ID, $startsAt: DateTime!, $seats: Int) {
        explainTime(serviceId: $serviceId, providerId: $providerId, startsAt: $startsAt, seats: $seats) {
            bookable reasons
        }
    }
"""
UPDATE_SERVICE = """
    mutation ($input: UpdateServiceInput!) {
        answer: updateService(input: $input) { __typename ... on UserError { message } }
    }
"""
MOVES = """
    query ($id: ID!, $from: Date!, $to: Date!, $seats: Int) {
        appointment(id: $id) {
            startsAt
            rescheduleAvailability(from: $from, to: $to, timeZone: "UTC", seats: $seats) {
                __typename
                ... on ServiceAvailability { slots { startsAt providerIds seatsLeft } }
                ... on UserError { message }
            }
        }
    }
"""


class Practice:
    """A few providers and rooms, and services of all kinds that take them."""

    def __init__(self, api: Api, chance: random.Random) -> None:
        self.api = api
        self.chance = chance
        self.providers: list[Json] = []
        self.services: list[tuple[Json, list[Json]]] = []
        self.booked: list[Json] = []

    async def make(self) -> Practice:
        api, chance = self.api, self.chance
        # Nothing starts at this very instant: it could be booked, and not cancelled any more.
        api.clock.set(api.clock.now + timedelta(seconds=30))
        for _ in range(chance.randint(2, 4)):
            opening = chance.choice(["08:00", "09:00", "09:20", "22:00"])
            self.providers.append(
                await a_provider(
                    api,
                    timeZone=chance.choice(ZONES),
                    weeklyHours=weekly(opening, chance.choice(["15:00", "17:30"])),
                    breaks=chance.choice([[], weekly("12:00", "12:45")]),
                    bufferMinutes=chance.choice([0, 10]),
                    minNoticeMinutes=chance.choice([0, 0, 600]),
                    maxAdvanceBookingDays=chance.choice([60, 60, 1]),
                )
            )
        rooms = [
            await a_resource(
                api,
                units=chance.randint(1, 2),
                timeZone=chance.choice(ZONES),
                alwaysOpen=chance.random() < 0.6,
                weeklyHours=weekly("07:00", "19:00"),
            )
            for _ in range(3)
        ]
        for _ in range(3):
            members = chance.sample(self.providers, chance.randint(1, len(self.providers)))
            split = chance.randint(0, 2)
            groups = [part for part in (rooms[:split], rooms[split:]) if part]
            needs = [
                {
                    "name": f"group {number}",
                    "count": chance.randint(1, min(2, sum(each["units"] for each in group))),
                    "resourceIds": [each["id"] for each in group],
                }
                for number, group in enumerate(
                    chance.sample(groups, chance.randint(0, len(groups)))
                )
            ]
            service = await a_service(
                api,
                *members,
                durationMinutes=chance.choice([30, 45]),
                bufferBeforeMinutes=chance.choice([0, 0, 15]),
                bufferAfterMinutes=chance.choice([None, 0, 20]),
                providersNeeded=chance.choice([1, 1, min(2, len(members)), None]),
                assignment=chance.choice(["PRIORITY", "LEAST_BUSY", "LONGEST_IDLE"]),
                needs=needs,
                seats=chance.choice([1, 1, 2, 4]),
            )
            self.services.append((service, members))
        return self

    def named(self, members: list[Json]) -> list[Json]:
        """Whom a wish names: mostly nobody."""
        return self.chance.sample(members, self.chance.choice([0, 0, 1]))

    async def listed(self, service: Json, named: list[Json], seats: int) -> dict[str, Json]:
        """What is listed for such a party, by start."""
        asked: Json = {"from": str(TODAY), "to": str(TODAY + timedelta(days=2)), "seats": seats}
        names: Json = {"providerIds": ids_of(named)} if named else {}
        data = await self.api.ask(LISTING, id=service["id"], **asked, **names)
        found = made(data["node"]["availability"], "ServiceAvailability")
        return {slot["startsAt"]: slot for slot in found["slots"]}

    async def starts(
        self, service: Json, named: list[Json], seats: int
    ) -> tuple[dict[str, Json], list[str]]:
        """What is listed, and instants worth asking for: some of them, and others."""
        listed = await self.listed(service, named, seats)
        noon = instant(f"{TODAY}T00:00:00Z")
        others = [noon + timedelta(minutes=5 * self.chance.randrange(3 * 288)) for _ in range(4)]
        near = [
            instant(start) + timedelta(minutes=self.chance.choice([-15, 10, 30]))
            for start in self.chance.sample(sorted(listed), min(2, len(listed)))
        ]
        asked = self.chance.sample(sorted(listed), min(3, len(listed)))
        asked += [written(each) for each in (*others, *near)]
        return listed, [
            each
            for each in dict.fromkeys(asked)
            if TODAY <= instant(each).date() <= TODAY + timedelta(days=2)
        ]

    async def look(self) -> None:
        """One service, one wish: listed, explained and booked alike."""
        service, members = self.chance.choice(self.services)
        named, seats = self.named(members), self.chance.choice([1, 1, 2, 3])
        listed, asked = await self.starts(service, named, seats)
        for start in asked:
            lead = {"providerId": named[0]["id"]} if named else {}
            said = (
                await self.api.ask(
                    EXPLAIN, serviceId=service["id"], startsAt=start, seats=seats, **lead
                )
            )["explainTime"]
            assert said["bookable"] == (start in listed), (start, said)
            if start in listed:
                await self.fill(service, named, listed[start])
            answer = await try_visit(self.api, service, start, *named, seats=seats)
            if start in listed:
                made(answer, "BookingConfirmation")
                appointment = answer["appointment"]
                assert appointment["provider"]["id"] in listed[start]["providerIds"]
                assert appointment["endsAt"] == listed[start]["endsAt"]
                if self.chance.random() < 0.5:
                    self.booked.append(answer)
                else:
                    await cancel(self.api, answer)
            else:
                made(answer, "SlotUnavailableError")
                assert answer["reasons"] == said["reasons"]
                for slot in answer["alternatives"]:
                    known = listed.get(slot["startsAt"], {"providerIds": [slot["providerId"]]})
                    assert slot["providerId"] in known["providerIds"]
            listed = await self.listed(service, named, seats)

    async def fill(self, service: Json, named: list[Json], slot: Json) -> None:
        """The seats that are left are the largest party that finds room."""
        start, most = slot["startsAt"], slot["seatsLeft"]
        made(
            await try_visit(self.api, service, start, *named, seats=most + 1),
            "SlotUnavailableError",
        )
        largest = await try_visit(self.api, service, start, *named, seats=most)
        await cancel(self.api, made(largest, "BookingConfirmation"))

    async def move(self) -> None:
        """An appointment: where it can be moved to, and where not."""
        if not self.booked:
            return
        booked = self.chance.choice(self.booked)
        key = booked["appointment"]["id"]
        days = {"from": str(TODAY), "to": str(TODAY + timedelta(days=2))}
        party: Json = {"seats": self.chance.choice([1, 2, 3])} if self.chance.random() < 0.4 else {}
        data = await self.api.ask(MOVES, caller=self.api.admin, id=key, **days, **party)
        if data["appointment"]["rescheduleAvailability"] is None:
            assert instant(data["appointment"]["startsAt"]) <= self.api.clock.now
            self.booked.remove(booked)
            return
        found = made(data["appointment"]["rescheduleAvailability"], "ServiceAvailability")
        listed = {slot["startsAt"]: slot["providerIds"] for slot in found["slots"]}
        asked = self.chance.sample(sorted(listed), min(2, len(listed)))
        asked += [
            written(
                instant(f"{TODAY}T00:00:00Z") + timedelta(minutes=5 * self.chance.randrange(864))
            )
            for _ in range(2)
        ]
        for start in asked:
            answer = (
                await self.api.ask(
                    MOVE_VISIT,
                    caller=self.api.admin,
                    input={
                        "appointmentId": key,
                        "startsAt": start,
                        "idempotencyKey": new_key(),
                        **party,
                    },
                )
            )["answer"]
            if start in listed:
                made(answer, "BookingConfirmation")
                assert answer["appointment"]["provider"]["id"] in listed[start]
                return
            made(answer, "SlotUnavailableError")

    async def change_rules(self) -> None:
        """Sessions keep their time and their seats."""
        service, _ = self.chance.choice(self.services)
        changes: list[Json] = [
            {"seats": self.chance.choice([1, 2, 3, 5])},
            {"durationMinutes": self.chance.choice([30, 45, 60])},
            {"bufferBeforeMinutes": self.chance.choice([0, 15])},
            {"needs": []},
        ]
        values = {"id": service["id"], **self.chance.choice(changes)}
        answer = await self.api.ask(UPDATE_SERVICE, caller=self.api.admin, input=values)
        made(answer["answer"], "Service")

    async def hold_seats(self) -> None:
        service, _ = self.chance.choice(self.services)
        listed = await self.listed(service, [], 1)
        if listed:
            start = self.chance.choice(sorted(listed))
            seats = self.chance.randint(1, listed[start]["seatsLeft"])
            made(await try_hold(self.api, service, start, seats=seats), "Hold")
        self.api.clock.set(self.api.clock.now + timedelta(minutes=self.chance.choice([0, 1, 6])))

    async def hold_somebody(self) -> None:
        provider = self.chance.choice(self.providers)
        start = instant(f"{TODAY}T00:00:00Z") + timedelta(minutes=10 * self.chance.randrange(432))
        await hold(self.api, provider, start, caller=self.api.admin)


def written(start: datetime) -> str:
    return start.strftime("%Y-%m-%dT%H:%M:%SZ")


async def live_for(practice: Practice, steps: int) -> None:
    for _ in range(steps):
        await practice.look()
        await practice.move()
        await practice.hold_somebody()
        await practice.change_rules()
        await practice.hold_seats()


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_listed_can_be_booked_and_moved_to_and_nothing_else(
    api: Api, seed: int
) -> None:
    practice = await Practice(api, random.Random(seed)).make()
    await live_for(practice, 4)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 160))
async def test_what_is_listed_can_be_booked_and_moved_to_in_many_practices(
    api: Api, seed: int
) -> None:
    practice = await Practice(api, random.Random(seed)).make()
    await live_for(practice, 12)
