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


async def test_who_is_answered_may_ask_again_at_once() -> None:
    async def send(batch: list[int]) -> list[int]:
        return batch

    asked: Batches[int, int] = Batches(send)
    async with asyncio.timeout(10):
        assert [await asked.ask(number) for number in range(10)] == [*range(10)]
