"""Tell: the last step of a mutation, after its commit and before its answer. It logs and counts,
and never raises.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from app.core.changes import AppointmentChanged, RulesChanged, TimeChanged

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.core.ids import OrganizationId, ProviderId
    from app.usecases.resources import Resources

_log: Final = logging.getLogger(__name__)


async def tell(resources: Resources, *changes: Change) -> None:
    """Invalidate caches, publish to subscribers, and wake the sender of messages. What was
    committed is answered as such, even where one of these has a bug.
    """
    forgotten = [change for change in changes if isinstance(change, TimeChanged | RulesChanged)]
    if forgotten:
        with _bugs_logged():
            await resources.accelerator.shared.forget(forgotten)
    with _bugs_logged():
        await resources.feed.tell(changes)
    if any(isinstance(change, AppointmentChanged) for change in changes):
        with _bugs_logged():
            resources.messaging.wake()


@contextmanager
def _bugs_logged() -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001  the transaction is committed: no exception may contradict that
        _log.exception("announcing a committed change failed")


def told_again(organization_id: OrganizationId, provider_id: ProviderId) -> RulesChanged:
    """What to tell with an answer that is given again: whoever gave it first may have died before
    telling, or be about to.

    Everything of the provider is forgotten, as the answer no longer says what it changed.
    """
    return RulesChanged(organization_id=organization_id, provider_ids=(provider_id,))
