"""One computation at a time: all who join get its result, also just after it ended."""

from __future__ import annotations

import asyncio
from datetime import date

from app.free_times.single_flight import Flights

DAY = date(2026, 1, 12)


async def test_a_computation_that_has_ended_is_not_waited_for() -> None:
    """Its finder may have been busy with a computation of its own in the meantime."""
    flights: Flights[str, int] = Flights()
    flight = flights.begin("key", DAY, DAY)
    found = flights.find("key", DAY, DAY)
    assert found is flight
    flight.result = 42
    flights.end([flight])
    async with asyncio.timeout(10):
        assert await found.wait() == 42
    assert flights.find("key", DAY, DAY) is None


async def test_everybody_who_waits_gets_the_result() -> None:
    flights: Flights[str, int] = Flights()
    flight = flights.begin("key", DAY, DAY)
    waiting = [asyncio.ensure_future(flight.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    flight.result = 42
    flights.end([flight])
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == [42, 42, 42]
