"""Customers: the record behind bookings, and the mutations that change or erase it."""

from typing import Annotated

import strawberry

from app.api.graph.appointments import Customer
from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.enums import Channel
from app.api.words.keys import customer_key
from app.api.words.preferences import CHANNELS_AGAIN
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.scalars import TimeZoneName
from app.core import appointment as core
from app.core import refusals
from app.usecases.practice.edit_customer import change_customer, erase_customer


@strawberry.input(
    description="Changes of a customer: absent means unchanged; null clears what may be empty."
)
class UpdateCustomerInput:
    """See `change_customer`."""

    id: strawberry.ID = strawberry.field(description="Which customer.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    email: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="An e-mail address; at least one of e-mail and phone stays.",
    )
    phone: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="With the country code; kept in E.164 form. Set by staff it counts "
        "as verified, even if it was set before; the number that it replaces no longer does.",
    )
    time_zone: TimeZoneName | None = strawberry.field(
        default=strawberry.UNSET, description="The time zone in which they read times."
    )
    locale: str | None = strawberry.field(
        default=strawberry.UNSET, description="A language tag, such as de-AT."
    )
    channels: list[Channel] | None = strawberry.field(
        default=strawberry.UNSET, description=CHANNELS_AGAIN
    )


@strawberry.input(description="The customer to erase.")
class EraseCustomerInput:
    """See `erase_customer`."""

    id: strawberry.ID = strawberry.field(description="Which customer.")


UpdateCustomerResult = Annotated[
    Customer | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateCustomerResult", description="The changed customer, or why they are unchanged."
    ),
]
EraseCustomerResult = Annotated[
    Customer | NotAllowedError | NotFoundError,
    strawberry.union(
        "EraseCustomerResult",
        description="The record after the erasure, or why nothing was erased.",
    ),
]


def _customer_result(
    answer: core.Customer | refusals.InvalidInput | refusals.NotAllowed | refusals.NotFound,
) -> Customer | InvalidInputError | NotAllowedError | NotFoundError:
    return Customer.of(answer) if isinstance(answer, core.Customer) else refused(answer)


@strawberry.type
class CustomerMutation:
    """The mutations of customers."""

    @strawberry.mutation(
        description="Changes a customer's record; appointments keep the contact given at booking. "
        "The customer themselves, reception and administrators."
    )
    async def update_customer(
        self,
        info: Info,
        input: Annotated[
            UpdateCustomerInput,
            strawberry.argument(description="Which customer, and what changes."),
        ],
    ) -> UpdateCustomerResult:
        """See the use case."""
        changes = changes_of(input, without=frozenset({"id"}))
        return _customer_result(
            await change_customer(
                info.context.resources, info.context.viewer, customer_key(input.id), changes
            )
        )

    @strawberry.mutation(
        description="Permanently erases all personal data of a customer, everywhere; the times of "
        "their appointments stay. Administrators only."
    )
    async def erase_customer(
        self,
        info: Info,
        input: Annotated[EraseCustomerInput, strawberry.argument(description="Which customer.")],
    ) -> EraseCustomerResult:
        """See the use case."""
        answer = await erase_customer(
            info.context.resources, info.context.viewer, customer_key(input.id)
        )
        match answer:
            case core.Customer():
                return Customer.of(answer)
            case _:
                return refused(answer)
