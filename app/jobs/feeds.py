"""Jobs that read calendar feeds."""

from __future__ import annotations

from typing import Any

from app.jobs.context import resources_of
from app.usecases.busy import read_feeds as usecase


async def read_feeds(ctx: dict[Any, Any]) -> dict[str, int]:
    return await usecase.read_feeds(resources_of(ctx))
