"""A topic: the free times of one provider, or of one service, that are watched in this process.
No await, no clock.

There are two kinds of dates. *Days* are dates of the topic's own zone: free times are read and
kept by day, once for all subscribers. *Pages* are what subscribers get: a date in a requested zone,
made of one day or of parts of several. A provider's topic has the provider's zone; a service has a
topic for each zone that is asked for, so its pages are its days. For a service that takes more than
the provider, or has seats, a provider's topic shows what can be booked with them as lead.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from app.core.listed import ListedStarts
from app.core.party import Party
from app.core.slots import by_viewer_date, dates_of_viewer
from app.core.zones import EPOCH, Minute, dates_between

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from app.core.changes import TimeChanged
    from app.core.ids import OwnerId, ProviderId
    from app.core.party import ServiceParty
    from app.core.seating import SeatsAt

ZONES_APART: Final = timedelta(days=2)
"""Days to read before and after: two zones differ by less, so these days contain the instants of
the dates of any zone, even if the provider's zone changes.
"""

_MICROSECOND: Final = timedelta(microseconds=1)


class ServiceWatch(NamedTuple):
    """A service's topic: whom it is about, and the zone of its dates."""

    party: ServiceParty
    time_zone: str


Subject: TypeAlias = "Party | ServiceWatch"
"""What a topic is about."""


class Revision(NamedTuple):
    """When a page got its content: the position among all commits at which it was read, and the
    clock.

    The content follows from these two. So equal revisions mean equal pages, in any process, and a
    later commit always gives a greater revision.
    """

    position: int
    microseconds: int
    """Of the program's clock, since 1970."""

    def __str__(self) -> str:
        return f"{self.position:022d}{self.microseconds:017d}"


class Content(NamedTuple):
    """The visible content of a date; a page with equal content is not sent again."""

    starts: tuple[Minute, ...] = ()
    duration_minutes: int = 0
    time_zone: str = ""
    """The topic's: a page without a zone of its own is shown in it."""
    leads: tuple[tuple[ProviderId, ...], ...] = ()
    """Of a service, for each start: with whom as lead it can be booked."""
    at: tuple[SeatsAt, ...] = ()
    """Of a service with seats, for each start: how many are left, and when the visit ends."""

    @property
    def listed(self) -> ListedStarts:
        """What is listed of each start."""
        leads = self.leads or ((),) * len(self.starts)
        return ListedStarts(
            leads=dict(zip(self.starts, leads, strict=True)),
            duration_minutes=self.duration_minutes,
            joinable=dict(zip(self.starts, self.at, strict=False)),
        )


class Rulebook(Protocol):
    """What was read of a topic besides its days: it says what they show. A provider's calendar is
    one, a service with the calendars of all that it could take another.
    """

    @property
    def time_zone(self) -> str:
        """The zone of its days."""

    @property
    def members(self) -> Collection[OwnerId]:
        """Those whose changes matter, by their ids."""

    def contents(self, days: Mapping[date, Any], now: datetime) -> dict[date, Content]:
        """What these days show at this instant."""

    def next_change(self, days: Mapping[date, Any], now: datetime) -> datetime | None:
        """The first instant after now at which time alone may change that."""

    def dates_changed(self, change: TimeChanged) -> Iterable[date]:
        """The days that it may have changed."""

    def differs_from(self, before: Any) -> bool:  # noqa: ANN401  one of its own kind
        """Whether days read under the other one count no more."""


class Found(NamedTuple):
    """The result of reading a topic."""

    rulebook: Rulebook
    days: Mapping[date, Any]
    """As the rulebook understands them."""


@dataclass(slots=True)
class _Day:
    """A date of the topic's own zone."""

    free: Any
    content: Content
    since: Revision


@dataclass(slots=True, eq=False)
class Page:
    """A date as shown in a zone (None: the provider's own), shared by all its subscribers."""

    time_zone: str | None
    date: date
    watchers: int = 0
    content: Content = field(default_factory=Content)
    revision: Revision | None = None
    """None until it was read."""
    made_at: int = -1
    """The topic's edition that it was made from."""


class Topic:
    """The free times of one provider or service."""

    __slots__ = (
        "_days",
        "_edition",
        "_latest",
        "_pages",
        "_watched",
        "changes_at",
        "compared",
        "members",
        "rulebook",
        "stale",
        "subject",
    )

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.rulebook: Rulebook | None = None
        """None where the provider or service does not exist, or the provider no longer offers the
        service; or nothing was read yet.
        """
        self.members = frozenset((_id_of(subject),))
        """Those whose changes matter, by their ids, as far as they are known."""
        self.changes_at: datetime | None = None
        """When time alone will next change something."""
        self.stale: set[date] = set()
        """Days to be read again, because an event named them or a new subscriber asks for them."""
        self.compared: set[date] = set()
        """Days to be read again, to find changes without an event."""
        self._watched: Counter[date] = Counter()
        self._days: dict[date, _Day] = {}
        self._pages: dict[tuple[str | None, date], Page] = {}
        self._latest = Revision(0, 0)
        self._edition = 0

    # ------------------------------------------------------------ subscribers

    def watch(self, time_zone: str | None, dates: Iterable[date]) -> list[Page]:
        """Adds a subscriber to the pages of these dates; all of them are read again."""
        pages = []
        for each in dates:
            page = self._pages.get((time_zone, each))
            if page is None:
                page = self._pages[time_zone, each] = Page(time_zone, each)
            page.watchers += 1
            pages.append(page)
        days = _days_around(pages)
        self._watched.update(days)
        self.stale |= days
        return pages

    def leave(self, pages: Sequence[Page]) -> None:
        """Removes a subscriber from these pages, and drops pages without any."""
        for page in pages:
            page.watchers -= 1
            if not page.watchers:
                del self._pages[page.time_zone, page.date]
        for day in _days_around(pages):
            self._watched[day] -= 1
            if not self._watched[day]:
                del self._watched[day]
                self._days.pop(day, None)
        self.stale.intersection_update(self._watched)
        self.compared.intersection_update(self._watched)

    @property
    def is_watched(self) -> bool:
        """Whether anybody is left."""
        return bool(self._pages)

    @property
    def watched_days(self) -> int:
        """How many days are kept here: for a service as many for each date as it has members."""
        return len(self._watched) * len(self.members)

    # ------------------------------------------------------------ what to read

    def doubt(self, change: TimeChanged) -> bool:
        """Time was taken or freed: marks the watched days that it touches as stale; whether any."""
        if self.rulebook is None:
            return self.doubt_all()
        reached = self.rulebook.dates_changed(change)
        doubted = [day for day in reached if day in self._watched]
        self.stale.update(doubted)
        return bool(doubted)

    def doubt_all(self) -> bool:
        """Marks every day as stale."""
        self.stale.update(self._watched)
        return True

    def compare(self) -> None:
        """Marks every day for a comparison, to find changes without an event."""
        self.compared.update(self._watched)

    # ------------------------------------------------------------ what was read

    def take(
        self, dates: Iterable[date], found: Found | None, position: int, now: datetime
    ) -> set[date]:
        """Shows what was read of these days; None where there is no such provider or service.
        Returns the days that changed.
        """
        before = self.rulebook
        self.rulebook = None if found is None else found.rulebook
        if found is not None:
            self.members = frozenset((_id_of(self.subject), *found.rulebook.members))
        if found is not None and before is not None and found.rulebook.differs_from(before):
            # The other days were computed by the old rules, and the event has not arrived yet.
            self.stale.update(self._watched.keys() - set(dates))
        for each in dates:
            if each in self._watched:
                free = None if found is None else found.days[each]
                known = self._days.get(each)
                if known is None:
                    self._days[each] = _Day(free, Content(), Revision(-1, 0))
                else:
                    known.free = free
        return self._settle(position, now)

    def let_time_pass(self, now: datetime) -> bool:
        """Shows what can be booked at this instant. Returns whether anything changed."""
        return bool(self._settle(self._latest.position, now))

    def _settle(self, position: int, now: datetime) -> set[date]:
        rulebook = self.rulebook
        if rulebook is None:
            contents = dict.fromkeys(self._days, Content())
            self.changes_at = None
        else:
            free = {day: kept.free for day, kept in self._days.items() if kept.free is not None}
            contents = dict.fromkeys(self._days, Content()) | rulebook.contents(free, now)
            self.changes_at = rulebook.next_change(free, now)
        changed = {
            day
            for day, kept in self._days.items()
            if kept.since.position < 0 or kept.content != contents[day]
        }
        if changed:
            revision = self._next_revision(position, now)
            for day in changed:
                self._days[day].content = contents[day]
                self._days[day].since = revision
            self._edition += 1
        return changed

    def _next_revision(self, position: int, now: datetime) -> Revision:
        revision = Revision(position, (now - EPOCH) // _MICROSECOND)
        if revision <= self._latest:
            # A clock was set back, or the database is another one. A later reading still counts as
            # later.
            revision = Revision(self._latest.position, self._latest.microseconds + 1)
        self._latest = revision
        return revision

    # ------------------------------------------------------------ what is shown

    def refresh(self, page: Page) -> Page:
        """The page as it is now, made once for all its subscribers."""
        if page.made_at == self._edition:
            return page
        sources, content = self._content_of(page)
        if sources and all(day is not None for day in sources):
            newest = max(day.since for day in sources if day is not None)
            if page.revision is None or page.content != content:
                page.content, page.revision = content, newest
            page.made_at = self._edition
        return page

    def _content_of(self, page: Page) -> tuple[list[_Day | None], Content]:
        own_zone = None if self.rulebook is None else self.rulebook.time_zone
        if page.time_zone is None or own_zone is None or page.time_zone == own_zone:
            day = self._days.get(page.date)
            return [day], Content() if day is None else day.content
        reach = dates_of_viewer(own_zone, page.time_zone, page.date, page.date)
        sources = [self._days.get(day) for day in dates_between(reach.first, reach.last)]
        starts = [start for day in sources if day is not None for start in day.content.starts]
        shown = by_viewer_date(starts, page.time_zone, page.date, page.date)[page.date]
        duration = next((day.content.duration_minutes for day in sources if day is not None), 0)
        at = {
            start: seats
            for day in sources
            if day is not None
            for start, seats in zip(day.content.starts, day.content.at, strict=False)
        }
        seats = tuple(at[start] for start in shown) if at else ()
        return sources, Content(shown, duration, own_zone, at=seats)


def _id_of(subject: Subject) -> OwnerId:
    match subject:
        case Party():
            return subject.provider_id
        case ServiceWatch():
            return subject.party.service_id


def _days_around(pages: Sequence[Page]) -> set[date]:
    """The topic's own days that these pages can be made of."""
    days: set[date] = set()
    for page in pages:
        around = 0 if page.time_zone is None else ZONES_APART.days
        number = page.date.toordinal()
        first, last = (
            max(number - around, date.min.toordinal()),
            min(number + around, date.max.toordinal()),
        )
        days.update(date.fromordinal(each) for each in range(first, last + 1))
    return days
