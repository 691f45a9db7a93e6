"""Watch one's own appointments as they are booked, moved, cancelled or closed. Every event's
permission is checked.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from app.core.changes import AppointmentChangeKind
from app.core.refusals import NotAllowed
from app.core.sentences import say
from app.core.viewer import Role
from app.store.changes import Mark, appointment_changes_since
from app.store.pool import DatabaseUnavailableError
from app.usecases.booking.find_appointment import find_appointment
from app.usecases.callers.identify import with_records

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.changes import AppointmentChanged
    from app.core.ids import AppointmentId, OrganizationId
    from app.core.viewer import Viewer
    from app.live.ledger import Delivery
    from app.store.pool import Pool
    from app.usecases.resources import Resources

_log: Final = logging.getLogger(__name__)

PAGE_SIZE: Final = 1_000
"""Changes read from the history at once."""

PATIENCE_SECONDS: Final = 1.0
"""Between two attempts while PostgreSQL is unavailable: a subscription survives that."""

T = TypeVar("T")

LoadAppointment: TypeAlias = "Callable[[AppointmentId], Awaitable[Appointment | None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentNews:
    """A change of an appointment, and the appointment as it is now; `viewer` is the subscriber,
    with their current records.
    """

    delivery: Delivery
    appointment: Appointment
    viewer: Viewer

    @property
    def kind(self) -> AppointmentChangeKind:
        """What happened."""
        return self.delivery.change.kind


async def watch_appointments(
    resources: Resources, viewer: Viewer, *, load_for: Callable[[Delivery], LoadAppointment]
) -> AsyncGenerator[AppointmentNews | NotAllowed, None]:
    """Each change of an appointment that the viewer may see at that time, at least once. A refusal
    ends it.

    `load_for` gives the look-up for a change, which reads an appointment after that change, once
    for all of its subscribers.
    """
    if viewer.role is Role.ANONYMOUS and viewer.manages is None:
        yield NotAllowed(
            message=say("Only signed-in callers have appointments to watch. Send a token.")
        )
        return
    current = viewer
    # Changes that may concern them and were not examined yet: a first booking may make the
    # appointment theirs, with its later changes.
    ahead: set[AppointmentId] = set()

    def concerns(change: AppointmentChanged) -> bool:
        if may_concern(current, change):
            ahead.add(change.appointment_id)
        return change.appointment_id in ahead

    async with resources.feed.follow(viewer.organization_id, concerns) as following:
        while True:
            changes = await following.take()
            looked_at = frozenset(ahead)
            current = await patiently(partial(with_records, resources, current))
            for delivery in changes:
                load = load_for(delivery)
                news = await patiently(partial(_news, resources, current, delivery, load))
                if news is None:
                    continue
                yield news
                if isinstance(news, NotAllowed):
                    return
                current = news.viewer
            ahead -= looked_at


def may_concern(viewer: Viewer, change: AppointmentChanged) -> bool:
    """Whether the viewer might be allowed to see the appointment, judged without a look-up."""
    if viewer.manages is not None:
        return viewer.manages.appointment_id == change.appointment_id
    if viewer.role is Role.CUSTOMER:
        if viewer.customer_id is None:
            # Their first booking makes them a customer on record.
            return change.kind is AppointmentChangeKind.BOOKED
        return viewer.customer_id == change.customer_id
    return viewer.runs_any(change.provider_ids)


async def _news(
    resources: Resources, viewer: Viewer, delivery: Delivery, load: LoadAppointment
) -> AppointmentNews | NotAllowed | None:
    viewer = await with_records(resources, viewer)
    if not may_concern(viewer, delivery.change):
        return None
    appointment = await find_appointment(
        resources, viewer, delivery.change.appointment_id, manage_token=None, load=load
    )
    if appointment is None and viewer.manages is not None:
        return NotAllowed(
            message=say("This manage link is no longer valid. Use the link of the last message.")
        )
    if appointment is None:
        return None
    return AppointmentNews(delivery=delivery, appointment=appointment, viewer=viewer)


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Its result, retried for as long as PostgreSQL is unavailable."""
    while True:
        try:
            return await attempt()
        except DatabaseUnavailableError:
            _log.info("the database is unavailable: a subscription waits to start")
            await asyncio.sleep(PATIENCE_SECONDS)


# ---------------------------------------------------------------- what ledgers read


async def read_history(
    pool: Pool, organization_id: OrganizationId, since: datetime
) -> list[AppointmentChanged]:
    """All changes of an organization's appointments that are dated since an instant,
    oldest first.
    """
    changes: list[AppointmentChanged] = []
    mark: Mark | None = Mark(occurred_at=since)
    while mark is not None:
        page, mark = await appointment_changes_since(
            pool, organization_id, mark, page_size=PAGE_SIZE
        )
        changes += page
    return changes
