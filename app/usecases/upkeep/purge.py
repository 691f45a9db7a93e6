"""Purge rows whose retention is over, in small batches: each is a statement of its own and holds
locks only briefly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from app.core.zones import minute_of
from app.store import retention, webhooks
from app.store.idempotency import purge_keys
from app.store.network_tallies import purge_tallies as purge_network_tallies
from app.usecases.booking.hold_slot import sweep_expired_holds
from app.usecases.busy.replace import kept_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.usecases.resources import Resources

BATCH_SIZE: Final = 1_000

REVOKED_AFTER_EXPIRY: Final = timedelta(days=1)
"""More than the allowed leeway of a token's expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each kind of row is kept after its use has ended."""

    keys: timedelta
    """Idempotency keys, from the request on: clients are promised a day."""
    holds: timedelta
    """Holds, from their expiry on, and the times and seats that were given back, from their end on.
    """
    messages: timedelta
    """The log of messages, from when each was due to be sent."""
    events: timedelta
    """Events, from when they happened: as long as a reader may be away."""
    erased_history: timedelta
    """Who did what with the appointments of an erased customer, from the erasure on."""


async def purge_idempotency_keys(resources: Resources) -> int:
    """Delete old idempotency keys. Returns how many."""
    made_before = resources.clock() - resources.retention.keys
    return await _all(
        lambda: purge_keys(resources.pool, made_before=made_before, batch_size=BATCH_SIZE)
    )


async def purge_holds(resources: Resources) -> int:
    """Delete holds that ended long ago, never before the keys of the requests that made them.
    Returns how many.
    """
    # Expired holds that were not swept yet: a session must not lose seats that keep it in being.
    await sweep_expired_holds(resources)
    periods = resources.retention
    expired_before = resources.clock() - max(periods.holds, periods.keys)
    return await _all(
        lambda: retention.purge_holds(
            resources.pool, expired_before=expired_before, batch_size=BATCH_SIZE
        )
    )


async def purge_claims(resources: Resources) -> int:
    """Delete claims that were released and ended long ago. Returns how many."""
    ended_before = minute_of(resources.clock() - resources.retention.holds)
    return await _all(
        lambda: retention.purge_claims(
            resources.pool, ended_before=ended_before, batch_size=BATCH_SIZE
        )
    )


async def purge_seats(resources: Resources) -> int:
    """Delete seats that were given back long ago, and then the sessions that nothing refers to any
    more. Returns how many rows.
    """
    ended_before = resources.clock() - resources.retention.holds
    purged = 0
    for purge_batch in (retention.purge_seats, retention.purge_sessions):
        purged += await _all(
            partial(purge_batch, resources.pool, ended_before=ended_before, batch_size=BATCH_SIZE)
        )
    return purged


async def purge_tallies(resources: Resources) -> int:
    """Delete the counts of networks for past days. Returns how many rows."""
    before = resources.clock().date()
    return await _all(
        lambda: purge_network_tallies(resources.pool, before=before, batch_size=BATCH_SIZE)
    )


async def purge_messages(resources: Resources) -> int:
    """Delete the old part of the log of messages. Returns how many rows."""
    made_before = resources.clock() - resources.retention.messages
    return await _all(
        lambda: retention.purge_messages(
            resources.pool, made_before=made_before, batch_size=BATCH_SIZE
        )
    )


async def purge_events(resources: Resources) -> int:
    """Delete old events, and before them their deliveries; and what is left of deleted webhooks.
    Returns how many events.
    """
    happened_before = resources.clock() - resources.retention.events
    await _all(
        lambda: webhooks.purge_deliveries(
            resources.pool, happened_before=happened_before, batch_size=BATCH_SIZE
        )
    )
    await webhooks.release_deliveries(resources.pool, real_now=resources.real_clock())
    for purge_batch in (webhooks.purge_deliveries_of_deleted, webhooks.purge_webhooks):
        await _all(partial(purge_batch, resources.pool, batch_size=BATCH_SIZE))
    return await _all(
        lambda: retention.purge_events(
            resources.pool, happened_before=happened_before, batch_size=BATCH_SIZE
        )
    )


async def purge_busy_times(resources: Resources) -> int:
    """Delete busy times, and readings of feeds, that ended long ago. Returns how many rows."""
    ended_before = kept_from(resources.clock())
    purged = 0
    for purge_batch in (retention.purge_busy_times, retention.purge_busy_readings):
        purged += await _all(
            partial(purge_batch, resources.pool, ended_before=ended_before, batch_size=BATCH_SIZE)
        )
    return purged


async def purge_erased_history(resources: Resources) -> int:
    """Delete the history of customers who were erased long ago. Returns how many rows."""
    erased_before = resources.clock() - resources.retention.erased_history
    purged = 0
    while batch := await retention.erased_customers_with_history(
        resources.pool, erased_before=erased_before, batch_size=BATCH_SIZE
    ):
        for organization_id, customer_id in batch:
            purged += await retention.purge_history_of_customer(
                resources.pool, organization_id, customer_id
            )
    return purged


async def purge_revoked_tokens(resources: Resources) -> int:
    """Delete revocations of expired tokens. Returns how many. Tokens expire by the real clock."""
    expired_before = resources.real_clock() - REVOKED_AFTER_EXPIRY
    return await _all(
        lambda: retention.purge_revoked_tokens(
            resources.pool, expired_before=expired_before, batch_size=BATCH_SIZE
        )
    )


async def _all(purge_batch: Callable[[], Awaitable[int]]) -> int:
    purged = 0
    while batch := await purge_batch():
        purged += batch
    return purged
