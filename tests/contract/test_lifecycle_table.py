"""The table of transitions is the same in the core, in the database and in the published law."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest

from app.core.appointment import AppointmentStatus
from app.core.changes import AppointmentChangeKind
from app.core.lifecycle import TRANSITIONS, Actor

ROOT = Path(__file__).parents[2]

STATUSES = {each.value for each in AppointmentStatus}


async def test_the_database_knows_the_same_statuses(migrated: asyncpg.Connection) -> None:
    text = await migrated.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'appointment_status_known'"
    )
    assert set(re.findall(r"'([^']*)'::text", text)) == STATUSES


async def lists_in(connection: asyncpg.Connection, function: str) -> list[set[str]]:
    """The lists of words in the function of a constraint."""
    text = await connection.fetchval("SELECT prosrc FROM pg_proc WHERE proname = $1", function)
    assert text is not None, function
    return [set(re.findall("'([^']*)'", each)) for each in re.findall(r"ARRAY\[([^]]*)\]", text)]


async def test_the_database_knows_the_same_authors(migrated: asyncpg.Connection) -> None:
    actors = {each.value for each in Actor}
    staff = {each.value for each in Actor if each.is_providers_side}
    assert actors in await lists_in(migrated, "appointment_history_is_sound")
    assert await lists_in(migrated, "event_is_sound") == [actors, staff]


async def test_the_history_holds_the_transitions_of_the_table_and_no_others(
    migrated: asyncpg.Connection,
) -> None:
    stored, *_ = await lists_in(migrated, "appointment_history_is_sound")
    assert stored == {f"{each.kind} {each.source or '-'} {each.target}" for each in TRANSITIONS}


@pytest.mark.parametrize(
    ("column", "word"), [("kind", "MOVED"), ("from_status", "OPEN"), ("to_status", "OPEN")]
)
async def test_the_history_knows_no_word_but_those_of_the_table(
    migrated: asyncpg.Connection, column: str, word: str
) -> None:
    row = {"kind": "CANCELLED", "from_status": "CONFIRMED", "to_status": "CANCELLED", column: word}
    with pytest.raises(asyncpg.CheckViolationError):
        await migrated.execute(
            """INSERT INTO appointment_history (organization_id, appointment_id, version, kind,
                occurred_at, actor, from_status, to_status, from_starts_at, to_starts_at)
            VALUES (gen_random_uuid(), gen_random_uuid(), 2, $1, now(), 'GUEST', $2, $3, now(), now())""",
            *row.values(),
        )


def test_the_published_law_has_the_same_table() -> None:
    text = (ROOT / "docs" / "scheduling-law.md").read_text(encoding="utf-8")
    section = text.split("## The life of an appointment")[1].split("\n## ")[0]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in section.splitlines()
        if line.startswith("|")
    ][2:]
    assert rows == [
        (each.kind.value, each.source.value if each.source else "–", each.target.value, each.period)
        for each in TRANSITIONS
    ]


def test_nothing_leaves_cancelled_and_every_state_can_be_reached() -> None:
    assert {each.source for each in TRANSITIONS} == {None, *AppointmentStatus}
    gone = AppointmentStatus.CANCELLED
    assert {each.target for each in TRANSITIONS if each.source is gone} == {gone}
    assert {each.target for each in TRANSITIONS} == set(AppointmentStatus)
    assert {each.kind for each in TRANSITIONS} == set(AppointmentChangeKind)
