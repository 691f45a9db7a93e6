"""Resources: rooms, chairs, devices that a visit may need, and the mutations that change them."""

from typing import Annotated, Self
from uuid import UUID

import strawberry

from app.api.graph.busy import BusySource, busy_sources_of
from app.api.graph.previews import ARCHIVED, DRY_RUN, ChangePreview
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
from app.api.words.changes import changes_of
from app.api.words.keys import resource_key, resource_keys
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
from app.core import resource as core
from app.core import stranded
from app.core.validation import ResourceForm
from app.usecases.practice.edit_resource import change_resource, create_resource
from app.usecases.practice.list_resources import count_resources, list_resources

BY_NAME = Order(name="resources", types=(str, UUID))

_UNITS = "How many identical ones there are, each used by one visit at a time: 1 to 1,000."
_ALWAYS_OPEN = (
    "Whether it can be used at any time. Its hours, breaks and exceptions are kept meanwhile and "
    "do not count; its time off does."
)
_EXTERNAL_ID = "Your own id for it, unique among resources; 1 to 255 characters."


@strawberry.type(
    description="A room, a chair, a device: something with time that a visit may need. Those who "
    "see a service's needs, or an appointment, see its id, name, kind and zone; the rest is for "
    "staff."
)
class Resource(Node):
    """Maps the core's `Resource`."""

    row: strawberry.Private[core.Resource]
    name: str = strawberry.field(description="What people call it.")
    kind: str = strawberry.field(description="What it is, in your own words: room, chair, device.")
    time_zone: TimeZoneName = strawberry.field(description="The time zone of its hours.")

    @classmethod
    def of(cls, resource: core.Resource) -> Self:
        """From the core."""
        return cls(
            id=global_id("Resource", resource.id),
            row=resource,
            name=resource.name,
            kind=resource.kind,
            time_zone=TimeZoneName(resource.time_zone),
        )

    @strawberry.field(description=f"{_UNITS} Staff only.")
    def units(self, info: Info) -> int | None:
        """Null for others."""
        return self.row.units if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description=f"{_ALWAYS_OPEN} Staff only.")
    def always_open(self, info: Info) -> bool | None:
        """Null for others."""
        return self.row.is_always_open if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="Whether it is archived: no new visit takes it. Staff only.")
    def is_archived(self, info: Info) -> bool | None:
        """Null for others."""
        return self.row.is_archived if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="Your own id for it. Staff only.")
    def external_id(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.external_id if info.context.viewer.sees_staff_matters else None

    @strawberry.field(description="When it is open, in the order of the week. Staff only.")
    async def weekly_hours(self, info: Info) -> list[WeeklyHours] | None:
        """Batched; null for others."""
        if not info.context.viewer.sees_staff_matters:
            return None
        return await weekly_hours_of(info, self.row.id)

    @strawberry.field(
        description="What is cut out of its weekly hours, in the order of the week. Staff only."
    )
    async def breaks(self, info: Info) -> list[WeeklyBreak] | None:
        """Batched; null for others."""
        if not info.context.viewer.sees_staff_matters:
            return None
        return await breaks_of(info, self.row.id)

    @strawberry.field(
        description="Dates that differ from the week: closed, partly blocked, or with hours of "
        "their own. Staff only."
    )
    async def exceptions(
        self, info: Info, from_: FirstDate, to: LastDate
    ) -> list[AvailabilityException] | None:
        """Batched; null for others."""
        if not info.context.viewer.sees_staff_matters:
            return None
        return await exceptions_of(info, self.row.id, from_, to)

    @strawberry.field(
        description="Its time off that touches the dates from…to, inclusive, in order. Staff only."
    )
    async def time_off(
        self, info: Info, from_: FromDate = None, to: ToDate = None
    ) -> list[TimeOff] | None:
        """Batched; null for others."""
        return await time_off_of(info, self.row.id, self.row.time_zone, from_, to)

    @strawberry.field(
        description="The sources that say when it is busy elsewhere, by name. Staff only."
    )
    async def busy_sources(self, info: Info) -> list[BusySource] | None:
        """Batched; null for others."""
        return await busy_sources_of(info, self.row.id)


ResourceConnection = Connection[Resource]


@strawberry.input(description="A new resource.")
class CreateResourceInput:
    """Becomes a `ResourceForm`."""

    name: str = strawberry.field(description="1 to 200 characters.")
    kind: str = strawberry.field(
        description="What it is, in your own words, such as room; 1 to 100 characters."
    )
    time_zone: TimeZoneName = strawberry.field(description="The time zone of its hours.")
    units: int | None = strawberry.field(default=1, description=_UNITS)
    always_open: bool | None = strawberry.field(default=True, description=_ALWAYS_OPEN)
    weekly_hours: list[WeeklyHoursInput] | None = strawberry.field(
        default=None,
        description="When it is open, where it is not always; ranges that overlap are merged.",
    )
    breaks: list[WeeklyBreakInput] | None = strawberry.field(
        default=None, description="What is cut out of its weekly hours."
    )
    external_id: str | None = strawberry.field(default=None, description=_EXTERNAL_ID)


@strawberry.input(
    description="Changes of a resource: absent means unchanged; null clears what may be empty."
)
class UpdateResourceInput:
    """Becomes changes of a `ResourceForm`."""

    id: strawberry.ID = strawberry.field(description="Which resource.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    kind: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 100 characters."
    )
    time_zone: TimeZoneName | None = strawberry.field(
        default=strawberry.UNSET,
        description="Hours keep their wall-clock times; booked appointments keep their instants.",
    )
    units: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"{_UNITS} With fewer, no new visit takes the units with the highest "
        "numbers; existing bookings of them stay.",
    )
    always_open: bool | None = strawberry.field(default=strawberry.UNSET, description=_ALWAYS_OPEN)
    external_id: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_EXTERNAL_ID} Null: none."
    )
    is_archived: bool | None = strawberry.field(default=strawberry.UNSET, description=ARCHIVED)
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


CreateResourceResult = Annotated[
    Resource | InvalidInputError | NotAllowedError,
    strawberry.union("CreateResourceResult", description="The new resource, or why there is none."),
]
UpdateResourceResult = Annotated[
    Resource | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateResourceResult", description="The changed resource, or why it is unchanged."
    ),
]


@strawberry.type
class ResourceQuery:
    """The root fields about resources."""

    @strawberry.field(description="The resource with this id; null if there is none. Staff only.")
    async def resource(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Which.")],
    ) -> Resource | None:
        """Batched; null for others."""
        if not info.context.viewer.sees_staff_matters:
            return None
        found = await info.context.loaders.resource.load(resource_key(id))
        return None if found is None else Resource.of(found)

    @strawberry.field(description="The organization's resources, by name. Staff only.")
    async def resources(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Search = None,
        ids: Ids = None,
        include_archived: IncludeArchived = False,  # noqa: FBT002  GraphQL names it
    ) -> ResourceConnection | None:
        """Keyset pages; null for others."""
        page = PageRequest.read(BY_NAME, first=first, after=after, last=last, before=before)
        resources, viewer = info.context.resources, info.context.viewer
        if not viewer.sees_staff_matters:
            return None
        keys = None if ids is None else resource_keys(ids)
        text = search.replace("\0", "") if search else None
        rows = await list_resources(
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
            node=Resource.of,
            count=lambda: count_resources(
                resources, viewer, ids=keys, search=text, with_archived=bool(include_archived)
            ),
        )


@strawberry.type
class ResourceMutation:
    """The mutations of resources."""

    @strawberry.mutation(description="Creates a resource. Administrators only.")
    async def create_resource(
        self,
        info: Info,
        input: Annotated[CreateResourceInput, strawberry.argument(description="The new resource.")],
    ) -> CreateResourceResult:
        """See the use case."""
        form = ResourceForm(
            name=input.name,
            kind=input.kind,
            time_zone=input.time_zone,
            units=input.units,
            always_open=input.always_open,
            external_id=input.external_id,
        )
        answer = await create_resource(
            info.context.resources,
            info.context.viewer,
            form,
            hours=ranges_of(input.weekly_hours or []),
            breaks=ranges_of(input.breaks or []),
        )
        match answer:
            case core.Resource():
                return Resource.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Changes a resource. Booked appointments stay unchanged. Administrators only."
    )
    async def update_resource(
        self,
        info: Info,
        input: Annotated[
            UpdateResourceInput,
            strawberry.argument(description="Which resource, and what changes."),
        ],
    ) -> UpdateResourceResult:
        """See the use case."""
        answer = await change_resource(
            info.context.resources,
            info.context.viewer,
            resource_key(input.id),
            changes_of(input, without=frozenset({"id", "dry_run"})),
            dry_run=bool(input.dry_run),
        )
        match answer:
            case core.Resource():
                return Resource.of(answer)
            case stranded.ChangePreview():
                return ChangePreview.of(answer)
            case _:
                return refused(answer)
