"""Advance the clock, so that a developer can watch tomorrow's reminders today. Never in
production.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.refusals import InvalidInput, NotAllowed
from app.core.sentences import say

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

MOST_MINUTES: Final = 366 * 1440
"""A leap year in one call."""


async def advance_clock(
    resources: Resources, viewer: Viewer, minutes: int
) -> datetime | InvalidInput | NotAllowed:
    """Move the clock of the API and the worker forward. Returns its new instant. The worker then
    handles what is due.
    """
    if resources.test_clock is None:
        return NotAllowed(
            message=say(
                "This server runs on the real clock. Start it with “dev --test-clock INSTANT”."
            )
        )
    if not viewer.is_admin:
        return NotAllowed(message=say("Only administrators move the clock."))
    if not 1 <= minutes <= MOST_MINUTES:
        return InvalidInput(
            field="minutes",
            message=say(
                "The clock moves on by 1 to {count} minutes, never back.", count=MOST_MINUTES
            ),
        )
    return await resources.test_clock.advance(timedelta(minutes=minutes))
