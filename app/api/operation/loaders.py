"""Dataloaders: concurrent look-ups of one operation become one statement, however many there are.

They hold the pool, not a connection: each batch takes one for its statement and gives it back.
"""

from __future__ import annotations

import asyncio
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from strawberry.dataloader import DataLoader

from app.core.party import Party, ServiceParty
from app.usecases.listing.find_next_slots import next_slots
from app.usecases.listing.list_availability import (
    SlotQuestion,
    known_listing,
    list_availability,
)
from app.usecases.listing.list_moves import MoveQuestion, list_moves
from app.usecases.listing.list_service import (
    NextStart,
    ServiceListed,
    ServiceQuestion,
    list_services,
    next_of_services,
)
from app.usecases.look_ups import (
    AppointmentCountQuestion,
    AppointmentsQuestion,
    BusyTimesQuestion,
    CustomerAppointmentCountQuestion,
    CustomerAppointmentsQuestion,
    DatesQuestion,
    SessionAppointmentsQuestion,
    appointment_counts,
    appointment_pages,
    customer_appointment_counts,
    customer_appointment_pages,
    find_appointments,
    find_appointments_of_messages,
    find_busy_sources,
    find_busy_sources_of,
    find_busy_times,
    find_calendar_feeds,
    find_customers,
    find_exceptions,
    find_history,
    find_holds,
    find_locations,
    find_needs,
    find_resources,
    find_services,
    find_sessions,
    find_time_off,
    find_time_off_of_subjects,
    find_weekly_breaks,
    find_weekly_hours,
    services_offered_by,
    session_appointment_counts,
    session_appointment_pages,
)
from app.usecases.messages.list_messages import list_messages
from app.usecases.practice.find_customers import known_customers, known_since
from app.usecases.practice.find_providers import find_providers, known_calendars
from app.usecases.webhooks.list_webhooks import find_deliveries, find_webhooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from app.api.operation.made_of import MadeOf
    from app.core.appointment import Appointment, Customer
    from app.core.busy import BusySource
    from app.core.calendar_feed import CalendarFeed
    from app.core.history import HistoryEntry
    from app.core.hold import Hold
    from app.core.ids import (
        AppointmentId,
        BusySourceId,
        CustomerId,
        DeliveryId,
        HoldId,
        LocationId,
        MessageLogId,
        OrganizationId,
        ProviderId,
        ResourceId,
        ServiceId,
        SessionId,
        SubjectId,
        TimeOffId,
        WebhookId,
    )
    from app.core.location import Location
    from app.core.messages import Message
    from app.core.needs import Needs
    from app.core.provider import (
        AvailabilityException,
        Calendar,
        OfferedSlot,
        Provider,
        Service,
        TimeOff,
        WeeklyBreak,
        WeeklyHours,
    )
    from app.core.resource import Resource
    from app.core.session import Session
    from app.core.viewer import Viewer
    from app.core.webhooks import Delivery, Webhook
    from app.core.zones import Interval
    from app.free_times.calendars import KnownCalendar
    from app.free_times.listings import Kept
    from app.free_times.shared import Stamp
    from app.usecases.listing.list_availability import FreeTimes, Listed
    from app.usecases.resources import Resources

Key = TypeVar("Key")
Value = TypeVar("Value")


class Loader(DataLoader[Key, Value]):
    """A loader whose look-ups survive the cancellation of a waiting task: others wait for the same
    look-up.
    """

    def load(self, key: Key) -> Awaitable[Value]:
        """What is known of the key, once it is."""
        return asyncio.shield(super().load(key))


class _SharedLoader(Loader[Key, Value]):
    """A loader that outlives an operation: a failed look-up is retried by the next caller."""

    def load(self, key: Key) -> Awaitable[Value]:
        """What is known of the key, once it is."""
        found = asyncio.ensure_future(super().load(key))
        found.add_done_callback(partial(self._ended, key))
        return found

    def _ended(self, key: Key, found: asyncio.Future[Value]) -> None:
        if found.cancelled() or found.exception() is not None:
            self.clear(key)


class NextSlotQuestion(NamedTuple):
    """A provider's next bookable slot, for a service, at or after an instant (None: now)."""

    provider_id: ProviderId
    service_id: ServiceId | None
    after: datetime | None


class KnownCustomerQuestion(NamedTuple):
    """A customer, as the viewer knows them."""

    viewer: Viewer
    customer_id: CustomerId


class NextServiceQuestion(NamedTuple):
    """A service's next bookable start, at or after an instant (None: now)."""

    which: ServiceParty
    after: datetime | None


def _one(
    fetch: Callable[[Sequence[Key]], Awaitable[dict[Key, Value]]],
    *,
    is_shared: bool = False,
) -> Loader[Key, Value | None]:
    """A loader of what a key names, or None."""

    async def load(keys: list[Key]) -> list[Value | None]:
        found = await fetch(keys)
        return [found.get(key) for key in keys]

    return _SharedLoader(load) if is_shared else Loader(load)


def _list(
    fetch: Callable[[Sequence[Key]], Awaitable[dict[Key, list[Value]]]],
) -> Loader[Key, list[Value]]:
    """A loader of all that belongs to a key."""

    async def load(keys: list[Key]) -> list[list[Value]]:
        found = await fetch(keys)
        return [found.get(key, []) for key in keys]

    return Loader(load)


class EventLoaders:
    """Loaders for the events of one change, shared by all of its subscribers. Nothing here depends
    on the viewer.
    """

    def __init__(self, resources: Resources, organization_id: OrganizationId) -> None:
        def one(
            fetch: Callable[..., Awaitable[dict[Key, Value]]],
        ) -> Loader[Key, Value | None]:
            return _one(partial(fetch, resources, organization_id), is_shared=True)

        self.appointment: Loader[AppointmentId, Appointment | None] = one(find_appointments)
        self.customer: Loader[CustomerId, Customer | None] = one(find_customers)
        self.service: Loader[ServiceId, Service | None] = one(find_services)


class Loaders:
    """All loaders of one operation, for one organization, each made when it is first used.

    None refers back to them, so that all are gone with the operation, without the garbage
    collector.
    """

    def __init__(self, resources: Resources, organization_id: OrganizationId) -> None:
        self._resources = resources
        self._organization_id = organization_id
        self._stamps: dict[ProviderId, Stamp] = {}
        self._availability: Loader[SlotQuestion, Any] | None = None

    @cached_property
    def provider(self) -> Loader[ProviderId, Provider | None]:
        return _one(
            partial(find_providers, self._resources, self._organization_id, stamps=self._stamps)
        )

    def share(self, loaders: EventLoaders) -> None:
        """Share the loaders of the other subscribers to the same change."""
        self.appointment = loaders.appointment
        self.customer = loaders.customer
        self.service = loaders.service

    async def known_provider(
        self, provider_id: ProviderId
    ) -> tuple[KnownCalendar[Calendar], Stamp] | None:
        """From what is known, where a stamp vouches for it: questions for stamps gather by
        themselves.
        """
        seen: dict[ProviderId, Stamp] = {}
        known = await known_calendars(self._resources, self._organization_id, [provider_id], seen)
        self._stamps |= seen
        return (known[provider_id], seen[provider_id]) if provider_id in known else None

    @cached_property
    def service(self) -> Loader[ServiceId, Service | None]:
        return _one(partial(find_services, self._resources, self._organization_id))

    @cached_property
    def resource(self) -> Loader[ResourceId, Resource | None]:
        return _one(partial(find_resources, self._resources, self._organization_id))

    @cached_property
    def location(self) -> Loader[LocationId, Location | None]:
        return _one(partial(find_locations, self._resources, self._organization_id))

    @cached_property
    def webhook(self) -> Loader[WebhookId, Webhook | None]:
        return _one(partial(find_webhooks, self._resources, self._organization_id))

    @cached_property
    def delivery(self) -> Loader[DeliveryId, Delivery | None]:
        return _one(partial(find_deliveries, self._resources, self._organization_id))

    @cached_property
    def session(self) -> Loader[SessionId, Session | None]:
        return _one(partial(find_sessions, self._resources, self._organization_id))

    @cached_property
    def hold(self) -> Loader[HoldId, Hold | None]:
        return _one(partial(find_holds, self._resources, self._organization_id))

    @cached_property
    def calendar_feed(self) -> Loader[ProviderId | CustomerId, CalendarFeed | None]:
        return _one(partial(find_calendar_feeds, self._resources, self._organization_id))

    @cached_property
    def appointment_of_message(self) -> Loader[MessageLogId, AppointmentId | None]:
        return _one(partial(find_appointments_of_messages, self._resources, self._organization_id))

    @cached_property
    def appointments_of_session(self) -> Loader[SessionAppointmentsQuestion, list[Appointment]]:
        return Loader(partial(session_appointment_pages, self._resources, self._organization_id))

    @cached_property
    def appointment_count_of_session(self) -> Loader[SessionId, int]:
        return Loader(partial(session_appointment_counts, self._resources, self._organization_id))

    @cached_property
    def customer(self) -> Loader[CustomerId, Customer | None]:
        return _one(partial(find_customers, self._resources, self._organization_id))

    @cached_property
    def known_customer(self) -> Loader[KnownCustomerQuestion, Customer | None]:
        return Loader(partial(_known_customers, self._resources))

    @cached_property
    def known_since(self) -> Loader[KnownCustomerQuestion, datetime | None]:
        return Loader(partial(_known_since, self._resources))

    @cached_property
    def appointment(self) -> Loader[AppointmentId, Appointment | None]:
        return _one(partial(find_appointments, self._resources, self._organization_id))

    @cached_property
    def services_of_provider(self) -> Loader[ProviderId, list[Service]]:
        return _list(partial(services_offered_by, self._resources, self._organization_id))

    @cached_property
    def needs(self) -> Loader[ServiceId, Needs | None]:
        return _one(partial(find_needs, self._resources, self._organization_id))

    @cached_property
    def weekly_hours(self) -> Loader[SubjectId, list[WeeklyHours]]:
        return _list(partial(find_weekly_hours, self._resources, self._organization_id))

    @cached_property
    def weekly_breaks(self) -> Loader[SubjectId, list[WeeklyBreak]]:
        return _list(partial(find_weekly_breaks, self._resources, self._organization_id))

    @cached_property
    def history(self) -> Loader[AppointmentId, list[HistoryEntry]]:
        return _list(partial(find_history, self._resources, self._organization_id))

    @cached_property
    def appointments_of_provider(self) -> Loader[AppointmentsQuestion, list[Appointment]]:
        return Loader(partial(appointment_pages, self._resources, self._organization_id))

    @cached_property
    def appointment_count_of_provider(self) -> Loader[AppointmentCountQuestion, int]:
        return Loader(partial(appointment_counts, self._resources, self._organization_id))

    @cached_property
    def appointments_of_customer(self) -> Loader[CustomerAppointmentsQuestion, list[Appointment]]:
        return Loader(partial(customer_appointment_pages, self._resources, self._organization_id))

    @cached_property
    def appointment_count_of_customer(self) -> Loader[CustomerAppointmentCountQuestion, int]:
        return Loader(partial(customer_appointment_counts, self._resources, self._organization_id))

    @cached_property
    def messages(self) -> Loader[AppointmentId, list[Message]]:
        return _list(partial(list_messages, self._resources.pool, self._organization_id))

    @cached_property
    def exceptions(self) -> Loader[DatesQuestion, list[AvailabilityException]]:
        return Loader(partial(find_exceptions, self._resources, self._organization_id))

    @cached_property
    def time_off(self) -> Loader[DatesQuestion, list[TimeOff]]:
        return Loader(partial(find_time_off_of_subjects, self._resources, self._organization_id))

    @cached_property
    def one_time_off(self) -> Loader[TimeOffId, TimeOff | None]:
        return _one(partial(find_time_off, self._resources, self._organization_id))

    @cached_property
    def busy_sources(self) -> Loader[SubjectId, list[BusySource]]:
        return _list(partial(find_busy_sources_of, self._resources, self._organization_id))

    @cached_property
    def busy_source(self) -> Loader[BusySourceId, BusySource | None]:
        return _one(partial(find_busy_sources, self._resources, self._organization_id))

    @cached_property
    def busy_times(self) -> Loader[BusyTimesQuestion, list[Interval]]:
        return Loader(partial(find_busy_times, self._resources, self._organization_id))

    @cached_property
    def next_slot(self) -> Loader[NextSlotQuestion, OfferedSlot | None]:
        return Loader(partial(_next_slots, self._resources, self._organization_id))

    @cached_property
    def service_times(self) -> Loader[ServiceQuestion, ServiceListed]:
        return Loader(
            partial(list_services, self._resources, self._organization_id, stamps=self._stamps)
        )

    @cached_property
    def moves(self) -> Loader[MoveQuestion, ServiceListed | None]:
        return Loader(partial(list_moves, self._resources, self._organization_id))

    @cached_property
    def next_of_service(self) -> Loader[NextServiceQuestion, NextStart | None]:
        return Loader(partial(_next_of_services, self._resources, self._organization_id))

    def known_listing(self, question: SlotQuestion) -> Kept[FreeTimes] | None:
        """A known answer that is still true, as this operation sees it."""
        return known_listing(self._resources, self._organization_id, question, self._stamps)

    def availability(
        self, question: SlotQuestion, show: Callable[[Listed], Value], made_of: MadeOf
    ) -> Awaitable[Value]:
        """Together with the questions asked at the same time. `show` translates answers; one
        operation has one, and one account of what it is made of.
        """
        if self._availability is None:
            self._availability = Loader(
                partial(
                    _availability,
                    self._resources,
                    self._organization_id,
                    self._stamps,
                    show,
                    made_of,
                )
            )
        return self._availability.load(question)


async def _availability(
    resources: Resources,
    organization_id: OrganizationId,
    stamps: dict[ProviderId, Stamp],
    show: Callable[[Listed], Value],
    made_of: MadeOf,
    questions: list[SlotQuestion],
) -> list[Value]:
    answers = await list_availability(resources, organization_id, questions, stamps)
    for question, answer in zip(questions, answers, strict=True):
        if not made_of.is_vouched_for:
            break
        kept = known_listing(resources, organization_id, question, stamps)
        if kept is None or kept.listing is not answer:
            made_of.add_anything()
        else:
            made_of.add_listing(question.provider_id, kept)
    return [show(each) for each in answers]


async def _known_customers(
    resources: Resources, questions: list[KnownCustomerQuestion]
) -> list[Customer | None]:
    known: dict[KnownCustomerQuestion, Customer] = {}
    for viewer in {question.viewer for question in questions}:
        ids = [question.customer_id for question in questions if question.viewer == viewer]
        found = await known_customers(resources, viewer, ids)
        known |= {KnownCustomerQuestion(viewer, each): row for each, row in found.items()}
    return [known.get(question) for question in questions]


async def _known_since(
    resources: Resources, questions: list[KnownCustomerQuestion]
) -> list[datetime | None]:
    since: dict[KnownCustomerQuestion, datetime] = {}
    for viewer in {question.viewer for question in questions}:
        ids = [question.customer_id for question in questions if question.viewer == viewer]
        found = await known_since(resources, viewer, ids)
        since |= {KnownCustomerQuestion(viewer, each): at for each, at in found.items()}
    return [since.get(question) for question in questions]


async def _next_slots(
    resources: Resources, organization_id: OrganizationId, questions: list[NextSlotQuestion]
) -> list[OfferedSlot | None]:
    answers: dict[NextSlotQuestion, OfferedSlot] = {}
    for after in dict.fromkeys(question.after for question in questions):
        wanted = [Party(*question[:2]) for question in questions if question.after == after]
        found = await next_slots(resources, organization_id, wanted, after)
        answers |= {NextSlotQuestion(*key, after): slot for key, slot in found.items()}
    return [answers.get(question) for question in questions]


async def _next_of_services(
    resources: Resources, organization_id: OrganizationId, questions: list[NextServiceQuestion]
) -> list[NextStart | None]:
    answers: dict[NextServiceQuestion, NextStart] = {}
    for after in dict.fromkeys(question.after for question in questions):
        wanted = [question.which for question in questions if question.after == after]
        found = await next_of_services(resources, organization_id, wanted, after)
        answers |= {NextServiceQuestion(which, after): start for which, start in found.items()}
    return [answers.get(question) for question in questions]
