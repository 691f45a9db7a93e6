"""Jobs that send due messages, by any worker."""

from __future__ import annotations

from typing import Any

from app.jobs.context import resources_of
from app.usecases.messages import send_messages as usecase


async def send_messages(ctx: dict[Any, Any]) -> dict[str, int]:
    return await usecase.send_messages(resources_of(ctx))
