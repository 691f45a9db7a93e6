"""Open a session for a change of all of it: lock everybody in it, its time, and the session itself.

The holders of seats are read without locks, since their rows are locked before calendars and
sessions. If somebody joined before the session was locked, the transaction is retried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from app.core.lifecycle import Actor
from app.core.refusals import NotAllowed, NotChangeableReason, NotFound
from app.core.sentences import say
from app.store.appointments import appointments_of_session_for_update
from app.store.calendars import claims_of_session
from app.store.holds import holds_of_session_for_update
from app.store.pool import transaction
from app.store.session_changes import lock_any_session, parties_of_session
from app.store.session_lists import sessions_by_ids
from app.usecases.booking.lock_calendar import Retry
from app.usecases.events.publish import publish

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.changes import Change
    from app.core.hold import Hold
    from app.core.ids import OrganizationId, SessionId
    from app.core.session import Session
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.booking.lock_calendar import OwnTime
    from app.usecases.resources import Resources

Refusal = TypeVar("Refusal")

WRITTEN_AT_ONCE: Final = 50
"""Appointments whose changes go to the database in one statement: one for a thousand would have
more parameters than PostgreSQL takes.
"""

MOST_TRIES: Final = 1_000
"""Each try that fails is one in which somebody joined. A session has at most so many seats."""

STAFF_ONLY: Final = NotAllowed(
    message=say("Only the session's providers, reception and administrators change all of it.")
)


class BusySessionError(Exception):
    """Somebody joined the session in every one of the tries to lock all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSession:
    """A session as a transaction left it, and the changes to publish after the commit."""

    session: Session
    changes: tuple[Change, ...]


async def change_session(
    resources: Resources,
    attempt: Callable[[Transaction], Awaitable[ChangedSession | Refusal | Retry]],
) -> Session | Refusal:
    """What an attempt decides in a transaction of its own, which is rolled back unless the session
    was changed. Tried again while somebody joins meanwhile.
    """
    for _ in range(MOST_TRIES):
        async with transaction(resources.pool) as tx:
            answer = await attempt(tx)
            if not isinstance(answer, ChangedSession):
                tx.roll_back()
        if isinstance(answer, ChangedSession):
            await publish(resources, *answer.changes)
            return answer.session
        if not isinstance(answer, Retry):
            return answer
    raise BusySessionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """The confirmed appointments in a session, and its holds, all locked. Some of the holds may
    have expired.
    """

    appointments: tuple[Appointment, ...]
    holds: tuple[Hold, ...]

    def why_not_change(self, session: Session, now: datetime) -> NotChangeableReason | None:
        """Why the session can be neither cancelled nor moved at this instant; None where it can."""
        if session.ended_at is not None:
            return NotChangeableReason.ALREADY_CANCELLED
        if now >= session.starts_at:
            return NotChangeableReason.ALREADY_STARTED
        if self.appointments or any(hold.is_active_at(now) for hold in self.holds):
            return None
        return NotChangeableReason.ALREADY_CANCELLED


async def see_session(
    resources: Resources, viewer: Viewer, tx: Transaction, session_id: SessionId
) -> tuple[Session, Actor] | NotFound:
    """The session, and as whom the caller acts on it; not found by providers who take no part."""
    found = await sessions_by_ids(tx, viewer.organization_id, [session_id], resources.clock())
    session = found.get(session_id)
    if session is None or not viewer.sees_session_of(session.providers):
        return NotFound(what="session")
    return session, viewer.author.actor


async def lock_everybody(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> Everybody:
    """Lock all who have seats, before any calendar is locked."""
    appointments = await appointments_of_session_for_update(tx, organization_id, session_id)
    holds = await holds_of_session_for_update(tx, organization_id, session_id)
    return Everybody(appointments=tuple(appointments), holds=tuple(holds))


async def lock_session_of(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    session_id: SessionId,
    everybody: Everybody,
    own: OwnTime,
) -> Session | Retry:
    """Lock the session, and read it as it is now; try again where others have seats than those who
    are locked, or it has other time than that which is locked.
    """
    await lock_any_session(tx, organization_id, session_id)
    now = resources.clock()
    parties = await parties_of_session(tx, organization_id, session_id, now)
    found = await sessions_by_ids(tx, organization_id, [session_id], now)
    locked = {each.id for each in everybody.appointments}
    held = {each.id for each in everybody.holds}
    if not (parties.appointment_ids <= locked and parties.hold_ids <= held):
        return Retry.OVERTAKEN
    if await claims_of_session(tx, organization_id, session_id) != own.claims:
        return Retry.OVERTAKEN
    return found[session_id]
