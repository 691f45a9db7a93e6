"""The free times of services: when a visit can start with any of the providers, and who can lead it
then.
"""

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import strawberry

from app.api.execution.fastlists import KnownRows, LaterRows, Leaves, Row, Rows, Shape
from app.api.graph.availability import ENDS_AT, SEATS_LEFT, days_of, starts_of
from app.api.words.instants import local_texts, utc_texts
from app.api.words.refusals import (
    InvalidDateRangeError,
    InvalidInputError,
    NotFoundError,
    TemporarilyUnavailableError,
    invalid_date_range,
    invalid_input,
    not_found,
    temporarily_unavailable,
)
from app.api.words.relay import global_id
from app.api.words.scalars import TimeZoneName
from app.core import refusals as core
from app.core.ids import ProviderId
from app.core.listed import ListedStarts
from app.core.zones import Minute
from app.usecases.listing.list_service import ServiceListed, ServiceTimes

if TYPE_CHECKING:
    from app.api.graph.services import Service

LazyService = Annotated["Service", strawberry.lazy("app.api.graph.services")]

NAMED = (
    "The providers to take, at most as many as the service needs; the first of them leads. Left "
    "out or empty: any of the service's providers."
)


@strawberry.type(description="A time of a service that can be booked right now.")
class ServiceSlot:
    """A bookable visit; all fields are leaves."""

    starts_at: datetime = strawberry.field(description="The start of the visit, in UTC.")
    ends_at: datetime = strawberry.field(description=ENDS_AT)
    local_start: str = strawberry.field(
        description=(
            "The start on the wall clock of the zone asked for, with its offset: "
            "2026-03-08T09:00:00-05:00."
        )
    )
    local_end: str = strawberry.field(description="The end on the same wall clock.")
    seats_left: int = strawberry.field(description=SEATS_LEFT)
    provider_ids: list[strawberry.ID] = strawberry.field(
        description="Those who can lead the visit, in the service's order: book it with one of "
        "them, or name nobody and let the service choose."
    )


SERVICE_SLOT_ROWS = Shape(
    columns=("starts_at", "ends_at", "local_start", "local_end", "seats_left", "provider_ids"),
    item=ServiceSlot,
    owned=frozenset({"provider_ids"}),
)


def service_slot_rows(
    starts: Sequence[Minute],
    listed: ListedStarts,
    time_zone: str,
    columns: Container[str] = SERVICE_SLOT_ROWS.columns,
) -> list[Row]:
    """The slots at these starts, shown in this zone, with the texts of these columns."""
    ends, leads = listed.ends(starts), listed.leads
    written: dict[tuple[ProviderId, ...], list[str]] = {}
    ids: list[list[str]] = []
    for start in starts:
        several = leads[start]
        texts = written.get(several)
        if texts is None:
            texts = written[several] = [str(global_id("Provider", each)) for each in several]
        ids.append(texts)
    return list(
        zip(
            utc_texts(starts),
            utc_texts(ends),
            local_texts(time_zone, starts),
            local_texts(time_zone, ends) if "local_end" in columns else repeat(None),
            listed.seats_left(starts),
            ids,
            strict=False,
        )
    )


def service_slots(
    starts: Sequence[Minute], listed: ListedStarts, time_zone: str
) -> list[ServiceSlot]:
    """The slots at these starts, shown in this zone."""
    rows = service_slot_rows(starts, listed, time_zone)
    return cast("list[ServiceSlot]", Rows(SERVICE_SLOT_ROWS, rows))


@strawberry.type(description="The free times of a service on one date.")
class ServiceAvailabilityDay:
    """A date asked for, also an empty one."""

    day: date = strawberry.field(
        name="date", description="The date on which the slots start, in the zone asked for."
    )
    slot_count: int = strawberry.field(description="How many slots there are.")
    slots: list[ServiceSlot] = strawberry.field(description="The slots, in order.")
    start_times: list[datetime] = strawberry.field(
        description="Only the starts of the same slots: a compact form for large grids."
    )


def _a_day(date: str, slot_count: int, slots: Rows, start_times: Leaves) -> ServiceAvailabilityDay:
    """The object of a row; what is text there stays text."""
    ready: dict[str, Any] = {
        "day": date,
        "slot_count": slot_count,
        "slots": slots,
        "start_times": start_times,
    }
    return ServiceAvailabilityDay(**ready)


SERVICE_DAY_ROWS = Shape(
    columns=("date", "slot_count", "slots", "start_times"),
    item=_a_day,
    nested={"slots": SERVICE_SLOT_ROWS},
)


@strawberry.type(description="Free times of a service, by dates.")
class ServiceAvailability:
    """Maps `ServiceTimes`."""

    found: strawberry.Private[ServiceTimes]

    @strawberry.field(
        description="What can be booked; null for the moves of an appointment without a service."
    )
    def service(self) -> LazyService | None:
        """The service, already loaded."""
        from app.api.graph.services import Service as ServiceType  # noqa: PLC0415  the two types name each other

        service = self.found.service
        return None if service is None else ServiceType.of(service)

    @strawberry.field(description="The zone that the dates are in.")
    def time_zone(self) -> TimeZoneName:
        """As asked for."""
        return TimeZoneName(self.found.time_zone)

    @strawberry.field(description="How long a visit takes.")
    def duration_minutes(self) -> int:
        """The service's."""
        return self.found.listed.duration_minutes

    @strawberry.field(description="Every date asked for, including those without free times.")
    def days(self) -> list[ServiceAvailabilityDay]:
        """In order."""
        return cast(
            "list[ServiceAvailabilityDay]",
            self._rows(SERVICE_DAY_ROWS, days_of, self._days),
        )

    @strawberry.field(description="All slots of all dates, in order.")
    def slots(self) -> list[ServiceSlot]:
        """Built when asked for."""
        return cast("list[ServiceSlot]", self._rows(SERVICE_SLOT_ROWS, starts_of, self._slots))

    def _rows(
        self,
        shape: Shape,
        of: Callable[[Mapping[date, tuple[Minute, ...]]], Iterable[Hashable]],
        make: Callable[[Sequence[Any], Container[str]], list[Row]],
    ) -> KnownRows:
        found = self.found
        # A start has other leads in every answer, so those texts belong to this one. Where there
        # are seats, it may have another end, and has another number of seats left.
        listed = found.listed
        kind: Hashable = (listed.duration_minutes, found.time_zone)
        return KnownRows(
            shape,
            found.starts_by_date,
            of,
            make,
            kind=kind if listed.seats == 1 else (kind, found.identity),
            owner=found.identity,
            written=found.written,
        )

    def _slots(
        self, starts: Sequence[Minute], columns: Container[str] = SERVICE_SLOT_ROWS.columns
    ) -> list[Row]:
        found = self.found
        return service_slot_rows(starts, found.listed, found.time_zone, columns)

    def _days(
        self, days: Sequence[tuple[date, tuple[Minute, ...]]], columns: Container[str]
    ) -> list[Row]:
        make = self._slots
        return [
            (
                day.isoformat(),
                len(starts),
                LaterRows(starts, make),
                Leaves(utc_texts(starts) if "start_times" in columns else ()),
            )
            for day, starts in days
        ]


ShownOfService: TypeAlias = (
    ServiceAvailability
    | TemporarilyUnavailableError
    | InvalidDateRangeError
    | InvalidInputError
    | NotFoundError
)
ServiceAvailabilityResult = Annotated[
    ShownOfService,
    strawberry.union(
        "ServiceAvailabilityResult",
        description="Free times of a service, or why they can't be given.",
    ),
]


def service_availability_result(found: ServiceListed) -> ShownOfService:
    """The answer in GraphQL's types."""
    match found:
        case ServiceTimes():
            return ServiceAvailability(found=found)
        case core.InvalidDateRange():
            return invalid_date_range(found)
        case core.InvalidInput():
            return invalid_input(found)
        case core.NotFound():
            return not_found(found)
        case core.TemporarilyUnavailable():
            return temporarily_unavailable(found)
