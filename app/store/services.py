"""Services, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import ProviderId, ServiceId
from app.core.money import CancellationPolicy, LateCancellation
from app.core.provider import Service
from app.core.rules import ServiceRules
from app.store.limits import limits_column, limits_from
from app.store.providers import location_key, money
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.core.keyset import Keyset
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("service_by_ids")
_OF_PROVIDERS = query("services_of_providers")
_PAGE_FORWARD = query("service_page_forward")
_PAGE_BACKWARD = query("service_page_backward")
_COUNT = query("count_services")
_INSERT = query("insert_service")
_UPDATE = query("update_service")


def service_from(row: Record, prefix: str = "") -> Service:
    """A service from a row with the service's columns, each under its own name behind
    the prefix.
    """
    late = row[f"{prefix}policy_late_cancellation"]
    return Service(
        id=ServiceId(row[f"{prefix}id"]),
        name=row[f"{prefix}name"],
        rules=ServiceRules(
            duration_minutes=row[f"{prefix}duration_minutes"],
            buffer_before_minutes=row[f"{prefix}buffer_before_minutes"],
            buffer_after_minutes=row[f"{prefix}buffer_after_minutes"],
            slot_interval_minutes=row[f"{prefix}slot_interval_minutes"],
            min_notice_minutes=row[f"{prefix}min_notice_minutes"],
            max_advance_booking_days=row[f"{prefix}max_advance_booking_days"],
        ),
        price=money(row[f"{prefix}price_minor"], row[f"{prefix}price_currency"]),
        cancellation_policy=None
        if late is None
        else CancellationPolicy(
            free_until_minutes_before=row[f"{prefix}policy_free_until_minutes_before"],
            late_cancellation=LateCancellation(late),
            late_fee=money(
                row[f"{prefix}policy_late_fee_minor"], row[f"{prefix}policy_late_fee_currency"]
            ),
            late_fee_percent=row[f"{prefix}policy_late_fee_percent"],
            grace_minutes=row[f"{prefix}policy_grace_minutes"],
            charges_no_show=row[f"{prefix}policy_charges_no_show"],
        ),
        limits=limits_from(row[f"{prefix}limits"]),
        max_open_per_customer=row[f"{prefix}max_open_per_customer"],
        description=row[f"{prefix}description"],
        location_id=location_key(row[f"{prefix}location_id"]),
        is_archived=row[f"{prefix}is_archived"],
        external_id=row[f"{prefix}external_id"],
    )


async def services_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[ServiceId]
) -> dict[ServiceId, Service]:
    """The existing ones of these services, by id."""
    rows = await _BY_IDS.many(on, organization_id, ids)
    return {ServiceId(row["id"]): service_from(row) for row in rows}


async def services_of_providers(
    on: Executor, organization_id: OrganizationId, provider_ids: Sequence[ProviderId]
) -> dict[ProviderId, list[Service]]:
    """The services of each provider that offers any, by name."""
    offered: dict[ProviderId, list[Service]] = {}
    for row in await _OF_PROVIDERS.many(on, organization_id, provider_ids):
        offered.setdefault(ProviderId(row["provider_id"]), []).append(service_from(row))
    return offered


async def service_page(
    on: Executor,
    organization_id: OrganizationId,
    *,
    keyset: Keyset,
    ids: Sequence[ServiceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> list[Service]:
    """A page of services, by name as people sort names; the cursors are (name, id)."""
    page = _PAGE_BACKWARD if keyset.backward else _PAGE_FORWARD
    rows = await page.many(
        on, organization_id, *keyset.bounds, keyset.limit, ids, search, with_archived
    )
    return [service_from(row) for row in rows]


async def count_services(
    on: Executor,
    organization_id: OrganizationId,
    *,
    ids: Sequence[ServiceId] | None,
    search: str | None,
    with_archived: bool = False,
) -> int:
    """The total number of services in the list."""
    row = await _COUNT.one(on, organization_id, ids, search, with_archived)
    total: int = row["total"]
    return total


def _values(service: Service) -> tuple[object, ...]:
    rules, price, policy = service.rules, service.price, service.cancellation_policy
    fee = policy and policy.late_fee
    return (
        service.name,
        rules.duration_minutes,
        rules.buffer_before_minutes,
        rules.buffer_after_minutes,
        rules.slot_interval_minutes,
        rules.min_notice_minutes,
        rules.max_advance_booking_days,
        price and price.amount_minor,
        price and price.currency,
        policy and policy.free_until_minutes_before,
        policy and policy.late_cancellation,
        fee and fee.amount_minor,
        fee and fee.currency,
        policy and policy.late_fee_percent,
        limits_column(service.limits),
        service.max_open_per_customer,
        policy.grace_minutes if policy else 0,
        policy.charges_no_show if policy else False,
        service.description,
        service.location_id,
        service.is_archived,
        service.external_id,
    )


async def insert_service(
    tx: Transaction, organization_id: OrganizationId, service: Service, created_at: datetime
) -> None:
    """Store a new service."""
    await _INSERT.one(tx, organization_id, service.id, *_values(service), created_at)


async def update_service(
    tx: Transaction, organization_id: OrganizationId, service: Service
) -> None:
    """Replace all values of an existing service."""
    await _UPDATE.one(tx, organization_id, service.id, *_values(service))
