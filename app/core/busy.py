"""Busy times: when a subject is busy with something that is not booked here, as named sources say,
such as a private calendar. No new visit, with its buffers, overlaps one. They count for nothing
else, and may overlap each other and what is booked.

What a source says is stored as *pieces*: its union, cut at fixed instants, so that no piece is
longer than a claim may be and a look at claims by their beginnings finds it. The same times are
always the same pieces, so two versions differ by sets. A source may also have *readings*, of wall
clocks in the subject's zone, whichever zone that is. Their pieces are kept apart from the others:
they are computed again when the zone changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.core.changes import RulesChanged, TimeChanged
from app.core.hours import cut_intervals, merge_intervals
from app.core.slots import LONGEST_CLAIM_MINUTES
from app.core.zones import (
    DAY_MINUTES,
    LAST_DATE,
    Interval,
    Minute,
    day_number,
    instants_reading,
)

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.ids import BusySourceId, OrganizationId, SubjectId

MOST_SOURCES: Final = 20
"""Of one subject."""

MOST_TIMES: Final = 500
"""In one push: as many items as lists in requests may have."""

MOST_PIECES: Final = 20_000
"""Of one source, past ones included until they are purged."""

LONGEST_WINDOW_DAYS: Final = 1_200
"""Of one push: more than the farthest horizon."""

LONGEST_PIECE: Final = LONGEST_CLAIM_MINUTES
"""In minutes: looks at claims by their beginnings find it."""

KEPT_DAYS: Final = 30
"""How long a busy time is kept after its end. What a source says about earlier times is ignored."""

MOST_CHANGES: Final = 32
"""If more stretches of time than this change at once, all dates of the subject are invalidated."""

FOREVER: Final = (day_number(LAST_DATE) + 2) * DAY_MINUTES
"""The first minute after the last supported date, on any clock."""

WallInterval: TypeAlias = tuple[int, int]
"""Half-open, in wall minutes (see `app.core.zones`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusySource:
    """A named source of a subject's busy times. `url` is that of a feed, None where the times are
    pushed; so is all that follows. `failing_since` and `problem` are those of a feed that could not
    be read since.
    """

    id: BusySourceId
    subject_id: SubjectId
    name: str
    url: str | None = None
    last_read_at: datetime | None = None
    failing_since: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTimes:
    """What a source says about a window: when the subject is busy in it. Times may overlap; parts
    outside the window are ignored. `readings` are all that the source has, whatever the window.
    """

    window: Interval
    times: Sequence[Interval]
    readings: Sequence[WallInterval] = ()


class BusyPiece(NamedTuple):
    """A stored part of a busy time, no longer than `LONGEST_PIECE`."""

    busy_from: Minute
    busy_until: Minute
    is_floating: bool = False
    """Whether it comes of readings."""


class BusyChange(NamedTuple):
    """The pieces to write and to delete, and the time that they change: ascending, apart."""

    added: tuple[BusyPiece, ...]
    removed: tuple[BusyPiece, ...]
    changed: tuple[Interval, ...]


def change_of_pieces(
    stored: Iterable[BusyPiece], said: BusyTimes, zone: str, *, kept_from: Minute
) -> BusyChange:
    """What to write where these pieces are stored: at least all that overlap or touch the window,
    and all that come of readings. Whatever is before `kept_from` stays as it is, stored or not.
    """
    before = frozenset(stored)
    fixed = _replaced(
        [each[:2] for each in before if not each.is_floating],
        (max(said.window[0], kept_from), said.window[1]),
        said.times,
    )
    floating = _replaced(
        [each[:2] for each in before if each.is_floating],
        (kept_from, FOREVER),
        chain.from_iterable(instants_reading(zone, *each) for each in said.readings),
    )
    after = frozenset(
        (
            *(BusyPiece(*each) for each in _cut_in_pieces(fixed)),
            *(BusyPiece(*each, is_floating=True) for each in _cut_in_pieces(floating)),
        )
    )
    was, becomes = ([each[:2] for each in pieces] for pieces in (before, after))
    return BusyChange(
        added=tuple(sorted(after - before)),
        removed=tuple(sorted(before - after)),
        changed=tuple(
            merge_intervals((*cut_intervals(was, becomes), *cut_intervals(becomes, was)))
        ),
    )


def changes_to_publish(
    organization_id: OrganizationId,
    subject_id: SubjectId,
    zone: str,
    changed: Sequence[Interval],
) -> tuple[TimeChanged | RulesChanged, ...]:
    """That this time of the subject became busy, or is busy no more."""
    if len(changed) > MOST_CHANGES:
        return (RulesChanged(organization_id=organization_id, ids=(subject_id,)),)
    return tuple(
        TimeChanged(
            organization_id=organization_id,
            subject_id=subject_id,
            time_zone=zone,
            claimed_from=begin,
            claimed_until=end,
        )
        for begin, end in changed
    )


def merge_readings(
    readings: Iterable[WallInterval], *, kept_from: Minute
) -> frozenset[WallInterval]:
    """The same readings in as few ranges as may be, without those that are over by `kept_from` on
    every clock.
    """
    return frozenset(
        each for each in merge_intervals(readings) if each[1] > kept_from - DAY_MINUTES
    )


def _replaced(
    before: Iterable[Interval], window: Interval, times: Iterable[Interval]
) -> Iterable[Interval]:
    """What was before outside the window, and these times within it."""
    first, until = window
    if first >= until:
        return before
    within = (
        (max(begin, first), min(end, until))
        for begin, end in times
        if begin < until and first < end
    )
    return (*cut_intervals(before, [window]), *within)


def _cut_in_pieces(intervals: Iterable[Interval]) -> Iterable[Interval]:
    """Their union, cut at every multiple of the longest piece."""
    for begin, end in merge_intervals(intervals):
        start = begin
        while start < end:
            stop = (start // LONGEST_PIECE + 1) * LONGEST_PIECE
            yield start, min(stop, end)
            start = stop
