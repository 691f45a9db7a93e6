"""The law written simply: go through every minute, read the wall clock, apply the sentences. It
shares no code with the engine.

Only the engine's types of input are used here. Time is read with zoneinfo and datetime alone, a
minute at a time; open and taken time are sets of minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.core.hours import ClockRange, Hours, WeeklyRange
from app.core.rules import Rules
from app.core.slots import Claim, ClaimKind

Moment = int  # minutes since 1970 in UTC


@lru_cache(maxsize=500_000)
def wall_clock(zone: str, moment: Moment) -> tuple[date, int]:
    """The date and the minute of the day that a clock in the zone shows."""
    shown = datetime.fromtimestamp(moment * 60, UTC).astimezone(ZoneInfo(zone))
    return shown.date(), shown.hour * 60 + shown.minute


def covers(start: int, end: int, reading: int) -> bool:
    """Whether a range covers a reading, counted from the midnight of the range's own date; `end <=
    start` is past midnight.
    """
    return start <= reading < (end if end > start else end + 1440)


def holds(item: WeeklyRange, day: date, reading: int) -> bool:
    return (
        item.weekday == day.weekday()
        and (item.effective_from is None or day >= item.effective_from)
        and (item.effective_until is None or day <= item.effective_until)
        and covers(item.start_minute, item.end_minute, reading)
    )


def readings(today: date, minute: int) -> list[tuple[date, int]]:
    """What the clock shows, as seen by ranges that start today, and by those that started
    yesterday.
    """
    return [(today, minute), (today - timedelta(days=1), minute + 1440)]


def is_custom(hours: Hours, day: date) -> bool:
    return day in hours.exceptions and not hours.exceptions[day].is_blocked


def is_closed(hours: Hours, day: date) -> bool:
    return (
        day in hours.exceptions
        and hours.exceptions[day].is_blocked
        and not hours.exceptions[day].ranges
    )


def is_shut_today(hours: Hours, today: date, minute: int) -> bool:
    """Whether the exception of the date shown closes this reading of it."""
    if today not in hours.exceptions or not hours.exceptions[today].is_blocked:
        return False
    ranges = hours.exceptions[today].ranges
    return not ranges or any(covers(item.start_minute, item.end_minute, minute) for item in ranges)


def is_off(hours: Hours, today: date, minute: int) -> bool:
    """Whether time off covers this reading."""
    reading = datetime.combine(today, datetime.min.time()) + timedelta(minutes=minute)
    since = (reading - datetime(1970, 1, 1)) / timedelta(minutes=1)  # noqa: DTZ001 - a reading
    return any(start <= since < end for start, end in hours.time_off)


def is_break(hours: Hours, today: date, minute: int) -> bool:
    return any(
        holds(item, day, reading)
        for day, reading in readings(today, minute)
        if not is_custom(hours, day)
        for item in hours.breaks
    )


def in_ranges(ranges: Iterable[ClockRange], reading: int) -> bool:
    return any(covers(item.start_minute, item.end_minute, reading) for item in ranges)


def open_dates(hours: Hours, moment: Moment) -> set[date]:
    """The dates whose ranges hold the provider open at this moment."""
    today, minute = wall_clock(hours.time_zone, moment)
    if is_shut_today(hours, today, minute) or is_off(hours, today, minute):
        return set()
    found = set()
    for day, reading in readings(today, minute):
        if is_closed(hours, day):
            continue
        if is_custom(hours, day):
            if in_ranges(hours.exceptions[day].ranges, reading):
                found.add(day)
        elif any(holds(item, day, reading) for item in hours.weekly) and not is_break(
            hours, today, minute
        ):
            found.add(day)
    return found


class Walk:
    """Every minute around some dates, walked once, up to so many dates after the last."""

    def __init__(
        self, hours: Hours, rules: Rules, first: date, last: date, dates_after: int = 4
    ) -> None:
        self.hours, self.rules, self.first, self.last = hours, rules, first, last
        epoch = date(1970, 1, 1)
        begin = ((first - epoch).days - 2) * 1440
        end = ((last - epoch).days + dates_after) * 1440 + rules.duration_minutes
        self.open: dict[Moment, set[date]] = {}
        for moment in range(begin, end):
            dates = open_dates(hours, moment)
            if dates:
                self.open[moment] = dates
        self.on_grid: set[Moment] = set()
        step = rules.slot_interval_minutes or (
            rules.buffer_before_minutes + rules.duration_minutes + rules.buffer_after_minutes
        )
        for day in set().union(*self.open.values()) if self.open else set():
            since = 0
            for moment in range(begin, end):
                if day in self.open.get(moment, ()):
                    if since % step == 0:
                        self.on_grid.add(moment)
                    since += 1
                else:
                    since = 0

    def windows(self, day: date) -> tuple[tuple[Moment, Moment], ...]:
        found: list[tuple[Moment, Moment]] = []
        for moment in sorted(moment for moment, dates in self.open.items() if day in dates):
            if found and found[-1][1] == moment:
                found[-1] = (found[-1][0], moment + 1)
            else:
                found.append((moment, moment + 1))
        return tuple(found)

    def fits(self, moment: Moment) -> bool:
        return all(at in self.open for at in range(moment, moment + self.rules.duration_minutes))

    def free(self, claims: Iterable[Claim]) -> dict[date, tuple[Moment, ...]]:
        taken = {
            moment for claim in claims for moment in range(claim.claimed_from, claim.claimed_until)
        }
        rules = self.rules
        listed: dict[date, list[Moment]] = {
            self.first + timedelta(days=ahead): []
            for ahead in range((self.last - self.first).days + 1)
        }
        for moment in sorted(self.on_grid):
            day, _ = wall_clock(self.hours.time_zone, moment)
            wanted = range(
                moment - rules.buffer_before_minutes,
                moment + rules.duration_minutes + rules.buffer_after_minutes,
            )
            if day in listed and self.fits(moment) and not any(at in taken for at in wanted):
                listed[day].append(moment)
        return {day: tuple(moments) for day, moments in listed.items()}

    def reasons(self, claims: Iterable[Claim], starts_at: datetime, now: datetime) -> set[str]:
        """Why not, sentence by sentence. `starts_at` is a whole minute of the dates walked."""
        starts_at, now = starts_at.astimezone(UTC), now.astimezone(UTC)
        moment = round(starts_at.timestamp() / 60)
        found = self._of_the_clock(starts_at, now)
        if moment not in self.open:
            found |= self._shut(moment)
        else:
            if moment not in self.on_grid:
                found.add("NOT_ON_GRID")
            if not self.fits(moment):
                found.add("DOES_NOT_FIT")
        return found | self._of_claims(claims, moment, now)

    def _of_the_clock(self, starts_at: datetime, now: datetime) -> set[str]:
        found = set()
        zone = ZoneInfo(self.hours.time_zone)
        if starts_at < now:
            found.add("IN_THE_PAST")
        if self.rules.min_notice_minutes and starts_at < now + timedelta(
            minutes=self.rules.min_notice_minutes
        ):
            found.add("TOO_SHORT_NOTICE")
        days_ahead = (starts_at.astimezone(zone).date() - now.astimezone(zone).date()).days
        if days_ahead > self.rules.max_advance_booking_days:
            found.add("BEYOND_HORIZON")
        return found

    def _of_claims(self, claims: Iterable[Claim], moment: Moment, now: datetime) -> set[str]:
        rules = self.rules
        visit = set(range(moment, moment + rules.duration_minutes))
        claimed = range(
            moment - rules.buffer_before_minutes,
            moment + rules.duration_minutes + rules.buffer_after_minutes,
        )
        found = set()
        for claim in claims:
            is_expired = claim.expires_at is not None and claim.expires_at <= now
            if is_expired or set(claimed).isdisjoint(
                range(claim.claimed_from, claim.claimed_until)
            ):
                continue
            if claim.kind is ClaimKind.HOLD:
                found.add("HELD")
            elif claim.kind is ClaimKind.BUSY:
                found.add("BUSY_ELSEWHERE")
            elif visit.isdisjoint(range(claim.visit_from, claim.visit_until)):
                found.add("BUFFER")
            else:
                found.add("ALREADY_TAKEN")
        return found

    def _shut(self, moment: Moment) -> set[str]:
        hours = self.hours
        today, minute = wall_clock(hours.time_zone, moment)
        off = {"TIME_OFF"} if is_off(hours, today, minute) else set()
        if open_dates(replace(hours, time_off=()), moment):
            return off
        found = set()
        for day, reading in readings(today, minute):
            is_weekly = any(holds(item, day, reading) for item in hours.weekly)
            if is_weekly and (
                is_custom(hours, day)
                or is_closed(hours, day)
                or is_shut_today(hours, today, minute)
            ):
                found.add("EXCEPTION")
            if is_weekly and not is_custom(hours, day) and is_break(hours, today, minute):
                found.add("BREAK")
            if is_custom(hours, day) and in_ranges(hours.exceptions[day].ranges, reading):
                found.add("EXCEPTION")
        return found | off if found else {"OUTSIDE_HOURS"}
