"""Hold a slot for some minutes, release it, and sweep what expired: by the same rules and locks as
a booking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.booking import visit_of
from app.core.events import PROGRAM
from app.core.hold import Hold
from app.core.ids import HoldId
from app.core.refusals import (
    BookingLimitReached,
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    NotFound,
    SlotUnavailable,
)
from app.core.sentences import say
from app.core.validation import valid_idempotency_key, valid_wanted
from app.core.zones import instant_of
from app.store.calendars import free_hold_time
from app.store.customers import customer_remains
from app.store.holds import (
    count_open_holds,
    end_hold,
    expired_holds,
    hold_by_id,
    hold_for_update,
    insert_hold,
)
from app.store.locks import lock_caller, share_rules
from app.store.pool import transaction
from app.store.sessions import Sitting, leave_session, lock_session, sessions_to_settle
from app.usecases.booking.choose_visit import (
    choose_and_take,
    lock_and_decide,
    lost_race,
    shared_first,
)
from app.usecases.booking.idempotency import (
    caller_name,
    earlier_answer,
    ignored_in_request,
    key_scope,
    request_key,
    wanted_in_request,
)
from app.usecases.booking.know_customer import CUSTOMER_IS_ERASED
from app.usecases.booking.limit_guests import origin_of
from app.usecases.booking.lock_calendar import (
    NOT_SET_ASIDE,
    Retry,
    Sight,
    claims_taken_by,
    lock_time,
    times_changed,
)
from app.usecases.booking.refuse_early import Asker, in_turn
from app.usecases.booking.take_visit import take_visit
from app.usecases.events.publish import change_for_retry, publish
from app.usecases.events.record import hold_ended, record_events, record_hold
from app.usecases.listing.find_next_slots import nearest_visits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.booking import Wanted
    from app.core.changes import Change
    from app.core.ids import ProviderId, ServiceId
    from app.core.overrides import RuleSetAside
    from app.core.viewer import Viewer
    from app.store.idempotency import RequestKey
    from app.store.pool import Transaction
    from app.usecases.booking.choose_visit import Plan
    from app.usecases.resources import Resources

MUTATION: Final = "holdSlot"
HOLDS_OF_CALLER: Final = 3
"""Open at once by one signed-in caller: a family's visits, not a day's."""
HOLDS_OF_ADDRESS: Final = 20
"""Open at once by callers without a token in one network, which may be a whole office's."""
SWEEP_SIZE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldForm:
    """A hold as typed; the instant is in UTC. Providers are named in one of the two ways, or not at
    all. Staff may `ignore` rules of time.
    """

    provider_id: ProviderId | None
    service_id: ServiceId | None
    starts_at: datetime
    idempotency_key: str
    provider_ids: Sequence[ProviderId] | None = None
    seats: int | None = None
    ignore: Sequence[RuleSetAside] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The hold, and the secret with which it is booked or released."""

    hold: Hold
    token: str


Refusal: TypeAlias = (
    SlotUnavailable
    | BookingLimitReached
    | InvalidInput
    | NotAllowed
    | NotFound
    | IdempotencyKeyReused
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    hold: Hold
    changes: tuple[Change, ...] = ()


async def hold_slot(resources: Resources, viewer: Viewer, form: HoldForm) -> Held | Refusal:
    """Hold the time, or say why not. The same key with the same request gives the same
    hold again.
    """
    if not viewer.may_book:
        return NotAllowed(
            message=say("A manage token opens its one appointment only. Hold without it.")
        )
    wanted = valid_wanted(
        form.provider_id, form.provider_ids, form.service_id, form.seats, is_held=False
    )
    if isinstance(wanted, InvalidInput):
        return wanted
    override = viewer.override(form.ignore)
    if override is None:
        return NOT_SET_ASIDE
    wanted = wanted._replace(override=override)
    if not viewer.may_take(wanted.named):
        return NotAllowed(message=say("A provider holds times of their own calendar only."))
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    scope = key_scope(viewer, MUTATION, key)
    asker = Asker(scope=scope, wanted=wanted, starts_at=form.starts_at)
    used_key = request_key(resources, scope, _request(form, wanted))
    attempt = partial(_attempt, resources, viewer, used_key, form, wanted)
    answer = await in_turn(resources, viewer.organization_id, wanted, asker, attempt)
    if isinstance(answer, SlotUnavailable):
        nearest = await nearest_visits(resources, viewer.organization_id, wanted, form.starts_at)
        return replace(answer, alternatives=nearest)
    if not isinstance(answer, _Written):
        return answer
    await publish(resources, *answer.changes)
    return Held(
        hold=answer.hold, token=resources.hold_tokens.sign(viewer.organization_id, answer.hold.id)
    )


def _request(form: HoldForm, wanted: Wanted) -> dict[str, object]:
    """What a hold asks for; names and order as they always were."""
    named, more = wanted_in_request("provider", wanted.named, wanted.seats)
    return {
        **named,
        "service": form.service_id,
        "starts_at": form.starts_at,
        **more,
        **ignored_in_request(wanted.override),
    }


async def _attempt(
    resources: Resources, viewer: Viewer, key: RequestKey, form: HoldForm, wanted: Wanted
) -> _Written | Refusal:
    take = partial(_transact, resources, viewer, key, form, wanted)
    return await choose_and_take(
        resources, viewer.organization_id, wanted, form.starts_at, None, key.scope, take
    )


async def _transact(
    resources: Resources,
    viewer: Viewer,
    key: RequestKey,
    form: HoldForm,
    wanted: Wanted,
    way: Plan,
) -> _Written | Refusal | Retry:
    async with transaction(resources.pool) as tx:
        answer = await _hold(resources, viewer, tx, key, form, wanted, way)
        if not isinstance(answer, _Written):
            tx.roll_back()
    return answer


def _caller(resources: Resources, viewer: Viewer) -> tuple[str, int]:
    """Under which name holds are counted, and how many may be open."""
    if viewer.subject is not None:
        return caller_name(viewer.role, viewer.subject), HOLDS_OF_CALLER
    origin = origin_of(resources, viewer)
    return f"network:{'' if origin is None else origin.hex()}", HOLDS_OF_ADDRESS


async def _hold(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    key: RequestKey,
    form: HoldForm,
    wanted: Wanted,
    way: Plan,
) -> _Written | Refusal | Retry:
    organization_id = viewer.organization_id
    earlier = await earlier_answer(tx, key)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None and earlier.hold_id is not None:
        held_before = await hold_by_id(tx, organization_id, earlier.hold_id)
        if held_before is None:
            return NotFound(what="hold")
        return _Written(hold=held_before, changes=(change_for_retry(organization_id, held_before),))

    caller, most = _caller(resources, viewer)
    await lock_caller(tx, organization_id, caller)
    if viewer.customer_id is not None and not await customer_remains(
        tx, organization_id, viewer.customer_id
    ):
        return NotAllowed(message=CUSTOMER_IS_ERASED)
    first = shared_first(wanted, way)
    await share_rules(tx, organization_id, first.rules, service_id=first.service_id)
    sight = await lock_and_decide(resources, tx, organization_id, wanted, form.starts_at, None, way)
    if not isinstance(sight, Sight):
        return sight
    now = sight.now
    if not viewer.is_staff and await count_open_holds(tx, organization_id, caller, now) >= most:
        return BookingLimitReached(
            limit=most,
            message=say(
                "You may hold at most {count} times at once. Book or release one of them first.",
                count=most,
            ),
        )
    start, end = visit_of(sight.claims)
    hold = Hold(
        id=HoldId(resources.new_id()),
        provider_id=sight.lead,
        service_id=form.service_id,
        starts_at=instant_of(start),
        ends_at=instant_of(end),
        expires_at=now + resources.hold_lasts,
        ended_at=None,
        others=sight.providers[1:],
        named=sight.named,
        resources=sight.resources,
        session_id=sight.session_id,
        seats=sight.seats,
        ignored=sight.ignored,
    )
    insert_hold(tx, sight.lock, hold, caller=caller, created_at=now)
    record_hold(resources, tx, organization_id, hold, author=viewer.author, now=now, key=key)
    sitting = Sitting(hold_id=hold.id, expires_at=hold.expires_at)
    if not await take_visit(resources, tx, sight, hold.service_id, sitting):
        return lost_race(way)
    return _Written(hold=hold, changes=times_changed(organization_id, sight.zones, sight.claims))


async def release_hold(resources: Resources, viewer: Viewer, token: str) -> Held | NotFound:
    """Give the time back; what is released, used or expired is the answer as it is."""
    hold_id = resources.hold_tokens.verify(viewer.organization_id, token)
    if hold_id is None:
        return NotFound(what="hold")
    organization_id = viewer.organization_id
    changes: tuple[Change, ...] = ()
    async with transaction(resources.pool) as tx:
        hold = await hold_for_update(tx, organization_id, hold_id)
        if hold is None:
            return NotFound(what="hold")
        changes = (change_for_retry(organization_id, hold),)
        held = await claims_taken_by(tx, organization_id, hold)
        if held and hold.ended_at is None:
            own = await lock_time(resources, tx, organization_id, held, hold.session_id)
            now = own.now
            if hold.session_id is None:
                await free_hold_time(tx, organization_id, hold_id)
            else:
                sitting = Sitting(hold_id=hold_id)
                await leave_session(tx, organization_id, hold.session_id, sitting, now)
            await end_hold(tx, organization_id, hold_id, now)
            record_events(
                resources, tx, organization_id, [hold_ended(hold)], author=viewer.author, now=now
            )
            hold = replace(hold, ended_at=now)
            changes = times_changed(organization_id, own.zones, held)
    await publish(resources, *changes)
    return Held(hold=hold, token=token)


async def sweep_expired_holds(resources: Resources) -> int:
    """End the holds that expired and free what they still have; how many there were. A session that
    had nothing but these ends. Nothing waits for it: readers compare the expiry, and bookings take
    the time and the seats of an expired hold.
    """
    swept = 0
    now = resources.clock()
    while batch := await expired_holds(resources.pool, expired_by=now, batch_size=SWEEP_SIZE):
        for hold in batch:
            async with transaction(resources.pool) as tx:
                if await end_hold(tx, hold.organization_id, hold.id, hold.expires_at):
                    await free_hold_time(tx, hold.organization_id, hold.id)
                    ended = [hold_ended(hold)]
                    record_events(
                        resources, tx, hold.organization_id, ended, author=PROGRAM, now=now
                    )
        swept += len(batch)
    while sessions := await sessions_to_settle(
        resources.pool, expired_by=now, batch_size=SWEEP_SIZE
    ):
        for organization_id, session_id in sessions:
            async with transaction(resources.pool) as tx:
                await lock_session(tx, organization_id, session_id)
                await leave_session(tx, organization_id, session_id, Sitting(), now)
    return swept
