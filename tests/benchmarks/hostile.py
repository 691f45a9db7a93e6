"""A hostile neighbour: what others notice of one address that does its worst.

`serve --workers 2` with its default limits. The attacker has sixteen connections from one address;
eight others ask for the cached week of a provider, at a fixed rate in all, each time on a new
connection. An answer's latency counts from the moment at which its request was planned; one that is
no answer counts as `PATIENCE_SECONDS`.

In every round an attack is followed by its calm: harmless requests from an attacker at the rate
that the attack had. The others' p99 is the median of the rounds, and at most `MOST_TIMES` that of
the calm. Memory is the sum over the processes of the server, at its highest in any round, and at
most `MOST_MEGABYTES` above what it was in a calm before the first attack.

`python -m tests.benchmarks.hostile [--rounds N] [--seconds S] [ATTACK …]` takes some of them.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import median
from time import perf_counter
from typing import Final

import psutil

from app.api.words.relay import global_id
from app.core.viewer import Role
from app.identity.access import AccessClaims, AccessTokens
from app.process.wiring import open_resources
from app.usecases.practice.create_organization import create_organization
from tests.benchmarks import world as worlds
from tests.benchmarks.attacks import ATTACKS, Got, Target, carry_out
from tests.benchmarks.clients import Load, request
from tests.benchmarks.listing import WEEK

ROUNDS: Final = 5
SECONDS: Final = 5.0
"""Of an attack, and of its calm."""
OTHERS: Final = tuple(f"127.0.0.{number}" for number in range(3, 11))
OTHERS_RATE: Final = 40
"""Requests a second, of all of them together."""
PATIENCE_SECONDS: Final = 10.0
SAMPLE_SECONDS: Final = 0.2
"""Between two looks at the memory."""
PAUSE_SECONDS: Final = 1.0
"""After an attack, before anything else is measured."""
FIRST_RATE: Final = 500.0
"""Harmless requests a second, in the calm before the first attack."""

ATTACKER_NICENESS: Final = 10
"""A real attacker has a machine of its own: here it takes what the server leaves of the processors.
"""

MOST_TIMES: Final = 3.0
MOST_MEGABYTES: Final = 150.0
RIVAL: Final = "rival"
MEBIBYTE: Final = 2**20


@dataclass(slots=True, kw_only=True)
class Window:
    """Some seconds with the attacker and the others."""

    attacker: Got
    others: Load
    peak_bytes: int


@dataclass(slots=True, kw_only=True)
class Measured:
    """An attack in all of its rounds."""

    name: str
    before_bytes: int
    attacks: list[Window] = field(default_factory=list)
    calms: list[Window] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return _quantile(self.attacks, 0.99) / _quantile(self.calms, 0.99)

    @property
    def megabytes(self) -> float:
        return (max(window.peak_bytes for window in self.attacks) - self.before_bytes) / MEBIBYTE

    @property
    def is_good(self) -> bool:
        failed = any(window.others.kinds for window in self.attacks)
        return self.ratio <= MOST_TIMES and self.megabytes <= MOST_MEGABYTES and not failed


def _quantile(windows: Sequence[Window], share: float) -> float:
    """In milliseconds: the median of the rounds."""
    return median(window.others.quantile_ms(share) for window in windows)


def _counted(counters: Sequence[Counter[str]]) -> str:
    total = sum(counters, Counter[str]())
    return ", ".join(f"{number:,} × {what}" for what, number in total.most_common(8)) or "nothing"


def table(measured: Sequence[Measured]) -> str:
    """In Markdown; figures are medians of the rounds, the attacker's answers and memory theirs in
    all.
    """
    lines = [
        (
            "| attack | others meanwhile, p50 / p99 | in the calm | ratio | the attacker got | memory "
            f"above the calm | at most {MOST_TIMES:g} ×, {MOST_MEGABYTES:g} MB |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for each in measured:
        failed = [window.others.kinds for window in each.attacks if window.others.kinds]
        rate = median(window.attacker.rate for window in each.attacks)
        lines.append(
            f"| {each.name} | {_quantile(each.attacks, 0.5):.1f} / "
            f"{_quantile(each.attacks, 0.99):.1f} ms{f'; {_counted(failed)}' if failed else ''} | "
            f"{_quantile(each.calms, 0.5):.1f} / {_quantile(each.calms, 0.99):.1f} ms at "
            f"{median(window.attacker.rate for window in each.calms):,.0f}/s | {each.ratio:.2f} | "
            f"{rate:,.0f}/s: {_counted([window.attacker.answers for window in each.attacks])} | "
            f"{each.megabytes:+.0f} MB of {each.before_bytes / MEBIBYTE:.0f} | "
            f"{'yes' if each.is_good else 'no'} |"
        )
    return "\n".join(lines)


# ---------------------------------------------------------------- measuring


def _processes(port: int) -> list[psutil.Process]:
    """All of the server that listens there."""
    found = worlds.listening(port)
    while (parent := found.parent()) is not None and parent.pid != os.getpid():
        found = parent
    return [found, *found.children(recursive=True)]


class Bench:
    """A world with a server, and a process to attack it from."""

    def __init__(self, world: worlds.World, executor: Executor) -> None:
        europe = [
            provider
            for number, provider in enumerate(world.providers, start=1)
            if worlds.ZONES[number % len(worlds.ZONES)].startswith("Europe/")
        ]
        self._providers = tuple(str(global_id("Provider", each)) for each in europe)
        self._executor = executor
        self._numbers = count()
        self._world = world
        self._tokens = AccessTokens(
            [world.settings.token_secret or ""], clock=lambda: datetime.now(UTC)
        )
        self._week = request(
            WEEK,
            id=self._providers[0],
            **{"from": str(worlds.MONDAY), "to": str(worlds.MONDAY + timedelta(days=6))},
        ).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    async def measure(self, name: str, *, rounds: int, seconds: float) -> Measured:
        """One attack, on a server of its own."""
        with worlds.api(self._world, workers=2) as port:
            await self._window(port, "harmless", seconds=2.0, rate=FIRST_RATE)  # warms up
            before = await self._window(port, "harmless", seconds=seconds, rate=FIRST_RATE)
            measured = Measured(name=name, before_bytes=before.peak_bytes)
            for _ in range(rounds):
                attack = await self._window(port, name, seconds=seconds)
                calm = await self._window(
                    port, "harmless", seconds=seconds, rate=max(1.0, attack.attacker.rate)
                )
                measured.attacks.append(attack)
                measured.calms.append(calm)
        return measured

    async def _window(
        self, port: int, name: str, *, seconds: float, rate: float | None = None
    ) -> Window:
        target = self._target(port, seconds, rate)
        loop = asyncio.get_running_loop()
        processes = _processes(port)  # before the clock runs: nothing else happens meanwhile
        ending = perf_counter() + seconds
        attacking = loop.run_in_executor(self._executor, carry_out, name, target)
        others, peak = await asyncio.gather(self._others(port, seconds), _peak(processes, ending))
        window = Window(attacker=await attacking, others=others, peak_bytes=peak)
        await asyncio.sleep(PAUSE_SECONDS)
        return window

    def _target(self, port: int, seconds: float, rate: float | None) -> Target:
        """A caller with a budget of its own: what an earlier one spent would end the next attack
        before it begins.
        """
        number = next(self._numbers)
        token = self._tokens.sign(
            AccessClaims(
                subject=f"administrator-{number}",
                organization=RIVAL,
                role=Role.ADMIN,
                expires_at=datetime.now(UTC) + timedelta(hours=1),
            )
        )
        return Target(
            port=port,
            address=f"127.{number // 250}.{number % 250}.2",
            seconds=seconds,
            seed=number,
            providers=self._providers,
            monday=worlds.MONDAY,
            token=token,
            rate=rate,
        )

    async def _others(self, port: int, seconds: float) -> Load:
        found = Load(seconds=seconds)
        started = perf_counter()

        async def ask(number: int) -> None:
            planned = started + number / OTHERS_RATE
            await asyncio.sleep(max(0.0, planned - perf_counter()))
            answer = await self._answer(port, OTHERS[number % len(OTHERS)])
            if answer == "200":
                found.latencies.append(perf_counter() - planned)
            else:
                found.latencies.append(PATIENCE_SECONDS)
                found.kinds[answer] += 1

        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * OTHERS_RATE)):
                group.create_task(ask(number))
        return found

    async def _answer(self, port: int, address: str) -> str:
        """Its status, or why there is none."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(address, 0)
                )
                try:
                    writer.write(self._week)
                    answer = await reader.read()
                finally:
                    writer.transport.abort()
        except TimeoutError:
            return "no answer"
        except OSError:
            return "cut"
        if not answer:
            return "cut"
        status = answer[9:12].decode()
        return status if status != "200" or b'"startsAt"' in answer else "refused"


async def _peak(processes: Sequence[psutil.Process], ending: float) -> int:
    """The highest sum of their resident memory."""
    peak = 0
    while True:
        peak = max(peak, sum(process.memory_info().rss for process in processes))
        if perf_counter() >= ending:
            return peak
        await asyncio.sleep(SAMPLE_SECONDS)


async def measure(names: Sequence[str], *, rounds: int, seconds: float) -> list[Measured]:
    """These attacks, one after the other."""
    found: list[Measured] = []
    attacker = ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=os.nice,
        initargs=(ATTACKER_NICENESS,),
    )
    with attacker as executor:
        async with worlds.world() as made:
            limits = (
                "SLOTWRIGHT_RATE_LIMITS",
                "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS",
                "SLOTWRIGHT_CONNECTIONS_PER_ADDRESS",
            )
            defaults = {key: text for key, text in made.environment.items() if key not in limits}
            world = replace(made, environment=defaults)
            async with open_resources(made.settings) as resources:
                await create_organization(resources, slug=RIVAL, name="Rival")
            bench = Bench(world, executor)
            for name in names:
                print(f"   {name}", flush=True)
                found.append(await bench.measure(name, rounds=rounds, seconds=seconds))
    return found


def main(
    rounds: int = ROUNDS, *, seconds: float = SECONDS, names: Sequence[str] = tuple(ATTACKS)
) -> str:
    return table(asyncio.run(measure(names, rounds=rounds, seconds=seconds)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.hostile")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", choices=[*ATTACKS, []])
    options = parser.parse_args()
    print(main(options.rounds, seconds=options.seconds, names=options.attacks or tuple(ATTACKS)))
    sys.exit(0)
