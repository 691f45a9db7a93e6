"""The test clock's lead over the real one, as stored: the same for every process of a development
server.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from app.store.sql import Executor

_AHEAD = query("clock_ahead")
_SET = query("set_clock")
_ADVANCE = query("advance_clock")


async def clock_ahead(on: Executor) -> timedelta:
    """How far the test clock is ahead; negative where it is behind."""
    row = await _AHEAD.maybe(on)
    ahead: timedelta = timedelta() if row is None else row["ahead"]
    return ahead


async def set_clock(on: Executor, ahead: timedelta) -> None:
    """Set it."""
    await _SET.exec(on, ahead)


async def advance_clock(on: Executor, by: timedelta) -> timedelta:
    """Advance it. Returns how far it is ahead now."""
    row = await _ADVANCE.one(on, by)
    ahead: timedelta = row["ahead"]
    return ahead
