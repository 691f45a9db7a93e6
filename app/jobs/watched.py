"""Every run of a job is counted, timed and traced, by the job's name."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from app.telemetry.metrics import counted_run
from app.telemetry.tracing import span

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine


def watched(job: WorkerCoroutine, name: str) -> WorkerCoroutine:
    """The same job, counted, timed and traced."""

    @wraps(job)
    async def run(ctx: dict[Any, Any]) -> object:
        with counted_run(name), span(name):
            return await job(ctx)

    return run
