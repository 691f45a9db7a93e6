"""Content lines of iCalendar (RFC 5545).

They are written here, not by icalendar, which takes a millisecond for an event where this takes
some 50 µs: a feed has thousands of events, and every mail has one. The tests read them with
icalendar.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_LONGEST_LINE: Final = 75
"""Octets, without the line break (RFC 5545, 3.1)."""

_WITHIN_CHARACTER: Final = 0x80
"""The upper two bits of an octet of UTF-8 that does not begin a character."""

_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
"""Of values of the type TEXT (RFC 5545, 3.3.11)."""


def line(content: str) -> bytes:
    """The content line in UTF-8, folded between characters."""
    octets = content.encode()
    if len(octets) <= _LONGEST_LINE:
        return octets + b"\r\n"
    pieces, start, room = [], 0, _LONGEST_LINE
    while len(octets) - start > room:
        end = start + room
        while octets[end] & 0xC0 == _WITHIN_CHARACTER:
            end -= 1
        pieces.append(octets[start:end])
        start, room = end, _LONGEST_LINE - 1  # a folded line begins with a space
    return b"\r\n ".join((*pieces, octets[start:])) + b"\r\n"


def escaped(text: str) -> str:
    """`text`, free of control characters but for line feeds, as a value of the type TEXT."""
    return text.translate(_ESCAPES)


def quoted(text: str) -> str:
    """`text`, free of control characters, as the value of a parameter. Double quotes, which cannot
    be written there, become single ones.
    """
    return '"' + text.replace('"', "'") + '"'


def instant_text(instant: datetime) -> str:
    """An instant in UTC: `strftime` takes four times as long."""
    utc = instant.astimezone(UTC).isoformat()
    return utc[:19].replace("-", "").replace(":", "") + "Z"
