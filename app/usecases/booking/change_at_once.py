"""Change at once: the short way of a cancellation or a move, in the two round trips of
`book_at_once`.

    look      without locks: the appointment, its own time, and all else that the change rests on
    decide    a new time by the calendar that this process read before, and the version of its rules
    write     one statement: take the locks of the long way without waiting, the appointment's row
              among them, compare versions, look at the new time, and write

Any appointment with time of its own is cancelled so, with all that it takes. One is moved so where
it takes one provider alone. The long way decides over seats in a session, since who else sits there
decides over the session's time, under the lock of its row; and over moves of visits that take
several providers or rooms, since these may take others at the new time, who are chosen under the
locks of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.appointment import AppointmentStatus
from app.core.booking import claim_for, dates_to_lock
from app.core.changes import AppointmentChangeKind
from app.core.lifecycle import Cancellation, decide_cancellation, refuse_move
from app.core.party import Party
from app.core.visits import Candidate, refuse_time
from app.core.zones import is_supported_date
from app.store.bookings import look_before_change
from app.store.calendars import free_as_seen, move_as_seen
from app.store.locks import CalendarLock, first_keys, rules_keys
from app.store.pool import Writes
from app.usecases.booking.answer import Written
from app.usecases.booking.book_at_once import (
    Way,
    commit_as_seen,
    counted,
    is_outdated,
    known_calendar,
)
from app.usecases.booking.lock_calendar import Sight, times_changed
from app.usecases.booking.open_appointment import part_in
from app.usecases.booking.write_change import write_cancellation, write_move

if TYPE_CHECKING:
    from app.core.appointment import ManageLink
    from app.core.booking import Claims
    from app.core.lifecycle import Actor
    from app.core.viewer import Viewer
    from app.store.bookings import ChangeLook
    from app.store.idempotency import RequestKey
    from app.usecases.booking.cancel_appointment import CancellationForm
    from app.usecases.booking.reschedule_appointment import MoveForm
    from app.usecases.resources import Resources


async def cancel_at_once(
    resources: Resources,
    viewer: Viewer,
    form: CancellationForm,
    opened: ManageLink | None,
    *,
    reason: str | None,
    accepted: int,
) -> Written | None:
    """The appointment, cancelled; None where the long way is to decide."""
    done = await _cancel(resources, viewer, form, opened, reason=reason, accepted=accepted)
    return counted(AppointmentChangeKind.CANCELLED, done)


async def move_at_once(
    resources: Resources,
    viewer: Viewer,
    key: RequestKey,
    form: MoveForm,
    opened: ManageLink | None,
) -> Written | None:
    """The appointment, moved; None where the long way is to decide."""
    done = await _move(resources, viewer, key, form, opened)
    return counted(AppointmentChangeKind.RESCHEDULED, done)


async def _cancel(
    resources: Resources,
    viewer: Viewer,
    form: CancellationForm,
    opened: ManageLink | None,
    *,
    reason: str | None,
    accepted: int,
) -> Written | Way:
    organization_id = viewer.organization_id
    look = await look_before_change(resources.looks, organization_id, form.appointment_id)
    if look is None:
        return Way.REFUSED
    actor = _actor(resources, viewer, look, opened)
    if isinstance(actor, Way):
        return actor
    now = resources.clock()
    decision = decide_cancellation(
        look.appointment,
        actor.as_payer(at_customers_request=form.at_customers_request),
        now,
        accept_fee_minor=accepted,
        expected_version=form.expected_version,
    )
    if not isinstance(decision, Cancellation):
        return Way.REFUSED
    writes = Writes(is_distributed=resources.pool.is_distributed)
    after, changed = write_cancellation(
        resources, viewer, writes, look.appointment, decision, actor, reason=reason, now=now
    )
    free_as_seen(
        writes,
        CalendarLock.of(organization_id, dates_to_lock(look.zones, look.own)),
        first=rules_keys(organization_id, look.own),
        look=look,
    )
    against = await commit_as_seen(resources, writes)
    if against is not None:
        return against
    freed = times_changed(organization_id, look.zones, look.own)
    return Written(appointment=after, changes=(*freed, changed))


async def _move(
    resources: Resources,
    viewer: Viewer,
    key: RequestKey,
    form: MoveForm,
    opened: ManageLink | None,
) -> Written | Way:
    organization_id = viewer.organization_id
    if not _is_covered(form):
        return Way.NOT_COVERED
    look = await look_before_change(
        resources.looks, organization_id, form.appointment_id, key.scope, form.starts_at
    )
    if look is None:
        return Way.REFUSED
    actor = _actor(resources, viewer, look, opened)
    if isinstance(actor, Way):
        return actor
    if look.is_used or not look.is_free:
        return Way.REFUSED
    sight = await _decide(resources, viewer, form, look, actor)
    if not isinstance(sight, Sight):
        return sight
    writes = Writes(is_distributed=resources.pool.is_distributed)
    after, changed = write_move(
        resources, viewer, writes, key, look.appointment, sight, actor, reminders=look.reminders
    )
    move_as_seen(
        writes,
        sight.lock,
        sight.claims,
        first=first_keys(key.scope, rules=sight.providers),
        scope=key.scope,
        look=look,
        new_id=resources.new_id,
    )
    against = await commit_as_seen(resources, writes)
    if against is not None:
        return against
    times = times_changed(organization_id, sight.zones, look.own, sight.claims)
    return Written(appointment=after, changes=(*times, changed))


def _actor(
    resources: Resources, viewer: Viewer, look: ChangeLook, opened: ManageLink | None
) -> Actor | Way:
    """As whom the caller changes the appointment, if it can be changed and has time of its own."""
    actor = part_in(resources, viewer, look.appointment, opened)
    if actor is None or look.appointment.status is AppointmentStatus.CANCELLED:
        return Way.REFUSED
    return Way.NOT_COVERED if look.is_erased or not look.own else actor


def _is_covered(form: MoveForm) -> bool:
    """Whether a move to another time, and nothing else, is asked for."""
    return (
        not form.provider_ids
        and form.seats is None
        and not form.ignore
        and is_supported_date(form.starts_at.date())
        and not (form.starts_at.second or form.starts_at.microsecond)
    )


async def _decide(
    resources: Resources, viewer: Viewer, form: MoveForm, look: ChangeLook, actor: Actor
) -> Sight | Way:
    """What the appointment takes after the move, where it takes one provider alone; or why the long
    way is to decide.
    """
    organization_id, appointment = viewer.organization_id, look.appointment
    lead = appointment.provider_id
    if look.is_limited or not appointment.is_plain or look.own.keys() != {lead}:
        return Way.NOT_COVERED
    if resources.accelerator.lines.is_contested((organization_id, lead)):
        return Way.CONTESTED
    party = Party(lead, appointment.service_id)
    calendar = await known_calendar(resources, organization_id, party, form.starts_at)
    if calendar is None or not calendar.is_plain or calendar.limits:
        return Way.NOT_COVERED
    if is_outdated(resources, organization_id, party, calendar, look):
        return Way.OUTDATED
    now = resources.clock()
    refused = refuse_move(appointment, actor, now, expected_version=form.expected_version)
    alone = Candidate(calendar=calendar, leads_own=True)
    if refused or refuse_time(alone, form.starts_at, None, now, own=look.own):
        return Way.REFUSED
    claims: Claims = {lead: (claim_for(calendar.rules, form.starts_at),)}
    return Sight(
        lead=lead,
        providers=(lead,),
        calendars={lead: calendar},
        zones=look.zones,
        lock=CalendarLock.of(organization_id, dates_to_lock(look.zones, claims, look.own)),
        claims=claims,
        existing={},
        now=now,
    )
