"""A visit takes time on units of several subjects: all of it or none, no unit twice, and back at
once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.core.booking import Claims
from app.core.ids import (
    AppointmentId,
    HoldId,
    OrganizationId,
    ProviderId,
    ResourceId,
    SubjectId,
)
from app.core.slots import LONGEST_CLAIM_MINUTES, Claim, ClaimKind
from app.core.zones import minute_of
from app.store.calendars import (
    Owner,
    claims_of_appointment,
    load_claims,
    lock_and_load_claims,
    take_time,
)
from app.store.locks import (
    CalendarLock,
    UnlockedCalendarError,
    lock_calendars,
    lock_key,
    lock_rules,
)
from app.store.pool import Transaction, transaction
from app.store.sql import query
from app.usecases.booking.hold_slot import sweep_expired_holds
from tests.builders import NOW, Api, a_provider, an_appointment, blocked, book, key_in, listed
from tests.lives import broken_laws, cancel, move

DAY = date(2026, 1, 14)
TEN = minute_of(datetime(2026, 1, 14, 10, tzinfo=UTC))
NEW_ID = uuid4


def a_claim(start: int, minutes: int = 60, *, unit: int = 1, after: int = 0) -> Claim:
    end = start + minutes
    return Claim(start, end + after, start, end, ClaimKind.APPOINTMENT, None, unit)


async def a_resource(api: Api) -> ResourceId:
    """A subject that is no provider."""
    key = uuid4()
    await api.rows(
        "INSERT INTO subject (organization_id, id, kind) VALUES ($1, $2, 'RESOURCE') RETURNING id",
        api.organization.id,
        key,
    )
    return ResourceId(key)


async def visits(api: Api, count: int) -> list[AppointmentId]:
    """Appointments that have given their own time back, to take other time for."""
    provider = await a_provider(api, weeklyHours=[])
    await api.rows(
        """
        WITH known AS (
            INSERT INTO customer (organization_id, id, name, email, time_zone, created_at)
            VALUES ($1, gen_random_uuid(), 'Noor', 'noor-' || gen_random_uuid() || '@example.com', 'UTC', $3)
            RETURNING id
        )
        INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
            customer_time_zone, contact_name, version, time_version, policy_free_until_minutes_before,
            policy_late_cancellation, created_at)
        SELECT $1, gen_random_uuid(), $2, known.id, 'CONFIRMED', $3, $3::timestamptz + interval '1 hour', 'UTC', 'Noor', 1, 1, 0,
            'ALLOWED', $3
        FROM known, generate_series(1, $4::integer)
        RETURNING id
        """,
        api.organization.id, key_in(provider["id"]), NOW, count,
    )  # fmt: skip
    rows = await api.rows(
        "SELECT id FROM appointment WHERE organization_id = $1", api.organization.id
    )
    return [AppointmentId(row["id"]) for row in rows]


def unlocked(organization_id: OrganizationId, subjects: Iterable[SubjectId]) -> CalendarLock:
    """A witness of locks that nobody took."""
    return CalendarLock(organization_id, {each: frozenset({DAY}) for each in subjects})


async def take(
    tx: Transaction,
    lock: CalendarLock,
    claims: Claims,
    owner: AppointmentId,
    existing: Mapping[SubjectId, list[Claim]] | None = None,
) -> bool:
    """Take the time, or roll back."""
    taken = await take_time(
        tx,
        lock,
        claims,
        Owner(appointment_id=owner),
        existing=existing or {},
        now=NOW,
        new_id=NEW_ID,
    )
    if not taken:
        tx.roll_back()
    return taken


# ---------------------------------------------------------------- all or nothing


async def test_a_visit_takes_all_of_its_time_or_none(api: Api) -> None:
    ada, bea = ProviderId(key_in((await a_provider(api))["id"])), await a_resource(api)
    first, second, third = await visits(api, 3)
    organization = api.organization.id

    async def attempt(owner: AppointmentId, claims: Claims) -> bool:
        async with transaction(api.resources.pool) as tx:
            lock = await lock_calendars(tx, organization, {each: [DAY] for each in claims})
            return await take(tx, lock, claims, owner)

    both: Claims = {ada: (a_claim(TEN),), bea: (a_claim(TEN, after=15),)}
    assert await attempt(first, both)
    assert await claims_of_appointment(api.resources.pool, organization, first) == both
    # Free for Ada, taken for Bea: by the first visit's buffer.
    later = TEN + 60
    assert not await attempt(second, {ada: (a_claim(later),), bea: (a_claim(later),)})
    assert await claims_of_appointment(api.resources.pool, organization, second) == {}
    assert await attempt(third, {ada: (a_claim(later),)})
    everybody: list[SubjectId] = [ada, bea]
    seen = await load_claims(api.resources.pool, organization, everybody, TEN, TEN + 600)
    assert {each: len(claims) for each, claims in seen.items()} == {ada: 2, bea: 1}
    left = await load_claims(
        api.resources.pool, organization, everybody, TEN, TEN + 600, without=first
    )
    assert left == {ada: [a_claim(later)], bea: []}
    # However many claims there are, a subject's are one row: pages of listings read thousands.
    wanted = (organization, everybody, TEN, TEN + 600, LONGEST_CLAIM_MINUTES, None)
    rows = await query("claims_of_subjects").many(api.resources.pool, *wanted)
    assert {row["subject_id"]: len(row["units"]) for row in rows} == {ada: 2, bea: 1}


async def test_every_unit_of_a_resource_is_taken_once_at_a_time(api: Api) -> None:
    room = await a_resource(api)
    first, second, third = await visits(api, 3)
    organization = api.organization.id

    async def attempt(owner: AppointmentId, *units: int) -> bool:
        async with transaction(api.resources.pool) as tx:
            lock = await lock_calendars(tx, organization, {room: [DAY]})
            claims: Claims = {room: tuple(a_claim(TEN, unit=unit) for unit in units)}
            return await take(tx, lock, claims, owner)

    assert await attempt(first, 1, 3)
    assert not await attempt(second, 2, 3)
    assert await attempt(third, 2)
    seen = await load_claims(api.resources.pool, organization, [room], TEN, TEN + 60)
    assert sorted(claim.unit for claim in seen[room]) == [1, 2, 3]


async def test_time_is_taken_under_its_lock_only(api: Api) -> None:
    ada, room = ProviderId(key_in((await a_provider(api))["id"])), await a_resource(api)
    (owner,) = await visits(api, 1)
    async with transaction(api.resources.pool) as tx:
        lock = await lock_calendars(tx, api.organization.id, {ada: [DAY]})
        with pytest.raises(UnlockedCalendarError):
            await take(tx, lock, {ada: (a_claim(TEN),), room: (a_claim(TEN),)}, owner)


async def test_an_expired_hold_gives_way_on_every_subject(api: Api) -> None:
    ada, room = ProviderId(key_in((await a_provider(api))["id"])), await a_resource(api)
    (owner,) = await visits(api, 1)
    organization = api.organization.id
    hold_id = HoldId(uuid4())
    await api.rows(
        """
        INSERT INTO hold (organization_id, id, provider_id, caller, starts_at, ends_at, created_at, expires_at)
        VALUES ($1, $2, $3, 'somebody', $4, $4::timestamptz + interval '1 hour', $5, $6) RETURNING id
        """,
        organization, hold_id, ada, datetime(2026, 1, 14, 10, tzinfo=UTC), NOW - timedelta(hours=1),
        NOW - timedelta(minutes=1),
    )  # fmt: skip
    expired = Claim(TEN, TEN + 60, TEN, TEN + 60, ClaimKind.HOLD, NOW - timedelta(minutes=1))
    held: Claims = {ada: (expired,), room: (expired, expired._replace(unit=2))}
    async with transaction(api.resources.pool) as tx:
        lock = await lock_calendars(tx, organization, {ada: [DAY], room: [DAY]})
        assert await take_time(
            tx,
            lock,
            held,
            Owner(hold_id=hold_id, expires_at=NOW - timedelta(minutes=1)),
            existing={},
            now=NOW - timedelta(hours=1),
            new_id=NEW_ID,
        )
    async with transaction(api.resources.pool) as tx:
        wished: Claims = {ada: (a_claim(TEN),), room: (a_claim(TEN),)}
        lock = await lock_calendars(tx, organization, {ada: [DAY], room: [DAY]})
        existing = await load_claims(tx, organization, list(wished), TEN, TEN + 60)
        assert await take(tx, lock, wished, owner, existing)


# ---------------------------------------------------------------- without locks


@pytest.mark.parametrize("seed", range(3))
async def test_without_any_lock_no_unit_is_taken_twice(api: Api, seed: int) -> None:
    """Visits that want random units of random subjects at once, none of them locked: the constraint
    alone decides, and nobody waits in a circle.
    """
    chance = random.Random(seed)
    subjects: list[SubjectId] = [await a_resource(api) for _ in range(3)]
    owners = await visits(api, 60)
    organization = api.organization.id

    def a_wish() -> Claims:
        start = TEN + 15 * chance.randrange(8)
        wanted = chance.sample(subjects, chance.randint(1, 3))
        return {
            each: tuple(
                a_claim(start, unit=unit)
                for unit in chance.sample(range(1, 4), chance.randint(1, 2))
            )
            for each in wanted
        }

    async def attempt(owner: AppointmentId, claims: Claims) -> bool:
        async with transaction(api.resources.pool) as tx:
            return await take(tx, unlocked(organization, claims), claims, owner)

    wishes = [a_wish() for _ in owners]
    taken = await asyncio.gather(
        *(attempt(owner, wish) for owner, wish in zip(owners, wishes, strict=True))
    )
    assert 1 <= sum(taken) < len(taken), "some got theirs, and some did not"
    for owner, wish, got in zip(owners, wishes, taken, strict=True):
        has = await claims_of_appointment(api.resources.pool, organization, owner)
        assert {each: set(claims) for each, claims in has.items()} == (
            {each: set(claims) for each, claims in wish.items()} if got else {}
        )
    overlapping = await api.rows(
        """
        SELECT one.id FROM claim AS one JOIN claim AS other USING (organization_id, subject_id, unit)
        WHERE organization_id = $1 AND one.active AND other.active AND one.id < other.id
            AND one.during && other.during
        """,
        organization,
    )
    assert overlapping == []


# ---------------------------------------------------------------- locks


async def test_locks_of_several_subjects_never_wait_in_a_circle(api: Api) -> None:
    chance = random.Random(5)
    subjects = [ResourceId(uuid4()) for _ in range(4)]
    days = [DAY + timedelta(days=number) for number in range(3)]

    async def attempt(wanted: dict[SubjectId, list[date]]) -> None:
        async with transaction(api.resources.pool) as tx:
            await lock_rules(tx, api.organization.id, wanted)
            lock = await lock_calendars(tx, api.organization.id, wanted)
            assert lock.dates == {each: frozenset(dates) for each, dates in wanted.items()}

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(
                attempt({each: chance.sample(days, 2) for each in chance.sample(subjects, 3)})
                for _ in range(60)
            )
        )


async def test_a_look_sees_what_the_holder_of_the_lock_wrote(api: Api) -> None:
    """The claims are looked at when the lock is there, in the round trip that takes it."""
    ada = ProviderId(key_in((await a_provider(api))["id"]))
    (owner,) = await visits(api, 1)
    organization = api.organization.id
    wanted: list[SubjectId] = [ada]

    async def look() -> Sequence[Claim]:
        async with transaction(api.resources.pool) as tx:
            lock, seen = await lock_and_load_claims(
                tx, organization, {ada: [DAY]}, {}, wanted, TEN, TEN + 60
            )
            assert lock.dates == {ada: frozenset({DAY})}
            return seen[ada]

    async with transaction(api.resources.pool) as tx:
        lock = await lock_calendars(tx, organization, {ada: [DAY]})
        looking = asyncio.create_task(look())
        await blocked(api)
        assert not looking.done(), "it waits for the lock"
        assert await take(tx, lock, {ada: (a_claim(TEN),)}, owner)
    assert list(await looking) == [a_claim(TEN)]


def test_the_keys_of_locks_are_those_of_0_1_0() -> None:
    """Both versions book while one replaces the other: they wait for each other only if they agree."""
    organization, provider = UUID(int=1), UUID(int=2)
    assert lock_key("calendar", organization, provider, "2026-01-12") == CALENDAR_KEY
    assert lock_key("rules", organization, provider) == RULES_KEY


CALENDAR_KEY = 8097643354915883376
RULES_KEY = -1446454594838976281


# ---------------------------------------------------------------- together


async def with_another(api: Api, appointment: str, other: str) -> None:
    """The appointment takes the same time of another provider too."""
    await api.rows(
        """
        INSERT INTO claim (organization_id, id, subject_id, provider_id, appointment_id, during, visit, active)
        SELECT organization_id, gen_random_uuid(), $2, $2, appointment_id, during, visit, active
        FROM claim WHERE appointment_id = $1 AND active
        RETURNING id
        """,
        key_in(appointment), key_in(other),
    )  # fmt: skip


async def test_what_a_visit_has_is_given_back_together(api: Api) -> None:
    """Cancelling and moving free the time of everybody, and every list shows it at once."""
    ada, bea = await a_provider(api), await a_provider(api)
    cancelled = await an_appointment(api, ada, "2026-01-12T10:00Z")
    moved = await an_appointment(api, ada, "2026-01-12T12:00Z")
    for booked in (cancelled, moved):
        await with_another(api, booked["appointment"]["id"], bea["id"])
    taken = {"2026-01-12T10:00:00Z", "2026-01-12T12:00:00Z"}
    assert not taken & {*await listed(api, ada)}
    assert not taken & {*await listed(api, bea)}
    refused = await book(api, bea, "2026-01-12T10:00Z")
    assert (refused["__typename"], refused["reasons"]) == (
        "SlotUnavailableError",
        ["ALREADY_TAKEN"],
    )

    await cancel(api, cancelled, caller=api.admin)
    assert "2026-01-12T10:00:00Z" in await listed(api, bea)
    await move(api, moved, "2026-01-12T14:00Z", caller=api.admin)
    assert "2026-01-12T12:00:00Z" in await listed(api, bea)
    assert "2026-01-12T14:00:00Z" in await listed(api, bea)
    assert "2026-01-12T14:00:00Z" not in await listed(api, ada)
    await an_appointment(api, bea, "2026-01-12T10:00Z")
    await an_appointment(api, bea, "2026-01-12T12:00Z")
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_the_sweep_frees_all_that_an_expired_hold_has(own_api: Api) -> None:
    api = own_api
    ada, room = ProviderId(key_in((await a_provider(api))["id"])), await a_resource(api)
    await api.rows(
        """
        WITH held AS (
            INSERT INTO hold (organization_id, id, provider_id, caller, starts_at, ends_at, created_at, expires_at)
            VALUES ($1, gen_random_uuid(), $2, 'somebody', $4, $4::timestamptz + interval '1 hour', $5::timestamptz - interval '1 hour', $5)
            RETURNING organization_id, id, starts_at, ends_at, expires_at
        )
        INSERT INTO claim (organization_id, id, subject_id, unit, hold_id, during, visit, expires_at, active)
        SELECT organization_id, gen_random_uuid(), subject_id, unit, id, tstzrange(starts_at, ends_at),
            tstzrange(starts_at, ends_at), expires_at, true
        FROM held, (VALUES ($2::uuid, 1), ($3::uuid, 1), ($3, 2)) AS taken (subject_id, unit)
        RETURNING id
        """,
        api.organization.id, ada, room, datetime(2026, 1, 14, 10, tzinfo=UTC), NOW,
    )  # fmt: skip
    assert await sweep_expired_holds(api.resources) == 1
    assert await sweep_expired_holds(api.resources) == 0
    assert await api.rows("SELECT id FROM claim WHERE active") == []
