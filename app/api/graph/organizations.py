"""The organization: how customers reach it, its settings for staff, and the mutation of both."""

from typing import Annotated, Self

import strawberry

from app.api.graph.locations import EMAIL, PHONE, URL, Location
from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.node import Node
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    refused,
)
from app.api.words.relay import global_id
from app.core import provider as core
from app.usecases.practice.edit_location import list_locations
from app.usecases.practice.edit_organization import change_organization, read_organization

_SMS = (
    "Whether text messages go to any phone number. If not, they go to verified ones: those that "
    "staff set, for a customer "
    "or for a provider, and those that a customer's token calls verified."
)

_REMINDERS = (
    "How many minutes before the start both sides are reminded: up to 5 times, 5 minutes to 30 "
    "days (43,200), the longest first; none for no reminders. They count for what is booked or "
    "moved from now on."
)

_LOCALE = (
    "The language of the mails that the organization itself gets, such as about a webhook that "
    "was switched off: a tag such as en or de-AT; without one, English."
)

_OVERLAP = (
    "Whether a customer may have two visits at the same time. If not, bookings by signed-in "
    "customers, or for a customer whom staff name, and moves of their appointments are refused "
    "with CUSTOMER_BUSY; those of guests are not."
)


@strawberry.type(
    description="The organization that owns all data. How customers reach it is public; its "
    "settings are for staff."
)
class Organization(Node):
    """Maps the core's `Organization`."""

    row: strawberry.Private[core.Organization]
    slug: str = strawberry.field(
        description="Its public name, by which anonymous callers and tokens name it."
    )
    name: str = strawberry.field(description="Its name as people know it; used in messages.")
    phone: str | None = strawberry.field(
        description="Where customers call, in E.164 form, unless a location says otherwise."
    )
    email: str | None = strawberry.field(
        description="Where customers write to, unless a location says otherwise."
    )
    url: str | None = strawberry.field(
        description="A page for customers, unless a location says otherwise."
    )

    @classmethod
    def of(cls, organization: core.Organization) -> Self:
        """From the core."""
        return cls(
            id=global_id("Organization", organization.id),
            row=organization,
            slug=organization.slug,
            name=organization.name,
            phone=organization.phone,
            email=organization.email,
            url=organization.url,
        )

    @strawberry.field(
        description="Where its visits take place, by name, at most 200; archived ones for staff "
        "only."
    )
    async def locations(self, info: Info) -> list[Location]:
        """All of them: an organization has few."""
        found = await list_locations(info.context.resources, info.context.viewer)
        return [Location.of(location) for location in found]

    @strawberry.field(description=f"{_SMS} Staff only.")
    def sms_to_unverified_numbers(self, info: Info) -> bool | None:
        """Null for others."""
        shown = info.context.viewer.sees_staff_matters
        return self.row.sms_to_unverified_numbers if shown else None

    @strawberry.field(description=f"{_OVERLAP} Staff only.")
    def allows_customer_overlap(self, info: Info) -> bool | None:
        """Null for others."""
        shown = info.context.viewer.sees_staff_matters
        return self.row.allows_customer_overlap if shown else None

    @strawberry.field(description=f"{_REMINDERS} Staff only.")
    def reminder_minutes_before(self, info: Info) -> list[int] | None:
        """Null for others."""
        shown = info.context.viewer.sees_staff_matters
        return list(self.row.reminder_minutes_before) if shown else None

    @strawberry.field(description=f"{_LOCALE} Staff only.")
    def locale(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.locale if info.context.viewer.sees_staff_matters else None


@strawberry.input(
    description="Changes of the organization: absent means unchanged; null clears what may be "
    "empty."
)
class UpdateOrganizationInput:
    """See `change_organization`."""

    sms_to_unverified_numbers: bool | None = strawberry.field(
        default=strawberry.UNSET, description=_SMS
    )
    allows_customer_overlap: bool | None = strawberry.field(
        default=strawberry.UNSET, description=_OVERLAP
    )
    phone: str | None = strawberry.field(default=strawberry.UNSET, description=PHONE)
    email: str | None = strawberry.field(default=strawberry.UNSET, description=EMAIL)
    url: str | None = strawberry.field(default=strawberry.UNSET, description=URL)
    reminder_minutes_before: list[int] | None = strawberry.field(
        default=strawberry.UNSET, description=_REMINDERS
    )
    locale: str | None = strawberry.field(default=strawberry.UNSET, description=_LOCALE)


UpdateOrganizationResult = Annotated[
    Organization | InvalidInputError | NotAllowedError,
    strawberry.union(
        "UpdateOrganizationResult", description="The changed organization, or why it is unchanged."
    ),
]


@strawberry.type
class OrganizationQuery:
    """The root field about the organization."""

    @strawberry.field(description="The caller's organization.")
    async def organization(self, info: Info) -> Organization | None:
        """As of now."""
        found = await read_organization(info.context.resources, info.context.viewer)
        return None if found is None else Organization.of(found)


@strawberry.type
class OrganizationMutation:
    """The mutation of the organization."""

    @strawberry.mutation(description="Changes the caller's organization. Administrators only.")
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
