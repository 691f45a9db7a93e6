"""Subscriptions: free times and appointments, as they change."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date, datetime
from typing import Annotated, assert_never, cast

import strawberry

from app.api.execution.fastlists import Leaves
from app.api.graph.appointments import Appointment
from app.api.graph.availability import SEATS, Slot, slots_of
from app.api.graph.nodes import node_of
from app.api.graph.service_times import NAMED, ServiceSlot, service_slots
from app.api.operation.info import Info
from app.api.operation.loaders import EventLoaders
from app.api.words.enums import AppointmentChangeKind, EventType
from app.api.words.errors import (
    BadUserInput,
    Code,
    Failure,
)
from app.api.words.event_messages import SUBJECT_TYPES
from app.api.words.instants import utc_texts
from app.api.words.keys import optional_service_key, provider_keys, service_key
from app.api.words.node import Node
from app.api.words.refusals import camel
from app.api.words.relay import global_id
from app.api.words.scalars import TimeZoneName
from app.core import refusals as core
from app.live.board import DayShown
from app.live.ledger import Delivery
from app.live.rulebooks import ProviderRulebook, ServiceRulebook
from app.usecases.events.watch_appointments import AppointmentNews, watch_appointments
from app.usecases.events.watch_availability import (
    ServiceWatchForm,
    WatchForm,
    watch_availability,
    watch_service,
)
from app.usecases.events.watch_practice import Edit, watch_practice
from app.usecases.resources import Resources


@strawberry.type(
    description=(
        "The free times of a provider on a date, as they are now. Replaces what was sent before."
    )
)
class AvailabilityChange:
    """Maps `DayShown`."""

    shown: strawberry.Private[DayShown]
    provider_id: strawberry.ID = strawberry.field(description="The provider whose times these are.")
    day: date = strawberry.field(
        name="date", description="The date on which the slots start, in the zone asked for."
    )
    is_snapshot: bool = strawberry.field(
        description=(
            "Whether this is the first event for this provider and date since the "
            "subscription began."
        )
    )
    revision: str = strawberry.field(
        description="Opaque. Compared as text, it grows with each change of this provider's date; "
        "equal revisions mean equal content. "
        "After a reconnection, ignore events whose revision is not greater than yours."
    )

    @classmethod
    def of(cls, shown: DayShown) -> "AvailabilityChange":
        """From the use case."""
        return cls(
            shown=shown,
            provider_id=global_id("Provider", shown.provider_id),
            day=shown.date,
            is_snapshot=shown.is_snapshot,
            revision=str(shown.revision),
        )

    @strawberry.field(description="All free slots of that date now.")
    def slots(self) -> list[Slot]:
        """Built when asked for."""
        book, shown = self.shown.rulebook, self.shown
        match book:
            case ProviderRulebook(calendar=calendar):
                return slots_of(calendar, shown.starts, shown.time_zone or book.time_zone)
            case ServiceRulebook(calendars=calendars) if shown.starts:
                return slots_of(
                    calendars[shown.provider_id],
                    shown.starts,
                    shown.time_zone or book.time_zone,
                    shown.content.listed,
                )
            case _:
                return []

    @strawberry.field(
        description="Only the starts of the same slots: a compact form for large grids."
    )
    def start_times(self) -> list[datetime]:
        """Starts only, their texts ready."""
        return cast("list[datetime]", Leaves(utc_texts(self.shown.starts)))


@strawberry.type(
    description=(
        "The free times of a service on a date, as they are now. Replaces what was sent before."
    )
)
class ServiceAvailabilityChange:
    """Maps `DayShown`."""

    shown: strawberry.Private[DayShown]
    service_id: strawberry.ID = strawberry.field(description="Which service.")
    day: date = strawberry.field(
        name="date", description="The date on which the slots start, in the zone asked for."
    )
    is_snapshot: bool = strawberry.field(
        description="Whether this is the first event for this date since the subscription began."
    )
    revision: str = strawberry.field(
        description="Opaque. Compared as text, it grows with each change of this date; equal "
        "revisions mean equal content. "
        "After a reconnection, ignore events whose revision is not greater than yours."
    )

    @classmethod
    def of(cls, shown: DayShown, service_id: str) -> "ServiceAvailabilityChange":
        """From the use case."""
        return cls(
            shown=shown,
            service_id=strawberry.ID(service_id),
            day=shown.date,
            is_snapshot=shown.is_snapshot,
            revision=str(shown.revision),
        )

    @strawberry.field(description="All free slots of that date now.")
    def slots(self) -> list[ServiceSlot]:
        """Built when asked for."""
        content = self.shown.content
        return service_slots(content.starts, content.listed, content.time_zone or "UTC")

    @strawberry.field(
        description="Only the starts of the same slots: a compact form for large grids."
    )
    def start_times(self) -> list[datetime]:
        """Starts only, their texts ready."""
        return cast("list[datetime]", Leaves(utc_texts(self.shown.starts)))


def _loaders_of(resources: Resources, delivery: Delivery) -> EventLoaders:
    return delivery.shared(lambda: EventLoaders(resources, delivery.change.organization_id))


@strawberry.type(description="What happened to an appointment.")
class AppointmentChange:
    """Maps `AppointmentNews`."""

    news: strawberry.Private[AppointmentNews]
    kind: AppointmentChangeKind = strawberry.field(description="What happened.")

    @strawberry.field(
        description="The appointment as it is now; its version may be later than this change."
    )
    def appointment(self, info: Info) -> Appointment:
        """As the viewer may see it, with the viewer's current records: their first booking creates
        their customer record.
        """
        info.context.viewer = self.news.viewer
        info.context.loaders.share(_loaders_of(info.context.resources, self.news.delivery))
        return Appointment.of(self.news.appointment)


@strawberry.type(
    description="An edit of the practice. It says what to read again, not what is different."
)
class PracticeChange:
    """Maps `Edit`."""

    edit: strawberry.Private[Edit]
    type: EventType = strawberry.field(
        description="PROVIDER_CHANGED, SERVICE_CHANGED, RESOURCE_CHANGED, LOCATION_CHANGED or "
        "ORGANIZATION_CHANGED."
    )

    @strawberry.field(description="What was edited, as it is now.")
    async def subject(self, info: Info) -> Node | None:
        """As the viewer may see it, with the viewer's current records."""
        info.context.viewer = self.edit.viewer
        happening = self.edit.happening
        return await node_of(info, SUBJECT_TYPES[happening.type], happening.subject_id)


@strawberry.type(
    description="Pushed events, over WebSockets (graphql-transport-ws) and server-sent events."
)
class Subscription:
    """All root fields of subscriptions."""

    @strawberry.subscription(
        description="First a snapshot of every provider's date asked for, then each again whenever "
        "its free times "
        "change: by bookings, moves, cancellations, holds and their ends, by hours and rules, and "
        "by time itself. "
        "At most 20 providers and 62 dates, 400 in all. A bad argument fails the operation with "
        "BAD_USER_INPUT."
    )
    async def availability_changes(
        self,
        info: Info,
        provider_ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="The providers; 1 to 20."),
        ],
        from_: Annotated[date, strawberry.argument(name="from", description="The first date.")],
        to: Annotated[date, strawberry.argument(description="The last date, inclusive.")],
        time_zone: Annotated[
            TimeZoneName | None,
            strawberry.argument(
                description="The zone of the dates and of localStart (default: each provider's)."
            ),
        ] = None,
        service_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="For this service's rules.")
        ] = None,
    ) -> AsyncGenerator[AvailabilityChange, None]:
        """Events are made when the caller is ready for them: a slow one gets what is
        newest then.
        """
        form = WatchForm(
            provider_ids=provider_keys(provider_ids),
            service_id=optional_service_key(service_id),
            first=from_,
            last=to,
            time_zone=time_zone,
        )
        context = info.context
        async with aclosing(
            watch_availability(context.resources, context.viewer.organization_id, form)
        ) as watched:
            async for shown in watched:
                match shown:
                    case DayShown():
                        yield AvailabilityChange.of(shown)
                    case core.InvalidDateRange():
                        raise BadUserInput(shown.message, "to")
                    case core.InvalidInput():
                        raise BadUserInput(shown.message, camel(shown.field))
                    case core.NotFound():
                        raise BadUserInput(
                            shown.message, "providerIds" if service_id is None else "serviceId"
                        )
                    case _:
                        assert_never(shown)

    @strawberry.subscription(
        description="As availabilityChanges, for a service with any of its providers: a snapshot "
        "of every date, then each date again when its slots, or those who can lead them, change. "
        "At most 62 dates. A bad argument fails the operation with BAD_USER_INPUT."
    )
    async def service_availability_changes(
        self,
        info: Info,
        service_id: Annotated[strawberry.ID, strawberry.argument(description="Which service.")],
        from_: Annotated[date, strawberry.argument(name="from", description="The first date.")],
        to: Annotated[date, strawberry.argument(description="The last date, inclusive.")],
        time_zone: Annotated[
            TimeZoneName,
            strawberry.argument(description="The zone of the dates and of local times."),
        ],
        provider_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description=NAMED)
        ] = None,
        seats: Annotated[int | None, strawberry.argument(description=SEATS)] = 1,
    ) -> AsyncGenerator[ServiceAvailabilityChange, None]:
        """As `availability_changes`."""
        form = ServiceWatchForm(
            service_id=service_key(service_id),
            named=tuple(provider_keys(provider_ids or ())),
            first=from_,
            last=to,
            time_zone=time_zone,
            seats=1 if seats is None else seats,
        )
        context = info.context
        async with aclosing(
            watch_service(context.resources, context.viewer.organization_id, form)
        ) as watched:
            async for shown in watched:
                match shown:
                    case DayShown():
                        yield ServiceAvailabilityChange.of(shown, service_id)
                    case core.InvalidDateRange():
                        raise BadUserInput(shown.message, "to")
                    case core.InvalidInput():
                        raise BadUserInput(shown.message, camel(shown.field))
                    case core.NotFound():
                        raise BadUserInput(
                            shown.message,
                            "serviceId" if shown.what == "service" else "providerIds",
                        )
                    case _:
                        assert_never(shown)

    @strawberry.subscription(
        description="The viewer's own appointments as they are booked, moved, cancelled or closed: "
        "a customer's own, a provider's own, the one of a manage token, for reception and "
        "administrators all. Each change at least once."
    )
    async def appointment_changes(self, info: Info) -> AsyncGenerator[AppointmentChange, None]:
        """Permission is checked for every event."""
        resources = info.context.resources
        async with aclosing(
            watch_appointments(
                resources,
                info.context.viewer,
                load_for=lambda delivery: _loaders_of(resources, delivery).appointment.load,
            )
        ) as watched:
            async for news in watched:
                match news:
                    case AppointmentNews():
                        yield AppointmentChange(news=news, kind=news.kind)
                    case core.NotAllowed():
                        # of this operation, not of the socket
                        raise Failure(Code.UNAUTHENTICATED, news.message)
                    case _:
                        assert_never(news)

    @strawberry.subscription(
        description="Edits of the organization, its providers, services, resources and locations: "
        "of their settings, hours, time off and busy times. Staff only. Each edit at least once; "
        "several edits of the same object may arrive as one."
    )
    async def practice_changes(self, info: Info) -> AsyncGenerator[PracticeChange, None]:
        """See the use case."""
        async with aclosing(watch_practice(info.context.resources, info.context.viewer)) as watched:
            async for edit in watched:
                match edit:
                    case Edit():
                        yield PracticeChange(edit=edit, type=edit.happening.type)
                    case core.NotAllowed():
                        raise Failure(Code.FORBIDDEN, edit.message)
                    case _:
                        assert_never(edit)
