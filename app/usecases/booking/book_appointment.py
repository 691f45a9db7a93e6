"""Book an appointment: lock, look, decide, write, in one transaction, and never twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.appointment import Appointment, AppointmentStatus, Contact
from app.core.booking import Acceptance, BookingWish, accept, decide_booking
from app.core.changes import AppointmentChangeKind
from app.core.events import Author
from app.core.ids import AppointmentId
from app.core.party import Party
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
from app.core.slots import UnbookableReason
from app.core.validation import (
    ContactForm,
    valid_contact,
    valid_idempotency_key,
    valid_notes,
    valid_time_zone,
)
from app.core.viewer import Role
from app.store.appointments import insert_appointment
from app.store.bookings import before_booking
from app.store.calendars import take_time
from app.store.customers import CustomerIsKnownError, customer_may_be_known
from app.store.locks import lock_idempotency_key
from app.store.network_tallies import tally_booking
from app.store.pool import transaction
from app.usecases.booking.answer import Booked, Written, confirmation, written_before
from app.usecases.booking.idempotency import key_scope, of_this_request, request_key
from app.usecases.booking.know_customer import (
    CUSTOMER_IS_ERASED,
    new_customer,
    subject_of,
)
from app.usecases.booking.limit_guests import limit_reached, limited_booker
from app.usecases.booking.lock_calendar import (
    Sight,
    lock_and_look,
    times_changed,
)
from app.usecases.booking.refuse_early import Asker, in_turn
from app.usecases.booking.use_hold import HeldTime, use_hold
from app.usecases.events.record import customer_changed, record_change
from app.usecases.events.tell import tell
from app.usecases.listing.find_next_slots import nearest_slots
from app.usecases.messages.vouch_for_phone import vouch_for_phone

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.appointment import Customer
    from app.core.ids import HoldId, ProviderId, ServiceId
    from app.core.viewer import Viewer
    from app.store.idempotency import RequestKey
    from app.store.pool import Transaction
    from app.usecases.resources import Resources

MUTATION: Final = "bookAppointment"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingForm:
    """A booking as typed; the instant is in UTC."""

    provider_id: ProviderId
    service_id: ServiceId | None
    starts_at: datetime
    duration_minutes: int | None
    customer: ContactForm | None
    customer_time_zone: str
    notes: str | None
    idempotency_key: str
    hold_token: str | None = None


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
    if viewer.role is Role.PROVIDER and not viewer.runs(form.provider_id):
        return NotAllowed(message=say("A provider books into their own calendar only."))
    wish = _wish(resources, viewer, form)
    if isinstance(wish, InvalidInput):
        return wish
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    scope = key_scope(viewer, MUTATION, key)
    asker = Asker(
        scope=scope,
        service_id=wish.service_id,
        starts_at=wish.starts_at,
        duration_minutes=wish.duration_minutes,
    )
    answer = await in_turn(
        resources,
        viewer.organization_id,
        wish.provider_id,
        asker if wish.hold_id is None else None,
        partial(_attempt, resources, viewer, request_key(resources, scope, wish), wish),
    )
    if isinstance(answer, SlotUnavailable | HoldExpired):
        wanted = Party(wish.provider_id, wish.service_id)
        nearest = await nearest_slots(resources, viewer.organization_id, wanted, wish.starts_at)
        return replace(answer, alternatives=nearest)
    if not isinstance(answer, Written):
        return answer
    await tell(resources, *answer.changes)
    return confirmation(resources, viewer.organization_id, answer.appointment)


def _wish(resources: Resources, viewer: Viewer, form: BookingForm) -> BookingWish | InvalidInput:
    contact: Contact | InvalidInput | None = None
    if form.customer is not None:
        contact = valid_contact(form.customer)
    elif viewer.role is not Role.CUSTOMER:
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
    hold_id: HoldId | None = None
    if form.hold_token is not None:
        hold_id = resources.hold_tokens.verify(viewer.organization_id, form.hold_token)
        if hold_id is None:
            return InvalidInput(
                field="hold_token",
                message=say("This hold token is not valid. Hold the time again."),
            )
    return BookingWish(
        provider_id=form.provider_id,
        service_id=form.service_id,
        starts_at=form.starts_at,
        duration_minutes=form.duration_minutes,
        contact=contact,
        customer_time_zone=time_zone,
        notes=notes,
        hold_id=hold_id,
    )


async def _attempt(
    resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish
) -> Written | Refusal:
    try:
        return await _transact(resources, viewer, key, wish)
    except CustomerIsKnownError:
        # Theirs is there now, and is found.
        return await _transact(resources, viewer, key, wish)


async def _transact(
    resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish
) -> Written | Refusal:
    async with transaction(resources.pool) as tx:
        answer = await _book(resources, viewer, tx, key, wish)
        if not isinstance(answer, Written):
            tx.roll_back()
    return answer


async def _book(
    resources: Resources, viewer: Viewer, tx: Transaction, key: RequestKey, wish: BookingWish
) -> Written | Refusal:
    organization_id = viewer.organization_id
    booker = limited_booker(resources, viewer, wish)
    guest_origin = None if booker is None else booker.origin
    # A hold's row is locked before its provider's rules; where there is none, the rules' lock comes
    # along right here.
    rules = () if wish.hold_id is not None else (wish.provider_id,)
    await lock_idempotency_key(tx, key.scope, () if booker is None else booker.names, rules)
    before = await before_booking(
        tx,
        key.scope,
        wish.provider_id,
        subject=subject_of(viewer),
        contact=wish.contact,
        guest_origin=guest_origin,
        now=resources.clock(),
    )
    earlier = of_this_request(before.answer, key)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None and earlier.appointment_id is not None:
        return await written_before(tx, organization_id, earlier.appointment_id)

    if viewer.customer_id not in {None, before.customer and before.customer.id}:
        # Erased since the caller was identified: booking would write them back.
        return NotAllowed(message=CUSTOMER_IS_ERASED)
    decided = await _decide(resources, viewer, tx, wish)
    if not isinstance(decided, tuple):
        return decided
    sight, decision = decided
    refusal = None if booker is None else limit_reached(resources, booker, before)
    if refusal is not None:
        return refusal
    customer = before.customer or new_customer(resources, viewer, tx, wish, sight.now)
    if isinstance(customer, InvalidInput):
        return customer
    booked = _new_appointment(resources, customer, wish, decision, sight.now)
    insert_appointment(tx, organization_id, booked, guest_origin=guest_origin)
    if guest_origin is not None:
        tally_booking(tx, organization_id, guest_origin, sight.now.date())
    changed = record_change(
        resources,
        tx,
        organization_id,
        None,
        booked,
        AppointmentChangeKind.BOOKED,
        author=Author(actor=viewer.actor_on(booked), subject=viewer.subject, origin=guest_origin),
        now=sight.now,
        key=key,
        also=() if before.customer is not None else (customer_changed(customer.id),),
    )
    # Written with the time, in one statement.
    if not await _take_time(resources, tx, sight, decision, booked):
        # The exclusion constraint has the last word: somebody else was faster.
        return SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))
    await vouch_for_phone(tx, viewer, booked.contact.phone, sight.now)
    times = times_changed(organization_id, sight.zones, decision.claims)
    return Written(appointment=booked, changes=(*times, changed))


async def _decide(
    resources: Resources, viewer: Viewer, tx: Transaction, wish: BookingWish
) -> tuple[Sight, Acceptance] | SlotUnavailable | HoldExpired | InvalidInput | NotFound:
    """Lock and look, at what is held or at what is wished, and judge by what is seen."""
    held = (
        None if wish.hold_id is None else await use_hold(resources, viewer, tx, wish, wish.hold_id)
    )
    if isinstance(held, HeldTime):
        return held.sight, accept(held.sight.calendar, held.sight.claims)
    if held is not None:
        return held
    wanted = [Party(wish.provider_id, wish.service_id)]
    sight = await lock_and_look(
        resources,
        tx,
        viewer.organization_id,
        wanted,
        wish.starts_at,
        rules_are_shared=wish.hold_id is None,
    )
    if not isinstance(sight, Sight):
        # An expired hold is a new booking, for which the offer counts.
        return sight if wish.hold_id is None else HoldExpired()
    decision = decide_booking(sight.calendar, sight.standing[sight.lead], wish, sight.now)
    if isinstance(decision, Acceptance):
        return sight, decision
    return (
        HoldExpired()
        if wish.hold_id is not None and isinstance(decision, SlotUnavailable)
        else decision
    )


def _new_appointment(
    resources: Resources, customer: Customer, wish: BookingWish, decision: Acceptance, now: datetime
) -> Appointment:
    return Appointment(
        id=AppointmentId(resources.new_id()),
        provider_id=wish.provider_id,
        service_id=wish.service_id,
        customer_id=customer.id,
        status=AppointmentStatus.CONFIRMED,
        starts_at=decision.starts_at,
        ends_at=decision.ends_at,
        customer_time_zone=wish.customer_time_zone,
        contact=wish.contact or customer.contact,
        notes=wish.notes,
        version=1,
        time_version=1,
        price=decision.price,
        cancellation_policy=decision.cancellation_policy,
        created_at=now,
        cancelled_at=None,
        cancellation_reason=None,
        cancellation_fee=None,
    )


async def _take_time(
    resources: Resources, tx: Transaction, sight: Sight, decision: Acceptance, booked: Appointment
) -> bool:
    with customer_may_be_known():
        return await take_time(
            tx,
            sight.lock,
            decision.claims,
            booked.id,
            standing=sight.standing,
            now=sight.now,
            new_id=resources.new_id,
        )
