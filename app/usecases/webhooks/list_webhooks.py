"""List webhooks, and the log of what was delivered to them. Administrators only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.webhooks import (
    count_deliveries,
    deliveries_by_ids,
    delivery_page,
    webhooks_by_ids,
    webhooks_of_organization,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from app.core.ids import DeliveryId, OrganizationId, WebhookId
    from app.core.viewer import Viewer
    from app.core.webhooks import Delivery, DeliveryStatus, Webhook
    from app.usecases.resources import Resources


async def list_webhooks(resources: Resources, viewer: Viewer) -> list[Webhook] | None:
    """All of the organization's, oldest first; None for all but administrators."""
    if not viewer.is_admin:
        return None
    return await webhooks_of_organization(resources.pool, viewer.organization_id)


async def find_webhooks(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[WebhookId]
) -> dict[WebhookId, Webhook]:
    """Those that exist, for callers who may see them."""
    return await webhooks_by_ids(resources.pool, organization_id, ids)


async def find_deliveries(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[DeliveryId]
) -> dict[DeliveryId, Delivery]:
    """Those that exist, for callers who may see them."""
    return await deliveries_by_ids(resources.pool, organization_id, ids)


async def list_deliveries(
    resources: Resources,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    *,
    before: DeliveryId | None,
    statuses: Collection[DeliveryStatus] | None,
    limit: int,
) -> list[Delivery]:
    """A page of the log, latest first, for callers who may see the webhook."""
    return await delivery_page(
        resources.pool, organization_id, webhook_id, before=before, statuses=statuses, limit=limit
    )


async def number_of_deliveries(
    resources: Resources,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    statuses: Collection[DeliveryStatus] | None,
) -> int:
    """How many the log has, of these statuses; None: of all."""
    return await count_deliveries(resources.pool, organization_id, webhook_id, statuses)
