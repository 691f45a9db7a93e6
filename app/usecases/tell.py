"""Tell: the last step of a mutation, after its commit and before its answer. It logs and counts, and never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.changes import RulesChanged, TimeChanged

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.usecases.resources import Resources


async def tell(resources: Resources, *changes: Change) -> None:
    """Let caches forget and subscribers know."""
    forgotten = [change for change in changes if isinstance(change, TimeChanged | RulesChanged)]
    if forgotten:
        await resources.accelerator.slots.forget(forgotten)
    await resources.feed.tell(changes)
