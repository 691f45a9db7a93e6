"""Single flight: what this process is reading or computing right now is not begun a second time.

A flight is known by its key and its dates. The key holds the stamp that it was begun under, so
every caller with the same key may take its result, however late it joins.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping
    from datetime import date

Name = TypeVar("Name", bound="Hashable")
Result = TypeVar("Result")

TRIES: Final = 3
"""How many flights a caller may lose to callers that gave up: the last one it begins itself."""


class Flight(NamedTuple):
    """One computation, of the dates from first to last."""

    key: Hashable
    first: date
    last: date
    outcome: asyncio.Future[Any]
    """Cancelled where the caller that began it failed or was cancelled."""


class Flights:
    """The flights of this process."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[Hashable, list[Flight]] = {}

    @property
    def are_under_way(self) -> bool:
        return bool(self._flights)

    async def run(
        self,
        wanted: Mapping[Name, tuple[Hashable, date, date]],
        compute: Callable[[Mapping[Name, Flight]], Awaitable[Mapping[Name, Result]]],
        *,
        since: date | None = None,
        until: date | None = None,
    ) -> dict[Name, Result]:
        """The result for each name, by its key, first and last date: of a flight that covers these
        dates, else of `compute`, which is called once with all names that have no such flight and
        answers each. What it computes extends from the date `since` to the date `until`, where they
        are earlier and later.

        Callers that wait for a flight get whatever it answers, a refusal too. Where its caller
        gives up, one of them begins it again.
        """
        results: dict[Name, Result] = {}
        left = wanted
        for attempt in range(TRIES):
            mine: dict[Name, Flight] = {}
            others: dict[Name, Flight] = {}
            for name, (key, first, last) in left.items():
                flight = None if attempt == TRIES - 1 else self._find(key, first, last)
                if flight is None:
                    mine[name] = self._begin(
                        key, min(first, since or first), max(last, until or last)
                    )
                else:
                    others[name] = flight
            if mine:
                try:
                    computed = await compute(mine)
                    for name, flight in mine.items():
                        results[name] = computed[name]
                        flight.outcome.set_result(computed[name])
                finally:
                    for flight in mine.values():
                        self._end(flight)
            for name, flight in others.items():
                await asyncio.wait([flight.outcome])
                if not flight.outcome.cancelled():
                    results[name] = flight.outcome.result()
            if len(results) == len(wanted):
                break
            left = {name: left[name] for name in others if name not in results}
        return results

    def _find(self, key: Hashable, first: date, last: date) -> Flight | None:
        for flight in self._flights.get(key, ()):
            if flight.first <= first and last <= flight.last:
                return flight
        return None

    def _begin(self, key: Hashable, first: date, last: date) -> Flight:
        flight = Flight(key, first, last, asyncio.get_running_loop().create_future())
        self._flights.setdefault(key, []).append(flight)
        return flight

    def _end(self, flight: Flight) -> None:
        under_way = self._flights[flight.key]
        under_way[:] = [each for each in under_way if each is not flight]
        if not under_way:
            del self._flights[flight.key]
        flight.outcome.cancel()  # Changes nothing where it has a result.
