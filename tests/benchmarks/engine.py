"""The engine against the straightforward version: 1,000 providers × 7 days, some 20,500 bookings,
some 65,000 free slots.

Both run in turns in the same minutes, the medians are compared, and the answers must be equal. Run
it with `python -m tests.benchmarks.engine`. Nothing here asserts a time.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from time import perf_counter

from app.core.hours import ClockRange, DayException, Hours, WeeklyRange
from app.core.rules import Rules
from app.core.slots import Claim, free_starts
from app.core.zones import instant_of
from app.weighted_cache import instances
from tests.benchmarks import straightforward
from tests.benchmarks.rows import Row, table

FIRST, LAST = date(2026, 6, 1), date(2026, 6, 7)
"""A week without a change of clocks, as most are."""

ZONES = (
    "America/New_York", "America/Chicago", "America/Los_Angeles", "America/Sao_Paulo", "Europe/London", "Europe/Berlin",
    "Europe/Lisbon", "Asia/Kolkata", "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One provider's week."""

    hours: Hours
    rules: Rules
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Medians of interleaved rounds, in milliseconds."""

    name: str
    providers: int
    slots: int
    claims: int
    engine_ms: float
    cold_engine_ms: float
    straightforward_ms: float

    @property
    def ratio(self) -> float:
        return self.straightforward_ms / self.engine_ms


def providers(count: int, first: date, last: date, seed: int = 1) -> list[Case]:
    """Providers with hours of their own, a lunch break, a few exceptions, and about three bookings
    a day.
    """
    chance = random.Random(seed)
    cases = []
    for number in range(count):
        opening = chance.choice([480, 510, 540, 570, 600])
        closing = opening + chance.choice([480, 510, 540])
        weekdays = range(chance.choice([5, 5, 6, 7]))
        lunch = opening + chance.choice([180, 210, 240])
        weekly = tuple(WeeklyRange(day, opening, closing) for day in weekdays)
        breaks = tuple(
            WeeklyRange(day, lunch, lunch + chance.choice([30, 45, 60])) for day in weekdays
        )
        exceptions = {}
        if number % 20 == 0:
            day = first + timedelta(days=chance.randrange((last - first).days + 1))
            exceptions[day] = chance.choice(
                [
                    DayException(date=day, is_blocked=True),
                    DayException(date=day, is_blocked=True, ranges=(ClockRange(600, 660),)),
                    DayException(date=day, is_blocked=False, ranges=(ClockRange(720, 1080),)),
                ]
            )
        hours = Hours(
            time_zone=ZONES[number % len(ZONES)],
            weekly=weekly,
            breaks=breaks,
            exceptions=exceptions,
        )
        duration = chance.choice([20, 25, 30, 30])
        rules = Rules(
            duration_minutes=duration,
            buffer_after_minutes=chance.choice([0, 5]),
            slot_interval_minutes=chance.choice([None, 30]),
        )
        cases.append(
            Case(hours=hours, rules=rules, claims=bookings(chance, hours, rules, first, last))
        )
    return cases


def bookings(
    chance: random.Random, hours: Hours, rules: Rules, first: date, last: date
) -> tuple[Claim, ...]:
    """A quarter of what is free, booked one after the other."""
    free = free_starts(hours, rules, (), first, last)
    after = rules.duration_minutes + rules.buffer_after_minutes
    claims: list[Claim] = []
    until = 0
    for start in (minute for starts in free.values() for minute in starts):
        if start >= until and chance.random() < 0.255:
            until = start + after
            claims.append(Claim(start, until, start, start + rules.duration_minutes))
    chance.shuffle(claims)
    return tuple(claims)


def of_engine(cases: Sequence[Case], first: date, last: date) -> int:
    return sum(
        len(starts)
        for case in cases
        for starts in free_starts(case.hours, case.rules, case.claims, first, last).values()
    )


def of_straightforward(cases: Sequence[Case], first: date, last: date) -> int:
    return straightforward.count(
        [
            straightforward.free_starts(case.hours, case.rules, case.claims, first, last)
            for case in cases
        ]
    )


def forget() -> None:
    """What the engine remembers of weeks and calendars; the tables of offsets stay, as in any
    process that has served once.
    """
    for known in instances():
        if known.name in {"weeks", "local days"}:
            known.clear()


def timed(work: Callable[[], int]) -> tuple[float, int]:
    gc.collect()
    start = perf_counter()
    result = work()
    return (perf_counter() - start) * 1000, result


def measure(name: str, cases: Sequence[Case], first: date, last: date, rounds: int) -> Measured:
    engine, cold, plain = [], [], []
    slots = 0
    for _ in range(rounds):
        forget()
        took, slots = timed(lambda: of_engine(cases, first, last))
        cold.append(took)
        took, slots = timed(lambda: of_engine(cases, first, last))
        engine.append(took)
        took, expected = timed(lambda: of_straightforward(cases, first, last))
        plain.append(took)
        if slots != expected:
            raise SystemExit(
                f"{name}: the engine finds {slots} slots, the straightforward version {expected}"
            )
    return Measured(
        name=name,
        providers=len(cases),
        slots=slots,
        claims=sum(len(case.claims) for case in cases),
        engine_ms=median(engine),
        cold_engine_ms=median(cold),
        straightforward_ms=median(plain),
    )


def run(rounds: int = 7) -> list[Measured]:
    """The week of 1,000 providers, and its doubles: the cost should double with providers, days and
    bookings alike.
    """
    cases = providers(1000, FIRST, LAST)
    for case in cases[:50]:
        expected = straightforward.free_starts(case.hours, case.rules, case.claims, FIRST, LAST)
        found = free_starts(case.hours, case.rules, case.claims, FIRST, LAST)
        if {
            day: [instant_of(minute) for minute in starts] for day, starts in found.items()
        } != expected:
            raise SystemExit("the engine and the straightforward version disagree")
    longer = LAST + timedelta(days=7)
    return [
        measure("1,000 providers × 7 days", cases, FIRST, LAST, rounds),
        measure("2,000 providers × 7 days", providers(2000, FIRST, LAST), FIRST, LAST, rounds=3),
        measure(
            "1,000 providers × 14 days", providers(1000, FIRST, longer), FIRST, longer, rounds=3
        ),
        measure(
            "1,000 providers × 7 days, no bookings",
            [without_claims(case) for case in cases],
            FIRST,
            LAST,
            rounds=3,
        ),
    ]


def without_claims(case: Case) -> Case:
    return Case(hours=case.hours, rules=case.rules, claims=())


def main() -> list[Row]:
    found = run()
    return [
        Row(
            what=f"engine, {row.name}",
            ours=f"{row.engine_ms:.1f} ms ({row.cold_engine_ms:.1f} ms cold), {row.slots:,} slots",
            beside=f"straightforward {row.straightforward_ms:.0f} ms, {row.claims:,} bookings",
            ratio=row.ratio,
            bar=6 if row is found[0] else None,
        )
        for row in found
    ]


if __name__ == "__main__":
    print(table(main()))
