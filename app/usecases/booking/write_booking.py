"""What a booking asks before it is decided on, and what it writes: the same both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.appointment import Appointment, AppointmentStatus
from app.core.booking import accept
from app.core.changes import AppointmentChangeKind
from app.core.events import Author
from app.core.ids import AppointmentId
from app.store.appointments import insert_appointment
from app.store.bookings import Booking
from app.store.locks import name_of_customer
from app.store.network_tallies import tally_booking
from app.store.subjects import insert_subjects
from app.usecases.booking.know_customer import subject_of
from app.usecases.events.record import customer_changed, record_change

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Customer
    from app.core.booking import BookingWish
    from app.core.changes import AppointmentChanged
    from app.core.ids import ServiceId
    from app.core.viewer import Viewer
    from app.store.bookings import BeforeBooking
    from app.store.idempotency import RequestKey
    from app.store.pool import Writes
    from app.usecases.booking.limit_guests import Limited
    from app.usecases.booking.lock_calendar import Sight
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRequest:
    """Who books what, under which key, and against whose limits it counts, if anybody's."""

    viewer: Viewer
    key: RequestKey
    wish: BookingWish
    booker: Limited | None

    def asked_at(self, now: datetime) -> Booking:
        """Of what it asks before it is decided on."""
        customer = self.wish.customer
        return Booking(
            scope=self.key.scope,
            customer_id=None if customer is None else customer.id,
            subject=subject_of(self.viewer),
            contact=self.wish.contact,
            guest_origin=self.origin,
            now=now,
        )

    @property
    def origin(self) -> bytes | None:
        """A guest's network, where networks are counted."""
        return None if self.booker is None else self.booker.origin

    @property
    def names(self) -> Sequence[str]:
        """What is locked while the customer's bookings are counted."""
        customer = self.wish.customer
        if customer is not None:
            return [name_of_customer(customer.id, customer.subject)]
        return () if self.booker is None else self.booker.names

    def phone_given(self, booked: Appointment) -> str | None:
        """The number that the caller gives with it. Staff who name a customer did not give the one
        that is on their record.
        """
        given = booked.contact if self.wish.customer is None else self.wish.contact
        return None if given is None else given.phone


def write_booking(
    resources: Resources,
    request: BookingRequest,
    writes: Writes,
    before: BeforeBooking,
    sight: Sight,
    service_id: ServiceId | None,
    customer: Customer,
) -> tuple[Appointment, AppointmentChanged]:
    """All but the time, to be written with it in one statement."""
    viewer, origin = request.viewer, request.origin
    organization_id = viewer.organization_id
    booked = _new_appointment(resources, customer, request.wish, service_id, sight)
    insert_appointment(writes, organization_id, booked, guest_origin=origin)
    insert_subjects(writes, organization_id, booked, sight.claims, sight.now)
    if origin is not None:
        tally_booking(writes, organization_id, origin, sight.now.date())
    changed = record_change(
        resources,
        writes,
        organization_id,
        None,
        booked,
        AppointmentChangeKind.BOOKED,
        author=Author(actor=viewer.actor_on(booked), subject=viewer.subject, origin=origin),
        now=sight.now,
        key=request.key,
        also=() if before.customer is not None else (customer_changed(customer.id),),
        assignment=sight.assignment,
        ignored=booked.ignored,
        reminders=before.reminders,
    )
    return booked, changed


def _new_appointment(
    resources: Resources,
    customer: Customer,
    wish: BookingWish,
    service_id: ServiceId | None,
    sight: Sight,
) -> Appointment:
    # Price and policy are in force for the lead.
    accepted = accept(sight.calendar, sight.claims, sight.seats)
    return Appointment(
        id=AppointmentId(resources.new_id()),
        provider_id=sight.lead,
        service_id=service_id,
        customer_id=customer.id,
        external_id=wish.external_id,
        status=AppointmentStatus.CONFIRMED,
        starts_at=accepted.starts_at,
        ends_at=accepted.ends_at,
        customer_time_zone=wish.customer_time_zone,
        contact=wish.contact or (wish.customer or customer).contact,
        notes=wish.notes,
        version=1,
        time_version=1,
        price=accepted.price,
        cancellation_policy=accepted.cancellation_policy,
        created_at=sight.now,
        cancelled_at=None,
        cancellation_reason=None,
        cancellation_fee=None,
        others=sight.providers[1:],
        named=sight.named,
        resources=sight.resources,
        session_id=sight.session_id,
        seats=sight.seats,
        ignored=sight.ignored | wish.wanted.override.rules,
    )
