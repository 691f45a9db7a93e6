"""What guests of one network have done on a day: bookings made, and messages caused."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction, Writes
    from app.store.sql import Executor

_ADD = query("add_to_network_tally")
_MESSAGES = query("messages_of_networks")
_PURGE = query("purge_network_tallies")


class Tallied(StrEnum):
    """What is counted. Each has rows of its own: bookings are counted under the network's lock,
    messages under that of all destinations.
    """

    BOOKINGS = "BOOKINGS"
    MESSAGES = "MESSAGES"


def tally_booking(
    writes: Writes, organization_id: OrganizationId, origin: bytes, day: date
) -> None:
    """One more booking from this network, written with the transaction's next statement."""
    _ADD.later(writes, organization_id, origin, day, Tallied.BOOKINGS, 1)


async def tally_messages(
    tx: Transaction, organization_id: OrganizationId, caused: Mapping[bytes, int], day: date
) -> None:
    """Add to the number of messages of each of these networks."""
    for origin, count in sorted(caused.items()):
        await _ADD.exec(tx, organization_id, origin, day, Tallied.MESSAGES, count)


async def messages_of_networks(
    on: Executor, organization_id: OrganizationId, origins: Collection[bytes], day: date
) -> dict[bytes, int]:
    """How many messages guests of each of these networks have caused on this day."""
    if not origins:
        return {}
    rows = await _MESSAGES.many(on, organization_id, list(origins), day)
    return {row["origin"]: row["count"] for row in rows}


async def purge_tallies(on: Executor, *, before: date, batch_size: int) -> int:
    """Delete a batch of the tallies of days before this one. Returns how many rows."""
    row = await _PURGE.one(on, before, batch_size)
    purged: int = row["purged"]
    return purged
