"""Booking over HTTP: random providers, against pgbench running the same statements; and a rush on one provider."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from statistics import median
from uuid import UUID

import app.store.pool as store
from app.api.relay import global_id
from app.core.ids import ProviderId
from app.core.validation import ContactForm
from app.core.viewer import Viewer
from app.core.zones import instant_of
from app.embedded import postgres_program
from app.store.sql import Record
from app.usecases.book_appointment import Booked, BookingForm, book_appointment
from app.usecases.list_slots import FreeTimes, SlotQuestion, list_slots
from app.usecases.resources import Resources
from app.wiring import open_resources
from tests.benchmarks import world as worlds
from tests.benchmarks.clients import Load, load, request
from tests.benchmarks.listing import WEEK
from tests.benchmarks.rows import Row

CLIENTS = 16
WORKERS = (1, 2)
ROUNDS = 3
SECONDS = 5
RUSH_CLIENTS = 1_000
RUSH_SLOTS = 20

BOOK = """mutation ($input: BookAppointmentInput!) { answer: bookAppointment(input: $input) {
    __typename ... on BookingConfirmation { manageToken appointment { id startsAt } } } }"""


def booking(provider: ProviderId, start: datetime, number: int) -> bytes:
    """A guest's, with a key and an address of its own."""
    return request(
        BOOK,
        input={
            "providerId": str(global_id("Provider", provider)),
            "startsAt": start.isoformat(),
            "customer": {"name": "A Guest", "email": f"guest-{number}@example.com"},
            "customerTimeZone": "Europe/Berlin",
            "idempotencyKey": f"key-{number}",
        },
    )


def kind_of(body: bytes) -> str:
    found = re.search(rb'"answer":\{"__typename":"(\w+)"', body) or re.search(rb'"code":"(\w+)"', body)
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
    for question, answer in zip(questions, await list_slots(resources, world.organization_id, questions), strict=True):
        assert isinstance(answer, FreeTimes), answer
        found += [(question.provider_id, instant_of(start)) for day in answer.starts_by_date.values() for start in day]
    random.Random(3).shuffle(found)
    return found


# ---------------------------------------------------------------- pgbench


@contextmanager
def recorded() -> Iterator[list[tuple[str, Sequence[object]]]]:
    """The statements that run meanwhile, with what was passed to them."""
    statements: list[tuple[str, Sequence[object]]] = []
    fetch, execute = store._fetch, store._execute

    async def fetch_noting(connection: store.Connection, sql: str, arguments: Sequence[object]) -> list[Record]:
        statements.append((sql, arguments))
        return await fetch(connection, sql, arguments)

    async def execute_noting(connection: store.Connection, sql: str, arguments: Sequence[object]) -> int:
        statements.append((sql, arguments))
        return await execute(connection, sql, arguments)

    store._fetch, store._execute = fetch_noting, execute_noting
    try:
        yield statements
    finally:
        store._fetch, store._execute = fetch, execute


async def script(resources: Resources, world: worlds.World, provider: ProviderId, start: datetime) -> str:
    """What one booking runs, as a pgbench script: the same statements, with values that change from run to run."""
    with recorded() as statements:
        answer = await book_appointment(
            resources,
            Viewer(organization_id=world.organization_id),
            BookingForm(
                provider_id=provider,
                service_id=None,
                starts_at=start,
                duration_minutes=None,
                customer=ContactForm(name="A Guest", email="recorded@example.com", phone=None, locale=None),
                customer_time_zone="Europe/Berlin",
                notes=None,
                idempotency_key="recorded",
            ),
        )
    assert isinstance(answer, Booked), answer
    appointment = answer.appointment
    minute = int(start.timestamp()) // 60
    values: dict[object, str] = {
        provider: "lpad(to_hex(:provider::integer * 1000), 32, '0')::uuid",
        appointment.id: "md5('appointment' || :number)::uuid",
        start: "to_timestamp(:minute::bigint * 60)",
        appointment.ends_at: "to_timestamp((:minute::bigint + 20) * 60)",
        minute: ":minute::integer",
        "recorded@example.com": "'guest-' || :number || '@example.com'",
        "recorded": "'key-' || :number",
    }
    lines = [
        f"\\set provider random(1, {worlds.PROVIDERS})",
        "\\set number random(1, 1000000000000)",
        f"\\set minute {minute + 500_000} + 20 * random(0, 2000000)",
        "BEGIN;",
    ]
    for sql, arguments in statements:
        if "EXISTS (\n    SELECT FROM claim" in sql:
            continue  # only where a provider is contested
        lines.append(_filled(sql, arguments, values, world.organization_id, appointment.customer_id, minute))
    return "\n".join([*lines, "END;", ""])


def _filled(  # noqa: C901  one case for each type of value
    sql: str, arguments: Sequence[object], values: Mapping[object, str], organization: UUID, customer: UUID, minute: int
) -> str:
    text = " ".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    known = {**values, organization: f"'{organization}'::uuid", customer: "md5('customer' || :number)::uuid"}

    def literal(value: object, place: int) -> str:  # noqa: C901, PLR0912  see above
        if isinstance(value, str | int | UUID | datetime) and not isinstance(value, Enum) and value in known:
            return known[value]
        match value:
            case None:
                return "NULL"
            case Enum():
                return f"'{value.value}'"
            case bool():
                return str(value).lower()
            case UUID():
                return f"md5('{place}' || :number)::uuid"
            case bytes():
                return f"'\\x{value.hex()}'::bytea"
            case int() if abs(value - minute) < 5_000:
                return f"(:minute::integer + {value - minute})"
            case int() if abs(value) > 2**32:
                return "(:provider * 1000003)::bigint"
            case int():
                return str(value)
            case datetime():
                return f"'{value.isoformat()}'::timestamptz"
            case date():
                return f"'{value.isoformat()}'::date"
            case list() if value and isinstance(value[0], int):
                return "ARRAY[" + ", ".join(f"(:number::bigint + {at})" for at in range(len(value))) + "]"
            case list():
                return "ARRAY[" + ", ".join(literal(each, place) for each in value) + "]"
        return "'" + str(value).replace("'", "''") + "'"

    def fill(found: re.Match[str]) -> str:
        place = int(found[1])
        return literal(arguments[place - 1], place)

    return re.sub(r"\$(\d+)", fill, text).strip().rstrip(";") + ";"


def pgbench(world: worlds.World, text: str) -> float:
    """Transactions a second, with as many clients and the same durability."""
    program = Path(postgres_program("psql")).with_name("pgbench")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(
            [
                str(program), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2",
                f"--time={SECONDS}", f"--file={file.name}", world.settings.database_url,
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
            provider, start = next(wanted)
            text = await script(resources, world, provider, start)
        numbers = iter(range(10**9))
        requests = (booking(provider, start, next(numbers)) for provider, start in wanted)
        ours: dict[int, list[Load]] = {workers: [] for workers in WORKERS}
        theirs: list[float] = []
        with contextlib.ExitStack() as stack:
            ports = {workers: stack.enter_context(worlds.api(world, workers=workers)) for workers in WORKERS}
            for port in ports.values():
                await load(port, requests, clients=CLIENTS, seconds=2.0)
            for _ in range(ROUNDS):
                for workers, port in ports.items():
                    done = await load(port, requests, clients=CLIENTS, seconds=SECONDS, kind_of=kind_of)
                    if set(done.kinds) != {"BookingConfirmation"}:
                        raise SystemExit(f"bookings of free times were answered with {dict(done.kinds)}")
                    ours[workers].append(done)
                theirs.append(await asyncio.to_thread(pgbench, world, text))
            rush = await _rush(world, ports[WORKERS[0]])
        beside = median(theirs)
        return [
            *(
                Row(
                    what=f"bookings over HTTP, {CLIENTS} clients, random providers, `serve --workers {workers}`",
                    ours=f"{median(each.rate for each in loads):,.0f}/s, "
                    f"p99 {median(each.quantile_ms(0.99) for each in loads):.0f} ms",
                    beside=f"pgbench, the same {text.count(';')} statements: {beside:,.0f}/s",
                    ratio=median(each.rate for each in loads) / beside,
                    bar=0.35,
                )
                for workers, loads in ours.items()
            ),
            rush,
        ]


async def _rush(world: worlds.World, port: int) -> Row:
    """A thousand clients want twenty slots of one provider at once; others list meanwhile."""
    popular, others = world.providers[0], world.providers[100:120]
    async with open_resources(world.settings) as resources:
        starts = [start for _, start in await free(resources, world, [popular])][:RUSH_SLOTS]
    wanted = iter([booking(popular, starts[at % RUSH_SLOTS], 10**9 + at) for at in range(RUSH_CLIENTS)])
    week = {"from": worlds.MONDAY.isoformat(), "to": (worlds.MONDAY + timedelta(days=6)).isoformat()}
    weeks = [request(WEEK, id=str(global_id("Provider", provider)), **week) for provider in others]
    chance = random.Random(4)
    stop = asyncio.Event()
    listings = iter(lambda: None if stop.is_set() else chance.choice(weeks), None)
    listing = asyncio.create_task(load(port, (each for each in listings if each), clients=2))
    rush = await load(port, wanted, clients=RUSH_CLIENTS, kind_of=kind_of)
    stop.set()
    calm = await listing
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(rush.kinds.items()))
    return Row(
        what=f"{RUSH_CLIENTS:,} clients at once for {RUSH_SLOTS} slots of one provider",
        ours=f"{kinds}; p50 {rush.quantile_ms(0.5):,.0f} ms, p99 {rush.quantile_ms(0.99):,.0f} ms",
        beside=f"others' listings meanwhile: p50 {calm.quantile_ms(0.5):,.0f} ms, p99 {calm.quantile_ms(0.99):,.0f} ms",
        ratio=float(rush.kinds["BookingConfirmation"]),
        bar=RUSH_SLOTS,
    )


def main() -> list[Row]:
    return asyncio.run(measure())
