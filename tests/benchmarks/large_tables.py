"""Bookings and cold weeks over HTTP with a million appointments in the tables, against ten thousand.

Those who book and list are the same in both: what is in the tables besides belongs to other
organizations, with other providers. So only the depth of indexes and the size of what PostgreSQL
reads and writes differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from statistics import median
from time import monotonic
from typing import Final, NamedTuple

import asyncpg

from app.api.words.relay import global_id
from app.process.wiring import open_resources
from tests.benchmarks import world as worlds
from tests.benchmarks.booking import booking, free, kind_of
from tests.benchmarks.clients import load, request
from tests.benchmarks.listing import WEEK, share_a_core
from tests.benchmarks.rows import Row

FEW, MANY = 10_000, 1_000_000
ORGANIZATIONS, PROVIDERS = 10, 1_000
"""Of those who have the rest of the appointments."""
CLIENTS = 16
ROUNDS = 9
OWN = 2_500
"""Appointments of those who are asked that are over, and as many far ahead."""
SECONDS = 3.0
WEEKS_AT_ONCE = 200
BAR = 0.95

FILLED: Final = (
    "customer",
    "appointment",
    "appointment_history",
    "event",
    "idempotency_key",
    "customer_word",
    "claim",
)
INDEXES: Final = """
SELECT indexname AS name, indexdef AS definition
FROM pg_indexes
WHERE schemaname = 'public' AND tablename = ANY ($1) AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conname = indexname
)
"""
"""Those that no constraint needs: built when the rows are there, which is faster."""

OTHERS: Final = (
    f"""INSERT INTO organization (id, slug, name, created_at)
SELECT md5('organization' || number)::uuid, 'other-' || number, 'Other', now()
FROM generate_series(0, {ORGANIZATIONS - 1}) AS number""",
    # Ids grow, as those of the program do. Each provider has one appointment every forty minutes.
    f"""CREATE TEMPORARY TABLE wanted AS
SELECT md5('organization' || number % {ORGANIZATIONS})::uuid AS organization_id,
    md5('provider' || number % {PROVIDERS})::uuid AS provider_id,
    lpad(to_hex(number), 32, 'a0000000000000000000000000000000')::uuid AS id,
    'guest-of-' || number || '@example.com' AS email, number,
    date_trunc('day', now()) - interval '300 days' + interval '40 minutes' * (number / {PROVIDERS}) AS starts_at
FROM generate_series(1, $appointments) AS number""",
    "ANALYZE wanted",
    """INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
SELECT organization_id, id, 'Guest', email, 'UTC', starts_at FROM wanted""",
    """INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
    customer_time_zone, contact_name, contact_email, version, time_version, policy_free_until_minutes_before,
    policy_late_cancellation, created_at)
SELECT organization_id, id, provider_id, id, 'CONFIRMED', starts_at, starts_at + interval '20 minutes', 'UTC', 'Guest',
    email, 1, 1, 0, 'ALLOWED', starts_at
FROM wanted""",
    """INSERT INTO appointment_history (organization_id, appointment_id, version, kind, occurred_at, actor, to_status,
    to_starts_at)
SELECT organization_id, id, 1, 'BOOKED', starts_at, 'GUEST', 'CONFIRMED', starts_at FROM wanted""",
    """INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, version, provider_id,
    customer_id, occurred_at, actor)
SELECT organization_id, 1, number, id, 'APPOINTMENT_BOOKED', id, 1, provider_id, id, starts_at, 'GUEST' FROM wanted""",
    """INSERT INTO idempotency_key (organization_id, mutation, caller, key, request_hash, appointment_id, created_at)
SELECT organization_id, 'bookAppointment', 'anonymous', 'key-' || number, sha256(int4send(number)), id, starts_at
FROM wanted""",
    """INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
SELECT organization_id, organization_id, ' guest of ' || number || ' example com', id FROM wanted""",
    # In the order of the index of the constraint, which takes most of the time.
    """INSERT INTO claim (organization_id, id, provider_id, subject_id, appointment_id, during, visit, active)
SELECT organization_id, id, provider_id, provider_id, id, during, during, true
FROM wanted CROSS JOIN LATERAL tstzrange(starts_at, starts_at + interval '20 minutes') AS during
ORDER BY organization_id, provider_id, starts_at""",
)


async def fill(world: worlds.World, appointments: int) -> None:
    """So many appointments of others, each with what a booking writes. PostgreSQL knows its tables
    afterwards.
    """
    connection = await asyncpg.connect(world.settings.database_url)
    # Without triggers and foreign keys: there are no such providers.
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("SET synchronous_commit = off")
    await connection.execute("SET maintenance_work_mem = '256MB'")
    indexes = await connection.fetch(INDEXES, FILLED)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    for statement in OTHERS:
        await connection.execute(statement.replace("$appointments", str(appointments)))
    for index in indexes:
        await connection.execute(index["definition"])
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


class Round(NamedTuple):
    """Of one world: bookings a second, and cold weeks a second."""

    booked: float
    listed: float


class Case(NamedTuple):
    """A world with its API, and what is to be asked there."""

    port: int
    bookings: Iterator[bytes]
    weeks: Iterator[bytes]

    async def run(self) -> Round:
        booked = await load(
            self.port, self.bookings, clients=CLIENTS, seconds=SECONDS, kind_of=kind_of
        )
        if set(booked.kinds) != {"BookingConfirmation"}:
            raise SystemExit(f"bookings of free times were answered with {dict(booked.kinds)}")
        weeks = [next(self.weeks) for _ in range(WEEKS_AT_ONCE)]
        listed = await load(self.port, iter(weeks), clients=CLIENTS)
        if set(listed.statuses) != {200}:
            raise SystemExit(f"weeks were answered with {dict(listed.statuses)}")
        return Round(booked.rate, listed.rate)


def cold_weeks(world: worlds.World) -> Iterator[bytes]:
    """Weeks of providers with whom nobody books here, each once, in any order."""
    asked = [
        (provider, week)
        for provider in world.providers[worlds.PROVIDERS // 2 :]
        for week in range(10, 100)
    ]
    random.Random(5).shuffle(asked)
    for provider, week in asked:
        first = worlds.MONDAY + timedelta(days=7 * week)
        yield request(
            WEEK,
            id=str(global_id("Provider", provider)),
            **{"from": first.isoformat(), "to": (first + timedelta(days=6)).isoformat()},
        )


async def prepared(world: worlds.World, appointments: int, port: int) -> Case:
    """The world with that many appointments, of which it has some already."""
    await fill(world, appointments - 2 * OWN)
    async with open_resources(world.settings) as resources:
        wanted = await free(resources, world, world.providers[10 : worlds.PROVIDERS // 2])
    bookings = (booking(provider, start, number) for number, (provider, start) in enumerate(wanted))
    return Case(port, bookings, cold_weeks(world))


async def measure() -> list[Row]:
    async with contextlib.AsyncExitStack() as stack:
        cases: dict[int, Case] = {}
        started = monotonic()
        for appointments in (FEW, MANY):
            world = await stack.enter_async_context(worlds.world(history=OWN))
            port = stack.enter_context(worlds.api(world))
            cases[appointments] = await prepared(world, appointments, port)
        print(f"filled in {monotonic() - started:.0f} s", flush=True)
        share_a_core(*(case.port for case in cases.values()))
        for case in cases.values():
            await case.run()
        rounds: list[Mapping[int, Round]] = []
        for number in range(ROUNDS):
            order = (FEW, MANY) if number % 2 else (MANY, FEW)
            rounds.append({appointments: await cases[appointments].run() for appointments in order})
    return [
        row(f"bookings, {CLIENTS} clients", [(each[MANY].booked, each[FEW].booked) for each in rounds]),
        row(f"a week, cold, {CLIENTS} clients", [(each[MANY].listed, each[FEW].listed) for each in rounds]),
    ]  # fmt: skip


def row(what: str, pairs: list[tuple[float, float]]) -> Row:
    """The ratio is the median of those of the rounds, which are taken in turns."""
    return Row(
        what=f"{what}, {MANY:,} appointments in the tables",
        ours=f"{median(many for many, _ in pairs):,.0f}/s",
        beside=f"{FEW:,} appointments: {median(few for _, few in pairs):,.0f}/s",
        ratio=median(many / few for many, few in pairs),
        bar=BAR,
    )


def main() -> list[Row]:
    return asyncio.run(measure())
