"""Limits how many pairs of fields with one response name validation compares.

graphql-core's rule compares every two fields of one response name at one place, and below them
again: some 1,500 tokens made 80,000 pairs, a quarter of a second. The library meters that work and
gives up after half a million units, which is far too late; here the budget is smaller, and a
document that exceeds it is refused with the code for too complex documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import OverlappingFieldsCanBeMergedRule
from graphql.validation.validate import ValidationAbortedError

from app.api.words.errors import TooComplex

if TYPE_CHECKING:
    from graphql import SelectionSetNode, ValidationContext


def bounded_overlaps(comparisons: int) -> type[OverlappingFieldsCanBeMergedRule]:
    """The rule with this budget of units: two for each pair of fields, one for each argument. It
    raises TooComplex when they are used up.
    """

    class BoundedOverlaps(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = comparisons

        def enter_selection_set(
            self,
            selection_set: SelectionSetNode,
            _key: Any,  # noqa: ANN401  the library's
            parent: Any,  # noqa: ANN401  the library's
            *_args: Any,  # noqa: ANN401  the library's
        ) -> None:
            try:
                super().enter_selection_set(selection_set, _key, parent, *_args)
            except ValidationAbortedError:
                if self.rule_context.remaining_complexity_budget >= 0:
                    raise  # there were too many errors
                raise TooComplex(
                    "The document repeats the same fields too often: select each once per place."
                ) from None

    return BoundedOverlaps
