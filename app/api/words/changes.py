"""What an update input changes: the fields that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import strawberry

from app.api.words.keys import optional_location_key
from app.api.words.limits import BookingLimitInput
from app.api.words.money import CancellationPolicyInput, MoneyInput

if TYPE_CHECKING:
    from app.core.validation import Changes


def changes_of(form: object, *, without: frozenset[str]) -> Changes:
    """The fields that an update input names, with their values in the core's terms."""
    changes: Changes = {}
    for name, value in vars(form).items():
        if value is not strawberry.UNSET and name not in without:
            key = _KEYS.get(name)
            changes[name] = _in_core(value) if key is None else key(value)
    return changes


_KEYS: Final = {"location_id": optional_location_key}
"""Fields that hold a global id, and what makes it the core's."""


def _in_core(value: Any) -> Any:  # noqa: ANN401  whatever an input holds
    match value:
        case MoneyInput() | CancellationPolicyInput() | BookingLimitInput():
            return value.to_core()
        case list():
            return [_in_core(each) for each in value]
        case _:
            return value
