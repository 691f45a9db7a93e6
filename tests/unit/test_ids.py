"""New ids ascend, say when they were made, and are told apart."""

from __future__ import annotations

from itertools import pairwise
from time import time_ns
from uuid import RFC_4122, UUID

import pytest

from app.store import ids
from app.store.ids import new_id


def milliseconds_in(made: UUID) -> int:
    return made.int >> 80


def test_they_are_of_version_7_and_ascend() -> None:
    first, *more = made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}
    assert isinstance(first, UUID)
    assert UUID(str(first)) == first
    # The last 62 bits are random.
    assert len({each.int & (2**62 - 1) for each in more}) == len(more)


def test_they_say_when_they_were_made() -> None:
    before = time_ns() // 1_000_000
    assert before <= milliseconds_in(new_id()) <= time_ns() // 1_000_000


def test_they_ascend_while_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [3_000_000, 3_000_000, 1_000_000, 3_000_001, 9_000_000]
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(ids, "time_ns", iter(times).__next__)
    made = [new_id() for _ in times]
    assert all(one < other for one, other in pairwise(made))
    assert [milliseconds_in(each) for each in made] == [3, 3, 3, 3, 9]
