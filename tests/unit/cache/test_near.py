"""Near days count under the stamp they were seen under, for a minute, and are bounded."""

from __future__ import annotations

from app.cache.near import LIFETIME_SECONDS, MOST_NEAR_DAYS, NearDays
from app.core.free_days import FreeDay

KEY = ("stamp", "rules")
NOW = 1_768_200_000
DAY = FreeDay((29_470_000,))


def test_days_of_one_stamp_come_together_with_the_age_of_the_oldest() -> None:
    near = NearDays()
    near.put(KEY, b"one", {1: (DAY, NOW - 9)})
    near.put(KEY, b"one", {2: (DAY, NOW)})
    assert near.find(KEY, 1, 2, NOW) == (b"one", {1: DAY, 2: DAY}, NOW - 9)
    assert near.find(KEY, 2, 2, NOW) == (b"one", {2: DAY}, NOW)
    assert near.find(KEY, 1, 3, NOW) is None
    assert near.find(("stamp", "other"), 1, 1, NOW) is None


def test_a_new_stamp_takes_the_place_of_all_days_of_the_old_one() -> None:
    near = NearDays()
    near.put(KEY, b"one", {1: (DAY, NOW), 2: (DAY, NOW)})
    near.put(KEY, b"two", {2: (DAY, NOW)})
    assert near.find(KEY, 1, 1, NOW) is None
    assert near.find(KEY, 2, 2, NOW) == (b"two", {2: DAY}, NOW)


def test_a_day_lives_no_longer_than_in_redis_and_a_younger_one_beside_it_does_not_lengthen_that() -> None:
    near = NearDays()
    near.put(KEY, b"one", {1: (DAY, NOW)})
    near.put(KEY, b"one", {2: (DAY, NOW + 30)})
    assert near.find(KEY, 1, 2, NOW + LIFETIME_SECONDS - 1) is not None
    assert near.find(KEY, 1, 1, NOW + LIFETIME_SECONDS) is None
    assert near.find(KEY, 2, 2, NOW + LIFETIME_SECONDS) is not None
    near.put(KEY, b"one", {1: (DAY, NOW + 50)})
    assert near.find(KEY, 1, 2, NOW + LIFETIME_SECONDS) == (b"one", {1: DAY, 2: DAY}, NOW + 30)


def test_what_was_used_longest_ago_goes_first() -> None:
    near = NearDays()
    for number in range(3):
        near.put((f"provider {number}", "rules"), b"one", dict.fromkeys(range(MOST_NEAR_DAYS // 3), (DAY, NOW)))
    assert near.find(("provider 0", "rules"), 0, 0, NOW) is not None
    near.put(KEY, b"one", dict.fromkeys(range(3), (DAY, NOW)))
    assert near.find(("provider 1", "rules"), 0, 0, NOW) is None
    assert near.find(("provider 0", "rules"), 0, 0, NOW) is not None
    assert near.find(KEY, 0, 2, NOW) is not None
