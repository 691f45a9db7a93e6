"""The organization, as its staff see it, and the mutation of its settings."""

from typing import Annotated, Self

import strawberry

from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    refused,
)
from app.core import provider as core
from app.usecases.practice.edit_organization import change_organization, read_organization

_SMS = (
    "Whether text messages go to any phone number. If not, they go to verified ones: those that "
    "staff set, for a customer "
    "or for a provider, and those that a customer's token calls verified."
)

_OVERLAP = (
    "Whether a customer may have two visits at the same time. If not, bookings by signed-in "
    "customers, and moves of their appointments, are refused with CUSTOMER_BUSY; those of guests "
    "are not."
)


@strawberry.type(description="The organization that owns all data. For staff.")
class Organization:
    """Maps the core's `Organization`."""

    slug: str = strawberry.field(
        description="Its public name, by which anonymous callers and tokens name it."
    )
    name: str = strawberry.field(description="Its name as people know it; used in messages.")
    sms_to_unverified_numbers: bool = strawberry.field(description=_SMS)
    allows_customer_overlap: bool = strawberry.field(description=_OVERLAP)

    @classmethod
    def of(cls, organization: core.Organization) -> Self:
        """From the core."""
        return cls(
            slug=organization.slug,
            name=organization.name,
            sms_to_unverified_numbers=organization.sms_to_unverified_numbers,
            allows_customer_overlap=organization.allows_customer_overlap,
        )


@strawberry.input(description="Changes of the organization: absent means unchanged.")
class UpdateOrganizationInput:
    """See `change_organization`."""

    sms_to_unverified_numbers: bool | None = strawberry.field(
        default=strawberry.UNSET, description=_SMS
    )
    allows_customer_overlap: bool | None = strawberry.field(
        default=strawberry.UNSET, description=_OVERLAP
    )


UpdateOrganizationResult = Annotated[
    Organization | InvalidInputError | NotAllowedError,
    strawberry.union(
        "UpdateOrganizationResult", description="The changed organization, or why it is unchanged."
    ),
]


@strawberry.type
class OrganizationQuery:
    """The root field about the organization."""

    @strawberry.field(description="The caller's organization. Null for all but staff.")
    async def organization(self, info: Info) -> Organization | None:
        """As of now."""
        found = await read_organization(info.context.resources, info.context.viewer)
        return None if found is None else Organization.of(found)


@strawberry.type
class OrganizationMutation:
    """The mutation of the organization."""

    @strawberry.mutation(
        description="Changes the settings of the caller's organization. Administrators only."
    )
    async def update_organization(
        self,
        info: Info,
        input: Annotated[UpdateOrganizationInput, strawberry.argument(description="What changes.")],
    ) -> UpdateOrganizationResult:
        """See the use case."""
        changes = changes_of(input, without=frozenset())
        answer = await change_organization(info.context.resources, info.context.viewer, changes)
        match answer:
            case core.Organization():
                return Organization.of(answer)
            case _:
                return refused(answer)
