"""Reminders: how many a second go out through one worker, and whether finding what is due grows
with the future.

Nothing leaves the machine: the mail server is the catcher of `dev`, in a process of its own beside
PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import asyncpg

from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import MailServer, ManageKey, Settings
from app.standins.embedded import embedded
from app.standins.mail_catcher import catching
from app.store.messages import due_outbox
from app.store.migrations import migrate
from app.usecases.messages.send_messages import DUE_BATCH, send_messages
from app.usecases.resources import Resources

MESSAGES: Final = 2_000
FUTURES: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 100
SECRET: Final = "a secret of the measurements of 32 bytes or more"

APPOINTMENTS = """
    INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, contact_email, version, time_version, policy_free_until_minutes_before,
        policy_late_cancellation, created_at)
    SELECT o.id, gen_random_uuid(), p.id, c.id, 'CONFIRMED', $1::timestamptz + number * $2::interval,
        $1::timestamptz + number * $2::interval + interval '30 minutes', 'Europe/Berlin', 'Grace',
        'guest-' || number || '@example.org', 1, 1, 0, 'ALLOWED', now()
    FROM generate_series(1, $3::integer) AS number, organization AS o, provider AS p, customer AS c
    RETURNING 1
"""

OUTBOX = """
    INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
    SELECT organization_id, id, 1, kind, starts_at - lead
    FROM appointment, (VALUES ('DAY_BEFORE', interval '24 hours'), ('HOUR_BEFORE', interval '1 hour')) AS due (kind, lead)
    ON CONFLICT DO NOTHING
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slotwright-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded(folder, durable=False) as servers, _catcher(folder / "mailbox") as mail_port:
            asyncio.run(migrate(servers.addresses.database_url))
            mail = MailServer(
                host="127.0.0.1",
                port=mail_port,
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
                mail_server=mail,
                public_url="https://api.salon.example",
                statement_timeout_ms=600_000,
            )
            asyncio.run(_measure(settings))


@contextmanager
def _catcher(folder: Path) -> Iterator[int]:
    """The port of a mail server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_catch, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _catch(folder: Path, parent: Connection) -> None:
    with catching(folder, system_clock) as caught:
        parent.send(caught.mail_port)
        parent.recv()


async def _measure(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        await _people(connection)
        async with open_resources(settings) as resources:
            await _throughput(connection, resources)
            await _growth(connection, resources)
    finally:
        await connection.close()


async def _people(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """
        INSERT INTO organization (id, slug, name, created_at) VALUES (gen_random_uuid(), 'bench', 'Bench', now());
        INSERT INTO provider (organization_id, id, subject, name, time_zone, service_duration_minutes, buffer_minutes,
            min_notice_minutes, max_advance_booking_days, policy_free_until_minutes_before, policy_late_cancellation,
            channels, created_at)
        SELECT id, gen_random_uuid(), 'ada', 'Ada', 'Europe/Berlin', 30, 0, 0, 60, 0, 'ALLOWED', '{}', now()
        FROM organization;
        INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
        SELECT id, gen_random_uuid(), 'Grace', 'grace@example.org', 'Europe/Berlin', now() FROM organization;
        """
    )


async def _throughput(connection: asyncpg.Connection, resources: Resources) -> None:
    """Two thousand day's reminders that are due at once, each for another appointment."""
    soon = system_clock() + timedelta(hours=2)
    await connection.execute(APPOINTMENTS, soon, timedelta(seconds=30), MESSAGES)
    await connection.execute(OUTBOX)
    await connection.execute("ANALYZE")
    started = time.perf_counter()
    counts = await send_messages(resources)
    seconds = time.perf_counter() - started
    sent = counts.get("SENT", 0)
    print(
        f"one worker: {sent} of {MESSAGES} reminders in {seconds:.1f} s, {sent / seconds:.0f} a "
        "second"
    )


async def _growth(connection: asyncpg.Connection, resources: Resources) -> None:
    """What asking for what is due takes, with 200 entries due, as the future fills."""
    await connection.execute("DELETE FROM message_outbox")
    now = system_clock()
    first: float | None = None
    there = 0
    for future in FUTURES:
        later = now + timedelta(days=2) + there * timedelta(seconds=3)
        await connection.execute(APPOINTMENTS, later, timedelta(seconds=3), future - there)
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
            due = await due_outbox(resources.pool, due_by=now, batch_size=DUE_BATCH)
            times.append(time.perf_counter() - started)
            assert sum(map(len, due.values())) == 200, due
        median = statistics.median(times)
        first = first or median
        print(
            f"{future:>9,} future appointments: what is due is found in {median * 1000:.2f} ms "
            f"({median / first:.2f} ×)"
        )


if __name__ == "__main__":
    main()
