"""Reschedule an appointment: the same one at another time, or with others, in one transaction.
Where the target is taken, nothing changes.

Providers who were named stay, unless staff name others; those who were assigned may change. What
the service needs now is taken, and the appointment's own claims count as free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.appointment import Appointment, AppointmentStatus, ManageLink
from app.core.booking import Wanted, price_of_seats, visit_of
from app.core.lifecycle import refuse_move
from app.core.overrides import NO_OVERRIDE
from app.core.party import Party
from app.core.refusals import (
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotReschedulable,
    SlotUnavailable,
    VersionConflict,
)
from app.core.sentences import say
from app.core.slots import UnbookableReason
from app.core.validation import (
    NAMED_TWICE,
    refuse_price_of_seats,
    valid_idempotency_key,
    valid_seats,
)
from app.core.visits import refuse_time
from app.core.zones import instant_of
from app.store.bookings import before_move
from app.store.locks import lock_customers, lock_idempotency_key, share_rules
from app.store.organizations import organization_by_id
from app.store.pool import transaction
from app.store.sessions import Sitting
from app.usecases.booking.answer import Booked, Written, confirmation, written_before
from app.usecases.booking.change_at_once import move_at_once
from app.usecases.booking.choose_visit import MOST_TRIES, Way, lock_and_choose, lost_race
from app.usecases.booking.idempotency import (
    ignored_in_request,
    key_scope,
    of_this_request,
    request_key,
)
from app.usecases.booking.limit_customers import refuse_new_time
from app.usecases.booking.lock_calendar import (
    NOT_SET_ASIDE,
    Moving,
    Retry,
    Sight,
    claims_taken_by,
    lock_and_look,
    times_changed,
)
from app.usecases.booking.name_phone import with_phone
from app.usecases.booking.open_appointment import open_appointment, opened_by
from app.usecases.booking.take_visit import give_back, take_visit
from app.usecases.booking.write_change import write_move
from app.usecases.events.publish import publish
from app.usecases.listing.find_next_slots import nearest_slots_for_move

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import AppointmentId, OrganizationId, ProviderId
    from app.core.lifecycle import Actor
    from app.core.overrides import Override, RuleSetAside
    from app.core.viewer import Viewer
    from app.store.bookings import BeforeMove
    from app.store.idempotency import RequestKey
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

MUTATION: Final = "rescheduleAppointment"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveForm:
    """A move as typed; the instant is in UTC. Staff may name other providers than those who were
    named, and `ignore` rules of time. Left out, the party takes as many seats as it has.
    """

    appointment_id: AppointmentId
    starts_at: datetime
    expected_version: int | None
    idempotency_key: str
    manage_token: str | None
    provider_ids: Sequence[ProviderId] | None = None
    seats: int | None = None
    ignore: Sequence[RuleSetAside] = ()


Refusal: TypeAlias = (
    SlotUnavailable
    | NotReschedulable
    | InvalidInput
    | NotAllowed
    | NotFound
    | VersionConflict
    | IdempotencyKeyReused
)

_Decided: TypeAlias = Sight | NotFound | InvalidInput | SlotUnavailable | Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The target can't be had; the search for alternatives needs the appointment."""

    refusal: SlotUnavailable
    appointment: Appointment


async def reschedule_appointment(
    resources: Resources, viewer: Viewer, form: MoveForm
) -> Booked | Refusal:
    """Move it, or say why not. The same key with the same request gives the same
    appointment again.
    """
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    opened = opened_by(resources, viewer, form.appointment_id, form.manage_token)
    if isinstance(opened, NotAllowed):
        return opened
    invalid = _refuse_form(form)
    if invalid is not None:
        return invalid
    override = viewer.override(form.ignore)
    if override is None:
        return NOT_SET_ASIDE
    scope = key_scope(viewer, MUTATION, key, opened=opened)
    used_key = request_key(resources, scope, _request(form, override))
    at_once = await move_at_once(resources, viewer, used_key, form, opened)
    answer: Written | _Taken | Refusal | Retry = at_once or Retry.TAKES_MORE
    way, tries = Way.NO_CHOICE, 0
    while isinstance(answer, Retry) and tries < MOST_TRIES:
        async with transaction(resources.pool) as tx:
            answer = await _move(resources, viewer, tx, used_key, form, override, opened, way)
            if not isinstance(answer, Written):
                tx.roll_back()
        way, tries = Way.FROM_ALL, tries + 1
    if isinstance(answer, Retry):
        return SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))
    if isinstance(answer, _Taken):
        nearest = await nearest_slots_for_move(
            resources,
            viewer.organization_id,
            answer.appointment,
            form.starts_at,
            seats=form.seats,
        )
        return replace(answer.refusal, alternatives=nearest)
    if not isinstance(answer, Written):
        return answer
    await publish(resources, *answer.changes)
    return confirmation(resources, viewer.organization_id, answer.appointment)


def _refuse_form(form: MoveForm) -> InvalidInput | None:
    """What can't be asked of any appointment."""
    named = form.provider_ids or ()
    if len({*named}) < len(named):
        return InvalidInput(field="provider_ids", message=NAMED_TWICE)
    seats = None if form.seats is None else valid_seats(form.seats)
    return seats if isinstance(seats, InvalidInput) else None


def _request(form: MoveForm, override: Override = NO_OVERRIDE) -> dict[str, object]:
    """What a move asks for; names and order as they always were, and so are the two empty ones: the
    token only says who asks, and the key is no part of the request.
    """
    named = {"provider_ids": list(form.provider_ids)} if form.provider_ids else {}
    seats = {} if form.seats is None else {"seats": form.seats}
    return {
        "appointment_id": form.appointment_id,
        "starts_at": form.starts_at,
        "expected_version": form.expected_version,
        "idempotency_key": "",
        "manage_token": None,
        **named,
        **seats,
        **ignored_in_request(override),
    }


async def _lock_first(
    tx: Transaction, key: RequestKey, appointment_id: AppointmentId
) -> BeforeMove:
    """Lock the key, and the customer where their other visits matter: before the appointment's
    row, since bookings take the two in this order.
    """
    await lock_idempotency_key(tx, key.scope)
    before = await before_move(tx, key.scope, appointment_id)
    if before.customer is not None and not before.allows_overlap:
        await lock_customers(tx, key.scope.organization_id, [before.customer])
    return before


async def _move(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    key: RequestKey,
    form: MoveForm,
    override: Override,
    opened: ManageLink | None,
    way: Way,
) -> Written | _Taken | Refusal | Retry:
    organization_id = viewer.organization_id
    before = await _lock_first(tx, key, form.appointment_id)
    earlier = of_this_request(before.answer, key)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None and earlier.appointment_id is not None:
        written = await written_before(tx, organization_id, earlier.appointment_id)
        # The answer holds the present manage token, which an old link must not give away.
        is_stale = opened is not None and not opened.opens(written.appointment)
        return NotFound(what="appointment") if is_stale else written

    found = await open_appointment(resources, viewer, tx, form.appointment_id, opened)
    if isinstance(found, NotFound):
        return found
    appointment, actor = found
    not_granted = _refuse_wish(form, appointment, actor)
    if not_granted is not None:
        return not_granted
    if appointment.status is AppointmentStatus.CANCELLED:
        # It has no time that could be locked; neither does the refusal depend on any.
        refusal = refuse_move(
            appointment, actor, resources.clock(), expected_version=form.expected_version
        )
        return refusal or NotFound(what="appointment")
    own = await claims_taken_by(tx, organization_id, appointment)
    moving = Moving(appointment, own)
    has_seats = appointment.session_id is not None or form.seats is not None
    if form.provider_ids or not appointment.is_plain or has_seats:
        way = Way.FROM_ALL
    sight = await _lock_and_decide(resources, tx, organization_id, form, override, moving, way)
    sight = await _unless_busy(tx, organization_id, before, override, appointment, sight)
    now = sight.now if isinstance(sight, Sight) else resources.clock()
    refused = refuse_move(appointment, actor, now, expected_version=form.expected_version)
    if refused is not None:
        return await with_phone(tx, organization_id, appointment, refused)
    if isinstance(sight, SlotUnavailable):
        return _Taken(refusal=sight, appointment=appointment)
    if not isinstance(sight, Sight):
        return sight
    return await _write(
        resources, viewer, tx, key, moving, actor, sight, way, reminders=before.reminders
    )


def _refuse_wish(
    form: MoveForm, appointment: Appointment, actor: Actor
) -> NotAllowed | InvalidInput | None:
    """Why nobody may wish this of the appointment, whatever is free."""
    if form.provider_ids and not actor.is_providers_side:
        return NotAllowed(
            message=say("Only the provider, reception and administrators name other providers.")
        )
    if form.ignore and not actor.is_providers_side:
        return NOT_SET_ASIDE
    if form.seats is None:
        return None
    # The price per seat may be from a time when the service had fewer of them.
    of_one = price_of_seats(appointment.price, 1, paid_for=appointment.seats)
    return refuse_price_of_seats(of_one, form.seats, field="seats")


async def _write(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    key: RequestKey,
    moving: Moving,
    actor: Actor,
    sight: Sight,
    way: Way,
    *,
    reminders: Sequence[int],
) -> Written | _Taken | Retry:
    """Give the old time back and take the new one."""
    appointment, own = moving
    sitting = Sitting(appointment_id=appointment.id)
    kept = await give_back(tx, sight, appointment, sitting)
    after, changed = write_move(
        resources, viewer, tx, key, appointment, sight, actor, reminders=reminders
    )
    # Written with the time, in one statement.
    if not await take_visit(resources, tx, sight, appointment.service_id, sitting, kept=kept):
        lost = lost_race(way)
        return lost if isinstance(lost, Retry) else _Taken(refusal=lost, appointment=appointment)
    times = times_changed(viewer.organization_id, sight.zones, own, sight.claims)
    return Written(appointment=after, changes=(*times, changed))


async def _unless_busy(
    tx: Transaction,
    organization_id: OrganizationId,
    before: BeforeMove,
    override: Override,
    appointment: Appointment,
    sight: _Decided,
) -> _Decided:
    """What was decided; but the refusal where the customer has another visit at the new time, and
    the organization does not allow that.
    """
    if before.customer is None or override.exceeds_what_customers_may_have:
        return sight
    if not isinstance(sight, Sight):
        return sight
    if before.allows_overlap:
        # The setting may have been changed while this waited for a lock.
        now = await organization_by_id(tx, organization_id)
        return sight if now is None or now.allows_customer_overlap else Retry.OVERTAKEN
    start, end = visit_of(sight.claims)
    busy = await refuse_new_time(
        tx, organization_id, appointment, instant_of(start), instant_of(end), sight.now
    )
    return busy or sight


async def _lock_and_decide(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    form: MoveForm,
    override: Override,
    moving: Moving,
    way: Way,
) -> _Decided:
    """What the appointment takes after the move."""
    appointment, own = moving
    if way is not Way.NO_CHOICE:
        named = tuple(form.provider_ids or appointment.providers[: appointment.named])
        seats = appointment.seats if form.seats is None else form.seats
        wanted = Wanted(named, appointment.service_id, seats, override)
        if wanted.service_id is not None:
            await share_rules(tx, organization_id, (), service_id=wanted.service_id)
        return await lock_and_choose(
            resources, tx, organization_id, wanted, form.starts_at, None, moving=moving
        )
    lead = appointment.provider_id
    sight = await lock_and_look(
        resources,
        tx,
        organization_id,
        Party(lead, appointment.service_id),
        form.starts_at,
        moving=moving,
        ignored=override.rules,
    )
    if not isinstance(sight, Sight):
        return sight
    alone = sight.alone(leads_own=True)
    refusal = refuse_time(alone, form.starts_at, None, sight.now, own=own, override=override)
    return refusal or sight
