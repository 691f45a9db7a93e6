"""The week of a provider or resource and its exceptions, as GraphQL shows and takes them."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Self

import strawberry

from app.api.operation.info import Info
from app.api.words.enums import Weekday
from app.api.words.errors import BadUserInput
from app.api.words.relay import global_id
from app.api.words.scalars import LocalTime
from app.core import provider as core
from app.core.hours import WeeklyRange
from app.core.ids import SubjectId
from app.usecases.look_ups import DatesQuestion

MOST_EXCEPTION_DAYS = 400
"""Of exceptions in one list: a year and a month."""

_FROM = "The first date on which it starts; null: always has."
_UNTIL = "The last date on which it starts; null: no end."


@strawberry.type(
    description="A range of weekly hours, on the wall clock of its provider or resource."
)
class WeeklyHours:
    """Maps the core's `WeeklyHours`."""

    id: strawberry.ID = strawberry.field(description="Opaque; new after every change of the week.")
    weekday: Weekday = strawberry.field(description="The day on which it starts.")
    start: LocalTime = strawberry.field(description="Included.")
    end: LocalTime = strawberry.field(
        description="Excluded; not after the start: past midnight, into the next date."
    )
    effective_from: date | None = strawberry.field(description=_FROM)
    effective_until: date | None = strawberry.field(description=_UNTIL)

    @classmethod
    def of(cls, hours: core.WeeklyHours) -> Self:
        """From the core."""
        return cls(id=global_id("WeeklyHours", hours.id), **_shown(hours.range))


@strawberry.type(
    description="A weekly break, on the wall clock of its provider or resource: cut out of "
    "weekly hours."
)
class WeeklyBreak:
    """Maps the core's `WeeklyBreak`."""

    id: strawberry.ID = strawberry.field(description="Opaque; new after every change of the week.")
    weekday: Weekday = strawberry.field(description="The day on which it starts.")
    start: LocalTime = strawberry.field(description="Included.")
    end: LocalTime = strawberry.field(
        description="Excluded; not after the start: past midnight, into the next date."
    )
    effective_from: date | None = strawberry.field(description=_FROM)
    effective_until: date | None = strawberry.field(description=_UNTIL)

    @classmethod
    def of(cls, pause: core.WeeklyBreak) -> Self:
        """From the core."""
        return cls(id=global_id("WeeklyBreak", pause.id), **_shown(pause.range))


@strawberry.type(
    description="Closed all day (isBlocked, no times), blocked for a part (isBlocked, start–end), "
    "or custom hours (not "
    "isBlocked, start–end)."
)
class AvailabilityException:
    """Maps the core's `AvailabilityException`."""

    id: strawberry.ID = strawberry.field(
        description="Opaque; new after every change of the exception."
    )
    day: date = strawberry.field(
        name="date", description="In the zone of its provider or resource."
    )
    is_blocked: bool = strawberry.field(
        description="Whether time is closed; otherwise, the date has custom hours."
    )
    start: LocalTime | None = strawberry.field(description="Included; null: closed all day.")
    end: LocalTime | None = strawberry.field(description="Excluded; null: closed all day.")
    reason: str | None = strawberry.field(description="Why. Staff only.")

    @classmethod
    def of(cls, exception: core.AvailabilityException, *, for_staff: bool) -> Self:
        """From the core; the reason is for staff."""
        return cls(
            id=global_id("AvailabilityException", exception.id),
            day=exception.date,
            is_blocked=exception.is_blocked,
            start=None if exception.start_minute is None else LocalTime(exception.start_minute),
            end=None if exception.end_minute is None else LocalTime(exception.end_minute),
            reason=exception.reason if for_staff else None,
        )


@strawberry.input(
    description="A range of weekly hours, on the wall clock of its provider or resource."
)
class WeeklyHoursInput:
    """Becomes a `WeeklyRange`."""

    weekday: Weekday = strawberry.field(description="The day on which it starts.")
    start: LocalTime = strawberry.field(description="Included; at most 23:59.")
    end: LocalTime = strawberry.field(
        description="Excluded; not after the start: past midnight. 24:00 is allowed."
    )
    effective_from: date | None = strawberry.field(default=None, description=_FROM)
    effective_until: date | None = strawberry.field(default=None, description=_UNTIL)


@strawberry.input(description="A weekly break, on the wall clock of its provider or resource.")
class WeeklyBreakInput:
    """Becomes a `WeeklyRange`."""

    weekday: Weekday = strawberry.field(description="The day on which it starts.")
    start: LocalTime = strawberry.field(description="Included; at most 23:59.")
    end: LocalTime = strawberry.field(
        description="Excluded; not after the start: past midnight. 24:00 is allowed."
    )
    effective_from: date | None = strawberry.field(default=None, description=_FROM)
    effective_until: date | None = strawberry.field(default=None, description=_UNTIL)


def ranges_of(inputs: Sequence[WeeklyHoursInput | WeeklyBreakInput]) -> list[WeeklyRange]:
    """To the core, unchecked."""
    return [
        WeeklyRange(
            weekday=each.weekday.number,
            start_minute=each.start,
            end_minute=each.end,
            effective_from=each.effective_from,
            effective_until=each.effective_until,
        )
        for each in inputs
    ]


FirstDate = Annotated[date, strawberry.argument(name="from", description="The first date.")]
LastDate = Annotated[
    date, strawberry.argument(description="The last date, inclusive; at most 400 dates.")
]


async def weekly_hours_of(info: Info, owner_id: SubjectId) -> list[WeeklyHours]:
    """In the order of the week; batched."""
    return [
        WeeklyHours.of(hours) for hours in await info.context.loaders.weekly_hours.load(owner_id)
    ]


async def breaks_of(info: Info, owner_id: SubjectId) -> list[WeeklyBreak]:
    """In the order of the week; batched."""
    return [
        WeeklyBreak.of(pause) for pause in await info.context.loaders.weekly_breaks.load(owner_id)
    ]


async def exceptions_of(
    info: Info, owner_id: SubjectId, first: date, last: date
) -> list[AvailabilityException]:
    """Those on the dates from first to last, inclusive; batched."""
    if last < first or (last - first).days >= MOST_EXCEPTION_DAYS:
        raise BadUserInput(f"Ask for 1 to {MOST_EXCEPTION_DAYS} dates, in order.", "to")
    question = DatesQuestion(owner_id, first, last)
    for_staff = info.context.viewer.sees_staff_matters
    return [
        AvailabilityException.of(each, for_staff=for_staff)
        for each in await info.context.loaders.exceptions.load(question)
    ]


def _shown(weekly: WeeklyRange) -> dict[str, Any]:
    return {
        "weekday": Weekday.of(weekly.weekday),
        "start": LocalTime(weekly.start_minute),
        "end": LocalTime(weekly.end_minute),
        "effective_from": weekly.effective_from,
        "effective_until": weekly.effective_until,
    }
