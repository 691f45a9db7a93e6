"""Fields of one response name, compared in pairs by validation: as many as a limit allows.

graphql-core's rule compares every two fields of one response name at one place, and below them
again: some 1,500 tokens made 80,000 pairs, a quarter of a second. The library meters that work and
gives up after half a million units, which is as much as the limit was meant to forbid; here the
meter starts lower, and what exceeds it is refused with the code of all that is too complex.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import OverlappingFieldsCanBeMergedRule
from graphql.validation.validate import ValidationAbortedError

from app.api.words.errors import TooComplex

if TYPE_CHECKING:
    from graphql import SelectionSetNode, ValidationContext


def bounded_overlaps(comparisons: int) -> type[OverlappingFieldsCanBeMergedRule]:
    """The rule with so many units of work: two for each pair of fields, one for each argument. It
    raises TooComplex where they are spent.
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
