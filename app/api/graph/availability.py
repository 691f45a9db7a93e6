"""Availability: slots, days, and the reasons why a time can't be booked."""

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import strawberry

from app.api.execution.fastlists import (
    KnownRows,
    LaterRows,
    Leaves,
    Row,
    Rows,
    Shape,
)
from app.api.operation.info import Info
from app.api.words.enums import UnbookableReason
from app.api.words.errors import BadUserInput
from app.api.words.instants import local_texts, utc_texts
from app.api.words.keys import (
    optional_service_key,
    provider_key,
    provider_keys,
)
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
from app.core.listed import ListedStarts
from app.core.provider import Calendar, OfferedSlot
from app.core.provider import Provider as CoreProvider
from app.core.resource import Resource as CoreResource
from app.core.validation import valid_seats, valid_time_zone
from app.core.zones import Minute
from app.usecases.listing.explain_time import Explanation, MemberReasons, explain_time
from app.usecases.listing.find_next_slots import earliest_slots
from app.usecases.listing.list_availability import FreeTimes, Listed
from app.usecases.practice.list_providers import providers_for

if TYPE_CHECKING:
    from app.api.graph.busy import BusySource
    from app.api.graph.providers import Provider
    from app.api.graph.resources import Resource
    from app.api.graph.services import Service

LazyBusySource = Annotated["BusySource", strawberry.lazy("app.api.graph.busy")]
LazyResource = Annotated["Resource", strawberry.lazy("app.api.graph.resources")]
LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]
LazyService = Annotated["Service", strawberry.lazy("app.api.graph.services")]

MOST_SLOTS = 100
"""What one answer may hold."""
MOST_PROVIDERS = 500
"""What a list of ids may name at once."""


SEATS = "How many seats the party takes, 1 to 1,000; more than 1 only for a service with seats."
SEATS_LEFT = (
    "The largest party that still finds room then, with the same wish; 1 where the service has no "
    "seats."
)
ENDS_AT = (
    "The end of the visit, in UTC; buffers are not part of it. Where the party would join a "
    "session, it is the end of that session."
)


@strawberry.type(description="A time that can be booked right now.")
class Slot:
    """A bookable visit; all fields but `provider` are leaves."""

    row: strawberry.Private[CoreProvider]
    provider_id: strawberry.ID = strawberry.field(description="The provider.")
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

    @strawberry.field(description="The provider.")
    def provider(self) -> LazyProvider:
        """The provider, already loaded."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

        return ProviderType.of(self.row)


SLOT_ROWS = Shape(
    # `row` is no field: it is what `provider` is made of.
    columns=(
        "row",
        "provider_id",
        "starts_at",
        "ends_at",
        "local_start",
        "local_end",
        "seats_left",
    ),
    item=Slot,
    owned=frozenset({"row", "provider_id"}),
)


def slot_rows(
    calendar: Calendar,
    starts: Sequence[Minute],
    time_zone: str,
    listed: ListedStarts | None = None,
    columns: Container[str] = SLOT_ROWS.columns,
) -> list[Row]:
    """The slots at these starts, shown in this zone, with the texts of these columns. What is
    `listed` of them is None where the provider is booked alone.
    """
    provider = calendar.provider
    if listed is None:
        listed = ListedStarts(leads={}, duration_minutes=calendar.rules.duration_minutes)
    ends = listed.ends(starts)
    return list(
        zip(
            repeat(provider),
            repeat(global_id("Provider", provider.id)),
            utc_texts(starts),
            utc_texts(ends),
            local_texts(time_zone, starts),
            local_texts(time_zone, ends) if "local_end" in columns else repeat(None),
            listed.seats_left(starts),
            strict=False,
        )
    )


def slots_of(
    calendar: Calendar,
    starts: Sequence[Minute],
    time_zone: str,
    listed: ListedStarts | None = None,
) -> list[Slot]:
    """The slots at these starts, shown in this zone."""
    return _as_slots(slot_rows(calendar, starts, time_zone, listed))


def slots_offered(slots: Iterable[OfferedSlot], time_zone: str | None) -> list[Slot]:
    """These slots, each shown in this zone or else its provider's."""
    return _as_slots([_offered_row(each, time_zone) for each in slots])


def _offered_row(slot: OfferedSlot, time_zone: str | None) -> Row:
    calendar, start, at = slot
    listed = None
    if at is not None:
        duration = calendar.rules.duration_minutes
        listed = ListedStarts(leads={}, duration_minutes=duration, joinable={start: at})
    [row] = slot_rows(calendar, [start], time_zone or calendar.provider.time_zone, listed)
    return row


def _as_slots(rows: Sequence[Row]) -> list[Slot]:
    """Presents the rows as the list of objects that resolvers of fields expect."""
    return cast("list[Slot]", Rows(SLOT_ROWS, rows))


@strawberry.type(description="The free times of one date.")
class AvailabilityDay:
    """A date asked for, also an empty one."""

    day: date = strawberry.field(
        name="date", description="The date on which the slots start, in the zone asked for."
    )
    slot_count: int = strawberry.field(description="How many slots there are.")
    slots: list[Slot] = strawberry.field(description="The slots, in order.")
    start_times: list[datetime] = strawberry.field(
        description="Only the starts of the same slots: a compact form for large grids."
    )


def _a_day(date: str, slot_count: int, slots: Rows, start_times: Leaves) -> AvailabilityDay:
    """The object of a row; what is text there stays text."""
    ready: dict[str, Any] = {
        "day": date,
        "slot_count": slot_count,
        "slots": slots,
        "start_times": start_times,
    }
    return AvailabilityDay(**ready)


DAY_ROWS = Shape(
    columns=("date", "slot_count", "slots", "start_times"), item=_a_day, nested={"slots": SLOT_ROWS}
)


def days_of(
    starts_by_date: Mapping[date, tuple[Minute, ...]],
) -> Iterable[tuple[date, tuple[Minute, ...]]]:
    return starts_by_date.items()


def starts_of(starts_by_date: Mapping[date, tuple[Minute, ...]]) -> Iterable[Minute]:
    return chain.from_iterable(starts_by_date.values())


@strawberry.type(description="Free times of a provider, by dates.")
class Availability:
    """Maps `FreeTimes`."""

    found: strawberry.Private[FreeTimes]

    @strawberry.field(description="The provider whose times these are.")
    def provider(self) -> LazyProvider:
        """The provider, already loaded."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

        return ProviderType.of(self.found.calendar.provider)

    @strawberry.field(description="The service whose rules apply; null where none was named.")
    def service(self) -> LazyService | None:
        """The service, already loaded."""
        from app.api.graph.services import Service as ServiceType  # noqa: PLC0415  the two types name each other

        service = self.found.calendar.service
        return None if service is None else ServiceType.of(service)

    @strawberry.field(description="The zone that the dates are in.")
    def time_zone(self) -> TimeZoneName:
        """As asked for, or the provider's."""
        return TimeZoneName(self.found.time_zone)

    @strawberry.field(description="How long a visit takes.")
    def duration_minutes(self) -> int:
        """By the rules in force."""
        return self.found.calendar.rules.duration_minutes

    @strawberry.field(description="Every date asked for, including those without free times.")
    def days(self) -> list[AvailabilityDay]:
        """In order."""
        return cast("list[AvailabilityDay]", self._rows(DAY_ROWS, days_of, self._days))

    @strawberry.field(description="All slots of all dates, in order.")
    def slots(self) -> list[Slot]:
        """Built when asked for."""
        return cast("list[Slot]", self._rows(SLOT_ROWS, starts_of, self._slots))

    def _rows(
        self,
        shape: Shape,
        of: Callable[[Mapping[date, tuple[Minute, ...]]], Iterable[Hashable]],
        make: Callable[[Sequence[Any], Container[str]], list[Row]],
    ) -> KnownRows:
        calendar, listed = self.found.calendar, self.found.listed
        kind: Hashable = (calendar.rules.duration_minutes, self.found.time_zone)
        if listed is not None and listed.seats > 1:
            # Each start has an end and a number of seats left of its own.
            kind = (kind, self.found.identity)
        return KnownRows(
            shape,
            self.found.starts_by_date,
            of,
            make,
            kind=kind,
            owner=calendar.provider.id,
            written=self.found.written,
        )

    def _slots(
        self, starts: Sequence[Minute], columns: Container[str] = SLOT_ROWS.columns
    ) -> list[Row]:
        found = self.found
        return slot_rows(found.calendar, starts, found.time_zone, found.listed, columns)

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


Shown: TypeAlias = (
    Availability
    | TemporarilyUnavailableError
    | InvalidDateRangeError
    | InvalidInputError
    | NotFoundError
)
AvailabilityResult = Annotated[
    Shown,
    strawberry.union("AvailabilityResult", description="Free times, or why they can't be given."),
]


def availability_result(found: Listed) -> Shown:
    """The answer in GraphQL's types."""
    match found:
        case FreeTimes():
            return Availability(found=found)
        case core.InvalidDateRange():
            return invalid_date_range(found)
        case core.InvalidInput():
            return invalid_input(found)
        case core.NotFound():
            return not_found(found)
        case core.TemporarilyUnavailable():
            return temporarily_unavailable(found)


@strawberry.type(
    description="A provider or a resource that a visit could take, and why it can't be taken."
)
class MemberExplanation:
    """Maps `MemberReasons`."""

    member: strawberry.Private[MemberReasons]

    @strawberry.field(description="Who it is; null where it is a resource.")
    def provider(self) -> LazyProvider | None:
        """The provider, already loaded."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

        who = self.member.who
        return ProviderType.of(who) if isinstance(who, CoreProvider) else None

    @strawberry.field(description="What it is; null where it is a provider.")
    def resource(self) -> LazyResource | None:
        """The resource, already loaded."""
        from app.api.graph.resources import Resource as ResourceType  # noqa: PLC0415  as above

        who = self.member.who
        return ResourceType.of(who) if isinstance(who, CoreResource) else None

    @strawberry.field(
        description="A provider's reasons against leading the visit; NOT_ON_GRID does not keep "
        "them from taking part. A resource's reasons, if none of its units can be "
        "taken."
    )
    def reasons(self) -> list[UnbookableReason]:
        """In a fixed order."""
        return list(self.member.reasons)

    @strawberry.field(
        description="The source that makes them busy then, the first by name; null unless "
        "BUSY_ELSEWHERE is a reason."
    )
    def busy_source(self) -> LazyBusySource | None:
        """The source, already loaded."""
        from app.api.graph.busy import BusySource as BusySourceType  # noqa: PLC0415  as above

        source = self.member.busy_source
        return None if source is None else BusySourceType.of(source)


@strawberry.type(description="Whether an instant can be booked right now, and if not, why.")
class TimeExplanation:
    """Maps `Explanation`."""

    found: strawberry.Private[Explanation]
    bookable: bool = strawberry.field(description="Whether booking it right now would succeed.")
    reasons: list[UnbookableReason] = strawberry.field(
        description="Every reason why not, in a fixed order; empty where it is bookable."
    )

    @strawberry.field(
        description="Every provider and resource that the visit could take, in the service's "
        "order, with their own reasons. Staff only."
    )
    def members(self, info: Info) -> list[MemberExplanation] | None:
        """Null for others."""
        if not info.context.viewer.sees_staff_matters:
            return None
        return [MemberExplanation(member=each) for each in self.found.members]


def optional_zone(name: TimeZoneName | None) -> str | None:
    """As `checked_zone`; None where none was named."""
    return None if name is None else checked_zone(name)


def checked_seats(seats: int | None) -> int:
    """The number of seats, 1 where none is given. Raises BadUserInput for one out of range: the
    field has no refusal type.
    """
    found = valid_seats(1 if seats is None else seats)
    if isinstance(found, core.InvalidInput):
        raise BadUserInput(found.message, "seats")
    return found


def checked_zone(name: TimeZoneName) -> str:
    """The zone's name. Raises BadUserInput for an unknown zone: the field has no refusal type."""
    zone = valid_time_zone("time_zone", name)
    if isinstance(zone, core.InvalidInput):
        raise BadUserInput(zone.message, "timeZone")
    return zone


@strawberry.type
class AvailabilityQuery:
    """The root fields about free times."""

    @strawberry.field(
        description="The earliest bookable slots over many providers, in order of start. "
        "Over all providers of the organization (that offer the service) where none are named."
    )
    async def next_available_slots(
        self,
        info: Info,
        provider_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="The providers; at most 500."),
        ] = None,
        after: Annotated[
            datetime | None,
            strawberry.argument(description="Only slots at or after this instant (default: now)."),
        ] = None,
        service_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="For this service's rules.")
        ] = None,
        first: Annotated[
            int | None, strawberry.argument(description="How many slots, 1 to 100.")
        ] = 10,
        time_zone: Annotated[
            TimeZoneName | None,
            strawberry.argument(description="The zone of localStart (default: each provider's)."),
        ] = None,
    ) -> list[Slot] | None:
        """Two statements for each stretch of dates, however many providers there are."""
        if first is None or not 1 <= first <= MOST_SLOTS:
            raise BadUserInput(f"first must be between 1 and {MOST_SLOTS}.", "first")
        if provider_ids is not None and len(provider_ids) > MOST_PROVIDERS:
            raise BadUserInput(f"Name at most {MOST_PROVIDERS:,} providers.", "providerIds")
        zone = optional_zone(time_zone)
        resources, organization_id = info.context.resources, info.context.viewer.organization_id
        service = optional_service_key(service_id)
        if provider_ids is None:
            keys = await providers_for(resources, info.context.viewer, service)
        else:
            keys = provider_keys(provider_ids)
        found, calendars = await earliest_slots(
            resources, organization_id, keys, service, after=after, count=first
        )
        return _as_slots(
            [
                _offered_row(OfferedSlot(calendars[each.provider_id], each.start, each.at), zone)
                for each in found
            ]
        )

    @strawberry.field(
        description="Whether this instant can be booked, and if not, why: with a provider, for a "
        "service with any of its providers, or for a service with a provider as lead; name at "
        "least one of the two. Null for an unknown one, and for a service that the provider does "
        "not offer."
    )
    async def explain_time(
        self,
        info: Info,
        starts_at: Annotated[datetime, strawberry.argument(description="The start of the visit.")],
        provider_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The provider.")
        ] = None,
        service_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="By this service's rules, and with all that it needs."),
        ] = None,
        seats: Annotated[int | None, strawberry.argument(description=SEATS)] = 1,
    ) -> TimeExplanation | None:
        """The same pure function that decides over bookings."""
        if provider_id is None and service_id is None:
            raise BadUserInput("Name a provider, a service, or both.", "providerId")
        found = await explain_time(
            info.context.resources,
            info.context.viewer.organization_id,
            None if provider_id is None else provider_key(provider_id),
            optional_service_key(service_id),
            starts_at,
            checked_seats(seats),
        )
        if isinstance(found, core.NotFound):
            return None
        reasons = info.context.viewer.reasons_shown(found.reasons)
        return TimeExplanation(found=found, bookable=not reasons, reasons=list(reasons))
