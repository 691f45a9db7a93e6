"""Random worlds for the law's properties: zones, the nights on which their clocks change, hours,
rules and claims.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from app.core.hours import ClockRange, DayException, Hours, WeeklyRange, merge_intervals
from app.core.rules import Rules
from app.core.slots import EVERY_UNIT, Claim, ClaimKind
from app.core.zones import day_number, known_zones

CURIOUS_ZONES = (
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",  # changes at midnight
    "America/Santiago",  # changes at midnight
    "America/Asuncion",  # changed at midnight, until it stopped
    "America/Scoresbysund",  # its fold runs back across midnight
    "America/Vancouver",  # stops changing in 2026
    "Atlantic/Azores",  # changes at midnight
    "Africa/Cairo",  # started again in 2023, at midnight
    "Africa/Casablanca",  # Ramadan: four changes a year, some of them a week apart from none
    "Antarctica/Troll",  # two hours at once
    "Asia/Beirut",  # changes at midnight
    "Asia/Gaza",
    "Asia/Kathmandu",  # 5:45
    "Asia/Tehran",  # 3:30, changed at midnight until 2022
    "Australia/Lord_Howe",  # changes by half an hour
    "Europe/Berlin",
    "Europe/Dublin",  # winter is the exception there
    "Pacific/Apia",
    "Pacific/Chatham",  # 12:45 and 13:45
    "Pacific/Kiritimati",  # 14 hours ahead
)

FIRST_YEAR, LAST_YEAR = 2020, 2037


@cache
def changes(zone: str) -> tuple[date, ...]:
    """The UTC dates, 2020 to 2037, during which the zone's offset changes."""
    table = ZoneInfo(zone)
    day = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    found = []
    offset = day.astimezone(table).utcoffset()
    while day.year <= LAST_YEAR:
        following = day + timedelta(days=1)
        next_offset = following.astimezone(table).utcoffset()
        if next_offset != offset:
            found.append(day.date())
        day, offset = following, next_offset
    return tuple(found)


@lru_cache(maxsize=1)
def zones_by_rule() -> tuple[str, ...]:
    """One zone of each kind: zones whose offsets are equal from 2020 to 2037 are one kind."""
    kinds: dict[tuple[object, ...], str] = {}
    for zone in sorted(known_zones()):
        table = ZoneInfo(zone)
        noon = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in changes(zone)]
        hourly = (at + timedelta(minutes=30 * step) for at in noon for step in range(49))
        offsets = tuple(at.astimezone(table).utcoffset() for at in hourly)
        start = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).astimezone(table).utcoffset()
        kinds.setdefault((start, changes(zone), offsets), zone)
    return tuple(kinds.values())


zones = st.sampled_from(CURIOUS_ZONES)


@st.composite
def dates_in(draw: st.DrawFn, zone: str) -> date:
    """A date, mostly one at or next to a change of the clocks."""
    nights = changes(zone)
    if nights and draw(st.integers(0, 3)) > 0:
        night: date = draw(st.sampled_from(nights))
        return night + timedelta(days=draw(st.integers(-2, 2)))
    return draw(st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)))


def _days(count: int) -> int:
    return count * 1440


def _span(start: int, length: int) -> tuple[int, int]:
    return start, start + length


starts_of_range = st.one_of(
    st.integers(0, 95).map(lambda quarter: quarter * 15), st.integers(0, 1439)
)
ends_of_range = st.one_of(
    st.integers(1, 96).map(lambda quarter: quarter * 15), st.integers(1, 1440)
)
clock_ranges = st.builds(ClockRange, start_minute=starts_of_range, end_minute=ends_of_range)


starts_of_time_off = st.one_of(st.integers(-3, 5).map(_days), st.integers(-4000, 8000))
lengths_of_time_off = st.one_of(
    st.integers(1, 8).map(lambda halves: halves * 720),
    st.integers(1, 300),
    st.integers(1, 20_000),
)


@st.composite
def weekly_ranges(draw: st.DrawFn, around: date) -> WeeklyRange:
    """A weekly range, mostly open-ended, else with edges near the dates looked at."""
    edges = st.one_of(
        st.none(), st.none(), st.integers(-3, 3).map(lambda days: around + timedelta(days=days))
    )
    clock = draw(clock_ranges)
    return WeeklyRange(
        draw(st.integers(0, 6)), clock.start_minute, clock.end_minute, draw(edges), draw(edges)
    )


@st.composite
def exceptions_on(draw: st.DrawFn, day: date) -> DayException:
    kind = draw(st.sampled_from(["closed", "block", "custom"]))
    if kind == "closed":
        return DayException(date=day, is_blocked=True)
    if kind == "custom":
        return DayException(
            date=day,
            is_blocked=False,
            ranges=tuple(draw(st.lists(clock_ranges, min_size=1, max_size=3))),
        )
    pairs = draw(st.lists(st.tuples(starts_of_range, ends_of_range), min_size=1, max_size=3))
    inside = tuple(ClockRange(min(a, b - 1), max(a + 1, b)) for a, b in pairs)
    return DayException(date=day, is_blocked=True, ranges=inside)


@st.composite
def hours_around(draw: st.DrawFn, zone: str, day: date) -> Hours:
    everyday = draw(st.lists(clock_ranges, max_size=2))
    weekly = [WeeklyRange(weekday, *clock) for clock in everyday for weekday in range(7)]
    weekly += draw(st.lists(weekly_ranges(day), max_size=5))
    breaks = draw(st.lists(weekly_ranges(day), max_size=4))
    days = draw(st.lists(st.integers(-3, 6), max_size=5, unique=True))
    exceptions = [draw(exceptions_on(day + timedelta(days=ahead))) for ahead in days]
    midnight = day_number(day) * 1440
    time_off = draw(st.lists(st.builds(_span, starts_of_time_off, lengths_of_time_off), max_size=3))
    return Hours(
        time_zone=zone,
        weekly=tuple(weekly),
        breaks=tuple(breaks),
        exceptions={exception.date: exception for exception in exceptions},
        time_off=tuple(
            merge_intervals((midnight + start, midnight + end) for start, end in time_off)
        ),
    )


@st.composite
def some_rules(draw: st.DrawFn) -> Rules:
    return Rules(
        duration_minutes=draw(st.sampled_from([5, 20, 30, 45, 60, 60, 90, 240, 1440])),
        buffer_before_minutes=draw(st.sampled_from([0, 0, 5, 10, 30])),
        buffer_after_minutes=draw(st.sampled_from([0, 0, 5, 15, 120])),
        slot_interval_minutes=draw(st.sampled_from([None, None, 5, 7, 15, 30, 60])),
        min_notice_minutes=draw(st.sampled_from([0, 0, 1, 60, 1440, 4000])),
        max_advance_booking_days=draw(st.sampled_from([0, 1, 2, 3, 60])),
    )


@st.composite
def claims_around(draw: st.DrawFn, day: date, now: datetime) -> tuple[Claim, ...]:
    """Claims in any order, near the date; some are holds, some of those expired, and some busy times,
    of days perhaps.
    """
    midnight = (day - date(1970, 1, 1)).days * 1440
    found = []
    for _ in range(draw(st.integers(0, 6))):
        start = midnight + draw(st.integers(-1500, 4500))
        visit_from = start + draw(st.sampled_from([0, 0, 10]))
        visit_until = visit_from + draw(st.sampled_from([1, 15, 30, 60, 300]))
        until = visit_until + draw(st.sampled_from([0, 0, 15]))
        kind = draw(st.integers(0, 4))
        if kind == 4:
            until = start + draw(st.sampled_from([1, 30, 300, 4320]))
            found.append(Claim(start, until, start, until, ClaimKind.BUSY, unit=EVERY_UNIT))
        elif kind:
            found.append(Claim(start, until, visit_from, visit_until))
        else:
            expires_at = now + timedelta(
                microseconds=draw(st.sampled_from([-60_000_000, 0, 1, 60_000_000]))
            )
            found.append(Claim(start, until, visit_from, visit_until, ClaimKind.HOLD, expires_at))
    return tuple(draw(st.permutations(found)))
