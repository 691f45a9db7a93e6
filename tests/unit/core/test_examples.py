"""The worked examples of the scheduling law, by name. 60-minute visits, step 60, no buffers, no
notice, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest

from app.core.hours import ClockRange, DayException, Hours, WeeklyRange
from app.core.rules import ProviderRules, Rules, ServiceRules, rules_in_force
from app.core.slots import Claim, UnbookableReason, explain, free_starts
from app.core.zones import instant_of, local_text, minute_of

EVERY_DAY = range(7)
AN_HOUR = Rules(duration_minutes=60)


def clock(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def open_from(
    zone: str, start: str, end: str, weekdays: Iterable[int] = EVERY_DAY, *exceptions: DayException
) -> Hours:
    weekly = tuple(WeeklyRange(weekday, clock(start), clock(end)) for weekday in weekdays)
    return Hours(time_zone=zone, weekly=weekly, exceptions={item.date: item for item in exceptions})


def utc_times(
    hours: Hours, *days: date, rules: Rules = AN_HOUR, claims: tuple[Claim, ...] = ()
) -> list[str]:
    found = free_starts(hours, rules, claims, days[0], days[-1])
    return [f"{instant_of(minute):%H:%M}" for starts in found.values() for minute in starts]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_new_york_afternoon_on_the_day_the_clock_springs_forward() -> None:
    hours = open_from("America/New_York", "13:00", "18:00")
    assert utc_times(hours, date(2026, 3, 8)) == ["17:00", "18:00", "19:00", "20:00", "21:00"]


def test_new_york_through_the_gap_is_two_hours_long() -> None:
    assert utc_times(open_from("America/New_York", "01:00", "04:00"), date(2026, 3, 8)) == [
        "06:00",
        "07:00",
    ]


def test_readings_inside_the_gap_open_nothing() -> None:
    assert (
        utc_times(
            open_from("America/New_York", "02:00", "02:30"),
            date(2026, 3, 8),
            rules=Rules(duration_minutes=5),
        )
        == []
    )


def test_chicago_through_the_fold_has_seven_hours_and_two_read_one_o_clock() -> None:
    hours = open_from("America/Chicago", "00:00", "06:00")
    day = date(2026, 11, 1)
    assert utc_times(hours, day) == [f"{hour:02}:00" for hour in range(5, 12)]
    shown = [
        local_text("America/Chicago", minute)
        for minute in free_starts(hours, AN_HOUR, (), day, day)[day]
    ]
    assert shown[1:3] == ["2026-11-01T01:00:00-05:00", "2026-11-01T01:00:00-06:00"]


@pytest.mark.parametrize(
    ("day", "count"), [(date(2024, 11, 3), 25), (date(2024, 3, 10), 23), (date(2024, 7, 1), 24)]
)
def test_los_angeles_around_the_clock_has_as_many_hours_as_the_day(day: date, count: int) -> None:
    assert len(utc_times(open_from("America/Los_Angeles", "00:00", "24:00"), day)) == count


def test_kolkata_keeps_half_hours() -> None:
    hours = open_from("Asia/Kolkata", "07:30", "12:00")
    assert utc_times(hours, date(2026, 1, 5)) == ["02:00", "03:00", "04:00", "05:00"]


FRIDAY, SATURDAY = date(2026, 1, 16), date(2026, 1, 17)
HALF_HOURLY = Rules(duration_minutes=60, slot_interval_minutes=30)


def test_a_late_friday_runs_into_saturday() -> None:
    hours = open_from("America/New_York", "22:30", "02:00", [4])
    found = free_starts(hours, HALF_HOURLY, (), FRIDAY, SATURDAY)
    assert [f"{instant_of(minute):%H:%M}" for minute in found[FRIDAY]] == [
        "03:30",
        "04:00",
        "04:30",
    ]
    assert [f"{instant_of(minute):%H:%M}" for minute in found[SATURDAY]] == [
        "05:00",
        "05:30",
        "06:00",
    ]


def test_a_closed_saturday_cuts_fridays_evening_at_midnight() -> None:
    closed = DayException(date=SATURDAY, is_blocked=True)
    hours = open_from("America/New_York", "22:30", "02:00", [4], closed)
    assert utc_times(hours, FRIDAY, SATURDAY, rules=HALF_HOURLY) == ["03:30", "04:00"]


def test_a_closed_friday_leaves_nothing_of_its_evening() -> None:
    closed = DayException(date=FRIDAY, is_blocked=True)
    hours = open_from("America/New_York", "22:00", "02:00", [4], closed)
    assert utc_times(hours, FRIDAY, SATURDAY, rules=HALF_HOURLY) == []


def test_custom_hours_on_saturday_leave_fridays_tail_alone() -> None:
    custom = DayException(
        date=SATURDAY, is_blocked=False, ranges=(ClockRange(clock("12:00"), clock("13:00")),)
    )
    hours = open_from("America/New_York", "22:00", "02:00", [4, 5], custom)
    assert utc_times(hours, SATURDAY) == ["05:00", "06:00", "17:00"]


def test_a_block_cuts_the_tail_of_the_evening_before() -> None:
    block = DayException(date=SATURDAY, is_blocked=True, ranges=(ClockRange(0, clock("01:00")),))
    hours = open_from("America/New_York", "22:00", "02:00", [4], block)
    assert utc_times(hours, FRIDAY, SATURDAY) == ["03:00", "04:00", "06:00"]


def test_a_break_past_midnight_cuts_the_next_dates_hours_too() -> None:
    hours = Hours(
        time_zone="UTC",
        weekly=(WeeklyRange(4, clock("21:00"), clock("24:00")), WeeklyRange(5, 0, clock("04:00"))),
        breaks=(WeeklyRange(4, clock("23:00"), clock("02:00")),),
        exceptions={},
    )
    assert utc_times(hours, FRIDAY, SATURDAY) == ["21:00", "22:00", "02:00", "03:00"]


def test_breaks_never_cut_custom_hours() -> None:
    custom = DayException(
        date=FRIDAY, is_blocked=False, ranges=(ClockRange(clock("11:00"), clock("14:00")),)
    )
    hours = Hours(
        time_zone="UTC",
        weekly=(WeeklyRange(4, clock("09:00"), clock("17:00")),),
        breaks=(
            WeeklyRange(3, clock("23:00"), clock("13:00")),
            WeeklyRange(4, clock("12:00"), clock("13:00")),
        ),
        exceptions={FRIDAY: custom},
    )
    assert utc_times(hours, FRIDAY) == ["11:00", "12:00", "13:00"]


def test_a_visit_may_run_past_midnight_where_the_next_date_opens_without_a_gap() -> None:
    hours = open_from("UTC", "00:00", "24:00", [4, 5])
    found = utc_times(hours, FRIDAY, rules=Rules(duration_minutes=60, slot_interval_minutes=50))
    assert found[-1] == "23:20"
    alone = utc_times(open_from("UTC", "00:00", "24:00", [4]), FRIDAY, rules=HALF_HOURLY)
    assert alone[-1] == "23:00"


def test_neighbours_are_apart_by_the_first_ones_after_and_the_second_ones_before() -> None:
    """A (60 min, 30 before) is booked at 12:00; B (30 min, no buffers): 11:00 yes, 11:15 no, 13:00
    yes.
    """
    noon = minute_of(at("2026-01-16T12:00Z"))
    existing = (Claim(noon - 30, noon + 60, noon, noon + 60),)
    hours = open_from("UTC", "08:00", "18:00")
    rules = Rules(duration_minutes=30, slot_interval_minutes=15)
    now = at("2026-01-15T00:00Z")
    assert not explain(hours, rules, existing, at("2026-01-16T11:00Z"), now)
    assert explain(hours, rules, existing, at("2026-01-16T11:15Z"), now) == (
        UnbookableReason.BUFFER,
    )
    assert explain(hours, rules, existing, at("2026-01-16T12:45Z"), now) == (
        UnbookableReason.ALREADY_TAKEN,
    )
    assert not explain(hours, rules, existing, at("2026-01-16T13:00Z"), now)


def test_notice_of_a_day_is_24_elapsed_hours_also_when_the_clock_springs_forward() -> None:
    hours = open_from("Europe/Berlin", "08:00", "18:00")
    rules = Rules(duration_minutes=60, min_notice_minutes=24 * 60)
    start, limit = at("2026-03-29T08:00Z"), at("2026-03-28T08:00Z")
    assert explain(hours, rules, (), start, limit) == ()
    assert explain(hours, rules, (), start, limit + timedelta(microseconds=1)) == (
        UnbookableReason.TOO_SHORT_NOTICE,
    )


def test_a_services_rules_refine_the_providers() -> None:
    own = ProviderRules(
        service_duration_minutes=50,
        buffer_minutes=10,
        min_notice_minutes=5,
        max_advance_booking_days=9,
    )
    assert rules_in_force(own, None) == Rules(
        duration_minutes=50,
        buffer_after_minutes=10,
        min_notice_minutes=5,
        max_advance_booking_days=9,
    )
    assert rules_in_force(own, None).step_minutes == 60
    service = ServiceRules(duration_minutes=20, buffer_before_minutes=5)
    assert rules_in_force(own, service) == Rules(
        duration_minutes=20,
        buffer_before_minutes=5,
        buffer_after_minutes=10,
        min_notice_minutes=5,
        max_advance_booking_days=9,
    )
    assert rules_in_force(own, service).step_minutes == 35
    paced = ProviderRules(service_duration_minutes=50, slot_interval_minutes=15)
    assert rules_in_force(paced, service).step_minutes == 15
    zeros = ServiceRules(
        duration_minutes=20,
        buffer_after_minutes=0,
        slot_interval_minutes=40,
        min_notice_minutes=0,
        max_advance_booking_days=0,
    )
    assert rules_in_force(own, zeros) == Rules(
        duration_minutes=20, slot_interval_minutes=40, max_advance_booking_days=0
    )
