"""Holds: times reserved for some minutes while somebody fills in a form."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from app.api.graph.appointments import providers_of, slot_unavailable
from app.api.graph.providers import Provider
from app.api.operation.context import Context
from app.api.operation.info import Info
from app.api.words.enums import RuleSetAside
from app.api.words.keys import (
    optional_provider_key,
    optional_provider_keys,
    optional_service_key,
)
from app.api.words.node import Node
from app.api.words.refusals import (
    BookingLimitReachedError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    SlotUnavailableError,
    not_found,
    refused,
)
from app.api.words.relay import global_id
from app.core import hold as core
from app.core import refusals
from app.telemetry.metrics import count_answer
from app.usecases.booking.hold_slot import (
    Held,
    HoldForm,
    hold_slot,
    release_hold,
)


@strawberry.type(
    description="A time that is reserved until the hold expires. Book it with its token."
)
class Hold(Node):
    """Maps the core's `Hold`; made only for its caller and for those who run its calendar."""

    row: strawberry.Private[core.Hold]
    hold_token: str = strawberry.field(description="Give it to bookAppointment, or to releaseHold.")
    starts_at: datetime = strawberry.field(description="The start of the visit, in UTC.")
    ends_at: datetime = strawberry.field(description="The end of the visit, in UTC.")
    seats: int = strawberry.field(
        description="How many seats it takes; 1 where the service has no seats."
    )
    expires_at: datetime = strawberry.field(
        description="From this instant on, the hold has no effect."
    )

    @classmethod
    def of(cls, held: Held) -> Self:
        """From the use case."""
        hold = held.hold
        return cls(
            id=global_id("Hold", hold.id),
            row=hold,
            hold_token=held.token,
            starts_at=hold.starts_at,
            ends_at=hold.ends_at,
            seats=hold.seats,
            expires_at=hold.expires_at,
        )

    @classmethod
    def found(cls, hold: core.Hold, context: Context) -> Self:
        """One that was found by its id."""
        token = context.resources.hold_tokens.sign(context.viewer.organization_id, hold.id)
        return cls.of(Held(hold=hold, token=token))

    @strawberry.field(description="The provider; the lead, where there are several.")
    async def provider(self, info: Info) -> Provider:
        """Batched."""
        [lead] = await providers_of(info, [self.row.provider_id])
        return lead

    @strawberry.field(description="All providers whose time it is, the lead first.")
    async def providers(self, info: Info) -> list[Provider]:
        """Batched."""
        return await providers_of(info, self.row.providers)


@strawberry.input(
    description="The time to hold. Retry it with the same idempotency key: it is never held twice."
)
class HoldSlotInput:
    """Becomes a `HoldForm`."""

    provider_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The provider. Without `providerId` and `providerIds`, and with a service: any "
        "of its providers who is free.",
    )
    provider_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The time of all of these, the first as the lead: as many as the service "
        "takes, or fewer. Give either this or `providerId`.",
    )
    service_id: strawberry.ID | None = strawberry.field(
        default=None, description="For this service's rules."
    )
    seats: int | None = strawberry.field(
        default=1, description="How many seats, where the service has some, 1 to 1,000."
    )
    starts_at: datetime = strawberry.field(
        description="The start of the visit: one of the listed slots."
    )
    ignore: list[RuleSetAside] | None = strawberry.field(
        default_factory=list,
        description="Staff: rules of time that are set aside, each by name. Booking what is "
        "held need not repeat them.",
    )
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, new for every new hold."
    )


@strawberry.input(description="The hold to give up.")
class ReleaseHoldInput:
    """See `release_hold`."""

    hold_token: str = strawberry.field(description="The token that came with the hold.")


HoldSlotResult = Annotated[
    Hold
    | SlotUnavailableError
    | BookingLimitReachedError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | IdempotencyKeyReusedError,
    strawberry.union("HoldSlotResult", description="The hold, or why there is none."),
]
ReleaseHoldResult = Annotated[
    Hold | NotFoundError,
    strawberry.union(
        "ReleaseHoldResult", description="The released hold, or that it was not found."
    ),
]


@strawberry.type
class HoldMutation:
    """The mutations of holds."""

    @strawberry.mutation(
        description="Reserves a listed slot for some minutes: nobody else can book or hold it."
    )
    async def hold_slot(
        self,
        info: Info,
        input: Annotated[HoldSlotInput, strawberry.argument(description="The time to hold.")],
    ) -> HoldSlotResult:
        """See the use case."""
        form = HoldForm(
            provider_id=optional_provider_key(input.provider_id),
            provider_ids=optional_provider_keys(input.provider_ids),
            service_id=optional_service_key(input.service_id),
            starts_at=input.starts_at,
            idempotency_key=input.idempotency_key,
            seats=input.seats,
            ignore=input.ignore or (),
        )
        answer = await hold_slot(info.context.resources, info.context.viewer, form)
        count_answer("holdSlot", answer)
        match answer:
            case Held():
                return Hold.of(answer)
            case refusals.SlotUnavailable():
                return slot_unavailable(answer, info.context.viewer, None)
            case _:
                return refused(answer)

    @strawberry.mutation(description="Releases a held time at once. Releasing it again is safe.")
    async def release_hold(
        self,
        info: Info,
        input: Annotated[ReleaseHoldInput, strawberry.argument(description="The hold to give up.")],
    ) -> ReleaseHoldResult:
        """See the use case."""
        answer = await release_hold(info.context.resources, info.context.viewer, input.hold_token)
        return Hold.of(answer) if isinstance(answer, Held) else not_found(answer)
