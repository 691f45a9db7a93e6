"""Jobs for what time does to calendars: appointments end, holds expire."""

from __future__ import annotations

from typing import Any

from app.jobs.context import resources_of
from app.usecases.booking import close_appointment, hold_slot


async def complete_what_ended(ctx: dict[Any, Any]) -> int:
    return await close_appointment.complete_what_ended(resources_of(ctx))


async def sweep_expired_holds(ctx: dict[Any, Any]) -> int:
    return await hold_slot.sweep_expired_holds(resources_of(ctx))
