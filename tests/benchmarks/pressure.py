"""Under pressure: three times as many queries as can be computed; and listings while appointments
are loaded at the same time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import repeat
from time import perf_counter

from app.api.words.relay import global_id
from app.process.wiring import open_resources
from tests.benchmarks import world as worlds
from tests.benchmarks.booking import kind_of
from tests.benchmarks.clients import Load, flood, load, request
from tests.benchmarks.listing import CLIENTS
from tests.benchmarks.rows import Row
from tests.benchmarks.versions import Comparison, Version

COLD = """query ($id: ID!, $from: Date!, $to: Date!) { provider(id: $id) { answer: availability(from: $from, to: $to) {
    __typename ... on Availability { days { date slotCount } } } } }"""
OVERLOAD_SECONDS = 30
LOADED_A_MINUTE = 100_000
LOADING_SECONDS = 15
BATCHES_A_SECOND = 4


def cold_questions(providers: Sequence[str], seed: int) -> Iterator[bytes]:
    """Mostly what nobody has asked for within the minute."""
    chance = random.Random(seed)
    while True:
        provider = chance.choice(providers)
        first = worlds.MONDAY + timedelta(days=chance.randrange(800))
        yield request(
            COLD, id=provider, **{"from": str(first), "to": str(first + timedelta(days=30))}
        )


def hot_question(provider: str) -> bytes:
    first, last = worlds.MONDAY, worlds.MONDAY + timedelta(days=6)
    return request(COLD, id=provider, **{"from": str(first), "to": str(last)})


def _ids(world: worlds.World) -> list[str]:
    return [str(global_id("Provider", each)) for each in world.providers]


async def _overload(world: worlds.World) -> Row:
    with worlds.api(world) as port:
        process = worlds.listening(port)
        hot = hot_question(_ids(world)[0])
        capacity = await load(port, cold_questions(_ids(world), 1), clients=CLIENTS, seconds=5)
        before = await load(port, repeat(hot), clients=1, seconds=2)
        started_with = process.memory_info().rss
        meanwhile = asyncio.create_task(
            load(port, repeat(hot), clients=1, seconds=OVERLOAD_SECONDS, kind_of=kind_of)
        )
        too_many = await flood(
            port,
            cold_questions(_ids(world), 2),
            rate=3 * capacity.rate,
            seconds=OVERLOAD_SECONDS,
            kind_of=kind_of,
        )
        hits = await meanwhile
        ended_with = process.memory_info().rss
        await asyncio.sleep(5)
        after = await load(port, repeat(hot), clients=1, seconds=2)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(too_many.kinds.items()))
    served = ", ".join(f"{count:,} {kind}" for kind, count in sorted(hits.kinds.items()))
    return Row(
        what=(
            f"three times the capacity for {OVERLOAD_SECONDS} s: {3 * capacity.rate:,.0f} cold "
            "months a second"
        ),
        ours=f"{kinds}; p50 {too_many.quantile_ms(0.5):,.0f} ms, p99 "
        f"{too_many.quantile_ms(0.99):,.0f} ms; "
        f"memory {started_with / 2**20:.0f} → {ended_with / 2**20:.0f} MiB",
        beside=f"capacity {capacity.rate:,.0f}/s; hits meanwhile {served}, p99 "
        f"{hits.quantile_ms(0.99):,.0f} ms; "
        f"a hit before {before.quantile_ms(0.5):.1f} ms, 5 s after {after.quantile_ms(0.5):.1f} ms",
    )


async def _loading(world: worlds.World) -> Row:
    chance = random.Random(5)
    batch = LOADED_A_MINUTE // 60 // BATCHES_A_SECOND
    midnight = datetime.combine(worlds.MONDAY, datetime.min.time()).astimezone()
    loaded = 0

    async def pour(until: float) -> None:
        nonlocal loaded
        async with open_resources(world.settings) as resources:
            following = perf_counter()
            while following < until:
                wanted = [
                    (
                        chance.choice(world.providers[100:]),
                        midnight + timedelta(days=400, minutes=20 * chance.randrange(500_000)),
                    )
                    for _ in range(batch)
                ]
                await worlds.book_directly(resources, world.organization_id, wanted)
                loaded += batch
                following = max(following + 1 / BATCHES_A_SECOND, perf_counter() - 1)
                await asyncio.sleep(max(0.0, following - perf_counter()))

    with worlds.api(world) as port:
        calm = await load(
            port,
            cold_questions(_ids(world), 3),
            clients=4,
            seconds=LOADING_SECONDS / 3,
            kind_of=kind_of,
        )
        pouring = asyncio.create_task(pour(perf_counter() + LOADING_SECONDS))
        busy = await load(
            port,
            cold_questions(_ids(world), 4),
            clients=4,
            seconds=LOADING_SECONDS,
            kind_of=kind_of,
        )
        await pouring
    return Row(
        what="cold months while appointments are loaded",
        ours=f"{busy.rate:,.0f}/s, p50 {busy.quantile_ms(0.5):.0f} ms, p99 "
        f"{busy.quantile_ms(0.99):.0f} ms "
        f"at {loaded / LOADING_SECONDS * 60:,.0f} appointments a minute",
        beside=(
            f"calm: {calm.rate:,.0f}/s, p50 {calm.quantile_ms(0.5):.0f} ms, p99 "
            f"{calm.quantile_ms(0.99):.0f} ms"
        ),
    )


async def measure() -> list[Row]:
    async with worlds.world() as world:
        return [await _overload(world), await _loading(world)]


# ---------------------------------------------------------------- against another version

COMPARED_SECONDS = 3.0
COMPARED_RATE = 1_000
"""Cold months a second: some three times what a core computes."""


async def _capacity(version: Version, number: int) -> Load:
    questions = cold_questions(version.providers, number)
    return await load(version.port, questions, clients=CLIENTS, seconds=COMPARED_SECONDS)


async def _hits_under_load(version: Version, number: int) -> Load:
    hot = hot_question(version.providers[0])
    hits = asyncio.create_task(load(version.port, repeat(hot), clients=1, seconds=COMPARED_SECONDS))
    await flood(
        version.port,
        cold_questions(version.providers, 100 + number),
        rate=COMPARED_RATE,
        seconds=COMPARED_SECONDS,
    )
    return await hits


COMPARISONS = (
    Comparison(what="cold months, 16 clients", take=_capacity),
    Comparison(
        what=f"hits while {COMPARED_RATE:,} cold months a second come", take=_hits_under_load
    ),
)


def main() -> list[Row]:
    return asyncio.run(measure())
