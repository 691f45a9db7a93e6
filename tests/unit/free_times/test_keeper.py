"""What is computed side by side travels together; here it counts at once."""

from __future__ import annotations

import asyncio
from datetime import date
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.core.free_days import FreeDay
from app.core.ids import OrganizationId, ProviderId
from app.free_times.keeper import Keeper
from app.free_times.shared import DAYS_AT_ONCE, Fill, Question, Stamp, _kept_at_once
from app.free_times.single_flight import Flights
from app.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

ORGANIZATION, OTHER = OrganizationId(uuid4()), OrganizationId(uuid4())
DAYS = {date.fromordinal(740_000 + number): FreeDay((0, 60, 0)) for number in range(31)}


class Shared:
    def __init__(self) -> None:
        self.here: list[Fill] = []
        self.sent: list[list[Fill]] = []

    def keep_here(self, fills: Sequence[Fill]) -> None:
        self.here += fills

    async def keep(self, fills: Sequence[Fill]) -> None:
        self.sent.append(list(fills))


def fill(organization_id: OrganizationId = ORGANIZATION, age: float = 0.0) -> Fill:
    question = Question(organization_id, ProviderId(uuid4()), "shape", tuple(DAYS))
    return Fill(question, Stamp(24), DAYS, monotonic() - age)


async def test_what_is_computed_in_one_moment_is_sent_once_and_nothing_is_lost_at_the_end() -> None:
    shared: Any = Shared()
    tasks = Tasks("test")
    keeper = Keeper(shared, Flights(), tasks)
    first, second = fill(), fill()
    keeper.keep([first])
    keeper.keep([second])
    assert shared.here == [first, second]
    assert shared.sent == []
    await tasks.close(grace_seconds=10)
    assert shared.sent == [[first, second]]
    third = fill()
    keeper.keep([third])
    await asyncio.sleep(0)
    await tasks.close()
    assert shared.sent[1:] == [[third]], "who shuts down sends it at once"


def test_a_script_is_of_one_organization_and_of_a_bounded_size_and_leaves_out_what_is_old() -> None:
    ours = [fill() for _ in range(2 * DAYS_AT_ONCE // len(DAYS))]
    theirs, old = fill(OTHER), fill(age=3_600)
    scripts = list(_kept_at_once([*ours[:5], theirs, old, *ours[5:]]))
    assert [each for script in scripts for each in script] == [*ours, theirs]
    assert scripts[-1] == [theirs]
    assert all(sum(len(each.days) for each in script) <= DAYS_AT_ONCE for script in scripts)
    assert len(scripts) == 2 + 1
