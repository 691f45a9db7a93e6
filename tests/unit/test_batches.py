"""Batches: what is asked for within the same moment travels together."""

from __future__ import annotations

import asyncio

import pytest

from app.batches import Batches


@pytest.mark.parametrize(
    ("gather_seconds", "sent"), [(0.0, [["first"], ["second"]]), (0.5, [["first", "second"]])]
)
async def test_a_batch_that_gathers_takes_what_is_asked_for_a_moment_later(
    gather_seconds: float, sent: list[list[str]]
) -> None:
    batches: list[list[str]] = []
    left = asyncio.Event()

    async def send(batch: list[str]) -> list[str]:
        batches.append(batch)
        left.set()
        return [text.upper() for text in batch]

    asked: Batches[str, str] = Batches(send, gather_seconds=gather_seconds)
    first = asyncio.create_task(asked.ask("first"))
    for _ in range(3):  # as long as a batch takes to leave that does not gather
        await asyncio.sleep(0)
    assert left.is_set() == (gather_seconds == 0)
    assert await asked.ask("second") == "SECOND"
    assert await first == "FIRST"
    await asked.close()
    assert batches == sent


async def test_a_caller_that_was_answered_may_ask_again_at_once() -> None:
    async def send(batch: list[int]) -> list[int]:
        return batch

    asked: Batches[int, int] = Batches(send)
    async with asyncio.timeout(10):
        assert [await asked.ask(number) for number in range(10)] == [*range(10)]


async def test_two_small_batches_are_on_their_way_and_the_rest_waits() -> None:
    """Closing waits for the rest, too, and an error is that of its batch alone. Where closing is
    cancelled, what is on its way is answered nevertheless, and what a cancelled caller asked for is
    sent.
    """
    batches: list[list[int]] = []
    answered = asyncio.Event()

    async def send(batch: list[int]) -> list[int]:
        batches.append(batch)
        await answered.wait()
        if 3 in batch:
            raise LookupError(batch)
        return [2 * number for number in batch]

    asked: Batches[int, int] = Batches(send, at_once=2, most=2)
    asking = [asyncio.create_task(asked.ask(number)) for number in range(7)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert batches == [[0, 1], [2, 3]]
    given_up, closing = (asyncio.create_task(asked.close()) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    asking[5].cancel()
    await asyncio.wait([given_up, asking[5]])
    answered.set()
    await closing
    assert batches == [[0, 1], [2, 3], [4, 5], [6]]
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert [each for each in ended if isinstance(each, int)] == [0, 2, 8, 12]
    assert [type(each) for each in ended[2:4]] == [LookupError, LookupError]


async def test_a_batch_that_takes_long_does_not_keep_the_next_one_waiting() -> None:
    """It is answered when it is, and closing waits for it; what else it would have sent is sent by
    the next one.
    """
    batches: list[list[int]] = []
    answered = asyncio.Event()

    async def send(batch: list[int]) -> list[int]:
        batches.append(batch)
        if 0 in batch:
            await answered.wait()
        return batch

    asked: Batches[int, int] = Batches(send, most=2, patience_seconds=0.01)
    slow = [asyncio.create_task(asked.ask(number)) for number in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(asked.ask(number) for number in range(2, 7))) == [
            *range(2, 7)
        ]
        assert not any(each.done() for each in slow)
        closing = asyncio.create_task(asked.close())
        await asyncio.sleep(0)
        assert not closing.done()
        answered.set()
        await closing
    assert batches == [[0, 1], [2, 3], [4, 5], [6]]
    assert [each.result() for each in slow] == [0, 1]


async def test_while_a_batch_is_on_its_way_the_next_one_leaves_once_it_is_full() -> None:
    """So a rush makes full batches, and what is left over waits for an answer at most."""
    batches: list[list[int]] = []
    answers: list[asyncio.Event] = []

    async def send(batch: list[int]) -> list[int]:
        batches.append(batch)
        answers.append(answered := asyncio.Event())
        await answered.wait()
        return batch

    async def ask(*numbers: int) -> None:
        asking.extend(asyncio.create_task(asked.ask(number)) for number in numbers)
        for _ in range(5):
            await asyncio.sleep(0)

    asking: list[asyncio.Task[int]] = []
    asked: Batches[int, int] = Batches(send, at_once=2, most=2)
    await ask(0)
    await ask(1)
    assert batches == [[0]]
    await ask(2)
    assert batches == [[0], [1, 2]]
    await ask(3)
    answers[0].set()
    await ask()
    assert batches == [[0], [1, 2]], "the first one ends while the second is on its way"
    answers[1].set()
    await ask()
    assert batches == [[0], [1, 2], [3]]
    answers[2].set()
    await asked.close()
    assert [each.result() for each in asking] == [0, 1, 2, 3]


async def test_nobody_waits_for_ever_where_a_batch_ends_without_answers() -> None:
    """Cancelled, as when the event loop ends, or with an answer too few. The next ones are sent."""
    batches: list[list[int]] = []

    async def send(batch: list[int]) -> list[int]:
        batches.append(batch)
        if 0 in batch:
            await asyncio.Event().wait()
        return batch[: 10 - batch[-1]]

    asked: Batches[int, int] = Batches(send, most=2)
    asking = [asyncio.create_task(asked.ask(number)) for number in (0, 1, 2, 3, 8, 9)]
    await asyncio.sleep(0)
    [sender] = asked._senders
    await asyncio.sleep(0)
    sender.cancel()
    async with asyncio.timeout(10):
        ended = await asyncio.gather(*asking, return_exceptions=True)
    assert batches == [[0, 1], [2, 3], [8, 9]]
    assert [each if isinstance(each, int) else type(each) for each in ended] == [
        asyncio.CancelledError,
        asyncio.CancelledError,
        2,
        3,
        8,
        ValueError,
    ]


async def test_while_a_batch_is_on_its_way_the_next_one_may_wait_for_a_crowd() -> None:
    batches: list[list[int]] = []
    answered = asyncio.Event()

    async def send(batch: list[int]) -> list[int]:
        batches.append(batch)
        await answered.wait()
        return batch

    asked: Batches[int, int] = Batches(send, at_once=2, most=2, crowd=4)
    asking: list[asyncio.Task[int]] = []
    for number in range(6):
        asking.append(asyncio.create_task(asked.ask(number)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert batches == ([[0]] if number < 4 else [[0], [1, 2]])
    answered.set()
    assert await asyncio.gather(*asking) == [*range(6)]
    assert batches == [[0], [1, 2], [3, 4], [5]]
