"""The mutations of sessions: staff cancel or move everybody in one."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.api.graph.appointments import slot_unavailable
from app.api.graph.sessions import Session
from app.api.operation.info import Info
from app.api.words.enums import RuleSetAside
from app.api.words.keys import optional_provider_keys, session_key
from app.api.words.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    NotAllowedError,
    NotCancellableError,
    NotFoundError,
    NotReschedulableError,
    SlotUnavailableError,
    refused,
)
from app.core import refusals
from app.core import session as core
from app.telemetry.metrics import count_answer
from app.usecases.booking.cancel_session import SessionCancellationForm, cancel_session
from app.usecases.booking.reschedule_session import SessionMoveForm, reschedule_session


@strawberry.input(description="A cancellation of a whole session. Retrying it is safe.")
class CancelSessionInput:
    """Becomes a `SessionCancellationForm`."""

    session_id: strawberry.ID = strawberry.field(description="Which session.")
    reason: str | None = strawberry.field(
        default=None, description="Up to 500 characters; every customer sees it."
    )


@strawberry.input(
    description="A move of a whole session. Retry it with the same idempotency key: it is never "
    "moved twice."
)
class RescheduleSessionInput:
    """Becomes a `SessionMoveForm`."""

    session_id: strawberry.ID = strawberry.field(description="Which session.")
    starts_at: datetime = strawberry.field(
        description="The new start, one that is listed for the service, or its own."
    )
    provider_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="With all of these, the first as the lead, also at the same start. Left out: "
        "those whom any of its parties named stay, and those who were assigned may change.",
    )
    ignore: list[RuleSetAside] | None = strawberry.field(
        default_factory=list,
        description="Staff: rules of time that are set aside, each by name.",
    )
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, new for every new move."
    )


CancelSessionResult = Annotated[
    Session | NotCancellableError | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "CancelSessionResult", description="The cancelled session, or why it was not cancelled."
    ),
]


RescheduleSessionResult = Annotated[
    Session
    | SlotUnavailableError
    | NotReschedulableError
    | InvalidInputError
    | NotAllowedError
    | NotFoundError
    | IdempotencyKeyReusedError,
    strawberry.union(
        "RescheduleSessionResult", description="The moved session, or why it was not moved."
    ),
]


@strawberry.type
class SessionMutation:
    """The mutations of sessions."""

    @strawberry.mutation(
        description="Cancels every appointment of the session on the provider's side, at no cost "
        "to anybody. Its holds end, and its time can be booked again at once: add an "
        "exception first to prevent that. Cancelling it again returns it unchanged. "
        "The session's providers, reception and administrators only."
    )
    async def cancel_session(
        self,
        info: Info,
        input: Annotated[CancelSessionInput, strawberry.argument(description="Which, and why.")],
    ) -> CancelSessionResult:
        """See the use case."""
        form = SessionCancellationForm(
            session_id=session_key(input.session_id), reason=input.reason
        )
        answer = await cancel_session(info.context.resources, info.context.viewer, form)
        count_answer("cancelSession", answer)
        match answer:
            case core.Session():
                return Session.of(answer)
            case _:
                return refused(answer)

    @strawberry.mutation(
        description="Moves the session with everybody in it, appointments and holds, or nobody. "
        "It takes what the service needs now; the time that it already has counts as "
        "free. The session's providers, reception and administrators only."
    )
    async def reschedule_session(
        self,
        info: Info,
        input: Annotated[
            RescheduleSessionInput, strawberry.argument(description="Which, and where to.")
        ],
    ) -> RescheduleSessionResult:
        """See the use case."""
        form = SessionMoveForm(
            session_id=session_key(input.session_id),
            starts_at=input.starts_at,
            provider_ids=optional_provider_keys(input.provider_ids),
            idempotency_key=input.idempotency_key,
            ignore=input.ignore or (),
        )
        answer = await reschedule_session(info.context.resources, info.context.viewer, form)
        count_answer("rescheduleSession", answer)
        match answer:
            case core.Session():
                return Session.of(answer)
            case refusals.SlotUnavailable():
                return slot_unavailable(answer, info.context.viewer, None)
            case _:
                return refused(answer)
