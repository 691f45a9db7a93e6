"""The queue before a provider: which requests are admitted, checked again, or cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from app.admission.lines import (
    AT_ONCE,
    Lines,
    Turn,
)


class Door:
    """A line of people who are known by numbers; those in `losers` can't win."""

    def __init__(self) -> None:
        self.lines: Lines[int, str] = Lines()
        self.losers: set[int] = set()
        self.looks: list[list[int]] = []
        self.entered: list[int] = []
        self.refused: dict[int, str] = {}
        self.inside: dict[int, asyncio.Future[bool]] = {}
        self.failure: Exception | None = None

    async def look(self, askers: Sequence[int]) -> list[str | None]:
        self.looks.append(list(askers))
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return ["too late" if asker in self.losers else None for asker in askers]

    async def visit(self, asker: int, *, may_be_refused: bool = True) -> None:
        async with self.lines.turn("door", asker if may_be_refused else None, self.look) as turn:
            if turn.refusal is not None:
                self.refused[asker] = turn.refusal
                return
            self.entered.append(asker)
            self.inside[asker] = asyncio.get_running_loop().create_future()
            turn.came_too_late = await self.inside[asker]

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def leaves(self, asker: int, *, too_late: bool = False) -> None:
        self.inside.pop(asker).set_result(too_late)
        await self.settle()

    async def come(self, *askers: int) -> dict[int, asyncio.Task[None]]:
        tasks = {asker: asyncio.create_task(self.visit(asker)) for asker in askers}
        await self.settle()
        return tasks


async def test_some_at_once_and_the_others_in_the_order_in_which_they_came() -> None:
    door = Door()
    tasks = await door.come(*range(AT_ONCE + 3))
    assert door.entered == list(range(AT_ONCE))
    await door.leaves(2)
    await door.leaves(0)
    assert door.entered == list(range(AT_ONCE + 2))
    assert door.looks == [], "nobody contests anything, so nobody looks"
    while door.inside:
        await door.leaves(next(iter(door.inside)))
    await asyncio.gather(*tasks.values())
    assert door.lines._lines == {}, "nothing is kept of a line that is over"


async def test_after_somebody_came_too_late_all_who_wait_are_looked_at_together() -> None:
    door = Door()
    await door.come(*range(AT_ONCE + 6))
    door.losers = {AT_ONCE, AT_ONCE + 2, AT_ONCE + 4}
    await door.leaves(0, too_late=True)
    assert door.looks == [list(range(AT_ONCE, AT_ONCE + 6))]
    assert set(door.refused) == door.losers
    assert door.entered == [*range(AT_ONCE), AT_ONCE + 1]
    await door.leaves(1)
    assert len(door.looks) == 1, (
        "a request that was checked is not checked again until another one came too late"
    )
    await door.leaves(2, too_late=True)
    assert door.looks[1:] == [[AT_ONCE + 5]], "admitted requests are not checked"


async def test_who_comes_while_it_is_contested_is_looked_at_before_they_go_in() -> None:
    door = Door()
    await door.come(1)
    await door.leaves(1, too_late=True)
    door.losers = {3}
    await door.come(2, 3)
    assert [asker for look in door.looks for asker in look] == [2, 3]
    assert (door.entered, door.refused) == ([1, 2], {3: "too late"})


async def test_who_can_not_be_refused_is_not_looked_at() -> None:
    door = Door()
    await door.come(1)
    await door.leaves(1, too_late=True)
    door.losers = {2}
    task = asyncio.create_task(door.visit(2, may_be_refused=False))
    await door.settle()
    assert (door.entered, door.looks) == ([1, 2], [])
    await door.leaves(2)
    await task


async def test_a_look_that_fails_is_raised_for_its_askers_and_the_line_goes_on() -> None:
    door = Door()
    await door.come(1)
    await door.leaves(1, too_late=True)
    door.failure = RuntimeError("the database is away")
    tasks = await door.come(2, 3)
    for task in tasks.values():
        with pytest.raises(RuntimeError, match="away"):
            await task
    door.failure = None
    await door.come(4)
    assert door.entered == [1, 4]


async def test_who_goes_away_leaves_their_place_to_the_next() -> None:
    door = Door()
    tasks = await door.come(*range(AT_ONCE + 3))
    tasks[AT_ONCE].cancel()  # waits
    tasks[0].cancel()  # is inside
    door.inside.pop(1).set_result(False)
    await asyncio.sleep(0)
    tasks[AT_ONCE + 2].cancel()  # may be called at this very moment
    await door.settle()
    for gone in (0, AT_ONCE, AT_ONCE + 2):
        with suppress(asyncio.CancelledError):
            await tasks[gone]
        assert tasks[gone].cancelled()
    assert AT_ONCE + 1 in door.entered
    await door.come(*range(100, 100 + AT_ONCE))
    assert len(door.inside) == AT_ONCE + 1, "0 never left by itself, and is not inside any more"
    for asker in list(door.inside):
        if asker != 0:
            await door.leaves(asker)
    assert set(range(100, 100 + AT_ONCE)) <= set(door.entered), "no place was lost"


async def test_nothing_is_kept_of_a_line_that_everybody_left_while_they_were_looked_at() -> None:
    door = Door()
    await door.come(1)
    await door.leaves(1, too_late=True)
    task = asyncio.create_task(door.visit(2))
    for _ in range(2):
        await asyncio.sleep(0)
    assert door.looks == [[2]]
    task.cancel()
    await door.settle()
    assert (task.cancelled(), door.entered, door.lines._lines) == (True, [1], {})


async def test_who_goes_away_with_their_refusal_ends_no_line_that_has_begun_since() -> None:
    class Rush(Door):
        async def look(self, askers: Sequence[int]) -> list[str | None]:
            found = await super().look(askers)
            if 1 in askers:  # before they hear of it
                others.append(asyncio.create_task(self.comes_next()))
            return found

        async def comes_next(self) -> None:
            refused.cancel()
            await self.visit(2)

    door, others = Rush(), list[asyncio.Task[None]]()
    await door.come(0)
    await door.leaves(0, too_late=True)
    door.losers = {1}
    refused = asyncio.create_task(door.visit(1))
    await door.settle()
    assert refused.cancelled()
    assert door.entered == [0, 2]
    assert len(door.lines._lines) == 1
    await door.leaves(2)
    await asyncio.gather(*others)
    assert door.lines._lines == {}


async def test_lines_are_apart() -> None:
    lines: Lines[int, str] = Lines()
    stop = asyncio.Event()
    entered: list[str] = []

    async def look(askers: Sequence[int]) -> list[str | None]:
        return [None for _ in askers]

    async def visit(key: str) -> None:
        async with lines.turn(key, 1, look) as turn:
            assert turn == Turn(None)
            entered.append(key)
            await stop.wait()

    tasks = [asyncio.create_task(visit(key)) for key in ["busy"] * 50 + ["quiet"]]
    for _ in range(10):
        await asyncio.sleep(0)
    assert entered.count("busy") == AT_ONCE
    assert "quiet" in entered
    stop.set()
    await asyncio.gather(*tasks)
    assert entered.count("busy") == 50
