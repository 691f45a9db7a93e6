"""Concurrent changes: in any order, one consistent outcome, never an error, never a deadlock.

Two applications share a database, as two machines would; what meets is sent at once, over both.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle

import pytest

from app.core.ids import ProviderId
from app.settings import LimitSettings, ManageKey, Settings
from app.standins.embedded import Servers
from app.store.locks import lock_rules
from app.store.pool import transaction
from app.usecases.booking.close_appointment import complete_what_ended
from tests.builders import (
    NOW,
    Api,
    Json,
    Running,
    a_provider,
    a_service,
    blocked,
    instant,
    key_in,
    made,
    running,
    weekly,
)
from tests.databases import a_copy
from tests.lives import (
    booked,
    broken_laws,
    cancel,
    complete,
    held,
    history,
    hold,
    move,
    new_key,
    no_show,
    release,
    seen,
    try_booking,
)

NINE, TEN, ELEVEN, NOON = (f"2026-01-12T{hour:02}:00Z" for hour in (9, 10, 11, 12))
ROUNDS = 12

ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)
UPDATE_SERVICE = (
    "mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) { __typename } }"
)
UPDATE_PROVIDER = (
    "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: "
    "$input) "
    "{ __typename } }"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Two applications, one organization. `api` is the first."""

    api: Api
    other: Api

    async def meet(self, *deeds: Awaitable[Json]) -> list[Json]:
        return list(await asyncio.gather(*deeds))


@asynccontextmanager
async def watched(
    first: Running, second: Running, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Both]:
    """In the end the rows keep the laws, and no log knows of a deadlock or of anything
    unexpected.
    """
    api = await first.api()
    second.clock.set(api.clock.now)
    yield Both(api=api, other=Api(second.http, second.resources, api.organization, second.clock))
    assert await broken_laws(api.resources.pool, api.organization.id) == {}
    said = "\n".join(record.getMessage() for record in caplog.get_records("call")).lower()
    assert "deadlock" not in said
    assert "unexpected" not in said


@pytest.fixture(scope="module")
async def pair(servers: Servers, template_database: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two applications on a database that this module's tests share."""
    name = f"slotwright_test_{os.getpid()}_pair"
    async with a_copy(servers, template_database, name) as address:
        settings = Settings(
            database_url=address,
            redis_url=servers.redis_url,
            token_secret="a secret of the tests of at least thirty-two bytes",
            manage_keys=(
                ManageKey(id="test", secret="another secret of the tests of at least 32 bytes"),
            ),
            hash_secret="a third secret of the tests of at least 32 bytes",
            # every test is at this machine's own
            limits=LimitSettings(guest_bookings_per_address=0, rate_limits=False),
        )
        async with running(settings) as first, running(settings) as second:
            yield first, second


@pytest.fixture
async def both(
    pair: tuple[Running, Running], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Both]:
    """Two applications, and an organization of this test's own."""
    async with watched(*pair, caplog) as watching:
        yield watching


@pytest.fixture
async def alone(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Both]:
    """The same on a database of this test's own: for what the worker does in all organizations."""
    settings = Settings.from_environment(environment)
    async with (
        running(settings) as first,
        running(settings) as second,
        watched(first, second, caplog) as watching,
    ):
        yield watching


def turn(both: Both, now: str) -> None:
    both.api.clock.set(now)
    both.other.clock.set(now)


async def state(api: Api, visit: Json) -> tuple[str, str, int]:
    found = await seen(api, visit, caller=api.admin)
    assert found is not None
    return found["status"], found["startsAt"], found["version"]


def types(answers: Sequence[Json]) -> list[str]:
    return sorted(answer["__typename"] for answer in answers)


# ---------------------------------------------------------------- one appointment, two wishes


async def test_cancel_against_move(both: Both) -> None:
    ada = await a_provider(both.api)
    for turn_ in range(ROUNDS):
        one, two = (both.api, both.other) if turn_ % 2 else (both.other, both.api)
        visit = await booked(both.api, ada, TEN)
        cancelled, moved = await both.meet(cancel(one, visit), move(two, visit, ELEVEN))
        made(cancelled, "Appointment")
        if moved["__typename"] == "BookingConfirmation":
            assert await state(both.api, visit) == ("CANCELLED", ELEVEN.replace("Z", ":00Z"), 3)
        else:
            assert made(moved, "NotReschedulableError")["reason"] == "ALREADY_CANCELLED"
            assert await state(both.api, visit) == ("CANCELLED", TEN.replace("Z", ":00Z"), 2)


async def test_of_many_changes_that_expect_one_version_one_wins_and_the_others_learn_the_new_one(
    both: Both,
) -> None:
    ada = await a_provider(both.api)
    for _ in range(ROUNDS // 2):
        visit = await booked(both.api, ada, TEN)
        answers = await both.meet(
            *(
                move(
                    api, visit, when, expectedVersion=1, **({"caller": api.admin} if at % 3 else {})
                )
                for at, (api, when) in enumerate(
                    zip(
                        cycle((both.api, both.other)),
                        (NINE, ELEVEN, NOON, TEN, NINE, ELEVEN),
                        strict=False,
                    )
                )
            )
        )
        assert types(answers) == ["BookingConfirmation", *["VersionConflictError"] * 5]
        assert {answer["currentVersion"] for answer in answers if "currentVersion" in answer} == {2}
        assert (await state(both.api, visit))[2] == 2
        made(await cancel(both.api, visit), "Appointment")


async def test_a_cancellation_and_moves_that_expect_one_version(both: Both) -> None:
    ada = await a_provider(both.api)
    for _ in range(ROUNDS // 2):
        visit = await booked(both.api, ada, TEN)
        answers = await both.meet(
            move(both.api, visit, NINE, expectedVersion=1),
            cancel(both.other, visit, expectedVersion=1),
            move(both.other, visit, ELEVEN, expectedVersion=1),
        )
        won = [answer for answer in answers if answer["__typename"] != "VersionConflictError"]
        assert len(won) == 1
        assert {answer["currentVersion"] for answer in answers if "currentVersion" in answer} == {2}
        await cancel(both.api, visit)


async def test_completed_against_no_show_with_one_version(both: Both) -> None:
    ada = await a_provider(both.api, serviceDurationMinutes=15)
    visits = [
        await booked(both.api, ada, instant(NINE) + timedelta(minutes=15 * at))
        for at in range(ROUNDS)
    ]
    turn(both, NOON)
    for visit in visits:
        answers = await both.meet(
            complete(both.api, visit, expectedVersion=1),
            no_show(both.other, visit, expectedVersion=1),
        )
        assert types(answers) == ["Appointment", "VersionConflictError"]
        assert {answer["currentVersion"] for answer in answers if "currentVersion" in answer} == {2}


async def test_cancelling_twenty_times_at_once_is_one_change(both: Both) -> None:
    visit = await booked(both.api, await a_provider(both.api), TEN)
    apis = (both.api, both.other) * 10
    answers = await both.meet(
        *(cancel(api, visit, reason=f"reason {at}") for at, api in enumerate(apis))
    )
    assert types(answers) == ["Appointment"] * 20
    assert len({answer["cancellationReason"] for answer in answers}) == 1
    assert {answer["version"] for answer in answers} == {2}


async def test_one_key_fifty_times_at_once_moves_once(both: Both) -> None:
    visit = await booked(both.api, await a_provider(both.api), TEN)
    key = new_key()
    apis = (both.api, both.other) * 25
    answers = await both.meet(
        *(move(api, visit, NOON, idempotencyKey=key, expectedVersion=1) for api in apis)
    )
    assert types(answers) == ["BookingConfirmation"] * 50
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["appointment"]["version"] == 2
    assert len(await history(both.api, visit)) == 2


async def test_one_key_for_two_moves_at_once_is_one_of_them(both: Both) -> None:
    visit = await booked(both.api, await a_provider(both.api), TEN)
    for _ in range(ROUNDS):
        key = new_key()
        answers = await both.meet(
            move(both.api, visit, NINE, idempotencyKey=key),
            move(both.other, visit, NOON, idempotencyKey=key),
        )
        assert types(answers) == ["BookingConfirmation", "IdempotencyKeyReusedError"]


# ---------------------------------------------------------------- one time, many wishes


async def test_a_move_against_a_booking_of_the_time_that_it_frees(both: Both) -> None:
    ada = await a_provider(both.api)
    for turn_ in range(ROUNDS):
        one, two = (both.api, both.other) if turn_ % 2 else (both.other, both.api)
        visit = await booked(both.api, ada, TEN)
        moved, taken = await both.meet(move(one, visit, ELEVEN), try_booking(two, ada, TEN))
        made(moved, "BookingConfirmation")
        if taken["__typename"] == "BookingConfirmation":
            made(await cancel(both.api, taken), "Appointment")
        else:
            assert made(taken, "SlotUnavailableError")["reasons"] == ["ALREADY_TAKEN"]
            made(await cancel(both.api, await booked(both.api, ada, TEN)), "Appointment")
        made(await cancel(both.api, visit), "Appointment")


async def test_moves_bookings_and_holds_onto_one_time_have_one_winner(both: Both) -> None:
    ada = await a_provider(both.api)
    for _ in range(ROUNDS // 2):
        visits = [await booked(both.api, ada, when) for when in (TEN, ELEVEN)]
        answers = await both.meet(
            move(both.api, visits[0], NOON),
            move(both.other, visits[1], NOON),
            try_booking(both.api, ada, NOON),
            try_booking(both.other, ada, NOON),
            hold(both.api, ada, NOON),
            hold(both.other, ada, NOON),
        )
        won = [answer for answer in answers if answer["__typename"] != "SlotUnavailableError"]
        assert len(won) == 1
        assert {tuple(answer["reasons"]) for answer in answers if "reasons" in answer} <= {
            ("HELD",),
            ("ALREADY_TAKEN",),
        }
        if won[0]["__typename"] == "Hold":
            await release(both.api, won[0]["holdToken"])
        elif won[0]["appointment"]["id"] not in {visit["appointment"]["id"] for visit in visits}:
            await cancel(both.api, won[0])
        for visit in visits:
            await cancel(both.api, visit)


async def test_two_that_want_each_other_s_time_both_stay_and_nobody_waits_in_a_circle(
    both: Both,
) -> None:
    ada = await a_provider(both.api, weeklyHours=weekly("00:00", "24:00"))
    days = [NOW + timedelta(days=day) for day in range(1, 5)]
    visits = [await booked(both.api, ada, day) for day in days]
    for _ in range(ROUNDS // 2):
        answers = await both.meet(
            move(both.api, visits[0], days[3]),
            move(both.other, visits[3], days[0]),
            move(both.api, visits[2], days[1]),
            move(both.other, visits[1], days[2]),
        )
        assert types(answers) == ["SlotUnavailableError"] * 4


async def test_opposite_moves_across_days_all_succeed(both: Both) -> None:
    ada = await a_provider(
        both.api, weeklyHours=weekly("00:00", "24:00"), serviceDurationMinutes=30
    )
    one, two = NOW + timedelta(days=1), NOW + timedelta(days=2)
    half = timedelta(minutes=30)
    there = [await booked(both.api, ada, one + half * at) for at in range(6)]
    here = [await booked(both.api, ada, two + half * at) for at in range(6)]
    for turn_ in range(ROUNDS // 2):
        # Each day's visits go to the free times of the other day, all at once, to and fro.
        away = half * (8 if turn_ % 2 == 0 else 0)
        first, second = (two, one) if turn_ % 2 == 0 else (one, two)
        answers = await both.meet(
            *(move(both.api, visit, first + away + half * at) for at, visit in enumerate(there)),
            *(move(both.other, visit, second + away + half * at) for at, visit in enumerate(here)),
        )
        assert types(answers) == ["BookingConfirmation"] * 12


async def test_visits_over_midnight_move_to_and_fro_without_a_circle(both: Both) -> None:
    ada = await a_provider(
        both.api,
        weeklyHours=weekly("00:00", "24:00"),
        bufferMinutes=60,
        slotIntervalMinutes=30,
        serviceDurationMinutes=60,
    )
    nights = [instant(f"2026-01-{day}T23:00Z") for day in range(13, 19)]
    visits = [await booked(both.api, ada, night) for night in nights]
    for turn_ in range(ROUNDS // 2):
        by = timedelta(minutes=30) if turn_ % 2 == 0 else timedelta(0)
        targets = [night + by for night in (nights if turn_ % 3 else nights[::-1])]
        order = visits if turn_ % 3 else visits[::-1]
        apis = cycle((both.api, both.other))
        answers = await both.meet(
            *(move(next(apis), visit, target) for visit, target in zip(order, targets, strict=True))
        )
        assert types(answers) == ["BookingConfirmation"] * 6


async def test_rules_that_change_meanwhile_wait_and_let_pass(both: Both) -> None:
    ada = await a_provider(both.api, weeklyHours=weekly("00:00", "24:00"), slotIntervalMinutes=15)

    async def change(at: int) -> Json:
        values = {
            "id": ada["id"],
            "bufferMinutes": 15 * (at % 3),
            "serviceDurationMinutes": 30 + 15 * (at % 2),
        }
        answer: Json = (
            await both.other.ask(UPDATE_PROVIDER, caller=both.other.admin, input=values)
        )["answer"]
        return answer

    # 23 o'clock: two dates each
    days = [NOW + timedelta(days=day, hours=15) for day in range(1, 7)]
    visits = [await booked(both.api, ada, day) for day in days]
    kept = [await held(both.api, ada, day - timedelta(hours=6)) for day in days]
    for turn_ in range(ROUNDS // 3):
        targets = [day + timedelta(minutes=15 * (turn_ % 3)) for day in days]
        answers = await both.meet(
            *(change(at) for at in range(3)),
            *(move(both.api, visit, target) for visit, target in zip(visits, targets, strict=True)),
            *(
                move(both.other, visit, target)
                for visit, target in zip(visits[::-1], targets[::-1], strict=True)
            ),
        )
        assert {*types(answers)} <= {"Provider", "BookingConfirmation", "SlotUnavailableError"}
    answers = await both.meet(
        *(
            try_booking(both.api, ada, each["startsAt"], holdToken=each["holdToken"])
            for each in kept
        ),
        *(change(at) for at in range(3)),
    )
    assert types(answers) == ["BookingConfirmation"] * 6 + ["Provider"] * 3


async def test_holds_that_expired_at_midnight_wait_for_nobody_in_a_circle(both: Both) -> None:
    ada = await a_provider(both.api, weeklyHours=weekly("00:00", "24:00"))
    cut = await a_service(both.api, ada, durationMinutes=60, slotIntervalMinutes=60)
    nights = [instant(f"2026-01-{day}T00:00Z") for day in range(13, 23)]
    kept = [
        await held(both.api, ada, night, serviceId=cut["id"], caller=both.api.admin)
        for night in nights
    ]
    # What was held touches one date. From now on each of these visits touches the date before, too.
    changes = {
        "id": cut["id"],
        "bufferBeforeMinutes": 60,
        "bufferAfterMinutes": 60,
        "slotIntervalMinutes": 60,
    }
    made(
        (await both.api.ask(UPDATE_SERVICE, caller=both.api.admin, input=changes))["answer"],
        "Service",
    )
    turn(both, kept[-1]["expiresAt"])
    apis = cycle((both.api, both.other))
    answers = await both.meet(
        *(
            deed
            for each, night in zip(kept, nights, strict=True)
            for deed in (
                try_booking(
                    next(apis), ada, night, serviceId=cut["id"], holdToken=each["holdToken"]
                ),
                try_booking(next(apis), ada, night - timedelta(hours=1), serviceId=cut["id"]),
                try_booking(next(apis), ada, night - timedelta(hours=1), serviceId=cut["id"]),
            )
        )
    )
    assert {*types(answers)} <= {"BookingConfirmation", "HoldExpiredError", "SlotUnavailableError"}


# ---------------------------------------------------------------- the worker

ALL_LOCKED = "SELECT FROM appointment WHERE organization_id = $1 FOR UPDATE"


@pytest.mark.parametrize("first", ["the worker", "the provider"])
@pytest.mark.parametrize("expected", [None, 1])
async def test_completion_by_itself_against_a_no_show_in_either_order(
    alone: Both, first: str, expected: int | None
) -> None:
    api = alone.api
    visit = await booked(api, await a_provider(api), TEN)
    turn(alone, ELEVEN)
    async with api.resources.pool.connection() as blocker:
        block = blocker.transaction()
        await block.start()
        await blocker.execute(ALL_LOCKED, api.organization.id)
        values: Json = {} if expected is None else {"expectedVersion": expected}
        if first == "the worker":
            completing = asyncio.create_task(complete_what_ended(api.resources))
            await blocked(api, 1)
            telling = asyncio.create_task(no_show(alone.other, visit, **values))
        else:
            telling = asyncio.create_task(no_show(alone.other, visit, **values))
            await blocked(api, 1)
            completing = asyncio.create_task(complete_what_ended(api.resources))
        await blocked(api, 2)
        await block.rollback()
    completed, told = await completing, await telling
    if first == "the provider":
        assert (completed, made(told, "Appointment")["version"]) == (0, 2)
    elif expected is None:
        assert (completed, made(told, "Appointment")["version"]) == (1, 3)
    else:
        assert (completed, made(told, "VersionConflictError")["currentVersion"]) == (1, 2)
    status, _, version = await state(api, visit)
    assert (status, version) == (
        ("COMPLETED", 2) if "currentVersion" in told else ("NO_SHOW", told["version"])
    )


async def test_workers_against_many_no_shows(alone: Both) -> None:
    api = alone.api
    ada = await a_provider(api, serviceDurationMinutes=15)
    visits = [
        await booked(api, ada, instant(NINE) + timedelta(minutes=15 * at)) for at in range(24)
    ]
    turn(alone, "2026-01-12T16:00Z")
    apis = cycle((alone.api, alone.other))
    told, *completed = await asyncio.gather(
        alone.meet(*(no_show(next(apis), visit) for visit in visits)),
        complete_what_ended(alone.api.resources),
        complete_what_ended(alone.other.resources),
        complete_what_ended(alone.api.resources),
    )
    assert types(told) == ["Appointment"] * 24
    # What the workers completed first was then marked as a no-show.
    assert sum(answer["version"] - 2 for answer in told) == sum(completed)
    assert {(await state(api, visit))[0] for visit in visits} == {"NO_SHOW"}


async def test_a_move_out_of_the_way_of_the_worker_is_not_completed(alone: Both) -> None:
    """The worker looks for what has ended without a lock; what was moved since has not."""
    api = alone.api
    visit = await booked(api, await a_provider(api), TEN)
    async with api.resources.pool.connection() as mover:
        block = mover.transaction()
        await block.start()
        await mover.execute(ALL_LOCKED, api.organization.id)
        turn(alone, ELEVEN)
        completing = asyncio.create_task(complete_what_ended(api.resources))
        await blocked(api, 1)
        # What a clock that is behind would still allow.
        own = api.organization.id
        starts_at, ends_at = (instant(each) + timedelta(days=1) for each in (TEN, ELEVEN))
        for change in (
            "appointment SET starts_at = $2, ends_at = $3",
            "claim SET during = tstzrange($2, $3), visit = tstzrange($2, $3)",
        ):
            await mover.execute(
                f"UPDATE {change} WHERE organization_id = $1", own, starts_at, ends_at
            )
        await mover.execute(
            "UPDATE appointment_history SET to_starts_at = $2 WHERE organization_id = $1",
            own,
            starts_at,
        )
        await block.commit()
    assert await completing == 0
    assert await state(api, visit) == ("CONFIRMED", "2026-01-13T10:00:00Z", 1)


# ---------------------------------------------------------------- an erasure


@pytest.mark.parametrize("change", ["a cancellation", "a move"])
async def test_what_is_being_written_about_a_customer_is_erased_with_the_rest(
    both: Both, change: str
) -> None:
    api = both.api
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await booked(api, ada, TEN, caller=robin, customer=None)
    found = await seen(api, visit, caller=api.admin)
    assert found is not None
    async with transaction(api.resources.pool) as tx:
        # The change has the appointment, and waits for the rules.
        await lock_rules(tx, api.organization.id, [ProviderId(key_in(ada["id"]))])
        changing = asyncio.create_task(
            cancel(api, visit, caller=robin, reason="Robin is ill")
            if change == "a cancellation"
            else move(api, visit, ELEVEN, caller=robin)
        )
        await blocked(api, 1)
        erasing = asyncio.create_task(
            both.other.ask(ERASE, caller=api.admin, input={"id": found["customer"]["id"]})
        )
        await blocked(api, 2)
    assert (await changing)["__typename"] in {"Appointment", "BookingConfirmation"}
    assert (await erasing)["answer"]["__typename"] == "Customer"
    for table in ("appointment", "appointment_history", "idempotency_key", "customer", "hold"):
        rows = await api.rows(
            f"SELECT * FROM {table} WHERE organization_id = $1", api.organization.id
        )
        assert "robin" not in str(rows).lower(), table
    assert [entry["version"] for entry in await history(api, visit)] == [1, 2]
