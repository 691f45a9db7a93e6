"""The mutations of sessions: staff cancel or move everybody in one."""

from typing import Annotated

import strawberry

from app.api.graph.sessions import Session
from app.api.operation.info import Info
from app.api.words.keys import session_key
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotCancellableError,
    NotFoundError,
    refused,
)
from app.core import session as core
from app.telemetry.metrics import count_answer
from app.usecases.booking.cancel_session import SessionCancellationForm, cancel_session


@strawberry.input(description="A cancellation of a whole session. Retrying it is safe.")
class CancelSessionInput:
    """Becomes a `SessionCancellationForm`."""

    session_id: strawberry.ID = strawberry.field(description="Which session.")
    reason: str | None = strawberry.field(
        default=None, description="Up to 500 characters; every customer sees it."
    )


CancelSessionResult = Annotated[
    Session | NotCancellableError | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "CancelSessionResult", description="The cancelled session, or why it was not cancelled."
    ),
]


@strawberry.type
class SessionMutation:
    """The mutations of sessions."""

    @strawberry.mutation(
        description="Cancels every appointment of the session, at the provider's side: it costs "
        "nobody anything. Its holds end, and its time is free at once, and on offer again: add an "
        "exception first if it is not to be. Cancelling what is cancelled answers with it. The "
        "session's providers and administrators only."
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
