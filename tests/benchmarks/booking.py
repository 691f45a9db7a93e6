"""Booking over HTTP: random providers, against pgbench running the same statements; and a rush on
one provider.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

import app.store.pool as store
from app.api.words.relay import global_id
from app.core.ids import ProviderId
from app.core.validation import ContactForm
from app.core.viewer import Viewer
from app.core.zones import instant_of
from app.process.wiring import open_resources
from app.standins.embedded import postgres_program
from app.store.sql import Record, query
from app.usecases.booking.answer import Booked
from app.usecases.booking.book_appointment import (
    BookingForm,
    book_appointment,
)
from app.usecases.listing.list_availability import (
    FreeTimes,
    SlotQuestion,
    list_availability,
)
from app.usecases.resources import Resources
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import Load, load, once, request
from tests.benchmarks.listing import WEEK
from tests.benchmarks.rows import Row
from tests.benchmarks.versions import Comparison, Version, database_seconds

CLIENTS = 16
WORKERS = (1, 2)
ROUNDS = 3
SECONDS = 5
RUSH_CLIENTS = 1_000
RUSH_SLOTS = 20
RUSH_WINDOW = 3.0
"""Seconds from the first client of a rush in which others' listings count: longer than a rush takes.

A window that ended with the rush would make a version look worse that is over with it sooner: the
first burst, which is the same for all, would be a larger share of fewer listings.
"""

SHORT_WAY = ("book_as_seen",)
"""The statements of a new guest's booking that nobody contests."""

BOOK = """mutation ($input: BookAppointmentInput!) { answer: bookAppointment(input: $input) {
    __typename ... on BookingConfirmation { manageToken appointment { id startsAt } } } }"""

MOVE = """mutation ($input: RescheduleAppointmentInput!) { answer: rescheduleAppointment(input: $input) {
    __typename ... on BookingConfirmation { appointment { id startsAt } } } }"""
CANCEL = """mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) {
    __typename ... on Appointment { id status } } }"""


def booking(provider: ProviderId, start: datetime, number: int) -> bytes:
    """A guest's, with a key and an address of its own."""
    return _booking(str(global_id("Provider", provider)), start.isoformat(), number)


def _booking(provider: str, starts_at: str, number: int, guest: int | None = None) -> bytes:
    who = number if guest is None else guest
    return request(
        BOOK,
        input={
            "providerId": provider,
            "startsAt": starts_at,
            "customer": {"name": "A Guest", "email": f"guest-{who}@example.com"},
            "customerTimeZone": "Europe/Berlin",
            "idempotencyKey": f"key-{number}",
        },
    )


def kind_of(body: bytes) -> str:
    found = re.search(rb'"answer":\{"__typename":"(\w+)"', body) or re.search(
        rb'"code":"(\w+)"', body
    )
    return found[1].decode() if found else "unknown"


async def free(
    resources: Resources, world: worlds.World, providers: Sequence[ProviderId]
) -> list[tuple[ProviderId, datetime]]:
    """Free starts of these providers on sixty dates, in any order."""
    questions = [
        SlotQuestion(
            provider_id=provider,
            service_id=None,
            first=worlds.MONDAY,
            last=worlds.MONDAY + timedelta(days=59),
            time_zone=None,
        )
        for provider in providers
    ]
    found: list[tuple[ProviderId, datetime]] = []
    for question, answer in zip(
        questions, await list_availability(resources, world.organization_id, questions), strict=True
    ):
        assert isinstance(answer, FreeTimes), answer
        found += [
            (question.provider_id, instant_of(start))
            for day in answer.starts_by_date.values()
            for start in day
        ]
    random.Random(3).shuffle(found)
    return found


# ---------------------------------------------------------------- pgbench


@contextmanager
def recorded() -> Iterator[list[tuple[str, Sequence[object]]]]:
    """The statements that run meanwhile, with what was passed to them."""
    statements: list[tuple[str, Sequence[object]]] = []
    fetch, execute = store._fetch, store._execute

    async def fetch_noting(
        connection: store.Connection, sql: str, arguments: Sequence[object]
    ) -> list[Record]:
        statements.append((sql, arguments))
        return await fetch(connection, sql, arguments)

    async def execute_noting(
        connection: store.Connection, sql: str, arguments: Sequence[object]
    ) -> int:
        statements.append((sql, arguments))
        return await execute(connection, sql, arguments)

    store._fetch, store._execute = fetch_noting, execute_noting
    try:
        yield statements
    finally:
        store._fetch, store._execute = fetch, execute


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A booking for pgbench: what it runs, and the values that stay the same."""

    text: str
    constants: dict[str, str]


async def _book(
    resources: Resources, world: worlds.World, provider: ProviderId, start: datetime, name: str
) -> Booked:
    """By a guest with an address and a key of this name."""
    answer = await book_appointment(
        resources,
        Viewer(organization_id=world.organization_id),
        BookingForm(
            provider_id=provider,
            service_id=None,
            starts_at=start,
            duration_minutes=None,
            customer=ContactForm(
                name="A Guest", email=f"{name}@example.com", phone=None, locale=None
            ),
            customer_time_zone="Europe/Berlin",
            notes=None,
            idempotency_key=name,
        ),
    )
    assert isinstance(answer, Booked), answer
    return answer


async def script(
    resources: Resources,
    world: worlds.World,
    provider: ProviderId,
    first: datetime,
    start: datetime,
) -> Script:
    """The one statement of a new guest's booking that goes the short way, with values that change
    from run to run.

    Every value is a parameter, as it is for the program. Written into the text, it would make a new
    statement: what is null, say, would be planned away.
    """
    # The first one reads the calendar of its provider and the settings, which the process keeps.
    await _book(resources, world, provider, first, "first")
    with recorded() as statements:
        answer = await _book(resources, world, provider, start, "recorded")
    if [sql for sql, _ in statements] != [query(name).sql for name in SHORT_WAY]:
        raise SystemExit("the recorded booking did not go the short way")
    appointment = answer.appointment
    minute = int(start.timestamp()) // 60
    values = _Values(
        minute=minute,
        changing={
            provider: "lpad(to_hex(:provider::integer * 1000), 32, '0')::uuid",
            appointment.id: "md5('appointment' || :number)::uuid",
            appointment.customer_id: "md5('customer' || :number)::uuid",
            start: "to_timestamp(:minute::bigint * 60)",
            appointment.ends_at: "to_timestamp((:minute::bigint + 20) * 60)",
            minute: ":minute::integer",
            "recorded@example.com": "'guest-' || :number || '@example.com'",
            "recorded": "'key-' || :number",
        },
        constants={"nothing": "-", "organization": str(world.organization_id)},
    )
    lines = [
        f"\\set provider random(1, {worlds.PROVIDERS})",
        "\\set number random(1, 1000000000000)",
        f"\\set minute {minute + 2_000_000} + 20 * random(0, 20000000)",
    ]
    connection = await asyncpg.connect(world.settings.database_url)
    for sql, arguments in statements:
        types = [each.name for each in (await connection.prepare(sql)).get_parameters()]
        places = [values.place(value, types[at], at) for at, value in enumerate(arguments)]
        text = " ".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
        lines.append(
            re.sub(
                r"\$(\d+)",
                lambda found, places=places: places[int(found[1]) - 1],  # type: ignore[misc]
                text,
            )
            + ";"
        )
    await connection.close()
    return Script(
        text="\n".join([*lines, ""]),
        constants=values.constants,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """What replaces the values of a booking: an expression where they change, else a variable of
    pgbench's.
    """

    minute: int
    changing: dict[object, str]
    constants: dict[str, str]

    def place(self, value: object, type_name: str, at: int) -> str:
        """Of this type of PostgreSQL's; `at` tells ids apart that were made for this booking."""
        match value:
            case None:
                return f"nullif(:nothing, '-')::{type_name}"
            case list() | tuple() if any(each is not None for each in value):
                each_type = type_name.removesuffix("[]")
                inside = ", ".join(
                    self.place(each, each_type, at + 100 * place)
                    for place, each in enumerate(value)
                )
                return f"ARRAY[{inside}]::{type_name}"
            case list() | tuple():
                return self._constant("{" + ",".join("NULL" for _ in value) + "}", type_name)
            case Enum() | bool():
                return self._constant(
                    str(value.value if isinstance(value, Enum) else value), type_name
                )
            case str() | int() | UUID() | datetime() if value in self.changing:
                return self.changing[value]
            case UUID() if str(value) != self.constants["organization"]:
                return f"md5('{at}' || :number)::uuid"
            case int() if abs(value - self.minute) < 5_000:
                return f"(:minute::integer + {value - self.minute})"
            case int() if abs(value) > 2**32:  # the key of a lock
                return f"(:number::bigint * 1000 + {at})"
            case bytes():
                return self._constant(f"\\x{value.hex()}", type_name)
        return self._constant(str(value), type_name)

    def _constant(self, text: str, type_name: str) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = text
        return f":{name}::{type_name}"


def pgbench(world: worlds.World, wanted: Script) -> float:
    """Transactions a second, with as many clients and the same durability."""
    program = Path(postgres_program("psql")).with_name("pgbench")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(wanted.text)
        file.flush()
        done = subprocess.run(
            [
                str(program), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2",
                f"--time={SECONDS}", f"--file={file.name}",
                *(f"--define={name}={text}" for name, text in wanted.constants.items()), world.settings.database_url,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PGOPTIONS": "-c jit=off"},
        )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"pgbench: {done.stderr[-2_000:]}")
    return float(found[1])


# ---------------------------------------------------------------- measurements


async def measure() -> list[Row]:
    async with worlds.world() as world:
        async with open_resources(world.settings) as resources:
            wanted = iter(await free(resources, world, world.providers[10:]))
            provider, first = next(wanted)
            start = next(start for each, start in wanted if each == provider)
            text = await script(resources, world, provider, first, start)
        numbers = iter(range(10**9))
        requests = (booking(provider, start, next(numbers)) for provider, start in wanted)
        ours: dict[int, list[Load]] = {workers: [] for workers in WORKERS}
        theirs: list[float] = []
        with contextlib.ExitStack() as stack:
            ports = {
                workers: stack.enter_context(worlds.api(world, workers=workers))
                for workers in WORKERS
            }
            for port in ports.values():
                await load(port, requests, clients=CLIENTS, seconds=2.0)
            for _ in range(ROUNDS):
                for workers, port in ports.items():
                    done = await load(
                        port, requests, clients=CLIENTS, seconds=SECONDS, kind_of=kind_of
                    )
                    if set(done.kinds) != {"BookingConfirmation"}:
                        raise SystemExit(
                            f"bookings of free times were answered with {dict(done.kinds)}"
                        )
                    ours[workers].append(done)
                theirs.append(await asyncio.to_thread(pgbench, world, text))
            rush = await _rush(world, ports[WORKERS[0]])
        beside = median(theirs)
        return [
            *(
                Row(
                    what=(
                        f"bookings over HTTP, {CLIENTS} clients, random providers, `serve "
                        f"--workers {workers}`"
                    ),
                    ours=f"{median(each.rate for each in loads):,.0f}/s, "
                    f"p99 {median(each.quantile_ms(0.99) for each in loads):.0f} ms",
                    beside=f"pgbench, the same statement: {beside:,.0f}/s",
                    ratio=median(each.rate for each in loads) / beside,
                    bar=0.45 if workers == max(WORKERS) else None,
                )
                for workers, loads in ours.items()
            ),
            rush,
        ]


async def _rush(world: worlds.World, port: int) -> Row:
    """A thousand clients want twenty slots of one provider at once; others list for a while."""
    popular, others = world.providers[0], world.providers[100:120]
    async with open_resources(world.settings) as resources:
        starts = [start for _, start in await free(resources, world, [popular])][:RUSH_SLOTS]
    wanted = iter(
        [booking(popular, starts[at % RUSH_SLOTS], 10**9 + at) for at in range(RUSH_CLIENTS)]
    )
    week = {
        "from": worlds.MONDAY.isoformat(),
        "to": (worlds.MONDAY + timedelta(days=6)).isoformat(),
    }
    weeks = [request(WEEK, id=str(global_id("Provider", provider)), **week) for provider in others]
    chance = random.Random(4)
    listings = iter(lambda: chance.choice(weeks), None)
    listing = asyncio.create_task(load(port, listings, clients=2, seconds=RUSH_WINDOW))
    rush = await load(port, wanted, clients=RUSH_CLIENTS, kind_of=kind_of)
    beside = await listing
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(rush.kinds.items()))
    return Row(
        what=f"{RUSH_CLIENTS:,} clients at once for {RUSH_SLOTS} slots of one provider",
        ours=f"{kinds}; p50 {rush.quantile_ms(0.5):,.0f} ms, p99 {rush.quantile_ms(0.99):,.0f} ms",
        beside=(
            f"others' listings in the {RUSH_WINDOW:.0f} s from its start: p50 "
            f"{beside.quantile_ms(0.5):,.1f} ms, p99 {beside.quantile_ms(0.99):,.1f} ms, the "
            f"slowest {max(beside.latencies) * 1000:,.0f} ms"
        ),
        ratio=float(rush.kinds["BookingConfirmation"]),
        bar=RUSH_SLOTS,
    )


# ---------------------------------------------------------------- against another version

COMPARED_PROVIDERS = 30
COMPARED_BOOKINGS = 300
RETURNING_GUESTS = 60


async def _free_over_http(version: Version, week: int) -> list[tuple[str, str]]:
    """Free starts of some providers in a week that is so far ahead, in any order."""
    first = worlds.MONDAY + timedelta(days=7 * week)
    dates = {"from": first.isoformat(), "to": (first + timedelta(days=6)).isoformat()}
    found: list[tuple[str, str]] = []
    for provider in version.providers[10 : 10 + COMPARED_PROVIDERS]:
        answer: Any = await once(version.port, request(WEEK, id=provider, **dates))
        slots = answer["data"]["provider"]["availability"]["slots"]
        found += [(provider, slot["startsAt"]) for slot in slots]
    random.Random(week).shuffle(found)
    return found


def _bookings(free: Sequence[tuple[str, str]], week: int, count: int) -> list[bytes]:
    return [
        _booking(provider, start, week * 100_000 + at)
        for at, (provider, start) in enumerate(free[:count])
    ]


async def _booked(version: Version, number: int) -> Load:
    week = 2 + number
    return await _all_booked(
        version, _bookings(await _free_over_http(version, week), week, COMPARED_BOOKINGS)
    )


async def _booked_again(version: Version, number: int) -> Load:
    """By guests of the round before, each with any provider."""
    week = 53 + number
    free = await _free_over_http(version, week)
    return await _all_booked(
        version,
        [
            _booking(provider, start, week * 100_000 + at, guest=at % RETURNING_GUESTS)
            for at, (provider, start) in enumerate(free[:COMPARED_BOOKINGS])
        ],
    )


async def _all_booked(version: Version, wanted: Sequence[bytes]) -> Load:
    done = await load(version.port, iter(wanted), clients=CLIENTS, kind_of=kind_of)
    if set(done.kinds) != {"BookingConfirmation"}:
        raise SystemExit(f"bookings of free times were answered with {dict(done.kinds)}")
    return done


async def _booked_and_listed(version: Version, number: int) -> Load:
    """A booking, then its provider's week, which has to be computed again."""
    week = 40 + number
    free = await _free_over_http(version, week)
    first = worlds.MONDAY + timedelta(days=7 * week)
    dates = {"from": first.isoformat(), "to": (first + timedelta(days=6)).isoformat()}
    wanted: list[bytes] = []
    for made, (provider, _) in zip(_bookings(free, week, 60), free, strict=False):
        wanted += (made, request(WEEK, id=provider, **dates))
    return await load(version.port, iter(wanted), clients=1)


async def _moved(version: Version, number: int) -> Load:
    """Guests move their visits to other free times of the same providers."""
    week = 14 + number
    free = await _free_over_http(version, week)
    booked = await _confirmed(version, free[:COMPARED_BOOKINGS], week)
    targets: dict[str, list[str]] = {}
    for provider, start in free[COMPARED_BOOKINGS:]:
        targets.setdefault(provider, []).append(start)
    return await _changed(
        version,
        [
            request(
                MOVE,
                input={
                    **opened,
                    "startsAt": targets[provider].pop(),
                    "idempotencyKey": f"move-{week}-{at}",
                },
            )
            for at, (provider, opened) in enumerate(booked)
        ],
        "BookingConfirmation",
    )


async def _cancelled(version: Version, number: int) -> Load:
    """Guests cancel their visits."""
    week = 27 + number
    free = await _free_over_http(version, week)
    booked = await _confirmed(version, free[:COMPARED_BOOKINGS], week)
    return await _changed(
        version, [request(CANCEL, input=opened) for _, opened in booked], "Appointment"
    )


async def _confirmed(
    version: Version, wanted: Sequence[tuple[str, str]], week: int
) -> list[tuple[str, dict[str, str]]]:
    """These times, booked: each with its provider, and what opens it."""
    bodies: list[bytes] = []

    def kept(body: bytes) -> str:
        bodies.append(body)
        return kind_of(body)

    # One client, so that answers come in the order of the requests.
    requests = _bookings(wanted, week, len(wanted))
    await load(version.port, iter(requests), clients=1, kind_of=kept)
    answers = [json.loads(body)["data"]["answer"] for body in bodies]
    return [
        (
            provider,
            {"appointmentId": each["appointment"]["id"], "manageToken": each["manageToken"]},
        )
        for (provider, _), each in zip(wanted, answers, strict=True)
    ]


async def _changed(version: Version, changes: Sequence[bytes], expected: str) -> Load:
    """The load of these changes alone: what they change was booked by the same process."""
    database = await database_seconds(version)
    before = version.processor_seconds()
    done = await load(version.port, iter(changes), clients=CLIENTS, kind_of=kind_of)
    done.processor_seconds = version.processor_seconds() - before
    done.database_seconds = sum(
        after - database.get(pid, 0.0) for pid, after in (await database_seconds(version)).items()
    )
    if set(done.kinds) != {expected}:
        raise SystemExit(f"changes were answered with {dict(done.kinds)}")
    return done


COMPARISONS = (
    Comparison(what=f"bookings, {CLIENTS} clients", take=_booked),
    Comparison(what="the same, `serve --workers 2`", take=_booked, workers=2),
    Comparison(what="bookings of guests who have booked before", take=_booked_again),
    Comparison(what=f"moves, {CLIENTS} clients", take=_moved),
    Comparison(what=f"cancellations, {CLIENTS} clients", take=_cancelled),
    Comparison(what="a booking, then its provider's week, in turns", take=_booked_and_listed),
)


def main() -> list[Row]:
    return asyncio.run(measure())
