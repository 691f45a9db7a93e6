"""Upgrading a database while programs of 0.1.0 use it: what they store, how they go on booking and
sending, and how long they wait for it.

`python -m tests.e2e.upgrade 1000000` measures it on a database with so many appointments, on servers
of its own that sync to disk; it prints what docs/operations.md says about waiting.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.api.words.relay import global_id
from app.standins.embedded import Servers, embedded, free_port
from app.store.migrations import Migration, migrate
from app.store.sql import sql_folder
from tests.e2e import program
from tests.plain_http import NO_TLS

RELEASE: Final = "78110f66c28cd609ed2154707cebd93e6dc533a7"
"""The commit that is 0.1.0."""
LAST_MIGRATION: Final = 22
"""The last migration of 0.1.0: the files up to it are its schema, as none is ever edited."""

PROVIDERS: Final = 200
WRITERS: Final = 4
VISIT: Final = timedelta(minutes=20)
DAYS_AHEAD: Final = 30
PATIENCE_SECONDS: Final = 60.0

# ---------------------------------------------------------------- what 0.1.0 has stored


def old_migrations(folder: Path) -> Path:
    """A folder with the migrations of 0.1.0 alone."""
    old = folder / "migrations-0.1.0"
    old.mkdir()
    for path in sorted((sql_folder() / "migrations").glob("*.sql"))[:LAST_MIGRATION]:
        shutil.copy(path, old)
    return old


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """An organization of 0.1.0, whose providers work around the clock."""

    organization_id: UUID
    slug: str
    providers: tuple[UUID, ...]


_FILL: Final = """
WITH wanted AS (
    SELECT gen_random_uuid() AS customer_id, gen_random_uuid() AS appointment_id, number,
        ($2::uuid[])[1 + number % cardinality($2::uuid[])] AS provider_id,
        $3::timestamptz - interval '20 minutes' * (1 + number / cardinality($2::uuid[])) AS start_at,
        number % 10 = 0 AS cancelled
    FROM generate_series(1, $4::integer) AS number
), known AS (
    INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
    SELECT $1, customer_id, 'Guest', 'past-' || number || '@example.com', 'UTC', start_at
    FROM wanted
), appointed AS (
    INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, version, time_version, policy_free_until_minutes_before,
        policy_late_cancellation, created_at, cancelled_at)
    SELECT $1, appointment_id, provider_id, customer_id, CASE WHEN cancelled THEN 'CANCELLED' ELSE 'COMPLETED' END,
        start_at, start_at + interval '20 minutes', 'UTC', 'Guest', 1, 1, 0, 'ALLOWED', start_at,
        CASE WHEN cancelled THEN start_at END
    FROM wanted
)
INSERT INTO claim (organization_id, id, provider_id, appointment_id, during, visit, active)
SELECT $1, gen_random_uuid(), provider_id, appointment_id, tstzrange(start_at, start_at + interval '20 minutes'),
    tstzrange(start_at, start_at + interval '20 minutes'), NOT cancelled
FROM wanted
"""


async def fill(database_url: str, *, appointments: int, slug: str = "old") -> Practice:
    """What a database of 0.1.0 holds after so many appointments, each with its claim, a tenth of
    them cancelled.
    """
    connection = await asyncpg.connect(database_url)
    try:
        organization_id = UUID(int=1)
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        await connection.execute(
            "INSERT INTO organization (id, slug, name, created_at) VALUES ($1, $2, 'Old', $3)",
            organization_id, slug, now,
        )  # fmt: skip
        providers = tuple(UUID(int=1_000 + number) for number in range(PROVIDERS))
        await connection.execute(
            """
            INSERT INTO provider (organization_id, id, subject, name, time_zone, service_duration_minutes, created_at)
            SELECT $1, id, 'provider-' || id, 'Provider', 'UTC', 20, $3 FROM unnest($2::uuid[]) AS id
            """,
            organization_id, providers, now,
        )  # fmt: skip
        for table in ("weekly_hours", "weekly_break"):
            # The break takes a minute before midnight on one day, so that it is there and in nobody's way.
            start, days = (0, 6) if table == "weekly_hours" else (1439, 0)
            await connection.execute(
                f"""
                INSERT INTO {table} (organization_id, id, provider_id, weekday, start_minute, end_minute)
                SELECT $1, gen_random_uuid(), id, weekday, $3, 1440
                FROM unnest($2::uuid[]) AS id, generate_series(0, $4::integer) AS weekday
                """,
                organization_id, providers, start, days,
            )  # fmt: skip
        await connection.execute(
            """
            INSERT INTO availability_exception (organization_id, id, provider_id, date, is_blocked)
            SELECT $1, gen_random_uuid(), id, $3, true FROM unnest($2::uuid[]) AS id
            """,
            organization_id, providers, now.date() + timedelta(days=DAYS_AHEAD + 20),
        )  # fmt: skip
        # Without checks of foreign keys, and with the constraint built at the end: it is what takes
        # long.
        await connection.execute("SET session_replication_role = replica")
        constraint = await connection.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'claim_no_overlap'"
        )
        await connection.execute("ALTER TABLE claim DROP CONSTRAINT claim_no_overlap")
        await connection.execute(_FILL, organization_id, providers, now, appointments)
        await connection.execute(f"ALTER TABLE claim ADD CONSTRAINT claim_no_overlap {constraint}")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return Practice(organization_id=organization_id, slug=slug, providers=providers)


# ---------------------------------------------------------------- programs of 0.1.0


def old_program(folder: Path) -> Path | None:
    """0.1.0 as it was, taken from the history of the repository; None where that is not there."""
    try:
        archive = subprocess.run(
            ["git", "archive", RELEASE, "app", "sql"],
            cwd=program.ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    old = folder / "0.1.0"
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(old, filter="data")
    return old


def old_environment(database_url: str, redis_url: str, slug: str, mail_port: int) -> dict[str, str]:
    """The settings of 0.1.0."""
    return {
        "PATH": "/usr/bin:/bin",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SLOTWRIGHT_TOKEN_SECRET": "a secret of the tests of at least thirty-two bytes",
        "SLOTWRIGHT_MANAGE_KEYS": "test:another-secret-of-the-tests-of-32-bytes-or-more",
        "SLOTWRIGHT_HASH_SECRET": "a third secret of the tests of at least 32 bytes",
        "SLOTWRIGHT_DEFAULT_ORGANIZATION": slug,
        "SLOTWRIGHT_RATE_LIMITS": "off",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",
        "SLOTWRIGHT_SMTP_URL": f"smtp+plain://127.0.0.1:{mail_port}",
        "SLOTWRIGHT_MAIL_FROM": "no-reply@salon.example",
    }


@dataclass(kw_only=True)
class Letters:
    """A mail server that takes everything, and counts it."""

    taken: int = 0
    port: int = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - the name that aiosmtpd calls
        self.taken += 1
        return "250 2.0.0 OK"


@asynccontextmanager
async def letters() -> AsyncIterator[Letters]:
    loop = asyncio.get_running_loop()
    taking = Letters()
    server = await loop.create_server(
        lambda: SMTP(taking, hostname="127.0.0.1", loop=loop), "127.0.0.1", 0
    )
    taking.port = server.sockets[0].getsockname()[1]
    try:
        yield taking
    finally:
        server.close()


@contextmanager
def old_processes(
    old: Path, environment: Mapping[str, str], folder: Path
) -> Iterator[tuple[str, list[program.Running]]]:
    """`serve` and `work` of 0.1.0; the address, and both."""
    port = free_port()
    serve = ("serve", "--host", "127.0.0.1", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    with (
        program.running(*serve, env=environment, log=folder / "serve.log", cwd=old) as serving,
        program.running("work", env=environment, log=folder / "work.log", cwd=old) as working,
    ):
        serving.wait_until_answering(f"{url}/livez")
        working.wait_until_said("the worker runs")
        yield url, [serving, working]


# ---------------------------------------------------------------- people who book meanwhile

_BOOK: Final = """
mutation ($input: BookAppointmentInput!) {
    answer: bookAppointment(input: $input) {
        __typename
        ... on BookingConfirmation { manageToken appointment { id } }
        ... on UserError { code }
    }
}"""
_HOLD: Final = """
mutation ($input: HoldSlotInput!) {
    answer: holdSlot(input: $input) { __typename ... on Hold { holdToken } ... on UserError { code } }
}"""
_RELEASE: Final = """
mutation ($input: ReleaseHoldInput!) {
    answer: releaseHold(input: $input) { __typename ... on UserError { code } }
}"""
_MOVE: Final = """
mutation ($input: RescheduleAppointmentInput!) {
    answer: rescheduleAppointment(input: $input) {
        __typename
        ... on BookingConfirmation { appointment { id } }
        ... on UserError { code }
    }
}"""
_CANCEL: Final = """
mutation ($input: CancelAppointmentInput!) {
    answer: cancelAppointment(input: $input) { __typename ... on UserError { code } }
}"""
_LIST: Final = """
query ($id: ID!, $day: Date!) {
    answer: provider(id: $id) { availability(from: $day, to: $day) { __typename ... on Availability { slots { startsAt } } } }
}"""

FINE: Final = frozenset({"SlotUnavailableError"})
"""The refusals that guests may get at any time: somebody else was faster."""


@dataclass(kw_only=True)
class Traffic:
    """Guests of a practice, who book, hold, move, cancel and list as fast as they are answered, with
    `pause` seconds between one wish and the next.
    """

    practice: Practice
    url: str
    pause: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    took: list[tuple[str, float, float]] = field(default_factory=list)
    """What was asked for, when the answer came (monotonic), and the seconds that it took."""
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def run(self, until: asyncio.Event) -> None:
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS, verify=NO_TLS) as http,
            asyncio.TaskGroup() as guests,
        ):
            for _ in range(WRITERS):
                guests.create_task(self._guest(http, until))

    async def _guest(self, http: httpx.AsyncClient, until: asyncio.Event) -> None:
        while not until.is_set():
            await asyncio.sleep(self.pause)
            number = next(self._numbers)
            provider = str(global_id("Provider", self.chance.choice(self.practice.providers)))
            held = None
            start = self._start()
            if self.chance.random() < 0.3:
                held = await self._ask(
                    http, "hold", _HOLD,
                    {"providerId": provider, "startsAt": start, "idempotencyKey": f"hold-{number}"},
                )  # fmt: skip
                if held.get("__typename") != "Hold":
                    continue
                if self.chance.random() < 0.3:
                    await self._ask(http, "release", _RELEASE, {"holdToken": held["holdToken"]})
                    continue
            booked = await self._ask(
                http, "book", _BOOK,
                {
                    "providerId": provider,
                    "startsAt": start,
                    "customer": {"name": "Guest", "email": f"guest-{number}@example.com"},
                    "customerTimeZone": "UTC",
                    "idempotencyKey": f"book-{number}",
                    "holdToken": None if held is None else held["holdToken"],
                },
            )  # fmt: skip
            if booked.get("__typename") != "BookingConfirmation":
                continue
            own = {
                "appointmentId": booked["appointment"]["id"],
                "manageToken": booked["manageToken"],
            }
            if self.chance.random() < 0.5:
                moved = {"startsAt": self._start(), "idempotencyKey": f"move-{number}"}
                await self._ask(http, "move", _MOVE, own | moved)
            if self.chance.random() < 0.5:
                await self._ask(http, "cancel", _CANCEL, own)
            day = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
            await self._ask(http, "list", _LIST, None, id=provider, day=day)

    def _start(self) -> str:
        tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        slots = self.chance.randrange(72, 72 * DAYS_AHEAD)
        return (tomorrow + VISIT * slots).isoformat()

    async def _ask(
        self,
        http: httpx.AsyncClient,
        what: str,
        document: str,
        given: Mapping[str, object] | None,
        **variables: object,
    ) -> dict[str, Any]:
        if given is not None:
            variables["input"] = given
        began = time.monotonic()
        response = await http.post("/graphql", json={"query": document, "variables": variables})
        ended = time.monotonic()
        self.took.append((what, ended, ended - began))
        body = response.json()
        if response.status_code != 200 or "errors" in body:
            self.failures.append(f"{what}: {response.status_code} {json.dumps(body)[:500]}")
            return {}
        answer: dict[str, Any] = body["data"]["answer"]
        name = answer.get("__typename", "Provider")
        self.answers[f"{what}: {name}"] += 1
        if name.endswith("Error") and name not in FINE:
            self.failures.append(f"{what}: {json.dumps(answer)}")
        return answer

    def longest(self, since: float, until: float, *what: str) -> float:
        """Seconds that the slowest of these answers took, of those that came in this time."""
        return max(
            (
                seconds
                for each, at, seconds in self.took
                if since <= at < until and (not what or each in what)
            ),
            default=0.0,
        )

    def count(self, since: float, until: float) -> int:
        return sum(since <= at < until for _, at, _ in self.took)


# ---------------------------------------------------------------- the upgrade


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What happened while a database was migrated under 0.1.0; seconds."""

    organization_id: UUID
    applied: list[Migration]
    took: float
    longest_before: float
    longest_during: float
    """The slowest answer of all while it was migrated."""
    files: dict[str, tuple[float, float]]
    """Of each migration how long it took, and the slowest answer meanwhile."""
    answers: Counter[str]
    asked_during: int
    failures: list[str]
    letters_before: int
    letters_after: int
    errors_logged: list[str]


async def upgrade(
    database_url: str,
    redis_url: str,
    folder: Path,
    old: Path,
    *,
    appointments: int,
    warm: float,
    pause: float = 0.0,
) -> Upgraded:
    """Fill a database of 0.1.0, start its programs, let guests book, and migrate."""
    await migrate(database_url, folder=old_migrations(folder))
    practice = await fill(database_url, appointments=appointments)
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(letters())
        environment = old_environment(database_url, redis_url, practice.slug, mail.port)
        url, processes = stack.enter_context(old_processes(old, environment, folder))
        traffic = Traffic(practice=practice, url=url, pause=pause)
        until = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.run(until))
            try:
                began = time.monotonic()
                await _asked(traffic, 200, warm)
                await _more_letters(mail, than=0)
                await _analyze(database_url)
                before = mail.taken
                files: list[tuple[str, float]] = []
                start = time.monotonic()
                applied = await migrate(
                    database_url,
                    progress=lambda line: files.append(
                        (line.removeprefix("migrating: "), time.monotonic())
                    ),
                )
                end = time.monotonic()
                await _asked(traffic, traffic.count(0, end + PATIENCE_SECONDS) + 200, warm)
                await _more_letters(mail, than=before)
            finally:
                until.set()
        said = "".join(process.said for process in processes)
    ends = [at for _, at in files[1:]] + [end]
    return Upgraded(
        organization_id=practice.organization_id,
        applied=applied,
        took=end - start,
        longest_before=traffic.longest(began, start),
        longest_during=traffic.longest(start, end + 0.5),
        files={
            name: (stop - at, traffic.longest(at, stop + 0.2))
            for (name, at), stop in zip(files, ends, strict=True)
        },
        answers=traffic.answers,
        asked_during=traffic.count(start, end),
        failures=traffic.failures,
        letters_before=before,
        letters_after=mail.taken,
        errors_logged=[
            line for line in said.splitlines() if '"level":"ERROR"' in line.replace(": ", ":")
        ],
    )


async def _analyze(database_url: str) -> None:
    """What autovacuum, which the servers of the tests lack, does within a minute: statistics of the
    tables that were empty until the guests came. Without them PostgreSQL plans 0.1.0's `take_outbox`
    as if an organization had one planned message: its time is the square of their number, and
    exceeds the statement timeout from about a thousand on.
    """
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _asked(traffic: Traffic, number: int, seconds: float) -> None:
    """Until so many were answered, and so much time has passed."""
    async with asyncio.timeout(PATIENCE_SECONDS + seconds):
        await asyncio.sleep(seconds)
        while len(traffic.took) < number and not traffic.failures:  # noqa: ASYNC110 - other tasks and processes
            await asyncio.sleep(0.05)


async def _more_letters(mail: Letters, *, than: int) -> None:
    """Wait until more letters were sent than this number."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while mail.taken <= than:  # noqa: ASYNC110 - another process sends
            await asyncio.sleep(0.05)


def report(upgraded: Upgraded) -> str:
    lines = [
        f"migrated in {upgraded.took:.1f} s; {upgraded.asked_during} requests meanwhile",
        f"slowest answer before: {upgraded.longest_before * 1000:.0f} ms",
        f"slowest answer meanwhile: {upgraded.longest_during * 1000:.0f} ms",
        *(
            f"  {name}: {took:.2f} s, slowest answer {waited * 1000:.0f} ms"
            for name, (took, waited) in upgraded.files.items()
        ),
        f"answers: {dict(sorted(upgraded.answers.items()))}",
        f"letters: {upgraded.letters_before} before, {upgraded.letters_after} after",
        f"failures: {upgraded.failures}",
        f"errors logged: {upgraded.errors_logged}",
    ]
    return "\n".join(lines)


async def _measure(servers: Servers, folder: Path, appointments: int) -> None:
    old = old_program(folder)
    if old is None:
        raise SystemExit("0.1.0 is not in the history of this checkout")
    done = await upgrade(
        servers.database_url, servers.redis_url, folder, old, appointments=appointments, warm=5
    )
    print(report(done))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slotwright-upgrade-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, the servers run as another user
        with embedded(folder, durable=True) as servers, suppress(KeyboardInterrupt):
            asyncio.run(_measure(servers, folder, int(sys.argv[1])))


if __name__ == "__main__":
    main()
