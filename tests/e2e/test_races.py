"""Races: many callers, several processes, one calendar. However they interleave, no time is given
away twice.

Everything here runs twice: with the program as it is, and with its advisory locks on calendars
taken out, so that the exclusion constraint alone has to hold.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest

from app.core.needs import ResourceGroup
from app.core.overrides import RuleSetAside
from app.process.clock import system_clock
from app.standins.embedded import Servers
from tests.builders import (
    BOOK,
    Api,
    Json,
    a_booking,
    a_provider,
    a_service,
    an_appointment,
    busy,
    key_in,
    made,
    weekly,
)
from tests.e2e.served import PROGRAM, a_database, environment_on, processes
from tests.integration.test_session_changes import (
    MOVE_SESSION,
    cancel_session,
    move_session,
    session_of,
)
from tests.lives import booked, broken_laws, cancel, hold, move, new_key, release, try_booking
from tests.visits import BOOK_VISIT, a_class, a_room, a_treatment, a_wish, needs_now

PROCESSES = 3
LOCKLESS = (sys.executable, "-m", "tests.e2e.lockless")
ALL_DAY = weekly("00:00", "24:00")
LEE = "lee@example.com"
REFUSED_BECAUSE_TAKEN = {"ALREADY_TAKEN", "BUFFER"}

CHANGE = (
    "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) { "
    "__typename } }"
)


IDS = ["with locks", "without locks"]
both_ways = pytest.mark.parametrize("apis", [PROGRAM, LOCKLESS], ids=IDS, indirect=True)
"""Of each kind of race one: without locks, its constraint is all that is left. `make test-full`
runs all of them both ways.
"""


@pytest.fixture(
    scope="module", params=[PROGRAM, pytest.param(LOCKLESS, marks=pytest.mark.full)], ids=IDS
)
async def apis(
    request: pytest.FixtureRequest,
    servers: Servers,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[list[Api]]:
    """One organization, asked through several processes."""
    folder: Path = tmp_path_factory.mktemp("races")
    name = f"slotwright_races_{os.getpid()}_{request.param == PROGRAM:d}"
    async with (
        a_database(servers, template_database, name) as database,
        processes(
            environment_on(servers, database), folder, count=PROCESSES, command=request.param
        ) as started,
    ):
        yield started
        deadlocks = await started[0].rows(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database() AND "
            "deadlocks > 0"
        )
        assert deadlocks == []


def in_days(days: int) -> datetime:
    """Midnight so many days from now, UTC."""
    day = (system_clock() + timedelta(days=days)).date()
    return datetime.combine(day, datetime.min.time(), UTC)


@both_ways
async def test_of_two_hundred_who_want_overlapping_times_exactly_one_gets_theirs(
    apis: list[Api],
) -> None:
    """10:00, 10:15 and 10:30, an hour each, of one provider: one appointment, 199 refusals by type,
    no error.
    """
    ada = await a_provider(apis[0], slotIntervalMinutes=15)
    starts = [in_days(3) + timedelta(hours=10, minutes=minutes) for minutes in (0, 15, 30)]
    wishes = [a_booking(ada, start) for _, start in zip(range(200), cycle(starts), strict=False)]
    random.Random(1).shuffle(wishes)
    answers = await asyncio.gather(
        *(api.send(BOOK, input=wish) for api, wish in zip(cycle(apis), wishes, strict=False))
    )
    assert {answer.status for answer in answers} == {200}
    results = [answer.data["answer"] for answer in answers]
    assert Counter(result["__typename"] for result in results) == {
        "BookingConfirmation": 1,
        "SlotUnavailableError": 199,
    }
    for result in results:
        if result["__typename"] == "SlotUnavailableError":
            assert result["reasons"] == ["ALREADY_TAKEN"]
    rows = await apis[0].rows("SELECT active FROM claim WHERE provider_id = $1", key_in(ada["id"]))
    assert rows == [{"active": True}]
    rows = await apis[0].rows(
        "SELECT status FROM appointment WHERE provider_id = $1", key_in(ada["id"])
    )
    assert rows == [{"status": "CONFIRMED"}]


@pytest.mark.parametrize("apis", [PROGRAM], ids=["with locks"], indirect=True)
async def test_of_two_hundred_each_is_booked_before_a_busy_time_or_refused_after(
    apis: list[Api],
) -> None:
    """All at different times of one day, by name or whoever is free, in a room; and while they are
    answered, all of the day becomes busy.
    """
    ada = await a_provider(apis[0], weeklyHours=ALL_DAY, serviceDurationMinutes=5, bufferMinutes=0)
    room = await a_room(apis[0])
    treatment = await a_treatment(apis[0], ada, rooms=[room], durationMinutes=5)
    day = in_days(4)
    starts = [(day + timedelta(minutes=5 * number)).isoformat() for number in range(200)]
    wishes = [
        a_wish(treatment, start) if number % 2 else a_wish(treatment, start, ada)
        for number, start in enumerate(starts)
    ]
    sent = [
        asyncio.create_task(api.send(BOOK_VISIT, input=wish))
        for api, wish in zip(cycle(apis), wishes, strict=False)
    ]
    for first in asyncio.as_completed(sent):
        await first
        break
    all_day = (day, day + timedelta(days=1))
    await busy(apis[1], ada, times=[all_day], first=day, to=all_day[1])
    answers = [answer.data["answer"] for answer in await asyncio.gather(*sent)]
    assert {*counted(answers)} <= {"BookingConfirmation", "SlotUnavailableError"}
    late = await asyncio.gather(
        *(
            api.send(BOOK_VISIT, input=a_wish(treatment, (day + timedelta(hours=20)).isoformat()))
            for api in apis
        )
    )
    assert counted([each.data["answer"] for each in late]) == {"SlotUnavailableError": len(apis)}
    # A transaction gets its number when it first writes, under its locks: one that waited for the
    # push has a higher one.
    rows = await apis[0].rows(
        """
        SELECT transaction_id < (
                SELECT max(transaction_id)
                FROM event
                WHERE organization_id = $1 AND type = 'PROVIDER_CHANGED' AND subject_id = $2
            ) AS is_before, count(*)::integer AS bookings
        FROM event
        WHERE organization_id = $1 AND type = 'APPOINTMENT_BOOKED' AND provider_id = $2
        GROUP BY is_before
        """,
        apis[0].organization.id,
        key_in(ada["id"]),
    )
    assert rows == [{"is_before": True, "bookings": counted(answers)["BookingConfirmation"]}]


@pytest.mark.parametrize("apis", [PROGRAM], ids=["with locks"], indirect=True)
async def test_of_a_hundred_on_one_day_a_limit_lets_exactly_eight_in(apis: list[Api]) -> None:
    """All at different times, by name or whoever is free: nobody is in anybody's way but for the
    limit, which no constraint of the database knows.
    """
    ada = await a_provider(
        apis[0],
        serviceDurationMinutes=10,
        weeklyHours=weekly("04:00", "22:00"),
        limits=[{"period": "DAY", "maxVisits": 8}],
    )
    service = await a_service(apis[0], ada, durationMinutes=10)
    wishes = []
    for number in range(100):
        wish = a_booking(ada, in_days(3) + timedelta(hours=4, minutes=10 * number))
        if number % 2:
            del wish["providerId"]
            wish["serviceId"] = service["id"]
        wishes.append(wish)
    random.Random(1).shuffle(wishes)
    answers = await asyncio.gather(
        *(api.send(BOOK, input=wish) for api, wish in zip(cycle(apis), wishes, strict=False))
    )
    results = [answer.data["answer"] for answer in answers]
    assert Counter(result["__typename"] for result in results) == {
        "BookingConfirmation": 8,
        "SlotUnavailableError": 92,
    }
    for result in results:
        if result["__typename"] == "SlotUnavailableError":
            assert "LIMIT_REACHED" in result["reasons"]
    rows = await apis[0].rows("SELECT active FROM claim WHERE provider_id = $1", key_in(ada["id"]))
    assert rows == [{"active": True}] * 8


async def test_of_fifty_bookings_of_one_customer_a_limit_of_two_lets_two_in(
    apis: list[Api],
) -> None:
    """At different times, with two providers, some of them their first booking."""
    ada, bea = [await a_provider(api, weeklyHours=ALL_DAY) for api in apis[:2]]
    service = await a_service(apis[0], ada, bea, maxOpenPerCustomer=2)
    caller = apis[0].customer("kim", name="Kim", email="kim@example.com")
    wishes = [
        a_booking(each, in_days(3) + timedelta(minutes=30 * number), serviceId=service["id"])
        for number in range(25)
        for each in (ada, bea)
    ]
    answers = await asyncio.gather(
        *(
            api.send(BOOK, caller=caller, input=wish)
            for api, wish in zip(cycle(apis), wishes, strict=False)
        )
    )
    results = [answer.data["answer"] for answer in answers]
    assert counted(results) == {"BookingConfirmation": 2, "SlotUnavailableError": 48}
    for result in results:
        if result["__typename"] == "SlotUnavailableError":
            assert result["reasons"] == ["LIMIT_REACHED"]


async def test_of_two_visits_at_once_one_customer_gets_one(apis: list[Api]) -> None:
    """Booked with two providers at the same moment; or one booked, the other moved there."""
    forbid = """
        mutation ($input: UpdateOrganizationInput!) {
            answer: updateOrganization(input: $input) { __typename }
        }
    """
    admin = apis[0].admin
    await apis[0].ask(forbid, caller=admin, input={"allowsCustomerOverlap": False})
    try:
        ada, bea = [
            await a_provider(api, weeklyHours=ALL_DAY, slotIntervalMinutes=30) for api in apis[:2]
        ]
        hours = [in_days(3) + timedelta(hours=hour) for hour in range(10)]
        callers = [apis[0].customer(f"lee-{hour.hour}", name="Lee", email=LEE) for hour in hours]
        pairs = [
            asyncio.gather(
                try_booking(apis[0], ada, hour, caller=caller),
                try_booking(apis[1], bea, hour, caller=caller),
            )
            for hour, caller in zip(hours, callers, strict=True)
        ]
        for pair in await asyncio.gather(*pairs):
            one_wins(pair)
        firsts = [
            await booked(apis[2], bea, hour + timedelta(days=1), caller=caller)
            for hour, caller in zip(hours, callers, strict=True)
        ]
        pairs = [
            asyncio.gather(
                try_booking(apis[0], ada, hour + timedelta(days=2), caller=caller),
                move(
                    apis[1],
                    theirs,
                    hour + timedelta(days=2, minutes=30),
                    caller=None if hour.hour % 2 else caller,
                ),
            )
            for hour, caller, theirs in zip(hours, callers, firsts, strict=True)
        ]
        for pair in await asyncio.gather(*pairs):
            one_wins(pair)
    finally:
        await apis[0].ask(forbid, caller=admin, input={"allowsCustomerOverlap": True})


def one_wins(pair: Sequence[Json]) -> None:
    """The other has the reason."""
    assert counted(pair) == {"BookingConfirmation": 1, "SlotUnavailableError": 1}
    assert [each["reasons"] for each in pair if "reasons" in each] == [["CUSTOMER_BUSY"]]


async def rush(apis: list[Api], wishes: list[Json]) -> list[Json]:
    """The answers to all of these at once, over all processes."""
    random.Random(len(wishes)).shuffle(wishes)
    answers = await asyncio.gather(
        *(api.send(BOOK_VISIT, input=wish) for api, wish in zip(cycle(apis), wishes, strict=False))
    )
    assert {answer.status for answer in answers} == {200}
    return [answer.data["answer"] for answer in answers]


def counted(answers: Sequence[Json]) -> Counter[str]:
    return Counter(answer["__typename"] for answer in answers)


async def test_of_two_hundred_requests_for_any_provider_as_many_win_as_are_free(
    apis: list[Api],
) -> None:
    """Four of five are free: each of them gets one visit, and nobody else is taken."""
    team = [await a_provider(apis[0]) for _ in range(5)]
    start = (in_days(4) + timedelta(hours=10)).isoformat()
    await an_appointment(apis[0], team[2], start)
    service = await a_treatment(apis[0], *team)
    answers = await rush(apis, [a_wish(service, start) for _ in range(200)])
    assert counted(answers) == {"BookingConfirmation": 4, "SlotUnavailableError": 196}
    chosen = [each["appointment"]["provider"]["id"] for each in answers if "appointment" in each]
    assert sorted(chosen) == sorted(each["id"] for each in team if each is not team[2])
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_in_a_rush_on_any_provider_every_place_is_taken_and_the_rest_are_refused(
    apis: list[Api],
) -> None:
    """Six starts of three providers are eighteen places for two hundred callers."""
    team = [await a_provider(apis[0]) for _ in range(3)]
    service = await a_treatment(apis[0], *team, durationMinutes=60)
    starts = [(in_days(8) + timedelta(hours=hour)).isoformat() for hour in range(9, 15)]
    wishes = [a_wish(service, start) for _, start in zip(range(200), cycle(starts), strict=False)]
    answers = await rush(apis, wishes)
    assert counted(answers) == {"BookingConfirmation": 18, "SlotUnavailableError": 182}
    assert {*map(str, (each.get("reasons") for each in answers))} == {"None", "['NOBODY_FREE']"}


@both_ways
async def test_two_teams_that_share_a_member_are_not_booked_at_once(apis: list[Api]) -> None:
    ada, ben, cyd = [await a_provider(apis[0]) for _ in range(3)]
    start = (in_days(5) + timedelta(hours=10)).isoformat()
    teams = [await a_treatment(apis[0], *pair, needed=2) for pair in ((ada, ben), (cyd, ben))]
    wishes = [a_wish(service, start) for service in teams for _ in range(30)]
    assert counted(await rush(apis, wishes)) == {
        "BookingConfirmation": 1,
        "SlotUnavailableError": 59,
    }
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


@both_ways
@pytest.mark.parametrize("units", [pytest.param(1, marks=pytest.mark.full), 2])
async def test_two_services_that_share_rooms_have_as_many_visits_as_there_are(
    apis: list[Api], units: int
) -> None:
    team = [await a_provider(apis[0]) for _ in range(6)]
    room = await a_room(apis[0], units=units)
    start = (in_days(6) + timedelta(hours=10)).isoformat()
    services = [await a_treatment(apis[0], *some, rooms=[room]) for some in (team[:3], team[3:])]
    wishes = [a_wish(service, start) for service in services for _ in range(30)]
    wishes += [a_wish(services[0], start, team[1]) for _ in range(10)]
    assert counted(await rush(apis, wishes)) == {
        "BookingConfirmation": units,
        "SlotUnavailableError": 70 - units,
    }
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_a_wish_that_is_sent_many_times_at_once_is_one_visit(apis: list[Api]) -> None:
    service = await a_treatment(apis[0], *[await a_provider(apis[0]) for _ in range(3)])
    start = (in_days(7) + timedelta(hours=10)).isoformat()
    answers = await rush(apis, [a_wish(service, start)] * 30)
    assert counted(answers) == {"BookingConfirmation": 30}
    assert len({each["appointment"]["id"] for each in answers}) == 1


# ---------------------------------------------------------------- seats


def without_locks(request: pytest.FixtureRequest) -> bool:
    """Whether a party may be refused though it fits: nothing keeps a session from beginning between
    two looks, and then its time is seen to be taken, but not by whom.
    """
    return "without locks" in request.node.name


async def seats_taken(api: Api, service: Json) -> int:
    rows = await api.rows(
        "SELECT seat.id FROM seat JOIN session ON session.id = seat.session_id"
        " WHERE session.service_id = $1 AND seat.active",
        key_in(service["id"]),
    )
    return len(rows)


@both_ways
async def test_of_two_hundred_parties_for_twelve_seats_none_is_refused_that_fits(
    apis: list[Api], request: pytest.FixtureRequest
) -> None:
    """Of one, two or three. All seats go, and none of them twice."""
    ada = await a_provider(apis[0])
    yoga = await a_class(apis[0], ada, seats=12)
    start = (in_days(9) + timedelta(hours=10)).isoformat()
    wishes = [a_wish(yoga, start, seats=1 + number % 3) for number in range(170)]
    wishes += [a_wish(yoga, start, ada, seats=1 + number % 3) for number in range(30)]
    answers = await rush(apis, wishes)
    assert {*counted(answers)} == {"BookingConfirmation", "SlotUnavailableError"}
    booked_ = sum(each["appointment"]["seats"] for each in answers if "appointment" in each)
    assert booked_ == await seats_taken(apis[0], yoga) == 12
    reasons = {*map(str, (each.get("reasons") for each in answers))}
    if without_locks(request):
        reasons -= {"['NOBODY_FREE']", "['ALREADY_TAKEN']"}
    assert reasons == {"None", "['NO_SEATS_LEFT']"}
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_parties_of_many_teachers_fill_every_session(apis: list[Api]) -> None:
    """Three teachers at two starts are six sessions of five seats, for two hundred callers."""
    team = [await a_provider(apis[0]) for _ in range(3)]
    yoga = await a_class(apis[0], *team, seats=5)
    starts = [(in_days(10) + timedelta(hours=hour)).isoformat() for hour in (9, 10)]
    wishes = [a_wish(yoga, start) for _, start in zip(range(200), cycle(starts), strict=False)]
    answers = await rush(apis, wishes)
    assert counted(answers) == {"BookingConfirmation": 30, "SlotUnavailableError": 170}
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_the_last_seat_is_cancelled_while_others_are_booked(
    apis: list[Api], request: pytest.FixtureRequest
) -> None:
    """The session ends or goes on. Those who book have all of its time."""
    ada = await a_provider(apis[0])
    yoga = await a_class(apis[0], ada, seats=4)
    for day in range(11, 21):
        start = (in_days(day) + timedelta(hours=10)).isoformat()
        (last,) = await rush(apis, [a_wish(yoga, start)])
        outcomes = await asyncio.gather(
            cancel(apis[1], last), rush(apis, [a_wish(yoga, start) for _ in range(3)])
        )
        assert made(outcomes[0], "Appointment")["status"] == "CANCELLED"
        booked_ = counted(outcomes[1])["BookingConfirmation"]
        assert booked_ == 3 or (without_locks(request) and booked_ > 0)
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_sessions_that_swap_times_and_the_room_do_not_wait_in_a_circle(
    apis: list[Api],
) -> None:
    """Each wants what the other has: both stay, or one has gone before the other comes."""
    ada, ben = await a_provider(apis[0]), await a_provider(apis[0])
    room = await a_room(apis[0])
    yoga, dance = [await a_class(apis[0], each, seats=4) for each in (ada, ben)]
    for service in (yoga, dance):
        await needs_now(
            apis[0], service, groups=(ResourceGroup(name="room", count=1, resource_ids=(room,)),)
        )
    for day in range(21, 31):
        nine, ten = [(in_days(day) + timedelta(hours=hour)).isoformat() for hour in (9, 10)]
        (first,), (second,) = (
            await rush(apis, [a_wish(yoga, nine)]),
            await rush(apis, [a_wish(dance, ten)]),
        )
        answers = await asyncio.gather(move(apis[0], first, ten), move(apis[1], second, nine))
        assert counted(answers) <= Counter({"SlotUnavailableError": 2})
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_a_session_is_cancelled_while_parties_join(
    apis: list[Api], request: pytest.FixtureRequest
) -> None:
    """Those who join are cancelled with it, or begin another one."""
    yoga = await a_class(apis[0], await a_provider(apis[0]), seats=12)
    for day in range(33, 38):
        start = (in_days(day) + timedelta(hours=10)).isoformat()
        (first,) = await rush(apis, [a_wish(yoga, start)])
        session = await session_of(apis[0], first)
        cancelled, joined = await asyncio.gather(
            cancel_session(apis[1], session), rush(apis, [a_wish(yoga, start) for _ in range(9)])
        )
        assert made(cancelled, "Session")["isCancelled"]
        assert {each["status"] for each in cancelled["appointments"]["nodes"]} == {"CANCELLED"}
        assert counted(joined)["BookingConfirmation"] == 9 or without_locks(request)
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_two_sessions_that_move_to_where_the_other_is_do_not_wait_in_a_circle(
    apis: list[Api],
) -> None:
    """With everybody in them, or not at all."""
    ada, ben = await a_provider(apis[0]), await a_provider(apis[0])
    room = await a_room(apis[0])
    services = [await a_class(apis[0], each, seats=4) for each in (ada, ben)]
    for service in services:
        await needs_now(
            apis[0], service, groups=(ResourceGroup(name="room", count=1, resource_ids=(room,)),)
        )
    for day in range(38, 43):
        starts = [(in_days(day) + timedelta(hours=hour)).isoformat() for hour in (9, 10)]
        sessions = []
        for service, start in zip(services, starts, strict=True):
            party, _ = await rush(apis, [a_wish(service, start) for _ in range(2)])
            sessions.append(await session_of(apis[0], party))
        answers = await asyncio.gather(
            *(
                move_session(api, session, start)
                for api, session, start in zip(apis, sessions, reversed(starts), strict=False)
            )
        )
        assert {*counted(answers)} <= {"Session", "SlotUnavailableError"}
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_seats_under_one_key_are_taken_once(apis: list[Api]) -> None:
    yoga = await a_class(apis[0], await a_provider(apis[0]), seats=12)
    start = (in_days(31) + timedelta(hours=10)).isoformat()
    answers = await rush(apis, [a_wish(yoga, start, seats=3)] * 30)
    assert counted(answers) == {"BookingConfirmation": 30}
    assert len({each["appointment"]["id"] for each in answers}) == 1
    assert await seats_taken(apis[0], yoga) == 3


async def test_whatever_parties_do_at_once_the_laws_of_seats_hold(apis: list[Api]) -> None:
    """They book, hold, use and release holds, change their size, move and cancel, at three starts
    of two teachers who share a room of two units.
    """
    chance = random.Random(7)
    team = [await a_provider(apis[0]) for _ in range(2)]
    room = await a_room(apis[0], units=2)
    yoga = await a_class(apis[0], *team, seats=5)
    await needs_now(
        apis[0], yoga, groups=(ResourceGroup(name="room", count=1, resource_ids=(room,)),)
    )
    starts = [in_days(32) + timedelta(hours=hour) for hour in (9, 10, 11)]
    seen: Counter[str] = Counter()

    async def party(number: int) -> None:
        api = apis[number % len(apis)]

        def wished() -> Json:
            named = chance.choice([(), (), *((each,) for each in team)])
            return a_wish(
                yoga, chance.choice(starts).isoformat(), *named, seats=chance.choice([1, 1, 2, 3])
            )

        for _ in range(3):
            wish = wished()
            if chance.random() < 0.4:
                held_ = await hold(
                    api, {"id": None}, wish["startsAt"], serviceId=yoga["id"], seats=wish["seats"]
                )
                seen[held_["__typename"]] += 1
                if held_["__typename"] != "Hold":
                    continue
                if chance.random() < 0.4:
                    await release(api, held_["holdToken"])
                    continue
                wish |= {"holdToken": held_["holdToken"]}
                wish.pop("providerIds", None)
            (answer,) = await rush([api], [wish])
            seen[answer["__typename"]] += 1
            if answer["__typename"] != "BookingConfirmation":
                assert "holdToken" not in wish
                continue
            for _ in range(2):
                moved = await move(
                    api, answer, chance.choice(starts), seats=chance.choice([None, 1, 2, 4])
                )
                seen[f"move: {moved['__typename']}"] += 1
            if chance.random() < 0.6:
                made(await cancel(api, answer), "Appointment")

    await asyncio.gather(*map(party, range(30)))
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}
    assert min(seen[each] for each in ("BookingConfirmation", "Hold", "move: BookingConfirmation"))


EVERY_RULE = [rule.value for rule in RuleSetAside]


async def rush_with_overrides(apis: list[Api], wishes: list[Json]) -> list[Json]:
    """As `rush`; those that set rules aside come from an administrator."""
    random.Random(len(wishes)).shuffle(wishes)
    answers = await asyncio.gather(
        *(
            api.send(BOOK_VISIT, caller=api.admin if "ignore" in wish else None, input=wish)
            for api, wish in zip(cycle(apis), wishes, strict=False)
        )
    )
    assert {answer.status for answer in answers} == {200}
    return [answer.data["answer"] for answer in answers]


@both_ways
async def test_a_time_goes_to_one_of_those_who_override_and_those_who_do_not(
    apis: list[Api], request: pytest.FixtureRequest
) -> None:
    """Any two of these visits overlap: a hundred at the listed start, a hundred at other minutes.
    Of a provider by name, of whoever is free, and of two together in the one room.
    """
    ada, ben = await a_provider(apis[0]), await a_provider(apis[0])
    room = await a_room(apis[0])
    either = await a_treatment(apis[0], ada, ben, durationMinutes=60)
    both = await a_treatment(apis[0], ada, ben, needed=2, rooms=[room], durationMinutes=60)
    for day, service, named, winners in (
        (50, either, [ada], 1),
        (51, either, [], 2),
        (52, both, [], 1),
    ):
        start = in_days(day) + timedelta(hours=10)
        wishes = [a_wish(service, start.isoformat(), *named) for _ in range(100)]
        wishes += [
            a_wish(
                service,
                (start + timedelta(minutes=number % 59 - 29)).isoformat(),
                *named,
                ignore=EVERY_RULE,
            )
            for number in range(100)
        ]
        answers = await rush_with_overrides(apis, wishes)
        assert {*counted(answers)} == {"BookingConfirmation", "SlotUnavailableError"}
        won = counted(answers)["BookingConfirmation"]
        assert won == winners or (without_locks(request) and 0 < won < winners)
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


async def test_overrides_join_the_session_that_others_join_and_begin_none_over_it(
    apis: list[Api],
) -> None:
    """One teacher: the session is at the listed start or ten minutes later, and has twelve seats."""
    ada = await a_provider(apis[0])
    yoga = await a_class(apis[0], ada, seats=12)
    for day in range(53, 57):
        start = in_days(day) + timedelta(hours=10)
        starts = [start.isoformat(), (start + timedelta(minutes=10)).isoformat()]
        wishes = [a_wish(yoga, starts[0], seats=1 + number % 2) for number in range(30)]
        wishes += [
            a_wish(yoga, each, seats=1 + number % 2, ignore=EVERY_RULE)
            for number in range(15)
            for each in starts
        ]
        answers = await rush_with_overrides(apis, wishes)
        taken_ = [each["appointment"] for each in answers if "appointment" in each]
        assert len({each["startsAt"] for each in taken_}) == 1
        assert 0 < sum(each["seats"] for each in taken_) <= 12
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A practice of two on one day, where staff squeeze visits in while guests book."""

    team: Sequence[Json]
    services: Sequence[Json]
    """The last one is a class."""
    day: datetime
    chance: random.Random
    seen: Counter[str]

    def any_minute(self, *, until_hour: int = 11) -> str:
        minute = self.chance.randrange(8 * 60, until_hour * 60)
        return (self.day + timedelta(minutes=minute)).isoformat()

    async def book(self, api: Api, service: Json) -> Json | None:
        """At once, or by a hold; None where others were faster."""
        start = self.any_minute()
        wish = a_wish(service, start, ignore=EVERY_RULE)
        if self.chance.random() < 0.3:
            values: Json = {"serviceId": service["id"], "ignore": EVERY_RULE}
            held_ = await hold(api, {"id": None}, start, caller=api.admin, **values)
            self.seen[held_["__typename"]] += 1
            if held_["__typename"] != "Hold":
                return None
            wish = a_wish(service, start, holdToken=held_["holdToken"])
        (answer,) = await rush_with_overrides([api], [wish])
        self.seen[answer["__typename"]] += 1
        if answer["__typename"] == "BookingConfirmation":
            return answer
        assert "holdToken" not in wish
        return None

    async def squeeze_in(self, api: Api) -> None:
        service = self.chance.choice(self.services)
        booked_ = await self.book(api, service)
        if booked_ is None:
            return
        if service is self.services[-1] and self.chance.random() < 0.5:
            values: Json = {
                "sessionId": await session_of(api, booked_),
                "startsAt": self.any_minute(),
                "idempotencyKey": new_key(),
                "ignore": EVERY_RULE,
            }
            moved = (await api.ask(MOVE_SESSION, caller=api.admin, input=values))["answer"]
            self.seen[f"session: {moved['__typename']}"] += 1
        values = {"ignore": EVERY_RULE}
        if service is self.services[0] and self.chance.random() < 0.5:
            values["providerIds"] = [self.chance.choice(self.team)["id"]]
        # The morning fills up, and some moves have to succeed.
        to = self.any_minute(until_hour=16)
        moved = await move(api, booked_, to, caller=api.admin, **values)
        self.seen[f"move: {moved['__typename']}"] += 1
        if self.chance.random() < 0.6:
            made(await cancel(api, booked_, caller=api.admin), "Appointment")

    async def be_a_guest(self, api: Api) -> None:
        start = self.day + timedelta(hours=9, minutes=20 * self.chance.randrange(6))
        (answer,) = await rush(
            [api], [a_wish(self.chance.choice(self.services), start.isoformat())]
        )
        self.seen[f"guest: {answer['__typename']}"] += 1
        if answer["__typename"] == "BookingConfirmation" and self.chance.random() < 0.5:
            made(await cancel(api, answer), "Appointment")


async def test_whatever_is_overridden_at_once_nothing_overlaps(apis: list[Api]) -> None:
    """Bookings, holds that are used, moves of visits and of whole sessions, handing over, at any
    minute, in hours and outside of them; and ordinary bookings, all over two providers and the one
    room.
    """
    team = [await a_provider(apis[0], bufferMinutes=5), await a_provider(apis[0])]
    room = await a_room(apis[0])
    desk = Desk(
        team=team,
        services=[
            await a_service(apis[0], *team, durationMinutes=20),
            await a_treatment(apis[0], *team, rooms=[room], durationMinutes=20),
            await a_service(apis[0], *team, seats=4, durationMinutes=20),
        ],
        day=in_days(57),
        chance=random.Random(11),
        seen=Counter(),
    )

    async def several(number: int) -> None:
        for _ in range(4):
            live = desk.squeeze_in if number % 3 else desk.be_a_guest
            await live(apis[number % len(apis)])

    await asyncio.gather(*map(several, range(30)))
    assert await broken_laws(apis[0].resources.pool, apis[0].organization.id) == {}
    expected = ("BookingConfirmation", "SlotUnavailableError", "move: BookingConfirmation")
    assert min(desk.seen[each] for each in expected), desk.seen


@both_ways
@pytest.mark.parametrize("seconds", [4.0, pytest.param(60.0, marks=pytest.mark.full)])
async def test_whatever_is_booked_at_once_nothing_overlaps_and_nothing_accepted_is_lost(
    apis: list[Api], seconds: float
) -> None:
    """Random visits of several lengths and buffers over many providers, whose rules change
    meanwhile; some requests are sent again under their key, at the same moment.
    """
    chance = random.Random(int(seconds))
    providers = [
        await a_provider(
            apis[0],
            bufferMinutes=chance.choice([0, 0, 10]),
            slotIntervalMinutes=15,
            weeklyHours=weekly("06:00", "22:00"),
        )
        for _ in range(4)
    ]
    services = [
        await a_service(
            apis[0],
            *providers,
            durationMinutes=minutes,
            bufferBeforeMinutes=before,
            bufferAfterMinutes=after,
        )
        for minutes, before, after in ((15, 0, 0), (45, 15, 0), (60, 0, 30), (120, 30, 30))
    ]
    end = time.monotonic() + seconds
    days = max(2, int(seconds / 6))
    confirmed: dict[str, Json] = {}
    seen: Counter[str] = Counter()

    async def wish(api: Api, provider: Json) -> Any:  # noqa: ANN401  whatever came back
        service = chance.choice([None, *services])
        start = in_days(chance.randint(5, 4 + days)) + timedelta(
            minutes=15 * chance.randint(24, 88)
        )
        values = a_booking(provider, start, serviceId=service and service["id"])
        twice = [api, *(chance.sample(apis, 1) if chance.random() < 0.1 else [])]
        answers = [
            answer.data["answer"]
            for answer in await asyncio.gather(*(each.send(BOOK, input=values) for each in twice))
        ]
        # One may be refused just before the rules change, and the other not; never are both given a
        # time of their own.
        assert (
            len({answer["appointment"]["id"] for answer in answers if "appointment" in answer}) <= 1
        )
        for answer in answers:
            seen[answer["__typename"]] += 1
            if answer["__typename"] == "BookingConfirmation":
                confirmed[answer["appointment"]["id"]] = answer["appointment"]
            else:
                reasons = set(made(answer, "SlotUnavailableError")["reasons"])
                assert reasons <= REFUSED_BECAUSE_TAKEN | {
                    "DOES_NOT_FIT",
                    "OUTSIDE_HOURS",
                    "NOT_ON_GRID",
                }, reasons
        return answers

    async def caller(number: int) -> None:
        while time.monotonic() < end:
            await wish(apis[number % len(apis)], chance.choice(providers))

    async def administrator() -> None:
        while time.monotonic() < end:
            values = {
                "id": chance.choice(providers)["id"],
                "bufferMinutes": chance.choice([0, 5, 10]),
            }
            answer = await chance.choice(apis).ask(CHANGE, caller=apis[0].admin, input=values)
            made(answer["answer"], "Provider")

    await asyncio.gather(administrator(), *(caller(number) for number in range(24)))

    stored = await apis[0].rows(
        "SELECT appointment.id, appointment.provider_id, starts_at, ends_at, lower(during) AS "
        "claimed_from,"
        " upper(during) AS claimed_until, visit = tstzrange(starts_at, ends_at) AS agree"
        " FROM appointment LEFT JOIN claim ON claim.appointment_id = appointment.id AND "
        "claim.active"
        " WHERE appointment.provider_id = ANY($1) AND status = 'CONFIRMED'",
        [key_in(provider["id"]) for provider in providers],
    )
    assert {row["id"] for row in stored} == {key_in(node_id) for node_id in confirmed}
    assert all(row["agree"] for row in stored)
    by_id = {row["id"]: row for row in stored}
    for node_id, shown in confirmed.items():
        row = by_id[key_in(node_id)]
        assert datetime.fromisoformat(shown["startsAt"]) == row["starts_at"]
        assert datetime.fromisoformat(shown["endsAt"]) == row["ends_at"]
    for provider in providers:
        own = sorted(
            (row["claimed_from"], row["claimed_until"])
            for row in stored
            if row["provider_id"] == key_in(provider["id"])
        )
        assert all(first[1] <= second[0] for first, second in pairwise(own))
    assert seen["BookingConfirmation"] > 10  # it was a race at all, on the slowest machine too
    assert seen["SlotUnavailableError"] > 10
