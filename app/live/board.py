"""A board: the free times of one organization that are watched in this process, and the one task
that keeps them current.

The task reads all stale days in one batch; days that become stale during a reading wait for the
next one. So readings never overlap, each is newer than the one before, and what is shown never
goes backwards. Subscribers pull: a topic marks itself as changed for its subscribers, and each
takes the newest state when it is ready. Nothing queues up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from app.core.changes import RulesChanged, TimeChanged
from app.core.party import Party
from app.live.loop import Loop
from app.live.topic import Content, Found, Page, Revision, Rulebook, Subject, Topic

if TYPE_CHECKING:
    from app.core.changes import Change
    from app.core.ids import OrganizationId, OwnerId, ProviderId
    from app.core.zones import Minute
    from app.live.pace import Counts, Pace
    from app.tasks import Tasks

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A snapshot from PostgreSQL, all as of one position; topics that do not exist are absent."""

    position: int
    found: Mapping[Subject, Found]


Read: TypeAlias = Callable[["OrganizationId", Mapping[Subject, Sequence[date]]], Awaitable[Reading]]
"""Reads these days of these topics."""

Repaired: TypeAlias = Callable[["OrganizationId", Sequence["OwnerId"]], None]
"""Called with all that matters for topics whose free times had changed without an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShown:
    """The free times of a topic on a date, as of now. `rulebook` is None where the provider or the
    service is gone.
    """

    subject: Subject
    rulebook: Rulebook | None
    date: date
    time_zone: str | None
    content: Content
    revision: Revision
    is_snapshot: bool

    @property
    def provider_id(self) -> ProviderId:
        """Whose free times they are; not of a service's topic."""
        if not isinstance(self.subject, Party):
            raise TypeError(self.subject)
        return self.subject.provider_id

    @property
    def starts(self) -> tuple[Minute, ...]:
        """What can be booked, ascending."""
        return self.content.starts


class Watch:
    """One subscriber: its pages, and the last revision of each that it received."""

    __slots__ = ("_changed", "_sent", "_woken", "pages")

    def __init__(self, pages: list[tuple[Topic, list[Page]]]) -> None:
        self.pages = pages
        self._sent: list[list[Revision | None]] = [[None] * len(each) for _, each in pages]
        self._changed = set(range(len(pages)))
        self._woken = asyncio.Event()
        self._woken.set()

    def changed(self, topic: Topic) -> None:
        """One of its pages may have changed."""
        self._changed.update(index for index, (each, _) in enumerate(self.pages) if each is topic)
        self._woken.set()

    async def changes(self) -> AsyncGenerator[DayShown, None]:
        """Every page, and each again after a change, in its newest state. Ends only when its caller
        stops.
        """
        while True:
            await self._woken.wait()
            self._woken.clear()
            changed, self._changed = sorted(self._changed), set()
            for index in changed:
                topic, pages = self.pages[index]
                sent = self._sent[index]
                for number, page in enumerate(pages):
                    revision = topic.refresh(page).revision
                    if revision is not None and revision != sent[number]:
                        is_snapshot = sent[number] is None
                        sent[number] = revision
                        yield DayShown(
                            subject=topic.subject,
                            rulebook=topic.rulebook,
                            date=page.date,
                            time_zone=page.time_zone,
                            content=page.content,
                            revision=revision,
                            is_snapshot=is_snapshot,
                        )


class Board:
    """The topics of one organization."""

    def __init__(
        self,
        organization_id: OrganizationId,
        *,
        read: Read,
        repaired: Repaired,
        clock: Callable[[], datetime],
        pace: Pace,
        counts: Counts,
        places: asyncio.Semaphore,
        tasks: Tasks,
    ) -> None:
        self._organization_id = organization_id
        self._read_from = read
        self._repaired = repaired
        self._clock = clock
        self._pace = pace
        self._counts = counts
        self._topics: dict[Subject, Topic] = {}
        self._watches: dict[Topic, set[Watch]] = {}
        self._compare_at = monotonic() + pace.compare_seconds
        self._loop = Loop(self, "live free times", pace=pace, places=places, tasks=tasks)

    # ------------------------------------------------------------ subscribers

    @property
    def is_watched(self) -> bool:
        """Whether anybody is left."""
        return bool(self._topics)

    @property
    def watched_days(self) -> int:
        """How many days of providers and of members of services are kept."""
        return sum(topic.watched_days for topic in self._topics.values())

    @asynccontextmanager
    async def watch(
        self,
        subjects: Sequence[Subject],
        time_zone: str | None,
        dates: Sequence[date],
    ) -> AsyncIterator[Watch]:
        """A subscriber to these pages, each read after the subscription began, until the block
        ends. Raises what reading raises.
        """
        pages = []
        for subject in subjects:
            topic = self._topics.get(subject)
            if topic is None:
                topic = self._topics[subject] = Topic(subject)
                self._watches[topic] = set()
            pages.append((topic, topic.watch(time_zone, dates)))
        watch = Watch(pages)
        for topic, _ in pages:
            self._watches[topic].add(watch)
        try:
            await self._loop.next_reading()
            yield watch
        finally:
            for topic, of_topic in pages:
                topic.leave(of_topic)
                self._watches[topic].discard(watch)
                if not topic.is_watched:
                    del self._topics[topic.subject], self._watches[topic]
            self._loop.wake()

    # ------------------------------------------------------------ doubts

    def receive(self, changes: Sequence[Change]) -> None:
        """These changes were committed."""
        touched = [change for change in changes if isinstance(change, TimeChanged | RulesChanged)]
        doubted = False
        for topic in self._topics.values() if touched else ():
            for change in touched:
                if isinstance(change, TimeChanged):
                    doubted |= change.subject_id in topic.members and topic.doubt(change)
                else:
                    doubted |= not topic.members.isdisjoint(change.ids) and topic.doubt_all()
        if doubted:
            self._loop.wake()

    def compare(self) -> None:
        """Events may have been missed: reads everything again."""
        for topic in self._topics.values():
            topic.compare()
        self._compare_at = monotonic() + self._pace.compare_seconds
        self._loop.wake()

    # ------------------------------------------------------------ for the loop

    def is_due(self) -> bool:
        """Whether days are to be read. Shows what time alone has changed."""
        self._let_time_pass()
        if monotonic() >= self._compare_at:
            self.compare()
        return any(topic.stale or topic.compared for topic in self._topics.values())

    def seconds_left(self) -> float:
        """Until time changes something, a comparison is due, or the clock is to be checked."""
        seconds = min(self._pace.glance_seconds, self._compare_at - monotonic())
        changes_at = min(
            (each.changes_at for each in self._topics.values() if each.changes_at), default=None
        )
        if changes_at is not None:
            seconds = min(seconds, (changes_at - self._clock()).total_seconds())
        return max(0.0, seconds)

    async def read(self) -> None:
        """Reads all stale days in one batch and shows them."""
        topics = [topic for topic in self._topics.values() if topic.stale or topic.compared]
        stale = {topic: topic.stale for topic in topics}
        asked = {topic: topic.stale | topic.compared for topic in topics}
        for topic in topics:
            topic.stale, topic.compared = set(), set()
        try:
            wanted = {topic.subject: sorted(days) for topic, days in asked.items()}
            reading = await self._read_from(self._organization_id, wanted)
            repaired = self._take(reading, asked, stale)
        except Exception:
            for topic, days in asked.items():
                topic.stale |= days
            raise
        self._counts.readings += 1
        if repaired:
            self._counts.repaired += len(repaired)
            _log.warning(
                "repaired free times of %d topics whose change event was lost or late",
                len(repaired),
            )
            self._repaired(self._organization_id, repaired)

    def _let_time_pass(self) -> None:
        now = self._clock()
        for topic in self._topics.values():
            if (
                topic.changes_at is not None
                and topic.changes_at <= now
                and topic.let_time_pass(now)
            ):
                self._say_changed(topic)

    def _take(
        self, reading: Reading, asked: Mapping[Topic, set[date]], stale: Mapping[Topic, set[date]]
    ) -> list[OwnerId]:
        """Shows what was read. Returns all that matters for the topics that had changed without an
        event.
        """
        now = self._clock()
        repaired: dict[OwnerId, None] = {}
        for topic, days in asked.items():
            changed = topic.take(days, reading.found.get(topic.subject), reading.position, now)
            if changed:
                self._say_changed(topic)
            if (changed & days) - stale[topic]:
                repaired.update(dict.fromkeys(topic.members))
        return list(repaired)

    def _say_changed(self, topic: Topic) -> None:
        for watch in self._watches.get(topic, ()):
            watch.changed(topic)
