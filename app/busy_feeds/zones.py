"""What a TZID means. The pinned tables win over a feed's own copy of a zone's rules, which may be
older; a VTIMEZONE is read where its name says nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from babel.core import get_global

from app.busy_feeds.recurrence import Budget, Rule
from app.busy_feeds.values import DAY_MINUTES
from app.core.zones import first_reading, is_known_zone, known_zones, wall_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.core.zones import Minute

_PARTS_OF_A_NAME: Final = 3
"""America/Argentina/Salta is the longest kind of name."""


class Zone(Protocol):
    """A clock. In a fold, a reading is the first of the two instants; in a gap, it is read by the
    offset before the gap (RFC 5545, section 3.3.5).
    """

    def minute_of(self, wall: int) -> Minute: ...

    def wall_of(self, minute: Minute) -> int: ...


@dataclass(frozen=True, slots=True)
class TableZone:
    """A zone of the pinned tables."""

    name: str

    def minute_of(self, wall: int) -> Minute:
        return first_reading(self.name, wall)

    def wall_of(self, minute: Minute) -> int:
        return wall_at(self.name, minute)


UTC: Final = TableZone("UTC")


@dataclass(frozen=True, slots=True)
class CustomZone:
    """A zone by a feed's own VTIMEZONE: its onsets in order, each (the wall minute that clocks read
    just before, the offset before, the offset after).
    """

    onsets: tuple[tuple[int, int, int], ...]
    _walls: tuple[int, ...] = field(init=False, repr=False)
    _minutes: tuple[Minute, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_walls", tuple(wall for wall, _, _ in self.onsets))
        object.__setattr__(
            self, "_minutes", tuple(wall - before for wall, before, _ in self.onsets)
        )

    def minute_of(self, wall: int) -> Minute:
        index = bisect_right(self._walls, wall) - 1
        if index < 0:
            return wall - self.onsets[0][1]
        onset, before, after = self.onsets[index]
        in_gap = wall < onset + (after - before)
        return wall - (before if in_gap else after)

    def wall_of(self, minute: Minute) -> int:
        index = bisect_right(self._minutes, minute) - 1
        offset = self.onsets[0][1] if index < 0 else self.onsets[index][2]
        return minute + offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Observance:
    """A STANDARD or DAYLIGHT of a VTIMEZONE."""

    starts: int
    """The wall minute of the first onset, by the offset before."""
    before: int
    after: int
    rules: tuple[str, ...]
    dates: tuple[int, ...]


def custom_zone(
    observances: Sequence[Observance], *, first: int, last: int, budget: Budget
) -> CustomZone | None:
    """The zone around the wall minutes from `first` to `last`; None where nothing is said. Raises
    ValueError where a rule can't be read.
    """
    onsets: list[tuple[int, int, int]] = []
    for observance in observances:
        walls = {observance.starts, *observance.dates}
        for text in observance.rules:
            # the end of a zone's rule is in UTC
            rule = Rule.parse(text, observance.starts, until_wall=_ahead_by(observance.before))
            walls.update(rule.walls(first, last, budget))
        before = [wall for wall in walls if wall < first]
        kept = [wall for wall in walls if first <= wall <= last]
        if before:
            kept.append(max(before))
        onsets += [(wall, observance.before, observance.after) for wall in kept]
    return CustomZone(tuple(sorted(onsets))) if onsets else None


def _ahead_by(offset: int) -> UntilWall:
    return lambda minute: minute + offset


class UntilWall(Protocol):
    def __call__(self, minute: Minute, /) -> int: ...


def known_zone(tzid: str) -> TableZone | None:
    """The zone of the tables that a TZID names: itself, Windows' name for it, or with a prefix, as
    in /mozilla.org/20050126_1/Europe/Berlin.
    """
    name = tzid.strip().strip('"')
    if is_known_zone(name):
        return TableZone(name)
    folded = _by_folded_name().get(name.casefold())
    if folded is not None:
        return TableZone(folded)
    parts = name.split("/")
    for count in range(min(_PARTS_OF_A_NAME, len(parts) - 1), 1, -1):
        ending = "/".join(parts[-count:])
        if is_known_zone(ending):
            return TableZone(ending)
    return None


@cache
def _by_folded_name() -> Mapping[str, str]:
    """Names in any case, and CLDR's table of Windows' names."""
    windows: Mapping[str, str] = get_global("windows_zone_mapping")
    return {name.casefold(): name for name in known_zones()} | {
        name.casefold(): zone for name, zone in windows.items() if is_known_zone(zone)
    }


WINDOW_MARGIN: Final = 800 * DAY_MINUTES
"""How far around the window a custom zone is expanded: a yearly rule has an onset within it."""
