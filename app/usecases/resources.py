"""The dependencies of the use cases. `app.process.wiring` makes them once per process; they are
passed as arguments, never global.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from uuid import UUID

    from app.admission.rates import Rates
    from app.busy_feeds.readers import Readers
    from app.free_times.accelerator import Accelerator
    from app.identity.access import AccessTokens
    from app.identity.calendar import CalendarTokens
    from app.identity.hold import HoldTokens
    from app.identity.keyed_hashes import KeyedHashes
    from app.identity.manage import ManageTokens
    from app.identity.revocations import Revocations
    from app.live.feed import Feed
    from app.outgoing.client import Outgoing
    from app.redis_client import RedisClient
    from app.redis_cluster import ClusterClient
    from app.store.pool import Pool
    from app.store.side_by_side import Commits, Looks
    from app.usecases.booking.limit_guests import BookingLimits
    from app.usecases.messages.messaging import Messaging
    from app.usecases.upkeep.movable_clock import TestClock
    from app.usecases.upkeep.purge import Retention
    from app.usecases.webhooks.hooks import Hooks

Clock: TypeAlias = "Callable[[], datetime]"
"""Tells the instant it is called at, in UTC: the program's *now*, which decides over appointments.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Connections, clocks and keys.

    `real_clock` judges tokens and leases; `clock` may run ahead of it in a test. `hashes` are those
    of idempotent requests, networks and destinations. `accelerator` caches the computation of free
    times, `feed` publishes changes. `redis` carries those, `cache` has cached days, documents and
    budgets; they are the same client where both are one Redis. `default_organization` is the slug
    of callers who name none. `messaging` sends messages to people, `hooks` events to webhooks.
    `outgoing` calls the addresses that clients of the API configure, `feed_readers` read what
    calendars answer; `wake_feed_readers` makes the worker check for due feeds now: it returns
    before that, and never raises.
    `test_clock` is the clock behind `clock` where it may be moved.
    """

    pool: Pool
    looks: Looks
    commits: Commits
    redis: RedisClient
    cache: RedisClient | ClusterClient
    accelerator: Accelerator
    feed: Feed
    clock: Clock
    real_clock: Clock
    new_id: Callable[[], UUID]
    access_tokens: AccessTokens
    manage_tokens: ManageTokens
    hold_tokens: HoldTokens
    calendar_tokens: CalendarTokens
    revocations: Revocations
    hashes: KeyedHashes
    default_organization: str | None
    hold_lasts: timedelta
    messaging: Messaging
    hooks: Hooks
    outgoing: Outgoing
    feed_readers: Readers
    wake_feed_readers: Callable[[], None]
    test_clock: TestClock | None
    booking_limits: BookingLimits
    rates: Rates
    retention: Retention
