"""Soak: people book, hold, move, cancel, list and subscribe while all servers and processes are
killed or disconnected again and again. `python -m tests.e2e.soak --minutes 20 --seed 1`.

Real processes: an API with two workers, a worker, PostgreSQL and Redis, the last two behind relays
that can reset their connections. Acknowledged changes are recorded, and compared at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import psutil
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.free_times.keys import DAY_LIFETIME_MS
from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import Settings
from app.standins.embedded import Servers, embedded, free_port
from app.store.migrations import migrate
from tests.builders import LISTING, Api, Caller, Clock, Json, a_provider, an_organization, key_in
from tests.e2e.program import Running, running
from tests.e2e.watcher import AVAILABILITY, Watcher, over_socket
from tests.integration.reminders import read_letter
from tests.lives import BOOK, CANCEL, HOLD, MOVE, broken_laws, new_key
from tests.plain_http import NO_TLS
from tests.relay import Relay

PROVIDERS: Final = 4
ACTORS: Final = 6
FOLLOWERS: Final = 4
DAYS: Final = 3

FAULT_SECONDS: Final = (1.0, 4.0)
"""Between two faults, at least and at most."""

HEARD_WITHIN_SECONDS: Final = 20.0
"""A subscriber that stays connected for this long after a change has got it, despite failures."""

LIVE_AFTER_SECONDS: Final = 3.0
"""A subscriber counts from so long after asking: the protocol does not say when it was let in."""

DECIDED_SECONDS: Final = 2.0
"""From the decision that a letter is sent to its MAIL command, on a busy machine."""

PATIENCE_SECONDS: Final = 90.0
"""Until somebody gives up who sends the same request again and again."""

APPOINTMENTS: Final = "subscription { appointmentChanges { kind appointment { id version } } }"

_numbers = count(1)


@dataclass(slots=True, kw_only=True)
class Booked:
    """An appointment, as far as it was acknowledged."""

    id: str
    token: str
    status: str
    starts_at: str
    version: int
    time_version: int = 1
    cancelled_at: float | None = None
    """When the cancellation was acknowledged."""
    moved_at: dict[int, float] = field(default_factory=dict)
    """When each time version was acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that was acknowledged."""

    appointment_id: str
    version: int
    sent_at: float
    acknowledged_at: float


@dataclass(slots=True)
class Hearing:
    """One connection of a subscriber to appointments."""

    since: float
    until: float | None = None
    heard: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def hears(self, change: Change) -> float | None:
        """When it heard this change, or a later one of the same appointment."""
        return next(
            (
                at
                for version, at in self.heard.get(change.appointment_id, ())
                if version >= change.version
            ),
            None,
        )

    def has_to_hear(self, change: Change, now: float) -> bool:
        until = now if self.until is None else self.until
        return (
            change.sent_at >= self.since + LIVE_AFTER_SECONDS
            and change.acknowledged_at + HEARD_WITHIN_SECONDS <= until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    message_id: str
    began_at: float


@dataclass(slots=True)
class Post:
    """A mail server that takes everything and notes when each letter began."""

    port: int = 0
    letters: list[Letter] = field(default_factory=list)
    _began: dict[int, float] = field(default_factory=dict)

    async def handle_MAIL(  # noqa: N802  the name that aiosmtpd calls
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        envelope.mail_from = address
        self._began[id(envelope)] = time.monotonic()
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  as above
        letter = read_letter(envelope.content)
        began = self._began.pop(id(envelope))
        self.letters.append(Letter(message_id=str(letter["Message-ID"]), began_at=began))
        return "250 2.0.0 OK"


@contextlib.asynccontextmanager
async def a_post() -> AsyncIterator[Post]:
    loop, post = asyncio.get_running_loop(), Post()
    server = await loop.create_server(
        lambda: SMTP(post, hostname="127.0.0.1", loop=loop), "127.0.0.1", 0
    )
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()


@dataclass(slots=True)
class Report:
    """What the soak saw. `broken` is empty where every law held."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    letters: int = 0
    slowest_hearing_seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"answers: {dict(self.answers)}",
            f"faults: {dict(self.faults)}",
            f"changes acknowledged: {self.changes}; letters: {self.letters}",
            f"slowest hearing: {self.slowest_hearing_seconds:.1f} s",
            *(f"BROKEN: {each}" for each in self.broken),
        ]
        return "\n".join(lines)


class Soak:
    """The world, its people, and the changes that were acknowledged to them."""

    def __init__(
        self,
        *,
        api: Api,
        servers: Servers,
        relays: tuple[Relay, Relay],
        post: Post,
        chance: random.Random,
    ) -> None:
        self.api = api
        self.servers = servers
        self.postgres, self.redis = relays
        self.post = post
        self.chance = chance
        self.report = Report()
        self.providers: list[Json] = []
        self.booked: dict[str, Booked] = {}
        self.changes: list[Change] = []
        self.hearings: list[Hearing] = []
        self.watchers: list[Watcher] = []
        self.days = [
            str((system_clock() + timedelta(days=day)).date()) for day in range(2, 2 + DAYS)
        ]
        self.done = asyncio.Event()
        self.over = asyncio.Event()
        """Nobody subscribes any more."""

    # ------------------------------------------------------------ people

    async def ask(
        self, document: str, *, caller: Caller | None = None, **variables: object
    ) -> Json | None:
        """The data; None where it is not known what came of it."""
        try:
            answer = await self.api.send(document, caller=caller, **variables)
        except (httpx.TransportError, json.JSONDecodeError):
            self.report.answers["no answer"] += 1
            return None
        codes = answer.codes
        self.report.answers.update(codes or ["answered"])
        for code in codes:
            if code != "SERVICE_UNAVAILABLE":
                self.report.broken.append(f"an answer was {code}: {answer.body['errors']}"[:500])
        return None if codes else answer.data

    async def insist(self, document: str, wish: Json) -> tuple[Json, float, bool]:
        """The answer to a request that is sent until it is answered; when it was first sent, and
        whether it may have been carried out before.
        """
        sent_at, is_again = time.monotonic(), False
        while time.monotonic() < sent_at + PATIENCE_SECONDS:
            data = await self.ask(document, input=wish)
            if data is not None:
                answer: Json = data["answer"]
                return answer, sent_at, is_again
            is_again = True
            await asyncio.sleep(self.chance.uniform(0.05, 0.5))
        raise AssertionError("a request was never answered")

    async def live(self) -> None:
        """One of the people who book."""
        mine: list[Booked] = []
        while not self.done.is_set():
            open_ones = [each for each in mine if each.status == "CONFIRMED"]
            deed = self.chance.random()
            if deed < 0.25:
                await self.list_times()
            elif deed < 0.55 or not open_ones:
                await self.book(mine, with_hold=self.chance.random() < 0.3)
            elif deed < 0.75:
                await self.move(self.chance.choice(open_ones))
            else:
                await self.cancel(self.chance.choice(open_ones))
            await asyncio.sleep(self.chance.uniform(0.0, 0.15))

    def a_start(self) -> str:
        return f"{self.chance.choice(self.days)}T{self.chance.randrange(24):02}:00:00Z"

    async def list_times(self) -> None:
        provider, day = self.chance.choice(self.providers), self.chance.choice(self.days)
        days: dict[str, Any] = {"from": day, "to": day}
        await self.ask(LISTING, id=provider["id"], **days)

    async def book(self, mine: list[Booked], *, with_hold: bool) -> None:
        provider, starts_at, number = (
            self.chance.choice(self.providers),
            self.a_start(),
            next(_numbers),
        )
        asked: Json = {
            "providerId": provider["id"],
            "startsAt": starts_at,
            "customer": {"name": f"Guest {number}", "email": f"guest-{number}@example.com"},
            "customerTimeZone": "Europe/Berlin",
            "idempotencyKey": new_key(),
        }
        if with_hold:
            wish = {
                "providerId": provider["id"],
                "startsAt": starts_at,
                "idempotencyKey": new_key(),
            }
            held, _, _ = await self.insist(HOLD, wish)
            if held["__typename"] != "Hold":
                return
            asked |= {"holdToken": held["holdToken"]}
        answer, sent_at, _ = await self.insist(BOOK, asked)
        if answer["__typename"] == "BookingConfirmation":
            made = answer["appointment"]
            booked = Booked(
                id=made["id"],
                token=answer["manageToken"],
                status=made["status"],
                starts_at=made["startsAt"],
                version=made["version"],
            )
            mine.append(booked)
            self.booked[booked.id] = booked
            self.acknowledge(booked, sent_at)

    async def move(self, booked: Booked) -> None:
        asked = {
            "appointmentId": booked.id,
            "manageToken": booked.token,
            "startsAt": self.a_start(),
            "idempotencyKey": new_key(),
        }
        answer, sent_at, _ = await self.insist(MOVE, asked)
        if answer["__typename"] == "BookingConfirmation":
            made = answer["appointment"]
            if made["startsAt"] != booked.starts_at:
                booked.time_version += 1
                booked.moved_at[booked.time_version] = time.monotonic()
            booked.starts_at, booked.version = made["startsAt"], made["version"]
            booked.token = answer["manageToken"] or booked.token
            self.acknowledge(booked, sent_at)

    async def cancel(self, booked: Booked) -> None:
        asked = {"appointmentId": booked.id, "manageToken": booked.token}
        answer, sent_at, is_again = await self.insist(CANCEL, asked)
        if answer["__typename"] == "Appointment":
            booked.status, booked.version = answer["status"], answer["version"]
        elif is_again and answer["__typename"] == "NotCancellableError":
            # The first request was carried out, and its answer lost.
            booked.status, booked.version = "CANCELLED", booked.version + 1
        else:
            self.report.broken.append(f"a cancellation was refused: {answer}")
            return
        booked.cancelled_at = time.monotonic()
        self.acknowledge(booked, sent_at)

    def acknowledge(self, booked: Booked, sent_at: float) -> None:
        self.changes.append(
            Change(
                appointment_id=booked.id,
                version=booked.version,
                sent_at=sent_at,
                acknowledged_at=time.monotonic(),
            )
        )

    # ------------------------------------------------------------ subscribers

    async def follow(self) -> None:
        """Subscribes to all appointments, and again whenever the connection is lost."""
        while not self.over.is_set():
            try:
                async with over_socket(
                    self.api.http.base_url, self.api.admin, APPOINTMENTS
                ) as watcher:
                    await self.hear(watcher)
            except (OSError, AssertionError, TimeoutError, EOFError):
                pass
            except Exception as failure:  # noqa: BLE001  the client's: a handshake cut short
                self.report.answers[f"socket: {type(failure).__name__}"] += 1
            await asyncio.sleep(0.2)

    async def hear(self, watcher: Watcher) -> None:
        hearing = Hearing(time.monotonic())
        self.hearings.append(hearing)
        taken = 0
        try:
            while not self.over.is_set() and watcher.closed is None and not watcher.errors:
                with contextlib.suppress(TimeoutError):
                    await watcher.until(
                        lambda w: len(w.news) > taken or w.closed or w.errors,  # noqa: B023  called within this turn
                        seconds=0.5,
                    )
                now = time.monotonic()
                for news in watcher.news[taken:]:
                    shown = news["appointment"]
                    hearing.heard.setdefault(shown["id"], []).append((shown["version"], now))
                taken = len(watcher.news)
        finally:
            hearing.until = None if self.over.is_set() else time.monotonic()
            self.note_errors(watcher)

    def note_errors(self, watcher: Watcher) -> None:
        for errors in watcher.errors:
            for error in errors:
                code = error["extensions"]["code"]
                self.report.answers[f"event: {code}"] += 1
                if code != "SERVICE_UNAVAILABLE":
                    self.report.broken.append(f"an event was {code}: {error}"[:500])

    # ------------------------------------------------------------ faults

    async def break_things(self, program: Programs) -> None:
        faults: dict[str, Callable[[], Awaitable[None]]] = {
            "Redis reset": self.in_thread(self.redis.reset),
            "PostgreSQL reset": self.in_thread(self.postgres.reset),
            "Redis refused": self.refused(self.redis),
            "PostgreSQL refused": self.refused(self.postgres),
            "Redis killed": self.in_thread(self.kill_redis),
            "PostgreSQL killed": self.in_thread(self.kill_backend),
            "API worker killed": self.in_thread(program.kill_api_worker),
            "API killed": self.in_thread(program.kill_api),
            "worker killed": self.in_thread(program.kill_worker),
        }
        while not self.done.is_set():
            names = list(faults)
            self.chance.shuffle(names)
            for name in names:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.chance.uniform(*FAULT_SECONDS)):
                        await self.done.wait()
                if self.done.is_set():
                    return
                self.report.faults[name] += 1
                await faults[name]()

    @staticmethod
    def in_thread(act: Callable[[], object]) -> Callable[[], Awaitable[None]]:
        async def acting() -> None:
            await asyncio.to_thread(act)

        return acting

    def refused(self, relay: Relay) -> Callable[[], Awaitable[None]]:
        async def refusing() -> None:
            await asyncio.to_thread(relay.refuse)
            await asyncio.sleep(self.chance.uniform(0.2, 2.0))
            relay.serve()

        return refusing

    def kill_redis(self) -> None:
        server = self.servers._redis
        assert server is not None
        assert server._child is not None
        server._child.kill()
        server._child.wait()
        time.sleep(self.chance.uniform(0.0, 1.5))
        self.servers.start_redis()

    def kill_backend(self) -> None:
        """PostgreSQL answers the death of any of its processes by ending all of them and starting
        anew.
        """
        server = self.servers._postgres
        assert server is not None
        assert server._child is not None
        backends = psutil.Process(server._child.pid).children()
        self.chance.choice(backends).kill()

    # ------------------------------------------------------------ the laws

    async def judge(self) -> None:
        report = self.report
        report.changes, report.letters = len(self.changes), len(self.post.letters)
        rows = await self.api.rows(
            "SELECT id, status, starts_at, version FROM appointment WHERE organization_id = $1",
            self.api.organization.id,
        )
        found = {row["id"]: row for row in rows}
        for booked in self.booked.values():
            row = found.get(key_in(booked.id))
            if row is None:
                report.broken.append(f"acknowledged, and not there: {booked}")
            elif (row["status"], row["version"], row["starts_at"]) != (
                booked.status,
                booked.version,
                datetime.fromisoformat(booked.starts_at),
            ):
                report.broken.append(f"acknowledged as {booked}, and is {row}")
        for law, broken in (
            await broken_laws(self.api.resources.pool, self.api.organization.id)
        ).items():
            report.broken.append(f"{law}: {broken[:3]}")
        self.judge_hearings()
        await self.judge_letters()

    def judge_hearings(self) -> None:
        now = time.monotonic()
        for hearing in self.hearings:
            for change in self.changes:
                heard_at = hearing.hears(change)
                if heard_at is not None:
                    late = heard_at - change.acknowledged_at
                    if change.sent_at >= hearing.since + LIVE_AFTER_SECONDS:
                        slowest = self.report.slowest_hearing_seconds
                        self.report.slowest_hearing_seconds = max(slowest, late)
                if hearing.has_to_hear(change, now) and (
                    heard_at is None or heard_at > change.acknowledged_at + HEARD_WITHIN_SECONDS
                ):
                    after = None if heard_at is None else heard_at - change.acknowledged_at
                    self.report.broken.append(
                        f"version {change.version} of {change.appointment_id} was heard after {after} s "
                        f"({change.acknowledged_at - hearing.since:.1f} s into the session)"
                    )

    async def judge_letters(self) -> None:
        """No letter began about what was known to be otherwise."""
        rows = await self.api.rows(
            "SELECT id, appointment_id, kind, time_version FROM reminder_log WHERE organization_id = $1",
            self.api.organization.id,
        )
        logged: dict[UUID, Json] = {row["id"]: row for row in rows}
        by_key = {key_in(booked.id): booked for booked in self.booked.values()}
        for letter in self.post.letters:
            row = next(
                (
                    logged[key]
                    for key in logged
                    if str(key) in letter.message_id or key.hex in letter.message_id
                ),
                None,
            )
            booked = None if row is None else by_key.get(row["appointment_id"])
            if row is None or booked is None:
                continue
            known_before = letter.began_at - DECIDED_SECONDS
            if (
                row["kind"] != "CANCELLED"
                and booked.cancelled_at is not None
                and booked.cancelled_at < known_before
            ):
                self.report.broken.append(
                    f"a letter {row['kind']} began {letter.began_at - booked.cancelled_at:.1f} s after its "
                    "appointment was cancelled"
                )
            moved = [at for version, at in booked.moved_at.items() if version > row["time_version"]]
            if row["kind"] != "CANCELLED" and moved and min(moved) < known_before:
                self.report.broken.append(
                    f"a letter {row['kind']} began {letter.began_at - min(moved):.1f} s after its "
                    "appointment was moved"
                )


class Programs:
    """The API and the worker as processes, started again whenever they were killed."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.port = free_port()
        self._api: contextlib.ExitStack | None = None
        self._worker: contextlib.ExitStack | None = None
        self._starting_api = threading.Lock()
        self.api: Running
        self.worker: Running

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        try:
            self._start_api()
            self._start_worker()
            yield
        finally:
            for stack in (self._api, self._worker):
                if stack is not None:
                    stack.close()

    def kill_api(self) -> None:
        with self._starting_api:
            self.api.end(signal.SIGKILL)
            self._restart_api()

    def kill_api_worker(self) -> None:
        """One of the two; uvicorn starts another."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = self.api.descendants()
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
            if workers:
                random.choice(workers).kill()

    def kill_worker(self) -> None:
        self.worker.end(signal.SIGKILL)
        assert self._worker is not None
        self._worker.close()
        self._start_worker()

    def _restart_api(self) -> None:
        assert self._api is not None
        self._api.close()
        self._start_api()

    def _start_api(self) -> None:
        self._api = contextlib.ExitStack()
        arguments = ("serve", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2")
        log = self._folder / "serve.log"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            stack = contextlib.ExitStack()
            self.api = stack.enter_context(running(*arguments, env=self._environment, log=log))
            try:
                self.api.wait_until_answering(f"http://127.0.0.1:{self.port}/livez")
            except AssertionError:  # it met a PostgreSQL that was away, and said so
                stack.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
                continue
            self._api = stack
            return

    def _start_worker(self) -> None:
        self._worker = contextlib.ExitStack()
        self.worker = self._worker.enter_context(
            running("work", env=self._environment, log=self._folder / "work.log")
        )

    def revive(self) -> None:
        """A worker that met a PostgreSQL that was away at its start has ended, and said so; and so
        has an API, where a process of its own that was killed met it when it was started again.
        """
        with self._starting_api:
            if self.api.process.poll() is not None:
                self._restart_api()
        if self.worker.process.poll() is not None:
            assert self._worker is not None
            self._worker.close()
            self._start_worker()

    def tracebacks(self) -> list[str]:
        """The ends of tracebacks that the processes wrote."""
        return [
            f"{path.name}: a traceback"
            for path in sorted(self._folder.glob("*.log"))
            if "Traceback (most recent call last)" in path.read_text(encoding="utf-8")
        ]


def environment_of(database_url: str, redis_url: str, mail_port: int) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLOTWRIGHT_")}
    return own | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SLOTWRIGHT_TOKEN_SECRET": "a secret of the tests of at least thirty-two bytes",
        "SLOTWRIGHT_MANAGE_KEYS": "test:another-secret-of-the-tests-of-32-bytes-or-more",
        "SLOTWRIGHT_HASH_SECRET": "a third secret of the tests of at least 32 bytes",
        "SLOTWRIGHT_RATE_LIMITS": "off",
        "SLOTWRIGHT_DRAIN_SECONDS": "0",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",  # everybody is at this machine's own
        "SLOTWRIGHT_SMTP_URL": f"smtp+plain://127.0.0.1:{mail_port}",
        "SLOTWRIGHT_MAIL_FROM": "no-reply@salon.example",
        "SLOTWRIGHT_PUBLIC_URL": "https://salon.example",
        "SLOTWRIGHT_MANAGE_URL": "https://salon.example/manage#appointment={appointment}&token={token}",
    }


async def soak(seconds: float, *, seed: int, folder: Path) -> Report:
    """Runs for so long, then waits until what was acknowledged has been heard, and judges."""
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(
            embedded(folder / "servers", database_url=None, redis_url=None, durable=True)
        )
        await migrate(servers.database_url)
        postgres = stack.enter_context(Relay(servers.database_url).running())
        redis = stack.enter_context(Relay(servers.redis_url).running())
        async with a_post() as post:
            environment = environment_of(postgres.url, redis.url, post.port)
            programs = Programs(environment, folder)
            straight = environment_of(servers.database_url, servers.redis_url, post.port)
            with programs.running():
                return await _soak(
                    seconds,
                    random.Random(seed),
                    servers,
                    (postgres, redis),
                    post,
                    programs,
                    straight,
                )


async def _soak(
    seconds: float,
    chance: random.Random,
    servers: Servers,
    relays: tuple[Relay, Relay],
    post: Post,
    programs: Programs,
    straight: Mapping[str, str],
) -> Report:
    base = f"http://127.0.0.1:{programs.port}"
    settings = Settings.from_environment(straight)
    async with (
        open_resources(settings, clock=system_clock) as resources,
        httpx.AsyncClient(base_url=base, timeout=30.0, verify=NO_TLS) as http,
    ):
        api = Api(http, resources, await an_organization(resources), Clock(system_clock()))
        world = Soak(api=api, servers=servers, relays=relays, post=post, chance=chance)
        all_day = [
            {"weekday": day, "start": "00:00", "end": "24:00"}
            for day in (
                "MONDAY",
                "TUESDAY",
                "WEDNESDAY",
                "THURSDAY",
                "FRIDAY",
                "SATURDAY",
                "SUNDAY",
            )
        ]
        world.providers = [await a_provider(api, weeklyHours=all_day) for _ in range(PROVIDERS)]
        following = [asyncio.create_task(world.follow()) for _ in range(FOLLOWERS)]
        living = [asyncio.create_task(world.live()) for _ in range(ACTORS)]
        breaking = asyncio.create_task(world.break_things(programs))
        reviving = asyncio.create_task(_revive(programs))
        try:
            await asyncio.wait(
                {*living, breaking}, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
            )
            world.done.set()
            await asyncio.gather(*living, breaking)
            await _settle(world)
            await _agree(world)
            world.over.set()
            await asyncio.gather(*following)
        finally:
            world.done.set()
            world.over.set()
            for task in (*following, *living, breaking, reviving):
                task.cancel()
            await asyncio.gather(*following, *living, breaking, reviving, return_exceptions=True)
        await world.judge()
    return world.report


async def _revive(programs: Programs) -> None:
    while True:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(programs.revive)


async def _settle(world: Soak) -> None:
    """Until every subscriber that is connected has heard everything, or has had its time."""
    deadline = time.monotonic() + HEARD_WITHIN_SECONDS + 1.0
    while time.monotonic() < deadline:
        sessions = [each for each in world.hearings if each.until is None]
        if all(
            session.hears(change) is not None
            for session in sessions
            for change in world.changes
            if change.sent_at >= session.since + LIVE_AFTER_SECONDS
        ):
            return
        await asyncio.sleep(0.2)


async def _agree(world: Soak) -> None:
    """A new subscriber to free times sees what is listed: at once, or where a process died between
    a commit and its invalidation, once what was cached before has expired.
    """
    deadline = time.monotonic() + DAY_LIFETIME_MS / 1000 + HEARD_WITHIN_SECONDS
    while differences := await _differences(world):
        if time.monotonic() > deadline:
            world.report.broken += differences
            return
        await asyncio.sleep(1.0)


async def _differences(world: Soak) -> list[str]:
    found: list[str] = []
    asked = {
        "providerIds": [provider["id"] for provider in world.providers],
        "from": world.days[0],
        "to": world.days[-1],
    }
    async with over_socket(
        world.api.http.base_url, world.api.anonymous, AVAILABILITY, **asked
    ) as watcher:
        await watcher.until(lambda watched: len(watched.last) == PROVIDERS * DAYS)
        for provider in world.providers:
            for day in world.days:
                data = await world.api.ask(
                    LISTING, **{"id": provider["id"], "from": day, "to": day}
                )
                starts = [slot["startsAt"] for slot in data["provider"]["availability"]["slots"]]
                shown = watcher.last[provider["id"], day]["startTimes"]
                if starts != shown:
                    found.append(f"listed {starts}, shown to subscribers {shown}")
    return found


def main() -> None:
    """Exits with 1 where a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="slotwright-soak-"))
    folder.chmod(0o755)  # started by root, the servers run as another user
    print(
        f"soaking for {options.minutes} minutes with --seed {options.seed}; logs in {folder}",
        flush=True,
    )
    report = asyncio.run(soak(options.minutes * 60, seed=options.seed, folder=folder))
    print(report)
    if report.broken:
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
