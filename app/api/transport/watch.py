"""The watch of operations: called before any work for a caller, and again with the cost and the
outcome of each operation.

Operations are named by the root fields that they select: those are the schema's words, so there are
only so many.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

V_contra = TypeVar("V_contra", contravariant=True)

SEVERAL = "several"
NONE = "none"
OK = "OK"


class Done(NamedTuple):
    """How an operation ended. `seconds` is None where it never ran, or runs on as a stream."""

    fields: tuple[str, ...]
    transport: str
    outcome: str
    """OK, or the code of the first error."""
    seconds: float | None

    @property
    def name(self) -> str:
        """The name of its one root field; or a word for several, or for none."""
        return label_of(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Generic[V_contra]):
    """The watcher's callbacks; the defaults do nothing.

    `knock` and `charge` may raise Failure, which refuses the operation. `charge` gets its cost, the
    names of its root fields, and the seconds of processor time that preparing it took; the seconds
    alone where the operation itself was refused. It is prepared and charged while it has the
    caller's `turn`, which says whether it had to wait for it. A query is executed while it has one
    of its caller's places; waiting for one raises TimeoutError where that takes too long.
    """

    knock: Callable[[V_contra], None] = lambda _viewer: None
    charge: Callable[[V_contra, int, tuple[str, ...], float], None] = (
        lambda _viewer, _cost, _fields, _seconds: None
    )
    turn: Callable[[V_contra], AbstractAsyncContextManager[bool | None]] = lambda _viewer: (
        nullcontext()
    )
    place: Callable[[V_contra], AbstractAsyncContextManager[None]] = lambda _viewer: nullcontext()
    done: Callable[[Done], None] = lambda _done: None


def label_of(fields: tuple[str, ...]) -> str:
    """One name for an operation's root fields."""
    if not fields:
        return NONE
    return fields[0] if len(set(fields)) == 1 else SEVERAL


def outcome_of(errors: list[dict[str, Any]] | None) -> str:
    """The code of the first error, or OK."""
    return str(errors[0]["extensions"]["code"]) if errors else OK
