"""What a search and an agenda read, by EXPLAIN (ANALYZE, BUFFERS), in a practice with many customers
and appointments: at most 5 buffers for each row that they show, and 50. So do plans for these
arguments and for any. docs/operations.md says what reads more, and why.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from app.core.appointment import AppointmentFilter, AppointmentOrder, AppointmentStatus
from app.core.ids import CustomerId, OrganizationId, ProviderId, ResourceId, ServiceId
from app.core.keyset import Keyset
from app.core.viewer import Role, Viewer
from app.process.wiring import open_resources
from app.settings import Settings
from app.store.sql import Query, Record, catalogue
from app.usecases.booking.list_appointments import list_appointments
from app.usecases.practice.find_customers import count_customers, find_customers, reader_of
from app.usecases.resources import Resources
from tests.builders import NOW, Clock

PROVIDERS: Final = 50
ROOMS: Final = 20
SERVICES: Final = 10
FIRST: Final = 20
BUFFERS_A_ROW: Final = 5
BUFFERS: Final = 50

ORGANIZATION: Final = UUID(int=1)

INDEXES: Final = """
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index
    WHERE indrelid IN ('appointment'::regclass, 'customer'::regclass, 'customer_word'::regclass)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
"""They are built faster at once."""

# Written as the program writes, but for a practice of years at once; nothing else is in the database.
FILL: Final = (
    """
    INSERT INTO organization (id, slug, name, created_at) VALUES ('{organization}', 'large', 'Large', '{now}')
    """,
    """
    INSERT INTO subject (organization_id, id, kind)
    SELECT uuid '{organization}', md5('provider ' || number)::uuid, 'PROVIDER' FROM generate_series(1, {providers}) AS number
    UNION ALL
    SELECT '{organization}', md5('room ' || number)::uuid, 'RESOURCE' FROM generate_series(1, {rooms}) AS number
    """,
    """
    INSERT INTO provider (organization_id, id, subject, name, time_zone, service_duration_minutes, created_at)
    SELECT '{organization}', md5('provider ' || number)::uuid, 'provider-' || number, 'Provider ' || number, 'UTC', 30, '{now}'
    FROM generate_series(1, {providers}) AS number
    """,
    """
    INSERT INTO resource (organization_id, id, name, kind, time_zone, units, is_always_open, created_at)
    SELECT '{organization}', md5('room ' || number)::uuid, 'Room ' || number, 'room', 'UTC', 1, true, '{now}'
    FROM generate_series(1, {rooms}) AS number
    """,
    """
    INSERT INTO service (organization_id, id, name, duration_minutes, created_at)
    SELECT '{organization}', md5('service ' || number)::uuid, 'Service ' || number, 30, '{now}'
    FROM generate_series(1, {services}) AS number
    """,
    # 400 first names and 5,000 surnames, the first ones many times as frequent as the last ones.
    """
    INSERT INTO customer (organization_id, id, name, email, phone, time_zone, created_at)
    SELECT '{organization}', md5('customer ' || number)::uuid,
        initcap(given || ' ' || family), given || '.' || family || number || '@example.com',
        '+4930' || (1000000 + number), 'UTC', '{now}'
    FROM (
        SELECT number,
            translate(substr(md5('given ' || floor(400 * power(random(), 2))), 1, 6), '0123456789', 'ghijklmnop') AS given,
            translate(substr(md5('family ' || floor(5000 * power(random(), 2))), 1, 8), '0123456789', 'qrstuvwxyz') AS family
        FROM generate_series(1, {customers}) AS number
    ) AS made
    """,
    # Each provider has a visit every half hour from 8 to 18, with customers of their own, who book up to 30 days before;
    # every second one takes a room. A row is where it was written last: when its visit was over, or when it was booked.
    """
    INSERT INTO appointment (organization_id, id, provider_id, provider_ids, named, resource_ids, service_id, customer_id,
        status, starts_at, ends_at, customer_time_zone, contact_name, contact_email, contact_phone, version, time_version,
        policy_free_until_minutes_before, policy_late_cancellation, created_at, cancelled_at)
    SELECT '{organization}', md5('appointment ' || made.number)::uuid, made.provider_id,
        CASE WHEN made.room_id IS NULL THEN NULL ELSE ARRAY[made.provider_id] END,
        CASE WHEN made.room_id IS NULL THEN NULL ELSE 1 END,
        CASE WHEN made.room_id IS NULL THEN NULL ELSE ARRAY[made.room_id] END,
        made.service_id, customer.id,
        CASE WHEN made.number % 10 = 0 THEN 'CANCELLED' WHEN made.starts_at < '{now}' THEN 'COMPLETED' ELSE 'CONFIRMED' END,
        made.starts_at, made.starts_at + interval '30 minutes', 'UTC', customer.name, customer.email, customer.phone, 1, 1,
        0, 'ALLOWED', made.created_at, CASE WHEN made.number % 10 = 0 THEN made.created_at END
    FROM (
        SELECT number,
            md5('provider ' || (1 + number % {providers}))::uuid AS provider_id,
            CASE WHEN number % 2 = 0 THEN md5('room ' || (1 + (number / 7) % {rooms}))::uuid END AS room_id,
            -- The last service is booked once in 5,000 times.
            md5('service ' || CASE WHEN number % 5000 = 7 THEN 10 ELSE 1 + number % 9 END)::uuid AS service_id,
            md5('customer ' || (1 + number % {providers} + {providers} * floor(random() * {customers} / {providers})::integer))::uuid
                AS customer_id,
            starts_at,
            least(starts_at, '{now}') - interval '1 minute' * floor(random() * 43200) AS created_at
        FROM generate_series(1, {appointments}) AS number
        CROSS JOIN LATERAL (
            SELECT timestamptz '{now}' + interval '30 days' - interval '1 day' * (number / ({providers} * 20))
                + interval '30 minutes' * (number / {providers} % 20)
        ) AS times (starts_at)
    ) AS made
    JOIN customer ON customer.organization_id = '{organization}' AND customer.id = made.customer_id
    ORDER BY CASE WHEN made.starts_at < '{now}' THEN made.starts_at ELSE made.created_at END
    """,
    """
    INSERT INTO appointment_subject (organization_id, appointment_id, subject_id, unit, position, is_named, service_id,
        assigned_at, starts_at)
    SELECT organization_id, id, resource_ids[1], 1, 2, true, service_id, created_at, starts_at
    FROM appointment
    WHERE resource_ids IS NOT NULL
    """,
    # What the triggers write: everybody gave the same contact for all visits, which are all with one provider.
    """
    INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
    SELECT customer.organization_id, reader.id, each.line, customer.id
    FROM customer
    LEFT JOIN (SELECT DISTINCT customer_id, provider_id FROM appointment) AS visit ON visit.customer_id = customer.id
    CROSS JOIN LATERAL word_lines(contact_words(customer.name, customer.email, customer.phone)) AS lines
    CROSS JOIN unnest(ARRAY[customer.organization_id, visit.provider_id]) AS reader (id)
    CROSS JOIN unnest(lines) AS each (line)
    WHERE reader.id IS NOT NULL
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """A practice with many customers and appointments."""

    resources: Resources
    connection: asyncpg.Connection

    async def reads(self, ask: Callable[..., Awaitable[Sequence[object]]]) -> tuple[int, int]:
        """How many buffers the statements of an answer read, and how many rows the answer has. The
        second time, so that what is planned and read once for each connection does not count.
        """
        watched = _Watched(self.resources)
        rows = await ask(replace(self.resources, pool=watched))  # type: ignore[arg-type]
        return sum([await self._buffers(*statement) for statement in watched.statements]), len(rows)

    async def people(self, viewer: Viewer, words: str | None) -> int:
        """How many customers the words find, who are looked for before their appointments."""
        return 0 if words is None else await count_customers(self.resources, viewer, words)

    async def entries(self, viewer: Viewer, beginning: str) -> int:
        """How many words of customers begin so."""
        found: int = await self.connection.fetchval(
            "SELECT count(*) FROM customer_word WHERE reader_id = $1 AND starts_with(line, $2)",
            reader_of(viewer),
            beginning.lower(),
        )
        return found

    async def _buffers(self, sql: str, arguments: Sequence[object]) -> int:
        """The most that it reads by a plan for these arguments, and by the one for any: which of
        them runs is up to PostgreSQL.
        """
        types = [parameter.type for parameter in _statements()[sql].params]
        (literals,) = await self.connection.fetch(
            f"SELECT {', '.join(f'quote_nullable(${at}::{each}::text)' for at, each in enumerate(types, 1))}",
            *arguments,
        )
        await self.connection.execute(f"PREPARE measured ({', '.join(types)}) AS {sql}")
        explained = (
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE measured ({', '.join(literals)})"
        )
        read = 0
        for mode in ("force_custom_plan", "force_generic_plan"):
            await self.connection.execute(f"SET plan_cache_mode = {mode}")
            await self.connection.fetch(explained)
            (row,) = await self.connection.fetch(explained)
            plan = json.loads(row[0])[0]["Plan"]
            read = max(read, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        await self.connection.execute("DEALLOCATE measured")
        return read


@cache
def _statements() -> dict[str, Query]:
    return {query.sql: query for query in catalogue().values()}


class _Watched:
    """A pool that remembers what was read on it."""

    def __init__(self, resources: Resources) -> None:
        self.statements: list[tuple[str, Sequence[object]]] = []
        self._pool = resources.pool

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Record]:
        self.statements.append((sql, arguments))
        return await self._pool.fetch(sql, arguments)


@pytest.fixture(
    params=[
        (5_000, 50_000),
        pytest.param((100_000, 1_000_000), marks=pytest.mark.full),
    ],
    ids=["50,000 appointments", "1,000,000 appointments"],
)
async def large(
    request: pytest.FixtureRequest, environment: dict[str, str]
) -> AsyncIterator[Large]:
    customers, appointments = request.param
    settings = Settings.from_environment(environment)
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute("SELECT setseed(0.15)")
        # Neither triggers nor foreign keys, row by row: the last statement writes what they would.
        await connection.execute("SET session_replication_role = replica")
        indexes = await connection.fetch(INDEXES)
        await connection.execute(f"DROP INDEX {', '.join(row['name'] for row in indexes)}")
        for statement in FILL:
            await connection.execute(
                statement.format(
                    organization=ORGANIZATION,
                    providers=PROVIDERS,
                    rooms=ROOMS,
                    services=SERVICES,
                    customers=customers,
                    appointments=appointments,
                    now=NOW.isoformat(),
                )
            )
        for row in indexes:
            await connection.execute(row["definition"])
        await connection.execute("VACUUM ANALYZE")
        clock = Clock()
        async with open_resources(settings, clock=clock, real_clock=clock) as resources:
            yield Large(resources=resources, connection=connection)
    finally:
        await connection.close()


def md5_id(row: Record) -> UUID:
    found: UUID = row["id"]
    return found


async def test_a_search_and_an_agenda_read_little_more_than_they_show(large: Large) -> None:
    organization_id = OrganizationId(ORGANIZATION)
    admin = Viewer(organization_id=organization_id, role=Role.ADMIN, subject="admin")
    rows = await large.connection.fetch("SELECT id FROM provider ORDER BY name, id")
    providers = [ProviderId(md5_id(row)) for row in rows]
    rooms = [
        ResourceId(md5_id(row))
        for row in await large.connection.fetch("SELECT id FROM resource ORDER BY name, id")
    ]
    somebody = await large.connection.fetchrow(
        "SELECT id, name, email, phone FROM customer ORDER BY id OFFSET 77 LIMIT 1"
    )
    assert somebody is not None
    given, family = somebody["name"].split()
    (most, *_, fewest) = [
        row["given"]
        for row in await large.connection.fetch(
            "SELECT split_part(name, ' ', 1) AS given FROM customer GROUP BY 1 ORDER BY count(*) DESC, 1"
        )
    ]
    rare, usual = [
        ServiceId(md5_id(row))
        for row in await large.connection.fetch(
            "SELECT service_id AS id FROM appointment GROUP BY 1 ORDER BY count(*), 1"
        )
    ][:2]
    provider = Viewer(
        organization_id=organization_id, role=Role.PROVIDER, subject="p", provider_id=providers[3]
    )
    day = datetime(2026, 1, 14, tzinfo=UTC)
    today = AppointmentFilter(from_start=day, until_start=day + timedelta(days=1))
    confirmed = replace(today, statuses=(AppointmentStatus.CONFIRMED,))
    ascending, latest, booked = AppointmentOrder
    problems: dict[str, tuple[int, int]] = {}
    shown: dict[str, int] = {}

    async def judge(
        name: str,
        ask: Callable[..., Awaitable[Sequence[object]]],
        *,
        most_a_row: int = BUFFERS_A_ROW,
        besides: int = 0,
    ) -> None:
        read, rows = await large.reads(ask)
        shown[name] = rows
        if read > most_a_row * rows + besides + BUFFERS:
            problems[name] = (read, rows)

    searches = (
        None, given[0], given[:2], given[:3], family, family[:3], somebody["email"],
        somebody["phone"], "030 1000", f"{given} {family}",
        f"{family[:4]} {given[:2]}", "nobody has this", "example com",
    )  # fmt: skip
    beginnings = f"{given[:1]} {family[:2]}"
    lists: list[tuple[Viewer, AppointmentFilter, AppointmentOrder]] = [
        (admin, AppointmentFilter(), ascending),
        (admin, AppointmentFilter(), latest),
        (admin, AppointmentFilter(), booked),
        (admin, today, ascending),
        (admin, confirmed, ascending),
        (provider, today, ascending),
        (provider, AppointmentFilter(), latest),
        (admin, replace(today, providers=tuple(providers[:1])), ascending),
        (admin, replace(today, providers=tuple(providers[:5])), ascending),
        (admin, replace(today, providers=tuple(providers)), ascending),
        (admin, AppointmentFilter(providers=tuple(providers[:3])), latest),
        (admin, replace(today, resources=tuple(rooms[:1])), ascending),
        (admin, AppointmentFilter(customers=(CustomerId(md5_id(somebody)),)), ascending),
        (admin, AppointmentFilter(customers=(CustomerId(md5_id(somebody)),)), booked),
        (admin, AppointmentFilter(providers=tuple(providers[:25])), ascending),
        (admin, AppointmentFilter(services=(usual,)), latest),
        (admin, AppointmentFilter(words=somebody["email"]), latest),
        *[
            (admin, AppointmentFilter(words=words), order)
            for words in (given, most, fewest)
            for order in (ascending, latest)
        ],
        (admin, AppointmentFilter(words=f"{given} {somebody['phone']}"), ascending),
    ]
    # These lists pass the appointments of others, so many for each that they show.
    passing: list[tuple[Viewer, AppointmentFilter, AppointmentOrder, int]] = [
        (admin, AppointmentFilter(providers=tuple(providers[:8])), latest, PROVIDERS // 8),
        (admin, AppointmentFilter(providers=tuple(providers[:1])), booked, PROVIDERS),
        (provider, AppointmentFilter(), booked, PROVIDERS),
        (admin, AppointmentFilter(services=(usual,)), booked, SERVICES),
    ]
    for size in (FIRST, 100):
        keyset = Keyset(limit=size)
        for viewer in (admin, provider):
            for search in searches:
                await judge(
                    f"{size} customers of {viewer.role}: {search}",
                    partial(find_customers, viewer=viewer, search=search, keyset=keyset),
                )
            # Many have either beginning: all who have the longer one are looked at.
            await judge(
                f"{size} customers of {viewer.role}: {beginnings}",
                partial(find_customers, viewer=viewer, search=beginnings, keyset=keyset),
                besides=await large.entries(viewer, family[:2]),
            )
        for viewer, which, order in lists:
            await judge(
                f"{size} appointments of {viewer.role}, {order}: {which}",
                partial(list_appointments, viewer=viewer, which=which, order=order, keyset=keyset),
                besides=BUFFERS_A_ROW * await large.people(viewer, which.words),
            )
        for viewer, which, order, passed in passing:
            await judge(
                f"{size} appointments of {viewer.role}, {order}: {which}",
                partial(list_appointments, viewer=viewer, which=which, order=order, keyset=keyset),
                most_a_row=BUFFERS_A_ROW + passed,
            )
    for service_order in (ascending, latest, booked):
        await judge(
            f"appointments for a service that few book, {service_order}",
            partial(
                list_appointments,
                viewer=admin,
                which=AppointmentFilter(services=(rare,)),
                order=service_order,
                keyset=Keyset(limit=FIRST),
            ),
        )
    assert problems == {}
    assert sum(rows > 0 for rows in shown.values()) > len(shown) / 2
