"""The law as one would first write it: zoneinfo, aware date-times, a loop over slots. The engine is
measured against it.

It is no straw man: it filters a provider's bookings by day, and only walks minutes on the rare days
that change the clock. Unit tests hold it to the same answers as the engine's, so that the
measurement compares equals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core.hours import ClockRange, Hours, WeeklyRange
from app.core.rules import Rules
from app.core.slots import Claim

Window = tuple[datetime, datetime]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIDNIGHT = time()


def free_starts(
    hours: Hours, rules: Rules, claims: Iterable[Claim], first: date, last: date
) -> dict[date, list[datetime]]:
    """The free starts, in UTC, by provider-local date."""
    zone = ZoneInfo(hours.time_zone)
    duration = timedelta(minutes=rules.duration_minutes)
    step = timedelta(minutes=rules.step_minutes)
    before = timedelta(minutes=rules.buffer_before_minutes)
    after = timedelta(minutes=rules.buffer_after_minutes)
    busy = sorted(
        (EPOCH + claim.claimed_from * MINUTE, EPOCH + claim.claimed_until * MINUTE)
        for claim in claims
    )

    windows: list[Window] = []
    day = first - DAY
    while day <= last + timedelta(days=2) + duration:
        windows.extend(windows_of(hours, zone, day))
        day += DAY
    open_times = merged(windows)

    found: dict[date, set[datetime]] = {
        first + timedelta(days=n): set() for n in range((last - first).days + 1)
    }
    for start, end in windows:
        if start.astimezone(zone).date() > last + DAY:
            break
        busy_here = [
            item for item in busy if item[0] < end + duration + after and item[1] > start - before
        ]
        open_until = next(until for since, until in open_times if since <= start < until)
        slot = start
        while slot < end and slot + duration <= open_until:
            day = slot.astimezone(zone).date()
            claimed_from, claimed_until = slot - before, slot + duration + after
            if day in found and not any(
                since < claimed_until and until > claimed_from for since, until in busy_here
            ):
                found[day].add(slot)
            slot += step
    return {day: sorted(slots) for day, slots in found.items()}


def windows_of(hours: Hours, zone: ZoneInfo, day: date) -> list[Window]:
    """The windows of a date, in UTC."""
    closing = hours.exceptions.get(day)
    if closing is not None and closing.is_blocked and not closing.ranges:
        return []
    if closing is not None and not closing.is_blocked:
        walls = [wall(day, item) for item in closing.ranges]
        cuts = []
    else:
        walls = [wall(day, item) for item in hours.weekly if applies(item, day)]
        cuts = (
            []
            if not walls
            else [
                wall(other, item)
                for other in (day - DAY, day, day + DAY)
                if other not in hours.exceptions or hours.exceptions[other].is_blocked
                for item in hours.breaks
                if applies(item, other)
            ]
        )
    for other in (day, day + DAY):
        exception = hours.exceptions.get(other)
        if exception is not None and exception.is_blocked:
            midnight = datetime.combine(other, MIDNIGHT)
            cuts.extend(wall(other, item) for item in exception.ranges)
            if not exception.ranges:
                cuts.append((midnight, midnight + DAY))
    cuts.extend(
        (
            EPOCH.replace(tzinfo=None) + start * MINUTE,
            EPOCH.replace(tzinfo=None) + end * MINUTE,
        )
        for start, end in hours.time_off
    )
    for cut_start, cut_end in cuts:
        walls = [
            piece
            for start, end in walls
            for piece in ((start, min(end, cut_start)), (max(start, cut_end), end))
            if piece[0] < piece[1]
        ]
    if not walls:
        return []
    midnight = datetime.combine(day, MIDNIGHT, tzinfo=zone)
    if (midnight - DAY).utcoffset() == midnight.utcoffset() == (midnight + 3 * DAY).utcoffset():
        return merged(
            (start.replace(tzinfo=zone).astimezone(UTC), end.replace(tzinfo=zone).astimezone(UTC))
            for start, end in walls
        )
    return merged(window for start, end in walls for window in every_minute(zone, start, end))


def applies(item: WeeklyRange, day: date) -> bool:
    return (
        item.weekday == day.weekday()
        and (item.effective_from is None or item.effective_from <= day)
        and (item.effective_until is None or day <= item.effective_until)
    )


def wall(day: date, item: ClockRange | WeeklyRange) -> Window:
    """The range's wall-clock times, naive."""
    midnight = datetime.combine(day, MIDNIGHT)
    start = midnight + timedelta(minutes=item.start_minute)
    end = midnight + timedelta(minutes=item.end_minute)
    return (start, end if end > start else end + DAY)


def every_minute(zone: ZoneInfo, start: datetime, end: datetime) -> Iterable[Window]:
    """The instants that read a range of wall-clock times, where the clock changes nearby: look at
    it every minute.
    """
    minute = start.replace(tzinfo=UTC) - DAY
    while minute < end.replace(tzinfo=UTC) + DAY:
        if start <= minute.astimezone(zone).replace(tzinfo=None) < end:
            yield minute, minute + MINUTE
        minute += MINUTE


def merged(windows: Iterable[Window]) -> list[Window]:
    result: list[Window] = []
    for start, end in sorted(windows):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def count(found: Sequence[dict[date, list[datetime]]]) -> int:
    return sum(len(slots) for days in found for slots in days.values())
