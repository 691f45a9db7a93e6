"""The pace of one caller's operations: one after the other, and a pause after costly ones."""

from __future__ import annotations

import asyncio

from app.admission import pace
from app.admission.pace import Pace


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def rest() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_operations_of_one_caller_have_their_turns_in_order() -> None:
    paces = Pace(seconds=Clock())
    done: list[int] = []
    gates = [asyncio.Event() for _ in range(3)]

    async def operate(number: int) -> None:
        async with paces.turn("ada") as has_waited:
            assert has_waited is (number > 0)
            await gates[number].wait()
            done.append(number)

    running = [asyncio.create_task(operate(number)) for number in range(3)]
    await rest()
    gates[2].set()
    gates[1].set()
    await rest()
    assert done == []
    gates[0].set()
    await asyncio.gather(*running)
    assert done == [0, 1, 2]


async def test_one_operation_of_a_caller_begins_in_each_turn_of_the_event_loop() -> None:
    """Of a hundred connections that are ready at once, too: everybody else is served in between."""
    paces = Pace(seconds=Clock())
    order: list[str] = []

    async def operate(caller: str) -> None:
        async with paces.turn(caller):
            order.append(caller)

    running = [asyncio.create_task(operate("ada")) for _ in range(3)]
    running += [asyncio.create_task(operate("bea")) for _ in range(2)]
    await asyncio.gather(*running)
    assert order == ["ada", "bea", "ada", "bea", "ada"]


async def test_other_callers_wait_for_nobody() -> None:
    paces = Pace(seconds=Clock())
    async with paces.turn("ada"), paces.turn("bea") as has_waited:
        assert not has_waited


async def test_a_burst_is_free_and_what_exceeds_it_delays_the_next_operation() -> None:
    clock = Clock()
    paces = Pace(seconds=clock)
    for _ in range(3):
        async with paces.turn("ada") as has_waited:
            assert not has_waited
            paces.spend("ada", pace.BURST_SECONDS / 3)
        await rest()
    async with paces.turn("ada"):
        paces.spend("ada", 0.05)  # kept for so long
    began = asyncio.get_running_loop().time()
    async with paces.turn("ada") as has_waited:
        assert has_waited
    assert asyncio.get_running_loop().time() - began >= 0.04


async def test_what_is_spent_without_the_burst_delays_the_very_next_operation() -> None:
    paces = Pace(seconds=Clock())
    began = asyncio.get_running_loop().time()
    for number in range(3):
        async with paces.turn("ada") as has_waited:
            assert has_waited is (number > 0)
            paces.spend_without_burst("ada", 0.05)
        async with paces.turn("bea") as has_waited:
            assert not has_waited
    # by the test's clock, at which nothing is repaid: 50 ms after the first, 100 after the second
    assert asyncio.get_running_loop().time() - began >= 0.14


async def test_what_was_spent_counts_on_after_the_last_operation_until_it_is_repaid() -> None:
    clock = Clock()
    paces = Pace(seconds=clock)
    async with paces.turn("ada"):
        paces.spend("ada", pace.BURST_SECONDS)
    await rest()
    async with paces.turn("ada"):
        paces.spend("ada", 0.001)
    async with paces.turn("ada") as has_waited:
        assert has_waited
    clock.seconds += 10
    async with paces.turn("ada") as has_waited:
        pass
    await rest()
    async with paces.turn("ada") as has_waited:
        assert not has_waited


async def test_an_operation_that_is_given_up_while_it_waits_keeps_nobody_waiting() -> None:
    paces = Pace(seconds=Clock())
    async with paces.turn("ada"):
        waiting = asyncio.create_task(_pass_through(paces))
        await rest()
        waiting.cancel()
        await rest()
    async with asyncio.timeout(5):
        await _pass_through(paces)


async def test_callers_who_owe_nothing_are_forgotten() -> None:
    paces = Pace(seconds=Clock())
    for number in range(100):
        async with paces.turn(number):
            pass
    await rest()
    assert not paces.callers


async def _pass_through(paces: Pace) -> None:
    async with paces.turn("ada"):
        pass
