"""Publish the changes of a mutation, after its commit and before its answer. Failures are
logged and counted, never raised.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from app.core.changes import AppointmentChanged, RulesChanged

if TYPE_CHECKING:
    from app.core.appointment import Appointment
    from app.core.changes import Change
    from app.core.hold import Hold
    from app.core.ids import OrganizationId
    from app.core.session import Session
    from app.usecases.resources import Resources

_log: Final = logging.getLogger(__name__)


async def publish(resources: Resources, *changes: Change) -> None:
    """Invalidate caches, publish to subscribers, and wake the sender of messages. A committed
    mutation is answered as a success even if one of these has a bug.
    """
    cache, feed = resources.accelerator.shared, resources.feed
    with _BUGS_LOGGED:
        if cache.announcer is feed.announcer:
            try:
                await feed.announcer.announce(
                    [*cache.announcements(changes), *feed.announcements(changes)]
                )
            finally:
                feed.receive(changes)
        else:
            # In this order: a subscriber may ask for a list as soon as it hears of a change.
            await cache.forget(changes)
            await feed.publish(changes)
    if any(isinstance(change, AppointmentChanged) for change in changes):
        with _BUGS_LOGGED:
            resources.messaging.wake()


class _BugsLogged:
    """The transaction is committed: no exception may contradict that."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> bool:
        if not isinstance(error, Exception):
            return False
        _log.error("publishing a committed change failed", exc_info=error)
        return True


_BUGS_LOGGED: Final = _BugsLogged()


def change_for_retry(
    organization_id: OrganizationId, taken: Appointment | Hold | Session
) -> RulesChanged:
    """The change to publish with the answer to a retry: the process that gave the first answer may
    have died before it published, or may not have published yet.

    It invalidates all free times of the providers and resources, since the stored answer does not
    say which dates changed.
    """
    return RulesChanged(organization_id=organization_id, ids=(*taken.providers, *taken.resources))
