"""Single flight: what this process computes right now, so that it is computed once here.

A computation is known by its key and its dates. The key holds the stamp that it was begun under, so
everybody with the same key may take the result, however late they come.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import date

Key = TypeVar("Key", bound="Hashable")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Flight(Generic[Key, Result]):
    """One computation, of the dates from first to last."""

    key: Key
    first: date
    last: date
    is_refused: bool = False
    """There was too much to do; those who wait are refused too."""
    result: Result | None = None
    """None while it lasts, and where it was refused or given up."""
    _is_over: bool = False
    _ended: asyncio.Event | None = None
    """Made by the first who waits: most are waited for by nobody."""

    async def wait(self) -> Result | None:
        """The result, when it has ended; at once where it has ended before anybody waited."""
        if not self._is_over:
            self._ended = self._ended or asyncio.Event()
            await self._ended.wait()
        return self.result

    def end(self) -> None:
        """Wake those who wait."""
        self._is_over = True
        if self._ended is not None:
            self._ended.set()


class Flights(Generic[Key, Result]):
    """The computations under way."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[Key, list[Flight[Key, Result]]] = {}

    def find(self, key: Key, first: date, last: date) -> Flight[Key, Result] | None:
        """One that computes all of these dates."""
        return next(
            (
                flight
                for flight in self._flights.get(key, ())
                if flight.first <= first and last <= flight.last
            ),
            None,
        )

    def begin(self, key: Key, first: date, last: date) -> Flight[Key, Result]:
        """A computation by the caller, who has to end it."""
        flight: Flight[Key, Result] = Flight(key, first, last)
        self._flights.setdefault(key, []).append(flight)
        return flight

    def end(self, flights: Iterable[Flight[Key, Result]]) -> None:
        """They have their result, or were refused or given up."""
        for flight in flights:
            under_way = self._flights[flight.key]
            under_way.remove(flight)
            if not under_way:
                del self._flights[flight.key]
            flight.end()
