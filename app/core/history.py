"""The history of an appointment: its changes, version by version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.core.lifecycle import is_readdressed

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.appointment import Appointment, AppointmentStatus
    from app.core.changes import AppointmentChangeKind
    from app.core.ids import AppointmentId, ProviderId, SessionId
    from app.core.lifecycle import Actor
    from app.core.needs import Assignment
    from app.core.overrides import RuleSetAside


class Addresses(NamedTuple):
    """Where a customer was reached; both None once they were erased."""

    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One change. `actor_subject` is that of the actor's token; the `from_` fields are None, or
    empty, where it began.

    `assignment` is the order by which providers were chosen; None where all were named, or none
    were chosen. The sessions are None where the appointment has time of its own. `ignored` are the
    rules that were set aside for this change. `former` are the customer's addresses before a
    correction that changed one of them.
    """

    appointment_id: AppointmentId
    version: int
    kind: AppointmentChangeKind
    occurred_at: datetime
    actor: Actor
    actor_subject: str | None
    from_status: AppointmentStatus | None
    to_status: AppointmentStatus
    from_starts_at: datetime | None
    to_starts_at: datetime
    reason: str | None
    from_providers: tuple[ProviderId, ...]
    to_providers: tuple[ProviderId, ...]
    assignment: Assignment | None = None
    from_session: SessionId | None = None
    to_session: SessionId | None = None
    from_seats: int = 1
    to_seats: int = 1
    ignored: frozenset[RuleSetAside] = frozenset()
    former: Addresses | None = None

    @property
    def is_news(self) -> bool:
        """Whether it gave the appointment another time version."""
        before = self.from_starts_at, self.from_providers, self.from_session, self.from_seats
        after = self.to_starts_at, self.to_providers, self.to_session, self.to_seats
        return before != after or self.former is not None


def history_entry(
    before: Appointment | None,
    after: Appointment,
    *,
    kind: AppointmentChangeKind,
    occurred_at: datetime,
    actor: Actor,
    actor_subject: str | None,
    reason: str | None = None,
    assignment: Assignment | None = None,
    ignored: frozenset[RuleSetAside] = frozenset(),
) -> HistoryEntry:
    """The entry of a change; `before` is None where the appointment was booked."""
    return HistoryEntry(
        appointment_id=after.id,
        version=after.version,
        kind=kind,
        occurred_at=occurred_at,
        actor=actor,
        actor_subject=actor_subject,
        from_status=None if before is None else before.status,
        to_status=after.status,
        from_starts_at=None if before is None else before.starts_at,
        to_starts_at=after.starts_at,
        reason=reason,
        from_providers=() if before is None else before.providers,
        to_providers=after.providers,
        assignment=assignment,
        from_session=None if before is None else before.session_id,
        to_session=after.session_id,
        from_seats=after.seats if before is None else before.seats,
        to_seats=after.seats,
        ignored=ignored,
        former=None
        if before is None or not is_readdressed(before.contact, after.contact)
        else Addresses(before.contact.email, before.contact.phone),
    )
