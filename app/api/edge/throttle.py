"""The throttle: how much one caller may ask for in a minute, in points; and how often one without a
token may book.

A point is a field of an answer, as the transport reckons it beforehand, or 10 µs of processor time
that preparing the operation took. A caller is a token's subject, or else a network. Only a valid
token spends its caller's budget, so nobody can lock out somebody else by using their name.
"""

from __future__ import annotations

from contextlib import nullcontext
from math import ceil
from typing import TYPE_CHECKING, Final

from app.admission.pace import Pace
from app.admission.rates import Rate, Rates
from app.admission.shares import Shares
from app.api.words.errors import Code, Failure
from app.core.network import network_of
from app.core.viewer import Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from app.core.viewer import Viewer

LEAST_POINTS: Final = 100
"""The least cost of any operation, refused ones included."""

POINTS_PER_SECOND: Final = 100_000
"""Of processor time, for parsing, validating and coercing: a field of an answer takes about 10 µs.
A document that is known costs next to nothing; the largest new one some 10,000 points.
"""

COSTLY_SECONDS: Final = 0.005
"""Of processor time: what takes longer to prepare counts against a budget of its own, since the
process answers nobody else in the meantime. A page's documents take 1 to 3 ms, and only once.
"""

COSTLY_MS_PER_MINUTE: Final = 300
"""How far one caller's operations may exceed `COSTLY_SECONDS` within a minute, all together."""

PAUSE: Final = 3
"""How long an operation keeps its caller's turn, in multiples of the processor time that it is
reckoned to take: one caller takes a third of a process at most, a short burst aside.
"""

TAKING_SECONDS: Final = 0.012
"""Of processor time, the database's included: what a booking or a hold takes besides its points.
Sixteen at once would delay everybody for a tenth of a second, so those of one network, without a
token, begin `PAUSE` times as long apart, from the first one on.
"""

COMPILING_SECONDS: Final = 0.15
"""Of processor time: what setting or previewing a large template takes besides its points. It is
compiled on a thread, which takes the event loop's turns from it all the same.
"""

COMPILING_FIELDS: Final = frozenset({"setMessageTemplate", "previewMessage"})
"""What compiles templates."""

GUEST_FIELDS: Final = frozenset({"bookAppointment", "holdSlot"})
"""The mutations that occupy a provider's time."""


class Throttle:
    """Three budgets per minute: `points` for everything, `guest_bookings` for bookings of callers
    without a token, and one for operations that are costly to prepare. Within it, the pace;
    and `queries` of one caller are executed at the same time.
    """

    def __init__(self, rates: Rates, *, points: int, guest_bookings: int, queries: int) -> None:
        self._rates = rates
        self._points = Rate(name="points", points=points)
        self._costly = Rate(name="costly", points=COSTLY_MS_PER_MINUTE)
        self._guest_bookings = Rate(name="guest-bookings", points=guest_bookings)
        self._pace = Pace()
        self._shares = Shares(queries)

    def turn(self, viewer: Viewer) -> AbstractAsyncContextManager[bool | None]:
        """The caller's turn to have an operation prepared and charged."""
        caller = _caller(viewer)
        return nullcontext() if caller is None else self._pace.turn(caller)

    def place(self, viewer: Viewer) -> AbstractAsyncContextManager[None]:
        """One of the caller's places, to execute a query."""
        caller = _caller(viewer)
        return nullcontext() if caller is None else self._shares.place(caller)

    def knock(self, viewer: Viewer) -> None:
        """Raises Failure (RATE_LIMITED) if the caller has spent their budget; called before any
        work is done.
        """
        caller = _caller(viewer)
        if caller is not None:
            _refuse(
                max(self._rates.wait(rate, caller) for rate in (self._points, self._costly)),
                "Too much was asked for in too short a time.",
            )

    def admit(self, caller: str, points: int) -> None:
        """Take the price of a request that is no operation. Raises Failure (RATE_LIMITED) where the
        caller has spent their budget: then nothing is taken.
        """
        _refuse(
            self._rates.wait(self._points, caller),
            "Too much was asked for in too short a time.",
        )
        self._rates.spend(self._points, caller, max(LEAST_POINTS, points))

    def charge(self, viewer: Viewer, cost: int, fields: Sequence[str], seconds: float) -> None:
        """Take the price of an operation with these root fields, which took so many seconds of
        processor time to prepare, or to refuse. Raises Failure (RATE_LIMITED).
        """
        caller = _caller(viewer)
        if caller is None:
            return
        points = max(LEAST_POINTS, cost + round(seconds * POINTS_PER_SECOND))
        self._rates.spend(self._points, caller, points)
        self._pace.spend(caller, points / POINTS_PER_SECOND * PAUSE)
        excess_ms = round((seconds - COSTLY_SECONDS) * 1000)
        if excess_ms > 0:
            self._rates.spend(self._costly, caller, excess_ms)
        compiling = sum(name in COMPILING_FIELDS for name in fields)
        if compiling:
            self._pace.spend(caller, compiling * COMPILING_SECONDS * PAUSE)
        taking = sum(name in GUEST_FIELDS for name in fields)
        if taking and viewer.role is Role.ANONYMOUS:
            _refuse(
                self._rates.wait(self._guest_bookings, caller),
                "Too many bookings were tried without signing in.",
            )
            self._rates.spend(self._guest_bookings, caller, taking)
            self._pace.spend_without_burst(caller, taking * TAKING_SECONDS * PAUSE)


def _caller(viewer: Viewer) -> str | None:
    """Whose budget it is; None where the caller has neither a subject nor an address."""
    if viewer.subject is not None:
        return f"{viewer.organization_id}\x1f{viewer.role}\x1f{viewer.subject}"
    return None if viewer.address is None else network_of(viewer.address)


def _refuse(seconds: float, why: str) -> None:
    if seconds <= 0:
        return
    wait = ceil(seconds)
    raise Failure(Code.RATE_LIMITED, f"{why} Ask again in {wait} s.", retryAfterSeconds=wait)
