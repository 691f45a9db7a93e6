"""Workers as processes, killed at every step: each message arrives, none is recorded twice, and a
message that was sent twice was in flight when its worker died, and is the same mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.jobs.queue import Waker
from app.jobs.schedule import MESSAGE_JOBS
from app.process.clock import system_clock
from app.settings import Settings
from app.standins.embedded import Servers
from app.usecases.messages.send_messages import SENDING_AT_ONCE
from tests.builders import Api, Json, a_provider, an_appointment, running, weekly
from tests.e2e import program
from tests.integration.reminders import (
    Gateway,
    gateway,
    mail_environment,
    read_letter,
    text_any_number,
)

PATIENCE_SECONDS: Final = 60.0
HOURS = timedelta(hours=1)


@dataclass(kw_only=True)
class Catcher:
    """A real mail server. `reached` is awaited at each stage of a letter, before its answer is
    given.
    """

    port: int = 0
    taken: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    reached: Callable[[str], Awaitable[None]] | None = None
    protocols: list[SMTP] = field(default_factory=list)

    def connected(self) -> SMTP:
        self.protocols.append(SMTP(self, hostname="127.0.0.1", loop=asyncio.get_running_loop()))
        return self.protocols[-1]

    async def until_everybody_hung_up(self) -> None:
        """What a worker said before it died is then heard."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(protocol.transport is not None for protocol in self.protocols):  # noqa: ASYNC110 - the library's
                await asyncio.sleep(0.01)

    async def _report(self, stage: str) -> None:
        if self.reached is not None:
            await self.reached(stage)

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        await self._report("RCPT")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        letter = read_letter(envelope.content)
        body = letter.get_body(("plain",))
        assert body is not None
        self.taken.append(str(letter["Message-ID"]))
        self.bodies.append(body.get_content())
        self.recipients += envelope.rcpt_tos
        await self._report("DATA")
        return "250 2.0.0 OK"


@contextlib.asynccontextmanager
async def catcher() -> AsyncIterator[Catcher]:
    loop = asyncio.get_running_loop()
    catcher = Catcher()
    server = await loop.create_server(catcher.connected, "127.0.0.1", 0)
    catcher.port = server.sockets[0].getsockname()[1]
    try:
        yield catcher
    finally:
        server.close()


@dataclass(kw_only=True)
class World:
    """The program on its servers: an API in process to book with, workers as processes, and what
    they send to.
    """

    api: Api
    mail: Catcher
    sms: Gateway
    database: asyncpg.Connection
    env: dict[str, str]
    folder: Path

    def worker(self, name: str) -> contextlib.AbstractContextManager[program.Running]:
        return program.running("work", env=self.env, log=self.folder / name)

    async def wake(self) -> None:
        """As the API does after a booking."""
        waker = Waker(self.env["REDIS_URL"], real_clock=system_clock)
        waker.wake(MESSAGE_JOBS)
        await waker.aclose()

    async def until(
        self, sql: str, *arguments: object, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Until the database answers yes."""
        async with asyncio.timeout(patience_seconds):
            while not await self.database.fetchval(sql, *arguments):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)

    async def until_nothing_waits(self) -> None:
        await self.until(
            """SELECT NOT EXISTS (SELECT FROM reminder_log WHERE status = 'PENDING')
                AND NOT EXISTS (SELECT FROM message_outbox WHERE due_at <= $1)""",
            system_clock(),
        )

    async def hang_up_on_the_dead(self) -> None:
        """Nothing that a dead worker had asked for is done any more: PostgreSQL notices only when
        it answers.
        """
        await self.database.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name "
            "= 'slotwright'"
        )

    async def end_leases(self) -> None:
        """As if the dead worker's five minutes were over."""
        await self.database.execute(
            "UPDATE reminder_log SET lease_until = '2000-01-01' WHERE status = 'PENDING'"
        )

    async def message_ids(self, status: str) -> list[str]:
        rows = await self.database.fetch("SELECT id FROM reminder_log WHERE status = $1", status)
        return [f"<{row['id']}@salon.example>" for row in rows]


@pytest.fixture
async def world(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[World]:
    async with catcher() as mail, gateway() as sms:
        env = mail_environment(environment, mail.port, sms.port)
        async with running(Settings.from_environment(env)) as own:
            database = await asyncpg.connect(env["DATABASE_URL"])
            yield World(
                api=await own.api(), mail=mail, sms=sms, database=database, env=env, folder=tmp_path
            )
            await database.close()


async def due_reminders(
    world: World, count: int, *, providers: int = 10, **contact: object
) -> None:
    """So many appointments, announced when they were booked a day and some hours ago; by now their
    reminders are due.

    The first starts in two hours. The day's reminders of all of them are due, no hour's reminder
    is.
    """
    api, now = world.api, system_clock()
    first = now.replace(minute=0, second=0, microsecond=0) + 3 * HOURS
    api.clock.set(now - 30 * HOURS)
    staff = [
        await a_provider(api, channels=[], weeklyHours=weekly("00:00", "24:00"))
        for _ in range(providers)
    ]

    async def book(number: int) -> None:
        customer: Json = {
            "name": f"Guest {number}",
            "email": f"guest-{number}@example.org",
        } | contact
        starts_at = first + (number // providers) * HOURS
        await an_appointment(api, staff[number % providers], starts_at, customer=customer)

    for start in range(0, count, 20):
        await asyncio.gather(*(book(number) for number in range(start, min(start + 20, count))))
    # They got the messages of their bookings when those were made.
    await world.database.execute("DELETE FROM message_outbox WHERE kind = 'BOOKED'")
    api.clock.set(now)


BEFORE_THE_LOG, CLAIMED, SENT, ANSWERED = (
    "before the log is written",
    "claimed",
    "sent",
    "answered, not recorded",
)
STOPS_AT = {CLAIMED: "RCPT", SENT: "DATA", ANSWERED: "DATA"}


class Stop:
    """Stops a worker at a step: its mail server never answers, or the log can't be written."""

    def __init__(self, world: World, step: str) -> None:
        self._world = world
        self._step = step
        self._reached = asyncio.Event()
        self._locked: asyncpg.Connection | None = None

    async def prepare(self) -> None:
        self._world.mail.reached = self._stage
        if self._step == BEFORE_THE_LOG:
            await self._lock()

    async def reached(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._reached.wait()
        if self._step in {BEFORE_THE_LOG, ANSWERED}:
            await self._world.until("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")

    async def lift(self) -> None:
        self._world.mail.reached = None
        if self._locked is not None:
            await self._locked.close()

    async def _stage(self, stage: str) -> None:
        if stage != STOPS_AT.get(self._step):
            return
        if self._step == ANSWERED:
            if not self._reached.is_set():
                await self._lock()
            return
        self._reached.set()
        await asyncio.Event().wait()

    async def _lock(self) -> None:
        self._reached.set()
        self._locked = await asyncpg.connect(self._world.env["DATABASE_URL"])
        await self._locked.execute("BEGIN")
        await self._locked.execute("LOCK TABLE reminder_log IN SHARE ROW EXCLUSIVE MODE")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(BEFORE_THE_LOG, marks=pytest.mark.full),
        CLAIMED,
        pytest.param(SENT, marks=pytest.mark.full),
        ANSWERED,
    ],
)
async def test_a_worker_that_is_killed_loses_nothing_and_records_nothing_twice(
    world: World, step: str
) -> None:
    await due_reminders(world, 40)
    stop = Stop(world, step)
    await stop.prepare()
    with world.worker("first") as first:
        await stop.reached()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    await world.mail.until_everybody_hung_up()
    await world.hang_up_on_the_dead()
    await stop.lift()
    before = Counter(world.mail.taken)
    assert max(before.values(), default=1) == 1
    recorded = set(await world.message_ids("SENT"))
    await world.end_leases()

    with world.worker("second") as second, world.worker("third") as third:
        await world.until_nothing_waits()
        assert await asyncio.to_thread(second.end) == 0
        assert await asyncio.to_thread(third.end) == 0

    sent = await world.message_ids("SENT")
    assert len(sent) == 40
    after = Counter(world.mail.taken)
    assert set(after) == set(sent), "each arrives, under the name of its row"
    again = {name for name, times in after.items() if times > 1}
    in_flight = set(before) - recorded
    assert again == in_flight, "what went out twice was on its way when its worker died"
    assert max(after.values()) <= 2
    assert len(in_flight) <= SENDING_AT_ONCE
    assert bool(in_flight) == (step in {SENT, ANSWERED})
    assert set(world.mail.recipients) == {f"guest-{number}@example.org" for number in range(40)}


async def test_a_text_message_that_was_on_its_way_is_looked_up_and_not_sent_again(
    world: World,
) -> None:
    await text_any_number(world.api)
    await due_reminders(world, 1, email=None, phone="+491701234567")
    reached, died = asyncio.Event(), asyncio.Event()

    async def never_answer() -> None:
        reached.set()
        await died.wait()

    world.sms.before_answering = never_answer
    with world.worker("first") as first:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await reached.wait()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    died.set()
    world.sms.before_answering = None
    await world.end_leases()
    with world.worker("second") as second:
        await world.until_nothing_waits()
        assert await asyncio.to_thread(second.end) == 0
    assert len(world.sms.taken) == 1
    [row] = await world.database.fetch(
        "SELECT status, provider_message_id, wire_text FROM reminder_log"
    )
    assert tuple(row) == ("SENT", world.sms.taken[0]["sid"], None)


async def test_while_redis_is_away_nothing_is_lost_and_work_goes_on_by_itself(
    world: World, servers: Servers
) -> None:
    if not servers.owns_redis:
        pytest.skip("this Redis is not ours to stop")
    with world.worker("log") as worker:
        worker.wait_until_said("the worker runs")
        try:
            servers.stop_redis()
            worker.wait_until_said("Redis is unavailable")
            await due_reminders(world, 20)
        finally:
            servers.start_redis()
        # Nobody wakes it: it comes back, and looks what came due meanwhile.
        await world.until("SELECT count(*) = 20 FROM reminder_log WHERE status = 'SENT'")
        assert await asyncio.to_thread(worker.end) == 0
    assert len(world.mail.taken) == len(set(world.mail.taken)) == 20
    remaining = {
        match[0]
        for body in world.mail.bodies
        if (match := re.search(r"in [1-4] hours( and \d+ minutes)?", body))
    }
    assert len(remaining) == 2, (
        "late, and with the time that truly remains: two starts, an hour apart"
    )


@pytest.mark.full
async def test_two_workers_send_two_thousand_each_once(world: World) -> None:
    await due_reminders(world, 2_000, providers=100)
    with world.worker("first") as first, world.worker("second") as second:
        await world.until(
            "SELECT count(*) = 2000 FROM reminder_log WHERE status = 'SENT'", patience_seconds=600
        )
        assert await asyncio.to_thread(first.end) == 0
        assert await asyncio.to_thread(second.end) == 0
    assert sorted(world.mail.taken) == sorted(await world.message_ids("SENT"))
