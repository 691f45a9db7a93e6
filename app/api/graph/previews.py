"""What a change would do, before it is made; and the appointments that changes have stranded."""

from typing import Annotated, Final, Self

import strawberry

from app.api.graph.appointments import BY_START, Appointment, AppointmentConnection
from app.api.operation.info import Info
from app.api.words.keys import optional_provider_keys
from app.api.words.relay import After, Before, First, Last, PageRequest, connect
from app.core import stranded as core
from app.usecases.booking.list_stranded import count_stranded, list_stranded

ARCHIVED = (
    "Whether it is archived: it can't be listed, found, held or booked any more. "
    "Existing bookings stay, and can be moved and cancelled. False brings it "
    "back. Administrators only."
)
DRY_RUN: Final = (
    "true: nothing is changed, and the answer is a ChangePreview, or the refusal that the change "
    "would get."
)


@strawberry.type(
    description=f"What a change would do, over the next {core.PREVIEW_DAYS} days. Nothing was "
    "written."
)
class ChangePreview:
    """Maps the core's `ChangePreview`; made only for callers who may make the change."""

    open_minutes_gained: int = strawberry.field(
        description="How many minutes would be open that are not open now: of a provider, of all "
        "units of a resource; of a service, the open minutes of providers who would offer it."
    )
    open_minutes_lost: int = strawberry.field(
        description="How many minutes that are open now would not be, counted in the same way."
    )
    stranded_count: int = strawberry.field(
        description="How many upcoming confirmed appointments it would strand, on any date, that "
        "are not stranded now."
    )
    stranded: list[Appointment] = strawberry.field(
        description=f"Those appointments, by start: the first {core.MOST_SHOWN}."
    )

    @classmethod
    def of(cls, preview: core.ChangePreview) -> Self:
        """From the core."""
        return cls(
            open_minutes_gained=preview.open_minutes_gained,
            open_minutes_lost=preview.open_minutes_lost,
            stranded_count=preview.stranded_count,
            stranded=[Appointment.of(each) for each in preview.stranded],
        )


@strawberry.type
class StrandedQuery:
    """The root field about stranded appointments."""

    @strawberry.field(
        description="Upcoming confirmed appointments that the current rules would not allow, by "
        "start: somebody has to move or cancel them. For each of them, a provider or "
        "resource is not open, is archived, lacks the unit, or no longer belongs to "
        "the service. A provider gets their own, reception and administrators all. "
        "Staff only. A page is found without looking at each appointment; `totalCount` looks "
        "at all upcoming ones: ask for it once, and not with each page."
    )
    async def stranded_appointments(
        self,
        info: Info,
        provider_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only with one of these providers or more."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> AppointmentConnection | None:
        """Keyset pages; null for others."""
        page = PageRequest.read(BY_START, first=first, after=after, last=last, before=before)
        resources, viewer = info.context.resources, info.context.viewer
        if not viewer.is_staff:
            return None
        keys = optional_provider_keys(provider_ids)
        return connect(
            page,
            BY_START,
            await list_stranded(resources, viewer, keys, page.keyset),
            key=lambda row: (row.starts_at, row.id),
            node=Appointment.of,
            count=lambda: count_stranded(resources, viewer, keys),
        )
