"""Live free times and appointments over the network: two processes, sockets and event streams, as
clients see them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from app.core.viewer import Role
from app.identity.access import AccessClaims
from app.process.clock import system_clock
from app.standins.embedded import Servers
from tests.builders import Api, Caller, Json, a_provider, listed, weekly
from tests.e2e.served import a_database, environment_on, processes
from tests.e2e.watcher import APPOINTMENTS, AVAILABILITY, Watcher, over_events, over_socket
from tests.lives import booked, cancel, held, release

Subscribing: TypeAlias = Callable[..., AbstractAsyncContextManager[Watcher]]

HOURS = weekly("09:00", "12:00")
ALL = ["09:00", "10:00", "11:00"]
PROMPT_SECONDS = 5.0
"""It takes some milliseconds; a machine that runs other tests at the same time may take longer."""


@pytest.fixture(scope="module")
async def apis(
    servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Api]]:
    """One organization, asked through two processes."""
    folder: Path = tmp_path_factory.mktemp("live")
    async with (
        a_database(servers, template_database, f"slotwright_live_{os.getpid()}") as database,
        processes(environment_on(servers, database), folder, count=2) as started,
    ):
        yield started


@pytest.fixture(params=[over_socket, over_events], ids=["socket", "events"])
def subscribed(request: pytest.FixtureRequest) -> Subscribing:
    subscribing: Subscribing = request.param
    return subscribing


def in_days(days: int) -> str:
    return str((system_clock() + timedelta(days=days)).date())


async def test_what_happens_in_one_process_is_seen_in_the_other(
    apis: list[Api], subscribed: Subscribing
) -> None:
    """Promptly: snapshot, booking, hold, release, cancellation."""
    here, there = apis
    ada, day = await a_provider(here, weeklyHours=HOURS), in_days(3)
    asked = {"providerIds": [ada["id"]], "from": day, "to": in_days(4), "timeZone": "UTC"}
    async with subscribed(there.http.base_url, there.anonymous, AVAILABILITY, **asked) as watcher:
        await watcher.until(
            lambda watched: (
                watched.starts(ada, day) == ALL and watched.starts(ada, in_days(4)) == ALL
            )
        )
        appointment = await booked(here, ada, f"{day}T10:00Z")
        await watcher.until(
            lambda watched: watched.starts(ada, day) == ["09:00", "11:00"], seconds=PROMPT_SECONDS
        )
        hold = await held(there, ada, f"{day}T09:00Z")
        await watcher.until(
            lambda watched: watched.starts(ada, day) == ["11:00"], seconds=PROMPT_SECONDS
        )
        await release(here, hold["holdToken"])
        await watcher.until(
            lambda watched: watched.starts(ada, day) == ["09:00", "11:00"], seconds=PROMPT_SECONDS
        )
        await cancel(here, appointment)
        await watcher.until(lambda watched: watched.starts(ada, day) == ALL, seconds=PROMPT_SECONDS)
        assert [f"{day}T{start}:00Z" for start in ALL] == await listed(there, ada, day)
        assert watcher.starts(ada, in_days(4)) == ALL


async def test_local_start_is_in_the_zone_asked_for(
    apis: list[Api], subscribed: Subscribing
) -> None:
    here = apis[0]
    ada, day = await a_provider(here, weeklyHours=HOURS), in_days(3)
    asked = {"providerIds": [ada["id"]], "from": day, "to": day, "timeZone": "Asia/Kathmandu"}
    async with subscribed(here.http.base_url, here.anonymous, AVAILABILITY, **asked) as watcher:
        await watcher.until(lambda watched: watched.last)
        (change,) = watcher.last.values()
        assert [slot["localStart"] for slot in change["slots"]] == [
            f"{day}T{time}:00+05:45" for time in ("14:45", "15:45", "16:45")
        ]


async def test_a_bad_argument_fails_the_operation(apis: list[Api], subscribed: Subscribing) -> None:
    here = apis[0]
    ada = await a_provider(here, weeklyHours=HOURS)
    good: Json = {"providerIds": [ada["id"]], "from": in_days(1), "to": in_days(1)}
    for wrong, field in (
        ({"providerIds": []}, "providerIds"),
        ({"providerIds": ["nobody"]}, "providerIds"),
        ({"to": in_days(0)}, "to"),
        ({"to": in_days(90)}, "to"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"serviceId": "nothing"}, "serviceId"),
    ):
        async with subscribed(
            here.http.base_url, here.anonymous, AVAILABILITY, **good | wrong
        ) as watcher:
            await watcher.until(lambda watched: watched.errors)
            (((error,)),) = watcher.errors
            assert (error["extensions"]["code"], error["extensions"]["field"]) == (
                "BAD_USER_INPUT",
                field,
            )
            assert watcher.closed is None


async def test_one_sees_ones_own_appointments(apis: list[Api], subscribed: Subscribing) -> None:
    """A customer from their first booking on, with their own record."""
    here, there = apis
    ada, day = await a_provider(here, weeklyHours=HOURS), in_days(3)
    ann = here.customer(f"ann-{subscribed.__name__}", name="Ann", email="ann@example.com")
    async with (
        subscribed(there.http.base_url, ann, APPOINTMENTS) as of_ann,
        subscribed(there.http.base_url, there.customer("bob"), APPOINTMENTS) as of_bob,
        subscribed(there.http.base_url, there.acting_for(ada), APPOINTMENTS) as of_ada,
    ):
        watched = {"providerIds": [ada["id"]], "from": day, "to": day}
        async with subscribed(there.http.base_url, ann, AVAILABILITY, **watched) as ready:
            await ready.until(lambda watched: watched.last)
        mine = await booked(here, ada, f"{day}T09:00Z", caller=ann)
        guests = await booked(here, ada, f"{day}T10:00Z")
        await cancel(here, mine, caller=ann)
        await of_ann.until(
            lambda watched: [news["kind"] for news in watched.news] == ["BOOKED", "CANCELLED"]
        )
        first = of_ann.news[0]["appointment"]
        assert first["customer"] == first["contact"]
        kinds = ["BOOKED", "BOOKED", "CANCELLED"]
        await of_ada.until(lambda watched: [news["kind"] for news in watched.news] == kinds)
        assert of_ada.news[1]["appointment"]["id"] == guests["appointment"]["id"]
        assert of_bob.news == []


async def test_a_guest_has_no_appointments_to_watch(
    apis: list[Api], subscribed: Subscribing
) -> None:
    """That operation fails; the socket and what else is on it live on."""
    here = apis[0]
    async with subscribed(here.http.base_url, here.anonymous, APPOINTMENTS) as watcher:
        await watcher.until(lambda watched: watched.errors)
        (((error,)),) = watcher.errors
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert watcher.closed is None


async def test_a_stream_ends_with_the_token(apis: list[Api], subscribed: Subscribing) -> None:
    """4403 on a socket, so that its client gets a new token and comes back; an error and the end on
    an event stream.
    """
    here = apis[0]
    claims = AccessClaims(
        subject="an-admin",
        organization=here.organization.slug,
        role=Role.ADMIN,
        expires_at=system_clock() + timedelta(seconds=2),
    )
    caller = Caller(token=here.resources.access_tokens.sign(claims))
    async with subscribed(here.http.base_url, caller, APPOINTMENTS) as watcher:
        await watcher.until(lambda watched: watched.closed or watched.is_complete, seconds=10)
        if subscribed is over_socket:
            assert watcher.closed == (4403, "The token has expired.")
        else:
            (((error,)),) = watcher.errors
            assert error["extensions"]["code"] == "UNAUTHENTICATED"
