"""Time zones: the only room that imports zoneinfo. Instants are whole minutes since 1970 in UTC;
walls are what clocks read.

A *wall minute* counts like a `Minute`, but on the clock's face: 1440 × the date's number + the
minute of that date. In an *era*, a stretch of time without a transition, the two differ by a
constant offset, so the instants that read a range of wall minutes are found by shifting the range
into each era near it and cutting it there. A gap then yields nothing, a fold yields two stretches,
and a missing midnight, a half-hour change or a skipped date is no special case.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.weighted_cache import remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

# One source of zone data: the `tzdata` package that the lock file pins. An empty search path keeps
# zoneinfo away from the operating system's tables, which are as old as the machine's last update,
# so that every node answers alike. Zones that were loaded before this line came from those tables:
# forget them.
zoneinfo.reset_tzpath(to=[])
zoneinfo.ZoneInfo.clear_cache()

Minute: TypeAlias = int
"""An instant: whole minutes since 1970-01-01T00:00Z."""

Interval: TypeAlias = tuple[Minute, Minute]
"""Half-open: from the first minute up to, not including, the second."""

DAY_MINUTES: Final = 1440
"""Minutes on a clock's face in a date. How many of them elapse depends on the zone."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_DATE: Final = date(1973, 1, 1)
"""The first supported date. From here on every zone's offset is in whole minutes (Liberia's clocks
were 44 min 30 s behind until January 1972), so a wall clock and a `Minute` tick together.
"""

LAST_DATE: Final = date(2999, 12, 31)
"""The last supported date: far enough for everybody, and far enough from year 9999 for arithmetic
around it.
"""

_EPOCH_ORDINAL: Final = EPOCH.toordinal()
_MINUTE: Final = timedelta(minutes=1)

_BLOCK_DAYS: Final = 64
"""Days of offsets that are looked up, and remembered, at once: an availability query of 62 days
touches two blocks.
"""

_PROBE_MINUTES: Final = 4 * DAY_MINUTES
"""Offsets are compared at this distance, and a transition is searched where they differ. Two
transitions of one zone are never closer than 6.9 days in the tables of 2026f from 1973 on (a test
reads them), so none is stepped over.
"""

_NOT_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Names in tables of zones that name none: placeholders for a machine's own setting."""


class UnknownZoneError(LookupError):
    """A zone was computed with that the pinned tables do not hold; the edges refuse such a name
    long before.
    """


class LocalDay(NamedTuple):
    """A calendar date of a zone, with what most computations need of it."""

    number: int
    """Days since 1970-01-01; 1440 × it is the wall minute of its 00:00."""
    date: date
    weekday: int
    """0 is Monday."""
    midnight: Minute | None
    """The instant of its 00:00, where no transition is near: then every wall minute of the date and
    of the next one is as many minutes after it as the clock says. None where a transition is within
    two days.
    """


# ---------------------------------------------------------------- names


@cache
def known_zones() -> frozenset[str]:
    """Every zone name that may be used, links (US/Eastern) included, spelled as in the tables."""
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(names) - _NOT_PLACES


def is_known_zone(name: str) -> bool:
    """Whether the pinned tables hold this name, in exactly this spelling. Nothing is loaded, so no
    name can lead anywhere.
    """
    return name in known_zones()


@cache
def tzdata_version() -> str:
    """The release of the IANA tables in use, such as 2026f."""
    first_line = (
        resources.files("tzdata")
        .joinpath("zoneinfo", "tzdata.zi")
        .read_text(encoding="utf-8")
        .partition("\n")[0]
    )
    return first_line.removeprefix("# version ").strip()


# ---------------------------------------------------------------- dates and instants


def is_supported_date(day: date) -> bool:
    """Whether the law has an answer for this date. Outside, nothing is open."""
    return FIRST_DATE <= day <= LAST_DATE


def nearest_supported_date(day: date) -> date:
    """The date itself, or the first or last one that the law has an answer for."""
    return min(max(day, FIRST_DATE), LAST_DATE)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of_number(number: int) -> date:
    """The date so many days after 1970-01-01; a number that no date has gives the nearest date
    there is.
    """
    return date.fromordinal(
        min(max(number + _EPOCH_ORDINAL, date.min.toordinal()), date.max.toordinal())
    )


@remembered(
    "dates",
    most_bytes=4 * 1024 * 1024,
    weigh=lambda _span, dates: 150 + 45 * len(dates),
)
def dates_between(first: date, last: date) -> tuple[date, ...]:
    """The dates from the first to the last, inclusive; meant for the spans of a query, which many
    providers share.
    """
    return tuple(map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1)))


def minute_of(instant: datetime) -> Minute:
    """The minute that this instant lies in. A date-time without an offset is a bug: TypeError."""
    return (instant - EPOCH) // _MINUTE


def minute_at_or_after(instant: datetime) -> Minute:
    """The first minute that begins at this instant or after it."""
    return -((EPOCH - instant) // _MINUTE)


def instant_of(minute: Minute) -> datetime:
    """The minute's beginning, as a UTC date-time."""
    return EPOCH + timedelta(minutes=minute)


_FIRST_MINUTE: Final = (day_number(FIRST_DATE) - 3) * DAY_MINUTES
_LAST_MINUTE: Final = (day_number(LAST_DATE) + 4) * DAY_MINUTES


# ---------------------------------------------------------------- offsets


def _look_up(zone: zoneinfo.ZoneInfo, minute: Minute) -> int:
    """The offset in minutes as the tables have it. Beyond the supported dates the nearest supported
    offset stays.
    """
    seconds = min(max(minute, _FIRST_MINUTE), _LAST_MINUTE) * 60
    offset = datetime.fromtimestamp(seconds, zone).utcoffset()
    if offset is None:  # pragma: no cover - a ZoneInfo always knows
        raise UnknownZoneError(zone.key)
    return offset // _MINUTE


@remembered(
    "zone offsets",
    most_bytes=4 * 1024 * 1024,
    weigh=lambda _place, eras: 250 + 140 * len(eras),
)
def _block(zone: str, number: int) -> tuple[tuple[Minute, int], ...]:
    """The eras of 64 days, as (first minute in this block, offset), ascending."""
    if not is_known_zone(zone):
        raise UnknownZoneError(zone)
    table = zoneinfo.ZoneInfo(zone)
    start = number * _BLOCK_DAYS * DAY_MINUTES
    end = start + _BLOCK_DAYS * DAY_MINUTES
    offset = _look_up(table, start)
    eras = [(start, offset)]
    for probe in range(start, end, _PROBE_MINUTES):
        before, after = probe, min(probe + _PROBE_MINUTES, end)
        offset_after = _look_up(table, after)
        if offset_after == offset:
            continue
        while after - before > 1:
            middle = (before + after) // 2
            if _look_up(table, middle) == offset:
                before = middle
            else:
                after = middle
        offset = offset_after
        if after < end:  # A transition exactly on the edge opens the next block.
            eras.append((after, offset))
    return tuple(eras)


def eras_between(zone: str, start: Minute, end: Minute) -> list[tuple[Minute, Minute, int]]:
    """The eras of `[start, end)`, cut to it: (from, until, offset), ascending, touching, neighbours
    differing.
    """
    eras: list[tuple[Minute, Minute, int]] = []
    block_minutes = _BLOCK_DAYS * DAY_MINUTES
    for number in range(start // block_minutes, (end - 1) // block_minutes + 1):
        for begin, offset in _block(zone, number):
            if begin >= end:
                break
            if eras and eras[-1][2] == offset:
                continue
            if eras:
                eras[-1] = (eras[-1][0], max(begin, start), eras[-1][2])
                if eras[-1][0] == eras[-1][1]:
                    eras.pop()
            eras.append((max(begin, start), end, offset))
    return eras


def offset_at(zone: str, minute: Minute) -> int:
    """Minutes that clocks in the zone are ahead of UTC (east is positive) at this instant."""
    eras = _block(zone, minute // (_BLOCK_DAYS * DAY_MINUTES))
    if len(eras) == 1:
        return eras[0][1]
    return next(offset for begin, offset in reversed(eras) if begin <= minute)


# ---------------------------------------------------------------- wall clocks


def wall_at(zone: str, minute: Minute) -> int:
    """The wall minute that clocks in the zone read at this instant."""
    return minute + offset_at(zone, minute)


def local_date(zone: str, minute: Minute) -> date:
    """The date that clocks in the zone read at this instant."""
    return date_of_number(wall_at(zone, minute) // DAY_MINUTES)


def first_minute_of(zone: str, day: date) -> Minute:
    """The first minute at which clocks in the zone read this date or a later one. So every instant
    is on exactly one date, also where a date has no midnight, or two.
    """
    midnight = day_number(day) * DAY_MINUTES
    return next(
        max(begin, midnight - offset)
        for begin, end, offset in eras_between(
            zone, midnight - 2 * DAY_MINUTES, midnight + 2 * DAY_MINUTES
        )
        if midnight - offset < end
    )


def local_text(zone: str, minute: Minute) -> str:
    """The wall clock with its offset, as RFC 3339 has it: 2026-03-08T09:00:00-05:00."""
    offset = offset_at(zone, minute)
    ahead, behind = divmod(abs(offset), 60)
    reading = (EPOCH + timedelta(minutes=minute + offset)).isoformat()[:19]
    return f"{reading}{'-' if offset < 0 else '+'}{ahead:02}:{behind:02}"


def instants_reading(zone: str, wall_from: int, wall_until: int) -> tuple[Interval, ...]:
    """The instants whose wall minute lies in `[wall_from, wall_until)`: ascending, merged where
    they touch.

    Usually one stretch; two where a fold repeats part of the range only; none where a gap swallows
    it.
    """
    stretches: list[Interval] = []
    for begin, end, offset in eras_between(zone, wall_from - DAY_MINUTES, wall_until + DAY_MINUTES):
        start = max(begin, wall_from - offset)
        stop = min(end, wall_until - offset)
        if start >= stop:
            continue
        if stretches and stretches[-1][1] == start:
            stretches[-1] = (stretches[-1][0], stop)
        else:
            stretches.append((start, stop))
    return tuple(stretches)


def first_reading(zone: str, wall: int) -> Minute:
    """The instant that a reading stands for in calendars (RFC 5545, section 3.3.5): the first of
    the two in a fold; in a gap, the one by the offset before it.
    """
    eras = eras_between(zone, wall - 2 * DAY_MINUTES, wall + 2 * DAY_MINUTES)
    for index, (_, end, offset) in enumerate(eras):
        following = eras[index + 1] if index + 1 < len(eras) else None
        if wall - offset < end or following is None or wall - following[2] < following[0]:
            return wall - offset
    raise AssertionError  # pragma: no cover - the last era returns


def reading_intervals(
    zone: str, day: date, start_minute: int, end_minute: int
) -> tuple[Interval, ...]:
    """The instants at which clocks read this date and a minute in `[start_minute, end_minute)` of
    it.

    Minutes beyond 1440 are the next date's.
    """
    midnight = day_number(day) * DAY_MINUTES
    return instants_reading(zone, midnight + start_minute, midnight + end_minute)


@remembered(
    "date intervals",
    most_bytes=2 * 1024 * 1024,
    weigh=lambda _place, intervals: 100 + 140 * len(intervals),
)
def date_interval(zone: str, day: date) -> tuple[Interval, ...]:
    """The instants at which clocks read this date.

    One stretch as a rule; two where the clock is turned back across midnight; none for a date that
    the zone left out (Samoa's 2011-12-30).
    """
    return reading_intervals(zone, day, 0, DAY_MINUTES)


def local_days(zone: str, first: int, last: int) -> Sequence[LocalDay]:
    """The dates numbered `first` to `last`, inclusive."""
    block, at = divmod(first, _BLOCK_DAYS)
    count = last - first + 1
    days = _days_of_block(zone, block)[at : at + count]
    while len(days) < count:
        block += 1
        days += _days_of_block(zone, block)[: count - len(days)]
    return days


@remembered(
    "local days",
    most_bytes=8 * 1024 * 1024,
    weigh=lambda _block, days: 100 + 160 * len(days),
)
def _days_of_block(zone: str, block: int) -> tuple[LocalDay, ...]:
    """The dates of a block: whatever spans are asked for, each date is made once."""
    first = block * _BLOCK_DAYS
    last = first + _BLOCK_DAYS - 1
    eras = eras_between(zone, (first - 1) * DAY_MINUTES, (last + 3) * DAY_MINUTES)
    days: list[LocalDay] = []
    index = 0
    for number in range(first, last + 1):
        while eras[index][1] <= (number - 1) * DAY_MINUTES:
            index += 1
        # Offsets are shorter than a day, so what reads this date or the next lies within a UTC day
        # around the two.
        _, until, offset = eras[index]
        is_plain = until >= (number + 3) * DAY_MINUTES
        day = date_of_number(number)
        days.append(
            LocalDay(
                number, day, day.weekday(), number * DAY_MINUTES - offset if is_plain else None
            )
        )
    return tuple(days)


def dates_touched(zone: str, start: Minute, end: Minute) -> tuple[date, ...]:
    """The dates that clocks in the zone read during `[start, end)`, ascending: what a claim of this
    time touches.
    """
    numbers: set[int] = set()
    for begin, until, offset in eras_between(zone, start, end):
        numbers.update(
            range((begin + offset) // DAY_MINUTES, (until - 1 + offset) // DAY_MINUTES + 1)
        )
    return tuple(date_of_number(number) for number in sorted(numbers))
