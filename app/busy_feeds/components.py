"""Bytes to events: the lines of a feed, as far as they say when somebody is busy.

`icalendar` parses the lines. Its tree of components is not used: it builds a time zone for each
VTIMEZONE, whatever that costs, and gives up a calendar at the first one that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from icalendar.parser import Contentline, Parameters

from app.busy_feeds.recurrence import Budget, TooMuchError
from app.busy_feeds.values import (
    Clock,
    Length,
    Reading,
    UnreadableValueError,
    read_clock,
    read_length,
    read_offset,
)
from app.busy_feeds.zones import UTC, Observance, Zone, custom_zone, known_zone

MOST_EVENTS: Final = 50_000

MOST_LINES: Final = 300_000
"""That are wanted: an event has some eight."""

_MOST_PROPERTIES: Final = 5_000
"""Of one component: Apple writes a line for each date that is left out of a series."""

_LONGEST_LINE: Final = 100_000
"""Characters, unfolded, of a property that is read: an EXDATE of five thousand dates."""

_DEEPEST: Final = 10

_WANTED: Final = frozenset(
    {
        "BEGIN",
        "DTEND",
        "DTSTART",
        "DURATION",
        "END",
        "EXDATE",
        "EXRULE",
        "FREEBUSY",
        "RDATE",
        "RECURRENCE-ID",
        "RRULE",
        "SEQUENCE",
        "STATUS",
        "TRANSP",
        "TZID",
        "TZOFFSETFROM",
        "TZOFFSETTO",
        "UID",
        "X-LIC-LOCATION",
        "X-MICROSOFT-CDO-BUSYSTATUS",
        "X-WR-TIMEZONE",
    }
)
"""The others are descriptions, alarms, attachments and people, and most of a feed's bytes."""

_FOLD: Final = re.compile(r"\n[ \t]")
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,50}")


class NotACalendarError(Exception):
    """The bytes are not a whole iCalendar file: an error page, or one that was cut."""


@dataclass(frozen=True, slots=True)
class Property:
    """Values are as in the file; parameters' names are in capitals."""

    parameters: Mapping[str, str]
    value: str


@dataclass(slots=True)
class Component:
    name: str
    properties: dict[str, list[Property]] = field(default_factory=dict)
    children: list[Component] = field(default_factory=list)

    def value(self, name: str) -> str | None:
        """Of the first property of this name."""
        found = self.properties.get(name)
        return found[0].value.strip() if found else None

    def all(self, name: str) -> list[Property]:
        return self.properties.get(name, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A VEVENT that was understood."""

    uid: str | None
    sequence: int
    starts: Reading
    ends: Reading | None
    length: Length | None
    """Exactly one of the two; a date without both lasts a day."""
    is_busy: bool
    """Neither cancelled nor transparent."""
    recurrence_id: Reading | None
    with_future: bool
    rules: tuple[str, ...]
    exclusion_rules: tuple[str, ...]
    dates: tuple[tuple[Reading, Reading | Length | None], ...]
    """RDATEs, with an end or a length where they are periods."""
    exclusions: tuple[Reading, ...]


@dataclass(slots=True)
class Feed:
    """What a file holds."""

    events: list[Event] = field(default_factory=list)
    periods: list[tuple[Reading, Reading | Length]] = field(default_factory=list)
    """Of FREEBUSY."""
    unread: int = 0
    """Events without a time that can be read."""


def parse(data: bytes, *, first: int, last: int, budget: Budget) -> Feed:
    """The events of a file. Custom zones are expanded for the wall minutes from `first` to `last`.
    Raises `NotACalendarError` and `TooMuchError`.
    """
    feed = Feed()
    for calendar in _calendars(data):
        zones = _Zones(calendar, first=first, last=last, budget=budget)
        for component in calendar.children:
            try:
                if component.name == "VEVENT":
                    feed.events.append(_event(component, zones))
                elif component.name == "VFREEBUSY":
                    feed.periods += _busy_periods(component, zones)
            except UnreadableValueError:
                feed.unread += 1
    return feed


# ---------------------------------------------------------------- lines and components


def _calendars(data: bytes) -> list[Component]:
    """Most files hold one; some hold several, one after the other."""
    root = Component("")
    stack = [root]
    events = 0
    for number, (name, line) in enumerate(_lines(data)):
        if number > MOST_LINES:
            raise TooMuchError
        if name == "BEGIN":
            opened = Component(line.partition(":")[2].strip().upper())
            events += opened.name == "VEVENT"
            if len(stack) > _DEEPEST or events > MOST_EVENTS:
                raise TooMuchError
            stack[-1].children.append(opened)
            stack.append(opened)
        elif name == "END":
            if len(stack) == 1 or stack[-1].name != line.partition(":")[2].strip().upper():
                raise NotACalendarError
            stack.pop()
        else:
            _add_property(stack[-1], name, line)
    calendars = [child for child in root.children if child.name == "VCALENDAR"]
    if not calendars or len(stack) > 1:
        raise NotACalendarError
    return calendars


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    """Unfolded, with their names in capitals; those only that are wanted."""
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for line in _FOLD.sub("", text).split("\n"):
        name = _NAME.match(line)
        if name is not None and name[0].upper() in _WANTED:
            yield name[0].upper(), line


def _add_property(component: Component, name: str, line: str) -> None:
    """Lines that are no properties are left out."""
    same = component.properties.setdefault(name, [])
    if len(line) > _LONGEST_LINE or len(same) >= _MOST_PROPERTIES:
        raise TooMuchError
    if (parsed := _property(line)) is not None:
        same.append(parsed)


def _property(line: str) -> Property | None:
    """None where the line is not one."""
    try:
        _, parameters, value = Contentline(line).parts()  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return Property({name.upper(): _text(parameters, name) for name in parameters}, value)


def _text(parameters: Parameters, name: str) -> str:
    value = parameters[name]
    return value if isinstance(value, str) else ",".join(value)


# ---------------------------------------------------------------- zones


class _Zones:
    """The zones of one calendar, by TZID."""

    def __init__(self, calendar: Component, *, first: int, last: int, budget: Budget) -> None:
        self._own = {
            tzid: child
            for child in calendar.children
            if child.name == "VTIMEZONE" and (tzid := child.value("TZID")) is not None
        }
        self._first, self._last, self._budget = first, last, budget
        self._found: dict[str, Zone | None] = {}
        named = calendar.value("X-WR-TIMEZONE")
        self._default = None if not named else self.of(named)

    def of(self, tzid: str) -> Zone | None:
        """The default where nobody knows the name."""
        if tzid not in self._found:
            self._found[tzid] = known_zone(tzid) or self._by_own_rules(tzid)
        return self._found[tzid]

    def reading(self, parsed: Property, clock: Clock) -> Reading:
        """A value of a property."""
        if clock.is_date:
            return Reading(wall=clock.wall, zone=None, is_date=True)
        if clock.is_utc:
            return Reading(wall=clock.wall, zone=UTC)
        tzid = parsed.parameters.get("TZID")
        zone = self._default if tzid is None else (self.of(tzid) or self._default)
        return Reading(wall=clock.wall, zone=zone)

    def _by_own_rules(self, tzid: str) -> Zone | None:
        component = self._own.get(tzid)
        if component is None:
            return None
        location = component.value("X-LIC-LOCATION")
        if location is not None and (known := known_zone(location)) is not None:
            return known
        try:
            return custom_zone(
                [_observance(child) for child in component.children],
                first=self._first,
                last=self._last,
                budget=self._budget,
            )
        except UnreadableValueError:
            return None


def _observance(component: Component) -> Observance:
    starts, before, after = (
        component.value(name) for name in ("DTSTART", "TZOFFSETFROM", "TZOFFSETTO")
    )
    if starts is None or before is None or after is None:
        raise UnreadableValueError
    return Observance(
        starts=read_clock(starts).wall,
        before=read_offset(before),
        after=read_offset(after),
        rules=tuple(parsed.value for parsed in component.all("RRULE")),
        dates=tuple(
            read_clock(value).wall
            for parsed in component.all("RDATE")
            for value in parsed.value.split(",")
        ),
    )


# ---------------------------------------------------------------- events


def _event(component: Component, zones: _Zones) -> Event:
    starts, ends, recurrence_id = (
        _reading(component, name, zones) for name in ("DTSTART", "DTEND", "RECURRENCE-ID")
    )
    if starts is None:
        raise UnreadableValueError
    length = component.value("DURATION")
    return Event(
        uid=component.value("UID"),
        sequence=_number(component.value("SEQUENCE")),
        starts=starts,
        ends=_end_of_last_minute(component, ends),
        length=None if length is None or ends is not None else read_length(length),
        is_busy=_is_busy(component),
        recurrence_id=recurrence_id,
        with_future=any(
            parsed.parameters.get("RANGE", "").upper() == "THISANDFUTURE"
            for parsed in component.all("RECURRENCE-ID")
        ),
        rules=tuple(parsed.value for parsed in component.all("RRULE")),
        exclusion_rules=tuple(parsed.value for parsed in component.all("EXRULE")),
        dates=tuple(_periods(component.all("RDATE"), zones)),
        exclusions=tuple(
            zones.reading(parsed, read_clock(value))
            for parsed in component.all("EXDATE")
            for value in _listed(parsed)
        ),
    )


def _is_busy(component: Component) -> bool:
    """Tentative times count. Outlook says FREE also where TRANSP is left out."""
    return (
        (component.value("STATUS") or "").upper() != "CANCELLED"
        and (component.value("TRANSP") or "").upper() != "TRANSPARENT"
        and (component.value("X-MICROSOFT-CDO-BUSYSTATUS") or "").upper() != "FREE"
    )


def _reading(component: Component, name: str, zones: _Zones) -> Reading | None:
    found = component.all(name)
    return zones.reading(found[0], read_clock(found[0].value)) if found else None


def _end_of_last_minute(component: Component, ends: Reading | None) -> Reading | None:
    """An end within a minute makes the whole minute busy."""
    if ends is None or read_clock(component.all("DTEND")[0].value).seconds == 0:
        return ends
    return Reading(wall=ends.wall + 1, zone=ends.zone)


def _periods(
    properties: Iterable[Property], zones: _Zones
) -> Iterator[tuple[Reading, Reading | Length | None]]:
    for parsed in properties:
        for value in _listed(parsed):
            start, slash, end = value.partition("/")
            starts = zones.reading(parsed, read_clock(start))
            if not slash:
                yield starts, None
            elif end.lstrip("+").upper().startswith("P"):
                yield starts, read_length(end)
            else:
                yield starts, zones.reading(parsed, read_clock(end))


def _busy_periods(component: Component, zones: _Zones) -> list[tuple[Reading, Reading | Length]]:
    busy = [
        parsed
        for parsed in component.all("FREEBUSY")
        if parsed.parameters.get("FBTYPE", "BUSY").upper() != "FREE"
    ]
    return [(starts, end) for starts, end in _periods(busy, zones) if end is not None]


def _listed(parsed: Property) -> list[str]:
    return [value for value in parsed.value.split(",") if value.strip()]


def _number(text: str | None) -> int:
    return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0
