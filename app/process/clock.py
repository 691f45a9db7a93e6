"""The clock of every process: nothing else asks the machine what time it is."""

from __future__ import annotations

from datetime import UTC, datetime


def system_clock() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)
