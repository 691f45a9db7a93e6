"""Load shedding: a crowd that lasts is shed, one that comes and goes is not."""

from __future__ import annotations

import logging
from contextlib import ExitStack

import pytest

from app.admission.shedding import CALM_SECONDS, CROWD, PATIENCE_SECONDS, Shedding


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_fewer_queries_than_a_crowd_are_never_shed() -> None:
    clock = Clock()
    shedding = Shedding(seconds=clock)
    with ExitStack() as queries:
        for _ in range(CROWD - 1):
            queries.enter_context(shedding.query())
        for _ in range(100):
            assert not shedding.sheds()
            clock.now += PATIENCE_SECONDS


def test_a_crowd_is_served_for_a_while_and_shed_once_it_has_lasted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    shedding = Shedding(seconds=clock)
    with caplog.at_level(logging.WARNING), ExitStack() as queries:
        for _ in range(CROWD):
            assert not shedding.sheds()
            queries.enter_context(shedding.query())
        assert not shedding.sheds()
        clock.now += PATIENCE_SECONDS
        assert not shedding.sheds()
        clock.now += 0.01
        assert [shedding.sheds() for _ in range(3)] == [True] * 3
    assert len(caplog.records) == 1
    assert not shedding.sheds(), "all have ended"


def test_a_crowd_that_keeps_coming_back_is_shed_at_once_and_one_after_a_calm_is_served() -> None:
    clock = Clock()
    shedding = Shedding(seconds=clock)

    def crowd_is_shed() -> bool:
        with ExitStack() as queries:
            for _ in range(CROWD):
                queries.enter_context(shedding.query())
            return shedding.sheds()

    assert not crowd_is_shed()
    for _ in range(10):
        clock.now += CALM_SECONDS - 0.01
        assert crowd_is_shed()
    clock.now += CALM_SECONDS + 0.01
    assert not crowd_is_shed()
