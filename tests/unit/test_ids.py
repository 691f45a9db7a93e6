"""New ids are unique, ascend, and contain the time at which they were made."""

from __future__ import annotations

from time import time_ns
from uuid import RFC_4122, UUID

from app.store.ids import new_id


def test_they_are_of_version_7_and_ascend() -> None:
    first, *more = made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}
    assert isinstance(first, UUID)
    assert UUID(str(first)) == first
    # The last 32 bits are random.
    assert len({each.int & (2**32 - 1) for each in more}) > len(more) - 3


def test_they_say_when_they_were_made() -> None:
    """Also after many in the same millisecond: they do not run ahead of the clock."""
    before = time_ns() // 1_000_000
    last = [new_id() for _ in range(10_000)][-1]
    assert before <= last.int >> 80 <= time_ns() // 1_000_000
