"""Book an appointment: lock, look, decide, write, in one transaction, and never twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from app.core.appointment import Appointment, AppointmentStatus, Contact, Customer
from app.core.booking import Acceptance, BookingWish, claim_for, dates_to_lock, decide_booking
from app.core.ids import AppointmentId, ClaimId, CustomerId
from app.core.refusals import (
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    NotFound,
    SlotUnavailable,
)
from app.core.slots import UnbookableReason
from app.core.validation import (
    ContactForm,
    valid_contact,
    valid_idempotency_key,
    valid_notes,
    valid_time_zone,
)
from app.core.viewer import Role
from app.core.zones import is_supported_date
from app.identity.manage import ManageClaims
from app.store.appointments import appointments_by_ids, insert_appointment
from app.store.calendars import load_claims
from app.store.customers import customer_by_subject, guest_by_contact, insert_customer
from app.store.idempotency import StoredAnswer, remember_answer
from app.store.locks import lock_calendar, share_rules
from app.store.pool import transaction
from app.usecases.find_slots import nearest_slots
from app.usecases.idempotency import earlier_answer, key_scope, request_hash
from app.usecases.list_slots import load_calendar

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import ProviderId, ServiceId
    from app.core.viewer import Viewer
    from app.store.idempotency import KeyScope
    from app.store.locks import CalendarLock
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """The appointment, and the secret with which someone without an account can see, move or cancel it."""

    appointment: Appointment
    manage_token: str


Refusal = SlotUnavailable | InvalidInput | NotAllowed | NotFound | IdempotencyKeyReused


async def book_appointment(resources: Resources, viewer: Viewer, form: BookingForm) -> Booked | Refusal:
    """Book the time, or say why not. The same key with the same request gives the same appointment again."""
    if not viewer.may_book:
        return NotAllowed(message="A manage token opens its one appointment only. Book without it.")
    if viewer.role is Role.PROVIDER and not viewer.runs(form.provider_id):
        return NotAllowed(message="A provider books into their own calendar only.")
    wish = _wish(viewer, form)
    if isinstance(wish, InvalidInput):
        return wish
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    scope = key_scope(viewer, MUTATION, key)
    async with transaction(resources.pool) as tx:
        answer = await _book(resources, viewer, tx, scope, wish)
        if not isinstance(answer, Appointment):
            tx.roll_back()
    if isinstance(answer, SlotUnavailable):
        wanted = (wish.provider_id, wish.service_id)
        nearest = await nearest_slots(resources, viewer.organization_id, wanted, wish.starts_at)
        return replace(answer, alternatives=nearest)
    if not isinstance(answer, Appointment):
        return answer
    claims = ManageClaims(organization_id=viewer.organization_id, appointment_id=answer.id)
    return Booked(appointment=answer, manage_token=resources.manage_tokens.sign(claims))


def _wish(viewer: Viewer, form: BookingForm) -> BookingWish | InvalidInput:
    contact: Contact | InvalidInput | None = None
    if form.customer is not None:
        contact = valid_contact(form.customer)
    elif viewer.role is not Role.CUSTOMER:
        return InvalidInput(field="customer", message="Say who the appointment is for: a name, and an e-mail or phone.")
    time_zone = valid_time_zone("customer_time_zone", form.customer_time_zone)
    notes = valid_notes(form.notes)
    for checked in (contact, time_zone, notes):
        if isinstance(checked, InvalidInput):
            return checked
    return BookingWish(
        provider_id=form.provider_id,
        service_id=form.service_id,
        starts_at=form.starts_at,
        duration_minutes=form.duration_minutes,
        contact=contact,  # type: ignore[arg-type]  # refused just above
        customer_time_zone=form.customer_time_zone,
        notes=notes,  # type: ignore[arg-type]  # refused just above
    )


async def _book(
    resources: Resources, viewer: Viewer, tx: Transaction, scope: KeyScope, wish: BookingWish
) -> Appointment | Refusal:
    organization_id = viewer.organization_id
    hashed = request_hash(resources, asdict(wish))
    earlier = await earlier_answer(tx, scope, hashed)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None:
        return (await appointments_by_ids(tx, organization_id, [earlier]))[earlier]

    await share_rules(tx, organization_id, wish.provider_id)
    if not is_supported_date(wish.starts_at.date()):
        past = wish.starts_at < resources.clock()
        return SlotUnavailable(reasons=(UnbookableReason.IN_THE_PAST if past else UnbookableReason.BEYOND_HORIZON,))
    calendar = await load_calendar(
        tx, organization_id, (wish.provider_id, wish.service_id), wish.starts_at.date()
    )
    if isinstance(calendar, NotFound):
        return calendar
    claim = claim_for(calendar.rules, wish.starts_at)
    lock = await lock_calendar(tx, organization_id, wish.provider_id, dates_to_lock(calendar, claim))
    now = resources.clock()
    claims = await load_claims(
        tx, organization_id, [wish.provider_id], claim.claimed_from, claim.claimed_until + 1
    )
    decision = decide_booking(calendar, claims[wish.provider_id], wish, now)
    if not isinstance(decision, Acceptance):
        return decision
    stored = await _write(resources, viewer, tx, lock, wish, decision, now)
    if isinstance(stored, Appointment):
        remembered = StoredAnswer(request_hash=hashed, appointment_id=stored.id)
        await remember_answer(tx, scope, remembered, now)
    return stored


async def _write(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    lock: CalendarLock,
    wish: BookingWish,
    decision: Acceptance,
    now: datetime,
) -> Appointment | SlotUnavailable | InvalidInput:
    customer = await _customer(resources, viewer, tx, wish, now)
    if isinstance(customer, InvalidInput):
        return customer
    appointment = Appointment(
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
    stored = await insert_appointment(tx, lock, appointment, ClaimId(resources.new_id()), decision.claim)
    # The exclusion constraint has the last word; whoever loses against it was simply too late.
    return stored or SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))


async def _customer(
    resources: Resources, viewer: Viewer, tx: Transaction, wish: BookingWish, now: datetime
) -> Customer | InvalidInput:
    """The customer's record, made at the first booking: the account's, or the one of guests with this contact."""
    organization_id = viewer.organization_id
    is_account = viewer.role is Role.CUSTOMER and viewer.subject is not None
    contact = wish.contact
    if is_account and viewer.subject is not None:
        known = await customer_by_subject(tx, organization_id, viewer.subject)
        if known is not None:
            return known
        if contact is None:
            contact_from_token = _contact_from_token(viewer)
            if isinstance(contact_from_token, InvalidInput):
                return contact_from_token
            contact = contact_from_token
    elif contact is not None:
        known = await guest_by_contact(tx, organization_id, contact)
        if known is not None:
            return known
    assert contact is not None  # noqa: S101  only a signed-in customer's wish has none
    customer = Customer(
        id=CustomerId(resources.new_id()),
        subject=viewer.subject if is_account else None,
        contact=contact,
        time_zone=wish.customer_time_zone,
    )
    await insert_customer(tx, organization_id, customer, now)
    if is_account and viewer.subject is not None:
        return await customer_by_subject(tx, organization_id, viewer.subject) or customer
    return await guest_by_contact(tx, organization_id, contact) or customer


def _contact_from_token(viewer: Viewer) -> Contact | InvalidInput:
    form = ContactForm(name=viewer.name or "", email=viewer.email, phone=None, locale=None)
    contact = valid_contact(form)
    if isinstance(contact, InvalidInput):
        return InvalidInput(
            field="customer", message="At your first booking, say how you are called and how you can be reached."
        )
    return contact
