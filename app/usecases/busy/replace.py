"""Replace what a source says, pushed or read from a feed. Only differences are written, under the
exclusive lock of the subject: a booking that runs meanwhile was decided before, and every later one
sees the new times. Where nothing differs, nothing is written, locked, recorded or published.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from app.core.busy import (
    KEPT_DAYS,
    MOST_PIECES,
    BusyTimes,
    change_of_pieces,
    changes_to_publish,
    merge_readings,
)
from app.core.changes import PracticeChanged
from app.core.ids import ProviderId, ResourceId
from app.core.refusals import InvalidInput, NotFound
from app.core.sentences import say
from app.core.zones import minute_of
from app.store.busy import (
    busy_pieces,
    busy_readings,
    busy_readings_of_subject,
    busy_sources_by_ids,
    count_busy_times,
    floating_pieces,
    replace_busy_readings,
    write_busy_times,
)
from app.store.calendars import time_zones
from app.store.locks import lock_rules
from app.store.providers import providers_by_ids
from app.usecases.events.record import provider_changed, record_events, resource_changed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.busy import BusyChange, BusySource, WallInterval
    from app.core.changes import RulesChanged, TimeChanged
    from app.core.events import Author, Happening
    from app.core.ids import OrganizationId, SubjectId
    from app.core.zones import Interval, Minute
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

Published: TypeAlias = "tuple[TimeChanged | RulesChanged | PracticeChanged, ...]"


async def replace_busy(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    source: BusySource,
    said: BusyTimes,
    *,
    author: Author,
) -> Published | InvalidInput | NotFound:
    """Make the source say this about its window, and record that the subject changed. Returns what
    to publish after the commit: nothing where nothing changed.

    Refused, and the transaction rolled back, if the source has too many times then, or if it was
    removed meanwhile. A caller that has locked the row of the source would wait in a circle with
    `remove_busy_source`: change the row after this.
    """
    now = resources.clock()
    if not (await _difference(tx, organization_id, source, said, now)).is_any:
        return ()
    await lock_rules(tx, organization_id, [source.subject_id])
    now = resources.clock()
    # Others may have written while this waited for the lock.
    if source.id not in await busy_sources_by_ids(tx, organization_id, [source.id]):
        tx.roll_back()
        return NotFound(what="busy source")
    found = await _difference(tx, organization_id, source, said, now)
    if not found.is_any:
        return ()
    if found.readings is not None:
        await replace_busy_readings(tx, organization_id, source, found.readings)
    await write_busy_times(
        tx,
        organization_id,
        source.subject_id,
        source.id,
        added=found.change.added,
        removed=found.change.removed,
    )
    if found.change.added and await count_busy_times(tx, organization_id, source) > MOST_PIECES:
        tx.roll_back()
        return InvalidInput(
            field="busy",
            message=say("A source can have at most {most} times.", most=MOST_PIECES),
        )
    return await record_busy(
        resources,
        tx,
        organization_id,
        source.subject_id,
        found.zone,
        found.change.changed,
        author=author,
        now=now,
    )


async def record_busy(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    zone: str,
    changed: Sequence[Interval],
    *,
    author: Author,
    now: datetime,
) -> Published:
    """Record that the subject became busy, or is busy no more, at these times. Returns what to
    publish.
    """
    happening = await _subject_changed(tx, organization_id, subject_id)
    record_events(resources, tx, organization_id, [happening], author=author, now=now)
    return (
        *changes_to_publish(organization_id, subject_id, zone, changed),
        PracticeChanged(organization_id=organization_id),
    )


async def refloat_busy(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    zone: str,
    now: datetime,
) -> None:
    """Compute again what comes of readings where the subject's zone changes to this one. Under the
    exclusive lock of the subject's rules.
    """
    every = await busy_readings_of_subject(tx, organization_id, subject_id)
    for source_id, readings in every.items():
        change = change_of_pieces(
            await floating_pieces(tx, organization_id, subject_id, source_id),
            BusyTimes(window=(0, 0), times=(), readings=readings),
            zone,
            kept_from=kept_from(now),
        )
        await write_busy_times(
            tx,
            organization_id,
            subject_id,
            source_id,
            added=change.added,
            removed=change.removed,
        )


def kept_from(now: datetime) -> Minute:
    """Busy times that end before this minute are neither written nor changed any more."""
    return minute_of(now - timedelta(days=KEPT_DAYS))


class _Difference(NamedTuple):
    """Between what is stored and what a source says, in the subject's zone. `readings` are all new
    ones, None where they stay.
    """

    zone: str
    change: BusyChange
    readings: frozenset[WallInterval] | None

    @property
    def is_any(self) -> bool:
        return bool(self.change.added or self.change.removed) or self.readings is not None


async def _difference(
    tx: Transaction,
    organization_id: OrganizationId,
    source: BusySource,
    said: BusyTimes,
    now: datetime,
) -> _Difference:
    oldest = kept_from(now)
    zone = (await time_zones(tx, organization_id, [source.subject_id]))[source.subject_id]
    stored = await busy_pieces(tx, organization_id, source, said.window)
    readings: frozenset[WallInterval] | None = None
    if source.url is not None:
        readings = merge_readings(said.readings, kept_from=oldest)
        before = await busy_readings(tx, organization_id, source)
        if readings == merge_readings(before, kept_from=oldest):
            readings = None
    change = change_of_pieces(stored, said, zone, kept_from=oldest)
    return _Difference(zone, change, readings)


async def _subject_changed(
    tx: Transaction, organization_id: OrganizationId, subject_id: SubjectId
) -> Happening:
    provider_id = ProviderId(subject_id)
    if provider_id in await providers_by_ids(tx, organization_id, [provider_id]):
        return provider_changed(provider_id)
    return resource_changed(ResourceId(subject_id))
