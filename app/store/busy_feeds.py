"""Calendar feeds as the worker reads them: due ones are leased, read, and put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.busy import BusySource
from app.core.ids import BusySourceId, OrganizationId
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from app.core.zones import Minute
    from app.store.pool import Transaction
    from app.store.sql import Executor

_INSERT = query("insert_busy_feed")
_DUE = query("due_feeds")
_LEASE = query("lease_feeds")
_READ = query("feed_was_read")
_FAILED = query("feed_failed")
_WARNED = query("feed_owner_warned")
_OWN = query("own_event_ids")
_FURTHEST = query("furthest_advance_days")
_STATE = query("state_of_feeds")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedFeed:
    """A feed that is ours to read. `expanded_until` is how far ahead it was read whole."""

    organization_id: OrganizationId
    source: BusySource
    url: str
    etag: str | None
    last_modified: str | None
    expanded_until: Minute | None
    leased_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRead:
    """What is remembered of a feed that was read whole."""

    etag: str | None
    last_modified: str | None
    expanded_until: Minute


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFailure:
    """Since when a feed can't be read, and when its owner was notified."""

    since: datetime
    warned_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOfFeeds:
    """`due_since` is None where no feed waits to be read."""

    failing: int
    due_since: datetime | None


async def insert_feed(
    tx: Transaction, organization_id: OrganizationId, source: BusySource, now: datetime
) -> None:
    """A new feed, due at once."""
    await _INSERT.exec(
        tx, organization_id, source.id, source.subject_id, source.name, source.url, now
    )


async def due_feeds(
    on: Executor, *, now: datetime, real_now: datetime, batch_size: int
) -> dict[OrganizationId, list[BusySourceId]]:
    """A batch of due feeds that nobody has a lease on, by organization. Nothing is locked."""
    found: dict[OrganizationId, list[BusySourceId]] = {}
    for row in await _DUE.many(on, now, real_now, batch_size):
        found.setdefault(OrganizationId(row["organization_id"]), []).append(BusySourceId(row["id"]))
    return found


async def lease_feeds(
    on: Executor,
    organization_id: OrganizationId,
    ids: Sequence[BusySourceId],
    *,
    now: datetime,
    real_now: datetime,
    leased_until: datetime,
) -> list[LeasedFeed]:
    """Those of these feeds that are ours from now on, until the lease ends."""
    return [
        LeasedFeed(
            organization_id=organization_id,
            source=BusySource(
                id=BusySourceId(row["id"]),
                subject_id=row["subject_id"],
                name=row["name"],
                url=row["url"],
                last_read_at=row["last_read_at"],
                failing_since=row["failing_since"],
                problem=row["problem"],
            ),
            url=row["url"],
            etag=row["etag"],
            last_modified=row["last_modified"],
            expanded_until=row["expanded_until"],
            leased_until=leased_until,
        )
        for row in await _LEASE.many(on, organization_id, ids, now, real_now, leased_until)
    ]


async def feed_was_read(
    on: Executor,
    feed: LeasedFeed,
    *,
    read_at: datetime,
    next_read_at: datetime,
    problem: str | None,
    whole: FeedRead | None,
) -> bool:
    """Put it back. `whole` is None where it had not changed. False if the lease is no longer
    ours.
    """
    rows = await _READ.exec(
        on,
        feed.organization_id,
        feed.source.id,
        feed.leased_until,
        read_at,
        next_read_at,
        problem,
        None if whole is None else whole.etag,
        None if whole is None else whole.last_modified,
        None if whole is None else whole.expanded_until,
    )
    return rows == 1


async def feed_failed(
    on: Executor, feed: LeasedFeed, *, failed_at: datetime, next_read_at: datetime, problem: str
) -> FeedFailure | None:
    """Put it back. None if the lease is no longer ours."""
    row = await _FAILED.maybe(
        on,
        feed.organization_id,
        feed.source.id,
        feed.leased_until,
        failed_at,
        next_read_at,
        problem,
    )
    return (
        None if row is None else FeedFailure(since=row["failing_since"], warned_at=row["warned_at"])
    )


async def feed_owner_warned(on: Executor, feed: LeasedFeed, now: datetime) -> None:
    """Its owner was notified that it fails."""
    await _WARNED.exec(on, feed.organization_id, feed.source.id, now)


async def own_event_ids(
    on: Executor, organization_id: OrganizationId, ids: Collection[UUID]
) -> set[UUID]:
    """Which of these are appointments or sessions of the organization."""
    return {row["id"] for row in await _OWN.many(on, organization_id, list(ids))}


async def furthest_advance_days(on: Executor, organization_id: OrganizationId) -> int:
    """How many days ahead customers can book, at most."""
    row = await _FURTHEST.one(on, organization_id)
    days: int = row["days"]
    return days


async def state_of_feeds(on: Executor, *, now: datetime) -> StateOfFeeds:
    """Of all organizations."""
    row = await _STATE.one(on, now)
    return StateOfFeeds(failing=row["failing"], due_since=row["due_since"])
