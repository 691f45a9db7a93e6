"""The list of appointments: its filters, dates and orders."""

from datetime import date, datetime, timedelta
from typing import Annotated, Final

import strawberry

from app.api.graph.appointments import (
    ORDERS,
    SORT_KEYS,
    Appointment,
    AppointmentConnection,
    FromStart,
    OrderBy,
    Statuses,
    ToStart,
)
from app.api.graph.availability import checked_zone
from app.api.operation.info import Info
from app.api.words.enums import AppointmentOrder
from app.api.words.errors import BadUserInput
from app.api.words.keys import customer_key, provider_keys, resource_keys, service_keys
from app.api.words.relay import After, Before, First, Last, PageRequest, connect
from app.api.words.scalars import TimeZoneName
from app.core.appointment import AppointmentFilter
from app.core.zones import first_minute_of, instant_of, is_supported_date
from app.usecases.booking.list_appointments import count_appointments, list_appointments

MOST_IDS: Final = 100


@strawberry.type
class AppointmentListQuery:
    """The root field of the list."""

    @strawberry.field(
        description="The viewer's own appointments: a customer's, a provider's, or all of the "
        "organization's for reception and administrators. Only those that match all "
        "arguments."
    )
    async def appointments(  # noqa: PLR0917  its filters, and the four arguments of a page
        self,
        info: Info,
        from_: FromStart = None,
        to: ToStart = None,
        from_date: Annotated[
            date | None,
            strawberry.argument(description="Starting on this date of timeZone, or later."),
        ] = None,
        to_date: Annotated[
            date | None,
            strawberry.argument(description="Starting on this date of timeZone, or earlier."),
        ] = None,
        time_zone: Annotated[
            TimeZoneName | None,
            strawberry.argument(description="The zone of fromDate and toDate; needed with them."),
        ] = None,
        status: Statuses = None,
        provider_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only those that take one of these. At most 100."),
        ] = None,
        service_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only for one of these services. At most 100."),
        ] = None,
        resource_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description="Only those that take one of these rooms or devices. At most 100."
            ),
        ] = None,
        customer_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only this customer's.")
        ] = None,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Only of customers whom `customers(search:)` finds. Staff only: "
                "others find none."
            ),
        ] = None,
        order_by: OrderBy = AppointmentOrder.START_ASC,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> AppointmentConnection | None:
        """Keyset pages."""
        page = PageRequest.read(
            ORDERS[order_by], first=first, after=after, last=last, before=before
        )
        for name, ids in (
            ("providerIds", provider_ids),
            ("serviceIds", service_ids),
            ("resourceIds", resource_ids),
        ):
            if ids is not None and len(ids) > MOST_IDS:
                raise BadUserInput(f"Give at most {MOST_IDS} ids at once.", name)
        start, until = from_, to
        if from_date is not None or to_date is not None:
            first_start, end = _starts_on(from_date, to_date, time_zone)
            start = max(filter(None, (start, first_start)), default=None)
            until = min(filter(None, (until, end)), default=None)
        words = search.replace("\0", "").strip() if search else ""
        which = AppointmentFilter(
            from_start=start,
            until_start=until,
            statuses=None if status is None else tuple(status),
            providers=None if provider_ids is None else tuple(provider_keys(provider_ids)),
            services=None if service_ids is None else tuple(service_keys(service_ids)),
            resources=None if resource_ids is None else tuple(resource_keys(resource_ids)),
            customers=None if customer_id is None else (customer_key(customer_id),),
            words=words or None,
        )
        resources, viewer = info.context.resources, info.context.viewer
        return connect(
            page,
            ORDERS[order_by],
            await list_appointments(resources, viewer, which, order_by, page.keyset),
            key=SORT_KEYS[order_by],
            node=Appointment.of,
            count=lambda: count_appointments(resources, viewer, which),
        )


def _starts_on(
    first: date | None, last: date | None, time_zone: TimeZoneName | None
) -> tuple[datetime | None, datetime | None]:
    """The instants from…until of these dates in the zone, inclusive; None bounds nothing."""
    if time_zone is None:
        raise BadUserInput("Say in which zone the dates are.", "timeZone")
    zone = checked_zone(time_zone)
    for name, day in (("fromDate", first), ("toDate", last)):
        if day is not None and not is_supported_date(day):
            raise BadUserInput("This date is outside the years the calendar supports.", name)
    return (
        None if first is None else instant_of(first_minute_of(zone, first)),
        None if last is None else instant_of(first_minute_of(zone, last + timedelta(days=1))),
    )
