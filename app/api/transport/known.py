"""Known answers: requests whose very bytes were answered a moment ago, and may get the same bytes
again. What vouches for them is the caller's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

from app.api.execution.operations import Operation
from app.api.transport.bodies import Body
from app.api.transport.requests import RequestInfo


class KnownAnswer(NamedTuple):
    """The earlier answer to the same bytes of the same viewer. `cost` and `fields` are the
    operation's: it is charged and counted as if it were run.
    """

    cost: int
    fields: tuple[str, ...]
    confirm: Callable[[], Awaitable[Body | None]]
    """The body; None where it is no longer true."""


V = TypeVar("V")

FindAnswer: TypeAlias = Callable[[bytes, V, RequestInfo], KnownAnswer | None]
"""The answer to the same request before, without asking anybody whether it is still true."""
KeepAnswer: TypeAlias = Callable[[bytes, Operation, V, RequestInfo, Any, bytes], Awaitable[Body]]
"""The body of a query's answer without errors, made in a context; kept, if it may be."""
