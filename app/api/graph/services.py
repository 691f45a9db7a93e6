"""Services: what can be booked, with whom, and the mutations that change it."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

import strawberry

from app.api.graph.availability import SEATS, checked_seats, checked_zone
from app.api.graph.locations import Location, location_of
from app.api.graph.previews import ARCHIVED, DRY_RUN, ChangePreview
from app.api.graph.resources import Resource
from app.api.graph.service_times import (
    NAMED,
    ServiceAvailabilityResult,
    ServiceSlot,
    service_availability_result,
    service_slots,
)
from app.api.operation.info import Info
from app.api.operation.loaders import NextServiceQuestion
from app.api.words.changes import changes_of
from app.api.words.enums import Assignment
from app.api.words.keys import optional_location_key, provider_keys, resource_keys, service_key
from app.api.words.limits import LIMITS, BookingLimit, BookingLimitInput
from app.api.words.money import (
    CancellationPolicy,
    CancellationPolicyInput,
    Money,
    MoneyInput,
)
from app.api.words.node import Node
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
from app.core.ids import ResourceId
from app.core.needs import Needs, ResourceGroup
from app.core.party import ServiceParty
from app.core.validation import Changes, NeedForm, NeedsForm, ServiceForm
from app.core.viewer import Viewer
from app.usecases.listing.list_service import ServiceQuestion
from app.usecases.practice.edit_service import change_service, create_service
from app.usecases.practice.list_services import count_services, list_services

if TYPE_CHECKING:
    from app.api.graph.providers import Provider

LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]

MAX_OPEN: Final = (
    "How many bookings of it one customer may have at once that are confirmed and not over; null: "
    "any number. Counted for signed-in customers: one more is refused with LIMIT_REACHED."
)

_EXTERNAL_ID = "Your own id for it, unique among services; 1 to 255 characters."
BY_NAME = Order(name="services", types=(str, UUID))


@strawberry.type(
    description="A group of resources that each visit of a service takes units of: one of these "
    "rooms, two of those chairs."
)
class ServiceNeed:
    """Maps the core's `ResourceGroup`."""

    name: str = strawberry.field(description="What the group is called, such as treatment room.")
    count: int = strawberry.field(description="How many units a visit takes.")
    resource_ids: strawberry.Private[tuple[ResourceId, ...]]

    @classmethod
    def of(cls, group: ResourceGroup) -> Self:
        """From the core."""
        return cls(name=group.name, count=group.count, resource_ids=group.resource_ids)

    @strawberry.field(description="Of which, in the order in which they are tried.")
    async def resources(self, info: Info) -> list[Resource]:
        """Batched."""
        found = await info.context.loaders.resource.load_many(self.resource_ids)
        sees_archived = info.context.viewer.sees_archived
        return [
            Resource.of(resource)
            for resource in found
            if resource is not None and (sees_archived or not resource.is_archived)
        ]


@strawberry.type(
    description=(
        "What can be booked with the providers that offer it. A null rule means: the "
        "provider's own."
    )
)
class Service(Node):
    """Maps the core's `Service`."""

    row: strawberry.Private[core.Service]
    name: str = strawberry.field(description="What people call it.")
    duration_minutes: int = strawberry.field(description="How long a visit takes.")
    buffer_before_minutes: int = strawberry.field(description="The gap kept before each visit.")
    buffer_after_minutes: int | None = strawberry.field(
        description="The gap kept after each visit."
    )
    slot_interval_minutes: int | None = strawberry.field(
        description="How far apart the starts on offer are."
    )
    min_notice_minutes: int | None = strawberry.field(
        description="How long before the start it must be booked."
    )
    max_advance_booking_days: int | None = strawberry.field(
        description="How many days ahead it can be booked."
    )
    is_archived: bool = strawberry.field(
        description="Whether it is archived: it can't be booked any more; existing bookings stay."
    )

    @classmethod
    def of(cls, service: core.Service) -> Self:
        """From the core."""
        rules = service.rules
        return cls(
            id=global_id("Service", service.id),
            row=service,
            name=service.name,
            duration_minutes=rules.duration_minutes,
            buffer_before_minutes=rules.buffer_before_minutes,
            buffer_after_minutes=rules.buffer_after_minutes,
            slot_interval_minutes=rules.slot_interval_minutes,
            min_notice_minutes=rules.min_notice_minutes,
            max_advance_booking_days=rules.max_advance_booking_days,
            is_archived=service.is_archived,
        )

    @classmethod
    def found(cls, service: core.Service | None, viewer: Viewer) -> Self | None:
        """From the core; None for an archived one that the caller may not see by its id."""
        if service is None or (service.is_archived and not viewer.sees_archived):
            return None
        return cls.of(service)

    @strawberry.field(description="What customers should know about it; plain text, lines allowed.")
    def description(self) -> str | None:
        """As set."""
        return self.row.description

    @strawberry.field(
        description="Where its visits take place; null: where the lead provider sees customers."
    )
    async def location(self, info: Info) -> Location | None:
        """Batched."""
        return await location_of(info, self.row.location_id)

    @strawberry.field(description="Your own id for it. Staff only.")
    def external_id(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.external_id if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="What it costs; null where no price is set.")
    def price(self) -> Money | None:
        """As set."""
        return Money.of(self.row.price)

    @strawberry.field(description="Its own cancellation policy; null: the provider's.")
    def cancellation_policy(self) -> CancellationPolicy | None:
        """As set."""
        policy = self.row.cancellation_policy
        return None if policy is None else CancellationPolicy.of(policy)

    @strawberry.field(
        description="Free times on the dates from…to, inclusive, in timeZone, with any of its "
        "providers; or, where providers are named, with all of these. At most 62 days."
    )
    async def availability(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="The first date.")],
        to: Annotated[date, strawberry.argument(description="The last date, inclusive.")],
        time_zone: Annotated[
            TimeZoneName,
            strawberry.argument(description="The zone that the dates and local times are in."),
        ],
        provider_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description=NAMED)
        ] = None,
        seats: Annotated[int | None, strawberry.argument(description=SEATS)] = 1,
    ) -> ServiceAvailabilityResult | None:
        """Batched."""
        question = ServiceQuestion(
            service_id=self.row.id,
            named=tuple(provider_keys(provider_ids or ())),
            first=from_,
            last=to,
            time_zone=time_zone,
            seats=1 if seats is None else seats,
        )
        return service_availability_result(await info.context.loaders.service_times.load(question))

    @strawberry.field(
        description="The first time at or after `after` (default: now) that can be booked, with "
        "any of its providers; or, where providers are named, with all of these."
    )
    async def next_available_slot(
        self,
        info: Info,
        time_zone: Annotated[
            TimeZoneName, strawberry.argument(description="The zone of the local times.")
        ],
        after: Annotated[
            datetime | None,
            strawberry.argument(description="Not before this instant (default: now)."),
        ] = None,
        provider_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description=NAMED)
        ] = None,
        seats: Annotated[int | None, strawberry.argument(description=SEATS)] = 1,
    ) -> ServiceSlot | None:
        """Batched."""
        zone = checked_zone(time_zone)
        wish = ServiceParty(
            self.row.id, tuple(provider_keys(provider_ids or ())), checked_seats(seats)
        )
        question = NextServiceQuestion(wish, after)
        found = await info.context.loaders.next_of_service.load(question)
        return None if found is None else service_slots([found.start], found.listed, zone)[0]

    @strawberry.field(description="Who offers it, in the service's order.")
    async def providers(self, info: Info) -> list[LazyProvider]:
        """Batched."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

        needs = await self._needs(info)
        providers = await info.context.loaders.provider.load_many(needs.provider_ids)
        viewer = info.context.viewer
        return [
            shown
            for provider in providers
            if (shown := ProviderType.found(provider, viewer)) is not None
        ]

    @strawberry.field(
        description="Each counts, for each provider, the visits of this service that they lead."
    )
    def limits(self) -> list[BookingLimit]:
        """As set."""
        return [BookingLimit.of(limit) for limit in self.row.limits]

    @strawberry.field(description=MAX_OPEN)
    def max_open_per_customer(self) -> int | None:
        """As set."""
        return self.row.max_open_per_customer

    @strawberry.field(
        description="How many of its providers a visit takes at once; null: all of them."
    )
    async def providers_needed(self, info: Info) -> int | None:
        """Batched."""
        return (await self._needs(info)).providers_needed

    @strawberry.field(description="Which provider is tried first where a visit names none.")
    async def assignment(self, info: Info) -> Assignment:
        """Batched."""
        return (await self._needs(info)).assignment

    @strawberry.field(
        description="What a visit takes in addition to its providers: units of each of these "
        "groups."
    )
    async def needs(self, info: Info) -> list[ServiceNeed]:
        """Batched."""
        return [ServiceNeed.of(group) for group in (await self._needs(info)).groups]

    @strawberry.field(
        description=(
            "How many seats a start has. With more than one, it is a session, in which bookings "
            "take seats; the price is per seat."
        )
    )
    async def seats(self, info: Info) -> int:
        """Batched."""
        return (await self._needs(info)).seats

    async def _needs(self, info: Info) -> Needs:
        needs = await info.context.loaders.needs.load(self.row.id)
        return needs or Needs(provider_ids=())


ServiceConnection = Connection[Service]

_PROVIDER_IDS = "Who offers it, in the order in which they are tried."
_PROVIDERS_NEEDED = "How many of them a visit takes at once, 1 or more; null: all of them."
_ASSIGNMENT = "Which of them is tried first where a visit names none."
_NEEDS = "What else a visit takes; at most 20 groups, with each resource in only one of them."
_SEATS = (
    "How many seats a start has, 1 to 1,000. With more than one, bookings share a start, and take "
    "seats in it."
)


@strawberry.input(description="A group of resources that each visit takes units of.")
class ServiceNeedInput:
    """Becomes a `NeedForm`."""

    name: str = strawberry.field(description="1 to 200 characters.")
    count: int | None = strawberry.field(
        default=1, description="How many units a visit takes; no more than they have in all."
    )
    resource_ids: list[strawberry.ID] = strawberry.field(
        description="Of which, in the order in which they are tried; at least one."
    )

    def to_core(self) -> NeedForm:
        """Unchecked."""
        return NeedForm(
            name=self.name, count=self.count, resource_ids=resource_keys(self.resource_ids)
        )


@strawberry.input(description="A new service. A rule left out is the provider's own.")
class CreateServiceInput:
    """Becomes a `ServiceForm`."""

    name: str = strawberry.field(description="1 to 200 characters.")
    provider_ids: list[strawberry.ID] = strawberry.field(
        description=f"{_PROVIDER_IDS} May be empty."
    )
    duration_minutes: int = strawberry.field(description="1 to 1,440.")
    buffer_before_minutes: int | None = strawberry.field(default=0, description="0 to 1,440.")
    buffer_after_minutes: int | None = strawberry.field(default=None, description="0 to 1,440.")
    slot_interval_minutes: int | None = strawberry.field(default=None, description="1 to 1,440.")
    min_notice_minutes: int | None = strawberry.field(default=None, description="0 or more.")
    max_advance_booking_days: int | None = strawberry.field(default=None, description="0 to 1,100.")
    price: MoneyInput | None = strawberry.field(default=None, description="What it costs.")
    cancellation_policy: CancellationPolicyInput | None = strawberry.field(
        default=None, description="Its own policy; a share of the price needs a price."
    )
    providers_needed: int | None = strawberry.field(default=1, description=_PROVIDERS_NEEDED)
    assignment: Assignment | None = strawberry.field(
        default=Assignment.PRIORITY, description=_ASSIGNMENT
    )
    needs: list[ServiceNeedInput] | None = strawberry.field(
        default_factory=list, description=_NEEDS
    )
    seats: int | None = strawberry.field(default=1, description=_SEATS)
    limits: list[BookingLimitInput] | None = strawberry.field(
        default_factory=list, description=LIMITS
    )
    max_open_per_customer: int | None = strawberry.field(
        default=None, description=f"1 to 10,000. {MAX_OPEN}"
    )
    description: str | None = strawberry.field(
        default=None, description="Plain text for customers, up to 2,000 characters, lines allowed."
    )
    location_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Where its visits take place; null: where the lead provider sees customers.",
    )
    external_id: str | None = strawberry.field(default=None, description=_EXTERNAL_ID)


@strawberry.input(
    description=(
        "Changes of a service: absent means unchanged, null means back to the provider's own."
    )
)
class UpdateServiceInput:
    """Becomes changes of a `ServiceForm`."""

    id: strawberry.ID = strawberry.field(description="Which service.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    provider_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description=_PROVIDER_IDS
    )
    duration_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 1,440."
    )
    buffer_before_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 1,440."
    )
    buffer_after_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 1,440."
    )
    slot_interval_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 1,440."
    )
    min_notice_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 or more."
    )
    max_advance_booking_days: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 1,100."
    )
    price: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="What it costs; null: no price."
    )
    cancellation_policy: CancellationPolicyInput | None = strawberry.field(
        default=strawberry.UNSET, description="Its own policy; null: the provider's."
    )
    providers_needed: int | None = strawberry.field(
        default=strawberry.UNSET, description=_PROVIDERS_NEEDED
    )
    assignment: Assignment | None = strawberry.field(
        default=strawberry.UNSET, description=_ASSIGNMENT
    )
    needs: list[ServiceNeedInput] | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_NEEDS} They replace the earlier ones."
    )
    seats: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"{_SEATS} Fewer than are taken take nobody's seats away.",
    )
    limits: list[BookingLimitInput] | None = strawberry.field(
        default=strawberry.UNSET, description=f"{LIMITS} They replace the earlier ones."
    )
    max_open_per_customer: int | None = strawberry.field(
        default=strawberry.UNSET, description=f"1 to 10,000. {MAX_OPEN}"
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
        description="Where its visits take place; null: where the lead provider sees customers.",
    )


CreateServiceResult = Annotated[
    Service | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union("CreateServiceResult", description="The new service, or why there is none."),
]
UpdateServiceResult = Annotated[
    Service | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateServiceResult", description="The changed service, or why it is unchanged."
    ),
]


_NEEDS_FIELDS: Final = frozenset(
    {"provider_ids", "providers_needed", "assignment", "needs", "seats"}
)


def _needs_changes(input: UpdateServiceInput) -> Changes:
    """Those of the fields that say what a visit takes."""
    changes: Changes = {
        name: value
        for name in _NEEDS_FIELDS
        if (value := getattr(input, name)) is not strawberry.UNSET
    }
    if changes.get("provider_ids") is not None:
        changes["provider_ids"] = provider_keys(changes["provider_ids"])
    if changes.get("needs") is not None:
        changes["needs"] = [need.to_core() for need in changes["needs"]]
    return changes


@strawberry.type
class ServiceQuery:
    """The root fields about services."""

    @strawberry.field(description="The service with this id; null if there is none.")
    async def service(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Which.")],
    ) -> Service | None:
        """Batched."""
        found = await info.context.loaders.service.load(service_key(id))
        return Service.found(found, info.context.viewer)

    @strawberry.field(description="The organization's services, by name.")
    async def services(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Search = None,
        ids: Ids = None,
        include_archived: IncludeArchived = False,  # noqa: FBT002  GraphQL names it
    ) -> ServiceConnection | None:
        """Keyset pages."""
        page = PageRequest.read(BY_NAME, first=first, after=after, last=last, before=before)
        resources, viewer = info.context.resources, info.context.viewer
        keys = None if ids is None else [service_key(text) for text in ids]
        text = search.replace("\0", "") if search else None
        rows = await list_services(
            resources,
            viewer,
            keyset=page.keyset,
            ids=keys,
            search=text,
            with_archived=bool(include_archived),
        )
        return connect(
            page,
            BY_NAME,
            rows,
            key=lambda row: (row.name, row.id),
            node=Service.of,
            count=lambda: count_services(
                resources, viewer, ids=keys, search=text, with_archived=bool(include_archived)
            ),
        )


@strawberry.type
class ServiceMutation:
    """The mutations of services."""

    @strawberry.mutation(description="Creates a service. Administrators only.")
    async def create_service(
        self,
        info: Info,
        input: Annotated[CreateServiceInput, strawberry.argument(description="The new service.")],
    ) -> CreateServiceResult:
        """See the use case."""
        form = ServiceForm(
            name=input.name,
            duration_minutes=input.duration_minutes,
            buffer_before_minutes=input.buffer_before_minutes,
            buffer_after_minutes=input.buffer_after_minutes,
            slot_interval_minutes=input.slot_interval_minutes,
            min_notice_minutes=input.min_notice_minutes,
            max_advance_booking_days=input.max_advance_booking_days,
            price=input.price.to_core() if input.price else None,
            cancellation_policy=input.cancellation_policy.to_core()
            if input.cancellation_policy
            else None,
            limits=None if input.limits is None else [each.to_core() for each in input.limits],
            max_open_per_customer=input.max_open_per_customer,
            description=input.description,
            location_id=optional_location_key(input.location_id),
            external_id=input.external_id,
        )
        wanted = NeedsForm(
            provider_ids=provider_keys(input.provider_ids),
            providers_needed=input.providers_needed,
            assignment=input.assignment,
            needs=[need.to_core() for need in input.needs or ()],
            seats=input.seats,
        )
        answer = await create_service(info.context.resources, info.context.viewer, form, wanted)
        match answer:
            case core.Service():
                return Service.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Changes a service. Booked appointments stay unchanged. Administrators only."
    )
    async def update_service(
        self,
        info: Info,
        input: Annotated[
            UpdateServiceInput, strawberry.argument(description="Which service, and what changes.")
        ],
    ) -> UpdateServiceResult:
        """See the use case."""
        answer = await change_service(
            info.context.resources,
            info.context.viewer,
            service_key(input.id),
            changes_of(input, without=_NEEDS_FIELDS | {"id", "dry_run"}),
            _needs_changes(input),
            dry_run=bool(input.dry_run),
        )
        match answer:
            case core.Service():
                return Service.of(answer)
            case stranded.ChangePreview():
                return ChangePreview.of(answer)
            case _:
                return refused(answer)
