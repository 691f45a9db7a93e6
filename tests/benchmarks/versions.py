"""Two versions in turns: this one, and that of another commit from a git worktree.

Both are driven from outside, through their own commands (`python -m app migrate`, `organization`,
`token`, `serve`) and over HTTP, since the other version's modules may have other names. Each has a
database and a Redis database of its own on the same servers, with the same providers and the same
appointments. Where each has one API process, the two share a core; and rounds alternate, so that
what else the machine does slows both.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from app.standins.embedded import Servers, embedded, free_port
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import Load, once, request
from tests.benchmarks.rows import Row

ROUNDS = 9
"""Of each row, and one more before them that is not counted."""

MADE_AT_ONCE = 8

CREATE_PROVIDER = """mutation ($input: CreateProviderInput!) { answer: createProvider(input: $input) {
    __typename ... on Provider { id } } }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version whose API listens at a port, with the ids of its providers as its API gives them.

    `token` is an administrator's; `process` is `serve`, and its children may be the workers.
    """

    name: str
    folder: Path
    environment: Mapping[str, str]
    port: int
    process: psutil.Process
    token: str
    providers: tuple[str, ...] = ()

    def processor_seconds(self) -> float:
        """What the API's processes have taken so far."""
        processes = (self.process, *self.process.children(recursive=True))
        return sum(sum(each.cpu_times()[:2]) for each in processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A row: `take` makes the load of one round, by its number; all of its answers must be 200."""

    what: str
    take: Callable[[Version, int], Awaitable[Load]]
    workers: int = 1
    """Of `serve`."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """Each of a round's requests, in milliseconds; `database_ms` is the processor time of the
    version's connections in PostgreSQL.
    """

    wall_ms: float
    processor_ms: float
    database_ms: float


def compare(base: str, comparisons: Sequence[Comparison], rounds: int) -> list[Row]:
    """A row for each comparison. The ratio is the other version's time by this one's: above 1, this
    version is faster.
    """
    return asyncio.run(_compare(base, comparisons, rounds))


async def _compare(base: str, comparisons: Sequence[Comparison], rounds: int) -> list[Row]:
    rows: list[Row] = []
    for workers in sorted({each.workers for each in comparisons}):
        async with _versions(base, workers) as (this, other):
            for each in comparisons:
                if each.workers == workers:
                    row = await _row(each, this, other, rounds)
                    # At once, as the rest may take minutes.
                    print(f"{row.what}: {row.ratio:.2f}; {row.ours}; {row.beside}", flush=True)
                    rows.append(row)
    return rows


async def _row(comparison: Comparison, this: Version, other: Version, rounds: int) -> Row:
    taken: dict[str, list[_Taken]] = {this.name: [], other.name: []}
    for number in range(rounds + 1):
        # The second one finds a warmer machine, so they take turns at being first.
        for version in (this, other) if number % 2 else (other, this):
            found = await _take(comparison, version, number)
            if number:
                taken[version.name].append(found)
            else:
                await _analyze(version)
    ours, theirs = taken[this.name], taken[other.name]
    processor = _processor_ms(theirs) / _processor_ms(ours)
    # What comes from memory may take none of PostgreSQL's time.
    in_database = _database_ms(ours)
    database = f"{_database_ms(theirs) / in_database:.2f}" if in_database else "–"
    return Row(
        what=comparison.what,
        ours=_text(ours),
        beside=(
            f"{other.name}: {_text(theirs)}; by processor {processor:.2f}, by PostgreSQL's "
            f"{database}"
        ),
        ratio=_wall_ms(theirs) / _wall_ms(ours),
    )


async def _take(comparison: Comparison, version: Version, number: int) -> _Taken:
    database = await database_seconds(version)
    before = version.processor_seconds()
    done = await comparison.take(version, number)
    spent = version.processor_seconds() - before
    in_database = sum(
        after - database.get(pid, 0.0) for pid, after in (await database_seconds(version)).items()
    )
    if set(done.statuses) != {200}:
        raise SystemExit(f"{comparison.what}, {version.name}: answers {dict(done.statuses)}")
    if done.processor_seconds is not None and done.database_seconds is not None:
        spent, in_database = done.processor_seconds, done.database_seconds
    count = len(done.latencies)
    return _Taken(done.seconds / count * 1000, spent / count * 1000, in_database / count * 1000)


async def database_seconds(version: Version) -> dict[int, float]:
    """The processor time of each connection to the version's database, by its process."""
    connection = await asyncpg.connect(version.environment["DATABASE_URL"])
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    seconds: dict[int, float] = {}
    for row in rows:
        with suppress(psutil.NoSuchProcess):
            seconds[row["pid"]] = sum(psutil.Process(row["pid"]).cpu_times()[:2])
    return seconds


def _wall_ms(taken: Sequence[_Taken]) -> float:
    return median(each.wall_ms for each in taken)


def _processor_ms(taken: Sequence[_Taken]) -> float:
    return median(each.processor_ms for each in taken)


def _database_ms(taken: Sequence[_Taken]) -> float:
    return median(each.database_ms for each in taken)


def _text(taken: Sequence[_Taken]) -> str:
    return (
        f"{_wall_ms(taken):.2f} ms each, {_processor_ms(taken):.2f} ms of processor, "
        f"{_database_ms(taken):.2f} ms of PostgreSQL's"
    )


# ---------------------------------------------------------------- the two versions


@asynccontextmanager
async def _versions(base: str, workers: int) -> AsyncIterator[tuple[Version, Version]]:
    with (
        tempfile.TemporaryDirectory(prefix="slotwright-bench-") as name,
        _worktree(base, Path(name) / "base") as folder,
    ):
        Path(name).chmod(0o755)  # started by root, the servers run as another user
        servers_folder = Path(name) / "servers"
        servers_folder.mkdir(mode=0o755)
        with embedded(servers_folder, durable=True) as servers:
            async with (
                _running("this", worlds.ROOT, servers, 1, workers) as this,
                _running(base, folder, servers, 2, workers) as other,
            ):
                if workers == 1 and hasattr(psutil.Process, "cpu_affinity"):
                    core = min(psutil.Process().cpu_affinity() or (0,))
                    for version in (this, other):
                        version.process.cpu_affinity([core])
                yield await _peopled(this), await _peopled(other)


@contextmanager
def _worktree(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit; what `make assets` downloads is copied from this version."""
    git = ["git", "-C", str(worlds.ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        assets = worlds.ROOT / "app" / "web" / "vendor"
        if assets.is_dir():
            shutil.copytree(assets, folder / "app" / "web" / "vendor", dirs_exist_ok=True)
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=False)


@asynccontextmanager
async def _running(
    name: str, folder: Path, servers: Servers, number: int, workers: int
) -> AsyncIterator[Version]:
    database = f"bench_{number}"
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {database}")
    await connection.close()
    environment = worlds.settings_on(
        database_url=_at(servers.database_url, database),
        redis_url=_at(servers.redis_url, str(number)),
    )
    await _command(folder, environment, "migrate")
    await _command(
        folder, environment, "organization", "create", "--slug", worlds.ORGANIZATION, "--name", "B"
    )
    token = await _command(
        folder, environment, "token", "--role", "admin", "--organization", worlds.ORGANIZATION
    )
    port = free_port()
    with worlds.process(
        *("-m", "app", "serve", "--port", str(port), "--workers", str(workers)),
        environment=environment,
        port=port,
        folder=folder,
    ) as running:
        yield Version(
            name=name,
            folder=folder,
            environment=environment,
            port=port,
            process=psutil.Process(running.pid),
            token=token,
        )


def _at(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


async def _command(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """What the version's command printed."""
    command = [sys.executable, "-m", "app", *arguments]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} in {folder}:\n{done.stderr}")
    return str(done.stdout).strip()


async def _peopled(version: Version) -> Version:
    """The providers of `worlds.world`, made over HTTP."""
    providers = await make_providers(version, range(1, worlds.PROVIDERS + 1))
    await _analyze(version)
    return replace(version, providers=providers)


async def _analyze(version: Version) -> None:
    """As in production, PostgreSQL knows its tables, and not as they were when they were empty."""
    connection = await asyncpg.connect(version.environment["DATABASE_URL"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def make_providers(version: Version, wanted: Iterable[int]) -> tuple[str, ...]:
    """Providers of these numbers, by their ids."""
    numbers = iter(wanted)
    made: dict[int, str] = {}

    async def make() -> None:
        for number in numbers:
            body = request(CREATE_PROVIDER, token=version.token, input=_provider(number))
            answer: dict[str, Any] = await once(version.port, body)
            made[number] = answer["data"]["answer"]["id"]

    await asyncio.gather(*(make() for _ in range(MADE_AT_ONCE)))
    return tuple(made[number] for number in sorted(made))


def _provider(number: int) -> dict[str, object]:
    every_day = range(7)
    weekdays = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
    return {
        "name": f"Provider {number}",
        "timeZone": worlds.ZONES[number % len(worlds.ZONES)],
        "serviceDurationMinutes": 20,
        "maxAdvanceBookingDays": worlds.HORIZON_DAYS,
        "email": f"provider-{number}@example.com",
        "subject": f"provider-{number}",
        "weeklyHours": [
            {"weekday": weekdays[day], "start": "09:00", "end": "17:00"} for day in every_day
        ],
        "breaks": [
            {"weekday": weekdays[day], "start": "12:00", "end": "13:00"} for day in every_day
        ],
    }
