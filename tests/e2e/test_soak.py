"""A short sample of `make soak`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.soak import soak

SECONDS = 15.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Readable by the user that the servers run as where the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="slotwright-soak-", ignore_cleanup_errors=True) as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


async def test_nothing_acknowledged_is_lost_whatever_is_killed_or_cut(folder: Path) -> None:
    """No answer is an internal error, nothing acknowledged is lost, nothing overlaps, no letter
    begins about what was known to be otherwise, and subscribers hear each change.
    """
    report = await soak(SECONDS, seed=1, folder=folder)
    assert report.broken == [], str(report)
    assert report.changes > 0
    assert report.faults.total() > 0
