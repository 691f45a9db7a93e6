"""List the stranded appointments: what somebody has to move or cancel. Reception and administrators
see all, a provider those that take them.

An organization may have very many appointments to come, and few of them are stranded. So the list
goes through them in stretches of about `STRETCH`, by start. Of each stretch it reads only when the
visits of each subject are, for which services, and on which units. Then it reads the appointments
of those subjects alone who may be the reason why one is stranded, `BATCH` at a time, until the page
is full.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from app.core.ids import AppointmentId
from app.core.keyset import Keyset
from app.core.stranded import may_be_stranded, stranded_among
from app.store.appointments import appointments_by_ids
from app.store.pool import snapshot
from app.store.stranded import (
    end_of_stretch,
    load_practice,
    load_practice_of,
    visits_by_subject,
    visits_of_subject,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app.core.appointment import Appointment
    from app.core.ids import OrganizationId, ProviderId, SubjectId
    from app.core.stranded import BookedVisit
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

STRETCH: Final = 5_000
"""How many appointments, of any state, one stretch has; more only where many start at its end."""

BATCH: Final = 200
"""How many appointments one statement reads."""

Key: TypeAlias = "tuple[datetime, AppointmentId]"

_END_OF_TIME: Final = datetime(3001, 1, 1, tzinfo=UTC)
"""After the last supported date."""

_MOMENT: Final = timedelta(microseconds=1)
"""The smallest difference between two instants."""

FIRST_ID: Final = AppointmentId(UUID(int=0))
LAST_ID: Final = AppointmentId(UUID(int=2**128 - 1))


async def list_stranded(
    resources: Resources,
    viewer: Viewer,
    provider_ids: Sequence[ProviderId] | None,
    keyset: Keyset,
) -> list[Appointment]:
    """A page in the order of (starts_at, id), of those that take any of these providers (None: of
    all). Empty for callers who see none.
    """
    seen = _seen(viewer, provider_ids)
    if seen is not None and not seen:
        return []
    keys: list[Key] = []
    async with snapshot(resources.pool) as tx:
        async for found in _stranded(resources, tx, viewer.organization_id, seen, keyset):
            keys += found
            if len(keys) >= keyset.limit:
                break
        ids = [each for _, each in keys[: keyset.limit]]
        appointments = await appointments_by_ids(tx, viewer.organization_id, ids)
    return [appointments[each] for each in ids]


async def count_stranded(
    resources: Resources, viewer: Viewer, provider_ids: Sequence[ProviderId] | None
) -> int:
    """How many appointments that list holds in all. It goes through every appointment to come."""
    seen = _seen(viewer, provider_ids)
    if seen is not None and not seen:
        return 0
    count = 0
    async with snapshot(resources.pool) as tx:
        # No stretch has as many.
        everything = Keyset(limit=2**31)
        async for found in _stranded(resources, tx, viewer.organization_id, seen, everything):
            count += len(found)
    return count


def _seen(viewer: Viewer, provider_ids: Sequence[ProviderId] | None) -> Sequence[ProviderId] | None:
    """Those of the providers whose appointments the caller sees; None: all."""
    if viewer.sees_all_appointments:
        return provider_ids
    own = viewer.provider_id
    return [] if own is None or (provider_ids is not None and own not in provider_ids) else [own]


async def _stranded(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    provider_ids: Sequence[ProviderId] | None,
    keyset: Keyset,
) -> AsyncIterator[list[Key]]:
    """The stranded ones of one stretch after the other, in the keyset's order: of each stretch at
    least the first `limit`.
    """
    low = now = resources.clock()
    high = _END_OF_TIME
    if keyset.after is not None:
        # Others that start together with the cursor's may follow it.
        low = max(now, _start_of(keyset.after) - _MOMENT)
    if keyset.before is not None:
        high = _start_of(keyset.before)
    alone = provider_ids[0] if provider_ids is not None and len(provider_ids) == 1 else None
    while low < high:
        edge = None
        if alone is None:
            edge = await end_of_stretch(
                tx, organization_id, low, high, others=STRETCH, backward=keyset.backward
            )
        first, last = low, high
        if edge is not None and keyset.backward:
            first = high = edge - _MOMENT
        elif edge is not None:
            last = low = edge
        if alone is None:
            reasons = await _reasons(tx, organization_id, first, last)
        else:
            reasons = [alone]
        page = _within(keyset, first, last)
        found: set[Key] = set()
        for subject_id in reasons:
            found |= await _of_subject(tx, organization_id, subject_id, provider_ids, page, now)
        yield sorted(found, reverse=keyset.backward)
        if edge is None:
            return


async def _reasons(
    tx: Transaction, organization_id: OrganizationId, first: datetime, last: datetime
) -> list[SubjectId]:
    """The subjects because of whom visits may be stranded that start after `first` and not after
    `last`; nobody else is a reason.
    """
    visits = await visits_by_subject(tx, organization_id, first, last)
    if not visits:
        return []
    practice = await load_practice(
        tx,
        organization_id,
        (each.subject_id for each in visits),
        (service_id for each in visits for service_id in each.service_ids),
        (
            min(minute for each in visits for minute in each.visits_from),
            max(minute for each in visits for minute in each.visits_until),
        ),
    )
    return [each.subject_id for each in visits if may_be_stranded(each, practice)]


async def _of_subject(
    tx: Transaction,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    provider_ids: Sequence[ProviderId] | None,
    page: Keyset,
    now: datetime,
) -> set[Key]:
    """The stranded ones of the page that take this subject, and any of the providers: at least the
    first `limit`.
    """
    found: set[Key] = set()
    keyset = replace(page, limit=BATCH)
    while True:
        visits = await visits_of_subject(tx, organization_id, subject_id, keyset, now)
        practice = await load_practice_of(tx, organization_id, visits)
        stranded = stranded_among(visits, practice)
        found |= {
            (each.starts_at, each.appointment_id)
            for each in visits
            if each.appointment_id in stranded and _takes(each, provider_ids)
        }
        if len(visits) < BATCH or len(found) >= page.limit:
            return found
        reached = (visits[-1].starts_at, visits[-1].appointment_id)
        keyset = (
            replace(keyset, before=reached) if page.backward else replace(keyset, after=reached)
        )


def _takes(visit: BookedVisit, provider_ids: Sequence[ProviderId] | None) -> bool:
    return provider_ids is None or any(each in provider_ids for each, _ in visit.units)


def _within(keyset: Keyset, first: datetime, last: datetime) -> Keyset:
    """The part of the keyset that starts after `first` and not after `last`."""
    after: tuple[object, ...] = (first, LAST_ID)
    before: tuple[object, ...] = (last + _MOMENT, FIRST_ID)
    if keyset.after is not None and _start_of(keyset.after) > first:
        after = keyset.after
    if keyset.before is not None and _start_of(keyset.before) <= last:
        before = keyset.before
    return replace(keyset, after=after, before=before)


def _start_of(key: tuple[object, ...]) -> datetime:
    start = key[0]
    assert isinstance(start, datetime)  # noqa: S101  the first of what this list is ordered by
    return start
