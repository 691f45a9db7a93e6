"""Webhooks: where events are sent, and the log of what was delivered. Administrators only."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

import strawberry

from app.api.operation.info import Info
from app.api.words.changes import changes_of
from app.api.words.enums import DeliveryStatus, EventType
from app.api.words.keys import delivery_key, webhook_key
from app.api.words.node import Node
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    refused,
)
from app.api.words.relay import (
    After,
    Connection,
    First,
    Order,
    PageRequest,
    connect,
    global_id,
)
from app.api.words.sentences import translate
from app.core import webhooks as core
from app.core.ids import DeliveryId
from app.usecases.webhooks.edit_webhook import (
    WithSecret,
    change_webhook,
    create_webhook,
    delete_webhook,
    redeliver_event,
    rotate_webhook_secret,
    send_test_event,
)
from app.usecases.webhooks.list_webhooks import (
    list_deliveries,
    list_webhooks,
    number_of_deliveries,
)

if TYPE_CHECKING:
    from app.api.graph.events import Event

LATEST_FIRST: Final = Order(name="deliveries", types=(UUID,))

LazyEvent = Annotated["Event", strawberry.lazy("app.api.graph.events")]

_URL = (
    "Where events are posted to: https only, at a public address; redirects are not followed. Up "
    "to 2,000 characters."
)
_TYPES = "Which events it gets."


@strawberry.type(
    description="One event for one webhook, and how its last try ended. It is tried for about "
    "three days, with growing pauses, until the receiver answers with a 2xx status."
)
class Delivery(Node):
    """Maps the core's `Delivery`; made only for administrators."""

    row: strawberry.Private[core.Delivery]
    status: DeliveryStatus = strawberry.field(description="The state of the delivery.")
    attempts: int = strawberry.field(description="How often it was tried.")
    last_attempt_at: datetime | None = strawberry.field(
        description="When the last try ended; null before the first."
    )
    next_attempt_at: datetime | None = strawberry.field(
        description="The earliest time of the next try; null if there is none, and while it waits "
        "for an earlier event of its subject that was not tried yet. It may take longer: a failing "
        "receiver gets pauses."
    )
    response_status: int | None = strawberry.field(
        description="The HTTP status of the last answer; null where there was none."
    )
    problem: str | None = strawberry.field(
        description="Why the last try failed, with the beginning of the answer; in English."
    )

    @strawberry.field(description="What is delivered.")
    def event(self) -> LazyEvent:
        """Known with the delivery."""
        from app.api.graph.events import Event as EventType  # noqa: PLC0415  its subject may be a webhook

        return EventType.of(self.row.event)

    @classmethod
    def of(cls, delivery: core.Delivery) -> Self:
        """From the core."""
        return cls(
            id=global_id("Delivery", delivery.id),
            row=delivery,
            status=delivery.status,
            attempts=delivery.attempts,
            last_attempt_at=delivery.last_attempt_at,
            next_attempt_at=delivery.next_attempt_at,
            response_status=delivery.response_status,
            problem=delivery.problem,
        )


DeliveryConnection = Connection[Delivery]


@strawberry.type(
    description="Sends events to an address of yours, at least once each, signed as Standard "
    "Webhooks specifies. Later events of a subject wait for an earlier one that "
    "fails, for at most ten minutes."
)
class Webhook(Node):
    """Maps the core's `Webhook`; made only for administrators."""

    row: strawberry.Private[core.Webhook]
    url: str = strawberry.field(description="Where events are posted to.")
    types: list[EventType] = strawberry.field(
        description="Which events it gets. If none were chosen: all, including types that are "
        "added later."
    )
    is_active: bool = strawberry.field(
        description="Whether it gets events. When it is switched on again, it gets the events "
        "since then, at most three days back."
    )
    created_at: datetime = strawberry.field(description="When it was created.")

    @strawberry.field(
        description="Why the server switched it off: its receiver answered 410 Gone, or every "
        "delivery failed for five days."
    )
    def disabled_reason(self, info: Info) -> str | None:
        """In the caller's language."""
        reason = self.row.disabled_reason
        if reason is None:
            return None
        return translate(core.DISABLED_SENTENCES[reason], info.context.language)

    @strawberry.field(
        description="The log of what was delivered to it, latest first, as far back as events are "
        "kept."
    )
    async def deliveries(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        status: Annotated[
            list[DeliveryStatus] | None,
            strawberry.argument(description="Only these; left out: all."),
        ] = None,
    ) -> DeliveryConnection:
        """Keyset pages."""
        page = PageRequest.read(LATEST_FIRST, first=first, after=after)
        resources, organization_id = info.context.resources, info.context.viewer.organization_id
        place = page.after[0] if page.after else None
        before = DeliveryId(place) if isinstance(place, UUID) else None
        return connect(
            page,
            LATEST_FIRST,
            await list_deliveries(
                resources,
                organization_id,
                self.row.id,
                before=before,
                statuses=status,
                limit=page.fetch_limit,
            ),
            key=lambda each: (each.id,),
            node=Delivery.of,
            count=lambda: number_of_deliveries(resources, organization_id, self.row.id, status),
        )

    @classmethod
    def of(cls, webhook: core.Webhook) -> Self:
        """From the core."""
        return cls(
            id=global_id("Webhook", webhook.id),
            row=webhook,
            url=webhook.url,
            types=[each for each in EventType if webhook.wants(each)],
            is_active=webhook.is_active,
            created_at=webhook.created_at,
        )


@strawberry.type(description="A webhook and the secret that its messages are signed with.")
class WebhookWithSecret:
    """Maps `WithSecret`."""

    webhook: Webhook = strawberry.field(description="The webhook.")
    secret: str = strawberry.field(
        description="`whsec_…`, for a Standard Webhooks library. Keep it: it is shown only now."
    )

    @classmethod
    def of(cls, answer: WithSecret) -> Self:
        """From the use case."""
        return cls(webhook=Webhook.of(answer.webhook), secret=answer.secret)


@strawberry.input(description="A new webhook.")
class CreateWebhookInput:
    """See the use case."""

    url: str = strawberry.field(description=_URL)
    types: list[EventType] | None = strawberry.field(
        default=None, description=f"{_TYPES} Left out: all, also later ones."
    )


@strawberry.input(description="Changes of a webhook: absent means unchanged.")
class UpdateWebhookInput:
    """See the use case."""

    id: strawberry.ID = strawberry.field(description="Which webhook.")
    url: str | None = strawberry.field(default=strawberry.UNSET, description=_URL)
    types: list[EventType] | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_TYPES} Null: all, also later ones."
    )
    is_active: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether it gets events."
    )


@strawberry.input(description="Names a webhook.")
class WebhookInput:
    """See the use cases."""

    id: strawberry.ID = strawberry.field(description="Which webhook.")


@strawberry.input(description="Names a delivery.")
class RedeliverInput:
    """See the use case."""

    delivery_id: strawberry.ID = strawberry.field(description="Which delivery.")


CreateWebhookResult = Annotated[
    WebhookWithSecret | InvalidInputError | NotAllowedError,
    strawberry.union("CreateWebhookResult", description="The new webhook, or why there is none."),
]
UpdateWebhookResult = Annotated[
    Webhook | InvalidInputError | NotAllowedError | NotFoundError,
    strawberry.union(
        "UpdateWebhookResult", description="The changed webhook, or why it is unchanged."
    ),
]
DeleteWebhookResult = Annotated[
    Webhook | NotAllowedError | NotFoundError,
    strawberry.union(
        "DeleteWebhookResult", description="The deleted webhook, or why it was not deleted."
    ),
]
RotateWebhookSecretResult = Annotated[
    WebhookWithSecret | NotAllowedError | NotFoundError,
    strawberry.union(
        "RotateWebhookSecretResult", description="The new secret, or why there is none."
    ),
]
RedeliverResult = Annotated[
    Delivery | NotAllowedError | NotFoundError,
    strawberry.union(
        "RedeliverResult", description="The delivery that is under way, or why there is none."
    ),
]


@strawberry.type
class WebhookQuery:
    """The root field of webhooks."""

    @strawberry.field(
        description="The organization's webhooks, oldest first. Administrators only: null for "
        "others."
    )
    async def webhooks(self, info: Info) -> list[Webhook] | None:
        """See the use case."""
        found = await list_webhooks(info.context.resources, info.context.viewer)
        return None if found is None else [Webhook.of(each) for each in found]


@strawberry.type
class WebhookMutation:
    """The mutations of webhooks."""

    @strawberry.mutation(
        description="Creates a webhook, at most 20 for an organization. It gets what happens from "
        "now on. Administrators only."
    )
    async def create_webhook(
        self,
        info: Info,
        input: Annotated[CreateWebhookInput, strawberry.argument(description="The new webhook.")],
    ) -> CreateWebhookResult:
        """See the use case."""
        answer = await create_webhook(
            info.context.resources, info.context.viewer, input.url, input.types
        )
        return WebhookWithSecret.of(answer) if isinstance(answer, WithSecret) else refused(answer)

    @strawberry.mutation(
        description="Changes a webhook, or switches it off and on. Administrators only."
    )
    async def update_webhook(
        self,
        info: Info,
        input: Annotated[
            UpdateWebhookInput,
            strawberry.argument(description="Which webhook, and what changes."),
        ],
    ) -> UpdateWebhookResult:
        """See the use case."""
        answer = await change_webhook(
            info.context.resources,
            info.context.viewer,
            webhook_key(input.id),
            changes_of(input, without=frozenset({"id"})),
        )
        return Webhook.of(answer) if isinstance(answer, core.Webhook) else refused(answer)

    @strawberry.mutation(description="Deletes a webhook, with its log. Administrators only.")
    async def delete_webhook(
        self,
        info: Info,
        input: Annotated[WebhookInput, strawberry.argument(description="Which webhook.")],
    ) -> DeleteWebhookResult:
        """See the use case."""
        answer = await delete_webhook(
            info.context.resources, info.context.viewer, webhook_key(input.id)
        )
        return Webhook.of(answer) if isinstance(answer, core.Webhook) else refused(answer)

    @strawberry.mutation(
        description="Gives a webhook a new secret. The previous one also signs for another day; "
        "older ones stop at once. Administrators only."
    )
    async def rotate_webhook_secret(
        self,
        info: Info,
        input: Annotated[WebhookInput, strawberry.argument(description="Which webhook.")],
    ) -> RotateWebhookSecretResult:
        """See the use case."""
        answer = await rotate_webhook_secret(
            info.context.resources, info.context.viewer, webhook_key(input.id)
        )
        return WebhookWithSecret.of(answer) if isinstance(answer, WithSecret) else refused(answer)

    @strawberry.mutation(
        description="Sends a WEBHOOK_TESTED event to this webhook, once, also while it is off. "
        "Read the delivery again to see how it went. Administrators only."
    )
    async def send_test_event(
        self,
        info: Info,
        input: Annotated[WebhookInput, strawberry.argument(description="Which webhook.")],
    ) -> RedeliverResult:
        """See the use case."""
        answer = await send_test_event(
            info.context.resources, info.context.viewer, webhook_key(input.id)
        )
        return Delivery.of(answer) if isinstance(answer, core.Delivery) else refused(answer)

    @strawberry.mutation(
        description="Sends an event again, now. A delivery that has ended is tried once more; one "
        "that waits for its next try is tried at once. Administrators only."
    )
    async def redeliver(
        self,
        info: Info,
        input: Annotated[RedeliverInput, strawberry.argument(description="Which delivery.")],
    ) -> RedeliverResult:
        """See the use case."""
        answer = await redeliver_event(
            info.context.resources, info.context.viewer, delivery_key(input.delivery_id)
        )
        return Delivery.of(answer) if isinstance(answer, core.Delivery) else refused(answer)
