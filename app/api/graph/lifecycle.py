"""The mutations of an appointment's life after booking: move, cancel, complete, no-show."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.api.graph.appointments import (
    Appointment,
    BookingConfirmation,
    confirmation_of,
    slot_unavailable,
)
from app.api.operation.info import Info
from app.api.words.enums import RuleSetAside
from app.api.words.keys import appointment_key, optional_provider_keys
from app.api.words.refusals import (
    CancellationFeeNotAcceptedError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    InvalidTransitionError,
    NotAllowedError,
    NotCancellableError,
    NotFoundError,
    NotReschedulableError,
    SlotUnavailableError,
    VersionConflictError,
    refused,
)
from app.core import appointment as core
from app.core import refusals
from app.telemetry.metrics import count_answer
from app.usecases.booking.answer import Booked
from app.usecases.booking.cancel_appointment import CancellationForm, cancel_appointment
from app.usecases.booking.close_appointment import close_appointment
from app.usecases.booking.reschedule_appointment import MoveForm, reschedule_appointment

_VERSION = (
    "The version that the caller saw; a change since then is a conflict. Left out: any version."
)
_TOKEN = "The secret that came with the booking, for callers without an account."  # noqa: S105 — a description


@strawberry.input(
    description=(
        "A move to another time. Retry it with the same idempotency key: it is never moved twice."
    )
)
class RescheduleAppointmentInput:
    """Becomes a `MoveForm`."""

    appointment_id: strawberry.ID = strawberry.field(description="Which appointment.")
    starts_at: datetime = strawberry.field(
        description="The new start: one of the listed slots, or in its own time."
    )
    provider_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Staff only: with all of these, the first as the lead, also at the same start. "
        "Left out: those who were named stay, and those who were assigned may change.",
    )
    seats: int | None = strawberry.field(
        default=None,
        description="How many seats from now on, 1 to 1,000, also at the same start; the price per "
        "seat stays. Left out: as many as it has.",
    )
    expected_version: int | None = strawberry.field(default=None, description=_VERSION)
    ignore: list[RuleSetAside] | None = strawberry.field(
        default_factory=list,
        description="Staff: rules of time that are set aside, each by name.",
    )
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, new for every new move."
    )
    manage_token: str | None = strawberry.field(default=None, description=_TOKEN)


@strawberry.input(description="A cancellation. Retrying it is safe.")
class CancelAppointmentInput:
    """Becomes a `CancellationForm`."""

    appointment_id: strawberry.ID = strawberry.field(description="Which appointment.")
    reason: str | None = strawberry.field(
        default=None, description="Up to 500 characters; both sides see it."
    )
    expected_version: int | None = strawberry.field(default=None, description=_VERSION)
    accept_fee_minor: int | None = strawberry.field(
        default=None,
        description="The most the caller agrees to pay, in minor units; a higher fee is refused "
        "with the quote. "
        "Left out: 0.",
    )
    at_customers_request: bool = strawberry.field(
        default=False,
        description="Staff: the customer asked for it, so that the policy applies as if they "
        "cancelled themselves. Otherwise staff cancel for free.",
    )
    manage_token: str | None = strawberry.field(default=None, description=_TOKEN)


@strawberry.input(description="Marks an appointment as completed.")
class CompleteAppointmentInput:
    """See `close_appointment`."""

    appointment_id: strawberry.ID = strawberry.field(description="Which appointment.")
    expected_version: int | None = strawberry.field(default=None, description=_VERSION)


@strawberry.input(description="Marks an appointment as a no-show.")
class MarkNoShowInput:
    """See `close_appointment`."""

    appointment_id: strawberry.ID = strawberry.field(description="Which appointment.")
    expected_version: int | None = strawberry.field(default=None, description=_VERSION)


RescheduleAppointmentResult = Annotated[
    BookingConfirmation
    | SlotUnavailableError
    | NotReschedulableError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | VersionConflictError
    | IdempotencyKeyReusedError,
    strawberry.union(
        "RescheduleAppointmentResult", description="The moved appointment, or why it was not moved."
    ),
]
CancelAppointmentResult = Annotated[
    Appointment
    | NotCancellableError
    | CancellationFeeNotAcceptedError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | VersionConflictError,
    strawberry.union(
        "CancelAppointmentResult",
        description="The cancelled appointment, or why it was not cancelled.",
    ),
]
CompleteAppointmentResult = Annotated[
    Appointment
    | InvalidTransitionError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | VersionConflictError,
    strawberry.union(
        "CompleteAppointmentResult",
        description="The completed appointment, or why it was not changed.",
    ),
]
MarkNoShowResult = Annotated[
    Appointment
    | InvalidTransitionError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | VersionConflictError,
    strawberry.union(
        "MarkNoShowResult", description="The no-show appointment, or why it was not changed."
    ),
]


@strawberry.type
class LifecycleMutation:
    """The mutations after booking."""

    @strawberry.mutation(
        description="Moves an appointment to another time, under the rules in force now. It stays "
        "the same appointment. If the time is taken, nothing changes."
    )
    async def reschedule_appointment(
        self,
        info: Info,
        input: Annotated[
            RescheduleAppointmentInput,
            strawberry.argument(description="Which appointment, and where to."),
        ],
    ) -> RescheduleAppointmentResult:
        """See the use case."""
        form = MoveForm(
            appointment_id=appointment_key(input.appointment_id),
            starts_at=input.starts_at,
            provider_ids=optional_provider_keys(input.provider_ids),
            seats=input.seats,
            expected_version=input.expected_version,
            idempotency_key=input.idempotency_key,
            manage_token=input.manage_token,
            ignore=input.ignore or (),
        )
        answer = await reschedule_appointment(info.context.resources, info.context.viewer, form)
        count_answer("rescheduleAppointment", answer)
        match answer:
            case Booked():
                return confirmation_of(answer)
            case refusals.SlotUnavailable():
                return slot_unavailable(answer, info.context.viewer, None)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description=("Cancels an appointment. The caller must accept the fee that its policy asks.")
    )
    async def cancel_appointment(
        self,
        info: Info,
        input: Annotated[
            CancelAppointmentInput,
            strawberry.argument(description="Which appointment, and on what terms."),
        ],
    ) -> CancelAppointmentResult:
        """See the use case."""
        form = CancellationForm(
            appointment_id=appointment_key(input.appointment_id),
            reason=input.reason,
            expected_version=input.expected_version,
            accept_fee_minor=input.accept_fee_minor,
            manage_token=input.manage_token,
            at_customers_request=input.at_customers_request,
        )
        answer = await cancel_appointment(info.context.resources, info.context.viewer, form)
        count_answer("cancelAppointment", answer)
        match answer:
            case core.Appointment():
                return Appointment.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Marks an appointment as completed, from its start on. The server does so "
        "automatically after the end. The provider, reception and "
        "administrators only."
    )
    async def complete_appointment(
        self,
        info: Info,
        input: Annotated[
            CompleteAppointmentInput, strawberry.argument(description="Which appointment.")
        ],
    ) -> CompleteAppointmentResult:
        """See the use case."""
        return await _close(info, input, core.AppointmentStatus.COMPLETED)

    @strawberry.mutation(
        description=(
            "Marks an appointment as a no-show, from its start on. The provider, "
            "reception and administrators only."
        )
    )
    async def mark_no_show(
        self,
        info: Info,
        input: Annotated[MarkNoShowInput, strawberry.argument(description="Which appointment.")],
    ) -> MarkNoShowResult:
        """See the use case."""
        return await _close(info, input, core.AppointmentStatus.NO_SHOW)


async def _close(
    info: Info, form: CompleteAppointmentInput | MarkNoShowInput, status: core.AppointmentStatus
) -> Appointment | InvalidTransitionError | NotAllowedError | NotFoundError | VersionConflictError:
    answer = await close_appointment(
        info.context.resources,
        info.context.viewer,
        appointment_key(form.appointment_id),
        status,
        expected_version=form.expected_version,
    )
    match answer:
        case core.Appointment():
            return Appointment.of(answer)
        case _:
            return refused(answer)
