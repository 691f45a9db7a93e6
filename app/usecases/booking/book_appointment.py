"""Book an appointment: lock, look, decide, write, in one transaction, and never twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.appointment import Contact, Customer
from app.core.booking import BookingWish, Wanted, accept
from app.core.external_ids import ExternalType
from app.core.refusals import (
    BookingLimitReached,
    HoldExpired,
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    NotFound,
    SlotUnavailable,
)
from app.core.sentences import say
from app.core.validation import (
    ContactForm,
    valid_contact,
    valid_external_id,
    valid_idempotency_key,
    valid_notes,
    valid_time_zone,
    valid_wanted,
)
from app.core.viewer import Role
from app.store.bookings import before_booking
from app.store.customers import CustomerIsKnownError, customer_may_be_known
from app.store.external_ids import external_id_is_taken
from app.store.locks import first_keys, lock_external_ids, share_rules
from app.store.pool import transaction
from app.store.sessions import Sitting
from app.usecases.booking.answer import (
    EXTERNAL_ID_TAKEN,
    Booked,
    Written,
    confirmation,
    written_before,
)
from app.usecases.booking.book_at_once import book_at_once
from app.usecases.booking.choose_visit import (
    MOST_TRIES,
    NOTHING,
    Way,
    choose_and_take,
    lock_and_decide,
    lost_race,
    shared_first,
)
from app.usecases.booking.idempotency import (
    ignored_in_request,
    key_scope,
    of_this_request,
    request_key,
    wanted_in_request,
)
from app.usecases.booking.know_customer import (
    CUSTOMER_IS_ERASED,
    named_customer,
    new_customer,
)
from app.usecases.booking.limit_customers import refuse_booking
from app.usecases.booking.limit_guests import Limited, limit_reached, limited_booker
from app.usecases.booking.lock_calendar import (
    NOT_SET_ASIDE,
    NOT_THEIR_CALENDAR,
    Retry,
    Sight,
    times_changed,
)
from app.usecases.booking.refuse_early import Asker, in_turn
from app.usecases.booking.take_visit import take_visit
from app.usecases.booking.use_hold import HeldTime, use_hold, wanted_by_hold
from app.usecases.booking.write_booking import BookingRequest, write_booking
from app.usecases.events.publish import publish
from app.usecases.listing.find_next_slots import nearest_visits
from app.usecases.messages.vouch_for_phone import vouch_for_phone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import CustomerId, HoldId, ProviderId, ServiceId
    from app.core.overrides import RuleSetAside
    from app.core.viewer import Viewer
    from app.store.bookings import BeforeBooking
    from app.store.idempotency import RequestKey
    from app.store.pool import Transaction
    from app.usecases.booking.choose_visit import Plan
    from app.usecases.resources import Resources

MUTATION: Final = "bookAppointment"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingForm:
    """A booking as typed; the instant is in UTC. Providers are named in one of the two ways, or
    not at all. Left out, it is one seat, or as many as are held. `customer_id` is whom staff book
    for; `customer` is then how to reach them about this appointment, if not as their record says.
    Staff may `ignore` rules of time.
    """

    provider_id: ProviderId | None
    service_id: ServiceId | None
    starts_at: datetime
    duration_minutes: int | None
    customer: ContactForm | None
    customer_time_zone: str
    notes: str | None
    idempotency_key: str
    hold_token: str | None = None
    provider_ids: Sequence[ProviderId] | None = None
    seats: int | None = None
    customer_id: CustomerId | None = None
    external_id: str | None = None
    ignore: Sequence[RuleSetAside] = ()


Refusal: TypeAlias = (
    SlotUnavailable
    | BookingLimitReached
    | HoldExpired
    | InvalidInput
    | NotAllowed
    | NotFound
    | IdempotencyKeyReused
)


async def book_appointment(
    resources: Resources, viewer: Viewer, form: BookingForm
) -> Booked | Refusal:
    """Book the time, or say why not. The same key with the same request gives the same appointment
    again.
    """
    if not viewer.may_book:
        return NotAllowed(
            message=say("A manage token opens its one appointment only. Book without it.")
        )
    if form.external_id is not None and not viewer.is_staff:
        return NotAllowed(message=say("Only staff set an appointment's external id."))
    wish = await _known_wish(resources, viewer, form)
    if not isinstance(wish, BookingWish):
        return wish
    wanted = wish.wanted
    if not viewer.may_take(wanted.named) and (wanted.named or wish.hold_id is None):
        return NotAllowed(message=NOT_THEIR_CALENDAR)
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    scope = key_scope(viewer, MUTATION, key)
    used_key = request_key(resources, scope, _request(wish))
    asker = Asker(
        scope=scope,
        wanted=wanted,
        starts_at=wish.starts_at,
        duration_minutes=wish.duration_minutes,
    )
    answer = await in_turn(
        resources,
        viewer.organization_id,
        wanted,
        asker if wish.hold_id is None else None,
        partial(_attempt, resources, viewer, used_key, wish),
    )
    if isinstance(answer, SlotUnavailable | HoldExpired) and answer.alternatives is None:
        if wish.hold_id is not None:
            wanted = await wanted_by_hold(resources, viewer.organization_id, wish.hold_id) or wanted
        nearest = await nearest_visits(resources, viewer.organization_id, wanted, wish.starts_at)
        return replace(answer, alternatives=nearest)
    if not isinstance(answer, Written):
        return answer
    await publish(resources, *answer.changes)
    return confirmation(resources, viewer.organization_id, answer.appointment)


def _request(wish: BookingWish) -> dict[str, object]:
    """What a booking asks for; names and order as they always were."""
    named, more = wanted_in_request("provider_id", wish.wanted.named, wish.seats)
    return {
        **named,
        "service_id": wish.wanted.service_id,
        "starts_at": wish.starts_at,
        "duration_minutes": wish.duration_minutes,
        "contact": wish.contact,
        "customer_time_zone": wish.customer_time_zone,
        "notes": wish.notes,
        "hold_id": wish.hold_id,
        **more,
        **({} if wish.customer is None else {"customer_id": wish.customer.id}),
        **({} if wish.external_id is None else {"external_id": wish.external_id}),
        **ignored_in_request(wish.wanted.override),
    }


async def _known_wish(
    resources: Resources, viewer: Viewer, form: BookingForm
) -> BookingWish | InvalidInput | NotAllowed | NotFound:
    """The wish, with the customer whom staff name and what they set aside."""
    override = viewer.override(form.ignore)
    if override is None:
        return NOT_SET_ASIDE
    wish = _wish(resources, viewer, form)
    if isinstance(wish, InvalidInput):
        return wish
    if override.rules:
        wish = replace(wish, wanted=wish.wanted._replace(override=override))
    if form.customer_id is None:
        return wish
    customer = await named_customer(resources, viewer, form.customer_id)
    return replace(wish, customer=customer) if isinstance(customer, Customer) else customer


def _wish(resources: Resources, viewer: Viewer, form: BookingForm) -> BookingWish | InvalidInput:
    wanted = valid_wanted(
        form.provider_id,
        form.provider_ids,
        form.service_id,
        form.seats,
        is_held=form.hold_token is not None,
    )
    if isinstance(wanted, InvalidInput):
        return wanted
    contact: Contact | InvalidInput | None = None
    if form.customer is not None:
        contact = valid_contact(form.customer)
    elif viewer.role is not Role.CUSTOMER and form.customer_id is None:
        contact = InvalidInput(
            field="customer",
            message=say("Say who the appointment is for: a name, and an e-mail or phone."),
        )
    if isinstance(contact, InvalidInput):
        return contact
    time_zone = valid_time_zone("customer_time_zone", form.customer_time_zone)
    if isinstance(time_zone, InvalidInput):
        return time_zone
    notes = valid_notes(form.notes)
    if isinstance(notes, InvalidInput):
        return notes
    external_id = valid_external_id(form.external_id)
    if isinstance(external_id, InvalidInput):
        return external_id
    hold_id: HoldId | None = None
    if form.hold_token is not None:
        hold_id = resources.hold_tokens.verify(viewer.organization_id, form.hold_token)
        if hold_id is None:
            return InvalidInput(
                field="hold_token",
                message=say("This hold token is not valid. Hold the time again."),
            )
    return BookingWish(
        wanted=wanted,
        starts_at=form.starts_at,
        duration_minutes=form.duration_minutes,
        contact=contact,
        customer_time_zone=time_zone,
        notes=notes,
        hold_id=hold_id,
        external_id=external_id,
        seats=form.seats,
    )


async def _attempt(
    resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish
) -> Written | Refusal:
    take = partial(_transact_once_more, resources, viewer, key, wish)
    if wish.hold_id is None:
        at_once = await book_at_once(resources, viewer, key, wish)
        if at_once is not None:
            return at_once
        return await choose_and_take(
            resources,
            viewer.organization_id,
            wish.wanted,
            wish.starts_at,
            wish.duration_minutes,
            key.scope,
            take,
        )
    answer = await take(Way.NO_CHOICE)
    tries = 1
    while isinstance(answer, Retry) and tries < MOST_TRIES:
        # The hold expired, perhaps while the transaction waited for a lock: the next one finds it
        # expired from its start.
        answer = await take(Way.FROM_ALL)
        tries += 1
    return HoldExpired() if isinstance(answer, Retry) else answer


async def _transact_once_more(
    resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish, way: Plan
) -> Written | Refusal | Retry:
    try:
        return await _transact(resources, viewer, key, wish, way)
    except CustomerIsKnownError:
        # Theirs is there now, and is found.
        return await _transact(resources, viewer, key, wish, way)


async def _transact(
    resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish, way: Plan
) -> Written | Refusal | Retry:
    async with transaction(resources.pool) as tx:
        if wish.external_id is not None:
            # Before the rules, which changes of resources lock after it.
            await lock_external_ids(tx, viewer.organization_id)
        answer = await _book(resources, viewer, tx, key, wish, way)
        if not isinstance(answer, Written):
            tx.roll_back()
    return answer


async def _book(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    key: RequestKey,
    wish: BookingWish,
    way: Plan,
) -> Written | Refusal | Retry:
    organization_id = viewer.organization_id
    booker = limited_booker(resources, viewer, wish)
    request = BookingRequest(viewer=viewer, key=key, wish=wish, booker=booker)
    named = wish.customer
    # A hold's row is locked before what a choice rests on; where there is none, those locks come
    # along right here.
    first = NOTHING if wish.hold_id is not None else shared_first(wish.wanted, way)
    before = await before_booking(
        tx,
        request.asked_at(resources.clock()),
        first_keys(key.scope, guests=request.names, service_id=first.service_id, rules=first.rules),
    )
    earlier = of_this_request(before.answer, key)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None and earlier.appointment_id is not None:
        return await written_before(tx, organization_id, earlier.appointment_id)

    if viewer.customer_id not in {None, before.customer and before.customer.id}:
        # Erased since the caller was identified: booking would write them back.
        return NotAllowed(message=CUSTOMER_IS_ERASED)
    if named is not None and before.customer is None:
        return NotFound(what="customer")
    decided = await _decide(resources, viewer, tx, wish, way)
    if not isinstance(decided, tuple):
        return decided
    sight, service_id = decided
    refusal = await _limited(resources, viewer, tx, wish, booker, before, sight)
    if refusal is not None:
        return refusal
    customer = before.customer or new_customer(resources, viewer, tx, wish, sight.now)
    if isinstance(customer, InvalidInput):
        return customer
    booked, changed = write_booking(resources, request, tx, before, sight, service_id, customer)
    # Written with the time, in one statement.
    with customer_may_be_known():
        is_taken = await take_visit(
            resources, tx, sight, service_id, Sitting(appointment_id=booked.id)
        )
    if not is_taken:
        # The database's constraints have the last word: somebody else was faster.
        return lost_race(way)
    await vouch_for_phone(tx, viewer, request.phone_given(booked), sight.now)
    times = times_changed(organization_id, sight.zones, sight.claims)
    return Written(appointment=booked, changes=(*times, changed))


async def _limited(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    wish: BookingWish,
    booker: Limited | None,
    before: BeforeBooking,
    sight: Sight,
) -> BookingLimitReached | SlotUnavailable | InvalidInput | None:
    """The refusal of a booker, or of a customer whom staff name, who has as much as they may;
    or of an external id that another appointment has.
    """
    if await external_id_is_taken(
        tx, viewer.organization_id, ExternalType.APPOINTMENT, wish.external_id
    ):
        return EXTERNAL_ID_TAKEN
    reached = None if booker is None else limit_reached(resources, booker, before)
    is_known = viewer.role is Role.CUSTOMER or wish.customer is not None
    # A hold promises nothing of it, whatever was set aside for the hold.
    is_known = is_known and not wish.wanted.override.exceeds_what_customers_may_have
    if reached is not None or before.customer is None or not is_known:
        return reached
    accepted = accept(sight.calendar, sight.claims)
    return await refuse_booking(
        tx,
        viewer.organization_id,
        before.customer.id,
        sight.calendar.service,
        accepted.starts_at,
        accepted.ends_at,
        sight.now,
        allows_overlap=before.allows_overlap,
    )


async def _decide(
    resources: Resources, viewer: Viewer, tx: Transaction, wish: BookingWish, way: Plan
) -> tuple[Sight, ServiceId | None] | Refusal | Retry:
    """Lock and look, at what is held or at what is wished, and judge by what is seen: the time that
    is taken, and for which service.
    """
    if wish.hold_id is None:
        sight = await lock_and_decide(
            resources,
            tx,
            viewer.organization_id,
            wish.wanted,
            wish.starts_at,
            wish.duration_minutes,
            way,
        )
        return (sight, wish.wanted.service_id) if isinstance(sight, Sight) else sight
    held = await use_hold(resources, viewer, tx, wish, wish.hold_id)
    if isinstance(held, HeldTime):
        return held.sight, held.service_id
    if not isinstance(held, Wanted):
        return held
    # An expired hold is a new booking, for which the offer counts.
    way = way if held.party is not None and held.seats == 1 else Way.FROM_ALL
    first = shared_first(held, way)
    await share_rules(tx, viewer.organization_id, first.rules, service_id=first.service_id)
    sight = await lock_and_decide(
        resources,
        tx,
        viewer.organization_id,
        held,
        wish.starts_at,
        wish.duration_minutes,
        way,
    )
    if isinstance(sight, Sight):
        return sight, held.service_id
    return sight if isinstance(sight, InvalidInput | Retry) else HoldExpired()
