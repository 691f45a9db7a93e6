"""The test clock of development, and the mutation that moves it."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.api.operation.info import Info
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    refused,
)
from app.usecases.upkeep.advance_clock import advance_clock


@strawberry.input(description="How far to move the clock forward.")
class AdvanceClockInput:
    """See `advance_clock`."""

    minutes: int = strawberry.field(description="1 to 527,040 minutes; the clock never moves back.")


@strawberry.type(description="The server's current time.")
class Clock:
    """The program's clock."""

    now: datetime = strawberry.field(description="The server's current instant.")


AdvanceClockResult = Annotated[
    Clock | InvalidInputError | NotAllowedError,
    strawberry.union(
        "AdvanceClockResult", description="The clock after the move, or why it was not moved."
    ),
]


@strawberry.type
class ClockMutation:
    """The mutation of the clock."""

    @strawberry.mutation(
        description="Moves the clock of the whole server forward, the worker's too; the worker "
        "then handles what is due. "
        "Only on a server that `dev --test-clock` started; administrators only."
    )
    async def advance_clock(
        self,
        info: Info,
        input: Annotated[AdvanceClockInput, strawberry.argument(description="How far.")],
    ) -> AdvanceClockResult:
        """See the use case."""
        answer = await advance_clock(info.context.resources, info.context.viewer, input.minutes)
        match answer:
            case datetime():
                return Clock(now=answer)
            case _:
                return refused(answer)
