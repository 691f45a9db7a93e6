"""Values of iCalendar properties: dates, times, durations and offsets (RFC 5545, section 3.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.busy_feeds.zones import Zone
    from app.core.zones import Minute

DAY_MINUTES: Final = 1440

WALL_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  what a clock reads, in no zone

_MINUTE: Final = timedelta(minutes=1)
_DATE_TIME: Final = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?(Z?))?", re.ASCII | re.IGNORECASE
)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?",
    re.ASCII | re.IGNORECASE,
)
_OFFSET: Final = re.compile(r"([+-])(\d{2})(\d{2})(\d{2})?", re.ASCII)
_LAST_SECOND: Final = 59


class UnreadableValueError(ValueError):
    """A value is not of the form that its property has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A date, or a date with a time of day, as the feed has it.

    `wall` counts the minutes that a clock reads, from 1970-01-01T00:00 on; `zone` is the clock's
    zone, None for a floating time, which is read on the subject's own clock. Dates are floating.
    """

    wall: int
    zone: Zone | None
    is_date: bool = False

    @property
    def minute(self) -> Minute | None:
        """The instant; None for floating times."""
        return None if self.zone is None else self.zone.minute_of(self.wall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A duration: days on the calendar, then exact minutes (section 3.8.2.5)."""

    days: int
    minutes: int

    @property
    def about(self) -> int:
        """In minutes, give or take a change of clocks."""
        return self.days * DAY_MINUTES + self.minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A date, or a date and a time, without its zone."""

    wall: int
    is_date: bool
    is_utc: bool
    seconds: int


def read_clock(text: str) -> Clock:
    """Raises `UnreadableValueError`."""
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        raise UnreadableValueError
    year, month, day, hour, minute, second, utc = found.groups()
    try:
        # a leap second is the minute's last one
        wall = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0))  # noqa: DTZ001
    except ValueError:
        raise UnreadableValueError from None
    return Clock(
        wall=wall_of(wall),
        is_date=hour is None,
        is_utc=bool(utc),
        seconds=min(int(second or 0), _LAST_SECOND),
    )


def read_length(text: str) -> Length:
    """Raises `UnreadableValueError`. Minutes are rounded up."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()[1:]):
        raise UnreadableValueError
    sign, weeks, days, hours, minutes, seconds = found.groups()
    if sign == "-":
        return Length(days=0, minutes=0)
    exact = int(hours or 0) * 60 + int(minutes or 0) - (-int(seconds or 0) // 60)
    return Length(days=int(weeks or 0) * 7 + int(days or 0), minutes=exact)


def read_offset(text: str) -> int:
    """Minutes ahead of UTC. Raises `UnreadableValueError`."""
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise UnreadableValueError
    sign, hours, minutes, _ = found.groups()
    ahead = int(hours) * 60 + int(minutes)
    if ahead >= DAY_MINUTES:
        raise UnreadableValueError
    return -ahead if sign == "-" else ahead


def wall_of(clock: datetime) -> int:
    """The wall minute of a date-time without a zone."""
    return (clock - WALL_EPOCH) // _MINUTE


def clock_of(wall: int) -> datetime:
    """The date-time without a zone of a wall minute. Raises OverflowError beyond year 9999."""
    return WALL_EPOCH + timedelta(minutes=wall)
