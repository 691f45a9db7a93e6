"""Many listings: a thousand provider-weeks that are asked for by Zipf's law, against servers of
Node.js that have them in memory; and the week of a thousand providers, against the engine alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate, count
from statistics import median

import psutil

from app.api.words.relay import global_id
from app.core.rules import ProviderRules
from tests.benchmarks import engine, peers
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import Load, load, once, request
from tests.benchmarks.listing import CLIENTS, ROUND_SECONDS, SLOTS, WEEK, share_a_core
from tests.benchmarks.rows import Row
from tests.benchmarks.versions import Comparison, Version

WEEKS = 1_000
"""Provider-weeks that are asked for, the most popular half as often again as the next."""
ROUNDS = 9
SECONDS = 2.0

AT_ONCE = 10
PAGE = 100
COLD_WEEKS = 5
"""Each of which is asked for once, cold, and the first one does not count."""
PROVIDERS = f"""query ($ids: [ID!], $from: Date!, $to: Date!) {{
    providers(ids: $ids, first: {PAGE}) {{ nodes {{
        availability(from: $from, to: $to) {{ ... on Availability {{ {SLOTS} }} }} }} }} }}"""


def _week(document: str, first: date, **variables: object) -> bytes:
    dates = {"from": first.isoformat(), "to": (first + timedelta(days=6)).isoformat()}
    return request(document, **dates, **variables)  # type: ignore[arg-type]  # no token among them


def by_zipf(wanted: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """The first one most often, the second half as often, the third a third as often …"""
    chance = random.Random(seed)
    weights = list(accumulate(1 / rank for rank in range(1, len(wanted) + 1)))
    while True:
        yield from chance.choices(wanted, cum_weights=weights, k=1_000)


def weeks(providers: Sequence[str]) -> list[bytes]:
    """A request for each provider-week: as many weeks of each provider as it takes, shuffled."""
    wanted = [
        _week(WEEK, worlds.MONDAY + timedelta(days=7 * week), id=provider)
        for week in range(WEEKS // len(providers))
        for provider in providers
    ]
    random.Random(3).shuffle(wanted)
    return wanted


async def _against_peers() -> list[Row]:
    node = peers.node()
    if node is None:
        return []
    async with worlds.world() as world:
        with ExitStack() as stack:
            port = stack.enter_context(worlds.api(world))
            ours = weeks([str(global_id("Provider", each)) for each in world.providers])
            theirs = [_week(peers.WEEK, worlds.MONDAY, id=str(number)) for number in range(WEEKS)]
            named = {"ours": (port, ours)}
            for name in ("mercurius", "yoga"):
                named[name] = stack.enter_context(peers.serving(node, name, WEEKS)), theirs
            share_a_core(*(port for port, _ in named.values()))
            return await _rows(named)


async def _rows(named: dict[str, tuple[int, list[bytes]]]) -> list[Row]:
    bytes_of: dict[str, float] = {}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in named}
    for name, (port, wanted) in named.items():
        bytes_of[name] = (await load(port, iter(wanted * 3), clients=CLIENTS)).bytes / 3 / WEEKS
    for number in range(ROUNDS):
        for name, (port, wanted) in named.items():
            process = worlds.listening(port)
            before = sum(process.cpu_times()[:2])
            done = await load(port, by_zipf(wanted, number), clients=CLIENTS, seconds=SECONDS)
            spent = sum(process.cpu_times()[:2]) - before
            if set(done.statuses) != {200}:
                raise SystemExit(f"{name}: answers with {dict(done.statuses)}")
            taken[name].append((done.rate, spent / len(done.latencies) * 1000))
    rates = {name: median(rate for rate, _ in each) for name, each in taken.items()}
    cost = {name: median(spent for _, spent in each) for name, each in taken.items()}

    def text(name: str) -> str:
        return f"{rates[name]:,.0f}/s, {cost[name]:.2f} ms of processor"

    print(f"bytes of an answer with its head: {bytes_of}")
    return [
        Row(
            what=f"a cached week, 147 slots, one worker, {WEEKS:,} by Zipf's law",
            ours=text("ours"),
            beside=f"{title}, the slots in memory: {text(name)}",
            ratio=rates["ours"] / rates[name],
            bar=bar,
        )
        for name, title, bar in (
            ("mercurius", "mercurius with graphql-jit", 1.0),
            ("yoga", "graphql-yoga", 3.0),
        )
    ]


# ---------------------------------------------------------------- against the engine


def _members(cases: Sequence[engine.Case]) -> Iterator[worlds.Member]:
    for case in cases:
        yield worlds.Member(
            time_zone=case.hours.time_zone,
            weekly=case.hours.weekly,
            breaks=case.hours.breaks,
            rules=ProviderRules(
                service_duration_minutes=case.rules.duration_minutes,
                buffer_minutes=case.rules.buffer_after_minutes,
                slot_interval_minutes=case.rules.slot_interval_minutes,
                max_advance_booking_days=case.rules.max_advance_booking_days,
            ),
        )


def _without_exceptions(case: engine.Case) -> engine.Case:
    return replace(case, hours=replace(case.hours, exceptions={}))


async def _side_by_side(port: int, pages: Sequence[Sequence[str]], first: date) -> float:
    """The milliseconds until all pages of a week are answered, asked for at once."""
    asked = iter([_week(PROVIDERS, first, ids=page) for page in pages])
    done = await load(port, asked, clients=AT_ONCE)
    if set(done.statuses) != {200}:
        raise SystemExit(f"answers with {dict(done.statuses)}")
    return done.seconds * 1000


async def _against_engine() -> list[Row]:
    last = worlds.MONDAY + timedelta(days=7 * COLD_WEEKS - 1)
    cases = [
        _without_exceptions(case) for case in engine.providers(AT_ONCE * PAGE, worlds.MONDAY, last)
    ]
    async with worlds.world(_members(cases)) as world:
        claims = [
            (provider, claim)
            for provider, case in zip(world.providers, cases, strict=True)
            for claim in case.claims
        ]
        await worlds.claim_directly(world, claims)
        ids = [str(global_id("Provider", each)) for each in world.providers]
        pages = [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]
        cold_ms: list[float] = []
        warm_ms: list[float] = []
        engine_ms: list[float] = []
        slots = 0
        with worlds.api(world) as port:
            share_a_core(port)
            for number in range(COLD_WEEKS):
                first = worlds.MONDAY + timedelta(days=7 * number)
                cold = await _side_by_side(port, pages, first)
                for _ in range(3):
                    await _side_by_side(port, pages, first)
                warm = median([await _side_by_side(port, pages, first) for _ in range(3)])
                engine_took = _engine_alone(cases, first)
                if number:
                    cold_ms.append(cold)
                    warm_ms.append(warm)
                    engine_ms.append(median(took for took, _ in engine_took[1:]))
                slots = engine_took[0][1]
            answered = await once(port, _week(PROVIDERS, last - timedelta(days=6), ids=pages[0]))
        here = _count(answered)
        there = engine.of_engine(cases[:PAGE], last - timedelta(days=6), last)
        if here != there:
            raise SystemExit(f"{here} slots against {there}: not the same work")
    alone = median(engine_ms)
    return [
        Row(
            what=f"1,000 providers × 7 days, {AT_ONCE} queries at once, {name}: "
            "the engine's time by it",
            ours=f"{median(took):,.0f} ms, {slots:,} slots",
            beside=f"the engine alone {alone:.0f} ms: {median(took) / alone:.1f} ×",
            ratio=alone / median(took),
            bar=1 / most,
        )
        for name, took, most in (("cold", cold_ms, 5), ("warm", warm_ms, 1.2))
    ]


def _engine_alone(cases: Sequence[engine.Case], first: date) -> list[tuple[float, int]]:
    """Milliseconds and slots of each of four times, on the core that the API has."""
    me = psutil.Process()
    cores = me.cpu_affinity() if hasattr(me, "cpu_affinity") else None
    if cores:
        me.cpu_affinity([min(cores)])
    try:
        return [
            engine.timed(lambda: engine.of_engine(cases, first, first + timedelta(days=6)))
            for _ in range(4)
        ]
    finally:
        if cores:
            me.cpu_affinity(cores)


def _count(answer: dict[str, object]) -> int:
    nodes = answer["data"]["providers"]["nodes"]  # type: ignore[index]
    return sum(len(node["availability"]["slots"]) for node in nodes)


# ---------------------------------------------------------------- against another version


WARM_WEEKS = 40
"""So few that all of them are warm after a tenth of a round."""


async def _repeated(version: Version, number: int) -> Load:
    wanted = by_zipf(weeks(version.providers)[:WARM_WEEKS], number)
    return await load(version.port, wanted, clients=CLIENTS, seconds=ROUND_SECONDS)


_numbers = count()


def _never_again(version: Version, seed: int) -> Iterator[bytes]:
    """The same weeks, each with a variable that no operation declares, and no other request has."""
    chance = random.Random(seed)
    weights = list(accumulate(1 / rank for rank in range(1, WARM_WEEKS + 1)))
    while True:
        for provider in chance.choices(
            version.providers[:WARM_WEEKS], cum_weights=weights, k=1_000
        ):
            yield _week(WEEK, worlds.MONDAY, id=provider, number=next(_numbers))


async def _unrepeated(version: Version, number: int) -> Load:
    wanted = _never_again(version, number)
    return await load(version.port, wanted, clients=CLIENTS, seconds=ROUND_SECONDS)


async def _cold_thousand(version: Version, number: int) -> Load:
    """Ten pages of a hundred at once, of a week that nobody has asked for."""
    ids = version.providers[:PAGE]
    first = worlds.MONDAY + timedelta(days=7 * 4 * (number + 1))
    asked = [_week(PROVIDERS, first + timedelta(days=7 * week), ids=ids) for week in range(10)]
    return await load(version.port, iter(asked), clients=AT_ONCE)


COMPARISONS = (
    Comparison(what="cached weeks by Zipf's law, 16 clients", take=_repeated),
    Comparison(what="the same, variables never repeat", take=_unrepeated),
    Comparison(what="100 providers × 7 days, ten weeks at once, cold", take=_cold_thousand),
)


def main() -> list[Row]:
    return [*asyncio.run(_against_peers()), *asyncio.run(_against_engine())]
