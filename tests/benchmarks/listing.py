"""Listing over HTTP: a provider's week, a hundred providers, a month of a busy year; against plain
Strawberry.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import repeat
from statistics import median
from typing import Any

import psutil

from app.api.words.relay import global_id
from app.core.ids import ProviderId
from app.core.slots import LONGEST_CLAIM_MINUTES
from app.process.wiring import open_resources
from app.store.sql import query
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import Load, load, once, request
from tests.benchmarks.rows import Row
from tests.benchmarks.versions import Comparison, Version, make_providers

CLIENTS = 16
ROUNDS = 5
WEEKS = 24
"""Each of which is asked for once, cold."""
SECONDS = 2.0

SLOTS = "slots { startsAt endsAt localStart }"
WEEK = f"""query ($id: ID!, $from: Date!, $to: Date!) {{
    provider(id: $id) {{ availability(from: $from, to: $to) {{ ... on Availability {{ {SLOTS} }} }} }} }}"""
HUNDRED = f"""query ($from: Date!, $to: Date!) {{ providers(first: 100) {{ nodes {{
    availability(from: $from, to: $to) {{ ... on Availability {{ {SLOTS} }} }} }} }} }}"""
MONTH = """query ($id: ID!, $from: Date!, $to: Date!) {
    provider(id: $id) { availability(from: $from, to: $to) { ... on Availability { days { date slotCount } } } } }"""
PLAIN_WEEK = f"query ($id: ID!) {{ provider(id: $id) {{ availability {{ {SLOTS} }} }} }}"
PLAIN_HUNDRED = f"{{ providers(first: 100) {{ nodes {{ availability {{ {SLOTS} }} }} }} }}"


def share_a_core(*ports: int) -> None:
    """Servers that are compared take turns on one core, so that what slows it down from outside
    slows them all down.
    """
    if hasattr(psutil.Process, "cpu_affinity"):
        for port in ports:
            worlds.listening(port).cpu_affinity([min(psutil.Process().cpu_affinity() or ())])


async def rates(
    named: dict[str, tuple[int, bytes]], *, seconds: float = SECONDS
) -> dict[str, tuple[float, float]]:
    """Requests a second, and milliseconds of the server's processor for each: medians of
    interleaved rounds.
    """
    processes = {port: worlds.listening(port) for port, _ in named.values()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in named}
    for _ in range(ROUNDS):
        for name, (port, wanted) in named.items():
            before = sum(processes[port].cpu_times()[:2])
            done = await load(port, repeat(wanted), clients=CLIENTS, seconds=seconds)
            spent = sum(processes[port].cpu_times()[:2]) - before
            if set(done.statuses) != {200}:
                raise SystemExit(f"{name}: answers with {dict(done.statuses)}")
            found[name].append((done.rate, spent / len(done.latencies) * 1000))
    return {
        name: (median(rate for rate, _ in each), median(spent for _, spent in each))
        for name, each in found.items()
    }


def _slots(answer: dict[str, Any]) -> int:
    return len(answer["data"]["provider"]["availability"]["slots"])


async def measure() -> list[Row]:
    async with worlds.world() as world:
        with worlds.api(world) as port, worlds.plain(world) as plain:
            share_a_core(port, plain)
            return [
                *await _week(world, port, plain),
                *await _hundred(port, plain),
                *await _month(world, port),
            ]


def _dates(first: date, days: int) -> dict[str, str]:
    return {"from": first.isoformat(), "to": (first + timedelta(days=days - 1)).isoformat()}


async def _week(world: worlds.World, port: int, plain: int) -> list[Row]:
    provider = str(global_id("Provider", world.providers[0]))
    week = request(WEEK, id=provider, **_dates(worlds.MONDAY, 7))
    plain_week = request(PLAIN_WEEK, id=provider)
    viewer = request("{ viewer { role } }")
    here, there = _slots(await once(port, week)), _slots(await once(plain, plain_week))
    if here != there:
        raise SystemExit(f"{here} slots against {there}: not the same work")
    found = await rates(
        {"week": (port, week), "viewer": (port, viewer), "plain": (plain, plain_week)}
    )
    (rate, cpu), (viewer_rate, viewer_cpu), (plain_rate, plain_cpu) = (
        found[name] for name in ("week", "viewer", "plain")
    )
    return [
        Row(
            what=f"a provider's week, {here} slots, cached, one worker",
            ours=f"{rate:,.0f}/s, {cpu:.2f} ms of processor",
            beside=f"plain Strawberry {plain_rate:,.0f}/s, {plain_cpu:.2f} ms",
            ratio=rate / plain_rate,
            bar=12,
        ),
        Row(
            what="the same against { viewer { role } }",
            ours=f"{rate:,.0f}/s",
            beside=f"{viewer_rate:,.0f}/s, {viewer_cpu:.2f} ms",
            ratio=rate / viewer_rate,
            bar=0.5,
        ),
    ]


async def _hundred(port: int, plain: int) -> list[Row]:
    plain_hundred = request(PLAIN_HUNDRED)
    cached = request(HUNDRED, **_dates(worlds.MONDAY, 7))
    cold_ms: list[float] = []
    cached_ms: list[float] = []
    plain_ms: list[float] = []
    for number in range(1, WEEKS + 1):
        fresh = request(HUNDRED, **_dates(worlds.MONDAY + timedelta(days=7 * number), 7))
        for wanted, where, took in (
            (fresh, port, cold_ms),
            (cached, port, cached_ms),
            (plain_hundred, plain, plain_ms),
        ):
            done = await load(where, iter([wanted]), clients=1)
            took.append(done.quantile_ms(0.5))
    cold, warm, beside = median(cold_ms), median(cached_ms[1:]), median(plain_ms)
    return [
        Row(
            what=f"100 providers × 7 days, {name}",
            ours=f"{ours:,.0f} ms",
            beside=f"plain Strawberry {beside:,.0f} ms",
            ratio=beside / ours,
            bar=10,
        )
        for name, ours in (("cold", cold), ("cached", warm))
    ]


async def _month(world: worlds.World, port: int) -> list[Row]:
    """A provider with 5,000 bookings a year for four years, and one with none but those that
    everybody has.
    """
    chance = random.Random(2)
    busy, idle = world.providers[1], world.providers[2]
    async with open_resources(world.settings) as resources:
        for year in range(-2, 2):
            first = worlds.MONDAY + timedelta(days=365 * year)
            starts = worlds.starts_from(first, 365, chance, 0.19)
            await worlds.book_directly(
                resources, world.organization_id, [(busy, start) for start in starts]
            )
        await resources.pool.execute("ANALYZE claim", ())
        read = await _rows_read(world, busy)
    took: dict[ProviderId, list[float]] = {busy: [], idle: []}
    for month in range(12):
        first = worlds.MONDAY + timedelta(days=31 * month)
        for provider in (busy, idle):
            wanted = request(MONTH, id=str(global_id("Provider", provider)), **_dates(first, 31))
            done = await load(port, iter([wanted]), clients=1)
            took[provider].append(done.quantile_ms(0.5))
    return [
        Row(
            what="a month, `days { date slotCount }`, cold, 5,000 bookings a year",
            ours=f"{median(took[busy]):.1f} ms; two statements, {read} rows of claims read",
            beside=f"without bookings {median(took[idle]):.1f} ms",
        )
    ]


async def _rows_read(world: worlds.World, provider: ProviderId) -> int:
    """What the plan of the claims' statement really touched for a month."""
    first = (
        int(
            datetime(
                worlds.MONDAY.year, worlds.MONDAY.month, worlds.MONDAY.day, tzinfo=UTC
            ).timestamp()
        )
        // 60
    )
    arguments = (
        world.organization_id, [provider], first, first + 31 * 1440, LONGEST_CLAIM_MINUTES, None,
    )  # fmt: skip
    async with open_resources(world.settings) as resources:
        rows = await resources.pool.fetch(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {query('claims_of_subjects').sql}", arguments
        )
    return sum(
        int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in _nodes(rows[0][0][0]["Plan"])
        if node.get("Relation Name") == "claim"
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan."""
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


# ---------------------------------------------------------------- against another version

NEXT = "{ providers(first: 100) { nodes { nextAvailableSlot { startsAt } } } }"
NEXT_OF_MANY = (
    "query ($ids: [ID!]) { nextAvailableSlots(providerIds: $ids) { startsAt provider { id } } }"
)
MANY = 500
_many: dict[str, tuple[str, ...]] = {}
"""The providers of each version, by its name."""
ROUND_SECONDS = 1.5


async def _cached_week(version: Version, _number: int) -> Load:
    wanted = request(WEEK, id=version.providers[0], **_dates(worlds.MONDAY, 7))
    return await load(version.port, repeat(wanted), clients=CLIENTS, seconds=ROUND_SECONDS)


async def _viewer(version: Version, _number: int) -> Load:
    wanted = request("{ viewer { role } }")
    return await load(version.port, repeat(wanted), clients=CLIENTS, seconds=ROUND_SECONDS)


async def _cold_hundred(version: Version, number: int) -> Load:
    """Four weeks that nobody has asked for."""
    first = worlds.MONDAY + timedelta(days=7 * 4 * (number + 1))
    weeks = [_dates(first + timedelta(days=7 * week), 7) for week in range(4)]
    return await load(version.port, iter([request(HUNDRED, **dates) for dates in weeks]), clients=1)


async def _cached_hundred(version: Version, _number: int) -> Load:
    wanted = [request(HUNDRED, **_dates(worlds.MONDAY, 7))] * 10
    return await load(version.port, iter(wanted), clients=1)


async def _cold_months(version: Version, number: int) -> Load:
    """One after the other, each of a provider of its own."""
    dates = _dates(worlds.MONDAY + timedelta(days=31 * number), 31)
    wanted = [request(MONTH, id=each, **dates) for each in version.providers[100:140]]
    return await load(version.port, iter(wanted), clients=1)


async def _next_slots(version: Version, _number: int) -> Load:
    return await load(version.port, iter([request(NEXT)] * 5), clients=1)


async def _next_of_many(version: Version, number: int) -> Load:
    """The ten earliest slots over `MANY` providers; the first round makes those that are not there
    yet.
    """
    if not number:
        missing = range(worlds.PROVIDERS + 1, MANY + 1)
        _many[version.name] = version.providers + await make_providers(version, missing)
    wanted = request(NEXT_OF_MANY, ids=_many[version.name])
    return await load(version.port, iter([wanted] * 5), clients=1)


COMPARISONS = (
    Comparison(what="a provider's week, cached, 16 clients", take=_cached_week),
    Comparison(what="{ viewer { role } }, 16 clients", take=_viewer),
    Comparison(what="100 providers × 7 days, cold", take=_cold_hundred),
    Comparison(what="100 providers × 7 days, cached", take=_cached_hundred),
    Comparison(what="a month, `days { date slotCount }`, cold", take=_cold_months),
    Comparison(what="100 providers' next slots, cached", take=_next_slots),
    # The last one, since it makes more providers.
    Comparison(what=f"`nextAvailableSlots` over {MANY} providers, cached", take=_next_of_many),
)


def main() -> list[Row]:
    return asyncio.run(measure())
