"""Sessions and the seats in them, as stored. The time that a session takes are claims, in
`app.store.calendars`.

Every change of the seats in a session holds the session's row, from `sessions_for_update` or
`lock_session`; all but the sweep of expired holds also hold the calendars of its claims.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.booking import visit_of
from app.core.ids import OrganizationId, ProviderId, ResourceId, ServiceId, SessionId
from app.core.seating import ActiveSession, SeatsTaken
from app.core.slots import Claim, ClaimKind
from app.core.zones import instant_of
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.core.booking import Claims
    from app.core.ids import AppointmentId, HoldId, SubjectId
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_STANDING = query("active_sessions")
_BY_ID = query("sessions_by_id")
_FOR_UPDATE = query("sessions_for_update")
_LOCK = query("lock_session")
_INSERT = query("insert_session")
_INSERT_SEATS = query("insert_seats")
_KEEP_TIME = query("keep_session_time")
_USE_SEATS = query("use_seats")
_CHANGE = query("change_session")
_CHANGE_OF_HOLD = query("change_session_of_hold")
_GIVE_BACK = query("give_back_seats")
_GIVE_BACK_EXPIRED = query("give_back_expired_seats")
_LEAVE = query("leave_session")
_TO_SETTLE = query("sessions_to_settle")

_INSTANT: Final = timedelta(microseconds=1)
"""The step of timestamps."""


def _providers(row: Record) -> tuple[ProviderId, ...]:
    return tuple(map(ProviderId, row["provider_ids"] or (row["provider_id"],)))


def _resources(row: Record) -> tuple[ResourceId, ...]:
    return tuple(map(ResourceId, row["resource_ids"] or ()))


def _parties(row: Record) -> tuple[SeatsTaken, ...]:
    return tuple(map(SeatsTaken, row["party_seats"], row["party_expiries"]))


def _session(row: Record) -> ActiveSession | None:
    """None where its time is gone: its holds expired, and others took some of it before it was
    ended. They free all that it has of a subject at once.
    """
    claims: dict[SubjectId, tuple[Claim, ...]] = {}
    for subject_id, minutes, expires_at in zip(
        row["claim_subject_ids"], row["claim_minutes"], row["claim_expiries"], strict=True
    ):
        claimed_from, claimed_until, visit_from, visit_until, unit = minutes
        claim = Claim(
            claimed_from,
            claimed_until,
            visit_from,
            visit_until,
            ClaimKind.APPOINTMENT if expires_at is None else ClaimKind.HOLD,
            expires_at,
            unit,
        )
        claims[subject_id] = (*claims.get(subject_id, ()), claim)
    providers = _providers(row)
    if claims.keys() != {*providers, *_resources(row)}:
        return None
    return ActiveSession(
        id=SessionId(row["id"]), providers=providers, claims=claims, parties=_parties(row)
    )


async def active_sessions(
    on: Executor,
    organization_id: OrganizationId,
    service_ids: Sequence[ServiceId],
    first: datetime,
    until: datetime,
    *,
    without: AppointmentId | None = None,
) -> dict[ServiceId, list[ActiveSession]]:
    """The sessions of each service that start in `[first, until)` and have not ended, by start,
    with the party of one appointment left out. Some may have expired holds only.
    """
    found: dict[ServiceId, list[ActiveSession]] = {each: [] for each in service_ids}
    for row in await _STANDING.many(on, organization_id, without, service_ids, first, until):
        session = _session(row)
        if session is not None:
            found[ServiceId(row["service_id"])].append(session)
    return found


async def sessions_by_id(
    on: Executor, organization_id: OrganizationId, ids: Sequence[SessionId]
) -> dict[SessionId, ActiveSession]:
    """Those of these sessions that have not ended."""
    rows = await _BY_ID.many(on, organization_id, None, ids) if ids else []
    return {each.id: each for row in rows if (each := _session(row)) is not None}


class SessionsNow(NamedTuple):
    """The sessions at a start of a service, and how many seats the service has now."""

    seats: int
    sessions: list[ActiveSession]


async def sessions_at(
    on: Executor, organization_id: OrganizationId, service_id: ServiceId, starts_at: datetime
) -> SessionsNow | None:
    """Those that have not ended; None if there is none."""
    rows = await _STANDING.many(
        on, organization_id, None, [service_id], starts_at, starts_at + _INSTANT
    )
    sessions = [session for row in rows if (session := _session(row)) is not None]
    return SessionsNow(rows[0]["seats_now"], sessions) if sessions else None


async def sessions_for_update(
    tx: Transaction,
    organization_id: OrganizationId,
    service_id: ServiceId | None,
    starts_at: datetime,
    *,
    own: SessionId | None = None,
    without: AppointmentId | None = None,
) -> list[ActiveSession]:
    """The sessions of the service at this start that have not ended, and the moving appointment's
    own, locked until the transaction ends. The party of one appointment is left out.
    """
    ids = [] if own is None else [own]
    rows = await _FOR_UPDATE.many(tx, organization_id, without, service_id, starts_at, ids)
    return [session for row in rows if (session := _session(row)) is not None]


async def session_for_update(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> ActiveSession | None:
    """The session, locked until the transaction ends; None where it has ended."""
    rows = await _FOR_UPDATE.many(tx, organization_id, None, None, None, [session_id])
    return next((_session(row) for row in rows), None)


async def lock_session(
    tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> bool:
    """Lock the session until the transaction ends; False where it has ended."""
    return await _LOCK.exec(tx, organization_id, session_id) == 1


def insert_session(
    tx: Transaction,
    lock: CalendarLock,
    session_id: SessionId,
    service_id: ServiceId,
    providers: Sequence[ProviderId],
    resources: Sequence[ResourceId],
    claims: Claims,
    now: datetime,
) -> None:
    """Store a new session, at the transaction's next statement; its time is taken with it, by
    `take_time`, and so are its first seats, by `take_first_seats`.
    """
    start, end = visit_of(claims)
    is_alone = len(providers) == 1 and not resources
    _INSERT.later(
        tx,
        lock.organization_id,
        session_id,
        service_id,
        providers[0],
        None if is_alone else providers,
        None if is_alone else resources,
        instant_of(start),
        instant_of(end),
        now,
    )


class Sitting(NamedTuple):
    """Whose seats: an appointment's, or a hold's, which expires."""

    appointment_id: AppointmentId | None = None
    hold_id: HoldId | None = None
    expires_at: datetime | None = None


def take_first_seats(
    tx: Transaction,
    lock: CalendarLock,
    session_id: SessionId,
    lead: ProviderId,
    sitting: Sitting,
    seats: int,
    *,
    new_id: Callable[[], UUID],
) -> None:
    """Take the first seats of a new session, at the transaction's next statement."""
    _insert_seats(
        tx,
        lock.organization_id,
        session_id,
        lead,
        sitting,
        seats,
        of=seats,
        claims=0,
        new_id=new_id,
    )


async def take_seats(
    tx: Transaction,
    lock: CalendarLock,
    session: ActiveSession,
    sitting: Sitting,
    seats: int,
    *,
    of: int,
    now: datetime,
    new_id: Callable[[], UUID],
) -> bool:
    """Take seats in an active session, which is locked, of so many that it has; False where too
    few are left, or others took its time. On False the transaction must roll back. It may be no
    more seats, where a party stays.

    Seats of expired holds give way first, and its claims last as long as these seats from now on.
    Writes that wait are written together with the seats.
    """
    organization_id = lock.organization_id
    claims = [each for of_subject in session.claims.values() for each in of_subject]
    if any(party.expires_at is not None and party.expires_at <= now for party in session.parties):
        await _GIVE_BACK_EXPIRED.exec(tx, organization_id, session.id, now)
    if _lasts_shorter(claims[0].expires_at, sitting.expires_at) and not await keep_session_time(
        tx, organization_id, session, sitting.expires_at
    ):
        return False
    if sitting.appointment_id is not None:
        _CHANGE.later(tx, organization_id, session.id)
    if not seats:
        await tx.write()
        return True
    _insert_seats(
        tx,
        organization_id,
        session.id,
        session.providers[0],
        sitting,
        seats,
        of=of,
        claims=len(claims),
        new_id=new_id,
    )
    return await tx.write() == seats


def _lasts_shorter(claims_expire_at: datetime | None, seats_expire_at: datetime | None) -> bool:
    return claims_expire_at is not None and (
        seats_expire_at is None or claims_expire_at < seats_expire_at
    )


def _insert_seats(
    tx: Transaction,
    organization_id: OrganizationId,
    session_id: SessionId,
    lead: ProviderId,
    sitting: Sitting,
    seats: int,
    *,
    of: int,
    claims: int,
    new_id: Callable[[], UUID],
) -> None:
    _INSERT_SEATS.later(
        tx,
        organization_id,
        session_id,
        lead,
        sitting.appointment_id,
        sitting.hold_id,
        of,
        sitting.expires_at,
        [new_id() for _ in range(seats)],
        claims,
    )


async def keep_session_time(
    tx: Transaction,
    organization_id: OrganizationId,
    session: ActiveSession,
    expires_at: datetime | None,
) -> bool:
    """The time of a session, which is locked, lasts until then, or (None) without an end; False
    where others took some of it. On False the transaction must roll back.
    """
    count = sum(map(len, session.claims.values()))
    return await _KEEP_TIME.exec(tx, organization_id, session.id, expires_at) == count


async def use_seats(
    tx: Transaction, organization_id: OrganizationId, hold_id: HoldId, appointment_id: AppointmentId
) -> int:
    """The seats of a hold, whose session is locked, are this appointment's from now on; how many
    there were. Writes that wait are written together with it.
    """
    _CHANGE_OF_HOLD.later(tx, organization_id, hold_id)
    _USE_SEATS.later(tx, organization_id, hold_id, appointment_id)
    return await tx.write()


async def give_back_seats(
    tx: Transaction, organization_id: OrganizationId, appointment_id: AppointmentId, *, kept: int
) -> None:
    """Give back all but so many of the seats that an appointment has in its session, which is
    locked and in which it stays.
    """
    await _GIVE_BACK.exec(tx, organization_id, appointment_id, kept)


async def leave_session(
    tx: Transaction,
    organization_id: OrganizationId,
    session_id: SessionId,
    sitting: Sitting,
    now: datetime,
) -> None:
    """Give back these seats of a session, which is locked, and those that have expired. If nobody
    has a seat any more, the session ends and its time is free; else its time lasts as long as the
    seats.
    """
    await _LEAVE.exec(tx, organization_id, session_id, now, sitting.appointment_id, sitting.hold_id)


async def sessions_to_settle(
    on: Executor, *, expired_by: datetime, batch_size: int
) -> list[tuple[OrganizationId, SessionId]]:
    """A batch of sessions in which holds have expired that still have seats. Nothing is locked."""
    return [
        (OrganizationId(row["organization_id"]), SessionId(row["session_id"]))
        for row in await _TO_SETTLE.many(on, expired_by, batch_size)
    ]
