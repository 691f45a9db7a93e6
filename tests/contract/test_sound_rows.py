"""What the functions behind the constraints of a booking's tables refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg
import pytest

ID: Final = "gen_random_uuid()"
HOUR: Final = "tstzrange('2026-01-12 09:00Z', '2026-01-12 10:00Z')"

SOUND: Final[dict[str, dict[str, str]]] = {
    "appointment": {
        "status": "'CONFIRMED'", "starts_at": "'2026-01-12 09:00Z'", "ends_at": "'2026-01-12 10:00Z'",
        "customer_time_zone": "'UTC'", "contact_name": "'Kim'", "contact_email": "NULL", "contact_phone": "NULL",
        "contact_locale": "NULL", "contact_channels": "NULL", "notes": "NULL", "staff_notes": "NULL",
        "external_id": "NULL", "guest_origin": "NULL", "version": "2", "time_version": "2", "manage_generation": "0",
        "price_minor": "NULL", "price_currency": "NULL", "policy_free_until_minutes_before": "0",
        "policy_grace_minutes": "0", "policy_late_cancellation": "'ALLOWED'", "policy_late_fee_minor": "NULL",
        "policy_late_fee_currency": "NULL", "policy_late_fee_percent": "NULL", "cancelled_at": "NULL",
        "cancellation_reason": "NULL", "cancellation_fee_minor": "NULL", "cancellation_fee_currency": "NULL",
        "provider_id": "'00000000-0000-0000-0000-000000000001'", "provider_ids": "NULL", "named": "NULL",
        "resource_ids": "NULL", "session_id": "NULL", "seats": "1", "ignored": "NULL",
    },
    "claim": {
        "during": HOUR, "visit": HOUR, "unit": "1", "appointment_id": ID, "hold_id": "NULL", "session_id": "NULL",
        "expires_at": "NULL",
    },
    "customer": {
        "subject": "NULL", "name": "'Kim'", "email": "NULL", "phone": "NULL", "time_zone": "'UTC'", "locale": "NULL",
        "channels": "NULL", "external_id": "NULL", "made_by_staff": "false", "made_by_provider": "NULL",
    },
    "appointment_history": {
        "version": "1", "kind": "'BOOKED'", "actor": "'GUEST'", "from_status": "NULL", "to_status": "'CONFIRMED'",
        "from_starts_at": "NULL", "assignment": "NULL", "ignored": "NULL", "is_readdressed": "false",
        "former_email": "NULL", "former_phone": "NULL",
    },
    "event": {"type": "'APPOINTMENT_BOOKED'", "version": "1", "actor": "'GUEST'", "actor_subject": "NULL"},
}  # fmt: skip
"""A row as short as it can be."""

LATE: Final = {"policy_late_cancellation": "'FEE'"}
GONE: Final = {"status": "'CANCELLED'", "cancelled_at": "now()"}
CORRECTED: Final = {
    "version": "2", "kind": "'CORRECTED'", "from_status": "'CONFIRMED'", "from_starts_at": "now()",
}  # fmt: skip
PRICED: Final = {"price_minor": "5000", "price_currency": "'EUR'"}
TWO: Final = "'{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}'"


def text(length: int) -> str:
    return f"repeat('x', {length})"


ALSO_SOUND: Final[list[tuple[str, dict[str, str]]]] = [
    ("appointment", {"contact_email": text(254), "contact_phone": "'+4930123'", "contact_locale": "'de'"}),
    ("appointment", {"contact_channels": "'{EMAIL,SMS}'", "notes": text(2000), "external_id": text(255)}),
    ("appointment", {"guest_origin": "'0123456789abcdef'::bytea", "ignored": "'{HOURS,GRID}'"}),
    ("appointment", {**LATE, **PRICED, "policy_late_fee_percent": "100"}),
    ("appointment", {**LATE, "policy_late_fee_minor": "1", "policy_late_fee_currency": "'EUR'"}),
    ("appointment", {**GONE, "cancellation_fee_minor": "0", "cancellation_fee_currency": "'EUR'"}),
    ("appointment", {"provider_ids": TWO, "named": "2", "resource_ids": "'{}'"}),
    ("appointment", {"session_id": ID, "seats": "1000"}),
    ("claim", {"appointment_id": "NULL", "hold_id": ID, "expires_at": "now()"}),
    ("claim", {"during": "tstzrange('2026-01-10 09:00Z', '2026-01-13 09:00Z')"}),
    ("customer", {"subject": text(255), "email": "'k@e'", "phone": "'+123'", "locale": "'de'"}),
    ("customer", {"made_by_staff": "true", "made_by_provider": ID, "channels": "'{SMS}'"}),
    ("appointment_history", {**CORRECTED, "is_readdressed": "true", "former_email": "'k@e'"}),
    ("appointment_history", {"assignment": "'PRIORITY'", "ignored": "'{GRID}'"}),
    ("event", {"version": "NULL", "actor": "'ADMIN'", "actor_subject": "'ann'"}),
]  # fmt: skip

REFUSED: Final[list[tuple[str, dict[str, str]]]] = [
    ("appointment", {"ends_at": "'2026-01-12 09:00Z'"}),
    ("appointment", {"version": "0", "time_version": "0"}),
    ("appointment", {"time_version": "0"}),
    ("appointment", {"time_version": "3"}),
    ("appointment", {"manage_generation": "-1"}),
    ("appointment", {"contact_name": text(0)}),
    ("appointment", {"contact_name": text(201)}),
    ("appointment", {"contact_email": text(2)}),
    ("appointment", {"contact_phone": "'030123'"}),
    ("appointment", {"contact_locale": text(36)}),
    ("appointment", {"contact_channels": "'{FAX}'"}),
    ("appointment", {"customer_time_zone": text(65)}),
    ("appointment", {"notes": text(2001)}),
    ("appointment", {"staff_notes": text(0)}),
    ("appointment", {"external_id": text(256)}),
    ("appointment", {"guest_origin": "'0123'::bytea"}),
    ("appointment", {**PRICED, "price_minor": "-1"}),
    ("appointment", {**PRICED, "price_currency": "'euro'"}),
    ("appointment", {"price_minor": "5000"}),
    ("appointment", {"policy_free_until_minutes_before": "1584001"}),
    ("appointment", {"policy_grace_minutes": "-1"}),
    ("appointment", {"policy_late_cancellation": "'MAYBE'"}),
    ("appointment", LATE),
    ("appointment", {**LATE, "policy_late_fee_minor": "-1", "policy_late_fee_currency": "'EUR'"}),
    ("appointment", {**LATE, "policy_late_fee_minor": "1", "policy_late_fee_currency": "'euro'"}),
    ("appointment", {**LATE, "policy_late_fee_minor": "1"}),
    ("appointment", {**LATE, **PRICED, "policy_late_fee_percent": "101"}),
    ("appointment", {**LATE, "policy_late_fee_percent": "50"}),
    ("appointment", {**PRICED, "policy_late_fee_percent": "50"}),
    ("appointment", {"cancelled_at": "now()"}),
    ("appointment", {"status": "'CANCELLED'"}),
    ("appointment", {**GONE, "cancellation_reason": text(501)}),
    ("appointment", {**GONE, "cancellation_fee_minor": "-1", "cancellation_fee_currency": "'EUR'"}),
    ("appointment", {**GONE, "cancellation_fee_minor": "1", "cancellation_fee_currency": "'euro'"}),
    ("appointment", {**GONE, "cancellation_fee_minor": "1"}),
    ("appointment", {"cancellation_fee_minor": "1", "cancellation_fee_currency": "'EUR'"}),
    ("appointment", {"provider_ids": TWO}),
    ("appointment", {"provider_ids": TWO, "named": "3", "resource_ids": "'{}'"}),
    ("appointment", {"provider_ids": TWO, "named": "1"}),
    ("appointment", {"provider_ids": TWO, "named": "1", "resource_ids": "'{}'", "provider_id": ID}),
    ("appointment", {"seats": "0"}),
    ("appointment", {"seats": "2"}),
    ("appointment", {"session_id": ID, "seats": "1001"}),
    ("appointment", {"ignored": "'{}'"}),
    ("appointment", {"ignored": "'{WEATHER}'"}),
    ("claim", {"unit": "0"}),
    ("claim", {"appointment_id": "NULL"}),
    ("claim", {"session_id": ID}),
    ("claim", {"appointment_id": "NULL", "hold_id": ID}),
    ("claim", {"expires_at": "now()"}),
    ("claim", {"during": "tstzrange('2026-01-12 09:00Z', '2026-01-12 10:00Z', '[]')"}),
    ("claim", {"during": "tstzrange('2026-01-12 08:00Z', '2026-01-12 10:00Z', '(]')"}),
    ("claim", {"visit": "tstzrange('2026-01-12 09:10Z', '2026-01-12 09:20Z', '(]')"}),
    ("claim", {"visit": "'empty'"}),
    ("claim", {"visit": "tstzrange('2026-01-12 09:00Z', '2026-01-12 10:01Z')"}),
    ("claim", {"during": "tstzrange('2026-01-09 09:00Z', '2026-01-12 10:00Z')"}),
    ("claim", {"during": "tstzrange('2026-01-12 08:59:30Z', '2026-01-12 10:00Z')"}),
    ("claim", {"during": "tstzrange('2026-01-12 09:00Z', '2026-01-12 10:00:01Z')"}),
    ("claim", {"visit": "tstzrange('2026-01-12 09:00:30Z', '2026-01-12 10:00Z')"}),
    ("claim", {"visit": "tstzrange('2026-01-12 09:00Z', '2026-01-12 09:30:30Z')"}),
    ("customer", {"subject": text(0)}),
    ("customer", {"name": text(201)}),
    ("customer", {"email": text(255)}),
    ("customer", {"phone": "'+12'"}),
    ("customer", {"time_zone": text(0)}),
    ("customer", {"locale": text(1)}),
    ("customer", {"channels": "'{FAX}'"}),
    ("customer", {"external_id": text(0)}),
    ("customer", {"made_by_provider": ID}),
    ("appointment_history", {"version": "2"}),
    ("appointment_history", {**CORRECTED, "version": "1"}),
    ("appointment_history", {**CORRECTED, "from_starts_at": "NULL"}),
    ("appointment_history", {**CORRECTED, "to_status": "'CANCELLED'"}),
    ("appointment_history", {**CORRECTED, "former_email": "'k@e'"}),
    ("appointment_history", {**CORRECTED, "former_phone": "'+123'"}),
    ("appointment_history", {"from_status": "'-'", "from_starts_at": "now()"}),
    ("appointment_history", {"actor": "'ROBOT'"}),
    ("appointment_history", {"assignment": "'DICE'"}),
    ("appointment_history", {"ignored": "'{}'"}),
    ("appointment_history", {"ignored": "'{SLEEP}'"}),
    ("event", {"type": "'booked'"}),
    ("event", {"version": "0"}),
    ("event", {"actor": "'ROBOT'"}),
    ("event", {"actor_subject": "'ann'"}),
]  # fmt: skip


async def refuses(connection: asyncpg.Connection, table: str, changes: Mapping[str, str]) -> bool:
    values = {**SOUND[table], **changes}
    assert values.keys() == SOUND[table].keys()
    named = ", ".join(f"{name} => {value}" for name, value in values.items())
    return await connection.fetchval(f"SELECT {table}_is_sound({named})") is False


async def test_a_sound_row_is_taken_and_each_fault_alone_is_refused(
    migrated: asyncpg.Connection,
) -> None:
    for table in SOUND:
        assert not await refuses(migrated, table, {})
    for table, changes in ALSO_SOUND:
        assert not await refuses(migrated, table, changes), (table, changes)
    for table, changes in REFUSED:
        assert await refuses(migrated, table, changes), (table, changes)


@pytest.mark.parametrize("table", SOUND)
async def test_every_row_is_checked_by_its_own_columns(
    migrated: asyncpg.Connection, table: str
) -> None:
    found = await migrated.fetchrow(
        """SELECT pg_get_constraintdef(pg_constraint.oid) AS text, convalidated, proargnames
        FROM pg_constraint
        JOIN pg_proc ON proname = $1 || '_is_sound'
        WHERE conname = $1 || '_sound' AND conrelid = $1::regclass""",
        table,
    )
    assert found is not None
    assert found["convalidated"]
    assert found["text"] == f"CHECK ({table}_is_sound({', '.join(found['proargnames'])}))"
