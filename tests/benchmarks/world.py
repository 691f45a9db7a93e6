"""What the measurements use: servers of their own, durable as in production, with providers, and
processes on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil

from app.child_processes import die_with_parent
from app.core.hours import WeeklyRange
from app.core.ids import OrganizationId, ProviderId
from app.core.provider import Organization, Provider
from app.core.rules import ProviderRules
from app.core.slots import Claim
from app.core.validation import ProviderForm
from app.core.viewer import Role, Viewer
from app.process.wiring import open_resources
from app.settings import Settings
from app.standins.embedded import embedded, free_port
from app.store.migrations import migrate
from app.usecases.practice.create_organization import create_organization
from app.usecases.practice.edit_provider import create_provider
from app.usecases.resources import Resources

ROOT = Path(__file__).parents[2]
ORGANIZATION = "bench"
ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Europe/London",
    "America/Los_Angeles",
)
PROVIDERS = 200
WEEK = 7
MANY_APPOINTMENTS = 25_000
PATIENCE_SECONDS = 60.0

TODAY = datetime.now(UTC).date()
MONDAY = TODAY + timedelta(days=7 - TODAY.weekday())
"""Next Monday: what is asked for starts there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Servers, an organization, and `PROVIDERS` providers, the first of them popular."""

    environment: dict[str, str]
    settings: Settings
    organization_id: OrganizationId
    providers: tuple[ProviderId, ...]


def settings_on(*, database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of a process that runs on these servers."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLOTWRIGHT_")}
    return own | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SLOTWRIGHT_TOKEN_SECRET": "a secret of the benchmark, thirty-two bytes or more",
        "SLOTWRIGHT_MANAGE_KEYS": (
            "bench:another secret of the benchmark of thirty-two bytes or more"
        ),
        "SLOTWRIGHT_HASH_SECRET": "a third secret of the benchmark, thirty-two bytes or more",
        "SLOTWRIGHT_DEFAULT_ORGANIZATION": ORGANIZATION,
        "SLOTWRIGHT_RATE_LIMITS": "off",  # all of the load comes from one address
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_CONTACT": "1000",
        "SLOTWRIGHT_CONNECTIONS_PER_ADDRESS": "0",
    }


@asynccontextmanager
async def world(
    members: Iterable[Member] | None = None, *, history: int = MANY_APPOINTMENTS
) -> AsyncIterator[World]:
    """PostgreSQL with synchronous commit, Redis, migrated; removed afterwards. With these providers
    instead of the usual ones, where they are given; and with so many appointments of theirs that
    are over, and as many far ahead.
    """
    with tempfile.TemporaryDirectory(prefix="slotwright-bench-") as folder:
        Path(folder).chmod(0o755)  # started by root, the servers run as another user
        with embedded(
            Path(folder),
            database_url=os.environ.get("DATABASE_URL"),
            redis_url=os.environ.get("REDIS_URL"),
            durable=True,
        ) as servers:
            environment = settings_on(
                database_url=servers.database_url, redis_url=servers.redis_url
            )
            settings = Settings.from_environment(environment)
            await migrate(settings.database_url)
            async with open_resources(settings) as resources:
                organization = await create_organization(
                    resources, slug=ORGANIZATION, name="Benchmark"
                )
                assert isinstance(organization, Organization)
                providers = await _providers(
                    resources, organization.id, the_usual() if members is None else members
                )
                await _history(settings.database_url, organization.id, providers, history)
            yield World(
                environment=environment,
                settings=settings,
                organization_id=organization.id,
                providers=providers,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A provider to be."""

    time_zone: str
    weekly: Sequence[WeeklyRange]
    breaks: Sequence[WeeklyRange]
    rules: ProviderRules


def the_usual() -> Iterator[Member]:
    """They work seven days a week, so that a week has some 150 slots."""
    for number in range(1, PROVIDERS + 1):
        yield Member(
            time_zone=ZONES[number % len(ZONES)],
            weekly=[
                WeeklyRange(weekday=day, start_minute=9 * 60, end_minute=17 * 60)
                for day in range(7)
            ],
            breaks=[
                WeeklyRange(weekday=day, start_minute=12 * 60, end_minute=13 * 60)
                for day in range(7)
            ],
            rules=ProviderRules(service_duration_minutes=20, max_advance_booking_days=HORIZON_DAYS),
        )


async def _providers(
    resources: Resources, organization_id: OrganizationId, members: Iterable[Member]
) -> tuple[ProviderId, ...]:
    admin = Viewer(organization_id=organization_id, role=Role.ADMIN, subject="bench")
    made: list[ProviderId] = []
    for number, member in enumerate(members, 1):
        ids = iter(UUID(int=number * 1000 + part) for part in range(1000))
        answer = await create_provider(
            replace(resources, new_id=ids.__next__),
            admin,
            ProviderForm(
                name=f"Provider {number}",
                time_zone=member.time_zone,
                service_duration_minutes=member.rules.service_duration_minutes,
                buffer_minutes=member.rules.buffer_minutes,
                slot_interval_minutes=member.rules.slot_interval_minutes,
                min_notice_minutes=member.rules.min_notice_minutes,
                max_advance_booking_days=member.rules.max_advance_booking_days,
                email=f"provider-{number}@example.com",
                phone=None,
                cancellation_policy=None,
                subject=f"provider-{number}",
            ),
            hours=member.weekly,
            breaks=member.breaks,
        )
        assert isinstance(answer, Provider), answer
        made.append(answer.id)
    return tuple(made)


HORIZON_DAYS = 1_000
HISTORY = """
WITH wanted AS (
    SELECT gen_random_uuid() AS customer_id, gen_random_uuid() AS appointment_id, gen_random_uuid() AS claim_id, number,
        ($2::uuid[])[1 + number % cardinality($2::uuid[])] AS provider_id,
        $3::timestamptz + interval '40 minutes' * (number / cardinality($2::uuid[])) AS start_at
    FROM generate_series(1, $4::integer) AS number
), known AS (
    INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
    SELECT $1, customer_id, 'Guest', 'guest-of-' || number || '-' || $5::text || '@example.com', 'UTC', start_at
    FROM wanted
), appointed AS (
    INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, version, time_version, policy_free_until_minutes_before,
        policy_late_cancellation, created_at)
    SELECT $1, appointment_id, provider_id, customer_id, $5::text, start_at, start_at + interval '20 minutes', 'UTC',
        'Guest', 1, 1, 0, 'ALLOWED', start_at
    FROM wanted
)
INSERT INTO claim (organization_id, id, provider_id, subject_id, appointment_id, during, visit, active)
SELECT $1, claim_id, provider_id, provider_id, appointment_id, tstzrange(start_at, start_at + interval '20 minutes'),
    tstzrange(start_at, start_at + interval '20 minutes'), true
FROM wanted
"""


async def _history(
    database_url: str,
    organization_id: OrganizationId,
    providers: tuple[ProviderId, ...],
    count: int,
) -> None:
    """What is over, and what is far ahead; PostgreSQL knows its tables, as it does where it has run
    for a minute. Written without triggers, which would take minutes: nobody looks for these
    customers by their words.
    """
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET session_replication_role = replica")
    midnight = datetime.combine(MONDAY, datetime.min.time(), UTC)
    for days, status in ((-365, "COMPLETED"), (HORIZON_DAYS + 1, "CONFIRMED")):
        start = midnight + timedelta(days=days)
        await connection.execute(HISTORY, organization_id, providers, start, count, status)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


CLAIMED = """
INSERT INTO claim (organization_id, id, provider_id, subject_id, appointment_id, during, visit, active)
SELECT $1, gen_random_uuid(), provider_id, provider_id, gen_random_uuid(),
    tstzrange(to_timestamp(claimed_from * 60.0), to_timestamp(claimed_until * 60.0)),
    tstzrange(to_timestamp(visit_from * 60.0), to_timestamp(visit_until * 60.0)), true
FROM unnest($2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::integer[])
    AS wanted (provider_id, claimed_from, claimed_until, visit_from, visit_until)
"""


async def claim_directly(world: World, claims: Iterable[tuple[ProviderId, Claim]]) -> None:
    """The time of appointments that nobody reads, so there are none. PostgreSQL knows its tables
    afterwards.
    """
    connection = await asyncpg.connect(world.settings.database_url)
    await connection.execute("SET session_replication_role = replica")
    wanted = [(of, *each[:4]) for of, each in claims]
    await connection.execute(CLAIMED, world.organization_id, *map(list, zip(*wanted, strict=True)))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


BOOKED = """
WITH made AS (
    INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
    VALUES ($1, gen_random_uuid(), 'Load', 'load-' || gen_random_uuid() || '@example.com', 'UTC', $5)
    RETURNING id
), appointed AS (
    INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, version, time_version, policy_free_until_minutes_before,
        policy_late_cancellation, created_at)
    SELECT $1, gen_random_uuid(), wanted.provider_id, made.id, 'CONFIRMED', wanted.start_at,
        wanted.start_at + interval '20 minutes', 'UTC', 'Load', 1, 1, 0, 'ALLOWED', $5
    FROM made, unnest($2::uuid[], $3::timestamptz[]) AS wanted (provider_id, start_at)
    RETURNING id, provider_id, starts_at, ends_at
)
INSERT INTO claim (organization_id, id, provider_id, subject_id, appointment_id, during, visit, active)
SELECT $1, gen_random_uuid(), provider_id, provider_id, id, tstzrange(starts_at, ends_at),
    tstzrange(starts_at, ends_at), $4
FROM appointed
ON CONFLICT ON CONSTRAINT claim_no_overlap DO NOTHING
"""
"""Appointments without any use case: history, or load in the background."""


async def book_directly(
    resources: Resources, organization_id: OrganizationId, wanted: list[tuple[ProviderId, datetime]]
) -> None:
    """Appointments at these starts, in one statement; those that overlap keep no time."""
    await resources.pool.execute(
        BOOKED,
        (
            organization_id,
            [provider_id for provider_id, _ in wanted],
            [start for _, start in wanted],
            True,
            datetime.now(UTC),
        ),
    )


def starts_from(first: date, days: int, chance: random.Random, share: float) -> list[datetime]:
    """A share of a time-table of twenty minutes, all around the clock."""
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return [
        midnight + timedelta(minutes=20 * number)
        for number in range(days * 72)
        if chance.random() < share
    ]


# ---------------------------------------------------------------- processes


@contextlib.contextmanager
def process(
    *command: str,
    environment: Mapping[str, str],
    port: int,
    folder: Path = ROOT,
    executable: str = sys.executable,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, of Python by default, that listens on this port, as long as the block lasts."""
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen(
            [executable, *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  one prepared system call, no locks
        )
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", port), timeout=1),
                ):
                    break
                if running.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"{' '.join(command)} did not start:\n{log.read().decode()}")
                time.sleep(0.05)
            yield running
        finally:
            running.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(15)
            running.kill()
            running.wait()


def listening(port: int) -> psutil.Process:
    """The process that listens there."""
    return next(
        psutil.Process(found.pid)
        for found in psutil.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
        and tuple(found.laddr)[1:] == (port,)
        and found.pid is not None
    )


@contextlib.contextmanager
def api(world: World, *, workers: int = 1) -> Iterator[int]:
    """The API as in production; its port."""
    port = free_port()
    arguments = ["-m", "app", "serve", "--port", str(port), "--workers", str(workers)]
    with process(*arguments, environment=world.environment, port=port):
        # It listens before it is loaded, which takes a second of the processor.
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as peer:
            peer.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert peer.recv(16).startswith(b"HTTP/1.1 200")
        yield port


@contextlib.contextmanager
def plain(world: World) -> Iterator[int]:
    """The plain Strawberry view that we measure against; its port."""
    port = free_port()
    with process(
        "-m", "tests.benchmarks.plain", str(port), environment=world.environment, port=port
    ):
        yield port


def run(measurement: object) -> None:
    """Runs it to its end."""
    asyncio.run(measurement)  # type: ignore[arg-type]
