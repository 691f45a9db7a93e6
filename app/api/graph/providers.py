"""Providers: who can be booked, their related fields, and the mutations that change them."""

from datetime import date, datetime
from typing import Annotated, Self, cast
from uuid import UUID

import strawberry

from app.api.graph.appointments import (
    BY_START,
    AppointmentConnection,
    appointments_of,
    calendar_feed_url,
    filter_of,
    no_appointments,
)
from app.api.graph.availability import (
    AvailabilityResult,
    Shown,
    Slot,
    availability_result,
    optional_zone,
    slots_offered,
)
from app.api.graph.busy import BusySource, busy_sources_of
from app.api.graph.locations import Location, location_of
from app.api.graph.previews import ARCHIVED, DRY_RUN, ChangePreview
from app.api.graph.services import Service
from app.api.graph.time_off import FromDate, TimeOff, ToDate, time_off_of
from app.api.graph.week import (
    AvailabilityException,
    FirstDate,
    LastDate,
    WeeklyBreak,
    WeeklyBreakInput,
    WeeklyHours,
    WeeklyHoursInput,
    breaks_of,
    exceptions_of,
    ranges_of,
    weekly_hours_of,
)
from app.api.operation.info import Info
from app.api.operation.loaders import NextSlotQuestion
from app.api.words.changes import changes_of
from app.api.words.enums import AppointmentStatus, Channel
from app.api.words.keys import (
    optional_location_key,
    optional_service_key,
    provider_key,
    provider_keys,
    service_keys,
)
from app.api.words.limits import LIMITS, BookingLimit, BookingLimitInput
from app.api.words.money import CancellationPolicy, CancellationPolicyInput
from app.api.words.node import Node
from app.api.words.preferences import (
    CHANNELS,
    CHANNELS_AGAIN,
    channels_of,
)
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.relay import (
    After,
    Before,
    Connection,
    First,
    Ids,
    IncludeArchived,
    Last,
    Order,
    PageRequest,
    Search,
    connect,
    global_id,
)
from app.api.words.scalars import TimeZoneName
from app.core import provider as core
from app.core import stranded
from app.core.validation import ProviderForm
from app.core.viewer import Viewer
from app.usecases.listing.list_availability import SlotQuestion
from app.usecases.practice.edit_provider import change_provider, create_provider
from app.usecases.practice.list_providers import count_providers, list_providers

_EXTERNAL_ID = "Your own id for them, unique among providers; 1 to 255 characters."
BY_NAME = Order(name="providers", types=(str, UUID))


@strawberry.type(description="Somebody who can be booked: a doctor, a barber, a consultant.")
class Provider(Node):
    """Maps the core's `Provider`."""

    row: strawberry.Private[core.Provider]
    name: str = strawberry.field(description="What people call them.")
    time_zone: TimeZoneName = strawberry.field(description="The time zone of their hours.")
    service_duration_minutes: int = strawberry.field(
        description="How long a visit takes where no service is named."
    )
    buffer_minutes: int = strawberry.field(description="The gap kept after each appointment.")
    slot_interval_minutes: int | None = strawberry.field(
        description="How far apart the starts on offer are; null: duration + buffers."
    )
    min_notice_minutes: int = strawberry.field(
        description="How long before the start it must be booked, elapsed."
    )
    max_advance_booking_days: int = strawberry.field(
        description="How many days ahead bookings are taken."
    )
    is_archived: bool = strawberry.field(
        description="Whether they are archived: they can't be booked any more; existing bookings "
        "stay."
    )

    @classmethod
    def of(cls, provider: core.Provider) -> Self:
        """From the core."""
        rules = provider.rules
        return cls(
            id=global_id("Provider", provider.id),
            row=provider,
            name=provider.name,
            time_zone=TimeZoneName(provider.time_zone),
            service_duration_minutes=rules.service_duration_minutes,
            buffer_minutes=rules.buffer_minutes,
            slot_interval_minutes=rules.slot_interval_minutes,
            min_notice_minutes=rules.min_notice_minutes,
            max_advance_booking_days=rules.max_advance_booking_days,
            is_archived=provider.is_archived,
        )

    @classmethod
    def found(cls, provider: core.Provider | None, viewer: Viewer) -> Self | None:
        """From the core; None for an archived one that the caller may not see by their id."""
        if provider is None or (provider.is_archived and not viewer.sees_archived):
            return None
        return cls.of(provider)

    @strawberry.field(
        description="What customers should know about them; plain text, lines allowed."
    )
    def description(self) -> str | None:
        """As set."""
        return self.row.description

    @strawberry.field(description="Where they see customers, unless the service says otherwise.")
    async def location(self, info: Info) -> Location | None:
        """Batched."""
        return await location_of(info, self.row.location_id)

    @strawberry.field(description="Applies where the service has no policy of its own.")
    def cancellation_policy(self) -> CancellationPolicy:
        """As set."""
        return CancellationPolicy.of(self.row.cancellation_policy)

    @strawberry.field(description="Each counts all visits that take the provider.")
    def limits(self) -> list[BookingLimit]:
        """As set."""
        return [BookingLimit.of(limit) for limit in self.row.limits]

    @strawberry.field(description="Where they are reached. Staff only.")
    def email(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.email if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="Where they are reached, in E.164 form. Staff only.")
    def phone(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.phone if info.context.viewer.sees_staff_matters else None

    @strawberry.field(
        description="The language of messages to them, as a tag such as de-AT. Staff only."
    )
    def locale(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.locale if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description=f"{CHANNELS} Staff only.")
    def channels(self, info: Info) -> list[Channel] | None:
        """Null for others."""
        return channels_of(self.row.channels) if info.context.viewer.sees_staff_matters else None

    @strawberry.field(
        description="The `sub` of the access tokens that act for this provider. Staff only."
    )
    def subject(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.subject if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="Your own id for them. Staff only.")
    def external_id(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.external_id if info.context.viewer.sees_staff_matters else None

    @strawberry.field(
        description="The private address of the calendar feed (RFC 5545) of their appointments, "
        "for themselves, reception and administrators: a secret. Null for others, where none was "
        "made (`renewCalendarFeed`), and where the server knows no public address of its own."
    )
    async def calendar_feed_url(self, info: Info) -> str | None:
        """Batched."""
        runs_it = info.context.viewer.runs(self.row.id)
        return await calendar_feed_url(info, self.row.id) if runs_it else None

    @strawberry.field(description="When they work, week by week, in the order of the week.")
    async def weekly_hours(self, info: Info) -> list[WeeklyHours]:
        """Batched."""
        return await weekly_hours_of(info, self.row.id)

    @strawberry.field(description="Their breaks, week by week, in the order of the week.")
    async def breaks(self, info: Info) -> list[WeeklyBreak]:
        """Batched."""
        return await breaks_of(info, self.row.id)

    @strawberry.field(
        description=(
            "Dates that differ from the week: closed, partly blocked, or with hours of their own."
        )
    )
    async def exceptions(
        self,
        info: Info,
        from_: FirstDate,
        to: LastDate,
    ) -> list[AvailabilityException]:
        """Batched."""
        return await exceptions_of(info, self.row.id, from_, to)

    @strawberry.field(
        description="Their time off that touches the dates from…to, inclusive, in order. Staff "
        "only."
    )
    async def time_off(
        self, info: Info, from_: FromDate = None, to: ToDate = None
    ) -> list[TimeOff] | None:
        """Batched; null for others."""
        return await time_off_of(info, self.row.id, self.row.time_zone, from_, to)

    @strawberry.field(
        description="The sources that say when they are busy elsewhere, by name. Staff only."
    )
    async def busy_sources(self, info: Info) -> list[BusySource] | None:
        """Batched; null for others."""
        return await busy_sources_of(info, self.row.id)

    @strawberry.field(description="What can be booked with them, by name.")
    async def services(self, info: Info) -> list[Service]:
        """Batched."""
        return [
            shown
            for service in await info.context.loaders.services_of_provider.load(self.row.id)
            if (shown := Service.found(service, info.context.viewer)) is not None
        ]

    @strawberry.field(
        description=(
            "Free times on the dates from…to, inclusive, in timeZone (default: the "
            "provider's). At most 62 days."
        )
    )
    def availability(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="The first date.")],
        to: Annotated[date, strawberry.argument(description="The last date, inclusive.")],
        time_zone: Annotated[
            TimeZoneName | None,
            strawberry.argument(description="The zone that the dates and localStart are in."),
        ] = None,
        service_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="For this service's rules.")
        ] = None,
    ) -> AvailabilityResult | None:
        """Batched. Returns an awaitable for the executor to await, which saves a task for each
        provider.
        """
        question = SlotQuestion(
            provider_id=self.row.id,
            service_id=optional_service_key(service_id),
            first=from_,
            last=to,
            time_zone=time_zone,
        )
        return cast("Shown", info.context.availability(question, availability_result))

    @strawberry.field(
        description="The first bookable slot at or after `after` (default: now); localStart in "
        "timeZone (default: the "
        "provider's)."
    )
    async def next_available_slot(
        self,
        info: Info,
        after: Annotated[
            datetime | None,
            strawberry.argument(description="Not before this instant (default: now)."),
        ] = None,
        service_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="For this service's rules.")
        ] = None,
        time_zone: Annotated[
            TimeZoneName | None, strawberry.argument(description="The zone of localStart.")
        ] = None,
    ) -> Slot | None:
        """Batched."""
        zone = optional_zone(time_zone)
        question = NextSlotQuestion(self.row.id, optional_service_key(service_id), after)
        found = await info.context.loaders.next_slot.load(question)
        return None if found is None else slots_offered([found], zone)[0]

    @strawberry.field(
        description=(
            "Their appointments that start in from…to, by start. Empty except for this "
            "provider, reception and administrators."
        )
    )
    async def appointments(
        self,
        info: Info,
        from_: Annotated[
            datetime | None,
            strawberry.argument(name="from", description="Starting at or after this instant."),
        ] = None,
        to: Annotated[
            datetime | None, strawberry.argument(description="Starting before this instant.")
        ] = None,
        status: Annotated[
            list[AppointmentStatus] | None,
            strawberry.argument(description="Only in one of these states."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> AppointmentConnection:
        """Batched."""
        page = PageRequest.read(BY_START, first=first, after=after, last=last, before=before)
        if not info.context.viewer.sees_calendar_of(self.row.id):
            return no_appointments(page)
        return await appointments_of(info, self.row.id, filter_of(from_, to, status), page)


ProviderConnection = Connection[Provider]


@strawberry.input(
    description="A new provider, with the hours they work. A rule left out has the default shown."
)
class CreateProviderInput:
    """Becomes a `ProviderForm`."""

    name: str = strawberry.field(description="1 to 200 characters.")
    time_zone: TimeZoneName = strawberry.field(description="The time zone of their hours.")
    service_duration_minutes: int = strawberry.field(description="1 to 1,440.")
    buffer_minutes: int | None = strawberry.field(default=0, description="0 to 1,440.")
    slot_interval_minutes: int | None = strawberry.field(default=None, description="1 to 1,440.")
    min_notice_minutes: int | None = strawberry.field(default=0, description="0 or more.")
    max_advance_booking_days: int | None = strawberry.field(default=60, description="0 to 1,100.")
    email: str | None = strawberry.field(default=None, description="Where they are reached.")
    phone: str | None = strawberry.field(
        default=None, description="With the country code; kept in E.164 form."
    )
    cancellation_policy: CancellationPolicyInput | None = strawberry.field(
        default=None, description="Left out: free until the start."
    )
    weekly_hours: list[WeeklyHoursInput] | None = strawberry.field(
        default=None, description="When they work; ranges that overlap are merged."
    )
    breaks: list[WeeklyBreakInput] | None = strawberry.field(
        default=None, description="Their breaks."
    )
    subject: str | None = strawberry.field(
        default=None,
        description=(
            "The `sub` of the access tokens that act for this provider; left out: the "
            "provider's UUID."
        ),
    )
    locale: str | None = strawberry.field(
        default=None, description="The language of messages to them, such as de-AT."
    )
    channels: list[Channel] | None = strawberry.field(default=None, description=CHANNELS)
    limits: list[BookingLimitInput] | None = strawberry.field(
        default_factory=list, description=LIMITS
    )
    description: str | None = strawberry.field(
        default=None, description="Plain text for customers, up to 2,000 characters, lines allowed."
    )
    location_id: strawberry.ID | None = strawberry.field(
        default=None, description="Where they see customers, unless the service says otherwise."
    )
    external_id: str | None = strawberry.field(default=None, description=_EXTERNAL_ID)


@strawberry.input(
    description="Changes of a provider: absent means unchanged; null clears what may be empty."
)
class UpdateProviderInput:
    """Becomes changes of a `ProviderForm`."""

    id: strawberry.ID = strawberry.field(description="Which provider.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    time_zone: TimeZoneName | None = strawberry.field(
        default=strawberry.UNSET,
        description="Hours keep their wall-clock times; booked appointments keep their instants.",
    )
    service_duration_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 1,440."
    )
    buffer_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 1,440."
    )
    slot_interval_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 1,440; null: duration + buffers."
    )
    min_notice_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 or more."
    )
    max_advance_booking_days: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 1,100."
    )
    email: str | None = strawberry.field(
        default=strawberry.UNSET, description="Their e-mail address; null: none."
    )
    phone: str | None = strawberry.field(
        default=strawberry.UNSET, description="With the country code; null: none."
    )
    cancellation_policy: CancellationPolicyInput | None = strawberry.field(
        default=strawberry.UNSET, description="Applies to bookings from now on."
    )
    subject: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The `sub` of the tokens that act for them. Administrators only.",
    )
    locale: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The language of messages to them, such as de-AT; null: English.",
    )
    channels: list[Channel] | None = strawberry.field(
        default=strawberry.UNSET, description=CHANNELS_AGAIN
    )
    limits: list[BookingLimitInput] | None = strawberry.field(
        default=strawberry.UNSET, description=f"{LIMITS} They replace the earlier ones."
    )
    external_id: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_EXTERNAL_ID} Null: none."
    )
    is_archived: bool | None = strawberry.field(default=strawberry.UNSET, description=ARCHIVED)
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)
    description: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Plain text for customers, up to 2,000 characters, lines allowed.",
    )
    location_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Where they see customers, unless the service says otherwise. Null: none.",
    )


CreateProviderResult = Annotated[
    Provider | InvalidInputError | NotAllowedError,
    strawberry.union("CreateProviderResult", description="The new provider, or why there is none."),
]
UpdateProviderResult = Annotated[
    Provider | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateProviderResult", description="The changed provider, or why it is unchanged."
    ),
]


@strawberry.type
class ProviderQuery:
    """The root fields about providers."""

    @strawberry.field(description="The provider with this id; null if there is none.")
    async def provider(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Which.")],
    ) -> Provider | None:
        """Batched."""
        found = await info.context.find_provider(provider_key(id))
        return Provider.found(found, info.context.viewer)

    @strawberry.field(description="The organization's providers, by name.")
    async def providers(  # noqa: PLR0917  GraphQL names them
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Search = None,
        ids: Ids = None,
        service_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only those who offer one of these services."),
        ] = None,
        include_archived: IncludeArchived = False,  # noqa: FBT002  GraphQL names it
    ) -> ProviderConnection | None:
        """Keyset pages."""
        page = PageRequest.read(BY_NAME, first=first, after=after, last=last, before=before)
        resources, viewer = await info.context.resources_of_practice(), info.context.viewer
        keys = None if ids is None else provider_keys(ids)
        offered = None if service_ids is None else service_keys(service_ids)
        text = search.replace("\0", "") if search else None
        rows = await list_providers(
            resources,
            viewer,
            keyset=page.keyset,
            ids=keys,
            search=text,
            service_ids=offered,
            with_archived=bool(include_archived),
        )
        return connect(
            page,
            BY_NAME,
            rows,
            key=lambda row: (row.name, row.id),
            node=Provider.of,
            count=lambda: count_providers(
                info.context.resources,
                viewer,
                ids=keys,
                search=text,
                service_ids=offered,
                with_archived=bool(include_archived),
            ),
        )


@strawberry.type
class ProviderMutation:
    """The mutations of providers."""

    @strawberry.mutation(description="Creates a provider. Administrators only.")
    async def create_provider(
        self,
        info: Info,
        input: Annotated[CreateProviderInput, strawberry.argument(description="The new provider.")],
    ) -> CreateProviderResult:
        """See the use case."""
        form = ProviderForm(
            name=input.name,
            time_zone=input.time_zone,
            service_duration_minutes=input.service_duration_minutes,
            buffer_minutes=input.buffer_minutes,
            slot_interval_minutes=input.slot_interval_minutes,
            min_notice_minutes=input.min_notice_minutes,
            max_advance_booking_days=input.max_advance_booking_days,
            email=input.email,
            phone=input.phone,
            cancellation_policy=input.cancellation_policy.to_core()
            if input.cancellation_policy
            else None,
            subject=input.subject,
            locale=input.locale,
            channels=input.channels,
            limits=None if input.limits is None else [each.to_core() for each in input.limits],
            description=input.description,
            location_id=optional_location_key(input.location_id),
            external_id=input.external_id,
        )
        answer = await create_provider(
            info.context.resources,
            info.context.viewer,
            form,
            hours=ranges_of(input.weekly_hours or []),
            breaks=ranges_of(input.breaks or []),
        )
        match answer:
            case core.Provider():
                return Provider.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description=(
            "Changes a provider. Booked appointments stay unchanged. The provider, "
            "reception and administrators only."
        )
    )
    async def update_provider(
        self,
        info: Info,
        input: Annotated[
            UpdateProviderInput,
            strawberry.argument(description="Which provider, and what changes."),
        ],
    ) -> UpdateProviderResult:
        """See the use case."""
        answer = await change_provider(
            info.context.resources,
            info.context.viewer,
            provider_key(input.id),
            changes_of(input, without=frozenset({"id", "dry_run"})),
            dry_run=bool(input.dry_run),
        )
        match answer:
            case core.Provider():
                return Provider.of(answer)
            case stranded.ChangePreview():
                return ChangePreview.of(answer)
            case _:
                return refused(answer)
