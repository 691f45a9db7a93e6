"""List the stranded appointments: what somebody has to move or cancel. Reception and administrators
see all, a provider those that take them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.keyset import Keyset
from app.core.stranded import stranded_among
from app.store.appointments import appointments_by_ids
from app.store.pool import snapshot
from app.store.stranded import load_practice, visits_to_come

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app.core.appointment import Appointment
    from app.core.ids import AppointmentId, OrganizationId, ProviderId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

BATCH: Final = 500
"""How many appointments to come one statement reads."""


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
    ids: list[AppointmentId] = []
    async with snapshot(resources.pool) as tx:
        async for batch in _stranded(resources, tx, viewer.organization_id, seen, keyset):
            ids += batch
            if len(ids) >= keyset.limit:
                break
        del ids[keyset.limit :]
        found = await appointments_by_ids(tx, viewer.organization_id, ids)
    return [found[each] for each in ids]


async def count_stranded(
    resources: Resources, viewer: Viewer, provider_ids: Sequence[ProviderId] | None
) -> int:
    """How many appointments that list holds in all. It looks at every appointment to come."""
    seen = _seen(viewer, provider_ids)
    if seen is not None and not seen:
        return 0
    count = 0
    async with snapshot(resources.pool) as tx:
        whole = Keyset(limit=BATCH)
        async for batch in _stranded(resources, tx, viewer.organization_id, seen, whole):
            count += len(batch)
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
) -> AsyncIterator[list[AppointmentId]]:
    """The stranded ones of each batch of appointments to come, in the keyset's order."""
    now = resources.clock()
    after, before = keyset.after, keyset.before
    while True:
        batch = Keyset(limit=BATCH, backward=keyset.backward, after=after, before=before)
        visits = await visits_to_come(tx, organization_id, batch, now, provider_ids=provider_ids)
        practice = await load_practice(tx, organization_id, visits)
        stranded = stranded_among(visits, practice)
        yield [each.appointment_id for each in visits if each.appointment_id in stranded]
        if len(visits) < BATCH:
            return
        reached = (visits[-1].starts_at, visits[-1].appointment_id)
        after, before = (after, reached) if keyset.backward else (reached, before)
