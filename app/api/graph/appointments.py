"""Appointments: what is booked, by whom, and the mutation that books."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

import strawberry

from app.api.graph.availability import Slot, optional_zone, slots_offered
from app.api.graph.locations import Location, location_of
from app.api.graph.reminders import Reminder
from app.api.graph.service_times import ServiceAvailabilityResult, service_availability_result
from app.api.operation.info import Info
from app.api.operation.loaders import KnownCustomerQuestion
from app.api.words.enums import (
    Actor,
    AppointmentChangeKind,
    AppointmentOrder,
    AppointmentStatus,
    Assignment,
    Channel,
    Role,
    RuleSetAside,
)
from app.api.words.keys import (
    appointment_key,
    optional_customer_key,
    optional_provider_key,
    optional_provider_keys,
    optional_service_key,
    provider_keys,
)
from app.api.words.money import Money
from app.api.words.node import Node
from app.api.words.preferences import CHANNELS, channels_of
from app.api.words.refusals import (
    BookingLimitReachedError,
    CancellationQuote,
    HoldExpiredError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    ReschedulingQuote,
    SlotUnavailableError,
    refused,
)
from app.api.words.relay import (
    After,
    Before,
    Connection,
    First,
    Last,
    Order,
    PageRequest,
    connect,
    global_id,
)
from app.api.words.scalars import TimeZoneName
from app.core import appointment as core
from app.core import refusals
from app.core.history import HistoryEntry
from app.core.ids import CustomerId, ProviderId, SessionId
from app.core.lifecycle import fee_owed, quote_cancellation, quote_move
from app.core.message_rules import REMINDERS
from app.core.messages import Message
from app.core.provider import Offer
from app.core.validation import ContactForm
from app.core.viewer import Viewer
from app.core.zones import local_text, minute_of
from app.notify.ics import uid
from app.telemetry.metrics import count_answer
from app.usecases.booking.answer import Booked
from app.usecases.booking.book_appointment import BookingForm, book_appointment
from app.usecases.booking.find_appointment import find_appointment
from app.usecases.booking.list_appointments import list_keyset, own_list
from app.usecases.listing.list_moves import MoveQuestion
from app.usecases.look_ups import (
    AppointmentCountQuestion,
    AppointmentsQuestion,
    CustomerAppointmentCountQuestion,
    CustomerAppointmentsQuestion,
    SessionAppointmentsQuestion,
)

if TYPE_CHECKING:
    from app.api.graph.providers import Provider
    from app.api.graph.resources import Resource
    from app.api.graph.services import Service
    from app.api.graph.sessions import Session

LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]
LazyResource = Annotated["Resource", strawberry.lazy("app.api.graph.resources")]
LazyService = Annotated["Service", strawberry.lazy("app.api.graph.services")]
LazySession = Annotated["Session", strawberry.lazy("app.api.graph.sessions")]

ShownIn = Annotated[
    TimeZoneName | None,
    strawberry.argument(description="The zone to show it in (default: the customer's)."),
]
"""An argument of what is shown on a wall clock."""

BY_START = Order(name="appointments", types=(datetime, UUID))
ORDERS: Final = {
    AppointmentOrder.START_ASC: BY_START,
    AppointmentOrder.START_DESC: Order(name="appointments, latest first", types=(datetime, UUID)),
    AppointmentOrder.CREATED_DESC: Order(name="appointments, last booked", types=(datetime, UUID)),
}

FromStart = Annotated[
    datetime | None,
    strawberry.argument(name="from", description="Starting at or after this instant."),
]
ToStart = Annotated[
    datetime | None, strawberry.argument(description="Starting before this instant.")
]
Statuses = Annotated[
    list[AppointmentStatus] | None,
    strawberry.argument(description="Only in one of these states."),
]
OrderBy = Annotated[AppointmentOrder, strawberry.argument(description="In which order.")]


@strawberry.type(description="A customer's name and contact data, as given at booking.")
class Contact:
    """Maps the core's `Contact`."""

    name: str = strawberry.field(description="What to call them.")
    email: str | None = strawberry.field(description="Their e-mail address.")
    phone: str | None = strawberry.field(description="Their phone number, in E.164 form.")
    locale: str | None = strawberry.field(
        description="The language they read, as a tag such as de-AT."
    )
    channels: list[Channel] | None = strawberry.field(description=CHANNELS)

    @classmethod
    def of(cls, contact: core.Contact) -> Self:
        """From the core."""
        return cls(
            name=contact.name,
            email=contact.email,
            phone=contact.phone,
            locale=contact.locale,
            channels=channels_of(contact.channels),
        )


@strawberry.type(
    description=(
        "A customer's record: an account, a person whom staff entered, or all guests who gave one "
        "e-mail. For reception, administrators, and the customer themselves. A provider sees those "
        "whom they serve, with the contact that was given for the last visit with them; and the "
        "records that they made."
    )
)
class Customer(Node):
    """Maps the core's `Customer`."""

    name: str = strawberry.field(description="What to call them.")
    email: str | None = strawberry.field(description="Their e-mail address.")
    phone: str | None = strawberry.field(description="Their phone number, in E.164 form.")
    time_zone: TimeZoneName = strawberry.field(
        description="Their time zone: that of the booking that created the record, until changed."
    )
    locale: str | None = strawberry.field(
        description="The language they read, as a tag such as de-AT."
    )
    channels: list[Channel] | None = strawberry.field(description=CHANNELS)
    row: strawberry.Private[core.Customer | core.ServedCustomer]

    @strawberry.field(
        description="When the record was made; for a provider who did not make it, when the first "
        "visit with them was booked."
    )
    async def created_at(self, info: Info) -> datetime:
        """Batched. If the first visit has been handed over since, the one by which they were known
        counts.
        """
        row = self.row
        if isinstance(row, core.Customer):
            return row.created_at
        question = KnownCustomerQuestion(info.context.viewer, row.id)
        return await info.context.loaders.known_since.load(question) or row.last_booked_at

    @strawberry.field(description="The organization's own id for them. Staff only.")
    async def external_id(self, info: Info) -> str | None:
        """Null for others. Batched."""
        if not info.context.viewer.sees_staff_matters:
            return None
        record = self.row
        if isinstance(record, core.ServedCustomer):
            found = await info.context.loaders.customer.load(record.id)
            return None if found is None else found.external_id
        return record.external_id

    @strawberry.field(
        description="The private address of the calendar feed (RFC 5545) of all their "
        "appointments, for the signed-in customer: a secret. Null for others, where none was made "
        "(`renewCalendarFeed`), and where the server knows no public address of its own."
    )
    async def calendar_feed_url(self, info: Info) -> str | None:
        """Batched."""
        viewer = info.context.viewer
        is_theirs = viewer.role is Role.CUSTOMER and viewer.customer_id == self.row.id
        return await calendar_feed_url(info, self.row.id) if is_theirs else None

    @strawberry.field(
        description="Their appointments that start in from…to; for a provider, those with them."
    )
    async def appointments(  # noqa: PLR0917  its filters, and the four arguments of a page
        self,
        info: Info,
        from_: FromStart = None,
        to: ToStart = None,
        status: Statuses = None,
        order_by: OrderBy = AppointmentOrder.START_ASC,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> "AppointmentConnection":
        """Batched."""
        page = PageRequest.read(
            ORDERS[order_by], first=first, after=after, last=last, before=before
        )
        which = own_list(info.context.viewer, filter_of(from_, to, status))
        loaders, customer_id = info.context.loaders, self.row.id
        question = CustomerAppointmentsQuestion(
            customer_id,
            which,
            list_keyset(page.keyset, order_by),
            order_by is AppointmentOrder.CREATED_DESC,
        )
        return connect(
            page,
            ORDERS[order_by],
            await loaders.appointments_of_customer.load(question),
            key=SORT_KEYS[order_by],
            node=Appointment.of,
            count=lambda: loaders.appointment_count_of_customer.load(
                CustomerAppointmentCountQuestion(customer_id, which)
            ),
        )

    @classmethod
    def of(cls, customer: core.Customer | core.ServedCustomer) -> Self:
        """From the core."""
        contact = customer.contact
        return cls(
            id=global_id("Customer", customer.id),
            row=customer,
            name=contact.name,
            email=contact.email,
            phone=contact.phone,
            time_zone=TimeZoneName(customer.time_zone),
            locale=contact.locale,
            channels=channels_of(contact.channels),
        )


@strawberry.type(description="One change of an appointment.")
class AppointmentHistoryEntry:
    """Maps the core's `HistoryEntry`."""

    version: int = strawberry.field(description="The version that it made.")
    kind: AppointmentChangeKind = strawberry.field(description="What happened.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    actor: Actor = strawberry.field(description="Who did it.")
    actor_subject: str | None = strawberry.field(
        description="The subject of the actor's token, where there was one."
    )
    from_status: AppointmentStatus | None = strawberry.field(
        description="The state before; null for the booking itself."
    )
    to_status: AppointmentStatus = strawberry.field(description="The state afterwards.")
    from_starts_at: datetime | None = strawberry.field(
        description="The start before; null for the booking itself."
    )
    to_starts_at: datetime = strawberry.field(description="The start afterwards.")
    reason: str | None = strawberry.field(description="The reason that the actor gave.")
    assignment: Assignment | None = strawberry.field(
        description="The order in which the service's providers were tried; null where nobody was "
        "assigned by it."
    )
    ignored: list[RuleSetAside] = strawberry.field(
        description="The rules of time that were set aside for it."
    )
    row: strawberry.Private[HistoryEntry]

    @strawberry.field(
        description="The providers before, the lead first; empty for the booking itself."
    )
    async def from_providers(self, info: Info) -> list[LazyProvider]:
        """Batched."""
        return await providers_of(info, self.row.from_providers)

    @strawberry.field(description="The providers afterwards, the lead first.")
    async def to_providers(self, info: Info) -> list[LazyProvider]:
        """Batched."""
        return await providers_of(info, self.row.to_providers)

    @classmethod
    def of(cls, entry: HistoryEntry) -> Self:
        """From the core."""
        return cls(
            row=entry,
            assignment=entry.assignment,
            version=entry.version,
            kind=entry.kind,
            occurred_at=entry.occurred_at,
            actor=entry.actor,
            actor_subject=entry.actor_subject,
            from_status=entry.from_status,
            to_status=entry.to_status,
            from_starts_at=entry.from_starts_at,
            to_starts_at=entry.to_starts_at,
            reason=entry.reason,
            ignored=[rule for rule in RuleSetAside if rule in entry.ignored],
        )


@strawberry.type(
    description=(
        "A booked visit. Seen by its customer, its providers, reception, administrators and its "
        "manage token."
    )
)
class Appointment(Node):
    """Maps the core's `Appointment`; made only for callers who may see it."""

    row: strawberry.Private[core.Appointment]
    status: AppointmentStatus = strawberry.field(description="Its current state.")
    starts_at: datetime = strawberry.field(description="The start of the visit, in UTC.")
    ends_at: datetime = strawberry.field(description="The end of the visit, in UTC.")
    customer_time_zone: TimeZoneName = strawberry.field(
        description="The customer's time zone, as given at booking."
    )
    notes: str | None = strawberry.field(description="The customer's remarks, as given at booking.")
    seats: int = strawberry.field(
        description="How many seats it takes; 1 where the service has no seats."
    )
    version: int = strawberry.field(description="Starts at 1; every change increments it.")
    created_at: datetime = strawberry.field(description="When it was booked.")

    @classmethod
    def of(cls, appointment: core.Appointment) -> Self:
        """From the core."""
        return cls(
            id=global_id("Appointment", appointment.id),
            row=appointment,
            status=appointment.status,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            customer_time_zone=TimeZoneName(appointment.customer_time_zone),
            notes=appointment.notes,
            seats=appointment.seats,
            version=appointment.version,
            created_at=appointment.created_at,
        )

    @strawberry.field(
        description="The start on the wall clock of this zone, with its offset: "
        "2026-03-08T09:00:00-05:00."
    )
    def local_start(self, time_zone: ShownIn = None) -> str:
        """Formatted here: browsers' own zone tables differ."""
        return self._local(self.row.starts_at, time_zone)

    @strawberry.field(description="The end on the wall clock of this zone, with its offset.")
    def local_end(self, time_zone: ShownIn = None) -> str:
        """As `local_start`."""
        return self._local(self.row.ends_at, time_zone)

    def _local(self, instant: datetime, time_zone: TimeZoneName | None) -> str:
        zone = optional_zone(time_zone) or self.row.customer_time_zone
        return local_text(zone, minute_of(instant))

    @strawberry.field(
        description=(
            "The UID of its calendar event (RFC 5545), the same in every message and for "
            "its whole life."
        )
    )
    def calendar_uid(self) -> str:
        """As in the calendar parts of our mails."""
        return uid(self.row.id)

    @strawberry.field(
        description="The private address of a calendar feed (RFC 5545) with this one appointment, "
        "for its customer and its manage token: a secret, which ends with the manage token. Null "
        "for others, and where the server knows no public address of its own."
    )
    def calendar_feed_url(self, info: Info) -> str | None:
        """Signed, and stored nowhere."""
        resources, viewer = info.context.resources, info.context.viewer
        if viewer.runs_any(self.row.providers):
            return None
        link = core.ManageLink(self.row.id, self.row.manage_generation)
        return resources.messaging.calendar_url(
            resources.calendar_tokens.sign(viewer.organization_id, link)
        )

    @strawberry.field(description="The provider: the lead, where it takes several.")
    async def provider(self, info: Info) -> LazyProvider:
        """Batched."""
        [lead] = await providers_of(info, [self.row.provider_id])
        return lead

    @strawberry.field(description="All providers that it takes, the lead first.")
    async def providers(self, info: Info) -> list[LazyProvider]:
        """Batched."""
        return await providers_of(info, self.row.providers)

    @strawberry.field(description="The rooms and devices that it takes, or took.")
    async def resources(self, info: Info) -> list[LazyResource]:
        """Batched."""
        from app.api.graph.resources import Resource as ResourceType  # noqa: PLC0415  the two types name each other

        found = await asyncio.gather(*map(info.context.loaders.resource.load, self.row.resources))
        return [ResourceType.of(resource) for resource in found if resource is not None]

    @strawberry.field(description="The service; null where none was named.")
    async def service(self, info: Info) -> LazyService | None:
        """Batched."""
        from app.api.graph.services import Service as ServiceType  # noqa: PLC0415  the two types name each other

        if self.row.service_id is None:
            return None
        found = await info.context.loaders.service.load(self.row.service_id)
        return None if found is None else ServiceType.of(found)

    @strawberry.field(
        description="Where it takes place: where its service says, else where its lead provider "
        "sees customers; null where neither says."
    )
    async def location(self, info: Info) -> Location | None:
        """Batched; as of now."""
        row, loaders = self.row, info.context.loaders
        service = None if row.service_id is None else await loaders.service.load(row.service_id)
        if service is not None and service.location_id is not None:
            return await location_of(info, service.location_id)
        lead = await loaders.provider.load(row.provider_id)
        return None if lead is None else await location_of(info, lead.location_id)

    @strawberry.field(
        description="The session whose seats it takes; null where it has its time alone. Only its "
        "providers, reception and administrators get it."
    )
    async def session(self, info: Info) -> LazySession | None:
        """Batched."""
        from app.api.graph.sessions import Session as SessionType  # noqa: PLC0415  the two types name each other

        row = self.row
        if row.session_id is None or not info.context.viewer.sees_session_of(row.providers):
            return None
        found = await info.context.loaders.session.load(row.session_id)
        return None if found is None else SessionType.of(found)

    @strawberry.field(
        description="What it costs, for all its seats, as the service said at booking; null where "
        "no price was set."
    )
    def price(self) -> Money | None:
        """As recorded."""
        return Money.of(self.row.price)

    @strawberry.field(
        description=(
            "As given at booking; for the customer themselves, their provider, reception, "
            "administrators, the manage token."
        )
    )
    def contact(self) -> Contact | None:
        """Shown to everybody who may see the appointment."""
        return Contact.of(self.row.contact)

    @strawberry.field(
        description="The customer's record; null but for staff and that signed-in customer."
    )
    async def customer(self, info: Info) -> Customer | None:
        """Batched."""
        return await customer_seen(info, self.row.customer_id)

    @strawberry.field(description="The organization's own id for it. Staff only.")
    def external_id(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.external_id if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="What staff noted about it. Staff only.")
    def staff_notes(self, info: Info) -> str | None:
        """Null for others."""
        sees_it = info.context.viewer.sees_history_of(self.row)
        return self.row.staff_notes if sees_it else None

    @strawberry.field(description="When it was cancelled; null where it was not.")
    def cancelled_at(self) -> datetime | None:
        """As recorded."""
        return self.row.cancelled_at

    @strawberry.field(description="The reason that was given for the cancellation.")
    def cancellation_reason(self) -> str | None:
        """As recorded."""
        return self.row.cancellation_reason

    @strawberry.field(
        description=(
            "The fee for the cancellation; null where it was free. This server does not charge it."
        )
    )
    def cancellation_fee(self) -> Money | None:
        """As recorded."""
        return Money.of(self.row.cancellation_fee)

    @strawberry.field(
        description="What is owed for it: the fee of its late cancellation, or of a no-show where "
        "the policy says so; null where nothing is. This server does not charge it."
    )
    def fee(self) -> Money | None:
        """By the policy as of the booking."""
        return Money.of(fee_owed(self.row))

    @strawberry.field(
        description=(
            "What the caller would pay to cancel right now; null once it can't be cancelled."
        )
    )
    def cancellation_quote(
        self,
        info: Info,
        *,
        at_customers_request: Annotated[
            bool,
            strawberry.argument(
                description="For staff: what the customer would pay. Others pay that anyway."
            ),
        ] = False,
    ) -> CancellationQuote | None:
        """By the function that decides over cancellations."""
        context = info.context
        actor = context.viewer.actor_on(self.row)
        payer = actor.as_payer(at_customers_request=at_customers_request)
        quote = quote_cancellation(self.row, payer, context.resources.clock())
        return None if quote is None else CancellationQuote.of(quote)

    @strawberry.field(
        description="Whether the caller may move it right now, to any time, and until when."
    )
    def rescheduling_quote(self, info: Info) -> ReschedulingQuote:
        """By the function that decides over moves."""
        context = info.context
        return ReschedulingQuote.of(
            quote_move(self.row, context.viewer.actor_on(self.row), context.resources.clock())
        )

    @strawberry.field(
        description="Where and when the caller can move it to, by the same law as the move itself, "
        "on the dates from…to, inclusive; null where they can't move it. At most 62 days."
    )
    async def reschedule_availability(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="The first date.")],
        to: Annotated[date, strawberry.argument(description="The last date, inclusive.")],
        time_zone: Annotated[
            TimeZoneName | None,
            strawberry.argument(
                description="The zone of the dates and local times (default: the customer's)."
            ),
        ] = None,
        provider_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description="Staff: with these instead of those who were named; the first leads."
            ),
        ] = None,
        seats: Annotated[
            int | None,
            strawberry.argument(
                description="With this many seats, 1 to 1,000 (default: as many as it takes)."
            ),
        ] = None,
    ) -> ServiceAvailabilityResult | None:
        """Batched; past the caches."""
        question = MoveQuestion(
            appointment=self.row,
            actor=info.context.viewer.actor_on(self.row),
            named=tuple(provider_keys(provider_ids or ())),
            first=from_,
            last=to,
            time_zone=time_zone or self.row.customer_time_zone,
            seats=seats,
        )
        found = await info.context.loaders.moves.load(question)
        return None if found is None else service_availability_result(found)

    @strawberry.field(
        description=(
            "The reminders before the start: those that are planned, and those that were "
            "sent, failed or skipped. Of a session, its providers get one for all appointments in "
            "it, which only they, reception and administrators see."
        )
    )
    async def reminders(self, info: Info) -> list[Reminder]:
        """Batched."""
        found = await messages_of(info, self.row)
        return [Reminder.of(message) for message in found if message.kind in REMINDERS]

    @strawberry.field(
        description=(
            "Every message about it, reminders and notices alike, in the order they are due. "
            "Only its providers, reception and administrators see the messages about all of its "
            "session."
        )
    )
    async def messages(self, info: Info) -> list[Reminder]:
        """Batched."""
        return [Reminder.of(message) for message in await messages_of(info, self.row)]

    @strawberry.field(
        description=(
            "Its history, one entry per version. Only its providers, reception and administrators "
            "get entries."
        )
    )
    async def history(self, info: Info) -> list[AppointmentHistoryEntry]:
        """Batched."""
        if not info.context.viewer.sees_history_of(self.row):
            return []
        return [
            AppointmentHistoryEntry.of(entry)
            for entry in await info.context.loaders.history.load(self.row.id)
        ]


async def messages_of(info: Info, row: core.Appointment) -> list[Message]:
    """The messages about an appointment that the caller may see: those about a whole session are
    its providers' matter. Batched.
    """
    found = await info.context.loaders.messages.load(row.id)
    if info.context.viewer.sees_session_of(row.providers):
        return found
    return [message for message in found if message.session_id is None]


async def customer_seen(info: Info, customer_id: CustomerId) -> Customer | None:
    """The customer as the caller may see them, or None. Batched."""
    viewer, loaders = info.context.viewer, info.context.loaders
    found = (
        await loaders.customer.load(customer_id)
        if viewer.sees_record(customer_id)
        else await loaders.known_customer.load(KnownCustomerQuestion(viewer, customer_id))
    )
    return None if found is None else Customer.of(found)


async def calendar_feed_url(info: Info, owner_id: ProviderId | CustomerId) -> str | None:
    """The address of the feed of a provider or a customer, if there is one. Batched."""
    context = info.context
    feed = await context.loaders.calendar_feed.load(owner_id)
    if feed is None:
        return None
    token = context.resources.calendar_tokens.sign(context.viewer.organization_id, feed.id)
    return context.resources.messaging.calendar_url(token)


async def providers_of(info: Info, provider_ids: Sequence[ProviderId]) -> list[LazyProvider]:
    """These providers, in order. Batched."""
    from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

    found = await asyncio.gather(*map(info.context.loaders.provider.load, provider_ids))
    gone = [each for each, provider in zip(provider_ids, found, strict=True) if provider is None]
    if gone:
        raise LookupError(f"providers are gone: {gone}")
    return [ProviderType.of(provider) for provider in found if provider is not None]


AppointmentConnection = Connection[Appointment]


def filter_of(
    from_start: datetime | None,
    until_start: datetime | None,
    status: list[AppointmentStatus] | None,
) -> core.AppointmentFilter:
    """Which appointments of a list."""
    statuses = None if status is None else tuple(status)
    return core.AppointmentFilter(from_start=from_start, until_start=until_start, statuses=statuses)


def no_appointments(page: PageRequest) -> AppointmentConnection:
    """For callers who see none of them."""
    return connect(page, BY_START, [], key=_sort_key, node=Appointment.of, count=_none)


async def appointments_of(
    info: Info, provider_id: ProviderId, which: core.AppointmentFilter, page: PageRequest
) -> AppointmentConnection:
    """A page of a provider's appointments, loaded in one batch with those of the operation's other
    providers.
    """
    loaders = info.context.loaders
    rows = await loaders.appointments_of_provider.load(
        AppointmentsQuestion(provider_id, which, page.keyset)
    )
    return connect(
        page,
        BY_START,
        rows,
        key=_sort_key,
        node=Appointment.of,
        count=lambda: loaders.appointment_count_of_provider.load(
            AppointmentCountQuestion(provider_id, which)
        ),
    )


async def page_of_session(
    info: Info,
    session_id: SessionId,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> AppointmentConnection:
    """A page of a session's appointments, loaded in one batch with those of the operation's other
    sessions.
    """
    page = PageRequest.read(BY_START, first=first, after=after, last=last, before=before)
    loaders = info.context.loaders
    rows = await loaders.appointments_of_session.load(
        SessionAppointmentsQuestion(session_id, page.keyset)
    )
    return connect(
        page,
        BY_START,
        rows,
        key=_sort_key,
        node=Appointment.of,
        count=lambda: loaders.appointment_count_of_session.load(session_id),
    )


def _sort_key(row: core.Appointment) -> tuple[datetime, UUID]:
    return row.starts_at, row.id


def _key_by_creation(row: core.Appointment) -> tuple[datetime, UUID]:
    return row.created_at, row.id


SORT_KEYS: Final = {
    AppointmentOrder.START_ASC: _sort_key,
    AppointmentOrder.START_DESC: _sort_key,
    AppointmentOrder.CREATED_DESC: _key_by_creation,
}


async def _none() -> int:
    return 0


@strawberry.input(
    description="The customer's name and contact data: at least one of e-mail and phone."
)
class CustomerInput:
    """Becomes a `ContactForm`."""

    name: str = strawberry.field(description="1 to 200 characters.")
    email: str | None = strawberry.field(default=None, description="An e-mail address.")
    phone: str | None = strawberry.field(
        default=None,
        description="With the country code; kept in E.164 form. Text messages go there if it is "
        "verified: if staff book, or reception or administrators "
        "set it on the customer's record, or the caller's token calls it so. An organization may "
        "have them go to any number.",
    )
    locale: str | None = strawberry.field(
        default=None, description="A language tag, such as de-AT."
    )
    channels: list[Channel] | None = strawberry.field(default=None, description=CHANNELS)

    def to_core(self) -> ContactForm:
        """To the core, unchecked."""
        return ContactForm(
            name=self.name,
            email=self.email,
            phone=self.phone,
            locale=self.locale,
            channels=self.channels,
        )


@strawberry.input(
    description="A booking. Retry it with the same idempotency key: it is never booked twice."
)
class BookAppointmentInput:
    """Becomes a `BookingForm`."""

    provider_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The provider. Without `providerId` and `providerIds`, and with a service: any "
        "of its providers who is free.",
    )
    provider_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="With all of these, the first as the lead: as many as the service takes, or "
        "fewer. Give either this or `providerId`.",
    )
    service_id: strawberry.ID | None = strawberry.field(
        default=None, description="The service; left out: the provider's own rules apply."
    )
    hold_token: str | None = strawberry.field(
        default=None,
        description="From `holdSlot`; the time is reserved until the hold expires. Providers, "
        "service and seats may be left out; those that are given must be those that are held.",
    )
    seats: int | None = strawberry.field(
        default=None,
        description="How many seats, where the service has some, 1 to 1,000. Left out: one, or as "
        "many as are held.",
    )
    starts_at: datetime = strawberry.field(
        description="The start of the visit: one of the listed slots."
    )
    ignore: list[RuleSetAside] | None = strawberry.field(
        default_factory=list,
        description="Staff: rules of time that are set aside, each by name. What a hold set "
        "aside need not be repeated.",
    )
    duration_minutes: int | None = strawberry.field(
        default=None,
        description=(
            "If given, it must be the current duration. Protects against a page that "
            "shows outdated rules."
        ),
    )
    customer: CustomerInput | None = strawberry.field(
        default=None,
        description="Who it is for; required unless the viewer is a customer, or `customerId` is "
        "given.",
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Staff: book for this customer, who may have an account; providers only for "
        "customers whom they serve. The customer's limits apply. `customer` then says"
        " how to reach them about this appointment; left out: as in their record.",
    )
    external_id: str | None = strawberry.field(
        default=None,
        description="Staff: your own id for it, unique among appointments; 1 to 255 characters.",
    )
    customer_time_zone: TimeZoneName = strawberry.field(
        description="The time zone in which the customer reads times."
    )
    notes: str | None = strawberry.field(default=None, description="Up to 2,000 characters.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, new for every new booking, such as a random UUID."
    )


@strawberry.type(
    description=(
        "The appointment, and the secret that lets someone without an account see, move "
        "or "
        "cancel it."
    )
)
class BookingConfirmation:
    """Maps `Booked`."""

    appointment: Appointment = strawberry.field(description="As it is now.")
    manage_token: str = strawberry.field(
        description=(
            "Give it as `manageToken`, or as a bearer token; keep it as secret as a password."
        )
    )


BookAppointmentResult = Annotated[
    BookingConfirmation
    | SlotUnavailableError
    | BookingLimitReachedError
    | HoldExpiredError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | IdempotencyKeyReusedError,
    strawberry.union("BookAppointmentResult", description="The appointment, or why there is none."),
]


@strawberry.type
class AppointmentQuery:
    """The root fields about appointments."""

    @strawberry.field(
        description="The appointment with this id; null if there is none that the caller may see."
    )
    async def appointment(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Which.")],
        manage_token: Annotated[
            str | None, strawberry.argument(description="The secret that came with the booking.")
        ] = None,
    ) -> Appointment | None:
        """Reading never changes anything."""
        found = await find_appointment(
            info.context.resources,
            info.context.viewer,
            appointment_key(id),
            manage_token=manage_token,
            load=info.context.loaders.appointment.load,
        )
        return None if found is None else Appointment.of(found)


@strawberry.type
class AppointmentMutation:
    """The mutations of appointments."""

    @strawberry.mutation(
        description="Books a listed slot. Never twice: the same idempotency key with the same "
        "request gives the same "
        "appointment again."
    )
    async def book_appointment(
        self,
        info: Info,
        input: Annotated[BookAppointmentInput, strawberry.argument(description="The booking.")],
    ) -> BookAppointmentResult:
        """See the use case."""
        form = BookingForm(
            provider_id=optional_provider_key(input.provider_id),
            provider_ids=optional_provider_keys(input.provider_ids),
            service_id=optional_service_key(input.service_id),
            starts_at=input.starts_at,
            duration_minutes=input.duration_minutes,
            customer=input.customer.to_core() if input.customer else None,
            customer_time_zone=input.customer_time_zone,
            notes=input.notes,
            idempotency_key=input.idempotency_key,
            hold_token=input.hold_token,
            seats=input.seats,
            customer_id=optional_customer_key(input.customer_id),
            external_id=input.external_id,
            ignore=input.ignore or (),
        )
        viewer = info.context.viewer
        answer = await book_appointment(info.context.resources, viewer, form)
        count_answer("bookAppointment", answer)
        match answer:
            case Booked():
                if viewer.role is Role.CUSTOMER:
                    # The first booking made the customer's record, which the rest of this operation
                    # may show.
                    info.context.viewer = replace(
                        viewer, customer_id=answer.appointment.customer_id
                    )
                return confirmation_of(answer)
            case refusals.SlotUnavailable():
                return slot_unavailable(answer, viewer, form.customer_time_zone)
            case refusals.HoldExpired():
                return HoldExpiredError(
                    code="HOLD_EXPIRED",
                    said=answer.message,
                    alternatives=_slots_offered(answer.alternatives, form.customer_time_zone),
                )
            case _:
                return refused(answer)


def slot_unavailable(
    refusal: refusals.SlotUnavailable, viewer: Viewer, time_zone: str | None
) -> SlotUnavailableError:
    """The refusal of a time, with the reasons that the caller may know, and its alternatives in
    the customer's zone.
    """
    refusal = replace(refusal, reasons=viewer.reasons_shown(refusal.reasons))
    return SlotUnavailableError(
        code="SLOT_UNAVAILABLE",
        said=refusal.message,
        reasons=list(refusal.reasons),
        alternatives=_slots_offered(refusal.alternatives, time_zone),
    )


def _slots_offered(offer: Offer | None, time_zone: str | None) -> list[Slot]:
    """The slots of an offer, in this zone or else the provider's."""
    return [] if offer is None else slots_offered(offer.slots, time_zone)


def confirmation_of(booked: Booked) -> BookingConfirmation:
    """The appointment with its manage token."""
    return BookingConfirmation(
        appointment=Appointment.of(booked.appointment), manage_token=booked.manage_token
    )
