"""Flights: what this process computes right now, so that nobody here computes it beside.

Each is about something, on some dates; whoever wants other dates need not wait for it. Whoever
comes before a flight has begun to read may take what it brings. Whoever comes later waits until it
has landed and looks again: it may have read before a change that they must see.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import date

Key = TypeVar("Key", bound="Hashable")
Cargo = TypeVar("Cargo")


@dataclass(slots=True, eq=False)
class Flight(Generic[Key, Cargo]):
    """One computation, of the dates from first to last. `is_reading` from the moment on at which it
    sees nothing newer.
    """

    key: Key
    first: date
    last: date
    is_reading: bool = False
    is_refused: bool = False
    """There was too much to do; whoever waited for it need not try again."""
    cargo: Cargo | None = None
    """What it brought; None where it was given up, or somebody else does it."""
    has_landed: bool = False
    _landing: asyncio.Event | None = None
    """Made by the first who waits: most flights are nobody else's business."""

    async def landed(self, *, can_take: bool) -> Cargo | None:
        """Wait for it; its cargo where it may be taken."""
        if not self.has_landed:
            self._landing = self._landing or asyncio.Event()
            await self._landing.wait()
        return self.cargo if can_take else None

    def land(self) -> None:
        """Let everybody who waits go on."""
        self.has_landed = True
        if self._landing is not None:
            self._landing.set()


class Flights(Generic[Key, Cargo]):
    """The flights in the air, by what they are about."""

    __slots__ = ("_flying",)

    def __init__(self) -> None:
        self._flying: dict[Key, list[Flight[Key, Cargo]]] = {}

    def flying(self, key: Key, first: date, last: date) -> list[Flight[Key, Cargo]]:
        """Those that compute some of these dates now."""
        return [
            flight
            for flight in self._flying.get(key, ())
            if flight.first <= last and first <= flight.last
        ]

    def take_off(self, key: Key, first: date, last: date) -> Flight[Key, Cargo]:
        """A flight that nobody else has started; the caller has to land it."""
        flight: Flight[Key, Cargo] = Flight(key, first, last)
        self._flying.setdefault(key, []).append(flight)
        return flight

    def land(self, flights: Iterable[Flight[Key, Cargo]]) -> None:
        """Done, or given up. Those that have landed already are let be."""
        for flight in flights:
            if flight.has_landed:
                continue
            beside = self._flying[flight.key]
            beside.remove(flight)
            if not beside:
                del self._flying[flight.key]
            flight.land()
