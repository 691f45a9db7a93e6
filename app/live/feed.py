"""The feed, one per process: passes every commit, of any process, to the boards, ledgers and
journals of the organizations that are watched here.

All of these, and channels, start with their first subscriber and end with their last.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from app.live.board import Board, Read, Repaired, Watch
from app.live.journal import Journal, ReadEdits, Reader
from app.live.ledger import Concerns, Following, Ledger, ReadHistory
from app.live.listener import Listener
from app.live.pace import Counts, Pace
from app.live.wire import channel_of, decode, encode, organization_of
from app.redis_announcer import Announcement, Announcer, announcer_on
from app.redis_client import BROKEN_REDIS, describe
from app.tasks import Tasks

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.core.ids import OrganizationId
    from app.live.topic import Subject
    from app.redis_client import RedisClient

_log: Final = logging.getLogger(__name__)


class TooManySubscribersError(Exception):
    """The process already has its maximum of subscribers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the feed reads from, and the callback for changes that it found without an event."""

    read: Read
    read_history: ReadHistory
    read_edits: ReadEdits
    repaired: Repaired


@dataclass(slots=True, kw_only=True)
class _Organization:
    board: Board
    ledger: Ledger
    journal: Journal
    subscribers: int = 0


class Feed:
    """Publishes this process's commits to Redis, and all processes' commits to subscribers here."""

    def __init__(
        self,
        redis: RedisClient,
        sources: Sources,
        *,
        clock: Callable[[], datetime],
        readings_at_once: int,
        pace: Pace | None = None,
        announcer: Announcer | None = None,
    ) -> None:
        """With an announcer on this Redis that somebody else closes, or one of its own."""
        self._redis = redis
        self._sources = sources
        self._clock = clock
        self._pace = pace or Pace()
        self._origin = secrets.token_hex(8)
        self._missed = encode(self._origin, ())
        self._organizations: dict[OrganizationId, _Organization] = {}
        self._places = asyncio.Semaphore(readings_at_once)
        self._tasks = Tasks("the live feed")
        self.announcer = announcer or announcer_on(redis)
        self._own_announcer = None if announcer else self.announcer
        self.counts = Counts()
        self._listener = Listener(
            redis,
            received=self._message,
            joined=self._joined,
            tasks=self._tasks,
            pace=self._pace,
            counts=self.counts,
        )

    # ------------------------------------------------------------ subscribing

    @asynccontextmanager
    async def watch(
        self,
        organization_id: OrganizationId,
        subjects: Sequence[Subject],
        time_zone: str | None,
        dates: Sequence[date],
    ) -> AsyncIterator[Watch]:
        """A subscriber to free times, until the block ends."""
        async with self._subscribed(organization_id) as organization:
            watched = sum(each.board.watched_days for each in self._organizations.values())
            if watched + len(subjects) * len(dates) > self._pace.most_days:
                raise TooManySubscribersError
            async with organization.board.watch(subjects, time_zone, dates) as watch:
                yield watch

    @asynccontextmanager
    async def follow(
        self, organization_id: OrganizationId, concerns: Concerns
    ) -> AsyncIterator[Following]:
        """A subscriber to appointments, until the block ends."""
        async with (
            self._subscribed(organization_id) as organization,
            organization.ledger.follow(concerns) as following,
        ):
            yield following

    @asynccontextmanager
    async def follow_edits(self, organization_id: OrganizationId) -> AsyncIterator[Reader]:
        """A subscriber to edits of the practice, until the block ends."""
        async with (
            self._subscribed(organization_id) as organization,
            organization.journal.follow() as reader,
        ):
            yield reader

    @asynccontextmanager
    async def _subscribed(self, organization_id: OrganizationId) -> AsyncIterator[_Organization]:
        if (
            sum(each.subscribers for each in self._organizations.values())
            >= self._pace.most_subscribers
        ):
            raise TooManySubscribersError
        organization = self._organizations.get(organization_id)
        if organization is None:
            organization = self._organizations[organization_id] = self._made(organization_id)
            self._listener.listen(channel_of(organization_id))
        organization.subscribers += 1
        try:
            yield organization
        finally:
            organization.subscribers -= 1
            if not organization.subscribers:
                del self._organizations[organization_id]
                self._listener.leave(channel_of(organization_id))

    def _made(self, organization_id: OrganizationId) -> _Organization:
        board = Board(
            organization_id,
            read=self._sources.read,
            repaired=self._sources.repaired,
            clock=self._clock,
            pace=self._pace,
            counts=self.counts,
            places=self._places,
            tasks=self._tasks,
        )
        ledger = Ledger(
            organization_id,
            read=self._sources.read_history,
            clock=self._clock,
            pace=self._pace,
            counts=self.counts,
            places=self._places,
            tasks=self._tasks,
        )
        journal = Journal(
            organization_id,
            read=self._sources.read_edits,
            pace=self._pace,
            places=self._places,
            tasks=self._tasks,
        )
        return _Organization(board=board, ledger=ledger, journal=journal)

    @property
    def subscribers(self) -> int:
        """How many there are."""
        return sum(each.subscribers for each in self._organizations.values())

    @property
    def running(self) -> int:
        """How many tasks run for them."""
        return self._tasks.count

    # ------------------------------------------------------------ publishing and receiving

    async def publish(self, changes: Sequence[Change]) -> None:
        """Publishes changes that were committed here: to subscribers here at once, to other
        processes by a message. A message that can't be sent is counted, and no exception is raised;
        once Redis is reachable again, the other processes get a message to read for themselves. If
        the caller is cancelled, as at a shutdown, the message is sent before `close` ends.
        """
        self.receive(changes)
        await self.announcer.announce(self.announcements(changes))

    def announcements(self, changes: Sequence[Change]) -> list[Announcement]:
        """The messages to other processes; tried again, they only say that some were missed."""
        return [
            Announcement(
                self,
                organization_id,
                [("PUBLISH", channel_of(organization_id), encode(self._origin, some))],
                [("PUBLISH", channel_of(organization_id), self._missed)],
            )
            for organization_id, some in _by_organization(changes).items()
        ]

    def late(self, outage: Exception) -> None:
        """A message was not sent, and another one will be."""
        self.counts.unpublished += 1
        self._redis.breaker.trip(outage)
        _log.warning("could not publish a change to other processes: %s", describe(outage))

    def still_late(self, outage: Exception) -> None:
        """Nothing to do: nobody reads messages here."""

    def lost(self) -> None:
        """Nothing to do: subscribers read for themselves, now and then."""

    def receive(self, changes: Sequence[Change]) -> None:
        """Tell the subscribers of this process."""
        for organization_id, some in _by_organization(changes).items():
            self._receive(organization_id, some)

    def _receive(self, organization_id: OrganizationId, changes: Sequence[Change]) -> None:
        organization = self._organizations.get(organization_id)
        if organization is not None:
            organization.board.receive(changes)
            organization.ledger.receive(changes)
            organization.journal.receive(changes)

    def _message(self, channel: bytes, message: bytes) -> None:
        try:
            organization_id = organization_of(channel)
            origin, changes = decode(organization_id, message)
        except ValueError:
            _log.warning("ignored a malformed message on a channel of changes")
            return
        if origin == self._origin:
            return
        if changes:
            self._receive(organization_id, changes)
        else:
            self._compare(organization_id)

    def _joined(self, channel: bytes) -> None:
        self._compare(organization_of(channel))

    def _compare(self, organization_id: OrganizationId) -> None:
        """Events may have been missed."""
        organization = self._organizations.get(organization_id)
        if organization is not None:
            organization.board.compare()
            organization.ledger.compare()
            organization.journal.compare()

    async def close(self) -> None:
        """Ends everything that runs."""
        await self._tasks.close()
        if self._own_announcer is not None:
            with suppress(*BROKEN_REDIS):
                await self._own_announcer.close()


def _by_organization(changes: Sequence[Change]) -> Mapping[OrganizationId, Sequence[Change]]:
    found: dict[OrganizationId, list[Change]] = {}
    for change in changes:
        found.setdefault(change.organization_id, []).append(change)
    return found
