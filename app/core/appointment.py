"""Appointments and the people who book them, as the program reads them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from app.core.taken import Taken

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from app.core.ids import (
        AppointmentId,
        CustomerId,
        ProviderId,
        ResourceId,
        ServiceId,
    )
    from app.core.messages import Channel
    from app.core.money import CancellationPolicy, Money


class AppointmentStatus(StrEnum):
    """The state of an appointment."""

    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    NO_SHOW = "NO_SHOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How a customer wants to be called and reached: at least one of `email` and `phone` (E.164).

    `channels` are those on which they want messages; None: by e-mail where there is an address,
    else by SMS.
    """

    name: str
    email: str | None
    phone: str | None
    locale: str | None
    channels: tuple[Channel, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer's record. With a `subject` it is an account; without one, a person whom staff
    entered, or all guests who gave this e-mail. `external_id` is the organization's own id.
    """

    id: CustomerId
    subject: str | None
    contact: Contact
    time_zone: str
    created_at: datetime
    external_id: str | None = None
    made_by_staff: bool = False
    is_erased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCustomer:
    """A customer as a provider knows them who did not make their record: by what was given for
    their last visit together, which was booked at `last_booked_at`.
    """

    id: CustomerId
    contact: Contact
    time_zone: str
    last_booked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment(Taken):
    """A booked visit, `[starts_at, ends_at)` in UTC.

    Contact, price and policy are as they were at booking; the contact may have been corrected.
    `version` rises with every change, `time_version` whenever the start, the providers, the
    session, the seats or an address of the contact change: messages of an earlier one are not sent.
    `manage_generation` is that of the manage links that open it.
    """

    id: AppointmentId
    service_id: ServiceId | None
    customer_id: CustomerId
    status: AppointmentStatus
    starts_at: datetime
    ends_at: datetime
    customer_time_zone: str
    contact: Contact
    notes: str | None
    version: int
    time_version: int
    price: Money | None
    cancellation_policy: CancellationPolicy
    created_at: datetime
    cancelled_at: datetime | None
    cancellation_reason: str | None
    cancellation_fee: Money | None
    staff_notes: str | None = None
    external_id: str | None = None
    manage_generation: int = 0


class ManageLink(NamedTuple):
    """What a manage token opens: one appointment, as long as its links are of this generation."""

    appointment_id: AppointmentId
    generation: int = 0

    def opens(self, appointment: Appointment) -> bool:
        """Whether it is a link to this appointment, and not an old one."""
        return self == (appointment.id, appointment.manage_generation)


class AppointmentOrder(StrEnum):
    """The order of a list of appointments."""

    START_ASC = "START_ASC"
    START_DESC = "START_DESC"
    CREATED_DESC = "CREATED_DESC"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentFilter:
    """Which appointments of a list: those for which all of it holds; None bounds nothing.

    `from_start` is inclusive, `until_start` exclusive. `providers`, `resources` and `services` are
    sets of which an appointment has one. `seen_by` is the provider who looks, and sees their own.
    `words` are those by which the reader `reader_id` knows the customer.
    """

    from_start: datetime | None = None
    until_start: datetime | None = None
    statuses: tuple[AppointmentStatus, ...] | None = None
    services: tuple[ServiceId, ...] | None = None
    providers: tuple[ProviderId, ...] | None = None
    resources: tuple[ResourceId, ...] | None = None
    customers: tuple[CustomerId, ...] | None = None
    seen_by: ProviderId | None = None
    reader_id: UUID | None = None
    words: str | None = None

    @property
    def parameters(self) -> tuple[object, ...]:
        """In the order in which statements take them."""
        return (
            self.from_start,
            self.until_start,
            self.statuses,
            self.services,
            self.providers,
            self.resources,
            self.customers,
            self.seen_by,
            self.reader_id,
            self.words,
        )
