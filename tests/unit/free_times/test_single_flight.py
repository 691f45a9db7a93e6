"""One computation at a time: all who join get its result, whatever it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta

from app.free_times.single_flight import Flight, Flights

DAY = date(2026, 1, 12)
LATER = DAY + timedelta(days=1)


class Computing:
    """Counts its calls. Each lasts until the test ends it, with a result or an error."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.may_end = asyncio.Event()
        self.fails = False

    async def __call__(self, mine: Mapping[str, Flight]) -> dict[str, int]:
        self.begun.update(mine.keys())
        await self.may_end.wait()
        if self.fails:
            raise ConnectionResetError
        return {name: (flight.last - flight.first).days for name, flight in mine.items()}


def wanted(*names: str, last: date = DAY) -> dict[str, tuple[str, date, date]]:
    return {name: (name, DAY, last) for name in names}


async def test_callers_with_the_same_key_get_one_result_and_others_are_computed() -> None:
    flights, computing = Flights(), Computing()
    asked = [
        asyncio.create_task(flights.run(wanted("a", last=LATER), computing)),
        asyncio.create_task(flights.run(wanted("a"), computing)),
        asyncio.create_task(flights.run(wanted("a", "b"), computing)),
    ]
    await asyncio.sleep(0)
    computing.may_end.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*asked) == [{"a": 1}, {"a": 1}, {"a": 1, "b": 0}]
    assert computing.begun == {"a": 1, "b": 1}
    await flights.run(wanted("a"), computing)
    assert computing.begun["a"] == 2, "what has ended is begun again"


async def test_a_flight_that_reaches_further_is_joined_for_dates_before_and_after() -> None:
    flights, computing = Flights(), Computing()
    around = {"since": DAY - timedelta(days=2), "until": LATER}
    asked = [
        asyncio.create_task(flights.run(wanted("a"), computing, **around)),
        asyncio.create_task(flights.run({"a": ("a", DAY - timedelta(days=1), LATER)}, computing)),
    ]
    await asyncio.sleep(0)
    computing.may_end.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*asked) == [{"a": 3}, {"a": 3}]
    assert computing.begun == {"a": 1}


async def test_a_flight_of_fewer_dates_is_not_joined() -> None:
    flights, computing = Flights(), Computing()
    asked = [
        asyncio.create_task(flights.run(wanted("a", last=last), computing)) for last in (DAY, LATER)
    ]
    await asyncio.sleep(0)
    computing.may_end.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*asked) == [{"a": 0}, {"a": 1}]


async def test_where_the_first_caller_is_gone_one_other_begins_again() -> None:
    flights, computing = Flights(), Computing()
    asked = [asyncio.create_task(flights.run(wanted("a"), computing)) for _ in range(5)]
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.wait([asked[0]])
    computing.may_end.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*asked[1:]) == [{"a": 0}] * 4
    assert computing.begun["a"] == 2


async def test_a_waiter_that_is_gone_takes_nothing_from_the_others() -> None:
    flights, computing = Flights(), Computing()
    asked = [asyncio.create_task(flights.run(wanted("a"), computing)) for _ in range(3)]
    await asyncio.sleep(0)
    asked[1].cancel()
    await asyncio.wait([asked[1]])
    computing.may_end.set()
    async with asyncio.timeout(10):
        assert await asked[0] == await asked[2] == {"a": 0}
    assert computing.begun["a"] == 1


async def test_nobody_waits_for_more_than_a_few_that_fail() -> None:
    """Where PostgreSQL is away every computation fails, after its timeout: they don't add up."""
    flights, computing = Flights(), Computing()
    computing.fails = True
    asked = [asyncio.create_task(flights.run(wanted("a"), computing)) for _ in range(50)]
    await asyncio.sleep(0)
    computing.may_end.set()
    async with asyncio.timeout(10):
        failed = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, ConnectionResetError) for each in failed)
    assert computing.begun["a"] == 50
    assert not flights._flights
