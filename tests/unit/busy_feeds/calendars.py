"""Calendars as Google, Outlook and Apple write them, and what a feed says, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import dedent

from app.busy_feeds.read import BusyTimes, ReadFeed, UnreadableFeed, read_feed
from app.core.zones import instant_of, minute_of


def at(text: str) -> int:
    """The minute of an instant in UTC, 2026-03-01T09:00."""
    return minute_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


def ics(*blocks: str, head: str = "") -> bytes:
    """A calendar with these components, with CRLF lines."""
    body = "\n".join(dedent(block).strip() for block in (head, *blocks) if block.strip())
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{body}\nEND:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def event(*lines: str, uid: str = "one@example.com") -> str:
    return "\n".join(("BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT"))


def read(
    data: bytes, *, first: str = "2026-01-01T00:00", last: str = "2027-01-01T00:00"
) -> ReadFeed:
    found = read_feed(data, first=at(first), last=at(last))
    assert not isinstance(found, UnreadableFeed), found
    return found


def spans(times: list[tuple[int, int]]) -> list[str]:
    """2026-03-01T09:00/10:00, or with a whole second date where that is another one."""
    texts = []
    for start, end in times:
        begin, until = (f"{instant_of(minute):%Y-%m-%dT%H:%M}" for minute in (start, end))
        texts.append(f"{begin}/{until[11:] if begin[:10] == until[:10] else until}")
    return texts


def instants(data: bytes, **window: str) -> list[str]:
    """The busy times in UTC, where nothing is floating and everything could be read."""
    found = read(data, **window)
    assert (found.busy.floating, found.unread, found.perhaps_ours) == ([], 0, {})
    return spans(found.busy.instants)


def floating(data: bytes, **window: str) -> list[str]:
    found = read(data, **window)
    assert (found.busy.instants, found.unread, found.perhaps_ours) == ([], 0, {})
    return spans(found.busy.floating)


def nothing(times: BusyTimes) -> bool:
    return not times.instants and not times.floating


W_EUROPE = """
    BEGIN:VTIMEZONE
    TZID:{tzid}
    BEGIN:STANDARD
    DTSTART:16010101T030000
    TZOFFSETFROM:+0200
    TZOFFSETTO:+0100
    RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
    END:STANDARD
    BEGIN:DAYLIGHT
    DTSTART:16010101T020000
    TZOFFSETFROM:+0100
    TZOFFSETTO:+0200
    RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
    END:DAYLIGHT
    END:VTIMEZONE
"""
"""The rules of Central Europe, as Outlook writes them."""
