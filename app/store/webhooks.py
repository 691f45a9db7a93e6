"""Webhooks and their deliveries, as stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.events import EventCursor, EventType
from app.core.ids import DeliveryId, OrganizationId, WebhookId
from app.core.webhooks import (
    HOLDS_BACK,
    PROBLEM_LENGTH,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Failed,
    Health,
    Webhook,
)
from app.store.events import event_from
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from app.core.ids import EventId
    from app.core.webhooks import Closed, Outcome
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_INSERT = query("insert_webhook")
_COUNT = query("count_webhooks")
_OF_ORGANIZATION = query("webhooks_of_organization")
_BY_IDS = query("webhooks_by_ids")
_FOR_UPDATE = query("webhook_for_update")
_UPDATE = query("update_webhook")
_CATCH_UP = query("catch_up_webhook")
_EXPIRE = query("expire_deliveries")
_RELEASE_EXPIRED = query("release_deliveries")
_ROTATE = query("rotate_secret")
_RESEAL = query("reseal_secrets")
_DELETE = query("delete_webhook")
_PAGE = query("delivery_page")
_COUNT_DELIVERIES = query("count_deliveries")
_DELIVERIES = query("deliveries_by_ids")
_REDELIVER = query("redeliver")
_INSERT_DELIVERIES = query("insert_deliveries")
_TO_DO = query("webhooks_to_do")
_LEASE = query("lease_webhook")
_RENEW = query("renew_lease")
_RELEASE = query("release_lease")
_MOVE = query("move_webhook")
_READY = query("ready_deliveries")
_READY_BY_HAND = query("ready_by_hand")
_RECORD = query("record_attempts")
_RELEASE_NEXT = query("release_next")
_RECORD_HEALTH = query("record_health")
_SWITCH_OFF = query("switch_off_webhook")
_NOTICES = query("notices_due")
_CLAIM_NOTICE = query("claim_notice")
_CLOSE_NOTICE = query("close_notice")
_LAG = query("webhook_lag")
_RELEASE_PURGED = query("release_all_deliveries")
_PURGE_DELIVERIES = query("purge_deliveries")
_PURGE_OF_DELETED = query("purge_deliveries_of_deleted")
_PURGE_WEBHOOKS = query("purge_webhooks")


def webhook_from(row: Record) -> Webhook:
    """A webhook from a row with the webhook's columns under their own names."""
    types, reason = row["types"], row["disabled_reason"]
    return Webhook(
        id=WebhookId(row["id"]),
        url=row["url"],
        types=None if types is None else frozenset(EventType(each) for each in types),
        is_active=row["is_active"],
        disabled_reason=None if reason is None else DisabledReason(reason),
        created_at=row["created_at"],
    )


def delivery_from(row: Record) -> Delivery:
    """A delivery from a row that has its columns and its event's."""
    return Delivery(
        id=DeliveryId(row["delivery_id"]),
        webhook_id=WebhookId(row["webhook_id"]),
        event=event_from(row),
        status=DeliveryStatus(row["status"]),
        by_hand=row["by_hand"],
        attempts=row["attempts"],
        last_attempt_at=row["last_attempt_at"],
        next_attempt_at=row["next_attempt_at"],
        response_status=row["response_status"],
        problem=row["problem"],
    )


# ---------------------------------------------------------------- settings


async def insert_webhook(
    tx: Transaction,
    organization_id: OrganizationId,
    webhook: Webhook,
    *,
    sealed_secret: str,
    after: EventCursor,
) -> None:
    """Store a new webhook, which gets the events after this place."""
    await _INSERT.one(
        tx,
        organization_id,
        webhook.id,
        webhook.url,
        _stored(webhook.types),
        sealed_secret,
        after.epoch,
        after.transaction_id,
        after.id,
        webhook.created_at,
    )


async def count_webhooks(tx: Transaction, organization_id: OrganizationId) -> int:
    """How many the organization has."""
    row = await _COUNT.one(tx, organization_id)
    total: int = row["total"]
    return total


async def webhooks_of_organization(on: Executor, organization_id: OrganizationId) -> list[Webhook]:
    """All of the organization's, oldest first."""
    return [webhook_from(row) for row in await _OF_ORGANIZATION.many(on, organization_id)]


async def webhooks_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Collection[WebhookId]
) -> dict[WebhookId, Webhook]:
    """Those that exist, by id."""
    rows = await _BY_IDS.many(on, organization_id, list(ids))
    return {WebhookId(row["id"]): webhook_from(row) for row in rows}


async def webhook_for_update(
    tx: Transaction, organization_id: OrganizationId, webhook_id: WebhookId
) -> Webhook | None:
    """The webhook as it is now, locked until the transaction ends."""
    row = await _FOR_UPDATE.maybe(tx, organization_id, webhook_id)
    return None if row is None else webhook_from(row)


async def update_webhook(
    tx: Transaction, organization_id: OrganizationId, webhook: Webhook
) -> None:
    """Replace its settings and forget its failures. A worker that delivers to it stops; what it had
    under way is sent again.
    """
    await _UPDATE.exec(
        tx,
        organization_id,
        webhook.id,
        webhook.url,
        _stored(webhook.types),
        webhook.is_active,
        webhook.disabled_reason,
    )


async def catch_up(
    tx: Transaction,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    *,
    happened_before: datetime,
    problem: str,
    real_now: datetime,
) -> None:
    """A webhook that was off passes over what happened before this instant; what was pending of it
    has failed, and holds back nothing any more.
    """
    await _CATCH_UP.exec(tx, organization_id, webhook_id, happened_before)
    if await _EXPIRE.exec(tx, organization_id, webhook_id, happened_before, problem):
        await _RELEASE_EXPIRED.exec(tx, organization_id, webhook_id, real_now)


async def rotate_secret(
    tx: Transaction,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    *,
    sealed_secret: str,
    previous_until: datetime,
) -> None:
    """A new secret; the one before signs as well until then."""
    await _ROTATE.exec(tx, organization_id, webhook_id, sealed_secret, previous_until)


async def delete_webhook(
    tx: Transaction, organization_id: OrganizationId, webhook_id: WebhookId, now: datetime
) -> None:
    """Delete it. Its deliveries are purged later."""
    await _DELETE.exec(tx, organization_id, webhook_id, now)


def _stored(types: frozenset[EventType] | None) -> list[EventType] | None:
    return None if types is None else sorted(types)


# ---------------------------------------------------------------- the log of deliveries


async def delivery_page(
    on: Executor,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    *,
    before: DeliveryId | None,
    statuses: Collection[DeliveryStatus] | None,
    limit: int,
) -> list[Delivery]:
    """A webhook's deliveries, latest first."""
    wanted = None if statuses is None else list(statuses)
    rows = await _PAGE.many(on, organization_id, webhook_id, before, wanted, limit)
    return [delivery_from(row) for row in rows]


async def count_deliveries(
    on: Executor,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    statuses: Collection[DeliveryStatus] | None,
) -> int:
    """How many deliveries the log has."""
    wanted = None if statuses is None else list(statuses)
    row = await _COUNT_DELIVERIES.one(on, organization_id, webhook_id, wanted)
    total: int = row["total"]
    return total


async def deliveries_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Collection[DeliveryId]
) -> dict[DeliveryId, Delivery]:
    """Those that exist, by id."""
    rows = await _DELIVERIES.many(on, organization_id, list(ids))
    return {found.id: found for found in map(delivery_from, rows)}


async def redeliver(
    on: Executor, organization_id: OrganizationId, delivery_id: DeliveryId, real_now: datetime
) -> bool:
    """Make it due now, unless it waits for its first try; False where there is no such delivery."""
    return await _REDELIVER.exec(on, organization_id, delivery_id, real_now) == 1


async def insert_deliveries(
    tx: Transaction,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    deliveries: Sequence[tuple[DeliveryId, EventId]],
    *,
    due_at: datetime,
    by_hand: bool,
) -> None:
    """These events, later than all before, are to be delivered, each under an id of its own."""
    await _INSERT_DELIVERIES.exec(
        tx,
        organization_id,
        webhook_id,
        [delivery_id for delivery_id, _ in deliveries],
        [event_id for _, event_id in deliveries],
        due_at,
        by_hand,
        HOLDS_BACK,
    )


# ---------------------------------------------------------------- delivering


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookToDo:
    """A webhook that something can be done for."""

    organization_id: OrganizationId
    webhook_id: WebhookId
    is_failing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """What the one who delivers to a webhook works with: its lease, settings, encrypted secrets,
    place in the log, and health. `previous_secret` signs as well until `previous_until`.
    """

    organization_id: OrganizationId
    lease: int
    webhook: Webhook
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)
    previous_until: datetime | None
    cursor: EventCursor
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A try that ended. `by_hand`: it was sent by hand, and no other one waits for it."""

    delivery_id: DeliveryId
    by_hand: bool
    outcome: Outcome
    closed: Closed
    begun_at: datetime
    ended_at: datetime


async def webhooks_to_do(on: Executor, *, real_now: datetime, batch_size: int) -> list[WebhookToDo]:
    """Those that something can be done for and that nobody has a lease on; of all organizations."""
    return [
        WebhookToDo(
            organization_id=OrganizationId(row["organization_id"]),
            webhook_id=WebhookId(row["id"]),
            is_failing=row["is_failing"],
        )
        for row in await _TO_DO.many(on, real_now, batch_size)
    ]


async def lease_webhook(
    on: Executor, which: WebhookToDo, *, real_now: datetime, until: datetime
) -> Leased | None:
    """Become the one who delivers to it; None where somebody else is."""
    row = await _LEASE.maybe(on, which.organization_id, which.webhook_id, real_now, until)
    return None if row is None else leased_from(which.organization_id, row)


async def renew_lease(on: Executor, held: Leased, *, until: datetime) -> Leased | None:
    """Go on with its settings as they are now; None where the lease is lost."""
    row = await _RENEW.maybe(on, held.organization_id, held.webhook.id, held.lease, until)
    return None if row is None else leased_from(held.organization_id, row)


async def release_lease(on: Executor, held: Leased, *, real_now: datetime) -> None:
    """Give the lease back, so that another worker may take it."""
    await _RELEASE.exec(on, held.organization_id, held.webhook.id, held.lease, real_now)


def leased_from(organization_id: OrganizationId, row: Record) -> Leased:
    """From a row of the fragment leased_webhook."""
    return Leased(
        organization_id=organization_id,
        lease=row["lease"],
        webhook=webhook_from(row),
        secret=row["secret"],
        previous_secret=row["previous_secret"],
        previous_until=row["previous_secret_until"],
        cursor=EventCursor(
            epoch=row["epoch"], transaction_id=row["transaction_id"], id=row["event_id"]
        ),
        health=Health(
            failures=row["failures"],
            failing_since=row["failing_since"],
            counted_at=row["failure_counted_at"],
            rests_until=row["rests_until"],
        ),
    )


async def move_webhook(tx: Transaction, held: Leased, cursor: EventCursor) -> bool:
    """All up to this place became deliveries; False where the lease is lost, and the transaction
    must roll back.
    """
    moved = await _MOVE.exec(
        tx,
        held.organization_id,
        held.webhook.id,
        held.lease,
        cursor.epoch,
        cursor.transaction_id,
        cursor.id,
    )
    return moved == 1


async def ready_deliveries(
    on: Executor,
    held: Leased,
    *,
    real_now: datetime,
    under_way: Collection[DeliveryId],
    by_hand_only: bool,
    batch_size: int,
) -> list[Delivery]:
    """What it gets now, longest due first, but for what is under way."""
    ready = _READY_BY_HAND if by_hand_only else _READY
    rows = await ready.many(
        on, held.organization_id, held.webhook.id, real_now, list(under_way), batch_size
    )
    return [delivery_from(row) for row in rows]


async def record_attempts(
    tx: Transaction, held: Leased, tried: Sequence[Tried], *, real_now: datetime
) -> bool:
    """How tries ended, and from when on the next deliveries of their subjects are due. False where
    the lease is lost, and nothing was recorded, or where all of these deliveries are gone.
    """
    problems = [
        each.outcome.problem[:PROBLEM_LENGTH] if isinstance(each.outcome, Failed) else None
        for each in tried
    ]
    recorded = await _RECORD.exec(
        tx,
        held.organization_id,
        held.webhook.id,
        held.lease,
        [each.delivery_id for each in tried],
        [each.closed.status for each in tried],
        [each.begun_at for each in tried],
        [each.ended_at for each in tried],
        [each.closed.next_attempt_at for each in tried],
        [each.outcome.status for each in tried],
        problems,
    )
    in_order = [each.delivery_id for each in tried if not each.by_hand]
    if recorded and in_order:
        await _RELEASE_NEXT.exec(
            tx, held.organization_id, held.webhook.id, in_order, real_now, HOLDS_BACK
        )
    return recorded > 0


async def record_health(tx: Transaction, held: Leased, health: Health) -> None:
    """How the receiver does, where the lease is not lost."""
    await _RECORD_HEALTH.exec(
        tx,
        held.organization_id,
        held.webhook.id,
        held.lease,
        health.failures,
        health.failing_since,
        health.counted_at,
        health.rests_until,
    )


async def switch_off(
    tx: Transaction, held: Leased, reason: DisabledReason, *, notice_due_at: datetime
) -> bool:
    """Switch it off, with a notice to the administrators; False where the lease is lost, or it is
    off.
    """
    off = await _SWITCH_OFF.exec(
        tx, held.organization_id, held.webhook.id, held.lease, reason, notice_due_at
    )
    return off == 1


async def reseal_secrets(
    on: Executor, held: Leased, *, secret: str, previous_secret: str | None
) -> None:
    """Store the same secrets, encrypted with another key."""
    await _RESEAL.exec(
        on, held.organization_id, held.webhook.id, held.secret, secret, previous_secret
    )


# ---------------------------------------------------------------- notices to administrators


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A webhook that was switched off, for the mail to its administrators. `failed_at` is when its
    last failure was counted; `attempts` include this one.
    """

    organization_id: OrganizationId
    webhook_id: WebhookId
    url: str
    reason: DisabledReason
    failed_at: datetime | None
    attempts: int


async def notices_due(
    on: Executor, *, real_now: datetime, batch_size: int
) -> list[tuple[OrganizationId, WebhookId]]:
    """Those of all organizations whose administrators are to be notified now."""
    return [
        (OrganizationId(row["organization_id"]), WebhookId(row["id"]))
        for row in await _NOTICES.many(on, real_now, batch_size)
    ]


async def claim_notice(
    on: Executor,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    *,
    real_now: datetime,
    next_try_at: datetime,
) -> Notice | None:
    """Reserve this try; the next one is due at `next_try_at` unless the notice is closed. None
    where another worker has this one.
    """
    row = await _CLAIM_NOTICE.maybe(on, organization_id, webhook_id, real_now, next_try_at)
    if row is None or row["disabled_reason"] is None:
        return None
    return Notice(
        organization_id=organization_id,
        webhook_id=webhook_id,
        url=row["url"],
        reason=DisabledReason(row["disabled_reason"]),
        failed_at=row["failure_counted_at"],
        attempts=row["notice_attempts"],
    )


async def close_notice(on: Executor, notice: Notice) -> None:
    """The mail was sent, or can't be."""
    await _CLOSE_NOTICE.exec(on, notice.organization_id, notice.webhook_id, notice.attempts)


# ---------------------------------------------------------------- what is measured, what is purged


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLag:
    """When the oldest event happened that an active, working webhook has no delivery of; and how
    many active ones fail.
    """

    since: datetime | None
    failing: int


async def webhook_lag(on: Executor) -> WebhookLag:
    """Of all organizations."""
    row = await _LAG.one(on)
    return WebhookLag(since=row["since"], failing=row["failing"])


async def release_deliveries(on: Executor, *, real_now: datetime) -> None:
    """Make due what waited for deliveries that were purged; of all organizations."""
    await _RELEASE_PURGED.exec(on, real_now)


async def purge_deliveries(on: Executor, *, happened_before: datetime, batch_size: int) -> int:
    """Delete a batch of deliveries of old events; how many there were."""
    row = await _PURGE_DELIVERIES.one(on, happened_before, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_deliveries_of_deleted(on: Executor, *, batch_size: int) -> int:
    """Delete a batch of deliveries of deleted webhooks; how many there were."""
    row = await _PURGE_OF_DELETED.one(on, batch_size)
    purged: int = row["purged"]
    return purged


async def purge_webhooks(on: Executor, *, batch_size: int) -> int:
    """Delete a batch of deleted webhooks without deliveries; how many there were."""
    row = await _PURGE_WEBHOOKS.one(on, batch_size)
    purged: int = row["purged"]
    return purged
