"""Record changes in the transaction that makes them: the last step before the commit.

Every use case that changes something ends here, and nothing else writes the history, the outbox,
idempotency keys or events; but the statement that ends messages together writes their events, too.
What is recorded goes to the database with the transaction's next statement or its commit. Each
function that records a change of an appointment returns the changes to publish after the commit, by
`app.usecases.events.publish`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.changes import AppointmentChanged
from app.core.events import PROGRAM, TYPE_OF_CHANGE, EventType, Happening
from app.core.history import history_entry
from app.core.ids import EventId
from app.core.message_rules import plan
from app.core.messages import MessageStatus
from app.core.provider import DEFAULT_REMINDER_MINUTES, Provider
from app.store.idempotency import StoredAnswer
from app.store.record import insert_answer, insert_events, insert_history, insert_outbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.changes import AppointmentChangeKind
    from app.core.events import Author
    from app.core.hold import Hold
    from app.core.ids import (
        CustomerId,
        LocationId,
        MessageLogId,
        OrganizationId,
        ProviderId,
        ResourceId,
        ServiceId,
        SessionId,
        WebhookId,
    )
    from app.core.needs import Assignment
    from app.core.overrides import RuleSetAside
    from app.core.resource import Resource
    from app.core.session import Session
    from app.core.viewer import Viewer
    from app.store.holds import ExpiredHold
    from app.store.idempotency import RequestKey
    from app.store.pool import Writes
    from app.usecases.resources import Resources


_TYPE_OF_MESSAGE: Final = {
    MessageStatus.SENT: EventType.MESSAGE_SENT,
    MessageStatus.FAILED: EventType.MESSAGE_FAILED,
}


def record_change(
    resources: Resources,
    writes: Writes,
    organization_id: OrganizationId,
    before: Appointment | None,
    after: Appointment,
    kind: AppointmentChangeKind,
    *,
    author: Author,
    now: datetime,
    reason: str | None = None,
    key: RequestKey | None = None,
    also: Sequence[Happening] = (),
    assignment: Assignment | None = None,
    ignored: frozenset[RuleSetAside] = frozenset(),
    reminders: Sequence[int] = DEFAULT_REMINDER_MINUTES,
) -> AppointmentChanged:
    """An appointment was booked (`before` is None), moved, cancelled or closed. `key` is the
    request's idempotency key: a retry with the same one gets this appointment. `also` has the
    further events of the same author. `assignment` is how its providers were chosen, if any were;
    `ignored` what was set aside for it. `reminders` are how many minutes before the start the
    organization reminds: for changes that plan reminders.
    """
    (changed,) = record_changes(
        resources,
        writes,
        organization_id,
        [(before, after)],
        kind,
        author=author,
        now=now,
        reason=reason,
        also=also,
        assignment=assignment,
        ignored=ignored,
        reminders=reminders,
    )
    if key is not None:
        answer = StoredAnswer(request_hash=key.request_hash, appointment_id=after.id)
        insert_answer(writes, key.scope, answer, now)
    return changed


def record_changes(
    resources: Resources,
    writes: Writes,
    organization_id: OrganizationId,
    pairs: Sequence[tuple[Appointment | None, Appointment]],
    kind: AppointmentChangeKind,
    *,
    author: Author,
    now: datetime,
    reason: str | None = None,
    also: Sequence[Happening] = (),
    assignment: Assignment | None = None,
    ignored: frozenset[RuleSetAside] = frozenset(),
    reminders: Sequence[int] = DEFAULT_REMINDER_MINUTES,
) -> list[AppointmentChanged]:
    """The same change was made to all of these appointments, of which there is at least one."""
    entries = [
        history_entry(
            before,
            after,
            kind=kind,
            occurred_at=now,
            actor=author.actor,
            actor_subject=author.subject,
            reason=reason,
            assignment=assignment,
            ignored=ignored,
        )
        for before, after in pairs
    ]
    insert_history(writes, organization_id, pairs[0][1].provider_id, entries)
    for before, after in pairs:
        planned = plan(before, after, kind, now, reminders)
        if planned:
            insert_outbox(writes, organization_id, after, planned, author)
    happenings = [
        Happening(
            type=TYPE_OF_CHANGE[kind],
            subject_id=after.id,
            version=after.version,
            provider_id=after.provider_id,
            customer_id=after.customer_id,
        )
        for _, after in pairs
    ]
    record_events(resources, writes, organization_id, [*also, *happenings], author=author, now=now)
    return [
        AppointmentChanged(
            organization_id=organization_id,
            appointment_id=after.id,
            provider_ids=after.providers,
            customer_id=after.customer_id,
            kind=kind,
            version=after.version,
        )
        for _, after in pairs
    ]


def record_answer(writes: Writes, key: RequestKey, session_id: SessionId, now: datetime) -> None:
    """A retry of the same request gets this session."""
    answer = StoredAnswer(request_hash=key.request_hash, session_id=session_id)
    insert_answer(writes, key.scope, answer, now)


def record_hold(
    resources: Resources,
    writes: Writes,
    organization_id: OrganizationId,
    hold: Hold,
    *,
    author: Author,
    now: datetime,
    key: RequestKey,
) -> None:
    """A hold was made. A retry of the same request gets this hold."""
    answer = StoredAnswer(request_hash=key.request_hash, hold_id=hold.id)
    insert_answer(writes, key.scope, answer, now)
    held = Happening(type=EventType.HOLD_CREATED, subject_id=hold.id, provider_id=hold.provider_id)
    record_events(resources, writes, organization_id, [held], author=author, now=now)


def record_messages(
    resources: Resources,
    writes: Writes,
    organization_id: OrganizationId,
    ended: Mapping[MessageLogId, MessageStatus],
) -> None:
    """Messages were sent or have failed permanently; a skipped one makes no event."""
    events = events_of_messages(resources, ended)
    if events:
        insert_events(
            writes, organization_id, events, author=PROGRAM, occurred_at=resources.clock()
        )


def events_of_messages(
    resources: Resources, ended: Mapping[MessageLogId, MessageStatus]
) -> list[tuple[EventId, Happening]]:
    """The events of messages that end so, for the statement that ends them. The author is the
    program.
    """
    return [
        (
            EventId(resources.new_id()),
            Happening(type=_TYPE_OF_MESSAGE[status], subject_id=message_id),
        )
        for message_id, status in ended.items()
        if status in _TYPE_OF_MESSAGE
    ]


def provider_changed(provider_id: ProviderId) -> Happening:
    """The event of a provider who was created or changed, or whose hours were."""
    return Happening(
        type=EventType.PROVIDER_CHANGED, subject_id=provider_id, provider_id=provider_id
    )


def service_changed(service_id: ServiceId) -> Happening:
    """The event of a service that was created or changed, or that others offer since."""
    return Happening(type=EventType.SERVICE_CHANGED, subject_id=service_id)


def resource_changed(resource_id: ResourceId) -> Happening:
    """The event of a resource that was created or changed, or whose hours were."""
    return Happening(type=EventType.RESOURCE_CHANGED, subject_id=resource_id)


def owner_changed(owner: Provider | Resource) -> Happening:
    """The event of a provider or a resource whose hours or busy times were changed."""
    if isinstance(owner, Provider):
        return provider_changed(owner.id)
    return resource_changed(owner.id)


def location_changed(location_id: LocationId) -> Happening:
    """The event of a location that was made or changed."""
    return Happening(type=EventType.LOCATION_CHANGED, subject_id=location_id)


def organization_changed(organization_id: OrganizationId) -> Happening:
    """The event of settings or templates that were changed."""
    return Happening(type=EventType.ORGANIZATION_CHANGED, subject_id=organization_id)


def customer_changed(customer_id: CustomerId) -> Happening:
    """The event of a customer's record that was made or changed."""
    return Happening(
        type=EventType.CUSTOMER_CHANGED, subject_id=customer_id, customer_id=customer_id
    )


def session_changed(event_type: EventType, session: Session) -> Happening:
    """The event of a session that staff moved or cancelled, with everybody in it."""
    return Happening(
        type=event_type,
        subject_id=session.id,
        version=session.version,
        provider_id=session.providers[0],
    )


def webhook_changed(webhook_id: WebhookId) -> Happening:
    """The event of a webhook that was created, changed, deleted or switched off."""
    return Happening(type=EventType.WEBHOOK_CHANGED, subject_id=webhook_id)


def hold_ended(hold: Hold | ExpiredHold) -> Happening:
    """The event of a hold that was used or released, or that has expired."""
    return Happening(type=EventType.HOLD_ENDED, subject_id=hold.id, provider_id=hold.provider_id)


def record_edit(resources: Resources, writes: Writes, viewer: Viewer, happening: Happening) -> None:
    """The caller changed something of the practice, now."""
    record_events(
        resources,
        writes,
        viewer.organization_id,
        [happening],
        author=viewer.author,
        now=resources.clock(),
    )


def record_events(
    resources: Resources,
    writes: Writes,
    organization_id: OrganizationId,
    happenings: Sequence[Happening],
    *,
    author: Author,
    now: datetime,
    ids: Sequence[EventId] = (),
) -> None:
    """Anything else happened: only its events are written, under `ids` where the caller needs to
    know them.
    """
    if happenings:
        ids = ids or [EventId(resources.new_id()) for _ in happenings]
        named = list(zip(ids, happenings, strict=True))
        insert_events(writes, organization_id, named, author=author, occurred_at=now)
