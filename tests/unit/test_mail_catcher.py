"""The server that catches mail and texts in development."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.standins.mail_catcher import catching


@pytest.mark.parametrize("there", [False, True], ids=["new", "open to all before"])
def test_what_is_caught_is_for_its_owner_alone(tmp_path: Path, there: bool) -> None:  # noqa: FBT001
    folder = tmp_path / "mailbox"
    if there:
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
    with catching(folder, lambda: datetime(2026, 1, 12, tzinfo=UTC)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
