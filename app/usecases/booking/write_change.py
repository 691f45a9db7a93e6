"""What a cancellation or a move writes besides the time: the same both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.booking import visit_of
from app.core.changes import AppointmentChangeKind
from app.core.events import Author
from app.core.lifecycle import cancelled, moved
from app.core.zones import instant_of
from app.store.appointments import update_appointment
from app.store.subjects import replace_subjects
from app.usecases.booking.limit_guests import counted_origin
from app.usecases.events.record import record_change

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.changes import AppointmentChanged
    from app.core.lifecycle import Actor, Cancellation
    from app.core.viewer import Viewer
    from app.store.idempotency import RequestKey
    from app.store.pool import Writes
    from app.usecases.booking.lock_calendar import Sight
    from app.usecases.resources import Resources


def write_cancellation(
    resources: Resources,
    viewer: Viewer,
    writes: Writes,
    before: Appointment,
    decision: Cancellation,
    actor: Actor,
    *,
    reason: str | None,
    now: datetime,
) -> tuple[Appointment, AppointmentChanged]:
    """All but the time, to be written with the next statement."""
    organization_id = viewer.organization_id
    after = cancelled(before, decision, reason=reason, now=now)
    update_appointment(writes, organization_id, after)
    changed = record_change(
        resources,
        writes,
        organization_id,
        before,
        after,
        AppointmentChangeKind.CANCELLED,
        author=_author(resources, viewer, actor),
        now=now,
        reason=reason,
    )
    return after, changed


def write_move(
    resources: Resources,
    viewer: Viewer,
    writes: Writes,
    key: RequestKey,
    before: Appointment,
    sight: Sight,
    actor: Actor,
    *,
    reminders: Sequence[int],
) -> tuple[Appointment, AppointmentChanged]:
    """All but the time, to be written with it in one statement."""
    organization_id = viewer.organization_id
    start, end = visit_of(sight.claims)
    after = moved(
        before,
        instant_of(start),
        instant_of(end),
        providers=sight.providers,
        named=sight.named,
        resources=sight.resources,
        session_id=sight.session_id,
        seats=sight.seats,
        ignored=sight.ignored,
    )
    update_appointment(writes, organization_id, after)
    replace_subjects(writes, organization_id, before, after, sight.claims, sight.now)
    changed = record_change(
        resources,
        writes,
        organization_id,
        before,
        after,
        AppointmentChangeKind.RESCHEDULED,
        author=_author(resources, viewer, actor),
        now=sight.now,
        key=key,
        assignment=sight.assignment,
        ignored=sight.ignored,
        reminders=reminders,
    )
    return after, changed


def _author(resources: Resources, viewer: Viewer, actor: Actor) -> Author:
    return Author(actor=actor, subject=viewer.subject, origin=counted_origin(resources, viewer))
