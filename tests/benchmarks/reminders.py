"""Reminders: how many a second one worker sends, how long a confirmation waits while a hundred
thousand of them are due, and whether finding what is due grows with the future.

Nothing leaves the machine: the mail server is a process beside PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from app.child_processes import die_with_parent
from app.process.clock import system_clock
from app.process.event_loop import run
from app.process.wiring import open_resources
from app.settings import MailServer, ManageKey, Settings
from app.standins.embedded import embedded, free_port
from app.store.messages import due_outbox
from app.store.migrations import migrate
from app.usecases.messages.send_messages import send_messages
from app.usecases.resources import Resources
from tests.benchmarks.clients import Load
from tests.benchmarks.mail_server import taking
from tests.benchmarks.versions import Comparison, Version, database_seconds

MESSAGES: Final = 4_000
DUE_AT_ONCE: Final = 100_000
FUTURES: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 100
PATIENCE_SECONDS: Final = 120.0
SECRET: Final = "a secret of the measurements of 32 bytes or more"

WITHOUT_TRIGGERS = "SET session_replication_role = replica"
"""They keep the words that customers are searched by, which nobody does here."""

# Each appointment has a customer of its own, with the appointment's id.
APPOINTMENTS = """
    WITH made AS (
        INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
        SELECT o.id, gen_random_uuid(), 'Grace Hopper ' || number, 'guest-' || gen_random_uuid() || '@example.org', 'Europe/Berlin', now()
        FROM generate_series(1, $3::integer) AS number, organization AS o
        WHERE o.slug = $4
        RETURNING organization_id, id, name, email
    )
    INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, contact_email, version, time_version, policy_free_until_minutes_before,
        policy_late_cancellation, created_at)
    SELECT made.organization_id, made.id, p.id, made.id, 'CONFIRMED', $1::timestamptz + number * $2::interval,
        $1::timestamptz + number * $2::interval + interval '30 minutes', 'Europe/Berlin', made.name, made.email, 1, 1, 0,
        'ALLOWED', now()
    FROM (SELECT *, row_number() OVER () AS number FROM made) AS made
    CROSS JOIN LATERAL (
        SELECT id FROM provider WHERE provider.organization_id = made.organization_id ORDER BY id LIMIT 1
    ) AS p
"""

OUTBOX = """
    INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
    SELECT organization_id, id, 1, kind, starts_at - lead
    FROM appointment, (VALUES ('DAY_BEFORE', interval '24 hours'), ('HOUR_BEFORE', interval '1 hour')) AS due (kind, lead)
    ON CONFLICT DO NOTHING
"""

DUE_NOW = """
    INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
    SELECT organization_id, id, 1, $1, now()
    FROM appointment AS each
    WHERE NOT EXISTS (SELECT FROM reminder_log WHERE reminder_log.appointment_id = each.id)
        AND organization_id = (SELECT id FROM organization WHERE slug = $2)
    ON CONFLICT DO NOTHING
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slotwright-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded(folder, durable=True) as servers, taking() as mail:
            asyncio.run(migrate(servers.addresses.database_url))
            server = MailServer(
                host="127.0.0.1",
                port=mail.port,
                tls="none",
                username=None,
                password=None,
                from_address="no-reply@salon.example",
            )
            settings = Settings(
                database_url=servers.addresses.database_url,
                redis_url=servers.addresses.redis_url,
                token_secret=SECRET,
                manage_keys=(ManageKey(id="bench", secret=SECRET),),
                hash_secret=SECRET,
                mail_server=server,
                public_url="https://api.salon.example",
                statement_timeout_ms=600_000,
            )
            run(_measure(settings))


async def _measure(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        for slug in ("bench", "neighbour"):
            await _people(connection, slug)
        await connection.execute(WITHOUT_TRIGGERS)
        async with open_resources(settings) as resources:
            await _throughput(connection, resources)
            await _rush(connection, resources)
            await _growth(connection, resources)
    finally:
        await connection.close()


async def _people(connection: asyncpg.Connection, slug: str) -> None:
    await connection.execute(
        """
        WITH made AS (
            INSERT INTO organization (id, slug, name, created_at) VALUES (gen_random_uuid(), $1, 'Bench', now())
            RETURNING id
        )
        INSERT INTO provider (organization_id, id, subject, name, time_zone, service_duration_minutes, buffer_minutes,
            min_notice_minutes, max_advance_booking_days, policy_free_until_minutes_before, policy_late_cancellation,
            channels, created_at)
        SELECT id, gen_random_uuid(), 'ada', 'Ada', 'Europe/Berlin', 30, 0, 0, 60, 0, 'ALLOWED', '{}', now()
        FROM made
        """,
        slug,
    )


async def _appointments(
    connection: asyncpg.Connection, count: int, *, step: timedelta, slug: str = "bench"
) -> None:
    """From an hour and a half before a day from now on: the day's reminder is due."""
    await connection.execute(
        APPOINTMENTS, system_clock() + timedelta(hours=22.5), step, count, slug
    )
    await connection.execute("ANALYZE")


async def _throughput(connection: asyncpg.Connection, resources: Resources) -> None:
    """Day's reminders that are due at once, each for another appointment."""
    await _appointments(connection, MESSAGES, step=timedelta(seconds=1))
    await connection.execute(DUE_NOW, "DAY_BEFORE", "bench")
    started = time.perf_counter()
    counts = await send_messages(resources)
    seconds = time.perf_counter() - started
    sent = counts.get("SENT", 0)
    print(
        f"one worker: {sent} of {MESSAGES} reminders in {seconds:.1f} s, {sent / seconds:.0f} a "
        "second"
    )


async def _rush(connection: asyncpg.Connection, resources: Resources) -> None:
    """An organization has a hundred thousand reminders due in the same minute, and a neighbour's
    customers book meanwhile.
    """
    await _appointments(connection, DUE_AT_ONCE, step=timedelta(milliseconds=10))
    await connection.execute(DUE_NOW, "DAY_BEFORE", "bench")
    await _appointments(connection, 20, step=timedelta(hours=1), slug="neighbour")
    started = await connection.fetchval("SELECT clock_timestamp()")
    sending = asyncio.create_task(_send_all(resources))
    await asyncio.sleep(5)
    waited: list[float] = []
    booked = await connection.fetch(
        "SELECT organization_id, id FROM appointment WHERE organization_id = "
        "(SELECT id FROM organization WHERE slug = 'neighbour')"
    )
    for appointment in booked:
        at = time.perf_counter()
        await connection.execute(
            """INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
            VALUES ($1, $2, 1, 'BOOKED', now())""",
            *appointment.values(),
        )
        while not await connection.fetchval(IS_SENT, *appointment.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # nobody tells this process
        waited.append(time.perf_counter() - at)
    await sending
    late = await connection.fetchrow(LATENESS, started)
    assert late is not None
    print(
        f"{late['sent']:,} reminders due in the same minute: {late['sent'] / late['longest']:.0f} a "
        f"second; they are late by {late['median']:.0f} s (median), {late['p99']:.0f} s (99 of "
        f"100), {late['longest']:.0f} s (longest); a neighbour's confirmation meanwhile by "
        f"{statistics.median(waited) * 1000:.0f} ms (median), {max(waited) * 1000:.0f} ms (longest)"
    )


async def _send_all(resources: Resources) -> None:
    """Runs of the worker's job, until nothing is left."""
    while await send_messages(resources):
        pass


LATENESS = """
    SELECT count(*) AS sent, max(late) AS longest, percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS median,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY late) AS p99
    FROM (
        SELECT extract(epoch FROM sent_at - $1)::double precision AS late
        FROM reminder_log
        WHERE status = 'SENT' AND kind = 'DAY_BEFORE' AND sent_at >= $1
    ) AS sent
"""
IS_SENT = """
    SELECT status = 'SENT' FROM reminder_log WHERE organization_id = $1 AND appointment_id = $2
"""
COUNT_SENT = "SELECT count(*) FROM reminder_log WHERE status = 'SENT'"


async def _growth(connection: asyncpg.Connection, resources: Resources) -> None:
    """What asking for what is due takes, with 200 entries due, as the future fills."""
    await connection.execute("DELETE FROM message_outbox")
    now = system_clock()
    first: float | None = None
    there = 0
    for future in FUTURES:
        later = now + timedelta(days=2) + there * timedelta(seconds=3)
        await connection.execute(
            APPOINTMENTS, later, timedelta(seconds=3), future - there, "neighbour"
        )
        there = future
        await connection.execute(OUTBOX)
        await connection.execute("DELETE FROM message_outbox WHERE due_at <= $1", now)
        await connection.execute(
            """INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
            SELECT organization_id, id, 2, 'DAY_BEFORE', $1 FROM appointment LIMIT 200""",
            now - timedelta(seconds=1),
        )
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")  # or writing out a million rows is measured as well
        times = []
        for _round in range(ROUNDS):
            started = time.perf_counter()
            due = await due_outbox(resources.pool, due_by=now, batch_size=500)
            times.append(time.perf_counter() - started)
            assert sum(map(len, due.values())) == 200, due
        median = statistics.median(times)
        first = first or median
        print(
            f"{future:>9,} future appointments: what is due is found in {median * 1000:.2f} ms "
            f"({median / first:.2f} ×)"
        )


# ---------------------------------------------------------------- beside another version


async def _send(version: Version, _number: int) -> Load:
    """A worker sends what is due, from its first letter to the last row of the log."""
    connection = await asyncpg.connect(version.environment["DATABASE_URL"])
    await connection.execute(WITHOUT_TRIGGERS)
    await connection.execute("UPDATE provider SET channels = '{}'")
    slug: str = await connection.fetchval("SELECT slug FROM organization")
    await _appointments(connection, MESSAGES, step=timedelta(seconds=1), slug=slug)
    await connection.execute(DUE_NOW, "DAY_BEFORE", slug)
    before: int = await connection.fetchval(COUNT_SENT)
    with taking() as mail, _worker(version, mail.port) as worker:
        await _until(lambda: mail.count() > 0)
        started, already = time.perf_counter(), mail.count()
        spent, in_database = sum(worker.cpu_times()[:2]), await database_seconds(version)
        while await connection.fetchval(COUNT_SENT) - before < MESSAGES:
            if time.perf_counter() - started > PATIENCE_SECONDS:
                raise SystemExit(
                    f"{version.name}: {mail.count()} of {MESSAGES} reminders were sent"
                )
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - started
        spent = sum(worker.cpu_times()[:2]) - spent
        after = await database_seconds(version)
    await connection.close()
    sent = MESSAGES - already
    return Load(
        seconds=seconds,
        latencies=[seconds] * sent,
        statuses=Counter({200: sent}),
        processor_seconds=spent,
        database_seconds=sum(each - in_database.get(pid, 0.0) for pid, each in after.items()),
    )


async def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise SystemExit("the worker sends nothing")
        await asyncio.sleep(0.005)


@contextlib.contextmanager
def _worker(version: Version, mail_port: int) -> Iterator[psutil.Process]:
    environment = dict(version.environment) | {
        "SLOTWRIGHT_SMTP_URL": f"smtp+plain://127.0.0.1:{mail_port}",
        "SLOTWRIGHT_MAIL_FROM": "no-reply@salon.example",
        "SLOTWRIGHT_PUBLIC_URL": "https://api.salon.example",
        "SLOTWRIGHT_METRICS_PORT": str(free_port()),
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "app", "work"],
        cwd=version.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  one prepared system call, no locks
    )
    try:
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(15)
        running.kill()
        running.wait()


COMPARISONS = (Comparison(what="reminders, one worker", take=_send),)


if __name__ == "__main__":
    main()
