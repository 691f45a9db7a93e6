"""Take a visit that was decided on: its time, or seats in the session that has the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.calendars import Owner, free_appointment_time, take_time
from app.store.sessions import (
    give_back_seats,
    insert_session,
    keep_session_time,
    leave_session,
    take_first_seats,
    take_seats,
    use_seats,
)

if TYPE_CHECKING:
    from app.core.appointment import Appointment
    from app.core.ids import ServiceId
    from app.core.seating import ActiveSession
    from app.store.pool import Transaction
    from app.store.sessions import Sitting
    from app.usecases.booking.lock_calendar import Sight
    from app.usecases.resources import Resources


async def take_visit(
    resources: Resources,
    tx: Transaction,
    sight: Sight,
    service_id: ServiceId | None,
    sitting: Sitting,
    *,
    kept: int = 0,
) -> bool:
    """Take it for the appointment or the hold, whose row waits to be written; False where others
    were faster. On False the transaction must roll back. So many seats are `kept`: those are not
    taken again.
    """
    if sight.joins is not None:
        return await _take_seats(resources, tx, sight, sight.joins, sitting, kept)
    owner = Owner(sitting.appointment_id, sitting.hold_id, expires_at=sitting.expires_at)
    if sight.session_id is not None and service_id is not None:
        owner = Owner(session_id=sight.session_id, expires_at=sitting.expires_at)
        insert_session(
            tx,
            sight.lock,
            sight.session_id,
            service_id,
            sight.providers,
            sight.resources,
            sight.claims,
            sight.now,
        )
        take_first_seats(
            tx,
            sight.lock,
            sight.session_id,
            sight.lead,
            sitting,
            sight.seats,
            new_id=resources.new_id,
        )
    return await take_time(
        tx,
        sight.lock,
        sight.claims,
        owner,
        existing=sight.existing,
        now=sight.now,
        new_id=resources.new_id,
    )


async def _take_seats(
    resources: Resources,
    tx: Transaction,
    sight: Sight,
    session: ActiveSession,
    sitting: Sitting,
    kept: int,
) -> bool:
    organization_id = sight.lock.organization_id
    if sight.held is None or sitting.appointment_id is None:
        return await take_seats(
            tx,
            sight.lock,
            session,
            sitting,
            sight.seats - kept,
            of=sight.seats_now,
            now=sight.now,
            new_id=resources.new_id,
        )
    is_kept = await keep_session_time(tx, organization_id, session, None)
    used = await use_seats(tx, organization_id, sight.held, sitting.appointment_id)
    return is_kept and used == sight.seats


async def give_back(
    tx: Transaction, sight: Sight, appointment: Appointment, sitting: Sitting
) -> int:
    """Give back what a moving appointment has, before it takes what is in sight. In its own session
    it keeps the seats that it still needs, even where the service has fewer by now: how many.
    """
    organization_id, session_id = sight.lock.organization_id, appointment.session_id
    if session_id is None:
        await free_appointment_time(tx, sight.lock, appointment.id)
    elif session_id == sight.session_id:
        kept = min(appointment.seats, sight.seats)
        await give_back_seats(tx, organization_id, appointment.id, kept=kept)
        return kept
    else:
        await leave_session(tx, organization_id, session_id, sitting, sight.now)
    return 0
