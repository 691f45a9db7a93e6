"""Recent answers are given again under the same circumstances, as long as their time lasts."""

from __future__ import annotations

from app.cache.recent import Recent


def test_an_answer_counts_under_its_circumstances_only() -> None:
    recent: Recent[str] = Recent(2)
    recent.keep("question", 1, "answer", 60.0)
    assert recent.find("question", 1) == "answer"
    assert recent.find("question", 2) is None
    assert recent.find("other", 1) is None


def test_an_answer_whose_time_is_over_does_not_count() -> None:
    recent: Recent[str] = Recent(2)
    recent.keep("question", 1, "answer", 0.0)
    assert recent.find("question", 1) is None


def test_the_answer_used_longest_ago_goes_first() -> None:
    recent: Recent[str] = Recent(2)
    recent.keep("one", 1, "first", 60.0)
    recent.keep("two", 1, "second", 60.0)
    assert recent.find("one", 1) == "first"
    recent.keep("three", 1, "third", 60.0)
    assert [recent.find(name, 1) for name in ("one", "two", "three")] == ["first", None, "third"]
