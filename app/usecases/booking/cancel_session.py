"""Cancel a session: every appointment in it at the provider's side, and its holds. Its time is free
at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from app.core.changes import AppointmentChangeKind
from app.core.events import Author, EventType
from app.core.lifecycle import Cancellation, cancelled
from app.core.refusals import (
    InvalidInput,
    NotAllowed,
    NotCancellable,
    NotFound,
)
from app.core.session import Session
from app.core.validation import valid_reason
from app.store.appointments import update_appointment
from app.store.calendars import claims_of_session
from app.store.holds import end_holds
from app.store.session_changes import end_session
from app.usecases.booking.lock_calendar import Retry, lock_time, times_changed
from app.usecases.booking.open_session import (
    STAFF_ONLY,
    WRITTEN_AT_ONCE,
    ChangedSession,
    change_session,
    lock_everybody,
    lock_session_of,
    see_session,
)
from app.usecases.events.publish import change_for_retry
from app.usecases.events.record import (
    hold_ended,
    record_changes,
    record_events,
    session_changed,
)

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.core.ids import SessionId
    from app.core.lifecycle import Actor
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.booking.lock_calendar import OwnTime
    from app.usecases.booking.open_session import Everybody
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCancellationForm:
    """A cancellation as typed. Every customer reads the reason."""

    session_id: SessionId
    reason: str | None


Refusal: TypeAlias = NotCancellable | InvalidInput | NotAllowed | NotFound


async def cancel_session(
    resources: Resources, viewer: Viewer, form: SessionCancellationForm
) -> Session | Refusal:
    """Cancel it for everybody, or say why not. A session that is already cancelled is returned
    unchanged. A concurrent joiner is cancelled too, or finds the session gone.
    """
    reason = valid_reason(form.reason)
    if isinstance(reason, InvalidInput):
        return reason
    if not viewer.is_staff:
        return STAFF_ONLY
    attempt = partial(_cancel, resources, viewer, session_id=form.session_id, reason=reason)
    return await change_session(resources, attempt)


async def _cancel(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    session_id: SessionId,
    reason: str | None,
) -> ChangedSession | Refusal | Retry:
    organization_id = viewer.organization_id
    seen = await see_session(resources, viewer, tx, session_id)
    if isinstance(seen, NotFound):
        return seen
    _, actor = seen
    everybody = await lock_everybody(tx, organization_id, session_id)
    claims = await claims_of_session(tx, organization_id, session_id)
    own = await lock_time(resources, tx, organization_id, claims)
    session = await lock_session_of(resources, tx, organization_id, session_id, everybody, own)
    if isinstance(session, Retry):
        return session
    if session.is_cancelled:
        again = change_for_retry(organization_id, session)
        return ChangedSession(session=session, changes=(again,))
    now = resources.clock()
    reason_against = everybody.why_not_change(session, now)
    if reason_against is not None:
        return NotCancellable(reason=reason_against)
    # Of those that have expired, the sweep records the end.
    unexpired = tuple(hold for hold in everybody.holds if hold.is_active_at(now))
    everybody = replace(everybody, holds=unexpired)
    own = replace(own, now=now)
    return await _write(resources, viewer, tx, session, actor, everybody, own, reason)


async def _write(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    session: Session,
    actor: Actor,
    everybody: Everybody,
    own: OwnTime,
    reason: str | None,
) -> ChangedSession:
    organization_id, now = viewer.organization_id, own.now
    author = Author(actor=actor, subject=viewer.subject)
    await end_session(tx, own.lock, session.id, now)
    end_holds(tx, organization_id, [hold.id for hold in everybody.holds], now)
    after = replace(
        session, seats_taken=0, ended_at=now, is_cancelled=True, version=session.version + 1
    )
    also = [
        session_changed(EventType.SESSION_CANCELLED, after),
        *(hold_ended(hold) for hold in everybody.holds),
    ]
    # At the provider's side it costs nobody anything.
    pairs = [
        (each, cancelled(each, Cancellation(fee=None), reason=reason, now=now))
        for each in everybody.appointments
    ]
    record_events(resources, tx, organization_id, also, author=author, now=now)
    changes: list[Change] = list(times_changed(organization_id, own.zones, own.claims))
    for first in range(0, len(pairs), WRITTEN_AT_ONCE):
        some = pairs[first : first + WRITTEN_AT_ONCE]
        for _, cancelled_one in some:
            update_appointment(tx, organization_id, cancelled_one)
        changes += record_changes(
            resources,
            tx,
            organization_id,
            some,
            AppointmentChangeKind.CANCELLED,
            author=author,
            now=now,
            reason=reason,
        )
        await tx.write()
    return ChangedSession(session=after, changes=tuple(changes))
