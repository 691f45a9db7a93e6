"""Flights: what this process computes right now, so that nobody here computes it beside.

Whoever comes before a flight has begun to read may take what it brings. Whoever comes later waits until it has landed
and looks again: it may have read before a change that they must see.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

Key = TypeVar("Key", bound="Hashable")
Cargo = TypeVar("Cargo")


@dataclass(slots=True, eq=False)
class Flight(Generic[Cargo]):
    """One computation. `is_reading` from the moment on at which it sees nothing newer."""

    is_reading: bool = False
    cargo: Cargo | None = None
    """What it brought; None where it was given up, or somebody else does it."""
    _has_landed: bool = False
    _landing: asyncio.Event | None = None
    """Made by the first who waits: most flights are nobody else's business."""

    async def landed(self, *, can_take: bool) -> Cargo | None:
        """Wait for it; its cargo where it may be taken."""
        if not self._has_landed:
            self._landing = self._landing or asyncio.Event()
            await self._landing.wait()
        return self.cargo if can_take else None

    def land(self) -> None:
        """Let everybody who waits go on."""
        self._has_landed = True
        if self._landing is not None:
            self._landing.set()


class Flights(Generic[Key, Cargo]):
    """The flights in the air."""

    __slots__ = ("_flying",)

    def __init__(self) -> None:
        self._flying: dict[Key, Flight[Cargo]] = {}

    def flying(self, key: Key) -> Flight[Cargo] | None:
        """The flight that computes this now, if there is one."""
        return self._flying.get(key)

    def take_off(self, key: Key) -> Flight[Cargo]:
        """A flight that nobody else has started; the caller has to land it."""
        flight = self._flying[key] = Flight()
        return flight

    def land(self, flights: Mapping[Key, Flight[Cargo]]) -> None:
        """Done, or given up. Those that have landed already are let be."""
        for key, flight in flights.items():
            if self._flying.get(key) is flight:
                del self._flying[key]
            flight.land()
