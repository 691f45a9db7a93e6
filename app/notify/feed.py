"""Calendar feeds in the form of RFC 5545: what somebody's calendar program subscribes to.

An event has the UID and the SEQUENCE of its invitation. The calendar has no METHOD: it publishes,
and nobody is asked anything, so there are no organizers and attendees. Instants are UTC. The
VTIMEZONE of the owner's zone is always there, because a calendar without any component is none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from app.core.zones import DAY_MINUTES, day_number, eras_between, instant_of
from app.notify import plain
from app.notify.content_lines import escaped, instant_text, line
from app.notify.ics import PRODUCT, uid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.core.ids import AppointmentId, SessionId

_REFRESH: Final = "PT1H"
"""How often a program is asked to look again; most do as they please."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One event. Texts are as they are to be shown; `changed_at` is when the version was made."""

    about: AppointmentId | SessionId
    version: int
    changed_at: datetime
    starts_at: datetime
    ends_at: datetime
    is_cancelled: bool
    summary: str
    description: str | None
    location: str | None
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A calendar. `time_zone` (IANA) is the owner's, and `year` the current one in it. `tag` is the
    entity tag of its text, by `FeedTag`.
    """

    name: str
    time_zone: str
    year: int
    events: Sequence[FeedEvent]
    tag: str


_FORMAT: Final = 1
"""To be incremented when the same feed becomes another text."""


class FeedTag:
    """The entity tag of a feed's text, which need not be written for it: another one for another
    text. It is made event by event, so that the event loop can go on in between.
    """

    def __init__(self, name: str, time_zone: str, year: int) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._hash.update(repr((_FORMAT, name, time_zone, year)).encode())

    def add(self, event: FeedEvent) -> None:
        """The next event."""
        self._hash.update(repr(event).encode())

    def __str__(self) -> str:
        """The tag, without quotes."""
        return self._hash.hexdigest()


def calendar_text(feed: Feed) -> Iterator[bytes]:
    """The calendar in UTF-8 with CRLF lines, in pieces: what comes before the events, each event,
    and the end.
    """
    name = _text(feed.name)
    yield b"".join((
        b"BEGIN:VCALENDAR\r\n",
        line("VERSION:2.0"),
        line(f"PRODID:{PRODUCT}"),
        line("CALSCALE:GREGORIAN"),
        line(f"NAME:{name}"),
        line(f"X-WR-CALNAME:{name}"),
        line(f"X-WR-TIMEZONE:{_text(feed.time_zone)}"),
        line(f"REFRESH-INTERVAL;VALUE=DURATION:{_REFRESH}"),
        line(f"X-PUBLISHED-TTL:{_REFRESH}"),
        _time_zone(feed.time_zone, feed.year),
    ))  # fmt: skip
    for event in feed.events:
        yield _event(event)
    yield b"END:VCALENDAR\r\n"


def _event(event: FeedEvent) -> bytes:
    changed_at = instant_text(event.changed_at)
    lines = [
        f"UID:{uid(event.about)}",
        f"SEQUENCE:{event.version}",
        # Without a METHOD, both say when the event was revised (RFC 5545, 3.8.7.2).
        f"DTSTAMP:{changed_at}",
        f"LAST-MODIFIED:{changed_at}",
        f"DTSTART:{instant_text(event.starts_at)}",
        f"DTEND:{instant_text(event.ends_at)}",
        f"SUMMARY:{_text(event.summary)}",
        f"STATUS:{'CANCELLED' if event.is_cancelled else 'CONFIRMED'}",
        f"TRANSP:{'TRANSPARENT' if event.is_cancelled else 'OPAQUE'}",
    ]
    if event.description is not None:
        lines.append(f"DESCRIPTION:{_text(event.description)}")
    if event.location is not None:
        lines.append(f"LOCATION:{_text(event.location)}")
    if event.url is not None:
        lines.append(f"URL:{plain.one_line(event.url, limit=2000)}")
    return b"".join((b"BEGIN:VEVENT\r\n", *map(line, lines), b"END:VEVENT\r\n"))


def _text(text: str) -> str:
    return escaped(plain.paragraphs(text, limit=4000))


def _time_zone(name: str, year: int) -> bytes:
    """The zone from last year on, for longer than anything is booked ahead: a part for each change
    of its offset.
    """
    first, last = (day_number(date(each, 1, 1)) * DAY_MINUTES for each in (year - 1, year + 6))
    eras = eras_between(name, first, last)
    before = eras[0][2]
    parts = []
    for begin, _, offset in eras:
        kind = "DAYLIGHT" if offset > before else "STANDARD"
        # The reading of a clock that has not been changed yet (RFC 5545, 3.6.5).
        onset = instant_of(begin + before)
        parts.append(
            f"BEGIN:{kind}\r\nDTSTART:{onset:%Y%m%dT%H%M%S}\r\n"
            f"TZOFFSETFROM:{_offset(before)}\r\nTZOFFSETTO:{_offset(offset)}\r\nEND:{kind}\r\n"
        )
        before = offset
    zone = "".join(parts).encode()
    return b"BEGIN:VTIMEZONE\r\n" + line(f"TZID:{_text(name)}") + zone + b"END:VTIMEZONE\r\n"


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{rest:02}"
