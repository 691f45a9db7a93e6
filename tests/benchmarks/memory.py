"""Memory of an API process under a mixed load with thousands of distinct documents: after some
minutes its caches are full, and it grows no more.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

from app.api.words.relay import global_id
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import flood, request
from tests.benchmarks.pressure import COLD, hot_question
from tests.benchmarks.rows import Row

MINUTES = 10
DOCUMENTS = 10_000
RATE = 60.0
"""Requests a second: little enough for one core that other work shares."""
MOST_GROWTH_MB = 20.0
"""From the half of the time to its end."""

_FIELDS = ("id", "name", "timeZone", "bufferMinutes", "slotIntervalMinutes", "minNoticeMinutes")


def document(number: int) -> str:
    """One of many, a hundred tokens long; every tenth is not valid."""
    chance = random.Random(number)
    fields = " ".join(
        f"a{number}x{place}: {chance.choice(_FIELDS)}" for place in range(chance.randint(8, 25))
    )
    wrong = " nothing" if number % 10 == 0 else ""
    return (
        f"query Q{number}($id: ID!) {{ provider(id: $id) {{ {fields} services {{ id name }} "
        f"weeklyHours {{ weekday start end }}{wrong} }} }}"
    )


def requests(providers: Sequence[str], seed: int) -> Iterator[bytes]:
    """Two of five are one of `DOCUMENTS`, the others ask for free times."""
    chance = random.Random(seed)
    while True:
        provider = chance.choice(providers)
        kind = chance.random()
        if kind < 0.4:
            yield request(document(chance.randrange(DOCUMENTS)), id=provider)
        elif kind < 0.8:
            yield hot_question(provider)
        else:
            first = worlds.MONDAY + timedelta(days=chance.randrange(800))
            last = first + timedelta(days=13)
            yield request(COLD, id=provider, **{"from": str(first), "to": str(last)})


async def measure() -> list[Row]:
    async with worlds.world() as world:
        providers = [str(global_id("Provider", each)) for each in world.providers]
        with worlds.api(world) as port:
            process = worlds.listening(port)
            sizes = [process.memory_info().rss / 1e6]
            sent = 0
            for minute in range(MINUTES):
                found = await flood(port, requests(providers, minute), rate=RATE, seconds=60)
                sent += len(found.latencies)
                sizes.append(process.memory_info().rss / 1e6)
                print(f"minute {minute + 1}: {sizes[-1]:.0f} MB, {found.statuses}", flush=True)
    half, end = sizes[MINUTES // 2], sizes[-1]
    return [
        Row(
            what=f"memory of an API process, minute {MINUTES} after minute {MINUTES // 2}",
            ours=f"{sizes[0]:.0f} MB at the start, {half:.0f} MB, {end:.0f} MB; {sent:,} requests",
            ratio=(half + MOST_GROWTH_MB) / end,
            bar=1.0,
        )
    ]


def main() -> list[Row]:
    """The rows of the table."""
    return asyncio.run(measure())
