"""Opt out: an address wants no more messages from an organization, or wants them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.messages import Channel
from app.store.opt_outs import opt_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction


async def want_again(
    tx: Transaction,
    organization_id: OrganizationId,
    channels: Sequence[Channel] | None,
    *,
    email: str | None,
    phone: str | None,
) -> None:
    """Whoever names a channel for themselves wants messages on it, whatever their address said before."""
    addresses = [(channel, email if channel is Channel.EMAIL else phone) for channel in channels or ()]
    await opt_in(tx, organization_id, [(channel, address) for channel, address in addresses if address is not None])
