"""Find an appointment: by its id, for those who may see it. Reading never changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.identity.manage import GOOD_AFTER_END

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.core.appointment import Appointment
    from app.core.ids import AppointmentId
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


async def find_appointment(
    resources: Resources,
    viewer: Viewer,
    appointment_id: AppointmentId,
    *,
    manage_token: str | None,
    load: Callable[[AppointmentId], Awaitable[Appointment | None]],
) -> Appointment | None:
    """The appointment, if the viewer or the manage token opens it; None for all others alike."""
    appointment = await load(appointment_id)
    if appointment is None:
        return None
    opened = viewer.manages
    if manage_token is not None:
        claims = resources.manage_tokens.verify(manage_token)
        if claims is not None and claims.organization_id == viewer.organization_id:
            opened = claims.link
    if viewer.manages is None and viewer.sees(appointment):
        return appointment
    is_good = resources.real_clock() <= appointment.ends_at + GOOD_AFTER_END
    return appointment if opened and opened.opens(appointment) and is_good else None
