"""Create, change, delete and test webhooks, and rotate their secrets. Administrators only."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from app.core.events import EventType, Happening
from app.core.ids import DeliveryId, EventId, WebhookId
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.sentences import Sentence, say
from app.core.webhooks import (
    MOST_WEBHOOKS,
    REACHES_BACK,
    ROTATION,
    SECRET_BYTES,
    Delivery,
    Webhook,
)
from app.identity.signatures import SECRET_PREFIX
from app.outgoing.addresses import check_address
from app.store.events import end_of_events
from app.store.locks import lock_webhooks
from app.store.pool import transaction
from app.store.webhooks import (
    catch_up,
    count_webhooks,
    deliveries_by_ids,
    insert_deliveries,
    insert_webhook,
    redeliver,
    rotate_secret,
    update_webhook,
    webhook_for_update,
)
from app.store.webhooks import delete_webhook as delete_stored
from app.usecases.events.record import record_edit, record_events, webhook_changed

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.core.validation import Changes
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources

_NOT_ALLOWED: Final = NotAllowed(message=say("Only administrators see and change webhooks."))
_NULL: Final = say("This can't be null.")
_NO_TYPES: Final = InvalidInput(
    field="types", message=say("Choose at least one type of event, or leave this out for all.")
)
_TOO_MANY: Final = InvalidInput(
    field="url",
    message=say(
        "An organization has at most {count} webhooks. Delete one of them.", count=MOST_WEBHOOKS
    ),
)
_EXPIRED: Final = "the webhook was switched off for too long"
_UNKNOWN: Final = NotFound(what="webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class WithSecret:
    """A webhook, and its secret in words: shown this once."""

    webhook: Webhook
    secret: str = field(repr=False)


async def create_webhook(
    resources: Resources, viewer: Viewer, url: str, types: Collection[EventType] | None
) -> WithSecret | InvalidInput | NotAllowed:
    """Create a webhook, which gets what happens from now on, of these types; None: of all."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    refusal = _refused(resources, url, types)
    if refusal is not None:
        return refusal
    secret = new_secret()
    async with transaction(resources.pool) as tx:
        await lock_webhooks(tx, viewer.organization_id)
        if await count_webhooks(tx, viewer.organization_id) >= MOST_WEBHOOKS:
            return _TOO_MANY
        webhook = Webhook(
            id=WebhookId(resources.new_id()),
            url=url,
            types=None if types is None else frozenset(types),
            is_active=True,
            disabled_reason=None,
            created_at=resources.clock(),
        )
        await insert_webhook(
            tx,
            viewer.organization_id,
            webhook,
            sealed_secret=resources.hooks.seal.close(secret),
            after=await end_of_events(tx, viewer.organization_id),
        )
        record_edit(resources, tx, viewer, webhook_changed(webhook.id))
    return WithSecret(webhook=webhook, secret=secret)


async def change_webhook(
    resources: Resources, viewer: Viewer, webhook_id: WebhookId, changes: Changes
) -> Webhook | InvalidInput | NotAllowed | NotFound:
    """Change the named settings; the others stay. `url`, `types`, `is_active`.

    One that is switched on again gets what happened meanwhile, for as long as failed deliveries
    are tried again.
    """
    if not viewer.is_admin:
        return _NOT_ALLOWED
    for name in ("url", "is_active"):
        if name in changes and changes[name] is None:
            return InvalidInput(field=name, message=_NULL)
    async with transaction(resources.pool) as tx:
        stored = await webhook_for_update(tx, viewer.organization_id, webhook_id)
        if stored is None:
            return _UNKNOWN
        types = changes.get("types", stored.types)
        is_active = changes.get("is_active", stored.is_active)
        webhook = replace(
            stored,
            url=changes.get("url", stored.url),
            types=None if types is None else frozenset(types),
            is_active=is_active,
            disabled_reason=None if is_active else stored.disabled_reason,
        )
        refusal = _refused(resources, webhook.url, webhook.types)
        if refusal is not None:
            return refusal
        await update_webhook(tx, viewer.organization_id, webhook)
        if webhook.is_active and not stored.is_active:
            await catch_up(
                tx,
                viewer.organization_id,
                webhook_id,
                happened_before=resources.clock() - REACHES_BACK,
                problem=_EXPIRED,
                real_now=resources.real_clock(),
            )
        record_edit(resources, tx, viewer, webhook_changed(webhook_id))
    return webhook


async def delete_webhook(
    resources: Resources, viewer: Viewer, webhook_id: WebhookId
) -> Webhook | NotAllowed | NotFound:
    """Delete a webhook, with its log; as it was."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    async with transaction(resources.pool) as tx:
        stored = await webhook_for_update(tx, viewer.organization_id, webhook_id)
        if stored is None:
            return _UNKNOWN
        await delete_stored(tx, viewer.organization_id, webhook_id, resources.clock())
        record_edit(resources, tx, viewer, webhook_changed(webhook_id))
    return stored


async def rotate_webhook_secret(
    resources: Resources, viewer: Viewer, webhook_id: WebhookId
) -> WithSecret | NotAllowed | NotFound:
    """A new secret. The one before signs as well for a day; one that is older stops at once."""
    if not viewer.is_admin:
        return _NOT_ALLOWED
    secret = new_secret()
    async with transaction(resources.pool) as tx:
        stored = await webhook_for_update(tx, viewer.organization_id, webhook_id)
        if stored is None:
            return _UNKNOWN
        await rotate_secret(
            tx,
            viewer.organization_id,
            webhook_id,
            sealed_secret=resources.hooks.seal.close(secret),
            previous_until=resources.real_clock() + ROTATION,
        )
        record_edit(resources, tx, viewer, webhook_changed(webhook_id))
    return WithSecret(webhook=stored, secret=secret)


async def send_test_event(
    resources: Resources, viewer: Viewer, webhook_id: WebhookId
) -> Delivery | NotAllowed | NotFound:
    """Send an event that says nothing but that it is a test: once, also to a webhook that is
    off.
    """
    if not viewer.is_admin:
        return _NOT_ALLOWED
    delivery_id = DeliveryId(resources.new_id())
    event_id = EventId(resources.new_id())
    async with transaction(resources.pool) as tx:
        stored = await webhook_for_update(tx, viewer.organization_id, webhook_id)
        if stored is None:
            return _UNKNOWN
        test = Happening(type=EventType.WEBHOOK_TESTED, subject_id=webhook_id)
        record_events(
            resources,
            tx,
            viewer.organization_id,
            [test],
            author=viewer.author,
            now=resources.clock(),
            ids=[event_id],
        )
        await insert_deliveries(
            tx,
            viewer.organization_id,
            webhook_id,
            [(delivery_id, event_id)],
            due_at=resources.real_clock(),
            by_hand=True,
        )
        found = await deliveries_by_ids(tx, viewer.organization_id, [delivery_id])
    return found[delivery_id]


async def redeliver_event(
    resources: Resources, viewer: Viewer, delivery_id: DeliveryId
) -> Delivery | NotAllowed | NotFound:
    """Send it again now. One that has ended is tried once, also while its webhook is off; one that
    is to be tried again anyway is tried earlier; one that was not tried yet keeps its place.
    """
    if not viewer.is_admin:
        return _NOT_ALLOWED
    async with transaction(resources.pool) as tx:
        if not await redeliver(
            tx, viewer.organization_id, delivery_id, real_now=resources.real_clock()
        ):
            return NotFound(what="delivery")
        found = await deliveries_by_ids(tx, viewer.organization_id, [delivery_id])
    return found[delivery_id]


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def _refused(
    resources: Resources, url: str, types: Collection[EventType] | None
) -> InvalidInput | None:
    if types is not None and not types:
        return _NO_TYPES
    problem: Sentence | None = check_address(url, resources.outgoing.networks)
    return None if problem is None else InvalidInput(field="url", message=problem)
