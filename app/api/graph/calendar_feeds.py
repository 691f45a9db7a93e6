"""Private calendar feeds: the mutation that renews them. Addresses are fields of the owners."""

from typing import Annotated

import strawberry

from app.api.graph.appointments import Customer
from app.api.graph.providers import Provider
from app.api.operation.info import Info
from app.api.words.keys import optional_customer_key, optional_provider_key
from app.api.words.refusals import InvalidInputError, NotAllowedError, NotFoundError, refused
from app.core import appointment, provider
from app.usecases.practice.renew_calendar_feed import renew_calendar_feed


@strawberry.input(description="Whose feed to renew: exactly one is given.")
class RenewCalendarFeedInput:
    """See `renew_calendar_feed`."""

    provider_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of this provider."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of this customer, who has an account."
    )


RenewCalendarFeedResult = Annotated[
    Provider | Customer | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "RenewCalendarFeedResult",
        description="Whose feed it is, with its new address, or why it was not renewed.",
    ),
]


@strawberry.type
class CalendarFeedMutation:
    """The mutation of calendar feeds."""

    @strawberry.mutation(
        description="Makes a private calendar feed, or gives it a new address: the old one stops "
        "working at once. For a provider: themselves, reception and administrators. "
        "For a customer: themselves; reception and administrators may also end the "
        "old address in this way, but don't see the new one."
    )
    async def renew_calendar_feed(
        self,
        info: Info,
        input: Annotated[
            RenewCalendarFeedInput, strawberry.argument(description="Whose feed to renew.")
        ],
    ) -> RenewCalendarFeedResult:
        """See the use case."""
        answer = await renew_calendar_feed(
            info.context.resources,
            info.context.viewer,
            provider_id=optional_provider_key(input.provider_id),
            customer_id=optional_customer_key(input.customer_id),
        )
        match answer:
            case provider.Provider():
                return Provider.of(answer)
            case appointment.Customer():
                return Customer.of(answer)
            case _:
                return refused(answer)
