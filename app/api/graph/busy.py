"""Busy times, and the mutations that change them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from app.api.operation.info import Info
from app.api.words.errors import BadUserInput
from app.api.words.keys import busy_source_key, optional_provider_key, optional_resource_key
from app.api.words.node import Node
from app.api.words.refusals import InvalidInputError, NotAllowedError, NotFoundError, refused
from app.api.words.relay import global_id
from app.core import busy as core
from app.core.hours import cut_intervals
from app.core.ids import SubjectId
from app.core.provider import Provider as CoreProvider
from app.core.resource import Resource as CoreResource
from app.core.validation import BusyForm
from app.core.zones import DAY_MINUTES, instant_of, is_supported_date, minute_at_or_after, minute_of
from app.usecases.busy.add_feed import add_busy_feed
from app.usecases.busy.push import set_busy_times
from app.usecases.busy.remove import remove_busy_source
from app.usecases.look_ups import BusyTimesQuestion
from app.usecases.practice.edit_hours import Owner

if TYPE_CHECKING:
    from app.api.graph.providers import Provider
    from app.api.graph.resources import Resource

LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]
LazyResource = Annotated["Resource", strawberry.lazy("app.api.graph.resources")]

MOST_DAYS = 100
"""Of busy times in one list."""


@strawberry.type(description="A stretch of time in which somebody is busy with something else.")
class BusyTime:
    """An interval of a source."""

    starts_at: datetime = strawberry.field(description="Its beginning, included.")
    ends_at: datetime = strawberry.field(description="Its end, excluded.")


@strawberry.type(
    description="A source of busy times of a provider or a resource, such as a private calendar: "
    "pushed with setBusyTimes, or read from a calendar feed. Staff only."
)
class BusySource(Node):
    """Maps the core's `BusySource`."""

    row: strawberry.Private[core.BusySource]
    name: str = strawberry.field(description="What it is called; unique for its owner.")
    last_read_at: datetime | None = strawberry.field(
        description="When its feed was last read; null where times are pushed."
    )
    failing_since: datetime | None = strawberry.field(
        description="Since when its feed can't be read; null if it can be. Meanwhile, its last "
        "known times count."
    )
    problem: str | None = strawberry.field(
        description="Why its feed can't be read, in English; if failingSince is null, which part "
        "of it can't be read."
    )

    @classmethod
    def of(cls, row: core.BusySource) -> Self:
        """From the core."""
        return cls(
            id=global_id("BusySource", row.id),
            row=row,
            name=row.name,
            last_read_at=row.last_read_at,
            failing_since=row.failing_since,
            problem=row.problem,
        )

    @strawberry.field(
        description="The address of its feed; null where times are pushed. It may be a secret, so"
        " only those who may change the source see it."
    )
    def url(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.url if info.context.viewer.changes_busy(self.row.subject_id) else None

    @strawberry.field(
        description="Its busy times between two instants, at most "
        f"{MOST_DAYS} days apart; merged, in order, and cut at these instants. Times that ended "
        f"more than {core.KEPT_DAYS} days ago are not kept."
    )
    async def busy_times(
        self,
        info: Info,
        from_: Annotated[
            datetime, strawberry.argument(name="from", description="The first instant.")
        ],
        to: Annotated[datetime, strawberry.argument(description="The end, excluded.")],
    ) -> list[BusyTime]:
        """Batched."""
        first, until = minute_of(from_), minute_at_or_after(to)
        if not 0 < until - first <= MOST_DAYS * DAY_MINUTES:
            raise BadUserInput(f"Ask for at most {MOST_DAYS} days, in order.", "to")
        if not (is_supported_date(from_.date()) and is_supported_date(to.date())):
            raise BadUserInput("These dates are outside the years the calendar supports.", "from")
        question = BusyTimesQuestion(self.row.subject_id, self.row.id, first, until)
        pieces = await info.context.loaders.busy_times.load(question)
        outside = [(first - core.LONGEST_PIECE, first), (until, until + core.LONGEST_PIECE)]
        return [
            BusyTime(starts_at=instant_of(begin), ends_at=instant_of(end))
            for begin, end in cut_intervals(pieces, outside)
        ]


async def busy_sources_of(info: Info, owner_id: SubjectId) -> list[BusySource] | None:
    """By name; batched. Null for others than staff."""
    if not info.context.viewer.sees_staff_matters:
        return None
    return [BusySource.of(each) for each in await info.context.loaders.busy_sources.load(owner_id)]


@strawberry.input(description="A stretch of time in which somebody is busy.")
class BusyTimeInput:
    """See `BusyForm`."""

    starts_at: datetime = strawberry.field(description="Its beginning, included.")
    ends_at: datetime = strawberry.field(description="Its end, excluded.")


@strawberry.input(description="All busy times of a source in a window of time.")
class SetBusyTimesInput:
    """Becomes a `BusyForm`."""

    source: str = strawberry.field(
        description="Its name, 1 to 100 characters; a new name makes a new source."
    )
    from_: datetime = strawberry.field(name="from", description="The beginning of the window.")
    to: datetime = strawberry.field(
        description="The end of the window, excluded; at most "
        f"{core.LONGEST_WINDOW_DAYS:,} days later."
    )
    busy: list[BusyTimeInput] = strawberry.field(
        description="When its owner is busy, within the window: at most "
        f"{core.MOST_TIMES:,} times, in any order. They may overlap. A beginning between two "
        "minutes is rounded down, an end up."
    )
    provider_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Who: a provider. Exactly one of providerId and resourceId is given.",
    )
    resource_id: strawberry.ID | None = strawberry.field(
        default=None, description="What: a resource. Reception and administrators only."
    )


@strawberry.input(description="A calendar feed to read busy times from.")
class AddBusyFeedInput:
    """See `add_busy_feed`."""

    name: str = strawberry.field(
        description="What the source is called, 1 to 100 characters; new for its owner."
    )
    url: str = strawberry.field(
        description="The address of an iCalendar feed, beginning with https:// or webcal://. It "
        "must be a public one, unless the operator allows its network."
    )
    provider_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Whose calendar: a provider's. Exactly one of providerId and resourceId is "
        "given.",
    )
    resource_id: strawberry.ID | None = strawberry.field(
        default=None, description="A resource's. Reception and administrators only."
    )


@strawberry.input(description="The source to remove.")
class RemoveBusySourceInput:
    """See `remove_busy_source`."""

    id: strawberry.ID = strawberry.field(description="Which source.")


SetBusyTimesResult = Annotated[
    BusySource | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union("SetBusyTimesResult", description="The source, or why it is unchanged."),
]
AddBusyFeedResult = Annotated[
    BusySource | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union("AddBusyFeedResult", description="The new source, or why there is none."),
]
RemoveBusySourceResult = Annotated[
    LazyProvider | LazyResource | NotAllowedError | NotFoundError,
    strawberry.union("RemoveBusySourceResult", description="Whose source it was, or why it stays."),
]


@strawberry.type
class BusyMutation:
    """The mutations of busy times."""

    @strawberry.mutation(
        description="Replaces the busy times of a source in the window from…to: when a provider "
        "or a resource is busy with something that is not booked here. No new visit, "
        "with its buffers, overlaps them; existing bookings stay. Times of the source"
        " outside the window stay, too. Repeating the call changes nothing."
    )
    async def set_busy_times(
        self,
        info: Info,
        input: Annotated[
            SetBusyTimesInput, strawberry.argument(description="Whose times, and when.")
        ],
    ) -> SetBusyTimesResult:
        """See the use case."""
        answer = await set_busy_times(
            info.context.resources,
            info.context.viewer,
            Owner(
                provider_id=optional_provider_key(input.provider_id),
                resource_id=optional_resource_key(input.resource_id),
            ),
            BusyForm(
                source=input.source,
                first=input.from_,
                until=input.to,
                busy=[(each.starts_at, each.ends_at) for each in input.busy],
            ),
        )
        return BusySource.of(answer) if isinstance(answer, core.BusySource) else refused(answer)

    @strawberry.mutation(
        description="Reads a calendar every quarter of an hour from now on: no new visit with its"
        " owner overlaps its events. Events that are cancelled or shown as free don't"
        " count, nor do copies of appointments that are booked here. It is first read"
        " within a minute; look at lastReadAt and problem after that."
    )
    async def add_busy_feed(
        self,
        info: Info,
        input: Annotated[
            AddBusyFeedInput, strawberry.argument(description="Whose calendar, and where it is.")
        ],
    ) -> AddBusyFeedResult:
        """See the use case."""
        answer = await add_busy_feed(
            info.context.resources,
            info.context.viewer,
            Owner(
                provider_id=optional_provider_key(input.provider_id),
                resource_id=optional_resource_key(input.resource_id),
            ),
            name=input.name,
            url=input.url,
        )
        return BusySource.of(answer) if isinstance(answer, core.BusySource) else refused(answer)

    @strawberry.mutation(description="Removes a source with all of its busy times.")
    async def remove_busy_source(
        self,
        info: Info,
        input: Annotated[RemoveBusySourceInput, strawberry.argument(description="Which.")],
    ) -> RemoveBusySourceResult:
        """See the use case."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the types name each other
        from app.api.graph.resources import Resource as ResourceType  # noqa: PLC0415  as above

        answer = await remove_busy_source(
            info.context.resources, info.context.viewer, busy_source_key(input.id)
        )
        match answer:
            case CoreProvider():
                return ProviderType.of(answer)
            case CoreResource():
                return ResourceType.of(answer)
            case _:
                return refused(answer)
