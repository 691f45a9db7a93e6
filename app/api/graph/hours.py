"""Weekly hours, breaks and exceptions, and the mutations that change them."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import strawberry

from app.api.graph.previews import DRY_RUN, ChangePreview
from app.api.graph.providers import Provider
from app.api.graph.resources import Resource
from app.api.graph.week import (
    WeeklyBreakInput,
    WeeklyHoursInput,
    ranges_of,
)
from app.api.operation.info import Info
from app.api.words.keys import optional_provider_key, optional_resource_key
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.scalars import LocalTime
from app.core import provider, resource, stranded
from app.core.hours import ClockRange
from app.usecases.practice.edit_hours import (
    Changed,
    Owner,
    Refusal,
    remove_exception,
    set_exception,
    set_weekly_hours,
)

_PROVIDER = "The provider. Exactly one of providerId and resourceId is given."
_RESOURCE = "The resource. Reception and administrators only."


@strawberry.input(
    description="A range of wall-clock time; an end not after its start runs past midnight."
)
class LocalTimeRangeInput:
    """Becomes a `ClockRange`."""

    start: LocalTime = strawberry.field(description="Included; at most 23:59.")
    end: LocalTime = strawberry.field(description="Excluded; 24:00 is allowed.")


@strawberry.input(
    description="All weekly hours and breaks of a provider or resource; they replace "
    "the earlier ones."
)
class SetWeeklyHoursInput:
    """See `set_weekly_hours`."""

    hours: list[WeeklyHoursInput] = strawberry.field(
        description="When they work, or it is open; ranges that overlap are merged. Empty: never."
    )
    breaks: list[WeeklyBreakInput] | None = strawberry.field(
        default_factory=list,
        description="Their breaks: cut out of weekly hours, never out of custom hours.",
    )
    provider_id: strawberry.ID | None = strawberry.field(default=None, description=_PROVIDER)
    resource_id: strawberry.ID | None = strawberry.field(default=None, description=_RESOURCE)
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


@strawberry.input(
    description="The whole exception of a date; it replaces what was set before. isBlocked "
    "without ranges: closed all day; isBlocked with ranges: those parts are closed; not isBlocked: "
    "custom hours, at least one range."
)
class SetExceptionInput:
    """See `set_exception`."""

    day: date = strawberry.field(
        name="date", description="In the zone of the provider or resource."
    )
    is_blocked: bool = strawberry.field(
        description="Whether time is closed; otherwise, the date has custom hours."
    )
    ranges: list[LocalTimeRangeInput] | None = strawberry.field(
        default_factory=list,
        description="All closed parts, or all custom hours, of the date. Parts that were set "
        "before and are left out here are removed.",
    )
    reason: str | None = strawberry.field(
        default=None, description="For staff; up to 500 characters."
    )
    provider_id: strawberry.ID | None = strawberry.field(default=None, description=_PROVIDER)
    resource_id: strawberry.ID | None = strawberry.field(default=None, description=_RESOURCE)
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


@strawberry.input(description="The date whose exception to remove.")
class RemoveExceptionInput:
    """See `remove_exception`."""

    day: date = strawberry.field(
        name="date", description="In the zone of the provider or resource."
    )
    provider_id: strawberry.ID | None = strawberry.field(default=None, description=_PROVIDER)
    resource_id: strawberry.ID | None = strawberry.field(default=None, description=_RESOURCE)
    dry_run: bool | None = strawberry.field(default=False, description=DRY_RUN)


SetWeeklyHoursResult = Annotated[
    Provider | Resource | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "SetWeeklyHoursResult",
        description="The provider or resource with the new hours, or why they are unchanged.",
    ),
]
SetExceptionResult = Annotated[
    Provider | Resource | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "SetExceptionResult",
        description="The provider or resource with the exception, or why there is none.",
    ),
]
RemoveExceptionResult = Annotated[
    Provider | Resource | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "RemoveExceptionResult",
        description="The provider or resource without the exception, or why it stays.",
    ),
]


def _owner(input: SetWeeklyHoursInput | SetExceptionInput | RemoveExceptionInput) -> Owner:
    return Owner(
        provider_id=optional_provider_key(input.provider_id),
        resource_id=optional_resource_key(input.resource_id),
    )


def _result(
    answer: Changed | stranded.ChangePreview | Refusal,
) -> Provider | Resource | ChangePreview | InvalidInputError | NotAllowedError | NotFoundError:
    match answer:
        case provider.Provider():
            return Provider.of(answer)
        case resource.Resource():
            return Resource.of(answer)
        case stranded.ChangePreview():
            return ChangePreview.of(answer)
        case _:
            return refused(answer)


def _clock_ranges(ranges: Sequence[LocalTimeRangeInput]) -> list[ClockRange]:
    return [ClockRange(start_minute=each.start, end_minute=each.end) for each in ranges]


@strawberry.type
class HoursMutation:
    """The mutations of hours."""

    @strawberry.mutation(
        description="Replaces all weekly hours and breaks of a provider or a resource. Booked "
        "appointments stay."
    )
    async def set_weekly_hours(
        self,
        info: Info,
        input: Annotated[SetWeeklyHoursInput, strawberry.argument(description="The new week.")],
    ) -> SetWeeklyHoursResult:
        """See the use case."""
        answer = await set_weekly_hours(
            info.context.resources,
            info.context.viewer,
            _owner(input),
            hours=ranges_of(input.hours),
            breaks=ranges_of(input.breaks or []),
            dry_run=bool(input.dry_run),
        )
        return _result(answer)

    @strawberry.mutation(
        description="REPLACES the whole exception of a date: what was set on the date before is "
        "removed, and its time is open again. To close a second part of a day, send all closed "
        'parts in one call. Example: `ranges: [{start: "09:00", end: "10:00"}, '
        '{start: "13:00", end: "18:00"}]`. Booked appointments stay.'
    )
    async def set_exception(
        self,
        info: Info,
        input: Annotated[
            SetExceptionInput, strawberry.argument(description="The date and its exception.")
        ],
    ) -> SetExceptionResult:
        """See the use case."""
        answer = await set_exception(
            info.context.resources,
            info.context.viewer,
            _owner(input),
            input.day,
            is_blocked=input.is_blocked,
            ranges=_clock_ranges(input.ranges or []),
            reason=input.reason,
            dry_run=bool(input.dry_run),
        )
        return _result(answer)

    @strawberry.mutation(description="Removes a date's exception; does nothing if there is none.")
    async def remove_exception(
        self,
        info: Info,
        input: Annotated[RemoveExceptionInput, strawberry.argument(description="The date.")],
    ) -> RemoveExceptionResult:
        """See the use case."""
        answer = await remove_exception(
            info.context.resources,
            info.context.viewer,
            _owner(input),
            input.day,
            dry_run=bool(input.dry_run),
        )
        return _result(answer)
