"""Failures: a process that is killed while it books, and servers that go away and come back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.process.clock import system_clock
from app.settings import Settings
from app.standins.embedded import Servers
from app.store.pool import ACQUIRE_TIMEOUT_SECONDS
from tests.builders import (
    BOOK,
    LISTING,
    Api,
    Json,
    a_booking,
    a_provider,
    an_appointment,
    book,
    instant,
    key_in,
    listed,
    made,
    running,
)
from tests.e2e.program import ROOT, get
from tests.e2e.served import a_database, environment_on, processes
from tests.lives import CANCEL, MOVE

PROMPT_SECONDS = ACQUIRE_TIMEOUT_SECONDS + 3
"""No caller waits longer for a server that is away, on a machine that is busy with something else.
"""

TABLES = ("appointment", "claim", "customer", "idempotency_key", "appointment_history")


async def counts(api: Api) -> dict[str, int]:
    """How many rows of this organization each table holds."""
    sql = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS n FROM {name} WHERE organization_id = $1"
        for name in TABLES
    )
    return {row["name"]: row["n"] for row in await api.rows(sql, api.organization.id)}


# ---------------------------------------------------------------- killed


async def test_what_is_killed_leaves_nothing_or_is_answered_when_it_comes_again(
    environment: dict[str, str],
) -> None:
    """A booking that is killed between any two statements: as if it had never been. Killed after
    its commit: its key answers with it. Whichever way it went. So with moves and cancellations.
    """
    async with running(Settings.from_environment(environment)) as application:
        api, elsewhere = await application.api(), await application.api()
        changes = await some_changes(elsewhere)
        ada = await a_provider(api)
        before = ["look_before_booking", "before_booking", "insert_claims"]
        committed = ["book_as_seen", "commit"]
        wishes = {
            name: a_booking(ada, f"2026-01-13T{hour:02}:00Z")
            for hour, name in enumerate([*before, *committed], start=9)
        }
        plans = [
            {"after": name, "organization": api.organization.slug, "input": wish}
            for name, wish in wishes.items()
        ]
        plans += [
            {"after": name, "organization": elsewhere.organization.slug, **change}
            for name, change in changes
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.e2e.dying", json.dumps(plans)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert json.loads(done.stdout) == [-signal.SIGKILL] * len(plans), done.stderr
        assert await counts(api) == dict.fromkeys(TABLES, len(committed))

        for name in committed:
            answer = made(
                (await api.ask(BOOK, input=wishes[name]))["answer"], "BookingConfirmation"
            )
            found = await api.rows(
                "SELECT id FROM appointment WHERE starts_at = $1", instant(wishes[name]["startsAt"])
            )
            assert [each["id"] for each in found] == [key_in(answer["appointment"]["id"])]
        assert await counts(api) == dict.fromkeys(TABLES, len(committed))
        for name in before:  # the time is free again, and so is the key
            made((await api.ask(BOOK, input=wishes[name]))["answer"], "BookingConfirmation")
        assert await counts(api) == dict.fromkeys(TABLES, len(wishes))

        assert await versions(elsewhere) == {
            ("CONFIRMED", 1): 2,
            ("CONFIRMED", 2): 1,
            ("CANCELLED", 2): 1,
        }
        for _, change in changes:
            data = await elsewhere.ask(change["document"], input=change["input"])
            assert "Error" not in data["answer"]["__typename"]
        assert await versions(elsewhere) == {("CONFIRMED", 2): 2, ("CANCELLED", 2): 2}


async def versions(api: Api) -> Counter[tuple[str, int]]:
    """How many appointments of this organization are in each state and version."""
    rows = await api.rows(
        "SELECT status, version FROM appointment WHERE organization_id = $1", api.organization.id
    )
    return Counter((row["status"], row["version"]) for row in rows)


async def some_changes(api: Api) -> list[tuple[str, Json]]:
    """Two moves and two cancellations, each with the statement after which it is killed."""
    ada = await a_provider(api)
    visits = [
        made(await book(api, ada, f"2026-01-14T{hour:02}:00Z"), "BookingConfirmation")
        for hour in range(9, 13)
    ]
    wishes = [
        {"startsAt": f"2026-01-15T{hour:02}:00:00Z", "idempotencyKey": f"move {hour}"}
        for hour in (9, 10)
    ]
    return [
        (
            name,
            {
                "document": document,
                "input": {
                    "appointmentId": visit["appointment"]["id"],
                    "manageToken": visit["manageToken"],
                    **wish,
                },
            },
        )
        for visit, name, document, wish in zip(
            visits,
            ("look_before_change", "move_as_seen", "look_before_change", "change_as_seen"),
            (MOVE, MOVE, CANCEL, CANCEL),
            (*wishes, {}, {}),
            strict=True,
        )
    ]


# ---------------------------------------------------------------- servers that are away


@pytest.fixture(scope="module")
async def served(
    servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """One process that serves, by the machine's clock."""
    if not (servers.owns_postgres and servers.owns_redis):
        pytest.skip("these servers are not ours to stop")
    folder: Path = tmp_path_factory.mktemp("outages")
    async with (
        a_database(servers, template_database, f"slotwright_outages_{os.getpid()}") as database,
        processes(environment_on(servers, database), folder, count=1) as (api,),
    ):
        yield api


@pytest.fixture
async def world(served: Api, servers: Servers) -> AsyncIterator[Servers]:
    """The servers, which run again after the test."""
    yield servers
    servers.start_postgres()
    servers.start_redis()


def soon(hour: int) -> str:
    return f"{(system_clock() + timedelta(days=4)).date()}T{hour:02}:00:00Z"


def ready(api: Api) -> int:
    return get(f"{api.http.base_url}/readyz")[0]


async def test_without_redis_times_are_listed_and_booked_all_the_same(
    served: Api, world: Servers
) -> None:
    """Redis is an accelerator: without it everything is right, and a read after a
    booking shows it.
    """
    api, day = served, soon(0)[:10]
    ada = await a_provider(api)
    with_redis = await listed(api, ada, day)
    world.stop_redis()
    for hour in (9, 12):
        started = time.monotonic()
        assert soon(hour) in await listed(api, ada, day)
        await an_appointment(api, ada, soon(hour))
        assert soon(hour) not in await listed(api, ada, day)
        assert time.monotonic() - started < 3 * PROMPT_SECONDS
    assert made(await book(api, ada, soon(9)), "SlotUnavailableError")["reasons"] == [
        "ALREADY_TAKEN"
    ]
    world.start_redis()
    assert await listed(api, ada, day) == [
        start for start in with_redis if start not in {soon(9), soon(12)}
    ]


async def test_without_postgresql_the_answer_is_prompt_typed_and_masked_and_nothing_hangs(
    served: Api, world: Servers
) -> None:
    """However many ask; and when PostgreSQL is back, so is the program, without a restart."""
    api, day = served, soon(0)[:10]
    ada = await a_provider(api)
    days = {"from": day, "to": day}
    assert ready(api) == 200
    world.stop_postgres()
    started = time.monotonic()
    answers = await asyncio.gather(
        *(
            api.send(LISTING, caller=caller, id=ada["id"], **days)
            for caller in (api.anonymous, api.admin)
            for _ in range(20)
        ),
        *(api.send(BOOK, input=a_booking(ada, soon(hour))) for hour in range(9, 17)),
    )
    assert time.monotonic() - started < 2 * PROMPT_SECONDS
    for answer in answers:
        assert answer.codes == ["SERVICE_UNAVAILABLE"], answer
        assert answer.status in {200, 503}
        said = json.dumps(answer.body).lower()
        for secret in (
            "postgres",
            "asyncpg",
            "127.0.0.1",
            "connect",
            "slotwright_outages",
            "traceback",
            "app/",
        ):
            assert secret not in said
    assert ready(api) == 503
    world.start_postgres()
    assert len(await listed(api, ada, day)) == 8
    await an_appointment(api, ada, soon(9))
    assert ready(api) == 200


async def test_a_booking_that_met_an_outage_can_be_sent_again_under_its_key(
    served: Api, world: Servers
) -> None:
    """PostgreSQL ends in the middle of many bookings: whoever was confirmed is there, and whoever
    was not, sends the same request again and is there once.
    """
    api, chairs = served, [await a_provider(served, slotIntervalMinutes=60) for _ in range(6)]
    wishes = [a_booking(chair, soon(hour)) for hour in range(9, 17) for chair in chairs]
    confirmed: dict[str, Json] = {}
    codes: Counter[str] = Counter()
    under_way = asyncio.Event()

    async def send(wish: Json) -> None:
        answer = await api.send(BOOK, input=wish)
        if answer.codes:
            codes.update(answer.codes)
        else:
            confirmed[wish["idempotencyKey"]] = made(answer.data["answer"], "BookingConfirmation")
        if len(confirmed) >= len(wishes) // 4:
            under_way.set()

    async def stop_on_the_way() -> None:
        await under_way.wait()
        await asyncio.to_thread(world.stop_postgres)

    await asyncio.gather(stop_on_the_way(), *map(send, wishes))
    assert set(codes) == {"SERVICE_UNAVAILABLE"}
    assert len(confirmed) + codes.total() == len(wishes)
    world.start_postgres()
    first = dict(confirmed)
    await asyncio.gather(*map(send, wishes))
    assert len(confirmed) == len(wishes)
    assert {key: confirmed[key] for key in first} == first
    found = await counts(api)
    keys = await api.rows(
        "SELECT count(DISTINCT appointment_id) AS n FROM idempotency_key WHERE key = ANY($1)",
        list(confirmed),
    )
    assert keys == [{"n": len(wishes)}]
    assert found["appointment"] == found["claim"] == found["idempotency_key"]
