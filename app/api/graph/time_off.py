"""Time off, and the mutations that change it."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from app.api.graph.previews import DRY_RUN, ChangePreview
from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.errors import BadUserInput
from app.api.words.keys import optional_provider_key, optional_resource_key, time_off_key
from app.api.words.node import Node
from app.api.words.refusals import InvalidInputError, NotAllowedError, NotFoundError, refused
from app.api.words.relay import global_id
from app.api.words.scalars import LocalDateTime
from app.core import provider as core
from app.core import stranded
from app.core.ids import ProviderId, ResourceId, SubjectId
from app.core.validation import TimeOffForm
from app.core.zones import date_of_number, day_number, local_date, minute_of
from app.usecases.look_ups import DatesQuestion
from app.usecases.practice.edit_hours import Owner
from app.usecases.practice.edit_time_off import add_time_off, change_time_off, remove_time_off

if TYPE_CHECKING:
    from app.api.graph.providers import Provider
    from app.api.graph.resources import Resource

LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]
LazyResource = Annotated["Resource", strawberry.lazy("app.api.graph.resources")]

MOST_DAYS = 400
"""Of time off in one list: a year and a month."""

_FROM = "When it begins, included."
_UNTIL = "When it ends, excluded. For whole dates: 00:00 of the date after the last."
_REASON = "For staff; up to 500 characters."


@strawberry.type(
    description="A range of wall-clock time in which a provider or a resource is away. Staff only."
)
class TimeOff(Node):
    """Maps the core's `TimeOff`."""

    row: strawberry.Private[core.TimeOff]
    from_wall: LocalDateTime = strawberry.field(name="from", description=_FROM)
    until_wall: LocalDateTime = strawberry.field(name="until", description=_UNTIL)
    reason: str | None = strawberry.field(description="Why.")

    @classmethod
    def of(cls, row: core.TimeOff) -> Self:
        """From the core."""
        return cls(
            id=global_id("TimeOff", row.id),
            row=row,
            from_wall=LocalDateTime(row.from_wall),
            until_wall=LocalDateTime(row.until_wall),
            reason=row.reason,
        )

    @strawberry.field(description="The provider who is away; null for a resource.")
    async def provider(self, info: Info) -> LazyProvider | None:
        """Batched."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

        found = await info.context.loaders.provider.load(ProviderId(self.row.subject_id))
        return None if found is None else ProviderType.of(found)

    @strawberry.field(description="The resource that can't be used; null for a provider.")
    async def resource(self, info: Info) -> LazyResource | None:
        """Batched."""
        from app.api.graph.resources import Resource as ResourceType  # noqa: PLC0415  as above

        found = await info.context.loaders.resource.load(ResourceId(self.row.subject_id))
        return None if found is None else ResourceType.of(found)


FromDate = Annotated[
    date | None,
    strawberry.argument(name="from", description="The first date (default: today, there)."),
]
ToDate = Annotated[
    date | None,
    strawberry.argument(
        description="The last date, inclusive; at most 400 dates, which is also the default."
    ),
]


async def time_off_of(
    info: Info, owner_id: SubjectId, time_zone: str, first: date | None, last: date | None
) -> list[TimeOff] | None:
    """That which has a reading on the dates from first to last, inclusive, in order; batched. Null
    for others than staff.
    """
    if not info.context.viewer.sees_staff_matters:
        return None
    if first is None:
        first = local_date(time_zone, minute_of(info.context.resources.clock()))
    if last is None:
        last = date_of_number(day_number(first) + MOST_DAYS - 1)
    if last < first or (last - first).days >= MOST_DAYS:
        raise BadUserInput(f"Ask for 1 to {MOST_DAYS} dates, in order.", "to")
    question = DatesQuestion(owner_id, first, last)
    return [TimeOff.of(each) for each in await info.context.loaders.time_off.load(question)]


@strawberry.input(
    description="When a provider or a resource is away, on the wall clock of their own zone."
)
class AddTimeOffInput:
    """Becomes a `TimeOffForm`."""

    from_wall: LocalDateTime = strawberry.field(name="from", description=_FROM)
    until_wall: LocalDateTime = strawberry.field(name="until", description=_UNTIL)
    reason: str | None = strawberry.field(default=None, description=_REASON)
    provider_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The provider. Exactly one of providerId and resourceId is given.",
    )
    resource_id: strawberry.ID | None = strawberry.field(
        default=None, description="The resource. Reception and administrators only."
    )
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


@strawberry.input(
    description="Changes of time off: absent means unchanged; null clears what may be empty."
)
class UpdateTimeOffInput:
    """Becomes changes of a `TimeOffForm`."""

    id: strawberry.ID = strawberry.field(description="Which time off.")
    from_wall: LocalDateTime | None = strawberry.field(
        name="from", default=strawberry.UNSET, description=_FROM
    )
    until_wall: LocalDateTime | None = strawberry.field(
        name="until", default=strawberry.UNSET, description=_UNTIL
    )
    reason: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_REASON} Null: none."
    )
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


@strawberry.input(description="The time off to remove.")
class RemoveTimeOffInput:
    """See `remove_time_off`."""

    id: strawberry.ID = strawberry.field(description="Which time off.")
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


AddTimeOffResult = Annotated[
    TimeOff | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union("AddTimeOffResult", description="The new time off, or why there is none."),
]
UpdateTimeOffResult = Annotated[
    TimeOff | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateTimeOffResult", description="The changed time off, or why it is unchanged."
    ),
]
RemoveTimeOffResult = Annotated[
    TimeOff | ChangePreview | NotAllowedError | NotFoundError,
    strawberry.union("RemoveTimeOffResult", description="The time off as it was, or why it stays."),
]


@strawberry.type
class TimeOffMutation:
    """The mutations of time off."""

    @strawberry.mutation(
        description="Adds time off of a provider or a resource: any number of dates, or a part of "
        "one. Nothing can be booked in it, and what is booked stays. Several add up."
    )
    async def add_time_off(
        self,
        info: Info,
        input: Annotated[AddTimeOffInput, strawberry.argument(description="Who, and when.")],
    ) -> AddTimeOffResult:
        """See the use case."""
        answer = await add_time_off(
            info.context.resources,
            info.context.viewer,
            Owner(
                provider_id=optional_provider_key(input.provider_id),
                resource_id=optional_resource_key(input.resource_id),
            ),
            TimeOffForm(
                from_wall=input.from_wall, until_wall=input.until_wall, reason=input.reason
            ),
            dry_run=bool(input.dry_run),
        )
        match answer:
            case core.TimeOff():
                return TimeOff.of(answer)
            case stranded.ChangePreview():
                return ChangePreview.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Changes when somebody is away, or why. Booked appointments stay."
    )
    async def update_time_off(
        self,
        info: Info,
        input: Annotated[
            UpdateTimeOffInput, strawberry.argument(description="Which, and what changes.")
        ],
    ) -> UpdateTimeOffResult:
        """See the use case."""
        answer = await change_time_off(
            info.context.resources,
            info.context.viewer,
            time_off_key(input.id),
            changes_of(input, without=frozenset({"id", "dry_run"})),
            dry_run=bool(input.dry_run),
        )
        match answer:
            case core.TimeOff():
                return TimeOff.of(answer)
            case stranded.ChangePreview():
                return ChangePreview.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Removes time off: its hours are open again, unless other time off covers them."
    )
    async def remove_time_off(
        self,
        info: Info,
        input: Annotated[RemoveTimeOffInput, strawberry.argument(description="Which.")],
    ) -> RemoveTimeOffResult:
        """See the use case."""
        answer = await remove_time_off(
            info.context.resources,
            info.context.viewer,
            time_off_key(input.id),
            dry_run=bool(input.dry_run),
        )
        match answer:
            case core.TimeOff():
                return TimeOff.of(answer)
            case stranded.ChangePreview():
                return ChangePreview.of(answer)
            case _:
                return refused(answer)
