"""What happened, as stored: history, outbox, idempotency keys and events.

Everything waits for the transaction's next statement, so that it costs no round trip of its own.
Only `app.usecases.events.record` calls this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.message_rules import REMINDERS
from app.store.messages import StoredKind
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.events import Author, Happening
    from app.core.history import HistoryEntry
    from app.core.ids import EventId, OrganizationId, ProviderId
    from app.core.message_rules import Planned
    from app.store.idempotency import KeyScope, StoredAnswer
    from app.store.pool import Writes

_HISTORY = query("insert_history")
_OUTBOX = query("insert_outbox")
_KEY = query("insert_idempotency_key")
_BEGIN_EPOCH = query("begin_epoch")
_EVENTS = query("insert_events")
_RECORD_EVENTS = query("record_events")


def insert_history(
    writes: Writes,
    organization_id: OrganizationId,
    provider_id: ProviderId,
    entries: Sequence[HistoryEntry],
) -> None:
    """One entry for each appointment that the same change was made to: of one kind, by one author,
    into one state, under the same override, and from the same providers to the same ones where it
    changed them.
    `provider_id` is any provider of the organization.
    """
    first = entries[0]
    replaced = first.from_providers not in {(), first.to_providers}
    _HISTORY.later(
        writes,
        organization_id,
        provider_id,
        [entry.appointment_id for entry in entries],
        [entry.version for entry in entries],
        first.kind,
        first.occurred_at,
        first.actor,
        first.actor_subject,
        [entry.from_status for entry in entries],
        first.to_status,
        [entry.from_starts_at for entry in entries],
        [entry.to_starts_at for entry in entries],
        first.reason,
        first.from_providers if replaced else None,
        first.assignment,
        [entry.from_session for entry in entries],
        [None if entry.from_seats == entry.to_seats else entry.from_seats for entry in entries],
        sorted(first.ignored) or None,
        first.former is not None,
        *(first.former or (None, None)),
    )


def insert_outbox(
    writes: Writes,
    organization_id: OrganizationId,
    appointment: Appointment,
    planned: Sequence[Planned],
    author: Author,
) -> None:
    """Messages about the appointment's current time, after a change by this author."""
    _OUTBOX.later(
        writes,
        organization_id,
        appointment.provider_id,
        appointment.id,
        appointment.time_version,
        [str(StoredKind(each.kind, each.minutes_before)) for each in planned],
        [each.due_at for each in planned],
        author.actor.is_guest,
        # Reminders don't count, and wait for long: the network would outlive an erasure.
        [None if each.kind in REMINDERS else author.origin for each in planned],
    )


def insert_answer(
    writes: Writes, scope: KeyScope, answer: StoredAnswer, created_at: datetime
) -> None:
    """The key with its result. Its lock is held."""
    _KEY.later(
        writes,
        scope.organization_id,
        scope.mutation,
        scope.caller,
        scope.key,
        answer.request_hash,
        answer.appointment_id,
        answer.hold_id,
        created_at,
        answer.session_id,
    )


def insert_events(
    writes: Writes,
    organization_id: OrganizationId,
    happenings: Sequence[tuple[EventId, Happening]],
    *,
    author: Author,
    occurred_at: datetime,
) -> None:
    """Events, each under its id. The transaction's id is their place in the organization's log."""
    happened = (
        organization_id,
        [event_id for event_id, _ in happenings],
        [each.type for _, each in happenings],
        [each.subject_id for _, each in happenings],
        [each.version for _, each in happenings],
        [each.provider_id for _, each in happenings],
        [each.customer_id for _, each in happenings],
        occurred_at,
        author.actor,
        author.staff_subject,
    )
    if writes.is_distributed:
        _RECORD_EVENTS.later(writes, *happened)
    else:
        _BEGIN_EPOCH.once(writes, organization_id)
        _EVENTS.later(writes, *happened)
