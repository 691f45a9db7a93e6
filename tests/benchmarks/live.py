"""Live free times: 2 processes, 2,000 sockets that each watch a month of one of 50 providers, 20
bookings a second.

From the answer of a booking to its event, at every subscriber of that provider; memory per
subscriber, CPU, and whether everybody's last word is what is listed. Servers, subscribers and
customers share the machine, so what is measured holds for a machine as busy as that. Run it with
`python -m tests.benchmarks live`. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import orjson
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.process.clock import system_clock
from app.standins.embedded import embedded
from app.store.migrations import migrate
from tests.builders import BOOK, LISTING, Api, Json, a_booking, a_provider, made, weekly
from tests.e2e.served import environment_on, processes

PROCESSES: Final = 2
SUBSCRIBERS: Final = 2_000
PROVIDERS: Final = 50
DAYS: Final = 31
BOOKINGS_A_SECOND: Final = 20
SECONDS: Final = 20
CONNECTING_AT_ONCE: Final = 50
SNAPSHOT_SECONDS: Final = 120.0
SETTLING_SECONDS: Final = 2.0

CHANGES: Final = """
    subscription ($ids: [ID!]!, $from: Date!, $to: Date!) {
        availabilityChanges(providerIds: $ids, from: $from, to: $to, timeZone: "Europe/Berlin") {
            date startTimes revision
        }
    }
"""


@dataclass(slots=True)
class Booked:
    """A time that is gone since the booking's answer."""

    start: str
    answered_at: float


@dataclass(slots=True)
class Subscriber:
    """The last word about each date, and when each booked time was first seen to be gone."""

    provider: Json
    last: dict[str, list[str]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    gone_at: dict[str, float] = field(default_factory=dict)
    events: int = 0
    steps_back: int = 0

    async def read(self, connection: ClientConnection) -> None:
        async for text in connection:
            at = time.perf_counter()
            message = orjson.loads(text)
            if message["type"] != "next":
                raise RuntimeError(text)
            change = message["payload"]["data"]["availabilityChanges"]
            day, starts = change["date"], change["startTimes"]
            for start in set(self.last.get(day, ())) - set(starts):
                self.gone_at.setdefault(start, at)
            self.steps_back += change["revision"] <= self.revisions.get(day, "")
            self.last[day], self.revisions[day] = starts, change["revision"]
            self.events += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the processes of the API use."""

    memory_bytes: int
    cpu_seconds: float

    @classmethod
    def now(cls) -> Usage:
        found = [
            each for each in psutil.Process().children(recursive=True) if "serve" in each.cmdline()
        ]
        assert len(found) == PROCESSES
        times = [each.cpu_times() for each in found]
        return cls(
            memory_bytes=sum(each.memory_info().rss for each in found),
            cpu_seconds=sum(each.user + each.system for each in times),
        )


@asynccontextmanager
async def subscribed(
    api: Api, subscriber: Subscriber, dates: Sequence[str]
) -> AsyncIterator[asyncio.Task[None]]:
    url = str(api.http.base_url.copy_with(scheme="ws", path="/graphql"))
    async with connect(
        url,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        ping_interval=None,
        open_timeout=60,
    ) as connection:
        init = {"type": "connection_init", "payload": {"organization": api.organization.slug}}
        await connection.send(orjson.dumps(init).decode())
        assert orjson.loads(await connection.recv())["type"] == "connection_ack"
        asked = {"ids": [subscriber.provider["id"]], "from": dates[0], "to": dates[-1]}
        payload = {"query": CHANGES, "variables": asked}
        await connection.send(
            orjson.dumps({"type": "subscribe", "id": "1", "payload": payload}).decode()
        )
        reading = asyncio.create_task(subscriber.read(connection))
        try:
            yield reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def book_on(
    apis: Sequence[Api], free: dict[str, list[str]], chance: random.Random
) -> dict[str, list[Booked]]:
    """Books at the pace asked for, whatever the answers take; each provider's times that are gone
    since.
    """
    booked: dict[str, list[Booked]] = {provider: [] for provider in free}

    async def book_one(number: int) -> None:
        provider = chance.choice(list(free))
        start = free[provider].pop(chance.randrange(len(free[provider])))
        api = apis[number % len(apis)]
        answer = (await api.ask(BOOK, caller=api.admin, input=a_booking({"id": provider}, start)))[
            "answer"
        ]
        answered_at = time.perf_counter()
        made(answer, "BookingConfirmation")
        booked[provider].append(Booked(start, answered_at))

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(BOOKINGS_A_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, begun + number / BOOKINGS_A_SECOND - time.perf_counter()))
            group.create_task(book_one(number))
    return booked


async def measure() -> None:
    chance = random.Random(1)
    dates = [str((system_clock() + timedelta(days=days)).date()) for days in range(1, DAYS + 1)]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwright-bench-")))
        folder.chmod(0o755)  # started by root, the servers run as another user
        servers = stack.enter_context(embedded(folder, durable=True))
        await migrate(servers.database_url)
        environment = environment_on(servers, "postgres") | {
            "DATABASE_URL": servers.database_url,
            # All come from this machine, and are one caller.
            "SLOTWRIGHT_SOCKETS_PER_ADDRESS": "0",
            "SLOTWRIGHT_SUBSCRIPTIONS_PER_CALLER": "0",
        }
        apis = await stack.enter_async_context(processes(environment, folder, count=PROCESSES))
        providers = [
            await a_provider(
                apis[0], weeklyHours=weekly("08:00", "18:00"), serviceDurationMinutes=30
            )
            for _ in range(PROVIDERS)
        ]
        for api in apis:  # what is made once a process is made before anything is measured
            await listed_by_date(api, providers[0]["id"], dates)
        before = Usage.now()
        subscribers = [Subscriber(providers[number % PROVIDERS]) for number in range(SUBSCRIBERS)]
        places = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def join(number: int) -> None:
            async with places:
                await stack.enter_async_context(
                    subscribed(apis[number % PROCESSES], subscribers[number], dates)
                )

        begun = time.perf_counter()
        await asyncio.gather(*(join(number) for number in range(SUBSCRIBERS)))
        async with asyncio.timeout(SNAPSHOT_SECONDS):
            while any(len(each.last) < DAYS for each in subscribers):  # noqa: ASYNC110  no event tells of it
                await asyncio.sleep(0.05)
        joined = Usage.now()
        print(
            f"{SUBSCRIBERS:,} subscribers, {DAYS} days each: all snapshots after "
            f"{time.perf_counter() - begun:.1f} s"
        )
        print(
            "memory per subscriber: "
            f"{(joined.memory_bytes - before.memory_bytes) / SUBSCRIBERS / 1024:.0f} KiB"
        )
        gc.collect()
        gc.freeze()

        free = {
            each.provider["id"]: [s for day in each.last.values() for s in day]
            for each in subscribers[:PROVIDERS]
        }
        sent = sum(each.events for each in subscribers)
        started, begun = Usage.now(), time.perf_counter()
        own = psutil.Process().cpu_times()
        booked = await book_on(apis, free, chance)
        elapsed = time.perf_counter() - begun
        used, own_used = Usage.now(), psutil.Process().cpu_times()
        await asyncio.sleep(SETTLING_SECONDS)
        report(subscribers, booked)
        events = sum(each.events for each in subscribers) - sent
        print(
            f"CPU of the {PROCESSES} processes: "
            f"{(used.cpu_seconds - started.cpu_seconds) / elapsed:.2f} cores "
            f"for {events / elapsed:,.0f} events/s and {BOOKINGS_A_SECOND} bookings/s "
            f"(this client: {(own_used.user + own_used.system - own.user - own.system) / elapsed:.2f} cores)"
        )
        await compare(apis[0], subscribers, dates)


def report(subscribers: Sequence[Subscriber], booked: dict[str, list[Booked]]) -> None:
    delays: list[float] = []
    missing = 0
    for subscriber in subscribers:
        for each in booked[subscriber.provider["id"]]:
            gone_at = subscriber.gone_at.get(each.start)
            if gone_at is None:
                missing += 1
            else:
                delays.append((gone_at - each.answered_at) * 1000)
    hundredths = quantiles(delays, n=100)
    print(
        f"{sum(map(len, booked.values())):,} bookings seen {len(delays):,} times, {missing:,} "
        "times not"
    )
    print(
        "from the booking's answer to the event, ms: "
        f"p50 {median(delays):.1f}, p90 {hundredths[89]:.1f}, p99 {hundredths[98]:.1f}, worst "
        f"{max(delays):.1f} "
        "(less than 0: the event came first)"
    )


async def listed_by_date(api: Api, provider_id: str, dates: Sequence[str]) -> dict[str, list[str]]:
    asked: Json = {"from": dates[0], "to": dates[-1], "timeZone": "Europe/Berlin"}
    data = await api.ask(LISTING, id=provider_id, **asked)
    return {day["date"]: day["startTimes"] for day in data["provider"]["availability"]["days"]}


async def compare(api: Api, subscribers: Sequence[Subscriber], dates: Sequence[str]) -> None:
    """Everybody's last word against the listing."""
    wrong = 0
    for number in range(PROVIDERS):
        provider_id = subscribers[number].provider["id"]
        truth = await listed_by_date(api, provider_id, dates)
        wrong += sum(
            each.last != truth for each in subscribers if each.provider["id"] == provider_id
        )
    steps_back = sum(each.steps_back for each in subscribers)
    print(f"subscribers whose last word is not what is listed: {wrong}; steps back: {steps_back}")


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()
