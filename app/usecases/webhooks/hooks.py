"""What the use cases of webhooks need: a part of `Resources`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.events import Event
    from app.core.ids import OrganizationId
    from app.identity.sealed import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """`seal` encrypts secrets for the database. `message` is what a receiver gets of an event: its
    id, and the body. `chance` gives numbers in [0, 1) that spread retries.
    """

    seal: Seal
    message: Callable[[OrganizationId, Event], tuple[str, bytes]]
    chance: Callable[[], float]
