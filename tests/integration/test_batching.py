"""The number of statements of an answer depends on the query, never on the number of rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.core.slots import LONGEST_CLAIM_MINUTES
from app.core.zones import minute_of
from app.store import pool as store_pool
from app.store.sql import Record, catalogue
from tests.builders import (
    NOW,
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    key_in,
    listed,
    made,
    weekly,
)

ZONES = ("America/New_York", "Asia/Tokyo", "Europe/Berlin", "Pacific/Apia", "UTC")

GRID = """
    query ($from: Date!, $to: Date!, $timeZone: TimeZone) {
        providers(first: 100) {
            nodes {
                services { name }
                availability(from: $from, to: $to, timeZone: $timeZone) { ... on Availability { days { slotCount } } }
                nextAvailableSlot { startsAt }
            }
        }
    }
"""

EVERYTHING = """
    {
        providers(first: 100) {
            totalCount
            nodes {
                calendarFeedUrl weeklyHours { id } breaks { id } exceptions(from: "2026-01-01", to: "2026-03-01") { id }
                services { name providers { name } }
            }
        }
    }
"""

NEEDS = """
    {
        services(first: 5) {
            totalCount
            nodes { providersNeeded assignment providers { name } needs { name resources { name weeklyHours { id } } } }
        }
        resources(first: 100) {
            totalCount
            nodes { weeklyHours { id } breaks { id } exceptions(from: "2026-01-01", to: "2026-03-01") { id } }
        }
    }
"""

VISITS = """
    {
        appointments(first: 100) {
            totalCount
            nodes { provider { name services { name } } service { name providers { name } } customer { name } }
        }
    }
"""

HAPPENED = """
    {
        events(first: 100, types: [PROVIDER_CHANGED, SERVICE_CHANGED, RESOURCE_CHANGED, APPOINTMENT_BOOKED]) {
            nodes { type subject { id } }
        }
    }
"""

EARLIEST = "{ nextAvailableSlots(first: 50) { startsAt provider { name } } }"


class Statements:
    """What the program has sent to PostgreSQL, one entry a round trip: `sent` what is read, and
    `executed` what is not, locks and writes.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.executed: list[str] = []
        fetch, execute = store_pool._fetch, store_pool._execute

        async def fetch_and_note(
            connection: store_pool.Connection, sql: str, arguments: Sequence[object]
        ) -> list[Record]:
            self.sent.append(sql)
            return await fetch(connection, sql, arguments)

        async def execute_and_note(
            connection: store_pool.Connection, sql: str, arguments: Sequence[object]
        ) -> int:
            self.executed.append(sql)
            return await execute(connection, sql, arguments)

        monkeypatch.setattr(store_pool, "_fetch", fetch_and_note)
        monkeypatch.setattr(store_pool, "_execute", execute_and_note)

    async def of(
        self, api: Api, document: str, *, caller: Caller | None = None, **variables: object
    ) -> list[str]:
        """The statements by name that this operation sent, its caller's identification
        among them; several that are sent as one are called “several”.
        """
        self.sent.clear()
        self.executed.clear()
        await api.ask(document, caller=caller, **variables)
        names = {query.sql: name for name, query in catalogue().items()}
        return sorted(names.get(sql, "several") for sql in self.sent)


async def some_providers(api: Api, count: int) -> list[Json]:
    """In several zones, some without hours, some full, some with services, breaks and
    exceptions.
    """
    providers = []
    for number in range(count):
        provider = await a_provider(
            api,
            timeZone=ZONES[number % len(ZONES)],
            weeklyHours=[] if number % 7 == 3 else weekly("09:00", "17:00"),
            breaks=weekly("12:00", "13:00"),
        )
        providers.append(provider)
        if number % 7 != 3:
            await an_appointment(
                api, provider, (await listed(api, provider, "2026-01-20"))[number % 3]
            )
    rooms = [await a_resource(api, weeklyHours=weekly("09:00", "17:00")) for _ in range(count)]
    needs = [{"name": "Room", "resourceIds": [room["id"] for room in rooms]}]
    await a_service(api, *providers)
    await a_service(api, *providers[::2])
    # Offered by nobody, so that it is in no listing.
    await a_service(api, needs=needs)
    return providers


@pytest.mark.parametrize("zone", [None, "America/Los_Angeles"])
async def test_a_page_of_free_times_costs_the_same_for_five_providers_and_for_a_hundred(
    api: Api, monkeypatch: pytest.MonkeyPatch, zone: str | None
) -> None:
    """Services, free times and next slots of a hundred providers: as many statements as for five,
    and few of them.
    """
    asked = {"from": "2026-01-12", "to": "2026-01-25", "timeZone": zone}
    statements = Statements(monkeypatch)
    await some_providers(api, 5)
    few = await statements.of(api, GRID, caller=None, **asked)
    await some_providers(api, 45)
    many = await statements.of(api, GRID, caller=None, **asked)
    assert many == few
    assert len(many) <= 16


async def test_what_is_nested_is_looked_up_once_for_all(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(monkeypatch)
    asked = [
        (document, caller)
        for document in (EVERYTHING, NEEDS, VISITS, EARLIEST, HAPPENED)
        for caller in (api.admin,)
    ]
    await some_providers(api, 5)
    few = [await statements.of(api, document, caller=caller) for document, caller in asked]
    providers = await some_providers(api, 25)
    many = [await statements.of(api, document, caller=caller) for document, caller in asked]
    assert many == few
    assert max(map(len, many)) <= 12
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Provider { services { name } } } }"
    ids = [provider["id"] for provider in providers]
    assert await statements.of(api, nodes, ids=ids) == await statements.of(api, nodes, ids=ids[:2])


async def test_appointments_of_many_providers_are_looked_up_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = (
        "{ providers(first: 100) { nodes { appointments(first: 2) { totalCount nodes { id } } } } }"
    )
    statements = Statements(monkeypatch)
    await some_providers(api, 3)
    few = await statements.of(api, document, caller=api.admin)
    await some_providers(api, 9)
    assert await statements.of(api, document, caller=api.admin) == few


async def test_a_field_that_fails_leaves_what_others_look_up_with_it(api: Api) -> None:
    """Two ask for the same free times; another failure in the one's operation is no reason to give them up for
    the other.
    """
    await some_providers(api, 3)
    free = (
        'availability(from: "2026-01-12", to: "2026-01-14") { ... on Availability { slots { '
        "startsAt } } }"
    )
    late = 'exceptions(from: "2026-01-12", to: "2026-01-01") { date }'
    answer = await api.send(
        f"{{ broken: providers(first: 3) {{ nodes {{ {free} {late} }} }} whole: providers(first: "
        f"3) {{ nodes {{ {free} }} }} }}"
    )
    whole = answer.body["data"]["whole"]["nodes"]
    assert [len(node["availability"]["slots"]) > 0 for node in whole] == [True] * 3
    assert set(answer.codes) == {"BAD_USER_INPUT"}


# ---------------------------------------------------------------- plans

FILL = """
    WITH visit AS (
        SELECT number, provider, $4::timestamptz + number * interval '100 minutes' AS starts_at, gen_random_uuid() AS id
        FROM generate_series($5::integer, $5::integer + 499) AS number, unnest($2::uuid[]) AS provider
    ), stored AS (
        INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
            customer_time_zone, contact_name, contact_email, version, time_version, policy_free_until_minutes_before,
            policy_late_cancellation, created_at)
        SELECT $1, id, provider, $3, 'CONFIRMED', starts_at, starts_at + interval '1 hour', 'UTC', 'Noor',
            'noor@example.com', 1, 1, 0, 'ALLOWED', $4
        FROM visit
        RETURNING id
    )
    INSERT INTO claim (organization_id, id, subject_id, provider_id, appointment_id, during, visit, active)
    SELECT $1, gen_random_uuid(), provider, provider, id, tstzrange(starts_at, starts_at + interval '1 hour'),
        tstzrange(starts_at, starts_at + interval '1 hour'), true
    FROM visit
    RETURNING 1 AS one
"""


@pytest.mark.usefixtures("one_postgres")
async def test_a_year_of_appointments_is_never_read_from_end_to_end(own_api: Api) -> None:
    """A provider with 5,000 appointments, among others as busy: what lists and books reads through
    indexes, and no more rows than stand in the dates asked for.
    """
    api = own_api
    open_always = {
        "weeklyHours": weekly("00:00", "24:00"),
        "slotIntervalMinutes": 10,
        "serviceDurationMinutes": 30,
    }
    providers = [await a_provider(api, of=None, **open_always) for _ in range(3)]
    ada = providers[0]
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z")
    (customer,) = await api.rows("SELECT id FROM customer")
    keys = [key_in(each["id"]) for each in providers]
    for number in range(0, 5_000, 500):
        start = NOW + timedelta(days=2)
        await api.rows(FILL, api.organization.id, keys, customer["id"], start, number)
    await api.resources.pool.execute("ANALYZE", ())

    organization = api.organization.id
    first = minute_of(NOW + timedelta(days=200))
    last = first + 14 * 24 * 60
    page = (None, None, None, None, 21, NOW + timedelta(days=200), NOW + timedelta(days=214))
    all_of_it = (*page, *(None,) * 8)  # whatever the list could be narrowed by besides
    for name, arguments, most in (
        ("claims_of_subjects", (organization, keys[:1], first, last, LONGEST_CLAIM_MINUTES), 250),
        ("claims_of_subjects", (organization, keys, first, last, LONGEST_CLAIM_MINUTES), 750),
        ("appointment_by_ids", (organization, [key_in(booked["appointment"]["id"])]), 1),
        ("appointments_of_subjects_forward", (organization, *all_of_it, keys[:1]), 22),
        ("appointments_of_subjects_backward", (organization, *all_of_it, keys), 63),
        ("appointments_of_organization_backward", (organization, *all_of_it), 22),
        ("appointments_of_customers_forward", (organization, *all_of_it, [customer["id"]]), 22),
        ("entries_of_provider", (organization, keys[0], NOW + timedelta(days=200), 100), 101),
        (
            "entries_of_customer",
            (organization, customer["id"], NOW + timedelta(days=200), 100),
            101,
        ),
    ):
        query = catalogue()[name]
        padding = (None,) * (len(query.params) - len(arguments))
        plan = await api.rows(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {query.sql}",
            *arguments,
            *padding,
        )
        lines = [row["QUERY PLAN"] for row in plan]
        assert not [
            line for line in lines if re.search(r"Seq Scan on (claim|appointment)\b", line)
        ], (name, lines)
        read = [
            int(rows)
            for line in lines
            if " Scan" in line
            for rows in re.findall(r"rows=(\d+)", line)
        ]
        assert max(read) <= most, (name, lines)
    # And through the API it is there, in the middle of the year.
    api.clock.set(NOW + timedelta(days=180))
    free = await listed(api, ada, "2026-07-31", "2026-08-13")
    assert 0 < len(free) < 14 * 24 * 6
    made(await api_page(api, ada), "Provider")


async def api_page(api: Api, provider: Json) -> Json:
    document = """
        query ($id: ID!, $from: DateTime) {
            provider(id: $id) { __typename appointments(first: 100, from: $from) { totalCount nodes { startsAt } } }
        }
    """
    variables = {"from": "2026-07-31T00:00:00Z"}
    found: Json = (await api.ask(document, caller=api.admin, id=provider["id"], **variables))[
        "provider"
    ]
    assert len(found["appointments"]["nodes"]) == 100
    return found
