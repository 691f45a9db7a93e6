"""Formats lists of instants as text, from dates and clock readings that are each formatted once."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Final

from app.core.zones import DAY_MINUTES, date_of_number, eras_between
from app.weighted_cache import remembered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.core.zones import Minute


_CLOCK: Final = tuple(f"T{minute // 60:02}:{minute % 60:02}:00" for minute in range(DAY_MINUTES))


@remembered(
    "written dates", most_bytes=1024 * 1024, weigh=lambda _number, written: 32 + getsizeof(written)
)
def _date(number: int) -> str:
    return date_of_number(number).isoformat()


def _readings(minutes: Iterable[int], offset: str) -> list[str]:
    """What a clock shows, each with the same offset: 2026-03-08T09:00:00-05:00."""
    texts: list[str] = []
    known: int | None = None
    written = ""
    for minute in minutes:
        number, reading = divmod(minute, DAY_MINUTES)
        if number != known:
            known, written = number, _date(number)
        texts.append(written + _CLOCK[reading] + offset)
    return texts


def utc_texts(minutes: Sequence[Minute]) -> list[str]:
    """RFC 3339 in UTC, as a DateTime is written."""
    return _readings(minutes, "Z")


def local_texts(zone: str, minutes: Sequence[Minute]) -> list[str]:
    """The wall clock of the zone with its offset: 2026-03-08T09:00:00-05:00."""
    if not minutes:
        return []
    texts: list[str] = []
    eras = eras_between(zone, min(minutes), max(minutes) + 1)
    if len(eras) == 1:
        offset = eras[0][2]
        return _readings([minute + offset for minute in minutes], _offset(offset))
    for minute in minutes:
        offset = next(offset for begin, end, offset in eras if begin <= minute < end)
        texts += _readings([minute + offset], _offset(offset))
    return texts


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
