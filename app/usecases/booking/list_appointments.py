"""List the caller's own appointments: a customer's, or all of the organization's for an
administrator. A provider's are looked up with those of other providers, in `look_ups`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.appointments import appointment_page
from app.store.appointments import count_appointments as count_stored

if TYPE_CHECKING:
    from app.core.appointment import Appointment, AppointmentFilter
    from app.core.keyset import Keyset
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def list_appointments(
    resources: Resources, viewer: Viewer, which: AppointmentFilter, keyset: Keyset
) -> list[Appointment]:
    """A page in the order of (starts_at, id); empty for callers who have no appointments."""
    if _has_none(viewer):
        return []
    whose = None if viewer.sees_all_appointments else viewer.customer_id
    return await appointment_page(resources.pool, viewer.organization_id, whose, which, keyset)


async def count_appointments(resources: Resources, viewer: Viewer, which: AppointmentFilter) -> int:
    """How many appointments that list holds in all."""
    if _has_none(viewer):
        return 0
    whose = None if viewer.sees_all_appointments else viewer.customer_id
    return await count_stored(resources.pool, viewer.organization_id, whose, which)


def _has_none(viewer: Viewer) -> bool:
    return viewer.customer_id is None and not viewer.sees_all_appointments
