"""Corrections of what was given for an appointment, and new manage links."""

from typing import Annotated

import strawberry

from app.api.graph.appointments import (
    Appointment,
    BookingConfirmation,
    CustomerInput,
    confirmation_of,
)
from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.keys import appointment_key
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    VersionConflictError,
    refused,
)
from app.api.words.scalars import TimeZoneName
from app.core.appointment import Appointment as CoreAppointment
from app.usecases.booking.answer import Booked
from app.usecases.booking.correct_appointment import (
    CorrectionForm,
    correct_appointment,
    renew_manage_token,
)


@strawberry.input(
    description="Corrections of an appointment: absent means unchanged; null clears what may be "
    "empty."
)
class UpdateAppointmentInput:
    """Becomes a `CorrectionForm`."""

    appointment_id: strawberry.ID = strawberry.field(description="Which appointment.")
    contact: CustomerInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="The whole contact, in place of what was given. Later messages go to the "
        "new address; the old one gets a notice that it was replaced.",
    )
    notes: str | None = strawberry.field(
        default=strawberry.UNSET, description="The customer's remarks, up to 2,000 characters."
    )
    customer_time_zone: TimeZoneName | None = strawberry.field(
        default=strawberry.UNSET, description="The time zone in which the customer reads times."
    )
    staff_notes: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Notes that only staff see, up to 2,000 characters. Staff only.",
    )
    external_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Your own id for it, unique among appointments; 1 to 255 characters. Null: "
        "none. Staff only.",
    )
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse the change if the appointment has another version by now."
    )
    manage_token: str | None = strawberry.field(
        default=None, description="For callers without an account: the token from the booking."
    )


@strawberry.input(description="An appointment that gets a new manage token.")
class RenewManageTokenInput:
    """See `renew_manage_token`."""

    appointment_id: strawberry.ID = strawberry.field(description="Which appointment.")


UpdateAppointmentResult = Annotated[
    Appointment | InvalidInputError | NotAllowedError | NotFoundError | VersionConflictError,
    strawberry.union(
        "UpdateAppointmentResult", description="The corrected appointment, or why it is unchanged."
    ),
]
RenewManageTokenResult = Annotated[
    BookingConfirmation | NotAllowedError | NotFoundError,
    strawberry.union(
        "RenewManageTokenResult",
        description="The appointment with its new manage token, or why the old one stays.",
    ),
]

_FORM = frozenset({"appointment_id", "expected_version", "manage_token"})


@strawberry.type
class CorrectionMutation:
    """The mutations that correct appointments."""

    @strawberry.mutation(
        description="Corrects contact, notes and zone of an appointment; its time stays. For its "
        "staff, its signed-in customer, and its manage token."
    )
    async def update_appointment(
        self,
        info: Info,
        input: Annotated[
            UpdateAppointmentInput,
            strawberry.argument(description="Which appointment, and what was wrong."),
        ],
    ) -> UpdateAppointmentResult:
        """See the use case."""
        changes = changes_of(input, without=_FORM)
        if isinstance(input.contact, CustomerInput):
            changes["contact"] = input.contact.to_core()
        form = CorrectionForm(
            appointment_id=appointment_key(input.appointment_id),
            changes=changes,
            expected_version=input.expected_version,
            manage_token=input.manage_token,
        )
        answer = await correct_appointment(info.context.resources, info.context.viewer, form)
        match answer:
            case CoreAppointment():
                return Appointment.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Replaces the manage token of an appointment: the old one stops working at "
        "once. Only its staff and its signed-in customer may do this, not holders of "
        "the token."
    )
    async def renew_manage_token(
        self,
        info: Info,
        input: Annotated[
            RenewManageTokenInput, strawberry.argument(description="Which appointment.")
        ],
    ) -> RenewManageTokenResult:
        """See the use case."""
        answer = await renew_manage_token(
            info.context.resources, info.context.viewer, appointment_key(input.appointment_id)
        )
        return confirmation_of(answer) if isinstance(answer, Booked) else refused(answer)
