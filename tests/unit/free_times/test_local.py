"""Local days count under the stamp they were seen under, for a minute."""

from __future__ import annotations

from datetime import date, timedelta

from app.core.free_days import FreeDay
from app.free_times.local import (
    LIFETIME_SECONDS,
    LocalDays,
)

KEY = ("stamp", "rules")
NOW = 1_768_200_000
DAY = FreeDay((29_470_000, 29_470_001, 29_470_000))
FIRST = date(2026, 1, 12)


def dates(first: int, last: int) -> tuple[date, ...]:
    return tuple(FIRST + timedelta(days=ahead) for ahead in range(first, last + 1))


def put(local: LocalDays, stamp: bytes, since: dict[int, int], key: tuple[str, str] = KEY) -> None:
    """Days, by how many they are after the first, each with its second."""
    seconds = {FIRST + timedelta(days=ahead): second for ahead, second in since.items()}
    local.put(key, stamp, dict.fromkeys(seconds, DAY), seconds)


def days(first: int, last: int) -> dict[date, FreeDay]:
    return dict.fromkeys(dates(first, last), DAY)


def test_days_of_one_stamp_come_together_with_the_age_of_the_oldest() -> None:
    local = LocalDays()
    put(local, b"one", {1: NOW - 9})
    put(local, b"one", {2: NOW})
    assert local.find(KEY, dates(1, 2), NOW) == (b"one", days(1, 2), NOW - 9)
    assert local.find(KEY, dates(2, 2), NOW) == (b"one", days(2, 2), NOW)
    assert local.find(KEY, dates(1, 3), NOW) is None
    assert local.find(("stamp", "other"), dates(1, 1), NOW) is None


def test_a_new_stamp_takes_the_place_of_all_days_of_the_old_one() -> None:
    local = LocalDays()
    put(local, b"one", {1: NOW, 2: NOW})
    put(local, b"two", {2: NOW})
    assert local.find(KEY, dates(1, 1), NOW) is None
    assert local.find(KEY, dates(2, 2), NOW) == (b"two", days(2, 2), NOW)


def test_a_day_lives_no_longer_than_in_redis_whatever_younger_days_there_are() -> None:
    local = LocalDays()
    put(local, b"one", {1: NOW})
    put(local, b"one", {2: NOW + 30})
    assert local.find(KEY, dates(1, 2), NOW + LIFETIME_SECONDS - 1) is not None
    assert local.find(KEY, dates(1, 1), NOW + LIFETIME_SECONDS) is None
    assert local.find(KEY, dates(2, 2), NOW + LIFETIME_SECONDS) is not None
    put(local, b"one", {1: NOW + 50})
    assert local.find(KEY, dates(1, 2), NOW + LIFETIME_SECONDS) == (b"one", days(1, 2), NOW + 30)


def test_days_that_came_in_turns_weigh_what_they_weigh_together() -> None:
    """Those that replace others included."""
    in_turns, together = LocalDays(), LocalDays()
    put(in_turns, b"one", {1: NOW, 2: NOW})
    third = FIRST + timedelta(days=2)
    in_turns.put(KEY, b"one", {third: FreeDay(())}, {third: NOW})
    put(in_turns, b"one", {2: NOW + 1, 3: NOW + 1})
    put(together, b"one", {1: NOW, 2: NOW + 1, 3: NOW + 1})
    weights = {each._local.bytes for each in (in_turns, together)}
    assert len(weights) == 1
    assert weights.pop() > 3 * 300


def test_days_that_no_longer_count_take_no_memory() -> None:
    """However many dates of a provider are asked for, only those of the last minute are kept."""
    local, fresh = LocalDays(), LocalDays()
    for second in range(3 * LIFETIME_SECONDS):
        put(local, b"one", {second: NOW + second})
    last = range(2 * LIFETIME_SECONDS, 3 * LIFETIME_SECONDS)
    put(fresh, b"one", {second: NOW + second for second in last})
    assert local._local.bytes == fresh._local.bytes
    assert local.find(KEY, dates(last[0], last[-1]), NOW + last[-1]) is not None
