"""Read calendar feeds that are due: each every quarter of an hour, many side by side.

Any number of workers do so. Each feed has a deadline of its own, so slow ones delay nobody. A feed
that can't be read keeps what it said last, and shows since when and why; its provider gets one mail
after a day. A feed that has not changed costs one request, and takes no lock.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.busy_feeds.read import BusyTimes as Said
from app.busy_feeds.read import ReadFeed, UnreadableFeed
from app.busy_feeds.readers import TOOK_TOO_LONG
from app.core.busy import BusyTimes
from app.core.events import PROGRAM
from app.core.refusals import InvalidInput, NotFound
from app.core.validation import HORIZON_DAYS
from app.core.zones import DAY_MINUTES, minute_of
from app.outgoing.client import FEED_LIMITS, Answer, Unanswered
from app.store.busy_feeds import (
    FeedRead,
    due_feeds,
    feed_failed,
    feed_was_read,
    furthest_advance_days,
    lease_feeds,
    own_event_ids,
)
from app.store.pool import DatabaseUnavailableError, transaction
from app.telemetry.metrics import FEEDS_READ
from app.usecases.busy.replace import kept_from, replace_busy
from app.usecases.busy.warn_owner import PATIENCE, warn_owner
from app.usecases.events.publish import publish

if TYPE_CHECKING:
    from app.core.zones import Interval, Minute
    from app.store.busy_feeds import LeasedFeed
    from app.usecases.resources import Resources

BETWEEN_READINGS: Final = timedelta(minutes=15)

BETWEEN_HOPELESS_READINGS: Final = timedelta(hours=1)
"""Of a feed that has failed for a day, or that is too much to read: nobody waits for those, and
they would keep the child processes from reading others.
"""

JITTER_SECONDS: Final = 60
"""More or less, so that feeds of one server are not all read at once."""

READING_AT_ONCE: Final = 48
"""Each holds 5 MB of an answer at most."""

FEED_SECONDS: Final = 90.0
"""For all of one feed: asking, reading in a child process, which may be busy, and writing."""

LEASE: Final = timedelta(minutes=5)

RUN_SECONDS: Final = 200.0
"""How long one run goes on taking feeds; the next one follows within a minute."""

LEAST_AHEAD_DAYS: Final = 366
"""How far ahead feeds are read at least: staff book further ahead than customers may."""

AHEAD_RESERVE_DAYS: Final = 2
"""Read in addition, so that an unchanged feed is read whole every other day only."""

_LONGEST_VALIDATOR: Final = 500
_HTTP_OK: Final = 200
_NOT_MODIFIED: Final = 304

TOO_LONG: Final = "The calendar is longer than 5 MB."
OUR_FAULT: Final = "An unexpected error; the operator finds more in the log."

_log: Final = logging.getLogger(__name__)


async def read_feeds(resources: Resources) -> dict[str, int]:
    """Read all that is due, for some minutes at most; how many readings ended how."""
    until = monotonic() + RUN_SECONDS
    counts: Counter[str] = Counter()
    running: set[asyncio.Task[str]] = set()
    try:
        while monotonic() < until:
            leased = await _lease(resources, READING_AT_ONCE - len(running))
            running |= {asyncio.create_task(_read_one(resources, feed)) for feed in leased}
            if not running:
                break
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            counts.update(task.result() for task in done)
        counts.update(await asyncio.gather(*running))
    finally:
        for task in running:
            task.cancel()
    return dict(counts)


async def _lease(resources: Resources, most: int) -> list[LeasedFeed]:
    if most < 1:
        return []
    now, real_now = resources.clock(), resources.real_clock()
    due = await due_feeds(resources.pool, now=now, real_now=real_now, batch_size=most)
    leased: list[LeasedFeed] = []
    for organization_id, ids in due.items():
        leased += await lease_feeds(
            resources.pool,
            organization_id,
            ids,
            now=now,
            real_now=real_now,
            leased_until=real_now + LEASE,
        )
    return leased


async def _read_one(resources: Resources, feed: LeasedFeed) -> str:
    """One feed. Its failure must not keep the others from being read. Returns how it ended."""
    try:
        outcome = await _read_in_time(resources, feed)
    except DatabaseUnavailableError:
        outcome = "left"  # its lease ends, and it is read again
    FEEDS_READ.labels(outcome).inc()
    return outcome


async def _read_in_time(resources: Resources, feed: LeasedFeed) -> str:
    try:
        async with asyncio.timeout(FEED_SECONDS):
            return await _read(resources, feed)
    except DatabaseUnavailableError:
        raise
    except TimeoutError:
        # Asking and reading have deadlines of their own: it waited for a child process. Its lease
        # ends, and it is read again.
        _log.warning("feed %s waited too long for its turn to be read", feed.source.id)
        return "left"
    except Exception:  # noqa: BLE001  logged with its traceback, and tried again
        _log.exception("reading feed %s failed", feed.source.id)
        return await _fail(resources, feed, OUR_FAULT)


async def _read(resources: Resources, feed: LeasedFeed) -> str:
    now = resources.clock()
    days = await furthest_advance_days(resources.pool, feed.organization_id)
    ahead = min(max(days, LEAST_AHEAD_DAYS), HORIZON_DAYS)
    needed = minute_of(now + timedelta(days=ahead))
    validators = _validators(feed, needed)
    answer = await resources.outgoing.get(
        feed.url,
        headers={"Accept": "text/calendar, */*;q=0.1", **validators},
        limits=FEED_LIMITS,
    )
    if isinstance(answer, Unanswered):
        return await _fail(resources, feed, answer.problem)
    if answer.status == _NOT_MODIFIED and validators:
        return await _unchanged(resources, feed, now)
    if answer.status != _HTTP_OK:
        return await _fail(resources, feed, f"The server answered with status {answer.status}.")
    if answer.is_cut:
        return await _fail(resources, feed, TOO_LONG)
    window = kept_from(now), needed + AHEAD_RESERVE_DAYS * DAY_MINUTES
    found = await resources.feed_readers.read(answer.body, first=window[0], last=window[1])
    if isinstance(found, UnreadableFeed):
        return await _fail(resources, feed, found.problem)
    return await _write(resources, feed, answer, found, window, now)


def _validators(feed: LeasedFeed, needed: Minute) -> dict[str, str]:
    """What makes the server say that nothing changed; nothing where the feed has to be read further
    ahead than before.
    """
    if feed.expanded_until is None or feed.expanded_until < needed:
        return {}
    both = {"If-None-Match": feed.etag, "If-Modified-Since": feed.last_modified}
    return {name: value for name, value in both.items() if value is not None}


async def _unchanged(resources: Resources, feed: LeasedFeed, now: datetime) -> str:
    await feed_was_read(
        resources.pool,
        feed,
        read_at=now,
        next_read_at=_next_reading(now),
        problem=None if feed.source.failing_since is not None else feed.source.problem,
        whole=None,
    )
    return "not_modified"


async def _write(
    resources: Resources,
    feed: LeasedFeed,
    answer: Answer,
    found: ReadFeed,
    window: Interval,
    now: datetime,
) -> str:
    async with transaction(resources.pool) as tx:
        own = await own_event_ids(tx, feed.organization_id, found.perhaps_ours)
        said = [found.busy, *(each for key, each in found.perhaps_ours.items() if key not in own)]
        changes = await replace_busy(
            resources,
            tx,
            feed.organization_id,
            feed.source,
            _busy_times(said, window),
            author=PROGRAM,
        )
        if not isinstance(changes, InvalidInput | NotFound):
            is_ours = await feed_was_read(
                tx,
                feed,
                read_at=now,
                next_read_at=_next_reading(now),
                problem=_problem(found.unread),
                whole=FeedRead(
                    etag=_validator(answer, "etag"),
                    last_modified=_validator(answer, "last-modified"),
                    expanded_until=window[1],
                ),
            )
            if not is_ours:  # somebody else reads it, and later than this
                tx.roll_back()
                return "left"
    match changes:
        case NotFound():
            return "removed"
        case InvalidInput(message=message):
            return await _fail(resources, feed, str(message))
        case _:
            await publish(resources, *changes)
            return "changed" if changes else "unchanged"


def _busy_times(said: list[Said], window: Interval) -> BusyTimes:
    return BusyTimes(
        window=window,
        times=[each for times in said for each in times.instants],
        readings=[each for times in said for each in times.floating],
    )


def _problem(unread: int) -> str | None:
    match unread:
        case 0:
            return None
        case 1:
            return "One event can't be read, at least not wholly."
        case _:
            return f"{unread} events can't be read, at least not wholly."


def _validator(answer: Answer, name: str) -> str | None:
    value = answer.headers.get(name)
    return value if value and len(value) <= _LONGEST_VALIDATOR else None


async def _fail(resources: Resources, feed: LeasedFeed, problem: str) -> str:
    """What it said last stays."""
    now = resources.clock()
    since = feed.source.failing_since
    is_hopeless = problem == TOOK_TOO_LONG.problem or (
        since is not None and now - since >= PATIENCE
    )
    failure = await feed_failed(
        resources.pool,
        feed,
        failed_at=now,
        next_read_at=_next_reading(
            now, BETWEEN_HOPELESS_READINGS if is_hopeless else BETWEEN_READINGS
        ),
        problem=problem,
    )
    if failure is None:
        return "left"
    await warn_owner(resources, feed, failure, problem, now)
    return "failed"


def _next_reading(now: datetime, pause: timedelta = BETWEEN_READINGS) -> datetime:
    jitter = secrets.randbelow(2 * JITTER_SECONDS + 1) - JITTER_SECONDS
    return now + pause + timedelta(seconds=jitter)
