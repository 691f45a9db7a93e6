"""Messages about appointments: what was sent and what is planned, and the mutation that sends one
again.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from app.api.operation.info import Info
from app.api.words.enums import (
    Channel,
    MessageKind,
    MessageStatus,
    Recipient,
)
from app.api.words.keys import appointment_key, optional_provider_key
from app.api.words.node import Node
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.relay import global_id_of_part
from app.core.messages import Message
from app.usecases.messages.resend_message import ResendForm, resend_message

if TYPE_CHECKING:
    from app.api.graph.providers import Provider

LazyProvider = Annotated["Provider", strawberry.lazy("app.api.graph.providers")]


@strawberry.type(
    description="A message about an appointment: planned, in transit, or with its outcome."
)
class Reminder(Node):
    """Maps the core's `Message`."""

    kind: MessageKind = strawberry.field(description="Why it is sent.")
    channel: Channel = strawberry.field(description="How it travels.")
    recipient: Recipient = strawberry.field(description="The recipient that it is for.")
    status: MessageStatus = strawberry.field(
        description="Its status; PENDING until it is sent, skipped or has failed."
    )
    due_at: datetime = strawberry.field(description="When it is to be sent.")
    sent_at: datetime | None = strawberry.field(description="When it was sent.")
    detail: str | None = strawberry.field(
        description=(
            "Why it failed or was skipped, or what the last attempt failed with before "
            "the "
            "next one."
        )
    )
    is_resend: bool = strawberry.field(description="Whether staff asked to send it again.")
    minutes_before: int | None = strawberry.field(
        description="How many minutes before the start a reminder is due; null for other messages."
    )
    row: strawberry.Private[Message]

    @strawberry.field(description="Which provider it is for; null where it is for the customer.")
    async def provider(self, info: Info) -> LazyProvider | None:
        """Batched."""
        from app.api.graph.providers import Provider as ProviderType  # noqa: PLC0415  the two types name each other

        if self.row.provider_id is None:
            return None
        found = await info.context.loaders.provider.load(self.row.provider_id)
        return None if found is None else ProviderType.of(found)

    @classmethod
    def of(cls, message: Message) -> Self:
        """From the core."""
        return cls(
            id=global_id_of_part("Reminder", message.appointment_id, message.key),
            row=message,
            kind=message.kind,
            channel=message.channel,
            recipient=message.recipient,
            status=message.status,
            due_at=message.due_at,
            sent_at=message.sent_at,
            detail=message.detail,
            is_resend=message.is_resend,
            minutes_before=message.minutes_before,
        )


@strawberry.input(description="A message to send again, now.")
class ResendReminderInput:
    """Becomes a `ResendForm`."""

    appointment_id: strawberry.ID = strawberry.field(
        description="Which appointment; the message shows its present state."
    )
    kind: MessageKind = strawberry.field(description="Which message.")
    recipient: Recipient = strawberry.field(description="The recipient.")
    channel: Channel = strawberry.field(
        description="The channel; it need not be one that they prefer."
    )
    provider_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="To which provider, where the recipient is one; left out: the lead.",
    )


ResendReminderResult = Annotated[
    Reminder | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union("ResendReminderResult", description="The new message, or why there is none."),
]


@strawberry.type
class ReminderMutation:
    """The mutation of messages."""

    @strawberry.mutation(
        description="Sends a message again, as a new entry in the appointment's messages. If one "
        "is already waiting to be sent, that one is returned. The provider, reception"
        " and administrators only."
    )
    async def resend_reminder(
        self,
        info: Info,
        input: Annotated[
            ResendReminderInput, strawberry.argument(description="Which message to send again.")
        ],
    ) -> ResendReminderResult:
        """See the use case."""
        form = ResendForm(
            appointment_id=appointment_key(input.appointment_id),
            kind=input.kind,
            recipient=input.recipient,
            channel=input.channel,
            provider_id=optional_provider_key(input.provider_id),
        )
        answer = await resend_message(info.context.resources, info.context.viewer, form)
        match answer:
            case Message():
                return Reminder.of(answer)
            case _:
                return refused(answer)
