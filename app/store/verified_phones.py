"""Phone numbers that an organization considers verified, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from app.core.ids import CustomerId, OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor

_VERIFIED = query("verified_phones")
_VERIFY = query("verify_phone")
_DISTRUST = query("distrust_phone")
_FORGET = query("forget_phones_of_customer")


async def verified_phones(
    on: Executor, organization_id: OrganizationId, phones: Collection[str]
) -> frozenset[str]:
    """Which of these numbers are verified."""
    if not phones:
        return frozenset()
    return frozenset(
        row["phone"] for row in await _VERIFIED.many(on, organization_id, list(phones))
    )


async def verify_phone(
    tx: Transaction, organization_id: OrganizationId, phone: str, verified_at: datetime
) -> None:
    """From now on the number counts as verified."""
    await _VERIFY.exec(tx, organization_id, phone, verified_at)


async def distrust_phone(tx: Transaction, organization_id: OrganizationId, phone: str) -> None:
    """From now on the number does not count as verified."""
    await _DISTRUST.exec(tx, organization_id, phone)


async def forget_phones_of_customer(
    tx: Transaction, organization_id: OrganizationId, customer_id: CustomerId
) -> None:
    """No number of this customer, on their record or in their appointments, counts as verified."""
    await _FORGET.exec(tx, organization_id, customer_id)
