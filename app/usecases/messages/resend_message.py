"""Resend a message on purpose: it gets a row of its own in the log, and is sent like any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.core.appointment import AppointmentStatus
from app.core.ids import MessageLogId
from app.core.message_rules import SkipReason
from app.core.messages import Message, MessageKind, MessageStatus, Recipient
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import Sentence, say
from app.store.appointments import share_appointments
from app.store.messages import NewMessage, insert_resend, messages_of_appointments
from app.store.pool import transaction
from app.usecases.messages.compose_messages import load_subjects
from app.usecases.messages.limit_messages import destination_of, limit_messages

if TYPE_CHECKING:
    from app.core.appointment import Appointment
    from app.core.ids import AppointmentId, ProviderId
    from app.core.message_rules import MessageKey
    from app.core.messages import Channel
    from app.core.viewer import Viewer
    from app.usecases.messages.compose_messages import Subject
    from app.usecases.resources import Resources

_OF_THE_CHANNEL = frozenset(
    {
        SkipReason.OPTED_OUT,
        SkipReason.NO_ADDRESS,
        SkipReason.UNWANTED,
        SkipReason.UNVERIFIED,
        SkipReason.TOO_MANY,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendForm:
    """The message to send again, its recipient and its channel. `provider_id` is which provider it
    is for, where it is for one; None: the lead.
    """

    appointment_id: AppointmentId
    kind: MessageKind
    recipient: Recipient
    channel: Channel
    provider_id: ProviderId | None = None


async def resend_message(
    resources: Resources, viewer: Viewer, form: ResendForm
) -> Message | InvalidInput | NotAllowed | NotFound:
    """Send it again, about the appointment as it is now. While such a resend is pending, the answer
    is that one.
    """
    if not viewer.is_staff:
        return NotAllowed(
            message=say("Only the provider, reception and administrators send a message again.")
        )
    organization_id = viewer.organization_id
    async with transaction(resources.pool) as tx:
        # An erasure is over, or waits and erases what is written here.
        await share_appointments(tx, organization_id, [form.appointment_id])
        subject = (await load_subjects(tx, organization_id, [form.appointment_id])).get(
            form.appointment_id
        )
        if subject is None or not viewer.runs_any(subject.appointment.providers):
            return NotFound(what="appointment")
        appointment, now = subject.appointment, resources.clock()
        provider_id = _provider(form, appointment)
        if isinstance(provider_id, InvalidInput):
            return provider_id
        message = replace(
            subject.message(form.kind, form.recipient, form.channel),
            is_resend=True,
            provider_id=provider_id,
        )
        if (never := _never_happened(form.kind, subject)) is not None:
            return InvalidInput(field="kind", message=never)
        reach = subject.reach(message)
        reason = subject.why_not(message, reach, now)
        if reason is not None:
            return _refused(reason)
        resend = NewMessage(
            id=MessageLogId(resources.new_id()),
            appointment_id=appointment.id,
            message=message,
            due_at=now,
            skipped=None,
            destination=destination_of(resources, organization_id, message, reach),
        )
        [limited] = await limit_messages(resources, tx, organization_id, [resend], now)
        if limited.skipped is None:
            await insert_resend(tx, organization_id, limited, free_from=resources.real_clock())
        log = (await messages_of_appointments(tx, organization_id, [appointment.id])).get(
            appointment.id, []
        )
    again = [row for row in log if _is_such_resend(row, message)]
    waiting = [row for row in again if row.status is MessageStatus.PENDING]
    if limited.skipped is not None and not waiting:
        return _refused(limited.skipped)
    resources.messaging.wake()
    return (waiting or again)[-1]


def _refused(reason: SkipReason) -> InvalidInput:
    field = "channel" if reason in _OF_THE_CHANNEL else "appointment_id"
    return InvalidInput(
        field=field, message=say("It can't be sent: {reason}.", reason=say(reason.value))
    )


def _never_happened(kind: MessageKind, subject: Subject) -> Sentence | None:
    appointment, recent = subject.appointment, subject.recent
    if kind is MessageKind.CANCELLED and appointment.status is not AppointmentStatus.CANCELLED:
        return say("The appointment is not cancelled.")
    if kind is MessageKind.READDRESSED:
        return say("This message goes to an address that was replaced; it is not sent again.")
    if kind is MessageKind.CORRECTED and not recent.former:
        return say("No address of this appointment was corrected.")
    # Counted, since the history may have lost its beginning.
    moves = appointment.time_version - 1 - len(recent.former)
    if kind is MessageKind.RESCHEDULED and moves == 0:
        return say("The appointment was never moved.")
    return None


def _provider(form: ResendForm, appointment: Appointment) -> ProviderId | InvalidInput | None:
    """Which provider it is for; None for the customer."""
    if form.recipient is Recipient.CUSTOMER:
        return None
    chosen = form.provider_id or appointment.provider_id
    if chosen in appointment.providers:
        return chosen
    return InvalidInput(
        field="provider_id", message=say("The appointment does not take this provider.")
    )


def _is_such_resend(row: Message, message: MessageKey) -> bool:
    return row.is_resend and (row.kind, row.recipient, row.channel, row.provider_id) == (
        message.kind,
        message.recipient,
        message.channel,
        message.provider_id,
    )
