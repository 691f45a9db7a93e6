"""List messages: those that were due about an appointment, and those that are planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.messages import Message, MessageStatus
from app.store.messages import messages_of_appointments, outbox_of_appointments
from app.usecases.messages.compose_messages import load_subjects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.core.ids import AppointmentId, OrganizationId
    from app.store.messages import OutboxEntry
    from app.store.sql import Executor
    from app.usecases.messages.compose_messages import Subject


async def list_messages(
    on: Executor, organization_id: OrganizationId, appointment_ids: Sequence[AppointmentId]
) -> dict[AppointmentId, list[Message]]:
    """The log of each appointment with what is still planned, in the order in which it is due.

    Planned messages are listed for the recipients and channels of this moment; those may change
    until they are due.
    """
    # The outbox first: what moves from there to the log between the two reads is then seen twice
    # rather than never.
    outbox = await outbox_of_appointments(on, organization_id, appointment_ids)
    log = await messages_of_appointments(on, organization_id, appointment_ids)
    subjects = await load_subjects(on, organization_id, list(outbox)) if outbox else {}
    for appointment_id, entries in outbox.items():
        subject = subjects.get(appointment_id)
        if subject is None:
            continue
        logged = log.setdefault(appointment_id, [])
        known = {_key(row) for row in logged if not row.is_resend}
        logged += [planned for planned in _planned(subject, entries) if _key(planned) not in known]
        logged.sort(key=lambda row: row.due_at)
    return log


def _key(row: Message) -> tuple[object, ...]:
    return (
        row.time_version,
        row.kind,
        row.minutes_before,
        row.recipient,
        row.channel,
        row.provider_id,
        row.session_id,
    )


def _planned(subject: Subject, entries: Sequence[OutboxEntry]) -> Iterator[Message]:
    for entry in entries:
        for message in subject.messages(entry.kind, entry.time_version):
            reach = subject.reach(message)
            if subject.why_not(message, reach, entry.due_at) is None:
                yield Message(
                    id=None,
                    appointment_id=entry.appointment_id,
                    time_version=message.time_version,
                    kind=message.kind,
                    minutes_before=message.minutes_before,
                    recipient=message.recipient,
                    channel=message.channel,
                    status=MessageStatus.PENDING,
                    due_at=entry.due_at,
                    provider_id=message.provider_id,
                    session_id=message.session_id,
                )
