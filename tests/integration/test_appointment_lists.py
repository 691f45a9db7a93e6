"""The list of appointments: any filters, any order, page by page, each caller their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.core.zones import first_minute_of, instant_of, known_zones, local_date, minute_of
from tests.builders import (
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    made,
    weekly,
)

FIELDS = "id startsAt createdAt status provider { id } providers { id } resources { id } service { id } contact { name }"
LIST = (
    """query (
        $from: DateTime, $to: DateTime, $fromDate: Date, $toDate: Date, $timeZone: TimeZone, $status: [AppointmentStatus!],
        $providerIds: [ID!], $serviceIds: [ID!], $resourceIds: [ID!], $customerId: ID, $search: String,
        $orderBy: AppointmentOrder! = START_ASC, $first: Int, $after: String, $last: Int, $before: String
    ) {
        appointments(
            from: $from, to: $to, fromDate: $fromDate, toDate: $toDate, timeZone: $timeZone, status: $status,
            providerIds: $providerIds, serviceIds: $serviceIds, resourceIds: $resourceIds, customerId: $customerId,
            search: $search, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before
        ) {
            totalCount nodes { """
    + FIELDS
    + """ } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }"""
)
OF_CUSTOMERS = """
    query ($orderBy: AppointmentOrder! = START_ASC, $first: Int, $from: DateTime, $status: [AppointmentStatus!]) {
        customers(first: 100) { nodes { id appointments(
            orderBy: $orderBy, first: $first, from: $from, status: $status
        ) { totalCount nodes { id } } } }
    }"""
CANCEL = "mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) { __typename } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """Three providers, two rooms, and six weeks of visits; a visit may take two providers."""

    api: Api
    providers: list[Json]
    rooms: list[Json]
    services: list[Json]
    visits: list[Json]
    customers: dict[str, str]
    """The ids of customers, by the name that their visits have."""


@pytest.fixture
async def practice(api: Api) -> Practice:
    chance = random.Random(15)
    providers = [
        await a_provider(api, name=name, weeklyHours=weekly("08:00", "20:00"))
        for name in ("Ada", "Ben", "Cleo")
    ]
    rooms = [await a_resource(api, name=name) for name in ("Red", "Blue")]
    needs = [{"name": "room", "resourceIds": [room["id"] for room in rooms]}]
    rules: Json = {"durationMinutes": 30, "slotIntervalMinutes": 30}
    services = [
        await a_service(api, *providers, **rules),
        await a_service(api, *providers, needs=needs, **rules),
        await a_service(api, *providers, providersNeeded=2, needs=needs, **rules),
    ]
    people = ["Ann Lee", "Bo Lind", "Cy Moor", "Di Lee"]
    times = [
        datetime(2026, 1, 13 + day, hour, tzinfo=UTC)
        for day in range(6)
        for hour in chance.sample(range(9, 19), 5)
    ]
    chance.shuffle(times)
    for at, time in enumerate(times):
        api.clock.set(datetime(2026, 1, 12, 8, at, tzinfo=UTC))
        name = chance.choice(people)
        service = chance.choice(services)
        lead = chance.choice(providers)
        booked = await an_appointment(
            api, lead, time.isoformat(), serviceId=service["id"],
            customer={"name": name, "email": f"{name.split()[0]}@example.com"},
        )  # fmt: skip
        if chance.random() < 0.3:
            given = {"appointmentId": booked["appointment"]["id"]}
            made((await api.ask(CANCEL, caller=api.admin, input=given))["answer"], "Appointment")
    everything = (await api.ask(LIST, caller=api.admin, first=100))["appointments"]["nodes"]
    assert len(everything) == len(times)
    found = await api.ask("{ customers { nodes { id name } } }", caller=api.admin)
    return Practice(
        api=api,
        providers=providers,
        rooms=rooms,
        services=services,
        visits=everything,
        customers={each["name"]: each["id"] for each in found["customers"]["nodes"]},
    )


def ids(things: list[Json]) -> set[str]:
    return {each["id"] for each in things}


def expected(practice: Practice, values: Mapping[str, Any], provider: Json | None) -> list[str]:
    """What the list should hold, by going through all visits."""
    names = {customer_id: name for name, customer_id in practice.customers.items()}
    tests: dict[str, Callable[[Json, Any], bool]] = {
        "from": lambda visit, value: visit["startsAt"] >= value,
        "to": lambda visit, value: visit["startsAt"] < value,
        "fromDate": lambda visit, value: local(visit) >= value,
        "toDate": lambda visit, value: local(visit) <= value,
        "status": lambda visit, value: visit["status"] in value,
        "providerIds": lambda visit, value: bool(ids(visit["providers"]) & set(value)),
        "serviceIds": lambda visit, value: visit["service"]["id"] in value,
        "resourceIds": lambda visit, value: bool(ids(visit["resources"]) & set(value)),
        "customerId": lambda visit, value: visit["contact"]["name"] == names[value],
        "search": lambda visit, value: any(
            word.lower().startswith(value.lower()) for word in visit["contact"]["name"].split()
        ),
    }

    def local(visit: Json) -> str:
        zone = ZoneInfo(values["timeZone"])
        return datetime.fromisoformat(visit["startsAt"]).astimezone(zone).date().isoformat()

    listed = [
        visit
        for visit in practice.visits
        if all(test(visit, values[name]) for name, test in tests.items() if name in values)
        and (provider is None or provider["id"] in ids(visit["providers"]))
    ]
    order = values.get("orderBy", "START_ASC")
    key = "createdAt" if order == "CREATED_DESC" else "startsAt"
    listed.sort(key=lambda visit: visit[key], reverse=order != "START_ASC")
    return [each["id"] for each in listed]


def some_filters(practice: Practice, chance: random.Random) -> Json:
    day = date(2026, 1, 12)

    def some(things: list[Json]) -> list[str]:
        return [each["id"] for each in chance.sample(things, chance.randint(1, len(things)))]

    offers: dict[str, Callable[[], Any]] = {
        "from": lambda: f"2026-01-{chance.randint(12, 18)}T{chance.randint(10, 20)}:00:00Z",
        "to": lambda: f"2026-01-{chance.randint(13, 20)}T{chance.randint(10, 20)}:00:00Z",
        "fromDate": lambda: f"{day + timedelta(days=chance.randint(0, 6))}",
        "toDate": lambda: f"{day + timedelta(days=chance.randint(1, 8))}",
        "status": lambda: chance.choice([["CONFIRMED"], ["CANCELLED"], ["CONFIRMED", "CANCELLED"]]),
        "providerIds": lambda: some(practice.providers),
        "serviceIds": lambda: some(practice.services),
        "resourceIds": lambda: some(practice.rooms),
        "customerId": lambda: chance.choice(list(practice.customers.values())),
        "search": lambda: chance.choice(["lee", "A", "ly", "BO", "l", "zz"]),
    }
    values = {name: offer() for name, offer in offers.items() if chance.random() < 0.25}
    if {"fromDate", "toDate"} & set(values):
        values["timeZone"] = chance.choice(["Pacific/Auckland", "America/Los_Angeles", "UTC"])
    values["orderBy"] = chance.choice(["START_ASC", "START_DESC", "CREATED_DESC"])
    return values


async def listed(api: Api, caller: Caller, values: Json) -> list[str]:
    """The list as pages give it: forwards, and the same backwards."""
    size = 7
    forward: list[str] = []
    page: Json = {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        answer = await api.ask(LIST, caller=caller, **values, first=size, after=page["endCursor"])
        forward += [each["id"] for each in answer["appointments"]["nodes"]]
        page = answer["appointments"]["pageInfo"]
        assert answer["appointments"]["totalCount"] >= len(forward)
    backward: list[str] = []
    page = {"hasPreviousPage": True, "startCursor": None}
    while page["hasPreviousPage"]:
        answer = await api.ask(LIST, caller=caller, **values, last=size, before=page["startCursor"])
        backward = [each["id"] for each in answer["appointments"]["nodes"]] + backward
        page = answer["appointments"]["pageInfo"]
        assert answer["appointments"]["totalCount"] == len(forward)
    assert forward == backward
    return forward


@pytest.mark.parametrize(
    "bounds",
    [
        {"FEW_SUBJECTS": 0, "FEW_PEOPLE": 0, "MOST_CUSTOMERS": 1},
        {"FEW_SUBJECTS": 1, "FEW_PEOPLE": 0, "FEW_APPOINTMENTS": 9},
        {},
    ],
    ids=["whole list", "many", "few lists"],
)
async def test_all_that_is_given_holds_in_every_order(
    practice: Practice, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For administrators, and for a provider of their own visits; whichever lists are read for
    it.
    """
    for name, bound in bounds.items():
        monkeypatch.setattr(f"app.usecases.booking.list_appointments.{name}", bound)
    chance = random.Random(len(bounds))
    found_any = 0
    for _ in range(40):
        values = some_filters(practice, chance)
        provider = chance.choice([None, None, practice.providers[0]])
        caller = practice.api.admin if provider is None else practice.api.acting_for(provider)
        wanted = expected(practice, values, provider)
        assert await listed(practice.api, caller, values) == wanted, values
        found_any += bool(wanted)
    assert found_any > 13


async def test_a_customer_lists_their_own_and_searches_nobody(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    robin = api.customer("robin")
    contact = {"name": "Robin", "email": "robin@example.com"}
    own = await an_appointment(api, ada, "2026-01-13T09:00Z", caller=robin, customer=contact)
    other = await an_appointment(api, ada, "2026-01-13T10:00Z", customer=contact)
    seen = (await api.ask(OF_CUSTOMERS, caller=api.admin))["customers"]["nodes"]
    by_visit = {each["appointments"]["nodes"][0]["id"]: each["id"] for each in seen}
    mine, theirs = (by_visit[each["appointment"]["id"]] for each in (own, other))
    asked: list[tuple[Json, int]] = [
        ({}, 1), ({"customerId": mine}, 1), ({"customerId": theirs}, 0), ({"search": "robin"}, 0),
        ({"providerIds": [ada["id"]]}, 1), ({"providerIds": []}, 0),
    ]  # fmt: skip
    for values, total in asked:
        page = (await api.ask(LIST, caller=robin, **values))["appointments"]
        assert (page["totalCount"], len(page["nodes"])) == (total, total), values
        guest = (await api.ask(LIST, caller=api.anonymous, **values))["appointments"]
        assert (guest["totalCount"], guest["nodes"]) == (0, [])


@pytest.mark.parametrize("order", ["START_ASC", "START_DESC", "CREATED_DESC"])
async def test_customers_show_their_appointments(practice: Practice, order: str) -> None:
    """To a provider, those with them."""
    api, ben = practice.api, practice.providers[1]
    for caller, provider in ((api.admin, None), (api.acting_for(ben), ben)):
        answer = await api.ask(
            OF_CUSTOMERS, caller=caller, orderBy=order, first=3, status=["CONFIRMED"]
        )
        assert answer["customers"]["nodes"]
        for customer in answer["customers"]["nodes"]:
            values = {"customerId": customer["id"], "orderBy": order, "status": ["CONFIRMED"]}
            wanted = expected(practice, values, provider)
            page = customer["appointments"]
            assert page["totalCount"] == len(wanted)
            assert [each["id"] for each in page["nodes"]] == wanted[:3]


async def test_what_can_not_be_asked_is_refused_by_its_name(practice: Practice) -> None:
    api = practice.api
    cursor = (await api.ask(LIST, caller=api.admin, first=1))["appointments"]["pageInfo"][
        "endCursor"
    ]
    many = [practice.providers[0]["id"]] * 101
    asked: list[tuple[Json, str]] = [
        ({"fromDate": "2026-01-13"}, "timeZone"),
        ({"toDate": "2026-01-13", "timeZone": "Mars/Base"}, "timeZone"),
        ({"toDate": "0001-01-01", "timeZone": "UTC"}, "toDate"),
        ({"fromDate": "9999-12-31", "timeZone": "UTC"}, "fromDate"),
        ({"providerIds": many}, "providerIds"),
        ({"serviceIds": many}, "serviceIds"),
        ({"resourceIds": many}, "resourceIds"),
        ({"orderBy": "CREATED_DESC", "after": cursor}, "after"),
        ({"orderBy": "START_DESC", "before": cursor}, "before"),
    ]
    for values, field in asked:
        answer = await api.send(LIST, caller=api.admin, **values)
        assert answer.codes == ["BAD_USER_INPUT"], values
        assert answer.body["errors"][0]["extensions"]["field"] == field


@pytest.mark.parametrize(
    "zone", ["America/Havana", "Pacific/Apia", "Africa/Cairo", "America/St_Johns", "Asia/Beirut"]
)
def test_every_instant_is_on_one_date(zone: str) -> None:
    """Also where a date has no midnight or is left out, and dates follow one another."""
    assert zone in known_zones()
    for year in (2000, 2010, 2011, 2012, 2026):
        days = [date(year, 1, 1) + timedelta(days=each) for each in range(370)]
        firsts = [first_minute_of(zone, day) for day in days]
        assert firsts == sorted(firsts)
        for day, first in zip(days, firsts, strict=True):
            assert local_date(zone, first) >= day > local_date(zone, first - 1)
            assert minute_of(instant_of(first)) == first
