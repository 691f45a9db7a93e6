"""Recurrence rules (RFC 5545, section 3.3.10), expanded on the clock of the event's zone, with a
bound on what that costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dateutil.rrule import rrule, rrulestr

from app.busy_feeds.values import UnreadableValueError, clock_of, read_clock, wall_of
from app.core.zones import Minute

_LONGEST_RULE: Final = 1_000
"""Characters. BYDAY with all days and BYMONTHDAY with all dates have 150."""

_BROKEN_RULE: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What dateutil raises for rules that make no sense."""


class TooMuchError(Exception):
    """The feed has more than anybody's calendar."""


class Budget:
    """How many occurrences a feed may make its reader look at, those before the window included."""

    __slots__ = ("_left",)

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self) -> None:
        """Raises `TooMuchError`."""
        self._left -= 1
        if self._left < 0:
            raise TooMuchError


@dataclass(frozen=True, slots=True)
class Rule:
    """One RRULE or EXRULE with its beginning."""

    _rule: rrule

    @classmethod
    def parse(cls, text: str, starts: int, *, until_wall: Callable[[Minute], int]) -> Rule:
        """The rule that begins at a wall minute. `until_wall` says what the clock reads at an
        instant, for an UNTIL in UTC. Raises `UnreadableValueError`.
        """
        if len(text) > _LONGEST_RULE:
            raise UnreadableValueError
        parts = {
            name.strip().upper(): value.strip()
            for name, _, value in (part.partition("=") for part in text.split(";") if part.strip())
        }
        if parts.get("INTERVAL", "1").strip("0") == "":
            raise UnreadableValueError  # dateutil would stand still
        if "UNTIL" in parts:
            until = read_clock(parts["UNTIL"])
            wall = until_wall(until.wall) if until.is_utc else until.wall
            last = clock_of(wall).replace(second=until.seconds)
            if until.is_date:
                last = last.replace(hour=23, minute=59, second=59)
            parts["UNTIL"] = f"{last:%Y%m%dT%H%M%S}".zfill(15)
            parts.pop("COUNT", None)
        try:
            made = rrulestr(
                ";".join(f"{name}={value}" for name, value in parts.items()),
                dtstart=clock_of(starts),
            )
        except _BROKEN_RULE as error:
            raise UnreadableValueError from error
        if not isinstance(made, rrule):
            raise UnreadableValueError
        return cls(made)

    def walls(self, first: int, last: int, budget: Budget) -> Iterator[int]:
        """The wall minutes up to `last`: the last one before `first`, if any, and all from there
        on.
        """
        before: int | None = None
        try:
            for occurrence in self._rule:
                budget.spend()
                wall = wall_of(occurrence)
                if wall > last:
                    break
                if wall < first:
                    before = wall
                else:
                    yield wall
        except _BROKEN_RULE as error:
            raise UnreadableValueError from error
        if before is not None:
            yield before
