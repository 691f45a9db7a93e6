"""Recent answers of this process, each with what it was true under and for how long. Those used
longest ago go first.
"""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """At most so many answers."""

    __slots__ = ("_answers", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Hashable, tuple[Hashable, float, Answer]] = OrderedDict()

    def __contains__(self, question: Hashable) -> bool:
        """Whether there is an answer, be it true still or not."""
        return question in self._answers

    def find(self, question: Hashable, circumstances: Hashable) -> Answer | None:
        """The answer, if it was given under the same circumstances and its time is not over."""
        found = self._answers.get(question)
        if found is None or found[0] != circumstances or monotonic() >= found[1]:
            return None
        self._answers.move_to_end(question)
        return found[2]

    def keep(
        self, question: Hashable, circumstances: Hashable, answer: Answer, seconds: float
    ) -> None:
        """For so many seconds from now on, in place of an earlier answer."""
        self._answers[question] = (circumstances, monotonic() + seconds, answer)
        self._answers.move_to_end(question)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
