"""Addresses that want no more messages from an organization, as stored: recognized by a digest,
never read back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

from app.core.addresses import same_mailbox
from app.core.messages import Channel
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
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
    return _hashed(
        organization_id, channel, same_mailbox(text) if channel is Channel.EMAIL else text
    )


def _earlier_digest(organization_id: OrganizationId, address: Address) -> bytes:
    """As digests were made before domains were converted: of the domain's own letters, folded."""
    channel, text = address
    return _hashed(organization_id, channel, text.casefold())


def _hashed(organization_id: OrganizationId, channel: Channel, text: str) -> bytes:
    return hashlib.sha256("\x1f".join((str(organization_id), channel, text)).encode()).digest()


async def opted_out(
    on: Executor, organization_id: OrganizationId, addresses: Collection[Address]
) -> frozenset[Address]:
    """Which of these addresses have opted out."""
    if not addresses:
        return frozenset()
    digests, earlier = _digests(organization_id, addresses)
    rows = await _OPTED_OUT.many(on, organization_id, *_arrays(digests), *_arrays(earlier))
    found = {(row["address_digest"], row["is_earlier"]) for row in rows}
    return frozenset(
        address
        for address in digests
        if (digests[address], False) in found or (earlier.get(address), True) in found
    )


def digests_of(organization_id: OrganizationId, address: Address) -> tuple[bytes, bytes | None]:
    """The digest by which an opt-out of this address is known, and the earlier one, where that is
    another.
    """
    digest = _digest(organization_id, address)
    earlier = _earlier_digest(organization_id, address)
    return digest, None if earlier == digest else earlier


async def opt_out(
    on: Executor, organization_id: OrganizationId, address: Address, opted_out_at: datetime
) -> bool:
    """From now on, no message is sent to it; False where none was before."""
    added = await _INSERT.exec(
        on, organization_id, address[0], _digest(organization_id, address), opted_out_at
    )
    return added == 1


async def opt_in(
    tx: Transaction, organization_id: OrganizationId, addresses: Collection[Address]
) -> None:
    """These addresses want messages again."""
    if addresses:
        digests, earlier = _digests(organization_id, addresses)
        await _DELETE.exec(tx, organization_id, *_arrays(digests), *_arrays(earlier))


def _digests(
    organization_id: OrganizationId, addresses: Collection[Address]
) -> tuple[dict[Address, bytes], dict[Address, bytes]]:
    """The digest of each address, and the earlier one of those for which it was another."""
    both = {address: digests_of(organization_id, address) for address in addresses}
    return {address: digest for address, (digest, _) in both.items()}, {
        address: earlier for address, (_, earlier) in both.items() if earlier is not None
    }


def _arrays(digests: Mapping[Address, bytes]) -> tuple[list[Channel], list[bytes]]:
    return [channel for channel, _ in digests], list(digests.values())
