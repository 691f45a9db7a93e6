"""Busy sources, and the times and readings that they give. All writes are under the exclusive
lock of the subject's rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.core.busy import LONGEST_PIECE, BusyPiece, BusySource
from app.core.ids import BusySourceId, SubjectId
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from app.core.busy import WallInterval
    from app.core.ids import OrganizationId
    from app.core.zones import Interval, Minute
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

Subject = TypeVar("Subject", bound=SubjectId)

_SOURCES = query("busy_sources_of_subjects")
_BY_IDS = query("busy_sources_by_ids")
_BY_NAME = query("busy_source_by_name")
_AT = query("busy_sources_at")
_INSERT_SOURCE = query("insert_pushed_source")
_DELETE_SOURCE = query("delete_busy_source")
_PIECES = query("busy_pieces_in_window")
_FLOATING = query("floating_busy_pieces")
_TIMES = query("busy_times_of_sources")
_COUNT = query("count_busy_times")
_INSERT_TIMES = query("insert_busy_times")
_DELETE_TIMES = query("delete_busy_times")
_DELETE_ALL_TIMES = query("delete_busy_times_of_source")
_READINGS_OF_SUBJECT = query("busy_readings_of_subject")
_READINGS = query("busy_readings_of_source")
_INSERT_READINGS = query("insert_busy_readings")
_DELETE_READINGS = query("delete_busy_readings")


def _source(row: Record) -> BusySource:
    return BusySource(
        id=BusySourceId(row["id"]),
        subject_id=row["subject_id"],
        name=row["name"],
        url=row["url"],
        last_read_at=row["last_read_at"],
        failing_since=row["failing_since"],
        problem=row["problem"],
    )


def _piece(row: Record) -> BusyPiece:
    return BusyPiece(row["busy_from"], row["busy_until"], row["is_floating"])


# ---------------------------------------------------------------- sources


async def busy_sources_of_subjects(
    on: Executor, organization_id: OrganizationId, subject_ids: Sequence[Subject]
) -> dict[Subject, list[BusySource]]:
    """The sources of each subject that has some, by name."""
    found: dict[Subject, list[BusySource]] = {}
    for row in await _SOURCES.many(on, organization_id, subject_ids):
        subject_id: Subject = row["subject_id"]
        found.setdefault(subject_id, []).append(_source(row))
    return found


async def busy_sources_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[BusySourceId]
) -> dict[BusySourceId, BusySource]:
    """Those that exist."""
    rows = await _BY_IDS.many(on, organization_id, ids)
    return {BusySourceId(row["id"]): _source(row) for row in rows}


async def busy_source_by_name(
    on: Executor, organization_id: OrganizationId, subject_id: SubjectId, name: str
) -> BusySource | None:
    """The subject's source of this name."""
    row = await _BY_NAME.maybe(on, organization_id, subject_id, name)
    return None if row is None else _source(row)


async def busy_sources_at(
    on: Executor, organization_id: OrganizationId, asked: Mapping[Subject, Interval]
) -> dict[Subject, BusySource]:
    """The first source, by name, that keeps each subject busy in its interval, where one does."""
    found: dict[Subject, BusySource] = {}
    for row in await _AT.many(
        on,
        organization_id,
        list(asked),
        [begin for begin, _ in asked.values()],
        [end for _, end in asked.values()],
        LONGEST_PIECE,
    ):
        subject_id: Subject = row["subject_id"]
        found.setdefault(subject_id, _source(row))
    return found


async def insert_pushed_source(
    tx: Transaction, organization_id: OrganizationId, source: BusySource, now: datetime
) -> None:
    """A new source of times that are pushed."""
    await _INSERT_SOURCE.exec(tx, organization_id, source.id, source.subject_id, source.name, now)


async def delete_busy_source(
    tx: Transaction, organization_id: OrganizationId, source: BusySource
) -> list[BusyPiece]:
    """Delete it with all that it gave. Returns the pieces that it had."""
    subject_id = source.subject_id
    await _DELETE_READINGS.exec(tx, organization_id, subject_id, source.id)
    rows = await _DELETE_ALL_TIMES.many(tx, organization_id, subject_id, source.id)
    await _DELETE_SOURCE.exec(tx, organization_id, source.id)
    return [_piece(row) for row in rows]


# ---------------------------------------------------------------- times


async def busy_pieces(
    on: Executor, organization_id: OrganizationId, source: BusySource, window: Interval
) -> list[BusyPiece]:
    """The pieces of a source that overlap or touch the window; of a feed also all that come of
    readings.
    """
    rows = await _PIECES.many(
        on, organization_id, source.subject_id, source.id, *window, LONGEST_PIECE
    )
    if source.url is not None:
        rows += await _FLOATING.many(on, organization_id, source.subject_id, source.id)
    return [_piece(row) for row in rows]


async def floating_pieces(
    on: Executor,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    source_id: BusySourceId,
) -> list[BusyPiece]:
    """The pieces of a source that come of readings."""
    rows = await _FLOATING.many(on, organization_id, subject_id, source_id)
    return [_piece(row) for row in rows]


async def busy_times_of_sources(
    on: Executor,
    organization_id: OrganizationId,
    sources: Sequence[tuple[SubjectId, BusySourceId]],
    first: Minute,
    until: Minute,
) -> dict[BusySourceId, list[Interval]]:
    """The pieces of each source, named with its subject, that overlap `[first, until)`, in
    order.
    """
    found: dict[BusySourceId, list[Interval]] = {source_id: [] for _, source_id in sources}
    for row in await _TIMES.many(
        on,
        organization_id,
        list({subject_id for subject_id, _ in sources}),
        list(found),
        first,
        until,
        LONGEST_PIECE,
    ):
        found[BusySourceId(row["source_id"])].append((row["busy_from"], row["busy_until"]))
    return found


async def count_busy_times(
    on: Executor, organization_id: OrganizationId, source: BusySource
) -> int:
    """How many pieces a source has."""
    row = await _COUNT.one(on, organization_id, source.subject_id, source.id)
    pieces: int = row["pieces"]
    return pieces


async def write_busy_times(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    source_id: BusySourceId,
    *,
    added: Sequence[BusyPiece],
    removed: Sequence[BusyPiece],
) -> None:
    """Delete some pieces of a source, then insert others."""
    if removed:
        await _DELETE_TIMES.exec(
            tx,
            organization_id,
            subject_id,
            source_id,
            [each.busy_from for each in removed],
            [each.is_floating for each in removed],
        )
    if added:
        await _INSERT_TIMES.exec(
            tx,
            organization_id,
            source_id,
            [each.busy_from for each in added],
            [each.busy_until for each in added],
            [each.is_floating for each in added],
        )


# ---------------------------------------------------------------- readings


async def busy_readings_of_subject(
    on: Executor, organization_id: OrganizationId, subject_id: SubjectId
) -> dict[BusySourceId, list[WallInterval]]:
    """The readings of each source of the subject that has some."""
    found: dict[BusySourceId, list[WallInterval]] = {}
    for row in await _READINGS_OF_SUBJECT.many(on, organization_id, subject_id):
        readings = found.setdefault(BusySourceId(row["source_id"]), [])
        readings.append((row["from_wall"], row["until_wall"]))
    return found


async def busy_readings(
    on: Executor, organization_id: OrganizationId, source: BusySource
) -> list[WallInterval]:
    """The readings of a source."""
    rows = await _READINGS.many(on, organization_id, source.subject_id, source.id)
    return [(row["from_wall"], row["until_wall"]) for row in rows]


async def replace_busy_readings(
    tx: Transaction,
    organization_id: OrganizationId,
    source: BusySource,
    readings: Collection[WallInterval],
) -> None:
    """Replace all readings of a source; they don't overlap."""
    await _DELETE_READINGS.exec(tx, organization_id, source.subject_id, source.id)
    if readings:
        in_order = sorted(readings)
        await _INSERT_READINGS.exec(
            tx,
            organization_id,
            source.id,
            [first for first, _ in in_order],
            [until for _, until in in_order],
        )
