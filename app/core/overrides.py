"""Overrides: the rules of time that staff set aside for one booking, hold or move, one by one.

An override never takes what is taken: other claims, buffers and seats count as ever. Only busy
times, which may overlap anything, can be set aside. Nothing begins in the past or between two
minutes. Outside open time there is no grid, so HOURS is enough there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.slots import UnbookableReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.ids import ProviderId


class RuleSetAside(StrEnum):
    """A rule of time that staff can set aside."""

    HOURS = "HOURS"
    """The visit need not lie in open time."""
    GRID = "GRID"
    """It may start at any minute."""
    NOTICE = "NOTICE"
    """It may start sooner than the notice allows."""
    HORIZON = "HORIZON"
    """It may be further ahead than the horizon allows."""
    LIMITS = "LIMITS"
    """Limits of visits may be exceeded, and so may what one customer may have."""
    BUSY_ELSEWHERE = "BUSY_ELSEWHERE"
    """The visit may overlap busy times."""


REASONS: Final = {
    RuleSetAside.HOURS: frozenset(
        {
            UnbookableReason.OUTSIDE_HOURS,
            UnbookableReason.BREAK,
            UnbookableReason.EXCEPTION,
            UnbookableReason.TIME_OFF,
            UnbookableReason.DOES_NOT_FIT,
        }
    ),
    RuleSetAside.GRID: frozenset({UnbookableReason.NOT_ON_GRID}),
    RuleSetAside.NOTICE: frozenset({UnbookableReason.TOO_SHORT_NOTICE}),
    RuleSetAside.HORIZON: frozenset({UnbookableReason.BEYOND_HORIZON}),
    RuleSetAside.LIMITS: frozenset({UnbookableReason.LIMIT_REACHED}),
    RuleSetAside.BUSY_ELSEWHERE: frozenset({UnbookableReason.BUSY_ELSEWHERE}),
}
"""The reasons that don't count any more where a rule is set aside."""

_NONE: Final = frozenset[UnbookableReason]()


class Override(NamedTuple):
    """The rules that a caller sets aside. With `only_of`, they are set aside for this provider
    alone: not for others whom the visit takes, nor for resources or the customer.
    """

    rules: frozenset[RuleSetAside] = frozenset()
    only_of: ProviderId | None = None

    def of_provider(self, provider_id: ProviderId) -> frozenset[UnbookableReason]:
        """The reasons that don't count against taking this provider, or against their leading."""
        if not self.rules or self.only_of not in {None, provider_id}:
            return _NONE
        return _reasons(self.rules)

    @property
    def of_resources(self) -> frozenset[UnbookableReason]:
        """The reasons that don't count against taking resources."""
        return _NONE if not self.rules or self.only_of is not None else _reasons(self.rules)

    @property
    def exceeds_what_customers_may_have(self) -> bool:
        """Whether the customer's own limits don't count either."""
        return RuleSetAside.LIMITS in self.rules and self.only_of is None


def _reasons(rules: Iterable[RuleSetAside]) -> frozenset[UnbookableReason]:
    return _NONE.union(*(REASONS[rule] for rule in rules))


NO_OVERRIDE: Final = Override()
