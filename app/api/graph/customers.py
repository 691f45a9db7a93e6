"""Customers: the record behind bookings, its list, and the mutations that make, change or erase
it.
"""

from typing import Annotated
from uuid import UUID

import strawberry

from app.api.graph.appointments import Customer, customer_seen
from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.enums import Channel
from app.api.words.keys import customer_key
from app.api.words.preferences import CHANNELS, CHANNELS_AGAIN
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.relay import After, Before, Connection, First, Last, Order, PageRequest, connect
from app.api.words.scalars import TimeZoneName
from app.core import appointment as core
from app.core import refusals
from app.usecases.practice.edit_customer import (
    CustomerForm,
    change_customer,
    create_customer,
    erase_customer,
)
from app.usecases.practice.export_customer import export_customer
from app.usecases.practice.find_customers import count_customers, find_customers

BY_WORD = Order(name="customers", types=(str, UUID))

_EXTERNAL_ID = (
    "The organization's own id for them, unique among customers; 1 to 255 characters. Staff only."
)

CustomerConnection = Connection[Customer]


@strawberry.input(
    description="A customer who has not booked yet. Several may share an address, as families do."
)
class CreateCustomerInput:
    """See `create_customer`."""

    name: str = strawberry.field(description="1 to 200 characters.")
    email: str | None = strawberry.field(
        default=None, description="An e-mail address; at least one of e-mail and phone is needed."
    )
    phone: str | None = strawberry.field(
        default=None,
        description="With the country code; kept in E.164 form. It counts as verified.",
    )
    locale: str | None = strawberry.field(
        default=None, description="A language tag, such as de-AT."
    )
    channels: list[Channel] | None = strawberry.field(default=None, description=CHANNELS)
    time_zone: TimeZoneName = strawberry.field(
        description="The time zone in which they read times."
    )
    external_id: str | None = strawberry.field(default=None, description=_EXTERNAL_ID)


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
    external_id: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_EXTERNAL_ID} Null: none."
    )


@strawberry.input(description="The customer to erase.")
class EraseCustomerInput:
    """See `erase_customer`."""

    id: strawberry.ID = strawberry.field(description="Which customer.")


CreateCustomerResult = Annotated[
    Customer | InvalidInputError | NotAllowedError,
    strawberry.union("CreateCustomerResult", description="The new customer, or why there is none."),
]
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


@strawberry.type(description="Everything that is stored about a customer.")
class CustomerExport:
    """What the use case answers with."""

    json: str = strawberry.field(
        description="A JSON object: the record, the appointments with their history and messages, "
        "verified numbers, holds."
    )


@strawberry.type
class CustomerQuery:
    """The root fields about customers."""

    @strawberry.field(
        description="The customer with this id; null if there is none that the caller may see."
    )
    async def customer(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Which.")],
    ) -> Customer | None:
        """Batched."""
        return await customer_seen(info, customer_key(id))

    @strawberry.field(
        description="Everything that is stored about a customer. Null but for administrators and "
        "that signed-in customer."
    )
    async def customer_export(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Which customer.")],
    ) -> CustomerExport | None:
        """See the use case."""
        found = await export_customer(info.context.resources, info.context.viewer, customer_key(id))
        return None if found is None else CustomerExport(json=found)

    @strawberry.field(
        description="The organization's customers, by name, or by the word that was found. Staff "
        "only; a provider finds those whom they serve, by the contacts given for "
        "visits with them. Erased ones are left out."
    )
    async def customers(
        self,
        info: Info,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Only those who have, for each of these words, a word in their name, "
                "e-mail address or phone number that begins with it. Accents and case make no "
                "difference, nor do groups of digits; a phone number begins with its country code "
                "or without it."
            ),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> CustomerConnection | None:
        """Keyset pages; null for others."""
        page = PageRequest.read(BY_WORD, first=first, after=after, last=last, before=before)
        resources, viewer = info.context.resources, info.context.viewer
        if not viewer.sees_staff_matters:
            return None
        text = search.replace("\0", "") if search else None
        return connect(
            page,
            BY_WORD,
            await find_customers(resources, viewer, text, page.keyset),
            key=lambda found: found[0],
            node=lambda found: Customer.of(found[1]),
            count=lambda: count_customers(resources, viewer, text),
        )


@strawberry.type
class CustomerMutation:
    """The mutations of customers."""

    @strawberry.mutation(
        description="Enters a customer who has not booked yet. Staff only; a provider finds the "
        "customers that they entered themselves."
    )
    async def create_customer(
        self,
        info: Info,
        input: Annotated[CreateCustomerInput, strawberry.argument(description="The new customer.")],
    ) -> CreateCustomerResult:
        """See the use case."""
        form = CustomerForm(
            name=input.name,
            email=input.email,
            phone=input.phone,
            time_zone=input.time_zone,
            locale=input.locale,
            channels=input.channels,
            external_id=input.external_id,
        )
        answer = await create_customer(info.context.resources, info.context.viewer, form)
        match answer:
            case core.Customer():
                return Customer.of(answer)
            case _:
                return refused(answer)

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
