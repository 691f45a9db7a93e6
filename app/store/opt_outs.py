"""Addresses that want no more messages from an organization, as stored: recognized by a digest,
never read back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

from app.core.messages import Channel
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.store.sql import Executor

_OPTED_OUT = query("opted_out")
_INSERT = query("insert_opt_out")
_DELETE = query("delete_opt_outs")

Address: TypeAlias = tuple[Channel, str]
"""An e-mail address or a phone number, by its channel."""


def _digest(organization_id: OrganizationId, address: Address) -> bytes:
    """The same for every spelling that reaches one mailbox, and another in every organization.

    Without a key: an opt-out has to hold for as long as the organization lives, whatever happens to
    its secrets.
    """
    channel, text = address
    return hashlib.sha256(
        "\x1f".join((str(organization_id), channel, text.casefold())).encode()
    ).digest()


async def opted_out(
    on: Executor, organization_id: OrganizationId, addresses: Collection[Address]
) -> frozenset[Address]:
    """Those of these addresses that opted out."""
    digests = {address: _digest(organization_id, address) for address in addresses}
    if not digests:
        return frozenset()
    rows = await _OPTED_OUT.many(
        on, organization_id, [channel for channel, _ in digests], list(digests.values())
    )
    found = {row["address_digest"] for row in rows}
    return frozenset(address for address, digest in digests.items() if digest in found)


async def opt_out(
    on: Executor, organization_id: OrganizationId, address: Address, opted_out_at: datetime
) -> None:
    """From now on, nothing goes there."""
    await _INSERT.exec(
        on, organization_id, address[0], _digest(organization_id, address), opted_out_at
    )


async def opt_in(
    tx: Transaction, organization_id: OrganizationId, addresses: Collection[Address]
) -> None:
    """These addresses want messages again."""
    if addresses:
        digests = [_digest(organization_id, address) for address in addresses]
        await _DELETE.exec(tx, organization_id, [channel for channel, _ in addresses], digests)
