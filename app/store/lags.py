"""How late waiting work is, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql import Executor

_WAITING = query("waiting_since")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSince:
    """When the oldest entry was due; None if nothing waits."""

    outbox: datetime | None
    messages: datetime | None


async def waiting_since(on: Executor, *, due_by: datetime, real_now: datetime) -> WaitingSince:
    """The oldest work that is due by these clocks."""
    row = await _WAITING.one(on, due_by, real_now)
    return WaitingSince(outbox=row["outbox_since"], messages=row["messages_since"])
