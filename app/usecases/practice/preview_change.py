"""Preview a change: a dry run reads, decides and refuses as the change itself does, from one
snapshot, and then says what it would do. It takes no lock and writes nothing.

Every edit computes its `Change` before it writes. A real run then writes it, a dry run gives it to
`preview_change`.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core.keyset import Keyset
from app.core.stranded import (
    MOST_SHOWN,
    Change,
    ChangePreview,
    minutes_changed,
    open_minutes,
    preview_span,
    stranded_among,
)
from app.core.zones import instant_of
from app.store.appointments import appointments_by_ids
from app.store.pool import snapshot, transaction
from app.store.stranded import load_practice_of, load_states, visits_of_subject

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from app.core.ids import AppointmentId, OrganizationId, SubjectId
    from app.core.viewer import Viewer
    from app.core.zones import Interval
    from app.store.pool import Pool, Transaction
    from app.usecases.resources import Resources

BATCH: Final = 500
"""How many appointments one statement reads."""

NO_ID: Final = UUID(int=0)
"""Comes before every id."""


def editing(pool: Pool, *, dry_run: bool) -> AbstractAsyncContextManager[Transaction]:
    """The transaction of a change; for a dry run a snapshot, on which locks are not taken."""
    return snapshot(pool) if dry_run else transaction(pool)


async def preview_change(
    resources: Resources, tx: Transaction, viewer: Viewer, change: Change
) -> ChangePreview:
    """What the change would do, by what the snapshot shows.

    The number of statements grows with the appointments to come of the subjects that it changes,
    or takes away from the service: each reads `BATCH` of them at most. An exception or time off
    reads those around its dates.
    """
    organization_id, now = viewer.organization_id, resources.clock()
    gained, lost = await _minutes(tx, organization_id, change, preview_span(now))
    stranded: set[tuple[datetime, AppointmentId]] = set()
    for subject_id in sorted(change.strands):
        stranded |= await _newly_stranded(tx, organization_id, subject_id, change, now)
    shown = [each for _, each in nsmallest(MOST_SHOWN, stranded)]
    found = await appointments_by_ids(tx, organization_id, shown)
    return ChangePreview(
        open_minutes_gained=gained,
        open_minutes_lost=lost,
        stranded_count=len(stranded),
        stranded=tuple(found[each] for each in shown),
    )


async def _minutes(
    tx: Transaction, organization_id: OrganizationId, change: Change, span: Interval
) -> tuple[int, int]:
    gained = lost = 0
    states = await load_states(tx, organization_id, change.subjects, span)
    for subject_id, edit in change.subjects.items():
        more, less = minutes_changed(states[subject_id], edit(states[subject_id]), span)
        gained, lost = gained + more, lost + less
    service = change.service
    if service is not None:
        states = await load_states(tx, organization_id, service.joining | service.leaving, span)
        gained += sum(open_minutes(states[each], span) for each in service.joining)
        lost += sum(open_minutes(states[each], span) for each in service.leaving)
    return gained, lost


async def _newly_stranded(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    change: Change,
    now: datetime,
) -> set[tuple[datetime, AppointmentId]]:
    """Of the appointments that take this subject."""
    found: set[tuple[datetime, AppointmentId]] = set()
    keyset = Keyset(limit=BATCH)
    if change.within is not None:
        first, until = map(instant_of, change.within)
        keyset = replace(keyset, after=(first, NO_ID), before=(until, NO_ID))
    while True:
        visits = await visits_of_subject(tx, organization_id, subject_id, keyset, now)
        practice = await load_practice_of(tx, organization_id, visits)
        new = stranded_among(visits, change.applied(practice)) - stranded_among(visits, practice)
        found |= {
            (each.starts_at, each.appointment_id) for each in visits if each.appointment_id in new
        }
        if len(visits) < BATCH:
            return found
        keyset = replace(keyset, after=(visits[-1].starts_at, visits[-1].appointment_id))
