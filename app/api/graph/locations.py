"""Locations: where visits take place, and the mutations that change them."""

from typing import Annotated, Self

import strawberry

from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.keys import location_key
from app.api.words.node import Node
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.relay import global_id
from app.api.words.scalars import TimeZoneName
from app.core import location as core
from app.core.ids import LocationId
from app.core.validation import LocationForm
from app.usecases.practice.edit_location import change_location, create_location

ADDRESS = "As on an envelope; up to 500 characters, lines allowed."
PHONE = "Where customers call, with the country code; kept in E.164 form."
EMAIL = "Where customers write to."
URL = "A page for customers: an absolute http or https address, up to 500 characters."
DIRECTIONS = (
    "How to find it: the entrance, the bus, the bell. Up to 1,000 characters, lines allowed."
)
_ZONE = "The time zone it lies in."
_ARCHIVED = (
    "Whether it is archived: no provider or service can be given it any more; "
    "those that have it keep it."
)
_EXTERNAL_ID = "Your own id for it, unique among locations; 1 to 255 characters."


@strawberry.type(
    description="Where visits take place, and how to reach the practice there. A visit is where "
    "its service says, else where its lead provider does."
)
class Location(Node):
    """Maps the core's `Location`."""

    row: strawberry.Private[core.Location]
    name: str = strawberry.field(description="What people call it.")
    address: str | None = strawberry.field(description="As on an envelope; lines allowed.")
    phone: str | None = strawberry.field(description="Where customers call, in E.164 form.")
    email: str | None = strawberry.field(description=EMAIL)
    url: str | None = strawberry.field(description="A page for customers: http or https.")
    directions: str | None = strawberry.field(
        description="How to find it: the entrance, the bus, the bell."
    )
    time_zone: TimeZoneName | None = strawberry.field(description=_ZONE)
    is_archived: bool = strawberry.field(description=_ARCHIVED)

    @classmethod
    def of(cls, location: core.Location) -> Self:
        """From the core."""
        return cls(
            id=global_id("Location", location.id),
            row=location,
            name=location.name,
            address=location.address,
            phone=location.phone,
            email=location.email,
            url=location.url,
            directions=location.directions,
            time_zone=None if location.time_zone is None else TimeZoneName(location.time_zone),
            is_archived=location.is_archived,
        )

    @strawberry.field(description="Your own id for it. Staff only.")
    def external_id(self, info: Info) -> str | None:
        """Null for others."""
        return self.row.external_id if info.context.viewer.sees_staff_matters else None


async def location_of(info: Info, location_id: LocationId | None) -> Location | None:
    """The location with this id. Batched."""
    if location_id is None:
        return None
    found = await info.context.loaders.location.load(location_id)
    return None if found is None else Location.of(found)


@strawberry.input(description="A new location.")
class CreateLocationInput:
    """Becomes a `LocationForm`."""

    name: str = strawberry.field(description="What people call it; 1 to 200 characters.")
    address: str | None = strawberry.field(default=None, description=ADDRESS)
    phone: str | None = strawberry.field(default=None, description=PHONE)
    email: str | None = strawberry.field(default=None, description=EMAIL)
    url: str | None = strawberry.field(default=None, description=URL)
    directions: str | None = strawberry.field(default=None, description=DIRECTIONS)
    time_zone: TimeZoneName | None = strawberry.field(default=None, description=_ZONE)
    external_id: str | None = strawberry.field(default=None, description=_EXTERNAL_ID)


@strawberry.input(
    description="Changes of a location: absent means unchanged; null clears what may be empty."
)
class UpdateLocationInput:
    """Becomes changes of a `LocationForm`."""

    id: strawberry.ID = strawberry.field(description="Which location.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    address: str | None = strawberry.field(default=strawberry.UNSET, description=ADDRESS)
    phone: str | None = strawberry.field(default=strawberry.UNSET, description=PHONE)
    email: str | None = strawberry.field(default=strawberry.UNSET, description=EMAIL)
    url: str | None = strawberry.field(default=strawberry.UNSET, description=URL)
    directions: str | None = strawberry.field(default=strawberry.UNSET, description=DIRECTIONS)
    time_zone: TimeZoneName | None = strawberry.field(default=strawberry.UNSET, description=_ZONE)
    is_archived: bool | None = strawberry.field(default=strawberry.UNSET, description=_ARCHIVED)
    external_id: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_EXTERNAL_ID} Null: none."
    )


CreateLocationResult = Annotated[
    Location | InvalidInputError | NotAllowedError,
    strawberry.union("CreateLocationResult", description="The new location, or why there is none."),
]
UpdateLocationResult = Annotated[
    Location | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateLocationResult", description="The changed location, or why it is unchanged."
    ),
]


@strawberry.type
class LocationMutation:
    """The mutations of locations."""

    @strawberry.mutation(
        description="Creates a location, at most 200 for an organization. Administrators only."
    )
    async def create_location(
        self,
        info: Info,
        input: Annotated[CreateLocationInput, strawberry.argument(description="The new location.")],
    ) -> CreateLocationResult:
        """See the use case."""
        form = LocationForm(
            name=input.name,
            address=input.address,
            phone=input.phone,
            email=input.email,
            url=input.url,
            directions=input.directions,
            time_zone=input.time_zone,
            external_id=input.external_id,
        )
        answer = await create_location(info.context.resources, info.context.viewer, form)
        return Location.of(answer) if isinstance(answer, core.Location) else refused(answer)

    @strawberry.mutation(
        description="Changes a location; later messages use the new data. Administrators only."
    )
    async def update_location(
        self,
        info: Info,
        input: Annotated[
            UpdateLocationInput,
            strawberry.argument(description="Which location, and what changes."),
        ],
    ) -> UpdateLocationResult:
        """See the use case."""
        answer = await change_location(
            info.context.resources,
            info.context.viewer,
            location_key(input.id),
            changes_of(input, without=frozenset({"id"})),
        )
        return Location.of(answer) if isinstance(answer, core.Location) else refused(answer)
