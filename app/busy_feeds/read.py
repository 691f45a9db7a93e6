"""One feed, read: when its owner is busy in a window of time. Pure.

Times of a known zone become instants. Floating times, and dates, which are floating, become
readings of the subject's own clock: the caller expands them, and again when the subject's zone
changes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from app.busy_feeds.components import Event, Feed, NotACalendarError, parse
from app.busy_feeds.recurrence import Budget, Rule, TooMuchError
from app.busy_feeds.values import DAY_MINUTES, Length, Reading, UnreadableValueError
from app.busy_feeds.zones import WINDOW_MARGIN, Zone
from app.core.zones import Interval, Minute

MOST_STEPS: Final = 250_000
"""Occurrences that are looked at, those before the window included: a daily event since 1970 has
20,000.
"""

MOST_INTERVALS: Final = 50_000
"""Busy times of a feed in the window, after merging."""

_OURS: Final = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@slotwright", re.IGNORECASE
)
"""The UIDs of our invitations; see `app.notify.ics`."""

_AROUND: Final = 2 * DAY_MINUTES
"""No clock is ever further than this from UTC."""


@dataclass(slots=True)
class BusyTimes:
    """`instants` in minutes of UTC, `floating` in minutes of a clock in no zone; both ascending,
    merged, and cut to the window.
    """

    instants: list[Interval] = field(default_factory=list)
    floating: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFeed:
    busy: BusyTimes
    perhaps_ours: Mapping[UUID, BusyTimes]
    """Events whose UIDs look like ours, by the id in it. Where an appointment or a session has this
    id, its time is known already; another installation's is an event like any other.
    """
    unread: int
    """Events that could not be read, at least not wholly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableFeed:
    """`problem` is an English sentence for the feed's owner."""

    problem: str


NOT_A_CALENDAR: Final = UnreadableFeed(problem="The answer is not a whole iCalendar file.")
TOO_MUCH: Final = UnreadableFeed(problem="The calendar has more events than can be read.")


def read_feed(data: bytes, *, first: Minute, last: Minute) -> ReadFeed | UnreadableFeed:
    """What a feed says about the minutes `[first, last)`."""
    budget = Budget(MOST_STEPS)
    try:
        feed = parse(data, first=first - WINDOW_MARGIN, last=last + WINDOW_MARGIN, budget=budget)
        return _Reader(first, last, budget).read(feed)
    except NotACalendarError:
        return NOT_A_CALENDAR
    except TooMuchError:
        return TOO_MUCH


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exactly:
    """The elapsed time between a DTSTART and its DTEND: all instances last as long (section
    3.8.5.3).
    """

    minutes: int


_Lasting: TypeAlias = Length | _Exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    """One occurrence, before it is known whether it was changed."""

    wall: int
    zone: Zone | None
    lasting: _Lasting
    is_busy: bool


class _Reader:
    def __init__(self, first: Minute, last: Minute, budget: Budget) -> None:
        self._first, self._last, self._budget = first, last, budget
        self._unread = 0

    def read(self, feed: Feed) -> ReadFeed:
        self._unread = feed.unread
        everybodys = BusyTimes()
        ours: dict[UUID, BusyTimes] = defaultdict(BusyTimes)
        for uid, events in _by_uid(feed.events):
            ids = _OURS.fullmatch(uid or "")
            self._add(everybodys if ids is None else ours[UUID(ids[1])], events)
        for starts, end in feed.periods:
            lasting = end if isinstance(end, Length) else _between(starts, end)
            self._put(
                everybodys,
                _Instance(wall=starts.wall, zone=starts.zone, lasting=lasting, is_busy=True),
            )
        for times in (everybodys, *ours.values()):
            times.instants = _merged(times.instants)
            times.floating = _merged(times.floating)
            if len(times.instants) + len(times.floating) > MOST_INTERVALS:
                raise TooMuchError
        return ReadFeed(busy=everybodys, perhaps_ours=dict(ours), unread=self._unread)

    def _add(self, times: BusyTimes, events: list[Event]) -> None:
        """The events of one UID: series, and changes to their instances."""
        series = _newest(event for event in events if event.recurrence_id is None)
        changes = [event for event in events if event.recurrence_id is not None]
        for event in series:
            for instance in self._instances(event, changes):
                self._put(times, instance)
        # Also those of a series that is not in the feed: invitations to one of its instances.
        for change in _newest_of_each(changes):
            self._put(times, _own_instance(change))

    def _instances(self, event: Event, changes: list[Event]) -> Iterator[_Instance]:
        """The occurrences of a series that were not changed by themselves, as later ones were
        changed with an earlier one (THISANDFUTURE).
        """
        walls = self._walls(event, [change for change in changes if change.with_future])
        changed = {_place(change.recurrence_id, event) for change in changes}
        changed_dates = {
            _place(change.recurrence_id, event) // DAY_MINUTES
            for change in changes
            if change.recurrence_id is not None
            and change.recurrence_id.is_date
            and not event.starts.is_date
        }
        turns = sorted(
            (
                (_place(change.recurrence_id, event), change)
                for change in _newest_of_each(changes)
                if change.with_future
            ),
            key=lambda turn: turn[0],
        )
        for wall, lasting in walls.items():
            if wall in changed or wall // DAY_MINUTES in changed_dates:
                continue
            instance = _Instance(
                wall=wall, zone=event.starts.zone, lasting=lasting, is_busy=event.is_busy
            )
            turn = next((turn for turn in reversed(turns) if turn[0] <= wall), None)
            yield instance if turn is None else _moved(instance, *turn)

    def _walls(self, event: Event, turns: list[Event]) -> dict[int, _Lasting]:
        """When the occurrences begin that may touch the window, and how long they last."""
        usual = _lasting(event)
        longest = max((_about(lasting) for lasting in (usual, *map(_lasting, turns))), default=0)
        shift = max(
            (abs(_shift(turn)) for turn in turns if turn.recurrence_id is not None), default=0
        )
        first = self._first - _AROUND - longest - shift
        last = self._last + _AROUND + shift
        walls: dict[int, _Lasting] = {event.starts.wall: usual}
        for starts, end in event.dates:
            lasting: _Lasting = usual
            if end is not None:
                lasting = end if isinstance(end, Length) else _between(starts, end)
            walls[_place(starts, event)] = lasting
        excluded: set[int] = set()
        for text in event.rules:
            walls |= dict.fromkeys(self._expanded(text, event, first, last), usual)
        for text in event.exclusion_rules:
            excluded.update(self._expanded(text, event, first, last))
        excluded_dates = set()
        for exclusion in event.exclusions:
            place = _place(exclusion, event)
            excluded.add(place)
            if exclusion.is_date and not event.starts.is_date:
                excluded_dates.add(place // DAY_MINUTES)
        return {
            wall: lasting
            for wall, lasting in walls.items()
            if wall not in excluded and wall // DAY_MINUTES not in excluded_dates
        }

    def _expanded(self, text: str, event: Event, first: int, last: int) -> list[int]:
        """A rule that can't be read leaves the event as it stands at its first time."""
        zone = event.starts.zone
        try:
            rule = Rule.parse(
                text,
                event.starts.wall,
                until_wall=(lambda minute: minute) if zone is None else zone.wall_of,
            )
            return list(rule.walls(first, last, self._budget))
        except UnreadableValueError:
            self._unread += 1
            return []

    def _put(self, times: BusyTimes, instance: _Instance) -> None:
        """Adds what lies in the window."""
        if not instance.is_busy:
            return
        if instance.zone is None:
            end = instance.wall + _about(instance.lasting)
            cut = max(instance.wall, self._first - _AROUND), min(end, self._last + _AROUND)
            if cut[0] < cut[1]:
                times.floating.append(cut)
            return
        starts = instance.zone.minute_of(instance.wall)
        match instance.lasting:
            case _Exactly(minutes=minutes):
                ends = starts + minutes
            case Length(days=days, minutes=minutes):
                ends = instance.zone.minute_of(instance.wall + days * DAY_MINUTES) + minutes
            case _:
                assert_never(instance.lasting)
        cut = max(starts, self._first), min(ends, self._last)
        if cut[0] < cut[1]:
            times.instants.append(cut)


# ---------------------------------------------------------------- series and changes


def _by_uid(events: Iterable[Event]) -> Iterator[tuple[str | None, list[Event]]]:
    """Events without a UID are each by itself."""
    groups: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.uid is None:
            yield None, [event]
        else:
            groups[event.uid].append(event)
    yield from groups.items()


def _newest(events: Iterable[Event]) -> list[Event]:
    """Those of the highest version: a file may hold older ones, too."""
    found = list(events)
    newest = max((event.sequence for event in found), default=0)
    return [event for event in found if event.sequence == newest]


def _newest_of_each(changes: Iterable[Event]) -> list[Event]:
    """Of each instance the change of the highest version; of equal ones the last in the file."""
    newest: dict[Reading | None, Event] = {}
    for change in changes:
        known = newest.get(change.recurrence_id)
        if known is None or known.sequence <= change.sequence:
            newest[change.recurrence_id] = change
    return list(newest.values())


def _place(reading: Reading | None, series: Event) -> int:
    """Where a time is on the clock of a series: how an instance is named."""
    if reading is None:
        raise AssertionError  # only events with a RECURRENCE-ID are asked for theirs
    zone = series.starts.zone
    if reading.zone is None or zone is None:
        wall = reading.wall
        return wall - wall % DAY_MINUTES if series.starts.is_date else wall
    return (
        reading.wall if reading.zone == zone else zone.wall_of(reading.zone.minute_of(reading.wall))
    )


def _own_instance(event: Event) -> _Instance:
    return _Instance(
        wall=event.starts.wall,
        zone=event.starts.zone,
        lasting=_lasting(event),
        is_busy=event.is_busy,
    )


def _moved(instance: _Instance, place: int, change: Event) -> _Instance:
    """A later instance, moved by as much as the one that was changed with its future."""
    zone = change.starts.zone
    wall = instance.wall
    if zone is not None and instance.zone is not None and zone != instance.zone:
        wall = zone.wall_of(instance.zone.minute_of(wall))
        place = zone.wall_of(instance.zone.minute_of(place))
    return _Instance(
        wall=wall + change.starts.wall - place,
        zone=zone,
        lasting=_lasting(change),
        is_busy=change.is_busy,
    )


def _shift(change: Event) -> int:
    """About how far a change moves its instance, in minutes."""
    was = change.recurrence_id
    return 0 if was is None else change.starts.wall - was.wall + _AROUND


def _lasting(event: Event) -> _Lasting:
    if event.ends is not None:
        return _between(event.starts, event.ends)
    if event.length is not None:
        return event.length
    return Length(days=1 if event.starts.is_date else 0, minutes=0)


def _between(starts: Reading, ends: Reading) -> _Lasting:
    if starts.is_date:
        days = max(1, (ends.wall - starts.wall) // DAY_MINUTES)
        return Length(days=days, minutes=0)
    begin, end = starts.minute, ends.minute
    if begin is None or end is None:
        return _Exactly(minutes=max(0, ends.wall - starts.wall))
    return _Exactly(minutes=max(0, end - begin))


def _about(lasting: _Lasting) -> int:
    return lasting.minutes if isinstance(lasting, _Exactly) else lasting.about


def _merged(intervals: list[Interval]) -> list[Interval]:
    """Ascending, apart from each other."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
