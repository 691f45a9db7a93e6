"""Providers, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ids import LocationId, ProviderId
from app.core.messages import Channel
from app.core.money import CancellationPolicy, LateCancellation, Money
from app.core.provider import Provider
from app.core.rules import ProviderRules
from app.store.limits import limits_column, limits_from
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from app.core.ids import OrganizationId, ServiceId
    from app.core.keyset import Keyset
    from app.store.pool import Transaction
    from app.store.sql import Executor, Record

_BY_IDS = query("provider_by_ids")
_ID_BY_SUBJECT = query("provider_id_by_subject")
_PAGE_FORWARD = query("provider_page_forward")
_PAGE_BACKWARD = query("provider_page_backward")
_COUNT = query("count_providers")
_OFFERING = query("provider_ids_offering")
_INSERT = query("insert_provider")
_SUBJECT_IS_TAKEN = query("subject_is_taken")
_UPDATE = query("update_provider")


def money(amount_minor: int | None, currency: str | None) -> Money | None:
    """Money from its two columns."""
    return (
        None
        if amount_minor is None or currency is None
        else Money(amount_minor=amount_minor, currency=currency)
    )


def channels(names: Sequence[str] | None) -> tuple[Channel, ...] | None:
    """Channels from their column."""
    return None if names is None else tuple(Channel(name) for name in names)


def location_key(location_id: UUID | None) -> LocationId | None:
    """A location's id from its column."""
    return None if location_id is None else LocationId(location_id)


def provider_from(row: Record, provider_id: ProviderId) -> Provider:
    """A provider from a row with the provider's columns under their own names."""
    return Provider(
        id=provider_id,
        subject=row["subject"],
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        time_zone=row["time_zone"],
        rules=ProviderRules(
            service_duration_minutes=row["service_duration_minutes"],
            buffer_minutes=row["buffer_minutes"],
            slot_interval_minutes=row["slot_interval_minutes"],
            min_notice_minutes=row["min_notice_minutes"],
            max_advance_booking_days=row["max_advance_booking_days"],
        ),
        cancellation_policy=CancellationPolicy(
            free_until_minutes_before=row["policy_free_until_minutes_before"],
            late_cancellation=LateCancellation(row["policy_late_cancellation"]),
            late_fee=money(row["policy_late_fee_minor"], row["policy_late_fee_currency"]),
            grace_minutes=row["policy_grace_minutes"],
            charges_no_show=row["policy_charges_no_show"],
        ),
        locale=row["locale"],
        channels=channels(row["channels"]),
        limits=limits_from(row["limits"]),
        description=row["description"],
        location_id=location_key(row["location_id"]),
        is_archived=row["is_archived"],
        external_id=row["external_id"],
    )


async def providers_by_ids(
    on: Executor, organization_id: OrganizationId, ids: Sequence[ProviderId]
) -> dict[ProviderId, Provider]:
    """The existing ones of these providers, by id."""
    rows = await _BY_IDS.many(on, organization_id, ids)
    return {ProviderId(row["id"]): provider_from(row, ProviderId(row["id"])) for row in rows}


async def provider_id_by_subject(
    on: Executor, organization_id: OrganizationId, subject: str
) -> ProviderId | None:
    """The provider that a token's subject acts for."""
    row = await _ID_BY_SUBJECT.maybe(on, organization_id, subject)
    return None if row is None else ProviderId(row["id"])


async def provider_page(
    on: Executor,
    organization_id: OrganizationId,
    *,
    keyset: Keyset,
    ids: Sequence[ProviderId] | None,
    search: str | None,
    service_ids: Sequence[ServiceId] | None = None,
    with_archived: bool = False,
) -> list[Provider]:
    """A page of providers, by name as people sort names; the cursors are (name, id)."""
    page = _PAGE_BACKWARD if keyset.backward else _PAGE_FORWARD
    rows = await page.many(
        on, organization_id, *keyset.bounds, keyset.limit, ids, search, with_archived, service_ids
    )
    return [provider_from(row, ProviderId(row["id"])) for row in rows]


async def count_providers(
    on: Executor,
    organization_id: OrganizationId,
    *,
    ids: Sequence[ProviderId] | None,
    search: str | None,
    service_ids: Sequence[ServiceId] | None = None,
    with_archived: bool = False,
) -> int:
    """The total number of providers in the list."""
    row = await _COUNT.one(on, organization_id, ids, search, with_archived, service_ids)
    total: int = row["total"]
    return total


async def provider_ids_offering(
    on: Executor, organization_id: OrganizationId, service_id: ServiceId | None
) -> list[ProviderId]:
    """Every provider of the organization, or those that offer the service; nobody and nothing that
    is archived.
    """
    return [ProviderId(row["id"]) for row in await _OFFERING.many(on, organization_id, service_id)]


def _values(provider: Provider) -> tuple[object, ...]:
    rules, policy = provider.rules, provider.cancellation_policy
    return (
        provider.subject,
        provider.name,
        provider.email,
        provider.phone,
        provider.time_zone,
        rules.service_duration_minutes,
        rules.buffer_minutes,
        rules.slot_interval_minutes,
        rules.min_notice_minutes,
        rules.max_advance_booking_days,
        policy.free_until_minutes_before,
        policy.late_cancellation,
        policy.late_fee and policy.late_fee.amount_minor,
        policy.late_fee and policy.late_fee.currency,
        provider.locale,
        provider.channels,
        limits_column(provider.limits),
        policy.grace_minutes,
        policy.charges_no_show,
        provider.description,
        provider.location_id,
        provider.is_archived,
        provider.external_id,
    )


async def insert_provider(
    tx: Transaction, organization_id: OrganizationId, provider: Provider, created_at: datetime
) -> bool:
    """Store a new provider; False where its subject is taken."""
    row = await _INSERT.maybe(tx, organization_id, provider.id, *_values(provider), created_at)
    return row is not None


async def subject_is_taken(
    tx: Transaction, organization_id: OrganizationId, provider_id: ProviderId, subject: str
) -> bool:
    """Whether another provider has this subject; ask under `lock_token_subjects`."""
    row = await _SUBJECT_IS_TAKEN.one(tx, organization_id, provider_id, subject)
    taken: bool = row["taken"]
    return taken


async def update_provider(
    tx: Transaction, organization_id: OrganizationId, provider: Provider
) -> None:
    """Replace all values of an existing provider."""
    await _UPDATE.one(tx, organization_id, provider.id, *_values(provider))
